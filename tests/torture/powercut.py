"""What a disk may hold after a power cut: rebuilt from what a save did to the files, call by call.

Before and after each call of the system the whole directory is looked at, so that nothing escapes: not what is
written by C, not what is written through a map. Files are told apart by their inodes, as the disk does, but an
inode that is used again is another file.
"""

from __future__ import annotations

import itertools
import os
import pickle
import shutil
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import pytest

CALLS = ("open", "close", "mkdir", "rmdir", "link", "symlink", "unlink", "remove", "rename", "replace")
WRITES = ("write", "writev", "pwrite", "truncate", "ftruncate", "sendfile", "copy_file_range", "posix_fallocate")
SYNCS = ("fsync", "fdatasync")
MODES = ("kill", "torn", "none", "meta")
Names = dict[int, dict[str, int]]  # of each directory


@dataclass(frozen=True)
class Moment:
    """The files between two calls, and what of them a power cut would leave."""

    call: str
    names: Names
    data: dict[int, bytes]
    sure_names: Names
    sure_data: dict[int, bytes]
    before: dict[int, bytes]  # the call before


@dataclass
class Trace:
    """All moments of what is done while it is `watching`. `marks` are moments that the test names."""

    root: Path
    moments: list[Moment] = field(default_factory=list)
    marks: dict[str, int] = field(default_factory=dict)
    sure_names: Names = field(default_factory=dict)
    sure_data: dict[int, bytes] = field(default_factory=dict)
    keys: dict[int, int] = field(default_factory=dict)  # of the inodes in use: a number of our own, never used again
    numbers: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def watching(self, patch: pytest.MonkeyPatch) -> None:
        """From now on. What is there now is durable."""
        self.sure_names, self.sure_data = self._look()
        for name in (*CALLS, *WRITES, *SYNCS):
            if hasattr(os, name):
                patch.setattr(os, name, self._watched(name, getattr(os, name)))

    def _watched(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self._note("write")  # what a buffer has written since
            result = real(*args, **options)
            if name in SYNCS:
                self._sync(self.keys.get(os.fstat(args[0]).st_ino, -1))
            self._note(name)
            return result

        return call

    def mark(self, word: str) -> None:
        self._note("write")
        self.marks[word] = len(self.moments) - 1

    def _note(self, call: str) -> None:
        names, data = self._look()
        last = self.moments[-1] if self.moments else None
        if last is None or call in SYNCS or (names, data) != (last.names, last.data):
            before = last.data if last else dict(self.sure_data)
            rows = (call, names, data, dict(self.sure_names), dict(self.sure_data), before)
            self.moments.append(Moment(*rows))

    def _look(self) -> tuple[Names, dict[int, bytes]]:
        names: Names = {}
        data: dict[int, bytes] = {}
        alive: dict[int, int] = {}

        def key(info: os.stat_result) -> int:
            return alive.setdefault(info.st_ino, self.keys.get(info.st_ino) or next(self.numbers))

        for folder, _, _ in os.walk(self.root):
            here = names.setdefault(key(os.lstat(folder)), {})
            with os.scandir(folder) as entries:
                for entry in entries:
                    info = entry.stat(follow_symlinks=False)
                    here[entry.name] = key(info)
                    if stat.S_ISREG(info.st_mode):
                        data[key(info)] = Path(entry.path).read_bytes()
        self.keys = alive
        return names, data

    def _sync(self, inode: int) -> None:
        names, data = self._look()
        if inode in data:
            self.sure_data[inode] = data[inode]
        elif inode in names:
            self.sure_names[inode] = names[inode]


def states(trace: Trace, answered: int) -> Iterator[tuple[str, int, Callable[[Path], None]]]:
    """Kind and moment of each cut, and what makes the directory that it leaves, where no earlier one left the same.

    What was possible before the save has answered is looked at again after that.
    """
    root = trace.keys[os.lstat(trace.root).st_ino]
    for mode in MODES:
        seen: set[tuple[bytes, bool]] = set()
        for number, moment in enumerate(trace.moments):
            rows = _flat(root, *_left(moment, mode))
            key = pickle.dumps(sorted(rows.items())), number >= answered
            if key not in seen:
                seen.add(key)
                yield mode, number, partial(_build, rows=rows)


def _left(moment: Moment, mode: str) -> tuple[Names, dict[int, bytes]]:
    """kill: all calls done; torn: the last write half done; none: only what was synced; meta: names, but no data."""
    if mode == "kill":
        return moment.names, moment.data
    if mode == "none":
        return {key: moment.sure_names.get(key, {}) for key in moment.names | moment.sure_names}, moment.sure_data
    if mode == "meta":
        return moment.names, moment.sure_data
    data = dict(moment.data)
    for inode, now in data.items():
        was = moment.before.get(inode, b"")
        if now != was:
            kept = len(was) if now.startswith(was) else 0
            data[inode] = now[: kept + (len(now) - kept) // 2]
    return moment.names, data


def _flat(inode: int, names: Names, data: dict[int, bytes], path: str = "") -> dict[str, int | bytes]:
    flat: dict[str, int | bytes] = {}
    for name, child in names.get(inode, {}).items():
        flat[f"{path}/{name}"] = 0 if child in names else data.get(child, b"")
        flat.update(_flat(child, names, data, f"{path}/{name}") if child in names else {})
    return flat


def _build(target: Path, rows: dict[str, int | bytes]) -> None:
    if target.exists():
        shutil.rmtree(target)
    target.mkdir()
    for path, content in rows.items():
        child = target / path[1:]
        child.mkdir() if content == 0 else child.write_bytes(content)
