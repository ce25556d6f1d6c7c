"""Files known to be whole: we have written or checked them, and they are untouched since.

A large result is mapped and not read, so it must be told in no time whether it is still what was written. A file's
number, inode, size and times are its mark; nobody can write into a file without changing its ctime, short of moving the
machine's clock. What a disk loses by itself does not show here: therefore a seal lasts for a week, then the file is
checked once more, and `%context verify` reads all at any time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping

Mark = tuple[int, ...]
LASTS = 7 * 24 * 3600.0


class Seals:
    """The marks of whole files with the time of their last check, by path."""

    def __init__(self) -> None:
        self._rows: dict[str, tuple[Mark, float]] = {}

    def add(self, path: str, mark: Mark) -> None:
        """This file, with this mark, is whole."""
        self._rows[path] = (mark, time.time())

    def holds(self, path: str, mark: Mark) -> bool:
        """Whether the file is the one that was whole, untouched since, and not long ago."""
        row = self._rows.get(path)
        return row is not None and row[0] == mark and 0 <= time.time() - row[1] < LASTS

    def rows(self) -> Mapping[str, tuple[Mark, float]]:
        """All that is known, for another process."""
        return self._rows

    def recall(self, rows: Mapping[str, tuple[Mark, float]]) -> None:
        """Take what another process of ours knew."""
        self._rows = {**rows, **self._rows}
