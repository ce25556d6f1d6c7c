"""Values from outside for a notebook: which cells they are put behind, and which steps have them as parameters.

As papermill does it where a cell has the tag `parameters`: a cell with the new values follows it. Elsewhere each setup
cell that binds a name is followed by one, so that the cells below derive from the new value.
"""

from __future__ import annotations

import copy
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

from jo_notebook.core.source import is_builtin
from jo_notebook.errors import JoError, UsageError, did_you_mean
from jo_notebook.interop.functions import literal
from jo_notebook.interop.notebook_file import CellKind, NotebookCell, body_of, names_bound_at_top, names_read
from jo_notebook.interop.step_cells import like_lines, step_cell
from jo_notebook.interop.without_jupyter import Place

if TYPE_CHECKING:
    from jo_notebook.pipeline import Pipeline

TAG, INJECTED = "parameters", "injected-parameters"
TITLE = "# Parameters\n"  # papermill's own


class Parameters(NamedTuple):
    """The cells of a notebook with those that set values among them; `missed` is what a user should know."""

    cells: tuple[NotebookCell, ...]
    missed: tuple[str, ...] = ()


def with_values(cells: Sequence[NotebookCell], values: Mapping[str, object], notebook: str) -> Parameters:
    """The cells with new ones where values are set.

    A cell that sets values has the tag `injected-parameters`, and the place of the cell that it follows (-1 at the
    top), or of the cell of an earlier run that it replaces. Raises UsageError for a name that the notebook does not
    know, and for the name of a step.
    """
    if not values:
        return Parameters(tuple(cells))
    setup = [cell for cell in cells if cell.kind is CellKind.SETUP]
    bound = {cell.index: names_bound_at_top(cell.text) for cell in setup}
    params, read = _params_of(cells, notebook), _read_by_steps(cells)
    steps = {name for cell in cells for name in cell.steps}
    known = set().union(*bound.values())
    _check(values, known, params, read, steps, notebook)
    anchor = _tagged(setup, INJECTED) or _tagged(setup, TAG)
    free = [name for name in values if name in known or name in read - params]
    here = [] if anchor is None else [n for n in free if n in bound[anchor.index] or n not in known]
    top = [] if anchor is not None else [name for name in free if name not in known]
    found = [_cell(-1, top, values)] if top else []
    missed: list[str] = []
    for cell in cells:
        mine = [name for name in free if name in bound.get(cell.index, ()) and name not in here]
        is_anchor = anchor is not None and cell.index == anchor.index
        if is_anchor and INJECTED in cell.tags:
            found.append(_cell(cell.index, here + mine, values))
            continue
        found.append(cell)
        mine = here + mine if is_anchor else mine
        if mine:
            found.append(_cell(cell.index, mine, values))
            missed += [_derived(cell, name) for name in mine if name in _used_at_top(cell.text)]
    return Parameters(tuple(found), tuple(missed))


def override(pipeline: Pipeline, values: Mapping[str, object]) -> None:
    """Gives steps that were registered with parameters of these names the new values."""
    for definition in list(pipeline.dag.definitions.values()):
        own = {name: f"{definition.name}.{name}" for name, _ in definition.params}  # Train.alpha goes before alpha
        given = {name: values.get(own[name], values.get(name, value)) for name, value in definition.params}
        params = tuple(copy.deepcopy(given).items())
        if params != definition.params and any({name, own[name]} & values.keys() for name in own):
            pipeline.add(replace(definition, params=params))


def _params_of(cells: Sequence[NotebookCell], notebook: str) -> set[str]:
    """The parameters of steps, as `alpha` and as `Train.alpha`; what cannot be read is told when its cell runs."""
    pairs = [(function.step, name) for cell in cells for function in cell.functions for name in function.params]
    for cell in (cell for cell in cells if cell.kind is CellKind.STEP):
        place = Place(notebook, cell.index + 1)
        try:
            step = step_cell(cell.text, place)
            lines = [step.line] if step is not None else like_lines(cell.text, place)
        except JoError:
            continue
        pairs += [(line.name, name) for line in lines for name, _ in line.params]
    return {told for step, name in pairs for told in (name, f"{step}.{name}")}


def _read_by_steps(cells: Sequence[NotebookCell]) -> set[str]:
    read = {name for cell in cells if cell.kind is CellKind.STEP for name in names_read(body_of(cell))}
    return {name for name in read if not is_builtin(name)}


def _check(
    values: Mapping[str, object],
    known: Collection[str],
    params: Collection[str],
    read: Collection[str],
    steps: Collection[str],
    notebook: str,
) -> None:
    for name in values:
        if name in steps:
            raise UsageError(
                f"{name} is a step of {notebook}, and not a value that can be set: --set is for parameters."
            )
        if name not in known and name not in params and name not in read:
            hint = did_you_mean(name, {*known, *params, *read} - set(steps))
            raise UsageError(
                f"{notebook} has nothing called {name} to set: no setup cell binds it, no step reads it, and no step "
                f"has it in --params.{hint}"
            )


def _tagged(cells: Sequence[NotebookCell], tag: str) -> NotebookCell | None:
    return next((cell for cell in cells if tag in cell.tags), None)


def _cell(index: int, names: Sequence[str], values: Mapping[str, object]) -> NotebookCell:
    text = TITLE + "".join(f"{name} = {literal(values[name])}\n" for name in names)
    return NotebookCell(index, "", text, CellKind.SETUP, tags=(INJECTED,))


def _used_at_top(text: str) -> set[str]:
    """Names that a cell both binds and uses outside of functions: what it makes of them is made of the old value."""
    import symtable

    try:
        symbols = symtable.symtable(text, "<cell>", "exec").get_symbols()
    except (SyntaxError, ValueError, RecursionError):
        return set()
    return {s.get_name() for s in symbols if s.is_assigned() and s.is_referenced()}


def _derived(cell: NotebookCell, name: str) -> str:
    return (
        f"cell {cell.index + 1} binds {name} and uses it: what it makes of it there is made of its own value, and not "
        "of the one that is set. Give the line that binds it a cell of its own."
    )


def values_text(values: Mapping[str, Any]) -> str:
    """The values as the text of a dict that Python reads."""
    return "{" + ", ".join(f"{name!r}: {literal(value)}" for name, value in values.items()) + "}"
