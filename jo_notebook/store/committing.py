"""How files appear on a shelf: written whole, made durable, linked under their numbers, and their names made durable.

Several files go through each of these together: what a disk takes long for, it does for all of them at once.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, BinaryIO, Generic, TypeVar

from jo_notebook.store.generation import VERSION, Footer, write_footer
from jo_notebook.store.names import stem_of
from jo_notebook.store.numbering import is_number, listing, mark_of, newest_number
from jo_notebook.store.publish import publish
from jo_notebook.store.reading import ATTEMPTS, Found
from jo_notebook.store.sections import Section

if TYPE_CHECKING:
    from jo_notebook.store.shelf import Shelf

T = TypeVar("T")
Fill = Callable[[BinaryIO], dict[str, Section]]
"""Begins a file with its sections."""

AT_ONCE = 8  # threads that wait for the disk


@dataclass(frozen=True, slots=True)
class Order:
    """A file to be added, with what its footer is to say beside; the rest the shelf says.

    `keep` generations stay, 0 for the shelf's own number, among them the one numbered `spare`.
    """

    footer: Footer
    fill: Fill
    keep: int = 0
    spare: int = 0
    also: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class _Draft(Generic[T]):
    """A file on its way. `found` or `error` says how that ended."""

    order: Order
    out: BinaryIO
    path: str
    sections: Mapping[str, Section]
    footer: Footer
    end: int = 0
    names: Sequence[str] = ()
    folder: str = ""
    found: Found[T] | None = None
    error: OSError | None = None

    @property
    def target(self) -> str:
        return os.path.join(self.folder, str(self.footer.seq))


def commit_all(shelf: Shelf[T], orders: Iterable[Order]) -> list[Found[T] | OSError]:
    """Add files, durable when this returns, and prune. Where one fails, nothing has changed for it."""
    with contextlib.ExitStack() as stack:
        drafts = [_begun(shelf, order, stack) for order in orders]
        waiting = [draft for draft in drafts if isinstance(draft, _Draft)]
        for _ in range(ATTEMPTS):
            _each(lambda draft: _number(shelf, draft), waiting)
            _each(lambda draft: os.fsync(draft.out.fileno()), waiting, together=True)
            published = [draft for draft in waiting if draft.error is None and _publish(draft)]
            _each(lambda draft: shelf.sync(draft.folder), published, together=True)
            _each(lambda draft: _finish(shelf, draft), published, anyway=True)
            waiting = [draft for draft in waiting if draft.error is None and draft.found is None]
            if not waiting:
                break
        for draft in waiting:
            draft.error = OSError(f"no free number for {draft.footer.step} after {ATTEMPTS} attempts")
        return [draft if isinstance(draft, OSError) else _answer(draft) for draft in drafts]


def _answer(draft: _Draft[T]) -> Found[T] | OSError:
    if draft.found is not None:
        return draft.found
    assert draft.error is not None
    return draft.error


def _begun(shelf: Shelf[T], order: Order, stack: contextlib.ExitStack) -> _Draft[T] | OSError:
    """A draft with its sections. Raises what `fill` does, but for OSError."""
    try:
        out, path = stack.enter_context(shelf.scratch.draft())
        sections = order.fill(out)
        return _Draft(order, out, path, sections, order.footer, end=out.tell())
    except OSError as error:
        return error


def _each(
    work: Callable[[_Draft[T]], None], drafts: Sequence[_Draft[T]], *, together: bool = False, anyway: bool = False
) -> None:
    """Do this for each draft, together on threads; an OSError ends the draft it concerns."""

    def guarded(draft: _Draft[T]) -> None:
        try:
            if anyway or draft.error is None:
                work(draft)
        except OSError as error:
            draft.error = error

    if together and len(drafts) > 1:
        from concurrent.futures import ThreadPoolExecutor  # slow to import, and often not needed

        with ThreadPoolExecutor(min(AT_ONCE, len(drafts))) as threads:
            list(threads.map(guarded, drafts))
    else:
        for draft in drafts:
            guarded(draft)


def _number(shelf: Shelf[T], draft: _Draft[T]) -> None:
    """End the file with its story, under the next free number. Raises OSError."""
    draft.folder = shelf.made(draft.footer.step)
    draft.names = listing(draft.folder)
    seq = newest_number(draft.folder, stem_of(draft.footer.step), list(draft.names)) + 1
    if draft.footer is not draft.order.footer:  # not the first attempt
        draft.out.seek(draft.end)
        draft.out.truncate()
    said: dict[str, Any] = {**draft.order.also, "seq": seq, "sections": draft.sections, "v": VERSION}
    draft.footer = replace(draft.order.footer, kind=shelf.kind, key=shelf.key.id, **said)
    write_footer(draft.out, draft.footer, shelf.key)
    draft.out.flush()


def _publish(draft: _Draft[T]) -> bool:
    """Try for the number; False where somebody else took it, removed the directory or is ahead, or the disk refuses."""
    try:
        publish(draft.path, draft.target, keep=True)
        if not _is_overtaken(draft):
            return True
        _withdraw(draft)
    except (FileExistsError, FileNotFoundError) as error:
        if not os.path.lexists(draft.path):
            draft.error = error
    except OSError as error:
        draft.error = error
    return False


def _is_overtaken(draft: _Draft[T]) -> bool:
    """Whether somebody has a higher number by now: this one was free because it had been pruned."""
    return any(int(name) > draft.footer.seq for name in listing(draft.folder) if is_number(name))


def _withdraw(draft: _Draft[T]) -> None:
    """Take the file back, for another number. Raises OSError."""
    with contextlib.suppress(FileNotFoundError):
        if not os.path.lexists(draft.path):  # this disk has no links: it was moved
            os.rename(draft.target, draft.path)
        elif os.path.samestat(os.lstat(draft.target), os.fstat(draft.out.fileno())):
            os.unlink(draft.target)


def _finish(shelf: Shelf[T], draft: _Draft[T]) -> None:
    """The file is there and durable; where it is not durable, it goes. Raises OSError."""
    with contextlib.suppress(OSError):  # the scratch directory tries again
        os.unlink(draft.path)
    mark: tuple[int, ...] = ()
    try:
        if draft.error is not None:
            raise draft.error
        with contextlib.suppress(FileNotFoundError):  # two newer ones have come, and it was pruned
            mark = mark_of(draft.footer.seq, draft.target)
    except OSError:
        with contextlib.suppress(OSError):
            os.unlink(draft.target)
        raise
    footer = draft.footer
    record = shelf.parse(dict(footer.record))
    draft.found = Found(footer.step, footer.seq, draft.target, mark, footer, record, ours=True)
    shelf.tidy(draft.folder, footer, draft.names, draft.order.keep or shelf.keep, draft.order.spare)
