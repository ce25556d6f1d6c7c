"""What a context knows without reading a value: what lies on disk, and what memory has beside it."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from jo_notebook.core.record import Failure, LogEntry, Record
from jo_notebook.errors import ResultDamaged, ResultMissing, did_you_mean
from jo_notebook.store.disk import Index
from jo_notebook.store.held import Held
from jo_notebook.store.reading import Found

Log = tuple[LogEntry, ...]
_ticks = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Used:
    """An older generation that stands for its step; `newest` is the highest number there was at that time."""

    found: Found[Record]
    newest: int


class Known:
    """The maps behind a context, and their lock: whoever calls holds it.

    `version` is another, higher number after every change; no two contexts of a process share one.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.version = next(_ticks)
        self.held: dict[str, Held] = {}
        self.failed: dict[str, tuple[Failure, Log]] = {}
        self.disk_results: dict[str, Found[Record]] = {}
        self.disk_failures: dict[str, Found[Failure]] = {}
        self.used: dict[str, Used] = {}
        self.seen: dict[str, dict[int, Found[Record]]] = {}
        self._overtaken: set[tuple[str, str]] = set()

    @property
    def index(self) -> Index:
        """What the disk had when it was last read."""
        return Index(self.disk_results, self.disk_failures)

    def touch(self) -> None:
        """Something has changed."""
        self.version = next(_ticks)

    # -- looking -------------------------------------------------------------------------------------

    def current(self, name: str) -> Found[Record] | None:
        """The result on disk that stands for the step: the newest, or the generation in use."""
        used = self.used.get(name)
        return used.found if used else self.disk_results.get(name)

    def record(self, name: str) -> Record | None:
        """What is remembered of the step's result; memory's is ahead of the disk's."""
        held = self.held.get(name)
        if held is not None and held.record is not None:
            return held.record
        found = self.current(name)
        return found.record if found else None

    def records(self) -> dict[str, Record]:
        """`record` of every step."""
        stored = {name: found.record for name, found in self._on_disk().items() if found.record}
        return {**stored, **{name: held.record for name, held in self.held.items() if held.record}}

    def failures(self) -> dict[str, Failure]:
        """The failures that no success has overtaken."""
        stored = {name: found.record for name in self.disk_failures if (found := self.failure(name)) and found.record}
        return {**stored, **{name: failure for name, (failure, _) in self.failed.items()}}

    def failure(self, name: str) -> Found[Failure] | None:
        """The failure on disk, if it is newer than the newest result."""
        found = self.disk_failures.get(name)
        if found is None or found.footer is None or (name, found.id) in self._overtaken:
            return None
        return found if found.footer.after >= self.seq(name) else None

    def behind_none(self) -> dict[str, Found[Record]]:
        """The results on disk that stand for their steps and that nothing in memory is ahead of."""
        ahead = {name for name, held in self.held.items() if held.record}
        return {name: found for name, found in self._on_disk().items() if name not in ahead}

    def where(self, name: str) -> str:
        """memory, disk or nothing."""
        held = self.held.get(name)
        if held is not None:
            return "memory" if held.has_value else ""
        return "disk" if _has_value(self.current(name)) else ""

    def is_nowhere_else(self, name: str) -> bool:
        """Whether memory has a result, or its story, that the disk does not have."""
        held = self.held.get(name)
        return held is not None and (held.record is not None or not _has_value(self.current(name)))

    def names(self) -> list[str]:
        """The steps whose value can be asked for."""
        return sorted(name for name in {*self.held, *self.disk_results} if self.where(name))

    def seq(self, name: str) -> int:
        """The number of the newest result on disk, 0 for none."""
        return self.disk_results[name].seq if name in self.disk_results else 0

    def in_use(self, name: str) -> int:
        """The number of the older generation in use, 0 where the newest is."""
        return self.used[name].found.seq if name in self.used else 0

    def readable(self, name: str) -> Found[Record]:
        """The file a value can be read from. Raises ResultMissing or ResultDamaged, saying what to do."""
        held, found = self.held.get(name), self.current(name)
        if held is None and found is None:
            raise ResultMissing(f"Nothing is kept under {name!r}." + did_you_mean(name, self.names()))
        if held is None and found is not None and found.damage:
            raise ResultDamaged(f"{name}'s result on disk is damaged ({found.damage}): run {name} again.")
        if found is None or self.where(name) != "disk":
            record = self.record(name)
            reason = (record.unsaved if record else "") or "it was in memory only"
            raise ResultMissing(f"{name} ran, but its value is not kept ({reason}): run {name} again.")
        return found

    # -- changing ------------------------------------------------------------------------------------

    def hold(self, name: str, value: Any, record: Record, log: Log) -> None:
        """A result the disk does not have."""
        base = self.disk_results[name].id if name in self.disk_results else ""
        self.held[name] = Held(value, base, record, log)
        self.used.pop(name, None)
        self._overtake(name)

    def store(self, found: Found[Record], value: Any) -> None:
        """A result the disk has, unless another thread has stored a newer one since."""
        if found.seq >= self.seq(found.step):
            self.disk_results[found.step] = found
            self.held[found.step] = Held(value, found.id)
            self.used.pop(found.step, None)
            self._overtake(found.step)

    def keep(self, found: Found[Record], value: Any) -> Any:
        """A value that has been read; the one in memory, where another thread has read it first."""
        if self.current(found.step) is not found:
            return value
        if found.step not in self.held:
            self.held[found.step] = Held(value, found.id)
            self.touch()
        return self.held[found.step].value if self.held[found.step].has_value else value

    def let_go(self, name: str) -> None:
        """Drop the value in memory; the story of a result that is nowhere else stays."""
        held = self.held.get(name)
        if held is None or not held.has_value:
            return
        self.held.pop(name)
        if rest := held.without_value():
            self.held[name] = rest
        self.touch()

    def fail(self, failure: Failure, log: Log) -> None:
        """A failure the disk does not have."""
        self.failed[failure.step] = (failure, log)
        self.touch()

    def store_failure(self, found: Found[Failure]) -> None:
        """A failure the disk has."""
        self.disk_failures[found.step] = found
        self.failed.pop(found.step, None)
        self.touch()

    def drop_failure(self, name: str) -> bool:
        """Know of no failure on disk; whether there was one."""
        found = self.disk_failures.pop(name, None)
        if found is not None:
            self.touch()
        return found is not None

    def use(self, name: str, found: Found[Record] | None) -> None:
        """From now on this generation stands for the step; None for the newest. The other's value leaves memory."""
        self.used.pop(name, None)
        if found is not None:
            self.used[name] = Used(found, self.seq(name))
        if name in self.held and self.held[name].record is None:
            self.held.pop(name)
        self.touch()

    def bless(self, found: Found[Record], source: Found[Record]) -> None:
        """A new generation with the value of another; what memory has of that value stays."""
        if found.seq < self.seq(found.step):
            return
        self.disk_results[found.step] = found
        self.used.pop(found.step, None)
        held = self.held.get(found.step)
        if held is not None and held.record is None:
            self.held.pop(found.step)
            if held.base == source.id:
                self.held[found.step] = replace(held, base=found.id)
        self._overtake(found.step)

    def bless_held(self, name: str, record: Record) -> None:
        """A new record for a result the disk does not have."""
        self.held[name] = replace(self.held[name], record=record)
        self._overtake(name)

    def injure(self, path: str, mark: tuple[int, ...], damage: str) -> None:
        """Remember damage that showed on reading the whole of a file."""
        for found in [*self.disk_results.values(), *(u.found for u in self.used.values())]:
            if found.path == path and not found.damage:
                self._replace(replace(found, mark=mark, damage=damage))
        for rows in self.seen.values():
            if hurt := {n: replace(f, mark=mark, damage=damage) for n, f in rows.items() if f.path == path}:
                rows.update(hurt)
                self.touch()

    def reread(self, fresh: Index, used: Mapping[str, Found[Record]], *, gone: str) -> None:
        """Take what the disk has now, `used` of the generations in use; `gone` says why the directory is not there."""
        before, was = {name: self.current(name) for name in self.held}, (self.index, self.used)
        self.used = {n: Used(f, self.used[n].newest) for n, f in used.items() if self._still_stands(n, f, fresh)}
        self.disk_results, self.disk_failures = dict(fresh.results), dict(fresh.failures)
        changed = was != (self.index, self.used)
        for name, held in list(self.held.items()):
            left = name in was[1] and name not in self.used and not gone  # the value of what is no longer in use
            rest = None if left else held.beside(before[name], self.current(name), gone=gone)
            changed |= rest is not held
            self.held.pop(name)
            if rest is not None:
                self.held[name] = rest
        if changed:
            self.touch()

    def rename(self, old: str, new: str, ids: frozenset[str], *, copy: bool) -> None:
        """What memory has of a step is from now on another's; `ids` are the runs that the disk has under `new`."""
        held, used, failed = self.held.get(old), self.used.get(old), self.failed.get(old)
        self.held.pop(new, None)
        if held is not None and held.record is not None:
            self.held[new] = replace(held, record=replace(held.record, step=new))
        elif held is not None and held.base in ids:
            self.held[new] = held
        if used is not None and used.found.id in ids:
            self.used[new] = replace(used, found=used.found.renamed(new))
        if failed is not None:
            self.failed[new] = (replace(failed[0], step=new), failed[1])
        if not copy:
            self.failed.pop(old, None)
            if new in self.held:
                self.held.pop(old)
        self.touch()

    def look_again(self, name: str, found: Found[Record] | None) -> None:
        """The newest result of one step as it is now."""
        self.disk_results.pop(name, None)
        if found is not None:
            self.disk_results[name] = found
        self.touch()

    def forget(self, name: str) -> None:
        """Know nothing of this step."""
        for known in (self.held, self.failed, self.disk_results, self.disk_failures, self.used, self.seen):
            known.pop(name, None)
        self.touch()

    # -- inside --------------------------------------------------------------------------------------

    def _on_disk(self) -> dict[str, Found[Record]]:
        return {**self.disk_results, **{name: used.found for name, used in self.used.items()}}

    def _still_stands(self, name: str, found: Found[Record], fresh: Index) -> bool:
        newest = fresh.results.get(name)
        return newest is not None and found.seq < newest.seq <= self.used[name].newest

    def _replace(self, found: Found[Record]) -> None:
        if (used := self.used.get(found.step)) and used.found.path == found.path:
            self.used[found.step] = replace(used, found=found)
        else:
            self.disk_results[found.step] = found
        self.touch()

    def _overtake(self, name: str) -> None:
        self.failed.pop(name, None)
        if name in self.disk_failures:
            self._overtaken.add((name, self.disk_failures[name].id))
        self.touch()


def _has_value(found: Found[Record] | None) -> bool:
    """Whether a value can be read from a file, as far as its footer tells."""
    return bool(found and found.footer and not found.damage and "value" in found.footer.sections)
