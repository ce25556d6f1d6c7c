"""The large memory of results: mapped where it lies in its file, and checked unless a seal tells that it is whole."""

from __future__ import annotations

import json
import os
from typing import Any, BinaryIO

from jo_notebook.errors import ResultDamaged
from jo_notebook.store.generation import Footer, section_of
from jo_notebook.store.numbering import mark_at, mark_of
from jo_notebook.store.reading import Found
from jo_notebook.store.seals import Mark, Seals
from jo_notebook.store.sections import MAPPED_FROM, PASSING, check_view, map_section, most_descriptors


class Buffers:
    """Gives the buffers of results; knows which files are whole and which are mapped."""

    def __init__(self) -> None:
        self.seals = Seals()
        self.mapped: dict[str, Mark] = {}

    def read(self, handle: BinaryIO, footer: Footer, found: Found[Any]) -> list[memoryview]:
        """The buffers of an open file, none where it has none. Raises ResultDamaged, OSError and MemoryError."""
        section = footer.sections.get("buffers")
        if section is None:
            return []
        rows = _places(section_of(handle, footer, "places"), section.size)
        view = self._map(handle, footer, found) if section.size >= MAPPED_FROM else None
        if view is None:
            view = memoryview(section_of(handle, footer, "buffers"))
        return [view[start : start + size] for start, size in rows]

    def is_torn(self, found: Found[Any]) -> bool:
        """Whether somebody has written into a file that a value in memory is mapped from."""
        mark = self.mapped.get(found.path)
        if mark is None:
            return False
        try:
            now = mark_of(found.seq, found.path)
        except OSError:
            return False  # it has left, and the mapping holds what it was
        return now[1] == mark[1] and now != mark  # another file in its place harms nobody

    def _map(self, handle: BinaryIO, footer: Footer, found: Found[Any]) -> memoryview | None:
        """The buffers as they lie in the file; None where they are better read."""
        section, mark = footer.sections["buffers"], mark_at(found.seq, os.fstat(handle.fileno()))
        if handle.fileno() > most_descriptors():
            return None
        try:
            view = map_section(handle, section)
        except OSError as error:
            if error.errno in PASSING:
                return None
            raise
        if not self.seals.holds(found.path, mark):
            check_view(view, section, footer.hash, "value")
            self.seals.add(found.path, mark)
        self.mapped[found.path] = mark
        return view


def _places(text: bytes | bytearray, end: int) -> list[tuple[int, int]]:
    """Where each buffer lies in its section. Raises ResultDamaged for what nobody has written so."""
    try:
        rows = [(start, size) for start, size in json.loads(text)]
        if not all(type(n) is int and n >= 0 for row in rows for n in row) or any(sum(row) > end for row in rows):
            raise ValueError(rows)
    except (ValueError, TypeError, RecursionError) as error:
        raise ResultDamaged("its buffers are not where they were") from error
    return rows
