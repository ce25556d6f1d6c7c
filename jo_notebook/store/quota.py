"""How much is kept: how many generations, how many bytes, and when to say that it is too much. Nothing is deleted."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass

from jo_notebook.core.definition import check_keep
from jo_notebook.core.files import SIZES, size_text
from jo_notebook.errors import UsageError
from jo_notebook.store.disk import Disk
from jo_notebook.store.numbering import read_hint
from jo_notebook.store.publish import is_folder

KEEP = 2
FULL = 0.8  # a disk fuller than this is worth a line
LARGE = 0.01  # but only where the store is this much of it: else cleaning it helps nobody
SHOWN = 3
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgtp]?)(i?)b?", re.IGNORECASE)
Mark = tuple[int, int]


def keep_from(environ: Mapping[str, str]) -> int:
    """How many generations stay where nobody says: JO_KEEP, or two. Raises UsageError."""
    text = environ.get("JO_KEEP", "").strip()
    if text and not text.isdecimal():
        raise UsageError(f"JO_KEEP={text} is not understood: say how many results of a step stay, for instance 3.")
    return check_keep(int(text)) if text else KEEP


def quota_from(environ: Mapping[str, str]) -> int:
    """From how many bytes on a store is too large, by JO_QUOTA; 0 for never. Raises UsageError."""
    return parse_size(environ.get("JO_QUOTA", ""))


def parse_size(text: str) -> int:
    """`5 GB`, `500MB`, `1.5 TB`, `2 GiB` as bytes; nothing, or `none`, as 0. Raises UsageError."""
    text = text.strip()
    if text.lower() in ("", "none", "off"):
        return 0
    found = _SIZE.fullmatch(text)
    if found is None:
        raise UsageError(f"{text!r} is no size: say for instance 5 GB or 500 MB.")
    number, unit, binary = found.groups()
    power = [size[0].lower() for size in SIZES].index(unit.lower() or "b")
    return int(float(number) * (1024 if binary else 1000) ** power)


@dataclass(frozen=True, slots=True)
class Usage:
    """What a store takes: bytes in all, and by the directory of each step, the largest first."""

    total: int
    folders: tuple[tuple[str, int], ...]


class Sizes:
    """The sizes of a store's directories. A directory that has not changed is not listed again."""

    def __init__(self) -> None:
        self._known: dict[str, tuple[Mark, int]] = {}

    def usage(self, disk: Disk) -> Usage:
        """What the results and failures take now, and what damaged files were set aside. Raises no OSError."""
        rows = []
        for root in (disk.results.root, disk.failures.root):
            rows += [(folder, self._size(folder)) for folder in _folders(root)]
        rows.append((aside := os.path.join(disk.place, "damaged"), self._size(aside)))
        rows.sort(key=lambda row: -row[1])
        return Usage(sum(size for _, size in rows), tuple(rows))

    def _size(self, folder: str) -> int:
        with contextlib.suppress(OSError):
            info = os.lstat(folder)
            mark = (info.st_mtime_ns, info.st_ino)
            known = self._known.get(folder)
            if known is None or known[0] != mark:
                with os.scandir(folder) as entries:
                    known = mark, sum(entry.stat(follow_symlinks=False).st_size for entry in entries)
                self._known[folder] = known
            return known[1]
        return 0


def crowding(disk: Disk, usage: Usage, quota: int) -> str:
    """A line where the store is above its quota, or fills a disk that is nearly full; else empty."""
    if quota and usage.total > quota:
        found = f"Results take {size_text(usage.total)}, more than the quota of {size_text(quota)}"
    elif (share := _fullness(disk, usage.total)) > FULL:
        found = f"The disk is {share:.0%} full, and results take {size_text(usage.total)} of it".replace("%", " %")
    else:
        return ""
    return f"{found}; the most is {_biggest(usage)}. Nothing is deleted by itself: say %context gc."


def _biggest(usage: Usage) -> str:
    rows = ((folder, os.path.basename(folder), size) for folder, size in usage.folders[:SHOWN] if size)
    return ", ".join(f"{read_hint(folder, stem)[1] or stem} ({size_text(size)})" for folder, stem, size in rows)


def _fullness(disk: Disk, total: int) -> float:
    """How full the disk is, from 0 to 1; 0 where the store is too small a part of it to matter."""
    try:
        info = shutil.disk_usage(disk.place)
    except OSError:
        return 0.0
    if total <= LARGE * info.total:
        return 0.0
    return info.used / ((info.used + info.free) or 1)


def _folders(root: str) -> list[str]:
    with contextlib.suppress(OSError):
        if is_folder(root):
            with os.scandir(root) as entries:
                return [entry.path for entry in entries if entry.is_dir(follow_symlinks=False)]
    return []
