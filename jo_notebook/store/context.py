"""Where results live: in memory first, and on disk when the context has a place."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from jo_notebook.core.record import Failure, LogEntry, Record
from jo_notebook.errors import ResultDamaged, ResultMissing, ResultNotSaved, StoreError
from jo_notebook.store.definitions import Definitions
from jo_notebook.store.disk import Disk
from jo_notebook.store.formats import python_version
from jo_notebook.store.held import Held
from jo_notebook.store.known import Known
from jo_notebook.store.names import check_stored_name
from jo_notebook.store.pickles import NotDefined
from jo_notebook.store.reading import Found
from jo_notebook.store.saving import save_failure, save_result
from jo_notebook.store.trust import open_key

ATTEMPTS = 5
INTERRUPTED = "saving was interrupted"
Log = tuple[LogEntry, ...]


class Context(Mapping[str, Any]):
    """A mapping of step name to result, lazy: a value is read when it is asked for.

    `place` is the directory `<notebook>.jo`, made at the first write; without one nothing outlives the
    kernel. `keep` generations of each result stay on disk. Opening and looking read what the files say
    of themselves: no value is read, no code runs, damage is told in `damaged` and never raised.
    Threads may share a context, kernels may share a place. `define` is asked, with a step and a name, for
    what a value needs from the notebook and does not find there; it says whether the name is defined now.
    """

    def __init__(self, place: str | os.PathLike[str] | None = None, *, keep: int = 2) -> None:
        self.define: Callable[[str, str], bool] = lambda step, name: False
        self._lock = threading.RLock()
        self._known = Known()
        self._disk: Disk | None = None
        self._trouble = ""
        self._key_trouble = ""
        if place is not None:
            key = open_key()
            self._key_trouble = key.problem
            self._disk = Disk(os.path.abspath(place), key, keep)
        self._definitions = Definitions(self._disk)
        self.refresh()

    __eq__ = object.__eq__  # comparing contents would read every value
    __hash__ = object.__hash__

    def __repr__(self) -> str:
        return f"<Context of {len(self)} results in {self._disk.name if self._disk else 'memory'}>"

    def __getitem__(self, name: str) -> Any:
        """The value. Raises ResultMissing, ResultDamaged, UntrustedError or StoreError."""
        for _ in range(ATTEMPTS):
            with self._lock:
                held = self._known.held.get(name)
                if held is not None and held.has_value:
                    return held.value
                found = self._known.readable(name)
            with contextlib.suppress(FileNotFoundError):  # pruned by a newer result: look again
                return self._load(found)
            self._look_again(name)
        raise ResultMissing(f"{name} changes faster than it can be read: try again.")

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.held(name) != ""

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(self._known.names())

    def __len__(self) -> int:
        with self._lock:
            return len(self._known.names())

    @property
    def place(self) -> Path | None:
        """The directory, or None."""
        return Path(self._disk.place) if self._disk else None

    @property
    def records(self) -> Mapping[str, Record]:
        """What is remembered of the newest result of each step, stored or not."""
        with self._lock:
            return self._known.records()

    @property
    def failures(self) -> Mapping[str, Failure]:
        """The last run of each step where that run raised."""
        with self._lock:
            return self._known.failures()

    @property
    def damaged(self) -> Mapping[str, str]:
        """What is wrong with the newest result of a step, where it is not what was written."""
        with self._lock:
            return {name: found.damage for name, found in self._known.newest() if found.damage}

    @property
    def untrusted(self) -> frozenset[str]:
        """The steps whose newest result was made elsewhere."""
        with self._lock:
            return frozenset(name for name, found in self._known.newest() if found.footer and not found.ours)

    @property
    def problems(self) -> list[str]:
        """What is wrong with the store as a whole, and with definitions when they were last read."""
        return [text for text in (self._key_trouble, self._trouble, *self._definitions.problems) if text]

    def held(self, name: str) -> str:
        """Where the value is: "memory", "disk", or "" for nowhere."""
        with self._lock:
            return self._known.where(name)

    def size(self) -> int:
        """Bytes on disk."""
        return self._disk.size() if self._disk else 0

    def put(self, record: Record, value: object, log: Log = ()) -> Record:
        """Keep a result; on disk it is durable when this returns. The record comes back completed.

        A value or a disk that refuses costs only this: the value stays in memory and `unsaved` says why.
        Raises StepNameError.
        """
        name = check_stored_name(record.step)
        record = replace(record, python=python_version(), size=0, format="", unsaved="")
        self._hold(replace(record, unsaved=INTERRUPTED), value, log)
        try:
            found = save_result(self._disk, record, value, log) if self._disk else None
        except ResultNotSaved as refusal:
            return self._hold(replace(record, unsaved=str(refusal)), value, log)
        if self._disk is None or found is None or found.record is None:
            return self._hold(record, value, log)
        with self._lock:
            self._known.store(found, value)
            failed = self._known.disk_failures.pop(name, None)
        if failed is not None:
            with contextlib.suppress(OSError):  # its number says already that it is overtaken
                self._disk.failures.forget(name)
        return found.record

    def fail(self, failure: Failure, log: Log = ()) -> None:
        """Keep the story of a run that raised, on disk where it takes it. Raises StepNameError."""
        name = check_stored_name(failure.step)
        with self._lock:
            self._known.failed[name] = (failure, log)
            after = self._known.seq(name)
        if self._disk is None:
            return
        with contextlib.suppress(ResultNotSaved):
            found = save_failure(self._disk, failure, log, after=after)
            with self._lock:
                self._known.disk_failures[name] = found
                self._known.failed.pop(name, None)

    def log(self, name: str) -> Log:
        """What the newest run of a step printed, failed or not. Raises ResultDamaged."""
        with self._lock:
            failure, found, held = (
                self._known.failure(name),
                self._known.disk_results.get(name),
                self._known.held.get(name),
            )
            if name in self._known.failed:
                return self._known.failed[name][1]
        try:
            if self._disk and failure:
                return self._disk.log(self._disk.failures, failure)
            if held is not None and held.record is not None:
                return held.log
            return self._disk.log(self._disk.results, found) if self._disk and found and found.footer else ()
        except FileNotFoundError:
            return ()
        except ResultDamaged as damage:
            raise ResultDamaged(f"The log of {name} is damaged: {damage}.") from None

    def forget(self, *names: str) -> None:
        """Drop results, failures and logs of these steps, all generations. Raises StoreError."""
        for name in names:
            if self._disk is not None:
                self._disk.forget(name)
            with self._lock:
                self._known.forget(name)

    def drop_memory(self, name: str) -> None:
        """Let go of the copy in memory; the next read comes from disk."""
        with self._lock:
            held = self._known.held.pop(name, None)
            if held is not None and (rest := held.without_value()):
                self._known.held[name] = rest

    def refresh(self) -> None:
        """See what other kernels have written; values in memory that are older than that are let go."""
        if self._disk is None:
            return
        with self._lock:
            try:
                fresh = self._disk.scan(self._known.index)
            except OSError as error:
                self._trouble = f"Cannot read {self._disk.name}: {error.strerror or error}."
                return
            gone = "" if os.path.isdir(self._disk.place) else f"{self._disk.name} is gone"
            self._trouble = f"{self._disk.name}: {self._disk.newer}." if self._disk.newer else ""
            self._known.reread(fresh, gone=gone)

    def trust(self) -> list[str]:
        """Take what was made elsewhere as one's own, so that loading it may run its code.

        Everything that is whole is signed; the names concerned come back. Raises StoreError.
        """
        if self._disk is None:
            return []
        names = {*self._disk.resign(), *self._definitions.resign()}
        self.refresh()
        return sorted(names)

    def save_definition(self, name: str, data: dict[str, Any]) -> None:
        """Remember a step's definition, plain data; nothing is written if it is there. Raises StoreError."""
        self._definitions.save(check_stored_name(name), data)

    def drop_definition(self, name: str) -> None:
        """Remove a step's definition. Raises StoreError."""
        self._definitions.drop(name)

    def definitions(self) -> dict[str, tuple[dict[str, Any], bool]]:
        """The remembered definitions, each with whether it is ours; damaged ones are in `problems`."""
        return self._definitions.read()

    def _hold(self, record: Record, value: object, log: Log) -> Record:
        with self._lock:
            self._known.hold(record.step, value, record, log)
        return record

    def _load(self, found: Found[Record]) -> Any:
        """Read a value into memory. Raises as reading does, and FileNotFoundError for a file that left."""
        assert self._disk is not None
        try:
            value = self._decoded(self._disk, found)
        except ResultDamaged as damage:
            with self._lock:
                self._known.injure(found, str(damage))
            raise ResultDamaged(
                f"{found.step}'s result on disk is damaged (generation {found.seq}: {damage}): run {found.step} again."
            ) from None
        with self._lock:
            if self._known.disk_results.get(found.step) is found:
                return self._known.held.setdefault(found.step, Held(value, found.id)).value
        return value

    def _decoded(self, disk: Disk, found: Found[Record]) -> Any:
        """The value from disk; where it lacks names of the notebook, after they have been defined."""
        asked: set[str] = set()
        while True:
            try:
                return disk.load(found)
            except StoreError as error:
                missing = str(error.__cause__) if isinstance(error.__cause__, NotDefined) else ""
                if not missing or missing in asked or not self.define(found.step, missing):
                    raise
                asked.add(missing)

    def _look_again(self, name: str) -> None:
        assert self._disk is not None
        found = self._disk.look(name)
        with self._lock:
            self._known.disk_results.pop(name, None)
            if found is not None:
                self._known.disk_results[name] = found
