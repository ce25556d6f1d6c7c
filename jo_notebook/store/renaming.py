"""What is kept under one name becomes another's: files are copied under the same numbers, then the old ones leave.

Whenever this stops, one of the two names has everything: all copies are written before the first one is
seen, the newest is seen first, and nothing is removed before all are durable. Said again, it goes on.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from jo_notebook.errors import ResultDamaged, ResultNotSaved, StoreError
from jo_notebook.store.disk import Disk, copied
from jo_notebook.store.known import Known
from jo_notebook.store.names import stem_of
from jo_notebook.store.reading import Found
from jo_notebook.store.refusals import refusal
from jo_notebook.store.shelf import Shelf

ATTEMPTS = 5
NOTHING: frozenset[str] = frozenset()
Sources = list[tuple[Shelf[Any], Found[Any]]]


@dataclass(frozen=True, slots=True)
class _Copy:
    """One file to be: its contents lie in `draft`."""

    shelf: Shelf[Any]
    source: Found[Any]
    draft: str


def rename(known: Known, disk: Disk | None, old: str, new: str, *, copy: bool, then: Callable[[], None]) -> bool:
    """The same for all that a context has of `old`; `then` reads the disk again. Raises as `rename_files`."""
    with known.lock:
        if old == new or _is_told_by_memory(known, new):
            return False
        in_memory = _is_told_by_memory(known, old)
    ids = rename_files(disk, old, new, copy=copy) if disk else NOTHING
    if ids is None or not (ids or in_memory):
        return False
    with known.lock:
        known.rename(old, new, ids, copy=copy)
        then()
    return True


def rename_files(disk: Disk, old: str, new: str, *, copy: bool) -> frozenset[str] | None:
    """Give `new` the whole results and the failure of `old`, and with `copy` leave them there, too.

    The ids of the runs that `new` has now, none where the disk had nothing under `old`. None where it cannot be:
    `new` has something of its own, something was made elsewhere, nothing is whole. Raises StoreError where
    the disk refuses; then nothing has changed.
    """
    disk.check_writable()
    try:
        for _ in range(ATTEMPTS):
            heads = {shelf.kind: shelf.newest(old) for shelf in _shelves(disk)}  # before the listing, as for any look
            sources = _files(disk, old)
            if not _is_free(disk, sources, new) or any(found.footer and not found.ours for _, found in sources):
                return None
            if not sources:
                return NOTHING
            try:
                with disk.writing():
                    ids = _appear(disk, sources, heads, new)
                if ids and not copy:
                    _leave(disk, sources, ids, old)
                return ids
            except ResultNotSaved as refused:
                if not isinstance(refused.__cause__, FileNotFoundError):  # pruned meanwhile: once more
                    raise
    except (OSError, ResultNotSaved) as error:
        why = refusal(error, disk.place) if isinstance(error, OSError) else str(error)
        raise StoreError(f"Cannot rename {old} to {new}: {why}.") from error
    raise StoreError(f"Cannot rename {old} to {new}: its files change faster than they can be copied.")


def _appear(disk: Disk, sources: Sources, heads: Mapping[str, int], new: str) -> frozenset[str] | None:
    """Copy, then publish. The ids of the runs copied, None where it cannot be. Raises OSError."""
    with contextlib.ExitStack() as stack:
        drafts = [(shelf, found, stack.enter_context(disk.scratch.file())) for shelf, found in sources]
        copies = [_Copy(*row) for row in drafts if _is_copied(disk, *row, new)]
        kinds = [each.shelf.kind for each in copies]
        if not kinds or (sources[0][0].kind not in kinds) or not _publish(disk, copies, heads, new):
            return None
        if not _is_free(disk, sources, new):  # another kernel began to keep something there
            _undo(disk, copies, new)
            return None
    return frozenset(each.source.id for each in copies)


def _leave(disk: Disk, sources: Sources, ids: frozenset[str], old: str) -> None:
    for shelf in _shelves(disk):
        with contextlib.suppress(OSError):  # it stays under both names
            shelf.remove(old, [found for each, found in sources if each is shelf and found.id in ids])


def _is_copied(disk: Disk, shelf: Shelf[Any], found: Found[Any], draft: str, new: str) -> bool:
    """Write one copy; False for a file that is damaged. Raises OSError, FileNotFoundError for a file that left."""
    if found.damage:
        return False
    try:
        with disk.opened(shelf, found) as (handle, footer, ours):
            story = {**footer.record, "step": new}
            renamed = replace(footer, step=new, record=story, store_id=disk.store_id)
            if ours:
                shelf.draft(draft, renamed, copied(handle, footer))
            return ours
    except ResultDamaged:
        return False


def _publish(disk: Disk, copies: list[_Copy], heads: Mapping[str, int], new: str) -> bool:
    """Make the copies appear; False where `new` is no longer free. Raises OSError; then none has appeared."""
    try:
        for shelf in _shelves(disk):
            mine = [each for each in copies if each.shelf is shelf]
            newest = heads[shelf.kind]
            if mine and mine[0].source.seq < newest:  # the newest is damaged: nobody may take another for it
                shelf.hint(new, newest)
            for each in mine:
                _place(each, new)
            if mine:
                shelf.hint(new, max(newest, mine[0].source.seq))
    except FileExistsError:
        _undo(disk, copies, new)
        return False
    except BaseException:
        _undo(disk, copies, new)
        raise
    return True


def _place(copy: _Copy, new: str) -> None:
    """Make one copy appear, unless a rename that was killed has left it. Raises FileExistsError and OSError."""
    seq = copy.source.seq
    try:
        copy.shelf.place(copy.draft, new, seq)
    except FileExistsError:
        there = copy.shelf.at(stem_of(new), seq)
        if there is None or there.id != copy.source.id:
            raise


def _undo(disk: Disk, copies: list[_Copy], new: str) -> None:
    """Remove what has appeared, and the hint. What the disk refuses to remove is harmless: `old` has it, too."""
    ids = {each.source.id for each in copies}
    for shelf in _shelves(disk):
        with contextlib.suppress(OSError):
            shelf.remove(new, [found for found in shelf.all_of(stem_of(new)) if found.id in ids])


def _is_free(disk: Disk, sources: Sources, new: str) -> bool:
    """Whether nothing is kept under a name but copies of these. Raises OSError."""
    mine = {(shelf.kind, found.seq, found.id) for shelf, found in sources if not found.damage}
    theirs = _files(disk, new)
    if any(not found.ours or (shelf.kind, found.seq, found.id) not in mine for shelf, found in theirs):
        return False
    return all(not shelf.newest(new) or any(s is shelf for s, _ in theirs) for shelf in _shelves(disk))


def _files(disk: Disk, step: str) -> Sources:
    """All that the disk has of a step, results first, the newest first. Raises OSError."""
    return [(shelf, disk.checked(found)) for shelf in _shelves(disk) for found in shelf.all_of(stem_of(step))]


def _shelves(disk: Disk) -> tuple[Shelf[Any], Shelf[Any]]:
    return disk.results, disk.failures


def _is_told_by_memory(known: Known, name: str) -> bool:
    """Whether memory has something of a step that the disk does not have."""
    held = known.held.get(name)
    return name in known.failed or (held is not None and held.record is not None)
