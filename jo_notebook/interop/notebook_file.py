"""Steps from an `.ipynb` file without a kernel: which cells a headless run needs, and in which order.

A cell is a *step* (a `%%step` line, a `#| step:` comment, `@step` functions, `%load_stages` or, in a notebook that has
none of these, one that makes `Step` objects), a *setup* cell
(imports, helpers, constants, settings) or a *use*: it reads a step's value, directly or through a name that another use
defined, or it calls a verb, or it stands below the last step and binds nothing that a step or a setup cell reads. A
headless run executes steps and setup; uses are for people.
"""

from __future__ import annotations

import ast
import os
import re
import shlex
import symtable
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import pairwise
from pathlib import Path
from typing import Any

from jo_notebook.core.source import free_names
from jo_notebook.errors import DuplicateStepError, JoError, UsageError
from jo_notebook.interop.function_cells import StepFunction, object_cells, spellings, step_functions

STEP = re.compile(r"\s*(?:%%(?:capture|time)\b[^\n]*\n)*(?:%%step\s+|#\|\s*step:\s*)(?P<name>[^\s<]+)(?P<rest>[^\n]*)")
ALIAS = re.compile(r"--name-alias[ =](\S+)")
LIKE = re.compile(r"^%step\s+(?P<name>\S+)", re.MULTILINE)
STAGES = re.compile(r"^\s*%load_stages\s+(?P<line>\S[^\n]*)", re.MULTILINE)
LOADING = re.compile(r"^[ \t]*%load_ext[ \t]+jo_notebook[ \t]*;?[ \t]*$", re.MULTILINE)
VERB = re.compile(
    r"^\s*(?:\w+\s*=\s*)?%(?:materialize|plan|graph|explain|steps|log|forget|resume|context|pipeline|jo|"
    r"load_ext jo_notebook|unload_ext|reload_ext)\b",
    re.MULTILINE,
)
WORD = re.compile(r"[^\W\d]\w*")
MAGIC = re.compile(r"^(\s*)(?:\w+\s*=\s*)?[%!].*$", re.MULTILINE)


class CellKind(StrEnum):
    """What a cell is for."""

    STEP = "step"
    SETUP = "setup"
    USE = "use"


@dataclass(frozen=True, slots=True)
class NotebookCell:
    """One code cell: its place in the file (markdown cells counted), its text, what it is for."""

    index: int
    id: str
    text: str
    kind: CellKind
    step: str = ""
    tags: tuple[str, ...] = ()
    functions: tuple[StepFunction, ...] = ()
    stages: tuple[str, ...] = ()
    makes_objects: bool = False

    @property
    def steps(self) -> list[str]:
        """The steps that the cell defines; several for `%step … --like` lines, `@step` functions and stages."""
        own = _steps_of(self.text) if self.kind is CellKind.STEP else []
        return [*own, *(function.step for function in self.functions), *self.stages]


def read_notebook(path: str | os.PathLike[str]) -> tuple[NotebookCell, ...]:
    """The code cells of a notebook file.

    Raises UsageError for a file that is not there or is no notebook.
    """
    return code_cells(load_notebook(path), Path(path).parent)


def load_notebook(path: str | os.PathLike[str]) -> Any:
    """A notebook file as nbformat's object, brought up to version 4. Raises UsageError as `read_notebook`."""
    path = Path(path)
    if not path.is_file():
        raise UsageError(f"There is no notebook at {path}.")
    import nbformat

    try:
        return nbformat.read(path, as_version=4)
    except Exception as error:  # nbformat raises whatever its JSON and schema raise
        raise UsageError(f"{path} is not a notebook: {error}") from error


def code_cells(notebook: Any, folder: Path = Path()) -> tuple[NotebookCell, ...]:
    """The code cells that are not empty, each with what it is for; `folder` is where the notebook lies.

    Raises DuplicateStepError.
    """
    code = [(i, cell) for i, cell in enumerate(notebook.cells) if cell.cell_type == "code" and cell.source.strip()]
    stages = {i: tuple(_stages_of(cell.source, folder)) for i, cell in code}
    tags = {i: tuple(str(tag) for tag in cell.metadata.get("tags", ())) for i, cell in code}
    texts = [(i, str(cell.get("id", "")), cell.source) for i, cell in code]
    cells = _sorted_out(texts, {name for names in stages.values() for name in names})
    return tuple(replace(_with_tags(cell, tags[cell.index]), stages=stages[cell.index]) for cell in cells)


