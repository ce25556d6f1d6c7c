"""The store's `tmp` directory: files being written, and the removal of what killed writers left."""

from __future__ import annotations

import contextlib
import os
import platform
import re
import secrets
from collections.abc import Iterator
from functools import cache
from typing import BinaryIO

from jo_notebook.store.publish import is_folder, make_folder, sync_folder

STALE_SECONDS = 24 * 3600
_NAME = re.compile(r"(?P<host>[\w.]+)-(?P<boot>\w+)-(?P<pid>\d+)-(?P<start>\d+)-\w+")


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
        path = os.path.join(self.folder, f"{_me()}-{secrets.token_hex(6)}")
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
        with self.draft() as (out, path):
            out.write(data)
            out.flush()
            if durable:
                os.fsync(out.fileno())
            out.close()  # Windows renames no open file
            os.replace(path, target)
        if durable:
            sync_folder(os.path.dirname(target))

    def leftovers(self) -> list[tuple[str, int]]:
        """Path and size of each file whose writer is surely gone. Raises OSError."""
        rows = []
        for name in sorted(os.listdir(self.folder)) if is_folder(self.folder) else []:
            path = os.path.join(self.folder, name)
            with contextlib.suppress(FileNotFoundError):
                if _is_dead(name):
                    rows.append((path, os.lstat(path).st_size))
        return rows

    def sweep(self) -> None:
        """Remove what dead writers left; of other machines only what is a day old. Never raises OSError."""
        if not is_folder(self.folder):
            return
        with contextlib.suppress(OSError):
            unsure = [name for name in os.listdir(self.folder) if not self._removed(name)]
            unsure = [name for name in unsure if not name.startswith(_me())]
            if unsure:
                self._sweep_old(unsure)

    def _removed(self, name: str) -> bool:
        if not _is_dead(name):
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


def _is_dead(name: str) -> bool:
    """Whether the writer of this file is surely gone: this machine, and an older boot or no such process."""
    found = _NAME.fullmatch(name)
    host, boot = _machine()
    if found is None or found["host"] != host or boot == "0":
        return False
    if found["boot"] != boot:
        return True
    return _start_of(found["pid"]) != found["start"]


def _me() -> str:
    return _name_of(os.getpid())


@cache  # by the number, for a fork has another one
def _name_of(pid: int) -> str:
    host, boot = _machine()
    return f"{host}-{boot}-{pid}-{_start_of(str(pid))}"


@cache
def _machine() -> tuple[str, str]:
    """Host and boot. The host carries the process namespace: two containers do not see each other's pids."""
    host = re.sub(r"[^\w.]", "_", platform.node(), flags=re.ASCII)[:40] or "host"
    try:
        space = re.sub(r"\D", "", os.readlink("/proc/self/ns/pid"))
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as handle:
            boot = handle.read().replace("-", "").strip()[:12]
    except OSError:
        return host, "0"
    return f"{host}.{space}", boot


def _start_of(pid: str) -> str:
    """When a process began, in ticks since boot; "0" where there is no such process or no way to know."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as handle:
            return handle.read().rpartition(")")[2].split()[19]
    except (OSError, IndexError):
        return "0"
