"""Reading a snapshot: opened as a context of its own, or its results taken into another context.

Nothing is decoded: files are copied as they are, so that a plan judges them by their fingerprints.
"""

from __future__ import annotations

import os
from collections.abc import Collection
from dataclasses import dataclass, field

from jo_notebook.core.record import Record
from jo_notebook.errors import ResultDamaged, ResultMissing, SnapshotMissing, StoreError, did_you_mean
from jo_notebook.store.definitions import Definitions
from jo_notebook.store.disk import Disk, Index
from jo_notebook.store.known import Known
from jo_notebook.store.names import stem_of
from jo_notebook.store.reading import Found
from jo_notebook.store.refusals import refusal
from jo_notebook.store.snapshots import GONE, copy_result
from jo_notebook.store.trust import Key
from jo_notebook.store.zipped import Unpacked

RECORD = "master_record.json"
"""By which a store of job_orchestra is known."""

FROZEN = "it is a snapshot and stays as it was stored"


@dataclass(frozen=True, slots=True)
class Taken:
    """What came of a snapshot: the results taken, those left and why, what is damaged, the definitions taken."""

    taken: tuple[str, ...] = ()
    left: dict[str, str] = field(default_factory=dict)
    damaged: dict[str, str] = field(default_factory=dict)
    definitions: tuple[str, ...] = ()


def is_orchestras(path: str) -> bool:
    """Whether a directory is a store that job_orchestra wrote; see `orchestra`."""
    return os.path.isfile(os.path.join(path, RECORD)) and not os.path.lexists(os.path.join(path, "FORMAT"))


class Snapshot:
    """A snapshot on disk, looked at; a zip file is unpacked into a directory that goes with this object.

    Raises StoreError where there is none, or one of a newer release.
    """

    def __init__(self, path: str, key: Key) -> None:
        self._unpacked = Unpacked(path) if os.path.isfile(path) else None
        self.place = self._unpacked.path if self._unpacked else path
        if not os.path.isdir(self.place):
            raise SnapshotMissing(f"There is no snapshot at {path}.")
        self.disk = Disk(self.place, key, 1)
        try:
            self.index = self.disk.scan(Index({}, {}))
        except OSError as error:
            raise StoreError(f"Cannot read {path}: {error.strerror or error}.") from error
        if self.disk.newer:
            raise StoreError(f"Cannot read {path}: {self.disk.newer}.")
        if not (self.disk.store_id or self.index.results):
            raise StoreError(f"{path} is no snapshot: {_what_it_is(self.place)}.")


def _what_it_is(path: str) -> str:
    """What is there in the place of results."""
    if any("_-_" in name for name in os.listdir(path)):
        return f"job_orchestra did not finish it, for it has no {RECORD}"
    return "no results are in it"


def take(known: Known, disk: Disk, definitions: Definitions, source: Snapshot, names: Collection[str]) -> Taken:
    """Copy what is not here yet, each result as the newest generation of its step, and definitions nobody has.

    Raises StoreError of the disk, and then what was taken until then is here; ResultMissing for an unknown name.
    """
    there = source.index.results
    for name in names:
        if name not in there:
            raise ResultMissing(f"The snapshot has nothing under {name!r}." + did_you_mean(name, there))
    taken: list[str] = []
    left: dict[str, str] = {}
    damaged: dict[str, str] = {}
    for name in sorted(set(names) or there):
        found = there[name]
        try:
            if found.damage:
                damaged[name] = found.damage
            elif why := _why_not(known, disk, found):
                left[name] = why
            else:
                copy_result(source.disk, found, disk)
                taken.append(name)
        except ResultDamaged as damage:
            damaged[name] = f"generation {found.seq}: {damage}"
        except FileNotFoundError:
            damaged[name] = GONE
    return Taken(tuple(taken), left, damaged, _take_definitions(definitions, source, names, damaged))


def _why_not(known: Known, disk: Disk, found: Found[Record]) -> str:
    """Why a whole result of the snapshot is not to be copied; empty where it is. Raises StoreError."""
    with known.lock:
        held, mine = known.held.get(found.step), known.current(found.step)
    if found.record is not None and found.record.unsaved:
        return f"its value is not in the snapshot ({found.record.unsaved})"
    if held is not None and held.record is not None:
        return "this kernel has a result in memory only"
    try:
        ids = {each.id for each in disk.results.all_of(stem_of(found.step))}
    except OSError as error:
        raise StoreError(f"Cannot read {disk.name}: {refusal(error, disk.place)}.") from error
    if found.id in ids:
        return "it is here already"
    return "ours is the same" if not found.ours and _is_same(mine, found) else ""


def _is_same(mine: Found[Record] | None, found: Found[Record]) -> bool:
    if mine is None or mine.record is None or found.record is None or not mine.ours:
        return False
    return (mine.record.fingerprint.key, mine.record.output) == (found.record.fingerprint.key, found.record.output)


def _take_definitions(
    definitions: Definitions, source: Snapshot, names: Collection[str], damaged: dict[str, str]
) -> tuple[str, ...]:
    theirs, mine = Definitions(source.disk), definitions.read()
    fresh = [seen for seen in theirs.seen() if seen.name not in mine and (not names or seen.name in names)]
    for seen in fresh:
        definitions.take(seen)
    damaged.update((problem.partition(" is damaged")[0], "it is not what was written") for problem in theirs.problems)
    return tuple(seen.name for seen in fresh)
