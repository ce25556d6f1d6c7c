"""How what a context knows changes: with each result, failure, look at the disk, and with what is forgotten."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from jo_notebook.core.record import Failure, Record
from jo_notebook.store.disk import Index
from jo_notebook.store.facts import TICKS, Facts, Log, Used
from jo_notebook.store.held import SAVING, Held
from jo_notebook.store.reading import Found


class Known(Facts):
    """The facts, to be changed; whoever calls holds the lock."""

    def touch(self) -> None:
        """Something has changed."""
        self.version = next(TICKS)

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

    def arrive(self, name: str, held: Held, record: Record, value: Any) -> Any:
        """A value that was elsewhere has been read; the one in memory, where another thread was first."""
        now = self.held.get(name)
        if now is not held:
            return now.value if now is not None and now.has_value and now.pending is held.pending else value
        self.held[name] = replace(held, value=value, record=record, has_value=True)
        self.touch()
        return value

    def let_go(self, name: str) -> None:
        """Drop the value in memory; the story of a result that is nowhere else stays."""
        held = self.held.get(name)
        if held is None or not held.has_value or (held.record is not None and held.record.unsaved == SAVING):
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

    def injure(self, hurt: Found[Record]) -> None:
        """Remember damage that showed on reading the whole of a result's file."""
        name, used, newest = hurt.step, self.used.get(hurt.step), self.disk_results.get(hurt.step)
        before = (used, newest, self.seen.get(name, {}).get(hurt.seq))
        if used is not None and used.found.path == hurt.path:
            self.used[name] = replace(used, found=hurt)
        if newest is not None and newest.path == hurt.path:
            self.disk_results[name] = hurt
        if hurt.mark:
            self.seen.setdefault(name, {})[hurt.seq] = hurt
        if before != (self.used.get(name), self.disk_results.get(name), self.seen.get(name, {}).get(hurt.seq)):
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

    def reread_one(self, name: str, found: Found[Record] | None, used: Mapping[str, Found[Record]]) -> None:
        """As `reread`, of one step's newest result."""
        results = {**self.disk_results}
        results.pop(name, None)
        if found is not None:
            results[name] = found
        self.reread(Index(results, self.disk_failures), used, gone="")

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

    def _still_stands(self, name: str, found: Found[Record], fresh: Index) -> bool:
        newest = fresh.results.get(name)
        return newest is not None and found.seq < newest.seq <= self.used[name].newest

    def _overtake(self, name: str) -> None:
        self.failed.pop(name, None)
        if name in self.disk_failures:
            self.overtaken.add((name, self.disk_failures[name].id))
        self.touch()
