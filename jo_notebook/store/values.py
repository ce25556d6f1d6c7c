"""Values and logs on disk, read when somebody asks for them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from jo_notebook.core.given import given_record
from jo_notebook.core.record import Record
from jo_notebook.errors import ResultDamaged, ResultMissing, StoreError
from jo_notebook.store.disk import Disk
from jo_notebook.store.facts import Log
from jo_notebook.store.formats import NotDefined
from jo_notebook.store.held import Held
from jo_notebook.store.known import Known
from jo_notebook.store.numbering import mark_of
from jo_notebook.store.reading import Found
from jo_notebook.store.sections import CannotRead

ATTEMPTS = 5
Define = Callable[[str, str], bool]


class Values:
    """Reads what `known` tells of; what it finds out on the way, `known` learns."""

    def __init__(self, known: Known, disk: Disk | None) -> None:
        self._known = known
        self._disk = disk

    def read(self, name: str, define: Define) -> Any:
        """The value. Raises ResultMissing, ResultDamaged, UntrustedError or StoreError."""
        for _ in range(ATTEMPTS):
            with self._known.lock:
                held = self._known.held.get(name)
                if held is not None and held.has_value and not self._is_torn(name):
                    return held.value
                found = None if held is not None and held.pending else self._known.readable(name)
            if held is not None and found is None:
                return self._fetched(name, held)
            assert found is not None
            with contextlib.suppress(FileNotFoundError):  # pruned by a newer result: look again
                return self._load(found, define)
            self.look_again(found)
        raise ResultMissing(f"{name} changes faster than it can be read: try again.")

    def _is_torn(self, name: str) -> bool:
        """Whether a value in memory is mapped from a file that somebody has changed; then it is let go."""
        known, disk = self._known, self._disk
        found = known.current(name) if disk is not None and disk.buffers.mapped else None
        if disk is None or found is None or known.held[name].record is not None or not disk.buffers.is_torn(found):
            return False
        known.let_go(name)
        return True

    def drop_torn(self) -> None:
        """Let go of all values whose files somebody has written into. The caller holds the lock."""
        if self._disk is not None and self._disk.buffers.mapped:
            for name in list(self._known.held):
                self._is_torn(name)

    def log(self, name: str) -> Log:
        """What a step printed, its failed run or what made its result. Raises ResultDamaged."""
        known, disk = self._known, self._disk
        with known.lock:
            failure, found, held = known.failure(name), known.current(name), known.held.get(name)
            if name in known.failed:
                return known.failed[name][1]
        try:
            if disk and failure:
                return disk.log(disk.failures, failure)
            if held is not None and held.record is not None:
                return held.log
            return disk.log(disk.results, found) if disk and found and found.footer else ()
        except FileNotFoundError:
            return ()
        except ResultDamaged as damage:
            raise ResultDamaged(f"The log of {name} is damaged: {damage}.") from None

    def look_again(self, found: Found[Record]) -> None:
        """A file has gone: see what is there now. Raises ResultMissing where it was in use for its own sake."""
        assert self._disk is not None
        with self._known.lock:
            if self._known.in_use(found.step) == found.seq:
                self._known.use(found.step, None)
                raise ResultMissing(f"{found.step}'s generation {found.seq}, which was in use, is gone: try again.")
        newest = self._disk.look(found.step)
        with self._known.lock:
            self._known.look_again(found.step, newest)

    def injured(self, found: Found[Record], damage: ResultDamaged) -> ResultDamaged:
        """Remember the damage of a file; what to raise."""
        with contextlib.suppress(OSError), self._known.lock:
            mark = mark_of(found.seq, found.path)
            self._known.injure(replace(found, mark=mark, damage=f"generation {found.seq}: {damage}"))
        return ResultDamaged(
            f"{found.step}'s result on disk is damaged (generation {found.seq}: {damage}): run {found.step} again."
        )

    def _fetched(self, name: str, held: Held) -> Any:
        """A value from elsewhere, and from now on its exact record. Raises StoreError, UntrustedError."""
        assert held.pending is not None
        assert held.record is not None
        value = held.pending()
        record = replace(given_record(name, value, when=held.record.when), size=held.record.size)
        with self._known.lock:
            return self._known.arrive(name, held, record, value)

    def _load(self, found: Found[Record], define: Define) -> Any:
        """Read a value into memory. Raises as reading does, and FileNotFoundError for a file that left."""
        try:
            value = self._decoded(found, define)
        except CannotRead as trouble:
            raise StoreError(f"{found.step}'s result cannot be read now ({trouble}): try again.") from None
        except ResultDamaged as damage:
            raise self.injured(found, damage) from None
        with self._known.lock:
            return self._known.keep(found, value)

    def _decoded(self, found: Found[Record], define: Define) -> Any:
        """The value from disk; where it lacks names of the notebook, after they have been defined."""
        assert self._disk is not None
        asked: set[str] = set()
        while True:
            try:
                return self._disk.load(found)
            except StoreError as error:
                missing = str(error.__cause__) if isinstance(error.__cause__, NotDefined) else ""
                if not missing or missing in asked or not define(found.step, missing):
                    raise
                asked.add(missing)
