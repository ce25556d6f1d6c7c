"""What may leave a store because nobody needs it: older results, failures that are overtaken, what killed writers left.

Never the newest result, the one in use, a damaged file, one of another store, or the newest that somebody else signed.
A file leaves only while it is still the one that was looked at and a newer one is there, so another kernel may be
saving; older files leave first, so that whenever this stops, what is left is a store.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jo_notebook.errors import StoreError
from jo_notebook.store.checking import damage_of
from jo_notebook.store.disk import Disk
from jo_notebook.store.known import Known
from jo_notebook.store.names import stem_of
from jo_notebook.store.numbering import mark_of, newest_number
from jo_notebook.store.reading import Found
from jo_notebook.store.refusals import refusal
from jo_notebook.store.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Removable:
    """One file that nobody needs: of which step (empty for a leftover), what it is, its bytes, and why it may go."""

    step: str
    what: str
    size: int
    why: str
    path: str = field(default="", repr=False, compare=False)
    found: Found[Any] | None = field(default=None, repr=False, compare=False)


def clean(disk: Disk, known: Known, keeps: Mapping[str, int], keep: int, orphans: Collection[str]) -> list[Removable]:
    """Remove what `removable` tells, and say what has left. Raises StoreError."""
    gone = []
    try:
        for one in removable(disk, known, keeps, keep, orphans):
            if _leave(disk, one, orphans):
                gone.append(one)
        for name in orphans:
            _close(disk, name)
    except OSError as error:
        raise StoreError(f"Cannot clean up {disk.name}: {refusal(error, disk.place)}.") from error
    return gone


def removable(
    disk: Disk, known: Known, keeps: Mapping[str, int], keep: int, orphans: Collection[str]
) -> list[Removable]:
    """What may leave, in the order in which it may: of each step what is beyond its number in `keeps`, or `keep`.

    Of `orphans` all that is whole may leave. Raises StoreError.
    """
    disk.check_writable()
    with known.lock:
        used = {name: known.in_use(name) for name in known.used}
        hurt = {f.path for f in known.disk_results.values() if f.damage}
        hurt |= {f.path for seen in known.seen.values() for f in seen.values() if f.damage}
    rows: list[Removable] = []
    try:
        for stem in disk.results.stems():
            files = [disk.checked(found) for found in disk.results.all_of(stem)]
            whole = [found for found in files if not found.damage and found.path not in hurt]
            if whole:
                name = whole[0].step
                stay, in_use = keeps.get(name, keep), used.get(name, 0)
                rows += _generations(disk, files[0].seq, whole, stay, in_use, is_orphan=name in orphans)
        for stem in disk.failures.stems():
            rows += _failures(disk, [disk.checked(found) for found in disk.failures.all_of(stem)], orphans)
    except OSError as error:
        raise StoreError(f"Cannot look through {disk.name}: {refusal(error, disk.place)}.") from error
    rows += [Removable("", "leftover", size, "its writer is gone", path) for path, size in disk.scratch.leftovers()]
    return rows


def _generations(
    disk: Disk, newest: int, whole: list[Found[Any]], keep: int, used: int, *, is_orphan: bool
) -> Iterator[Removable]:
    """Of the whole files of a step, newest first, those that may leave, oldest first. Those that stay are read."""
    stranger = next((found.seq for found in whole if not found.ours), 0)
    if is_orphan:
        beyond, why, stay = whole, f"no cell defines {whole[0].step}", {stranger}
    else:
        beyond, why, stay = _beyond(disk, whole, keep), f"beyond the {keep} that stay", {stranger, used, newest}
    for found in reversed(beyond):
        if found.seq not in stay:
            yield Removable(found.step, f"generation {found.seq}", found.mark[2], why, found.path, found)


def _beyond(disk: Disk, whole: list[Found[Any]], keep: int) -> list[Found[Any]]:
    """What is older than `keep` files that are certainly whole."""
    sound = 0
    for position, found in enumerate(whole):
        if sound == keep:
            return whole[position:]
        if len(whole) > keep:
            sound += not damage_of(disk, disk.results, found)
    return []


def _failures(disk: Disk, files: list[Found[Any]], orphans: Collection[str]) -> Iterator[Removable]:
    for found in reversed([found for found in files if not found.damage and found.footer]):
        assert found.footer is not None
        if found.step in orphans:
            why = f"no cell defines {found.step}"
        elif found.footer.after < disk.results.newest(found.step):
            why = "a later run has succeeded"
        elif found.seq < files[0].seq:
            why = "a later run has failed, too"
        else:
            continue
        yield Removable(found.step, f"failure {found.seq}", found.mark[2], why, found.path, found)


def _leave(disk: Disk, one: Removable, orphans: Collection[str]) -> bool:
    """Remove one file; False where it is no longer the one that was looked at. Raises OSError."""
    found = one.found
    try:
        if found is None:
            os.unlink(one.path)
            return True
        if one.step in orphans or found.path.startswith(os.path.join(disk.failures.root, "")):
            shelf: Shelf[Any] = disk.results if found.path.startswith(disk.results.root) else disk.failures
            shelf.remove(one.step, [found])
            return not os.path.lexists(one.path)
        folder = os.path.dirname(one.path)
        is_older = found.seq < newest_number(folder, os.path.basename(folder))
        if not is_older or mark_of(found.seq, one.path) != found.mark:
            return False
        os.unlink(one.path)
    except FileNotFoundError:
        return False
    return True


def _close(disk: Disk, name: str) -> None:
    """Remove the directories of a step where nothing is left in them."""
    for shelf in (disk.results, disk.failures):
        with contextlib.suppress(OSError):
            os.rmdir(os.path.join(shelf.root, stem_of(name)))
