"""Files and directories that a step declares, tracked by content: one whose stat is as before is not read again."""

from __future__ import annotations

import errno
import fnmatch
import os
import re
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import PurePath
from typing import NamedTuple

from jo_notebook.core.files import (
    MISSING,
    OUR_SUFFIX,
    UNREADABLE,
    FileState,
    Member,
    Stat,
    Witness,
    is_left_out,
    printable,
    size_text,
    tree_digest,
    tree_text,
)

__all__ = ["FileState", "Files"]

BLOCK = 1 << 20
ATTEMPTS = 3  # to read a file that changes meanwhile
ROWS = 1000  # kept in a record: of many files the largest, the others are quickly read again
MAGIC = re.compile(r"[*?\[]")
FLAGS = os.O_RDONLY | getattr(os, "O_BINARY", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_CLOEXEC", 0)
KINDS = ((stat.S_ISREG, "file"), (stat.S_ISDIR, "directory"), (stat.S_ISFIFO, "pipe"), (stat.S_ISSOCK, "socket"))

Met = dict[tuple[int, int], str]  # directories by device and inode, with the name under which each was met first


class _Found(NamedTuple):
    """A `Member` before any content is read; `stat` is that of a file."""

    name: str
    kind: str
    path: str = ""
    stat: Stat | None = None
    detail: str = ""


@dataclass(frozen=True, slots=True)
class _Scan:
    """What is at a declared place by names and stats. `is_tree` is False for one plain file."""

    found: tuple[_Found, ...] = ()
    is_tree: bool = False
    problem: str = ""


class _Looked(NamedTuple):
    scan: _Scan
    state: FileState
    is_settled: bool


class Files:
    """Looks at declared paths; relative ones are meant from what `base` gives, `~` is the home directory.

    A path is a file, a directory (all that is below it) or a pattern such as `data/*.csv` or `data/**/*.csv`
    (all that matches). Nothing here raises because of what is, or is not, on disk.
    """

    def __init__(self, base: Callable[[], str] = os.getcwd) -> None:
        self._base = base
        self._witnesses: dict[str, Witness] = {}  # by absolute path
        self._looked: dict[str, _Looked] = {}  # by path as declared

    def look(self, path: str) -> FileState:
        """What is there now. Content is read only where stats cannot tell that it is as before."""
        scan = self._scan(path)
        known = self._looked.get(path)
        if known is None or not known.is_settled or known.scan != scan:
            known = self._looked[path] = self._read_all(path, scan)
        return known.state

    def cover(self, declared: Iterable[str], path: str) -> bool:
        """Whether a file is one of those that were declared, below one of the directories, or found by a pattern."""
        mine = os.path.join(self._base_or_nothing(), path)
        mine = os.path.normpath(mine)
        return any(os.path.normpath(found.path) == mine for each in declared for found in self._scan(each).found)

    def witnesses(self, paths: Iterable[str]) -> tuple[tuple[str, ...], ...]:
        """What to keep in a record, so that a fresh kernel need not read what has not changed: rows of strings."""
        held: dict[str, Witness] = {}
        for path in paths:
            if path not in self._looked:
                self.look(path)
            for found in self._looked[path].scan.found:
                witness = self._witnesses.get(found.path)
                if witness is not None and witness.stat == found.stat and witness.is_settled:
                    held[found.path] = witness
        largest = sorted(held.values(), key=lambda w: (-w.stat[2], w.path))[:ROWS]
        return tuple(row for witness in largest if (row := self._row(witness)))

    def remember(self, rows: Iterable[Sequence[str]]) -> None:
        """Takes in what `witnesses` gave, perhaps in another kernel; rows that make no sense are left out."""
        base = self._base_or_nothing()
        for row in rows:
            witness = Witness.from_row(row)
            if witness is None:
                continue
            path = os.path.join(base, witness.path)
            known = self._witnesses.get(path)
            if known is None or known.when < witness.when:
                self._witnesses[path] = Witness(path, witness.digest, witness.stat, witness.when)

    def stamp(self, paths: Iterable[str] | None = None) -> object:
        """Equal to an earlier stamp as long as a look at what was looked at (or at `paths`) would read nothing new.

        Equal to nothing when something has changed since it was looked at, or is too young to be told by its stat.
        """
        stamps: list[tuple[str, _Scan]] = []
        for path in sorted(self._looked if paths is None else set(paths)):
            known = self._looked.get(path)
            if known is None or not known.is_settled or self._scan(path) != known.scan:
                return object()
            stamps.append((path, known.scan))
        return tuple(stamps)

    def _row(self, witness: Witness) -> tuple[str, ...]:
        """A row that names the file relative to the base where it can, or () if the name is no text."""
        base = self._base_or_nothing().rstrip(os.sep) + os.sep
        path = witness.path.removeprefix(base) if len(base) > 1 else witness.path
        try:
            path.encode("utf-8")
        except UnicodeEncodeError:
            return ()
        return Witness(path, witness.digest, witness.stat, witness.when).to_row()

    def _base_or_nothing(self) -> str:
        try:
            return self._base()
        except OSError:  # the working directory was removed
            return ""

    def _scan(self, path: str) -> _Scan:
        try:
            return _scan(self._base(), path)
        except (OSError, ValueError) as error:
            return _Scan(problem=_problem(error))

    def _read_all(self, path: str, scan: _Scan) -> _Looked:
        if scan.problem:
            digest = MISSING if scan.problem == MISSING else UNREADABLE
            return _Looked(scan, FileState(path, digest, scan.problem, scan.problem), scan.problem == MISSING)
        members: list[Member] = []
        problems = [_cannot(f.name, f.detail) for f in scan.found if f.kind == UNREADABLE]
        size, count, is_settled = 0, 0, not problems
        for found in scan.found:
            if found.stat is None:
                members.append(Member(found.name, found.kind, "" if found.kind == UNREADABLE else found.detail))
                continue
            try:
                witness = self._witness(found.path, found.stat)
            except (OSError, ValueError) as error:
                problems.append(_cannot(found.name, _why(error)) if scan.is_tree else _problem(error))
                members.append(Member(found.name, UNREADABLE))
                is_settled = False
                continue
            size, count, is_settled = size + witness.stat[2], count + 1, is_settled and witness.is_settled
            members.append(Member(found.name, "file", witness.digest))
        problem = problems[0] if problems else ""
        if scan.is_tree:
            digest, shown = tree_digest(members), tree_text(count, size, len(scan.found) == 1)
        else:
            digest, shown = members[0].detail or (MISSING if problem == MISSING else UNREADABLE), size_text(size)
        return _Looked(scan, FileState(path, digest, problem or shown, problem), is_settled)

    def _witness(self, path: str, now: Stat) -> Witness:
        known = self._witnesses.get(path)
        if known is None or known.stat != now or not known.is_settled:
            known = self._witnesses[path] = _read(path)
        return known


def files_at(base: str, declared: str) -> dict[str, tuple[int, ...]]:
    """The files at a declared path with their stats, none of them read; nothing where there is none to be found."""
    try:
        found = _scan(base, declared).found
    except (OSError, ValueError):
        return {}
    return {one.path: one.stat for one in found if one.stat is not None}


def _read(path: str) -> Witness:
    """Hashes a regular file in blocks, again when it changed meanwhile; at last it is never trusted by its stat."""
    digest, now = "", (0, 0, 0, 0, 0)
    for _ in range(ATTEMPTS):
        when = time.time_ns()
        descriptor = os.open(path, FLAGS)  # does not wait, should a pipe have taken the file's place
        try:
            before = os.fstat(descriptor)
            if not stat.S_ISREG(before.st_mode):
                raise OSError(errno.EINVAL, "not a regular file any more")
            digest = _hash(descriptor)
            now = _stat_of(os.fstat(descriptor))
        finally:
            os.close(descriptor)
        if now == _stat_of(before) == _stat_of(os.stat(path)):
            return Witness(path, digest, now, when)
    return Witness(path, digest, now, 0)


def _hash(descriptor: int) -> str:
    import xxhash  # here: most sessions declare no files

    state = xxhash.xxh3_128()
    with open(descriptor, "rb", buffering=0, closefd=False) as stream:
        size = min(BLOCK, os.fstat(descriptor).st_size + 1)
        block = memoryview(bytearray(size))
        while count := stream.readinto(block):
            state.update(block[:count])
    return f"file:{state.hexdigest()}"


def _scan(base: str, declared: str) -> _Scan:
    if not declared:
        raise ValueError("its name is empty")
    parts = PurePath(declared).parts
    fixed = next((i for i, part in enumerate(parts) if MAGIC.search(part)), len(parts))
    top = os.path.join(base, os.path.expanduser(os.path.join("", *parts[:fixed])))
    pattern = list(parts[fixed:])
    while pattern[-1:] == ["**"] or pattern[-2:] == ["**", "*"]:
        pattern.pop()  # all that is below, which is what a directory stands for
    if pattern:
        found = tuple(dict.fromkeys(_matching(top, pattern)))  # a match may lie inside another one
        unreadable = next((f.detail for f in found if f.kind == UNREADABLE), "")
        if any(f.kind != "seen" and f.kind != UNREADABLE for f in found):
            return _Scan(found, is_tree=True)
        return _Scan(problem=f"cannot be read: {unreadable}" if unreadable else MISSING)
    top += os.sep if declared.endswith(("/", os.sep)) and fixed == len(parts) else ""
    one = _found("", top, os.stat(top))
    if one.kind == "directory":
        found = tuple(_below("", top.rstrip(os.sep) or os.sep, {}))
        return (
            _Scan(problem=f"cannot be read: {found[0].detail}") if found[0].kind == UNREADABLE else _Scan(found, True)
        )
    if one.kind == "file":
        return _Scan((one,))
    return _Scan(problem=f"cannot be read: it is a {one.kind}")


def _below(name: str, top: str, met: Met) -> Iterator[_Found]:
    """A directory and all that is below it, each directory once; names are relative and joined by `/`."""
    waiting = [(name, top)]
    while waiting:
        name, path = waiting.pop()
        directory, first = _entries(name, path, met)
        yield first
        deeper: list[tuple[str, str]] = []
        for entry in directory:
            below = f"{name}/{entry.name}" if name else entry.name
            found = _found_or_why(below, entry.path, entry.is_symlink())
            if found is not None and found.kind == "directory":
                deeper.append((below, entry.path))
            elif found is not None:
                yield found
        waiting += reversed(deeper)


def _entries(name: str, path: str, met: Met) -> tuple[list[os.DirEntry[str]], _Found]:
    """What a directory holds, in order, and itself; nothing where it was met before or cannot be read."""
    try:
        at = os.stat(path)
        first = met.setdefault((at.st_dev, at.st_ino), name)
        if first != name:
            return [], _Found(name, "seen", detail=first)
        with os.scandir(path) as entries:
            held = [e for e in entries if not is_left_out(e.name, e.name.endswith(OUR_SUFFIX) and os.path.isdir(e))]
    except OSError as error:
        return [], _Found(name, UNREADABLE, detail=_why(error))
    return sorted(held, key=lambda e: e.name), _Found(name, "directory")


def _found_or_why(name: str, path: str, is_link: bool) -> _Found | None:
    """One entry by its kind; None if it has vanished since it was listed."""
    try:
        return _found(name, path, os.stat(path))
    except OSError as error:
        if is_link and error.errno in (errno.ENOENT, errno.ELOOP, errno.ENOTDIR):
            return _Found(name, "link")
        return None if error.errno == errno.ENOENT else _Found(name, UNREADABLE, detail=_why(error))


def _found(name: str, path: str, at: os.stat_result) -> _Found:
    kind = next((kind for test, kind in KINDS if test(at.st_mode)), "device")
    return _Found(name, kind, path, _stat_of(at)) if kind == "file" else _Found(name, kind, path)


def _stat_of(at: os.stat_result) -> Stat:
    return (at.st_dev, at.st_ino, at.st_size, at.st_mtime_ns, at.st_ctime_ns)


def _matching(top: str, pattern: list[str]) -> Iterator[_Found]:
    """All that matches, with the content of directories; names are relative to the part without wildcards.

    Hidden names match too, as with `Path.glob`. A file that has the pattern for its name counts as well.
    """
    names = {""}
    for part in pattern:
        deeper: set[str] = set()
        met: Met = {}
        for name in sorted(names):
            for found in _matching_part(top, name, part, met):
                if found.kind == "directory":
                    deeper.add(found.name)
                else:  # not a match, but it decides what can match
                    yield found
        names = deeper
    literal = "/".join(pattern)
    met = {}
    for name in sorted(names | {literal}):
        path = os.path.join(top, *name.split("/"))
        found_or_none = _found_or_why(name, path, os.path.islink(path)) if os.path.lexists(path) else None
        if found_or_none is not None and found_or_none.kind == "directory":
            yield from _below(name, path, met)
        elif found_or_none is not None:
            yield found_or_none


def _matching_part(top: str, name: str, part: str, met: Met) -> Iterator[_Found]:
    """The names below `name` that match one part of a pattern, each called a directory for now."""
    path = os.path.join(top, *name.split("/"))
    if part == "**":
        if os.path.isdir(path):
            yield from (f for f in _below(name, path, met) if f.kind in ("directory", "seen", UNREADABLE))
    elif not MAGIC.search(part):
        if os.path.lexists(os.path.join(path, part)):
            yield _Found(f"{name}/{part}" if name else part, "directory")
    elif os.path.isdir(path):
        directory, first = _entries(name, path, {})
        if first.kind == UNREADABLE:
            yield first
        matches = re.compile(fnmatch.translate(os.path.normcase(part))).match
        for entry in directory:
            if matches(os.path.normcase(entry.name)):
                yield _Found(f"{name}/{entry.name}" if name else entry.name, "directory")


def _problem(error: OSError | ValueError) -> str:
    if isinstance(error, FileNotFoundError):
        return MISSING
    return f"cannot be read: {_why(error)}"


def _cannot(name: str, why: str) -> str:
    return f"cannot be read: {printable(name or '.')}: {why}"


def _why(error: OSError | ValueError) -> str:
    if isinstance(error, OSError):
        text = error.strerror or str(error)
    elif isinstance(error, UnicodeError):
        text = "its name is not text"
    else:
        text = "its name has a null character" if "null" in str(error) else str(error)
    return text[:1].lower() + text[1:]
