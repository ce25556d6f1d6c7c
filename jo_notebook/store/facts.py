"""What a context knows without reading a value: what lies on disk, and what memory has beside it."""

from __future__ import annotations

import itertools
import threading
from dataclasses import dataclass

from jo_notebook.core.record import Failure, LogEntry, Record
from jo_notebook.errors import ResultDamaged, ResultMissing, did_you_mean
from jo_notebook.store.disk import Index
from jo_notebook.store.formats import runs_code
from jo_notebook.store.held import Held
from jo_notebook.store.reading import Found

Log = tuple[LogEntry, ...]
TICKS = itertools.count(1)


@dataclass(frozen=True, slots=True)
class Used:
    """An older generation that stands for its step; `newest` is the highest number there was at that time."""

    found: Found[Record]
    newest: int


class Facts:
    """The maps behind a context, and their lock: whoever calls holds it.

    `version` is another, higher number after every change; no two contexts of a process share one.
    """

    def __init__(self) -> None:
        self.lock = threading.RLock()
        self.version = next(TICKS)
        self.held: dict[str, Held] = {}
        self.failed: dict[str, tuple[Failure, Log]] = {}
        self.disk_results: dict[str, Found[Record]] = {}
        self.disk_failures: dict[str, Found[Failure]] = {}
        self.used: dict[str, Used] = {}
        self.seen: dict[str, dict[int, Found[Record]]] = {}
        self.overtaken: set[tuple[str, str]] = set()

    @property
    def index(self) -> Index:
        """What the disk had when it was last read."""
        return Index(self.disk_results, self.disk_failures)

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
        if found is None or found.footer is None or (name, found.id) in self.overtaken:
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
            return "memory" if held.has_value else "disk" if held.pending else ""
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

    def elsewhere(self, name: str, number: int) -> str:
        """Whether a generation (0: the newest) is a stranger's: "data" can be loaded, "code" not before trust."""
        held = self.held.get(name)
        if held is not None and held.pending and held.pending.runs_code:
            return "code"
        if number == self.in_use(name):
            found = None if held is not None and held.record is not None else self.current(name)
        elif number == 0:
            found = self.disk_results.get(name)
        else:
            found = self.seen.get(name, {}).get(number)
        if found is None or found.footer is None or found.ours:
            return ""
        return "code" if _has_value(found) and runs_code(found.footer.codec) else "data"

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
            did = "was put in by hand" if record and record.is_given else "ran"
            raise ResultMissing(f"{name} {did}, but its value is not kept ({reason}): run {name} again.")
        return found

    def _on_disk(self) -> dict[str, Found[Record]]:
        return {**self.disk_results, **{name: used.found for name, used in self.used.items()}}


def _has_value(found: Found[Record] | None) -> bool:
    """Whether a value can be read from a file, as far as its footer tells."""
    return bool(found and found.footer and not found.damage and "value" in found.footer.sections)
