"""A Python script as a notebook: `@step` functions as `%%step` cells, everything else as ordinary cells, in order."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import re
import token
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jo_notebook.core.margin import lines_in_strings, plain_lines, tokens_of
from jo_notebook.core.source import free_names
from jo_notebook.errors import SourceError, UsageError
from jo_notebook.interop.decorated import NoCell, Script, cell_of, end_of, top_of
from jo_notebook.interop.exporting import CODE, DISPLAY, MARK, MARKDOWN, RAW
from jo_notebook.interop.function_cells import Function
from jo_notebook.interop.notebook_file import STEP
from jo_notebook.interop.writing import check_place, write_whole

KINDS = {CODE: "code", MARKDOWN: "markdown", RAW: "raw"}
VERBS = {"materialize": "materialize", "execution_plan": "plan"}
OURS = ("import IPython.display", "import builtins", DISPLAY.partition("  #")[0])


@dataclass(frozen=True, slots=True)
class Chunk:
    """One cell of the notebook to be: its kind (code, markdown, raw) and its text."""

    kind: str
    text: str


def import_script(path: str | os.PathLike[str], output: str | os.PathLike[str], *, force: bool = False) -> list[str]:
    """Writes a script as a notebook; returns notes on what stays as it is, and on what is left out.

    An output that is there already is replaced where it was imported before and nobody has changed its cells since, or
    with `force`. Raises UsageError, or SourceError with the line; then nothing is written.
    """
    path, output = Path(path), Path(output)
    check_place(output, ".ipynb", path)
    if not force and output.exists():
        _refuse_to_lose(output)
    chunks, notes = cells_of(read_script(path), path.name)
    write_whole(output, _notebook(chunks, path.name))
    return notes


def read_script(path: Path) -> str:
    """The text of a script, in the encoding that it says it has. Raises UsageError."""
    if not path.is_file():
        raise UsageError(f"There is no script at {path}.")
    try:
        with tokenize.open(path) as file:
            return plain_lines(file.read())
    except (OSError, SyntaxError, UnicodeDecodeError) as error:
        raise UsageError(f"{path} cannot be read as a script: {error}.") from error


def cells_of(text: str, name: str) -> tuple[list[Chunk], list[str]]:
    """The cells of a script of this file name, and the notes. Raises SourceError for what is no Python."""
    text = plain_lines(text)
    try:
        tree = ast.parse(text)
        script = Script(text, tree, tuple(tokens_of(text)), lines_in_strings(text))
    except (SyntaxError, tokenize.TokenError) as error:
        line = getattr(error, "lineno", None) or 1
        raise SourceError(f"{name}, line {line}: {getattr(error, 'msg', error)}.") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"{name}: Python cannot read this script ({error}).") from error
    reading = _Reading(script, name)
    return reading.chunks(), reading.notes


class _Reading:
    """One script on its way."""

    def __init__(self, script: Script, name: str) -> None:
        self._script = script
        self._name = name
        self._inner = {n for s in script.tree.body for n in range(top_of(s) + 1, (s.end_lineno or s.lineno) + 1)}
        self._is_ours = bool(MARK.match(script.text))
        self._markers = self._find_markers()
        self.notes: list[str] = []
        self._kept_as_it_is = False
        self._step_cells = {id(node): self._step_cell(node) for node in script.tree.body}
        steps = [node for node in script.tree.body if self._step_cells[id(node)]]
        self._comments_of_steps = {line for node in steps for line in self._comments_above(node)}

    def chunks(self) -> list[Chunk]:
        """The cells, from top to bottom."""
        found: list[Chunk] = []
        pending: list[int] = []  # lines, from 1, of the ordinary cell in the making
        for kind, lines, node in self._pieces():
            if kind == "code" and node is None:
                pending += lines
                continue
            found += self._ordinary(pending)
            pending = []
            if kind == "step":
                assert node is not None
                found.append(Chunk("code", self._step_cells[id(node)]))
            elif kind == "docstring":
                found.append(Chunk("markdown", ast.get_docstring(self._script.tree) or ""))
            elif kind in ("markdown", "raw"):
                found.append(Chunk(kind, self._uncommented(lines)))
        found += self._ordinary(pending)
        if not self._script.steps:
            self.notes.append(f"{self._name} has no @step function: its code is in ordinary cells.")
        return [chunk for chunk in found if chunk.text.strip()]

    def _pieces(self) -> Iterator[tuple[str, list[int], ast.stmt | None]]:
        """The script as runs of lines: ordinary ones, steps, marked blocks of text; what is left out is not there."""
        script, line = self._script, 1
        nodes = {top_of(node): node for node in script.tree.body}
        while line <= len(script.lines):
            node = nodes.get(line)
            if node is not None:
                end = end_of(script, node)
                yield from self._piece_of(node, range(line, end + 1))
                line = end + 1
                continue
            kind = KINDS.get(self._markers.get(line, ""), "")
            if kind in ("markdown", "raw"):
                block = self._block(line + 1)
                yield kind, block, None
                line += len(block) + 1
            elif kind:
                yield "break", [], None
                line += 1
            else:
                if line not in self._comments_of_steps:
                    yield "code", [line], None
                line += 1

    def _piece_of(self, node: ast.stmt, lines: Iterable[int]) -> Iterator[tuple[str, list[int], ast.stmt | None]]:
        if self._step_cells[id(node)]:
            yield "step", [], node
        elif _is_main_block(node):
            if not self._is_ours:
                self.notes.append(f"left out: the `if __name__ == '__main__'` block in line {node.lineno}.")
            yield "break", [], None
        elif node is self._docstring():
            if not self._is_ours:
                yield "docstring", [], node
        elif not self._is_import_of_ours(node):
            yield "code", list(lines), None

    def _step_cell(self, node: ast.stmt) -> str:
        """The cell of a step; empty for anything else."""
        if self._script.decorator(node) is None or not isinstance(node, Function):
            return ""
        try:
            above = "".join(f"{self._script.lines[n - 1]}\n" for n in self._comments_above(node))
            return cell_of(self._script, node, above)
        except NoCell as why:
            self._kept_as_it_is = True
            self.notes.append(f"{node.name} (line {node.lineno}) stays a @step function in an ordinary cell: {why}.")
            return ""

    def _comments_above(self, node: ast.stmt) -> list[int]:
        """The lines of comments that stand right above a statement."""
        found: list[int] = []
        line = top_of(node) - 1
        while line >= 1 and self._script.lines[line - 1].startswith("#") and line not in self._markers:
            found.append(line)
            line -= 1
        is_text = KINDS.get(self._markers.get(line, "")) in ("markdown", "raw")
        return [] if is_text else found[::-1]

    def _find_markers(self) -> dict[int, str]:
        """Comments at the left margin that begin a cell, by line; not those inside of a marked block of text."""
        at_the_margin = (t for t in self._script.tokens if t.type == token.COMMENT and not t.start[1])
        comments = {t.start[0]: t.string.rstrip() for t in at_the_margin}
        found: dict[int, str] = {}
        last = 0
        for line, text in comments.items():
            if text in KINDS and line > last:
                found[line] = text
                if text != CODE:
                    last = line
                    while last + 1 in comments:
                        last += 1
        return found

    def _block(self, line: int) -> list[int]:
        """The comment lines from here on."""
        end = line
        while end <= len(self._script.lines) and self._script.lines[end - 1].startswith("#"):
            end += 1
        return list(range(line, end))

    def _uncommented(self, lines: list[int]) -> str:
        rows = [self._script.lines[n - 1][1:] for n in lines]
        return "\n".join(row.removeprefix(" ") for row in rows)

    def _ordinary(self, numbers: list[int]) -> list[Chunk]:
        """Ordinary lines as cells: one where marks say so, else a new one behind two empty lines."""
        rows = [self._script.lines[n - 1] for n in numbers]
        pieces: list[list[str]] = [[]]
        for number, row in zip(numbers, rows, strict=True):
            is_free = not self._markers and number not in self._script.inside and number not in self._inner
            gap = len(pieces[-1]) > 2 and not pieces[-1][-1].strip() and not pieces[-1][-2].strip()
            if is_free and row.strip() and gap and not _is_comment_only(pieces[-1]):
                pieces.append([])
            pieces[-1].append(row)
        texts = ["\n".join(piece).strip("\n").rstrip() for piece in pieces]
        return [Chunk("code", self._as_cell(text)) for text in texts if text.strip()]

    def _as_cell(self, text: str) -> str:
        found = re.fullmatch(r"(\w+)\.(materialize|execution_plan)\(\)", text)
        if found and found[1] in self._script.steps and not self._kept_as_it_is:
            return f"%{VERBS[found[2]]} {self._script.steps[found[1]]}"
        return f"#\n{text}" if STEP.match(text) else text

    def _docstring(self) -> ast.stmt | None:
        return None if ast.get_docstring(self._script.tree) is None else self._script.tree.body[0]

    def _is_import_of_ours(self, node: ast.stmt) -> bool:
        """Whether a statement is there for the script alone: the import of `step`, and what export adds."""
        if self._is_ours and ast.unparse(node) in OURS and DISPLAY in self._script.text:
            return True
        if not isinstance(node, ast.ImportFrom) or node.module != "jo_notebook" or self._kept_as_it_is:
            return False
        if any(alias.name != "step" for alias in node.names):
            return False
        names = {alias.asname or alias.name for alias in node.names}
        others = (n for n in self._script.tree.body if not self._step_cells[id(n)])
        return all(names.isdisjoint(free_names(ast.unparse(other))) for other in others)


def _is_comment_only(rows: list[str]) -> bool:
    return all(not row.strip() or row.startswith("#") for row in rows)


def _is_main_block(node: ast.stmt) -> bool:
    if not isinstance(node, ast.If) or not isinstance(node.test, ast.Compare) or len(node.test.ops) != 1:
        return False
    sides = {ast.unparse(node.test.left), ast.unparse(node.test.comparators[0])}
    return isinstance(node.test.ops[0], ast.Eq) and sides == {"__name__", "'__main__'"}


def _notebook(chunks: Iterable[Chunk], script: str) -> str:
    """The file: the same script gives the same text."""
    import nbformat
    from nbformat import v4

    makers: dict[str, Any] = {"code": v4.new_code_cell, "markdown": v4.new_markdown_cell, "raw": v4.new_raw_cell}
    notebook = v4.new_notebook()
    for number, chunk in enumerate([Chunk("code", "%load_ext jo_notebook"), *chunks]):
        digest = hashlib.blake2b(f"{number} {chunk.text}".encode(errors="replace"), digest_size=4).hexdigest()
        notebook.cells.append(makers[chunk.kind](chunk.text, id=digest))
    notebook.metadata = {
        "jo_notebook": {"imported": {"from": script, "cells": _digest(notebook.cells)}},
        "kernelspec": {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    return str(nbformat.writes(notebook, version=4)) + "\n"


def _refuse_to_lose(output: Path) -> None:
    """Raises UsageError where a notebook is not an import of ours, or was worked on since."""
    try:
        found = json.loads(output.read_bytes())
        imported = found["metadata"]["jo_notebook"]["imported"]
        cells = [{**cell, "source": "".join(cell["source"])} for cell in found["cells"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UsageError(
            f"{output} is there, and was not imported from a script: name another file, or say --force."
        ) from error
    if imported.get("cells") != _digest(cells):
        raise UsageError(
            f"{output} was imported from a script, and its cells were changed since: name another file, or say --force."
        )


def _digest(cells: Iterable[Any]) -> str:
    sources = json.dumps([[cell["cell_type"], cell["source"]] for cell in cells])
    return hashlib.blake2b(sources.encode(), digest_size=16).hexdigest()
