"""The notebook file as it was last saved: which cells it has."""

from __future__ import annotations

import json
from pathlib import Path

LARGE = 50_000_000  # bytes: a file beyond that is not read just to look for cells


class SavedCells:
    """The ids of the cells in a notebook file, read again only when the file has changed."""

    def __init__(self, path: str) -> None:
        self._path = Path(path) if path else None
        self._seen: tuple[int, int] = (0, 0)
        self._ids: frozenset[str] | None = None

    def gone(self, ids: frozenset[str]) -> frozenset[str]:
        """Those of these ids that the file does not have; none where the file tells nothing."""
        if not ids or self._path is None:
            return frozenset()
        self._look()
        return frozenset() if not self._ids else ids - self._ids

    def _look(self) -> None:
        assert self._path is not None
        try:
            status = self._path.stat()
            stamp = (status.st_mtime_ns, status.st_size)
            if stamp == self._seen or status.st_size > LARGE:
                return
            cells = json.loads(self._path.read_bytes())["cells"]
            self._ids = frozenset(str(cell["id"]) for cell in cells if "id" in cell)
            self._seen = stamp
        except (OSError, ValueError, KeyError, TypeError):
            self._ids = None