def _with_tags(cell: NotebookCell, tags: tuple[str, ...]) -> NotebookCell:
    """Parameters, as papermill knows them, are no afterthought wherever they stand."""
    is_setup = "parameters" in tags and cell.kind is CellKind.USE and not VERB.search(cell.text)
    return replace(cell, tags=tags, kind=CellKind.SETUP if is_setup else cell.kind)


def left_out(cells: Sequence[NotebookCell]) -> list[str]:
    """What a headless run will miss: names that a step reads and that only a cell that is for people binds."""
    given = {name for cell in cells if cell.kind is not CellKind.USE for name in names_bound(cell.text)}
    told = []
    for step in (cell for cell in cells if cell.kind is CellKind.STEP):
        for name in sorted(names_read(body_of(step)) - given):
            owner = next((c for c in cells if c.kind is CellKind.USE and name in names_bound(c.text)), None)
            if owner is not None:
                reader = step.step or f"Cell {step.index + 1}"
                told.append(
                    f"{reader} reads {name}, which cell {owner.index + 1} binds; that cell reads results or calls a "
                    "verb, so it does not run here. Make it a step, or give the name a cell of its own."
                )
    asking = object_cells([_python(cell.text) for cell in cells]).asking if any(c.makes_objects for c in cells) else ()
    told += [
        f"cell {cell.index + 1} makes Step objects and asks for a result as well, so that is run before anything is "
        "planned. Give the question a cell of its own."
        for number, cell in enumerate(cells)
        if cell.makes_objects and number in asking
    ]
    return told


def _sorted_out(cells: Iterable[tuple[int, str, str]], stages: Collection[str] = ()) -> tuple[NotebookCell, ...]:
    cells = list(cells)
    _refuse_second_claims(cells)
    spelled = spellings(_python(text) for _, _, text in cells)
    functions = {i: tuple(step_functions(_python(t), spelled)) for i, _, t in cells if not _steps_of(t)}
    steps = {name for _, _, text in cells for name in _steps_of(text)}.union(stages)
    steps.update(name for made in functions.values() for function in made for name in function[:2])
    tainted = set(steps)
    found = []
    for index, cell_id, text in cells:
        made = functions.get(index, ())
        names = [*_steps_of(text), *(function.step for function in made)]
        if names or STAGES.search(text):
            kind = CellKind.STEP
        elif VERB.search(without_loading(text) or text) or names_read(text) & tainted:
            kind = CellKind.USE
            tainted |= _bound(text)
        else:
            kind = CellKind.SETUP
            tainted -= _bound(text) - steps
        found.append(NotebookCell(index, cell_id, text, kind, names[0] if names else "", functions=made))
    if not any(cell.kind is CellKind.STEP for cell in found):
        found = _with_objects(found)
    return tuple(_without_afterthoughts(found))


def _with_objects(cells: Sequence[NotebookCell]) -> list[NotebookCell]:
    """The cells of a notebook without other steps: those that make `Step` objects are its steps."""
    making, asking = object_cells([_python(cell.text) for cell in cells])
    tainted: set[str] = set()
    found = []
    for number, cell in enumerate(cells):
        if number in making:
            found.append(replace(cell, kind=CellKind.STEP, makes_objects=True))
            tainted -= _bound(cell.text)
        elif making and (cell.kind is CellKind.USE or number in asking or names_read(cell.text) & tainted):
            found.append(replace(cell, kind=CellKind.USE))
            tainted |= _bound(cell.text)
        else:
            found.append(cell)
            tainted -= _bound(cell.text)
    return found


