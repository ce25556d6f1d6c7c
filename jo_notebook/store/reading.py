"""Reading the numbered files of a shelf: which is the newest, and what it says of itself."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, BinaryIO, Generic, TypeVar

from jo_notebook.errors import ResultDamaged
from jo_notebook.store.generation import Footer, read_footer
from jo_notebook.store.names import stem_of
from jo_notebook.store.numbering import mark_of, numbers, read_hint
from jo_notebook.store.plain import within_reason
from jo_notebook.store.publish import is_folder, open_plain
from jo_notebook.store.sections import CannotRead, unreadable
from jo_notebook.store.trust import Key

ATTEMPTS = 100
TICK = 100_000_000  # nanoseconds; the times of a disk stand still for a while
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Found(Generic[T]):
    """One file of a step, mostly its newest. `footer` and `record` are None where `damage` says what is wrong.

    `mark` changes whenever another file is in its place.
    """

    step: str
    seq: int
    path: str
    mark: tuple[int, ...] = ()
    footer: Footer | None = None
    record: T | None = None
    ours: bool = False
    damage: str = ""

    @property
    def id(self) -> str:
        """What tells this run's file from every other; empty for a damaged one."""
        return self.footer.id if self.footer else ""

    def renamed(self, step: str) -> Found[T]:
        """Where the same generation of another step lies; its file has not been looked at."""
        root, _, number = self.path.rsplit(os.sep, 2)
        return replace(self, step=step, path=os.path.join(root, stem_of(step), number), mark=())


