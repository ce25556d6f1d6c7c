"""A notebook as a plain Python module: setup cells as they are, each step a decorated function with its cell's body.

The function of a step has the canonical text, the dependencies and the parameters of its cell, so that the module and
the notebook find each other's results.
"""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from jo_notebook.core.definition import Definition
from jo_notebook.core.graph import Graph
from jo_notebook.core.margin import edited, plain_lines, span_of
from jo_notebook.errors import SourceError, UsageError
from jo_notebook.interop.functions import function_of
from jo_notebook.interop.notebook_file import (
    LOADING,
    VERB,
    CellKind,
    NotebookCell,
    code_cells,
    left_out,
    load_notebook,
    names_bound,
    names_bound_at_top,
    names_read,
    without_loading,
)
from jo_notebook.interop.step_cells import definitions_of, like_lines, step_cell, without_like_lines
from jo_notebook.interop.without_jupyter import Place, Plain, plain_python
from jo_notebook.interop.writing import check_place, write_whole

MARK = re.compile(r'"""Exported from .* by jo_notebook')
CODE, MARKDOWN, RAW = "# %%", "# %% [markdown]", "# %% [raw]"
DISPLAY = "builtins.display = IPython.display.display  # a notebook knows this name everywhere"
MAIN = re.compile(r"^if\s+__name__\s*==\s*['\"]__main__['\"]", re.MULTILINE)


def export_notebook(path: str | os.PathLike[str], output: str | os.PathLike[str], *, force: bool = False) -> list[str]:
    """Writes the notebook as a Python module; returns notes on what is not as it was in the notebook.

    An output that is there already is replaced where it was exported before, or with `force`. Raises UsageError,
    SourceError, StepNameError, DuplicateStepError or CycleError with cell and line; then nothing is written.
    """
    path, output = Path(path), Path(output)
    check_place(output, ".py", path)
    if not force and output.exists() and not MARK.match(_beginning(output)):
        raise UsageError(f"{output} is there, and was not exported from a notebook: name another file, or say --force.")
    text, notes = module_of(load_notebook(path), path.name, output.name, path.parent)
    write_whole(output, text)
    if output.resolve().with_suffix("") != path.resolve().with_suffix(""):
        notes.append(
            f"{output.name} keeps its results in {output.stem}.jo; to share those of the notebook, set "
            f"JO_CONTEXT to {path.stem}.jo, or export to {path.stem}.py beside it."
        )
    return notes


def module_of(notebook: Any, name: str, output: str, folder: Path = Path()) -> tuple[str, list[str]]:
    """The text of the module and the notes, for a notebook of this file name that lies in `folder`."""
    cells = code_cells(notebook, folder)
    definitions = definitions_of(cells, name)
    if not any(cell.kind is CellKind.STEP and not cell.makes_objects for cell in cells):  # its code tells all
        cells = tuple(
            cell if VERB.search(cell.text) and not cell.makes_objects else replace(cell, kind=CellKind.SETUP)
            for cell in cells
        )
    module = _Module(name, output, cells, Graph(definitions.values()))
    by_index = {cell.index: cell for cell in cells}
    for index, cell in enumerate(notebook.cells):
        if cell.cell_type != "code":
            module.add_text(cell.source, MARKDOWN if cell.cell_type == "markdown" else RAW)
        elif index in by_index:
            module.add_code(by_index[index])
    return module.text(), module.notes()


