"""Printed text as a terminal would show it: a line that is written over again and again is its last state."""

from __future__ import annotations

import re

OVERWRITES = re.compile(r"\r(?!\n|\r\n)|\x1b\[\d*[ABJK]")
"""What moves back to write over what is there."""
MOVES = re.compile(r"(\r|\n|\x1b\[\d*[ABJK])")
ROWS = 50
"""Lines above the last that can still be written over."""


class Printed:
    """Text of one kind while it grows. Until something is written over it is nothing but its pieces."""

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._pieces: list[str] = []
        self._screen: _Screen | None = None

    @property
    def text(self) -> str:
        """What there is to see of it."""
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
        return "".join(self._pieces) + (self._screen.text if self._screen is not None else "")

    def add(self, text: str) -> int:
        """Adds text; by how many characters it grew, which may be less than none."""
        if self._screen is None and not OVERWRITES.search(text):
            self._pieces.append(text)
            return len(text)
        if self._screen is None:
            self._screen = _Screen(self._last_rows())
        before = len(self._screen)
        settled = self._screen.write(text)
        if settled:
            self._pieces.append(settled)
        return len(settled) + len(self._screen) - before

    def hand_over(self, later: Printed) -> None:
        """The line that is being written over goes on in later text: what stands in between has come before it."""
        if self._screen is not None:
            later._screen = self._screen.rest()

    def _last_rows(self) -> list[str]:
        """Takes the rows that can be written over out of the pieces."""
        rows = self.text.rsplit("\n", ROWS)
        self._pieces = [rows.pop(0) + "\n"] if len(rows) > ROWS else []
        return rows


class _Screen:
    """The last rows, and the place where the next text goes."""

    def __init__(self, rows: list[str]) -> None:
        self._rows = rows
        self._row = len(rows) - 1
        self._is_at_start = False

    @property
    def text(self) -> str:
        return "\n".join(self._rows)

    def __len__(self) -> int:
        return sum(map(len, self._rows)) + len(self._rows) - 1

    def rest(self) -> _Screen:
        """The row that is written to and those below it, taken from here."""
        rest = _Screen(self._rows[self._row :])
        rest._row, self._rows[self._row :] = 0, [""]
        rest._is_at_start = self._is_at_start
        return rest

    def write(self, text: str) -> str:
        """Writes; returns the rows that nothing reaches any more."""
        for piece in MOVES.split(text):
            if piece == "\r":
                self._is_at_start = True
            elif piece == "\n":
                self._down(1)
                self._is_at_start = True
            elif piece.startswith("\x1b[") and MOVES.fullmatch(piece):
                self._move(piece[-1], piece[2:-1])
            elif piece:
                self._put(piece)
        beyond = len(self._rows) - ROWS
        if beyond <= 0 or self._row < beyond:
            return ""
        settled, self._rows = self._rows[:beyond], self._rows[beyond:]
        self._row -= beyond
        return "\n".join(settled) + "\n"

    def _put(self, piece: str) -> None:
        if self._is_at_start:
            self._rows[self._row] = "" if piece.isspace() and self._rows[self._row] else piece
        else:
            self._rows[self._row] += piece
        self._is_at_start = False

    def _down(self, number: int) -> None:
        self._row += min(number, ROWS)
        self._rows += [""] * (self._row + 1 - len(self._rows))

    def _move(self, what: str, number: str) -> None:
        """Up, down, or rid of what stands there."""
        if what == "A":
            self._row = max(self._row - int(number or 1), 0)
        elif what == "B":
            self._down(int(number or 1))
        elif what == "K" and (self._is_at_start or number):
            self._rows[self._row] = ""
        elif what == "J":
            del self._rows[self._row + 1 :]
            if self._is_at_start or number:
                self._rows[self._row] = ""
