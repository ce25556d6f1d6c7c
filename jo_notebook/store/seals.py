"""Files known to be whole: this process, or one of ours before it, has written or checked them and they are untouched.

A large result is mapped and not read, so it must be told in no time whether it is still what was written. A file's
number, inode, size and times are its mark; nobody can write into a file without changing its ctime, short of moving the
machine's clock. What a disk loses by itself does not show here: `%context verify` reads all.
"""

from __future__ import annotations

from collections.abc import Mapping

Mark = tuple[int, ...]


class Seals:
    """The marks of whole files, by path."""

    def __init__(self) -> None:
        self._marks: dict[str, Mark] = {}

    def add(self, path: str, mark: Mark) -> None:
        """This file, with this mark, is whole."""
        self._marks[path] = mark

    def holds(self, path: str, mark: Mark) -> bool:
        """Whether the file is the one that was whole, and untouched since."""
        return self._marks.get(path) == mark

    def update(self, marks: Mapping[str, Mark]) -> None:
        """Take what another process knew."""
        self._marks.update(marks)

    def break_(self, path: str) -> None:
        """The file is not whole after all."""
        self._marks.pop(path, None)
