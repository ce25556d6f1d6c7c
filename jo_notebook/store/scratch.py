"""The store's `tmp` directory: files being written, and the removal of what killed writers left."""

from __future__ import annotations

import contextlib
import os
import re
import secrets
from collections.abc import Iterator, Sequence
from functools import cache
from typing import BinaryIO

from jo_notebook.store.numbering import mark_at
from jo_notebook.store.processes import is_gone, machine, start_of
from jo_notebook.store.publish import is_folder, make_folder, sync_folder

STALE_SECONDS = 24 * 3600
OPEN_AT_ONCE = 100  # files
AT_ONCE = 8  # threads that wait for the disk
_NAME = re.compile(r"(?P<host>[\w.]+)-(?P<boot>\w+)-(?P<pid>\d{1,9})-(?P<start>\d+)-\w+")


class Scratch:
    """Temporary files of one store; each name tells which process of which machine is writing."""

    def __init__(self, folder: str) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def file(self) -> Iterator[str]:
        """The path of a new empty file, gone when the block ends unless it was moved. Raises OSError."""
        with self.draft() as (out, path):
            out.close()
            yield path

    @contextlib.contextmanager
    def draft(self) -> Iterator[tuple[BinaryIO, str]]:
        """A new file to write and its path, gone when the block ends unless it was moved. Raises OSError."""
        path = os.path.join(self.folder, f"{me()}-{secrets.token_hex(6)}")
        out = self._created(path)
        moved = False
        try:
            with out:
                yield out, path
            moved = not os.path.lexists(path)
        finally:
            if not moved:
                with contextlib.suppress(OSError):
                    os.unlink(path)

    def _created(self, path: str) -> BinaryIO:
        try:
            return open(path, "xb")
        except FileNotFoundError:
            make_folder(self.folder)
        except OSError:
            make_folder(self.folder)  # says it better, where a file or a link is in the way
            raise
        return open(path, "xb")

    def replace(self, target: str, data: bytes, *, durable: bool = True) -> None:
        """Put a small file at `target`, whole or not at all, over whatever is there. Raises OSError."""
        if durable:
            self.replace_all([(target, data)])
            return
        with self.draft() as (out, path):
            out.write(data)
            out.close()  # Windows renames no open file
            os.replace(path, target)

    def replace_all(self, files: Sequence[tuple[str, bytes]]) -> list[tuple[int, ...]]:
        """Put small files, as (target, data), over whatever is there, each whole or not at all, all durable.

        Gives their marks, empty where somebody else may have been quicker. Raises OSError; some may be there then.
        """
        marks: list[tuple[int, ...]] = []
        for start in range(0, len(files), OPEN_AT_ONCE):
            with contextlib.ExitStack() as stack:
                drafts = [(*stack.enter_context(self.draft()), *file) for file in files[start : start + OPEN_AT_ONCE]]
                for out, _, _, data in drafts:
                    out.write(data)
                    out.flush()
                _sync([out.fileno() for out, _, _, _ in drafts])
                for out, path, target, _ in drafts:
                    if os.name == "nt":
                        out.close()  # Windows renames no open file
                    os.replace(path, target)
                    marks.append(() if os.name == "nt" else mark_at(0, os.fstat(out.fileno())))
        for folder in dict.fromkeys(os.path.dirname(target) for target, _ in files):
            sync_folder(folder)
        return marks

    def leftovers(self) -> list[tuple[str, int]]:
        """Path and size of each file whose writer is surely gone. Raises OSError."""
        rows = []
        for name in sorted(os.listdir(self.folder)) if is_folder(self.folder) else []:
            path = os.path.join(self.folder, name)
            with contextlib.suppress(FileNotFoundError):
                if is_dead(name):
                    rows.append((path, os.lstat(path).st_size))
        return rows

    def sweep(self) -> None:
        """Remove what dead writers left; of other machines only what is a day old. Never raises OSError."""
        if not is_folder(self.folder):
            return
        with contextlib.suppress(OSError):
            drafts = filter(_NAME.fullmatch, os.listdir(self.folder))  # any other file is not of this store
            unsure = [name for name in drafts if not self._removed(name)]
            unsure = [name for name in unsure if not name.startswith(me())]
            if unsure:
                self._sweep_old(unsure)

    def _removed(self, name: str) -> bool:
        if not is_dead(name):
            return False
        with contextlib.suppress(OSError):
            os.unlink(os.path.join(self.folder, name))
        return True

    def _sweep_old(self, names: list[str]) -> None:
        with self.file() as fresh:  # this disk's idea of now, whatever our clock says
            now = os.lstat(fresh).st_mtime
        for name in names:
            path = os.path.join(self.folder, name)
            with contextlib.suppress(OSError):
                if now - os.lstat(path).st_mtime > STALE_SECONDS:
                    os.unlink(path)


def _sync(descriptors: Sequence[int]) -> None:
    """Make files durable, several together. Raises OSError."""
    if len(descriptors) > 1:
        from concurrent.futures import ThreadPoolExecutor  # slow to import, and often not needed

        with ThreadPoolExecutor(min(AT_ONCE, len(descriptors))) as threads:
            list(threads.map(os.fsync, descriptors))
    else:
        for descriptor in descriptors:
            os.fsync(descriptor)


def is_dead(name: str) -> bool:
    """Whether the writer of a file of this name is surely gone."""
    found = _NAME.fullmatch(name)
    return found is not None and is_gone(found["host"], found["boot"], int(found["pid"]), found["start"])


def me() -> str:
    """How this process begins the names of what it is writing."""
    return _name_of(os.getpid())


@cache  # by the number, for a fork has another one
def _name_of(pid: int) -> str:
    host, boot = machine()
    return f"{host}-{boot}-{pid}-{start_of(pid)}"
