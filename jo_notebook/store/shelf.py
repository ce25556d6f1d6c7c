"""A directory of numbered, immutable files per step: `steps/` for results, `errors/` for failures.

    <shelf>/<slug>-<hash16>/<number>     the highest number is the newest
                            HEAD         a hint: a number that was once there, so its loss is noticed

A file appears whole or not at all, under a number nobody else took; nothing here needs a lock.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from jo_notebook.store.generation import Footer, write_footer, write_sections
from jo_notebook.store.names import STEM, stem_of
from jo_notebook.store.numbering import HEAD, hint_bytes, is_number, listing, mark_of, newest_number, numbers
from jo_notebook.store.publish import is_folder, make_folder, publish, sync_folder
from jo_notebook.store.reading import ATTEMPTS, Found, Reader, T
from jo_notebook.store.scratch import Scratch


@dataclass(frozen=True)
class Shelf(Reader[T]):
    """The files of one kind, to read and to add to; `keep` generations of each step stay."""

    scratch: Scratch = field(repr=False)
    keep: int = 1

    def commit(self, footer: Footer, payloads: Mapping[str, bytes]) -> Found[T]:
        """Add a file, durable when this returns, and prune. Raises OSError; then nothing has changed."""
        folder = os.path.join(self.root, stem_of(footer.step))
        with self.scratch.file() as draft:
            with open(draft, "wb") as out:
                footer = replace(footer, kind=self.kind, key=self.key.id, sections=write_sections(out, payloads))
                end = out.tell()
            for _ in range(ATTEMPTS):
                for path in (self.root, folder):
                    if make_folder(path):
                        sync_folder(os.path.dirname(path))
                footer = replace(footer, seq=self.newest(footer.step) + 1)
                found = self._publish(draft, end, footer)
                if found is not None:
                    self._tidy(folder, footer)
                    return found
        raise OSError(f"no free number for {footer.step} after {ATTEMPTS} attempts")

    def rewrite(self, path: str, footer: Footer, payloads: Mapping[str, bytes]) -> None:
        """Put a file in the place of one with the same contents, signed with our key. Raises OSError."""
        with self.scratch.file() as draft:
            with open(draft, "wb") as out:
                footer = replace(footer, key=self.key.id, sections=write_sections(out, payloads))
                write_footer(out, footer, self.key)
                out.flush()
                os.fsync(out.fileno())
            os.replace(draft, path)
        sync_folder(os.path.dirname(path))

    def newest(self, step: str) -> int:
        """The highest number this step ever had, as far as is known."""
        stem = stem_of(step)
        return newest_number(os.path.join(self.root, stem), stem)

    def forget(self, step: str) -> None:
        """Remove every generation, the newest last. Raises OSError."""
        # A damaged step may be known by its directory's name alone.
        folder = os.path.join(self.root, step if STEM.fullmatch(step) and step in self._stems() else stem_of(step))
        if not is_folder(folder):
            return
        names = [name for name in listing(folder) if not is_number(name)]
        for name in [*names, *map(str, sorted(numbers(folder)))]:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(os.path.join(folder, name))
        with contextlib.suppress(OSError):  # another kernel may just be adding a result
            os.rmdir(folder)
        sync_folder(self.root)

    def _publish(self, draft: str, end: int, footer: Footer) -> Found[T] | None:
        """Try for the footer's number; None where somebody else took it or removed the directory."""
        path = os.path.join(self.root, stem_of(footer.step), str(footer.seq))
        with open(draft, "r+b") as out:
            out.seek(end)
            out.truncate()
            write_footer(out, footer, self.key)
            out.flush()
            os.fsync(out.fileno())
        try:
            publish(draft, path)
        except (FileExistsError, FileNotFoundError):
            if not os.path.lexists(draft):
                raise
            return None
        try:
            sync_folder(os.path.dirname(path))
            mark = mark_of(footer.seq, path)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(path)
            raise
        return Found(footer.step, footer.seq, path, mark, footer, self.parse(dict(footer.record)), ours=True)

    def _tidy(self, folder: str, footer: Footer) -> None:
        """Write the hint and prune. Both can wait for the next save, so a disk that refuses is ignored."""
        with contextlib.suppress(OSError):
            self.scratch.replace(os.path.join(folder, HEAD), hint_bytes(footer.seq, footer.step), durable=False)
            for number in sorted(numbers(folder))[: -self.keep]:
                os.unlink(os.path.join(folder, str(number)))
