"""The generations of a step beside its newest: which there are, which one is in use, a new one made of an old one."""

from __future__ import annotations

import contextlib
from dataclasses import replace

from jo_notebook.core.record import Record
from jo_notebook.errors import ResultDamaged, ResultMissing, ResultNotSaved, UntrustedError
from jo_notebook.store.disk import Disk
from jo_notebook.store.known import Known
from jo_notebook.store.reading import Found
from jo_notebook.store.saving import save_again
from jo_notebook.store.values import ATTEMPTS, Values


class Older:
    """Looks at older generations and lets one of them stand for its step."""

    def __init__(self, known: Known, disk: Disk | None, values: Values) -> None:
        self._known = known
        self._disk = disk
        self._values = values

    def rows(self, name: str) -> list[tuple[int, Record]]:
        """Number and record of each whole older generation, newest first. A file is read once."""
        with self._known.lock:
            found = self._all(name)
        return [(n, f.record) for n, f in found.items() if f.record is not None and not f.damage]

    def found(self, name: str) -> dict[int, Found[Record]]:
        """The same as files, damaged ones too. The caller holds the lock."""
        return self._all(name)

    def use(self, name: str, number: int) -> bool:
        """Let this generation stand for the step, 0 for the newest; False where it is not there. Never raises."""
        known = self._known
        with known.lock:
            if number in (0, known.seq(name)):
                found, there = None, name in known.held or name in known.disk_results
            else:
                found = self._all(name).get(number)
                there = found is not None and not found.damage
            if not there:
                return False
            if known.in_use(name) == (found.seq if found else 0):
                return True
            if known.is_nowhere_else(name):
                return False
            known.use(name, found)
            return True

    def reread(self) -> dict[str, Found[Record]]:
        """The generations in use, as far as their files are still there."""
        assert self._disk is not None
        rows = {}
        for name, used in self._known.used.items():
            with contextlib.suppress(OSError):
                found = self._disk.at(used.found)
                if found is not None and found.id in ("", used.found.id):
                    rows[name] = found
        return rows

    def bless(self, name: str, record: Record, *, keep: int = 0) -> Record:
        """The result in use once more, as the newest generation, with this record. Raises StoreError."""
        for _ in range(ATTEMPTS):
            with self._known.lock:
                source = self._blessable(name)
                was = self._known.record(name)
                assert was is not None
                record = replace(
                    record, step=name, size=was.size, format=was.format, python=was.python, unsaved=was.unsaved
                )
                if source is None:
                    self._known.bless_held(name, record)
                    return record
            with contextlib.suppress(FileNotFoundError):  # pruned by a newer result
                return self._committed(source, record, keep)
            self._values.look_again(source)
        raise ResultMissing(f"{name} changes faster than it can be read: try again.")

    def _committed(self, source: Found[Record], record: Record, keep: int) -> Record:
        """Raises FileNotFoundError where the source is gone, and StoreError."""
        assert self._disk is not None
        try:
            found = save_again(self._disk, source, record, keep=keep)
        except ResultNotSaved as refusal:
            raise ResultNotSaved(f"{source.step}'s result stays as it was: {refusal}.") from None
        except ResultDamaged as damage:
            raise self._values.injured(source, damage) from None
        with self._known.lock:
            self._known.bless(found, source)
            failed = self._known.drop_failure(source.step)
        if failed:
            with contextlib.suppress(OSError):  # its number says already that it is overtaken
                self._disk.failures.forget(source.step)
        return found.record or record

    def _blessable(self, name: str) -> Found[Record] | None:
        """The file to copy, None for a result in memory only. Raises StoreError where there is none of ours."""
        if not self._known.where(name):
            self._known.readable(name)  # says why
        held, source = self._known.held.get(name), self._known.current(name)
        if held is not None and held.record is not None:
            return None
        if source is None or source.damage:
            what = source.damage if source else "it is gone"
            raise ResultDamaged(f"{name}'s result on disk is damaged ({what}): run {name} again.")
        if not source.ours:
            raise UntrustedError(
                f"{name}'s result was made elsewhere, and accepting it would sign it as yours. "
                "Run the step again, or say %context trust if you trust where it comes from."
            )
        return source

    def _all(self, name: str) -> dict[int, Found[Record]]:
        newest = self._known.disk_results.get(name)
        if self._disk is None or newest is None or newest.seq == 0:
            return {}
        try:
            seen = self._disk.results.below(newest, self._known.seen.get(name, {}))
        except OSError:
            return {}
        self._known.seen[name] = seen
        return {number: self._disk.checked(found) for number, found in seen.items()}