@dataclass(frozen=True)
class Reader(Generic[T]):
    """The files of one kind. `parse` makes a record of a footer's plain data."""

    root: str
    kind: str
    key: Key
    parse: Callable[[dict[str, Any]], T] = field(repr=False)
    folders: dict[str, int] = field(default_factory=dict, repr=False, compare=False, kw_only=True)
    """When the directory of a step was last changed, where a listing since then has told all."""

    def scan(self, known: Mapping[str, Found[T]]) -> dict[str, Found[T]]:
        """The newest file of every step by name; what `known` tells and still holds is not read again."""
        before = {os.path.dirname(found.path): found for found in known.values()}
        found = (self._now(stem, before.get(os.path.join(self.root, stem))) for stem in self.stems())
        return {f.step: f for f in found if f is not None}

    def _now(self, stem: str, known: Found[T] | None) -> Found[T] | None:
        """As `look`; where neither directory nor newest file has changed, without listing."""
        if known is not None and known.mark and stem in self.folders:
            with contextlib.suppress(OSError):
                same = os.lstat(os.path.dirname(known.path)).st_ctime_ns == self.folders[stem]
                if same and mark_of(known.seq, known.path) == known.mark:
                    return known
        return self.look(stem, known)

    def look(self, stem: str, known: Found[T] | None = None) -> Found[T] | None:
        """The newest file of the step of this directory, None where there is none. Damage is told, not raised."""
        try:
            return self._look(stem, known)
        except OSError as error:
            return Found(stem, 0, os.path.join(self.root, stem), damage=f"it cannot be read: {error.strerror}")

    def at(self, stem: str, seq: int, known: Found[T] | None = None, hint: str = "") -> Found[T] | None:
        """One generation, None where it is not there; `known` comes back if it is the same file. Raises OSError."""
        path = os.path.join(self.root, stem, str(seq))
        try:
            mark = mark_of(seq, path)
            if known is not None and known.mark == mark:
                return known
            return self._read(stem, seq, path, mark, hint)
        except FileNotFoundError:
            return None

    def below(self, newest: Found[T], known: Mapping[int, Found[T]]) -> dict[int, Found[T]]:
        """The generations older than this one, newest first, damaged ones too. Raises OSError."""
        folder = os.path.dirname(newest.path)
        older = sorted((n for n in numbers(folder) if n < newest.seq), reverse=True)
        rows = ((n, self.at(os.path.basename(folder), n, known.get(n), newest.step)) for n in older)
        return {n: found for n, found in rows if found is not None}

    def all_of(self, stem: str) -> Iterator[Found[T]]:
        """Every generation of the step of this directory, newest first, damaged ones too. Raises OSError."""
        hint = read_hint(os.path.join(self.root, stem), stem)[1]
        for number in self._all(stem):
            if (found := self.at(stem, number, hint=hint)) is not None:
                yield found

    def generations(self) -> list[tuple[str, int, str]]:
        """Directory, number and path of every file."""
        rows = ((stem, n, os.path.join(self.root, stem)) for stem in self.stems() for n in self._all(stem))
        return [(stem, n, os.path.join(folder, str(n))) for stem, n, folder in rows]

    def names(self) -> list[str]:
        """The steps' names without reading a footer."""
        return [read_hint(os.path.join(self.root, stem), stem)[1] or stem for stem in self.stems()]

    def stems(self) -> list[str]:
        """The directories of steps, in order. Raises OSError."""
        if not is_folder(self.root):
            return []
        with os.scandir(self.root) as entries:
            return sorted(entry.name for entry in entries if entry.is_dir(follow_symlinks=False))

    def open(self, stem: str, seq: int, path: str) -> tuple[BinaryIO, Footer, bool]:
        """A file, its footer and whether it is ours, all checked but for the sections' hashes.

        Raises ResultDamaged, and FileNotFoundError where it has been pruned.
        """
        handle = _open(path)
        try:
            footer, ours = read_footer(handle, self.key)
            if (stem_of(footer.step), footer.seq, footer.kind) != (stem, seq, self.kind):
                raise ResultDamaged(f"it was written as generation {footer.seq} of {footer.step}")
        except OSError as error:
            handle.close()
            raise unreadable(error) from error
        except BaseException:
            handle.close()
            raise
        return handle, footer, ours

    def _look(self, stem: str, known: Found[T] | None) -> Found[T] | None:
        folder = os.path.join(self.root, stem)
        for _ in range(ATTEMPTS):
            self._note_folder(stem, folder)
            head = read_hint(folder, stem)  # before the listing: what it names was there by now
            newest = max(numbers(folder), default=0)
            path = os.path.join(folder, str(newest))
            if max(newest, head[0]) == 0:
                return None
            if newest < head[0]:
                lost = os.path.join(folder, str(head[0]))
                return Found(self._name(stem, head[1]), head[0], lost, damage=f"generation {head[0]} is gone")
            with contextlib.suppress(FileNotFoundError):  # pruned since the listing: look again
                mark = mark_of(newest, path)
                if known is not None and known.mark == mark:
                    return known
                return self._read(stem, newest, path, mark, head[1])
        return None

    def _note_folder(self, stem: str, folder: str) -> None:
        """Before a listing: remember when the directory was changed, unless more may happen in that very moment."""
        self.folders.pop(stem, None)
        with contextlib.suppress(OSError):
            changed = os.lstat(folder).st_ctime_ns
            if 0 < changed < time.time_ns() - TICK:
                self.folders[stem] = changed

    def _read(self, stem: str, seq: int, path: str, mark: tuple[int, ...], hint: str) -> Found[T]:
        try:
            handle, footer, ours = self.open(stem, seq, path)
            handle.close()
            record = self.story(footer, ours=ours)
        except ResultDamaged as damage:
            mark = () if isinstance(damage, CannotRead) else mark  # without one it is looked at again
            return Found(self._name(stem, hint), seq, path, mark, damage=f"generation {seq}: {damage}")
        return Found(footer.step, seq, path, mark, footer, record, ours)

    def story(self, footer: Footer, *, ours: bool) -> T:
        """The record of a footer, a stranger's with its numbers within reason. Raises ResultDamaged."""
        try:
            record = self.parse(dict(footer.record))
            if not ours:
                record = within_reason(record, sum(section.size for section in footer.sections.values()))
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise ResultDamaged("its record makes no sense") from error
        if getattr(record, "step", None) != footer.step:
            raise ResultDamaged("its record is another step's")
        return record

    def _name(self, stem: str, hint: str) -> str:
        """The step of a directory whose newest file cannot tell: by its hint or an older generation."""
        if hint:
            return hint
        for number in self._all(stem):
            with contextlib.suppress(ResultDamaged, FileNotFoundError):
                path = os.path.join(self.root, stem, str(number))
                handle, footer, _ = self.open(stem, number, path)
                handle.close()
                return footer.step
        return stem

    def _all(self, stem: str) -> list[int]:
        return sorted(numbers(os.path.join(self.root, stem)), reverse=True)


def _open(path: str) -> BinaryIO:
    try:
        return open_plain(path)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise unreadable(error) from error
