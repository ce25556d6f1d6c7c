"""Cells as Python that runs without Jupyter: `!cmd`, `x = !cmd` and magics become plain statements, or comments.

IPython itself says what a cell means (`get_ipython().run_line_magic(…)`); those calls are then replaced one by one in
its text, so that everything else stays as it was typed. What has no meaning without Jupyter is a comment; what cannot
be said in Python is a comment with a note where it stands alone in a setup cell, and an error where a step needs it.
"""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from jo_notebook.core.margin import edited, span_of
from jo_notebook.errors import SourceError, UsageError
from jo_notebook.interop.magic_words import Saying, said_in_python

INLINED = ("time", "capture")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a piece of text stands, for messages: which cell of which notebook, and how many lines are above it."""

    notebook: str
    cell: int
    above: int = 0

    def line(self, number: int) -> str:
        """A line of the cell."""
        return f"{self.notebook}, cell {self.cell}, line {number + self.above}"


@dataclass(frozen=True, slots=True)
class Plain:
    """A cell in plain Python: its text, the modules that the text wants imported, and what to tell about it.

    `is_translated` where the text does something in other words than the cell.
    """

    text: str
    imports: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()
    is_translated: bool = False


def transformed(text: str, place: Place) -> str:
    """The cell as IPython reads it. Raises SourceError, with the line, where Python would not understand that."""
    from IPython.core.inputtransformer2 import TransformerManager

    try:
        python: str = TransformerManager().transform_cell(text)
        ast.parse(python)
    except SyntaxError as error:
        raise SourceError(_not_python(text, place, error)) from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"{place.line(1)}: Python cannot read this cell ({error}).") from error
    return python


def plain_python(text: str, place: Place, *, known: Collection[str], is_step: bool) -> Plain:
    """The cell without anything that only Jupyter understands.

    `known` are the names that `{name}` and `$name` in a command may mean. Raises SourceError for what is no Python and
    UsageError for what cannot be said without Jupyter where a step, or other code, depends on it.
    """
    python = transformed(text, place)
    if "get_ipython" not in python:
        return Plain(python)
    tree = ast.parse(python)
    inner = _inlined(tree)
    if inner is not None:
        found = plain_python(inner, Place(place.notebook, place.cell, place.above + 1), known=known, is_step=is_step)
        return Plain(found.text, found.imports, found.notes, True)
    return _Translation(python, tree, place, known, is_step).done()


class _Translation:
    """One cell on its way."""

    def __init__(self, python: str, tree: ast.Module, place: Place, known: Collection[str], is_step: bool) -> None:
        self._python = python
        self._lines = python.split("\n")
        self._tree = tree
        self._place = place
        self._known = known
        self._is_step = is_step
        self._edits: list[tuple[int, int, str]] = []
        self._imports: set[str] = set()
        self._notes: list[str] = []

    def done(self) -> Plain:
        """The cell in plain Python."""
        for top in self._tree.body:
            for statement, calls in _shell_calls(top):
                if not self._translate(top, statement, calls):
                    break
        return Plain(edited(self._python, self._edits), frozenset(self._imports), tuple(self._notes), bool(self._edits))

    def _translate(self, top: ast.stmt, statement: ast.stmt, calls: list[ast.Call]) -> bool:
        """False where the whole statement at the top was taken out."""
        before = len(self._edits)
        for call in calls:
            is_alone = isinstance(statement, ast.Expr) and statement.value is call
            saying = said_in_python(call, self._known, is_alone=is_alone, is_top=statement is top)
            if saying.code:
                self._edits.append((*span_of(self._lines, call), saying.code))
                self._imports |= saying.imports
            elif is_alone and (saying.is_inert or not self._is_step):
                self._take_out(statement, saying, is_top=statement is top)
            else:
                del self._edits[before:]
                self._take_out_all(top, statement, saying)
                return False
        return True

    def _take_out(self, statement: ast.stmt, saying: Saying, *, is_top: bool) -> None:
        """A call that stands alone becomes a comment; `pass` where a statement has to be there."""
        is_last = statement is self._tree.body[-1] and self._is_step
        comment = f"# {saying.typed}".replace("\n", "\n# ")
        if not is_top or is_last:
            comment = f"pass  # {saying.typed.partition(chr(10))[0]}" if self._ends_its_line(statement) else "pass"
        self._edits.append((*span_of(self._lines, statement), comment))
        if not saying.is_inert:
            where = self._place.line(statement.lineno)
            self._notes.append(f"{where}: {_first(saying)} is a comment now: {saying.why}.")

    def _take_out_all(self, top: ast.stmt, statement: ast.stmt, saying: Saying) -> None:
        where = self._place.line(statement.lineno)
        if isinstance(top, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) and not self._is_step:
            self._notes.append(f"{where}: {_first(saying)} is as it was: {saying.why}.")
            return
        if self._is_step or not self._has_lines_of_its_own(top):
            raise UsageError(f"{where}: {_first(saying)} cannot be written without Jupyter: {saying.why}.")
        start, end = span_of(self._lines, top)
        self._edits.append((start, end, "# " + self._python[start:end].replace("\n", "\n# ")))
        self._notes.append(f"{where}: this statement is a comment now, for {_first(saying)}: {saying.why}.")

    def _ends_its_line(self, statement: ast.stmt) -> bool:
        end = span_of(self._lines, statement)[1]
        return not self._python[end:].partition("\n")[0].strip()

    def _has_lines_of_its_own(self, statement: ast.stmt) -> bool:
        start = span_of(self._lines, statement)[0]
        before = self._python[:start].rpartition("\n")[2]
        return not before.strip() and self._ends_its_line(statement)


def _shell_calls(top: ast.stmt) -> Iterator[tuple[ast.stmt, list[ast.Call]]]:
    """The statements in and below one that ask the shell for something, with their calls; outer ones first."""
    queue: list[ast.stmt] = [top]
    while queue:
        statement = queue.pop(0)
        calls: list[ast.Call] = []
        below: list[ast.AST] = [statement]
        while below:
            node = below.pop()
            if isinstance(node, ast.Call) and _is_of_the_shell(node):
                calls.append(node)
                continue
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.stmt):
                    queue.append(child)
                else:
                    below.append(child)
        if calls:
            yield statement, calls


def _is_of_the_shell(call: ast.Call) -> bool:
    """`get_ipython().method(…)`, or `get_ipython()` alone."""
    func = call.func.value if isinstance(call.func, ast.Attribute) else call
    return isinstance(func, ast.Call) and isinstance(func.func, ast.Name) and func.func.id == "get_ipython"


def _inlined(tree: ast.Module) -> str | None:
    """The code below a `%%time` or `%%capture` line that does no more than to run it."""
    only = tree.body[0] if len(tree.body) == 1 else None
    if not isinstance(only, ast.Expr) or not isinstance(only.value, ast.Call) or not _is_of_the_shell(only.value):
        return None
    words = [a.value if isinstance(a, ast.Constant) else None for a in only.value.args]
    is_cell = isinstance(only.value.func, ast.Attribute) and only.value.func.attr == "run_cell_magic"
    if is_cell and len(words) == 3 and words[0] in INLINED and not str(words[1]).strip():
        return str(words[2])
    return None


def _first(saying: Saying) -> str:
    return saying.typed.partition("\n")[0]


def _not_python(text: str, place: Place, error: SyntaxError) -> str:
    line = error.lineno or 1
    lines = text.split("\n")
    shown = lines[line - 1] if 0 < line <= len(lines) else ""
    caret = f"\n    {shown}\n    {' ' * ((error.offset or 1) - 1)}^" if shown.strip() else ""
    return f"{place.line(line)}: {error.msg}.{caret}"
