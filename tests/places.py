"""Places where a store has a hard time, made for real: they bind the superuser, too."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest


@contextlib.contextmanager
def mounted(folder: Path, kind: str, *options: str, device: str | Path = "none") -> Iterator[Path]:
    """A disk mounted on a new directory; the test is skipped where that is not allowed."""
    folder.mkdir()
    _done("mount", "-t", kind, *options, device, folder)
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], capture_output=True)


@contextlib.contextmanager
def immutable(folder: Path) -> Iterator[None]:
    """A directory in which nobody can make, rename or remove anything; skipped where the disk has no such thing."""
    _done("chattr", "+i", folder)
    try:
        yield
    finally:
        subprocess.run(["chattr", "-i", folder], check=True)


def vfat(image: Path) -> Path:
    """A file with an empty disk that has no links, no owners, and folds names; skipped where none can be made."""
    with open(image, "wb") as out:
        out.truncate(16 * 1024 * 1024)
    _done("mkfs.vfat", image)
    return image


def remount(folder: Path, option: str) -> None:
    """The same disk, otherwise."""
    subprocess.run(["mount", "-o", f"remount,{option}", folder], check=True)


def to_another_user(*folders: Path, mode: int) -> None:
    """Gives these to somebody else; skipped where only their owner could."""
    if os.geteuid() != 0:
        pytest.skip("only the superuser can give files away")
    for folder in folders:
        os.chown(folder, 4321, 4321)
        folder.chmod(mode)


def like_anybody() -> None:
    """From now on this process has no more rights to others' files than any user. Also sent to kernels, as source."""
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def deep(folder: Path, length: int) -> Path:
    """A new directory below `folder` whose path has that many characters, the last part of them `x`."""
    missing = length - len(str(folder))
    parts = ["d" * 99] * ((missing - 100) // 100)
    rest = missing - 100 * len(parts)
    place = folder.joinpath(*parts, "d" * (rest // 2 - 1), "x" * (rest - rest // 2 - 1))
    place.mkdir(parents=True)
    assert len(str(place)) == length
    return place


def tree(folder: Path) -> dict[str, object]:
    """All that is below a directory, with what it is and what is in it."""
    rows: dict[str, object] = {}
    for path in sorted(folder.rglob("*")):
        info = os.lstat(path)
        what = os.readlink(path) if path.is_symlink() else path.read_bytes() if path.is_file() else info.st_mode
        rows[os.path.relpath(path, folder)] = what
    return rows


def _done(*command: str | Path) -> None:
    if shutil.which(str(command[0])) is None:
        pytest.skip(f"there is no {command[0]} here")
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"{command[0]} cannot be used here: {done.stderr}")