@dataclass
class _Module:
    """A module in the making."""

    notebook: str
    output: str
    cells: Sequence[NotebookCell]
    graph: Graph
    _pieces: list[str] = field(default_factory=list)
    _imports: set[str] = field(default_factory=set)
    _future: list[str] = field(default_factory=list)
    _told: list[str] = field(default_factory=list)
    _uses: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._kept = [cell for cell in self.cells if cell.kind is not CellKind.USE]
        self.stages = [stage for cell in self.cells for stage in cell.stages]
        self._functions = [function for cell in self.cells for function in cell.functions]
        params = {name for d in self.graph.definitions.values() for name, _ in d.params}
        self._known = {name for cell in self._kept for name in names_bound(cell.text)} | params | set(self.graph)
        self._read = {name for d in self.graph.definitions.values() for name in d.source.reads}
        setup = [cell.text for cell in self._kept if cell.kind is CellKind.SETUP]
        self._read.update(name for text in setup for name in names_read(text))
        taken = self._read.union(self.graph, *map(names_bound_at_top, setup))
        self._decorator = next(name for name in _names_for_step() if name not in taken)

    def add_text(self, source: str, mark: str) -> None:
        """A cell of text, as comments."""
        lines = plain_lines(source).strip("\n").split("\n")
        if lines != [""]:
            self._pieces.append("\n".join([mark, *(f"# {line}".rstrip() for line in lines)]))

    def add_code(self, cell: NotebookCell) -> None:
        """A code cell: functions for steps, its own text for setup, nothing for what looks at results."""
        place = Place(self.notebook, cell.index + 1)
        if cell.kind is CellKind.USE:
            if without_loading(cell.text):
                self._uses.append(cell.index + 1)
        elif cell.kind is CellKind.SETUP:
            self._add_setup(LOADING.sub("", cell.text), place)
        else:
            self._add_steps(cell, place)

    def _add_steps(self, cell: NotebookCell, place: Place) -> None:
        step = step_cell(cell.text, place)
        if step is not None:
            below = Place(place.notebook, place.cell, step.header.count("\n"))
            self._add_function(self.graph[step.line.name], step.body, below)
            return
        rest = without_like_lines(cell.text)
        if rest.strip():
            self._add_setup(rest, place)
        for line in like_lines(cell.text, place):
            definition = self.graph[line.name]
            self._add_function(definition, definition.source.text, place)

    def _add_function(self, definition: Definition, body: str, place: Place) -> None:
        dependencies = self.graph.dependencies[definition.name]
        known = self._known | names_bound(body) | {d.parameter for d in dependencies}
        plain = self._plain(body, place, known=known, is_step=True)
        where = f"{self.notebook}, cell {place.cell} (step {definition.name})"
        self._pieces.append(function_of(definition, dependencies, plain.text, self._decorator, where))
        if plain.is_translated:
            self._told.append(
                f"{definition.name} (cell {place.cell}) asks the shell for something; in plain Python that is other "
                "code, so the module makes its result anew."
            )
        own = {d.parameter for d in dependencies} | {name for name, _ in definition.params}
        for name in sorted(definition.source.reads - own):
            if name in self.graph and name != definition.name:
                self._told.append(
                    f"{definition.name} (cell {place.cell}) reads {name}, a step it does not depend on: in the module "
                    "that is the step, and not its value. Add it to --depends-on."
                )

    def _add_setup(self, text: str, place: Place) -> None:
        plain = self._plain(text, place, known=self._known, is_step=False)
        python = self._without_future(plain_lines(plain.text)).strip("\n")
        _refuse_await(python, place)
        if MAIN.search(python):
            self._told.append(
                f"cell {place.cell} has an `if __name__ == '__main__'` block: python {self.output} runs it, jo does "
                "not."
            )
        for name in sorted(names_bound_at_top(python) & set(self.graph)):
            self._told.append(f"cell {place.cell} binds {name}, which is a step, too: the later one has the name.")
        if python.strip():
            self._pieces.append(f"{CODE}\n{python.rstrip()}")

    def _plain(self, text: str, place: Place, *, known: set[str], is_step: bool) -> Plain:
        plain = plain_python(text, place, known=known, is_step=is_step)
        self._imports |= plain.imports
        self._told += plain.notes
        return plain

    def _without_future(self, python: str) -> str:
        """`from __future__` has to be the first statement of a module."""
        lines, edits = python.split("\n"), []
        for node in ast.parse(python).body:
            if isinstance(node, ast.ImportFrom) and node.module == "__future__":
                start, end = span_of(lines, node)
                edits.append((start, end, "pass" if ";" in lines[node.lineno - 1] else ""))
                self._future += [alias.name for alias in node.names if alias.name not in self._future]
        return edited(python, edits)

    def text(self) -> str:
        """The whole module."""
        return "\n\n\n".join(["\n\n".join(self._head()), *self._pieces, *self._tail()]) + "\n"

    def _head(self) -> Iterator[str]:
        name = repr(self.notebook)[1:-1].replace('"', '\\"')
        yield f'"""Exported from {name} by jo_notebook: the same steps without Jupyter."""'
        if self._future:
            yield f"from __future__ import {', '.join(self._future)}"
        imports, shows = set(self._imports), "display" in self._read - self._known
        if shows:
            imports.add("builtins")
        if imports:
            yield "\n".join(f"import {module}" for module in sorted(imports))
        rest = ["import IPython.display"] if shows else []
        if len(self.graph):
            name = "" if self._decorator == "step" else f" as {self._decorator}"
            rest.append(f"from jo_notebook import step{name}")
        if rest:
            yield "\n".join(sorted(rest, key=lambda line: line.split()[1].lower()))
        if shows:
            yield DISPLAY

    def _tail(self) -> Iterator[str]:
        wanted = {name for function in self._functions for name in function.inputs}
        wanted.update(name for step in self.graph for name in self.graph.parents(step))
        heads = [name for name in self.graph.leaves if name not in wanted]
        heads += [f.variable for f in self._functions if not wanted.intersection((f.variable, f.step))]
        if self.stages and not heads:
            yield 'if __name__ == "__main__":\n    jo_notebook.registry.current().materialize()'
        if heads:
            yield "\n".join(['if __name__ == "__main__":', *(f"    {name}.materialize()" for name in heads)])

    def notes(self) -> list[str]:
        """What is not as it was in the notebook."""
        found = list(dict.fromkeys(self._told))
        if "annotations" in self._future:
            found += [
                f"{d.name} ({d.origin}) has annotations; `from __future__ import annotations`, which holds for setup "
                "cells alone in a notebook, makes them text in a module: its result is made anew."
                for d in self.graph.definitions.values()
                if _keeps_annotations(d.source.canonical)
            ]
        if len(self._uses) == 1:
            found.append(f"left out: cell {self._uses[0]}, which looks at results or calls a verb.")
        elif self._uses:
            found.append(f"left out: cells {', '.join(map(str, self._uses))}, which look at results or call verbs.")
        found += left_out(self.cells)
        elsewhere = {name for function in self._functions for name in function[:2]}.union(self.stages)
        for cell in (cell for cell in self._kept if cell.kind is CellKind.SETUP):
            elsewhere |= names_bound_at_top(cell.text)  # a Step object
        for step in (name for name in self.graph.undefined if name not in elsewhere):
            found.append(f"no cell defines {step}, which another step depends on.")
        if not any(cell.kind is CellKind.STEP or cell.makes_objects for cell in self.cells):
            found.append(f"{self.notebook} has no steps: the module is its code, and nothing is remembered.")
        return found


def _keeps_annotations(canonical: str) -> bool:
    """Whether a step's body makes functions or classes that have annotations."""
    for node in ast.walk(ast.parse(canonical)):
        if isinstance(node, ast.arg) and node.annotation is not None:
            return True
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.returns is not None:
            return True
        if isinstance(node, ast.ClassDef) and any(isinstance(inner, ast.AnnAssign) for inner in node.body):
            return True
    return False


def _names_for_step() -> Iterator[str]:
    yield from ("step", "jo_step")
    number = 2
    while True:
        yield f"jo_step_{number}"
        number += 1


def _refuse_await(python: str, place: Place) -> None:
    """A module knows no `await` of its own. Raises SourceError."""
    try:
        compile(python, "<cell>", "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SourceError(
            f"{place.line(error.lineno or 1)}: {error.msg}. A module cannot say this outside of a function: make the "
            "cell a step."
        ) from error


def _beginning(path: Path) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(1000)
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