def _without_afterthoughts(cells: list[NotebookCell]) -> list[NotebookCell]:
    """Setup below the last step stays setup only where something that runs reads what it binds."""
    last = max((cell.index for cell in cells if cell.kind is CellKind.STEP), default=-1)
    wanted = {name for cell in cells if _always_runs(cell, last) for name in names_read(body_of(cell))}
    later = [cell for cell in cells if cell.kind is CellKind.SETUP and cell.index > last]
    kept: set[int] = set()
    while more := [cell for cell in later if cell.index not in kept and _bound(cell.text) & wanted]:
        kept.update(cell.index for cell in more)
        wanted.update(name for cell in more for name in names_read(cell.text))
    idle = {cell.index for cell in later} - kept
    return [replace(cell, kind=CellKind.USE) if cell.index in idle else cell for cell in cells]


def _always_runs(cell: NotebookCell, last: int) -> bool:
    return cell.kind is CellKind.STEP or (cell.kind is CellKind.SETUP and cell.index < last)


def body_of(cell: NotebookCell) -> str:
    """A step's text without the lines that make it one."""
    found = STEP.match(cell.text)
    return cell.text[found.end() :] if found else cell.text


def _refuse_second_claims(cells: Iterable[tuple[int, str, str]]) -> None:
    """As in the notebook: one name, one cell."""
    owners: dict[str, int] = {}
    for index, _, text in cells:
        for name in _steps_of(text):
            if owners.setdefault(name, index) != index:
                raise DuplicateStepError(
                    f"Two cells define a step called {name}: cell {owners[name] + 1} and cell {index + 1} of the "
                    "notebook. Give one of them another name."
                )


def _steps_of(text: str) -> list[str]:
    """The names of the steps a cell defines; one name for a step cell, several for `%step … --like` lines."""
    match = STEP.match(text)
    if match is None:
        return [found["name"] for found in LIKE.finditer(text)]
    alias = ALIAS.search(match["rest"])
    return [alias[1] if alias else match["name"]]


def _stages_of(text: str, folder: Path) -> list[str]:
    """The stages that a cell with `%load_stages` brings; none where their file cannot be read: its cell will say so."""
    found = STAGES.search(text)
    if found is None:
        return []
    from jo_notebook.interop.stage_file import read_stages

    try:
        words = ["", *shlex.split(found["line"], comments=True)]
        files = [w for before, w in pairwise(words) if not w.startswith("--") and before != "--module"]
        return [stage.name for stage in read_stages(folder / os.path.expanduser(files[0])).stages]
    except (JoError, ValueError, IndexError):
        return []


def _python(text: str) -> str:
    """The cell without its magic lines, which are replaced by `pass`."""
    return MAGIC.sub(r"\1pass", text)


def without_loading(text: str) -> str:
    """The cell without the line that loads this extension; empty where nothing else is there."""
    return LOADING.sub("", text).strip()


def names_read(text: str) -> frozenset[str]:
    """The names a cell reads; of a magic's line every word, for its text may be Python."""
    words = {word for line in MAGIC.finditer(text) for word in WORD.findall(line[0])}
    try:
        return free_names(_python(text)) | words
    except (SyntaxError, ValueError, RecursionError):
        return frozenset(words)


def _bound(text: str) -> set[str]:
    """The names a cell binds at its top level."""
    try:
        tree = ast.parse(_python(text))
    except (SyntaxError, ValueError, RecursionError):
        return set()
    stored = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    defined = {n.name for n in tree.body if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)}
    return stored | defined


def names_bound_at_top(text: str) -> set[str]:
    """The names that a cell binds in the notebook itself, and not inside of functions."""
    try:
        symbols = symtable.symtable(_python(text), "<cell>", "exec").get_symbols()
    except (SyntaxError, ValueError, RecursionError):
        return set()
    return {symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()}


def names_bound(text: str) -> set[str]:
    """The names that a cell binds, imports included; also inside of functions, to be on the safe side."""
    try:
        tree = ast.parse(_python(text))
    except (SyntaxError, ValueError, RecursionError):
        return set()
    imports = (node for node in ast.walk(tree) if isinstance(node, ast.Import | ast.ImportFrom))
    return _bound(text) | {(a.asname or a.name).partition(".")[0] for node in imports for a in node.names}
