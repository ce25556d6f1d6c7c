"""A directory of numbered, immutable files per step: `results/` and `failures/`.

    <shelf>/<slug>-<hash16>/<number>     the highest number is the newest
                            HEAD         a hint: a number that was once there, so its loss is noticed

A file appears whole or not at all, under a number nobody else took; nothing here needs a lock.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace

from jo_notebook.store.committing import Fill, Order, commit_all
from jo_notebook.store.generation import VERSION, Footer, write_footer
from jo_notebook.store.names import STEM, stem_of
from jo_notebook.store.numbering import (
    HEAD,
    hint_bytes,
    is_number,
    listing,
    mark_of,
    newest_number,
    numbers,
    read_hint,
    write_hint,
)
from jo_notebook.store.publish import is_folder, make_folder, publish, sync_folder
from jo_notebook.store.reading import Found, Reader, T
from jo_notebook.store.scratch import Scratch


@dataclass(frozen=True)
class Shelf(Reader[T]):
    """The files of one kind, to read and to add to; `keep` generations of each step stay."""

    scratch: Scratch = field(repr=False)
    keep: int = 1
    durable: set[str] = field(default_factory=set, repr=False, compare=False)
    """The directories of steps whose own names this process has made durable."""

    def commit(self, footer: Footer, fill: Fill, *, keep: int = 0, spare: int = 0) -> Found[T]:
        """Add a file, durable when this returns, and prune. Raises OSError; then nothing has changed.

        `keep` generations stay, 0 for the shelf's own number, among them the one numbered `spare`.
        """
        (answer,) = commit_all(self, [Order(footer, fill, keep, spare)])
        if isinstance(answer, OSError):
            raise answer
        return answer

    def rewrite(self, path: str, footer: Footer, fill: Fill) -> None:
        """Put a file in the place of one with the same contents, signed with our key. Raises OSError."""
        with self.scratch.file() as draft:
            self.draft(draft, footer, fill)
            os.replace(draft, path)
        sync_folder(os.path.dirname(path))

    def draft(self, draft: str, footer: Footer, fill: Fill, *, ours: bool = True) -> None:
        """Write a whole file that nobody sees yet, signed with our key or, unless `ours`, by nobody. Raises OSError."""
        with open(draft, "wb") as out:
            footer = replace(footer, key=self.key.id if ours else footer.key, sections=fill(out), v=VERSION)
            write_footer(out, footer, self.key if ours else None)
            out.flush()
            os.fsync(out.fileno())

    def place(self, draft: str, step: str, seq: int) -> None:
        """Make a draft appear under its number, durable when this returns. Raises FileExistsError and OSError."""
        folder = self.made(step)
        publish(draft, os.path.join(folder, str(seq)))
        self.sync(folder)

    def hint(self, step: str, seq: int) -> None:
        """Remember that this number was once there. Raises OSError."""
        self.scratch.replace(os.path.join(self.made(step), HEAD), hint_bytes(seq, step))

    def newest(self, step: str) -> int:
        """The highest number this step ever had, as far as is known."""
        stem = stem_of(step)
        return newest_number(os.path.join(self.root, stem), stem)

    def forget(self, step: str) -> None:
        """Remove every generation, the newest last. Raises OSError."""
        # A damaged step may be known by its directory's name alone.
        folder = os.path.join(self.root, step if STEM.fullmatch(step) and step in self.stems() else stem_of(step))
        if not (is_folder(self.root) and is_folder(folder)):
            return
        names = [name for name in listing(folder) if not is_number(name)]
        for name in [*names, *map(str, sorted(numbers(folder)))]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
        with contextlib.suppress(OSError):  # another kernel may just be adding a result
            os.rmdir(folder)
        sync_folder(self.root)

    def remove(self, step: str, files: Collection[Found[T]]) -> None:
        """Remove these generations if they are still the same files, the newest last. Raises OSError."""
        folder = os.path.join(self.root, stem_of(step))
        if not (is_folder(self.root) and is_folder(folder)):
            return
        with contextlib.suppress(FileNotFoundError):
            os.unlink(os.path.join(folder, HEAD))
        for found in sorted(files, key=lambda f: f.seq):
            with contextlib.suppress(FileNotFoundError):
                if mark_of(found.seq, found.path) == found.mark:
                    os.unlink(found.path)
        with contextlib.suppress(OSError):  # it may have files that nobody said to remove
            os.rmdir(folder)
        sync_folder(self.root)

    def made(self, step: str) -> str:
        """The directory of a step, made where it is not there; `sync` makes that durable. Raises OSError."""
        stem = stem_of(step)
        folder = os.path.join(self.root, stem)
        if not (is_folder(self.root) and is_folder(folder)):
            if make_folder(self.root):
                sync_folder(os.path.dirname(self.root))
            make_folder(folder)
            self.durable.discard(stem)
        return folder

    def sync(self, folder: str) -> None:
        """Make the names in a step's directory durable, and once its own. Raises OSError.

        Last, for then a journal has nothing left to write; also where another process made it a moment ago.
        """
        sync_folder(folder)
        stem = os.path.basename(folder)
        if stem not in self.durable:
            sync_folder(self.root)
            self.durable.add(stem)

    def tidy(self, folder: str, footer: Footer, names: Sequence[str], keep: int, spare: int) -> None:
        """Write the hint and prune. Both can wait for the next save, so a disk that refuses is ignored."""
        older = sorted((int(name) for name in names if is_number(name)), key=lambda n: (n == spare, n))
        with contextlib.suppress(OSError):
            if read_hint(folder, os.path.basename(folder))[0] < footer.seq:
                write_hint(folder, footer.seq, footer.step)
            for number in older[: max(0, len(older) + 1 - keep)]:
                os.unlink(os.path.join(folder, str(number)))
