"""What is known of a declared file or directory, and when it may be trusted without reading it again.

A digest is made of contents and of names below the declared place; where that place lies, its times and its
permissions are no part of it.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from jo_notebook.core.fingerprint import digest_of

GRAIN = 2_000_000_000  # nanoseconds within which a file may change and keep its times
LEFT_OUT = frozenset({".ipynb_checkpoints", "__pycache__", ".git", ".DS_Store"})
OUR_SUFFIX = ".jo"  # of the directories in which results are kept
MISSING = "missing"
UNREADABLE = "unreadable"
SIZES = ("B", "kB", "MB", "GB", "TB", "PB")

Stat = tuple[int, int, int, int, int]  # device, inode, size, mtime_ns, ctime_ns


@dataclass(frozen=True, slots=True)
class FileState:
    """What a declared file looks like now.

    `path` is as declared. `digest` decides; a missing and an unreadable file have one that no content has.
    `shown` is for people. `problem` is empty, "missing", or "cannot be read: …"; a state with a problem proves
    nothing about the content.
    """

    path: str
    digest: str
    shown: str
    problem: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """One thing below a declared directory or pattern, by its name relative to it.

    `kind` is file, directory, link (to nothing), seen (a directory met before), pipe, socket, device or
    unreadable; `detail` is the digest of a file, or the name under which a seen directory was met first.
    """

    name: str
    kind: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Witness:
    """The digest of a file together with its stat at the moment `when` (ns) its reading began."""

    path: str
    digest: str
    stat: Stat
    when: int

    @property
    def is_settled(self) -> bool:
        """Whether a later change must show in the stat (git's rule for racily clean entries).

        A modification time far in the future may be set by hand; a change time cannot, so there the clock is off.
        """
        mtime, ctime = self.stat[3:]
        return ctime < self.when - GRAIN and abs(mtime - self.when) > GRAIN

    def to_row(self) -> tuple[str, ...]:
        """Plain strings, for a record."""
        return (self.path, self.digest, *map(str, self.stat), str(self.when))

    @classmethod
    def from_row(cls, row: Sequence[str]) -> Witness | None:
        """The reverse of `to_row`; None for a row that this release does not understand."""
        try:
            path, digest, *numbers = row
            device, inode, size, mtime, ctime, when = map(int, numbers)
        except (TypeError, ValueError):
            return None
        return cls(str(path), str(digest), (device, inode, size, mtime, ctime), when)


def is_left_out(name: str, is_directory: bool) -> bool:
    """Whether an entry of a directory is never part of anybody's data, such as our own results."""
    return name in LEFT_OUT or (is_directory and name.endswith(OUR_SUFFIX))


def tree_digest(members: Iterable[Member]) -> str:
    """The digest of all that is below a declared directory or pattern, whatever the order it is told in."""
    fields: list[str] = []
    for member in sorted(members, key=lambda m: m.name):
        fields += [member.name, member.kind, member.detail]
    return f"tree:{digest_of(*fields)}"


def size_text(size: float) -> str:
    """Bytes for people: 512 B, 1.2 MB, 34 GB."""
    unit = 0
    while round(size) >= 1000 and unit < len(SIZES) - 1:
        size /= 1000
        unit += 1
    text = f"{size:.1f}" if unit and size < 9.95 else f"{size:.0f}"
    return f"{text.removesuffix('.0')} {SIZES[unit]}"


def tree_text(count: int, size: float, is_empty: bool) -> str:
    """So many files of this size for people: 12 files, 3.4 MB."""
    if count:
        return f"{count} file{'' if count == 1 else 's'}, {size_text(size)}"
    return "empty directory" if is_empty else "no files"


def printable(name: str) -> str:
    """A file's name as text that any stream takes and that stays on one line."""
    text = name.encode("utf-8", "backslashreplace").decode("utf-8")
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text)


def as_option(word: str) -> str:
    """A file or a name as it can be pasted behind an option: quoted where that is needed."""
    return shlex.quote(f"./{word}" if word.startswith("-") else word)
