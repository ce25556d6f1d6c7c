"""The numbers of a step's files, and the hint that remembers the highest one."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import stat

from jo_notebook.store.generation import canonical
from jo_notebook.store.names import stem_of
from jo_notebook.store.publish import CLAIM, read_small

HEAD = "HEAD"
DIGITS = 15


def newest_number(folder: str, stem: str, names: list[str] | None = None) -> int:
    """The highest number this directory ever had, as far as is known; 0 for none. `names` is its listing, if taken."""
    names = listing(folder) if names is None else names
    claims = [name[: -len(CLAIM)] for name in names if name.endswith(CLAIM)]
    return max([read_hint(folder, stem)[0], *(int(name) for name in [*names, *claims] if is_number(name))])


def mark_of(seq: int, path: str) -> tuple[int, ...]:
    """What changes when a file is replaced, without reading it. Raises FileNotFoundError."""
    return mark_at(seq, os.lstat(path))


def mark_at(seq: int, info: os.stat_result) -> tuple[int, ...]:
    """The same, from what the system says of the file."""
    return seq, info.st_ino, info.st_size, info.st_mtime_ns, info.st_ctime_ns


def listing(folder: str) -> list[str]:
    """The names in a directory, none where it is gone."""
    try:
        return os.listdir(folder)
    except (FileNotFoundError, NotADirectoryError):
        return []


def numbers(folder: str) -> list[int]:
    """The generations that are there, in no order."""
    return [int(name) for name in listing(folder) if is_number(name)]


def is_number(name: str) -> bool:
    """Whether a file of this name is a generation."""
    return name.isascii() and name.isdigit() and name[0] != "0" and len(name) <= DIGITS


def hint_bytes(seq: int, step: str) -> bytes:
    """The contents of HEAD."""
    line = canonical([seq, step])
    return line + b"\n" + hashlib.sha256(line).hexdigest().encode() + b"\n"


def write_hint(folder: str, seq: int, step: str) -> None:
    """Put the hint there, over a former one. It is not durable, and a torn one counts as none. Raises OSError."""
    path, data = os.path.join(folder, HEAD), hint_bytes(seq, step)
    flags = os.O_WRONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    try:
        fd = os.open(path, flags)
        info = os.fstat(fd)
        if info.st_nlink != 1 or not stat.S_ISREG(info.st_mode):  # somebody else's file, also known as this
            os.close(fd)
            raise OSError(path)
    except OSError:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
        fd = os.open(path, flags | os.O_CREAT | os.O_EXCL, 0o644)
    try:
        os.write(fd, data)
        os.ftruncate(fd, len(data))
    finally:
        os.close(fd)


def read_hint(folder: str, stem: str) -> tuple[int, str]:
    """Number and name that HEAD tells; (0, "") where the hint is missing, damaged or another step's."""
    with contextlib.suppress(OSError, ValueError, TypeError, IndexError, AttributeError):
        line, digest = read_small(os.path.join(folder, HEAD)).split(b"\n")[:2]
        seq, step = json.loads(line)
        if hashlib.sha256(line).hexdigest().encode() == digest and stem_of(step) == stem:
            return int(seq), str(step)
    return 0, ""
