"""Which cell is running, which step it defines, and what its statements bind."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from jo_notebook.core.statements import bindings


@dataclass
class Cell:
    """The outermost cell of the request that is being answered. `id` is empty where nobody tells it.

    `is_numbered` is False for a cell that does not enter the history (nbval runs such cells).
    """

    id: str = ""
    text: str = ""
    is_numbered: bool = True
    defined: set[str] = field(default_factory=set)


class Cells:
    """Follows the shell's cells: the running one, the deleted ones, and the latest text behind each name."""

    def __init__(self, shell: Any) -> None:
        self._shell = shell
        self.current = Cell()
        self.deleted: set[str] = set()
        self._outermost: tuple[Any, str] | None = None
        self._statements: dict[str, str] = {}
        self._stars: dict[str, int] = {}
        self._when: dict[str, int] = {}
        self._count = 0
        for text in getattr(shell.history_manager, "input_hist_parsed", [])[1:]:
            self._read(text)

    def enter(self, info: Any) -> Cell | None:
        """A cell begins. Notes its id and the cells that were deleted since the last one.

        None for a cell inside a cell (`%%capture` runs one): the outermost one stays the running one.
        """
        request = self._request()
        if self._outermost is not None and self._outermost[1] == request:
            return None
        self._outermost = None if info is None else (info, request)
        metadata = self._metadata()
        cell_id = getattr(info, "cell_id", None) or metadata.get("cellId") or ""
        self.deleted.update(str(gone) for gone in metadata.get("deletedCells") or ())
        self.deleted.discard(cell_id)
        text, is_numbered = str(getattr(info, "raw_cell", "") or ""), bool(getattr(info, "store_history", True))
        self.current = Cell(str(cell_id), text, is_numbered)
        return self.current

    def leave(self, result: Any) -> Cell | None:
        """A cell ends. Remembers the statements of an ordinary cell; None for a cell inside a cell."""
        self._read(str(getattr(result.info, "transformed_cell", "") or getattr(result.info, "raw_cell", "") or ""))
        if self._outermost is not None and self._outermost[0] is not result.info:
            return None
        cell, self.current, self._outermost = self.current, Cell(), None
        return cell

    def statement(self, name: str) -> str | None:
        """The text of the latest statement at the top level of a cell that bound the name."""
        return self._star(name) or self._statements.get(name)

    def label(self) -> str:
        """What a message calls the running cell: its number, as the user sees it beside the cell."""
        number = self.number()
        short = f" ({self.current.id[:8]})" if self.current.id else ""
        return f"cell [{number}]{short}" if number else f"a cell{short}"

    def number(self) -> int:
        """The running cell's number, 0 where it has none; the shell's own counter may be one ahead by now."""
        history = getattr(self._shell.history_manager, "input_hist_parsed", [])
        return len(history) - 1 if self.current.is_numbered else 0

    def has_front_end(self) -> bool:
        """Whether a notebook front end with widgets is there: only those tell the cell's id."""
        return bool(self.current.id) or "__vsc_ipynb_file__" in self._shell.user_ns

    def _parent(self) -> dict[str, Any]:
        """The message that is being answered; empty where there are no messages."""
        return getattr(self._shell, "get_parent", dict)() or {}

    def _request(self) -> str:
        return str(self._parent().get("header", {}).get("msg_id", ""))

    def _metadata(self) -> dict[str, Any]:
        metadata = self._parent().get("metadata")
        return metadata if isinstance(metadata, dict) else {}

    def _star(self, name: str) -> str | None:
        """What `from module import *` bound, as a statement for this name alone."""
        value = self._shell.user_ns.get(name, self)
        for module in reversed(self._stars):
            is_there = isinstance(sys.modules.get(module), ModuleType) and vars(sys.modules[module]).get(name) is value
            if is_there and self._stars[module] > self._when.get(name, 0):
                return f"from {module} import {name}"
        return None

    def _read(self, text: str) -> None:
        for name, statement in bindings(text):
            self._count += 1
            if name == "*":
                self._stars.pop(statement, None)
                self._stars[statement] = self._count
            else:
                self._statements[name] = statement
                self._when[name] = self._count
