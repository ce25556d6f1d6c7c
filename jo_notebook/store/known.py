"""What a context knows without reading a value: what lies on disk, and what memory has beside it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from jo_notebook.core.record import Failure, LogEntry, Record
from jo_notebook.errors import ResultDamaged, ResultMissing, did_you_mean
from jo_notebook.store.disk import Index
from jo_notebook.store.held import Held
from jo_notebook.store.reading import Found


class Known:
    """The maps behind a context. Not safe for threads by itself: the context holds a lock."""

    def __init__(self) -> None:
        self.held: dict[str, Held] = {}
        self.failed: dict[str, tuple[Failure, tuple[LogEntry, ...]]] = {}
        self.disk_results: dict[str, Found[Record]] = {}
        self.disk_failures: dict[str, Found[Failure]] = {}
        self._overtaken: set[str] = set()

    @property
    def index(self) -> Index:
        """What the disk had when it was last read."""
        return Index(self.disk_results, self.disk_failures)

    def records(self) -> dict[str, Record]:
        """The newest record of each step; memory's is ahead of the disk's."""
        stored = {name: found.record for name, found in self.disk_results.items() if found.record}
        return {**stored, **{name: held.record for name, held in self.held.items() if held.record}}

    def failures(self) -> dict[str, Failure]:
        """The failures that no success has overtaken."""
        stored = {name: found.record for name in self.disk_failures if (found := self.failure(name)) and found.record}
        return {**stored, **{name: failure for name, (failure, _) in self.failed.items()}}

    def failure(self, name: str) -> Found[Failure] | None:
        """The failure on disk, if it is newer than the newest result."""
        found = self.disk_failures.get(name)
        if found is None or found.footer is None or found.id in self._overtaken:
            return None
        return found if found.footer.after >= self.seq(name) else None

    def newest(self) -> Iterator[tuple[str, Found[Record]]]:
        """The results on disk that nothing in memory is ahead of."""
        ahead = {name for name, held in self.held.items() if held.record}
        return ((name, found) for name, found in self.disk_results.items() if name not in ahead)

    def where(self, name: str) -> str:
        """memory, disk or nothing."""
        held, found = self.held.get(name), self.disk_results.get(name)
        if held is not None:
            return "memory" if held.has_value else ""
        return "disk" if found and found.footer and not found.damage and "value" in found.footer.sections else ""

    def names(self) -> list[str]:
        """The steps whose value can be asked for."""
        return sorted(name for name in {*self.held, *self.disk_results} if self.where(name))

    def seq(self, name: str) -> int:
        """The number of the newest result on disk, 0 for none."""
        return self.disk_results[name].seq if name in self.disk_results else 0

    def readable(self, name: str) -> Found[Record]:
        """The file a value can be read from. Raises ResultMissing or ResultDamaged, saying what to do."""
        held, found = self.held.get(name), self.disk_results.get(name)
        if held is None and found is None:
            raise ResultMissing(f"Nothing is kept under {name!r}." + did_you_mean(name, self.names()))
        if held is None and found is not None and found.damage:
            raise ResultDamaged(f"{name}'s result on disk is damaged ({found.damage}): run {name} again.")
        if found is None or self.where(name) != "disk":
            reason = self.records()[name].unsaved or "it was in memory only"
            raise ResultMissing(f"{name} ran, but its value is not kept ({reason}): run {name} again.")
        return found

    def hold(self, name: str, value: Any, record: Record, log: tuple[LogEntry, ...]) -> None:
        """A result the disk does not have."""
        base = self.disk_results[name].id if name in self.disk_results else ""
        self.held[name] = Held(value, base, record, log)
        self._overtake(name)

    def store(self, found: Found[Record], value: Any) -> None:
        """A result the disk has, unless another thread has stored a newer one since."""
        if found.seq >= self.seq(found.step):
            self.disk_results[found.step] = found
            self.held[found.step] = Held(value, found.id)
            self._overtake(found.step)

    def injure(self, found: Found[Record], damage: str) -> None:
        """Remember damage that showed on reading a value."""
        if self.disk_results.get(found.step) is found:
            self.disk_results[found.step] = replace(found, damage=f"generation {found.seq}: {damage}")

    def reread(self, fresh: Index, *, gone: str) -> None:
        """Take what the disk has now; `gone` says so where the whole directory has disappeared."""
        for name, held in list(self.held.items()):
            rest = held.beside(self.disk_results.get(name), fresh.results.get(name), gone=gone)
            self.held.pop(name)
            if rest is not None:
                self.held[name] = rest
        self.disk_results, self.disk_failures = dict(fresh.results), dict(fresh.failures)

    def forget(self, name: str) -> None:
        """Know nothing of this step."""
        for known in (self.held, self.failed, self.disk_results, self.disk_failures):
            known.pop(name, None)

    def _overtake(self, name: str) -> None:
        self.failed.pop(name, None)
        if name in self.disk_failures:
            self._overtaken.add(self.disk_failures[name].id)
