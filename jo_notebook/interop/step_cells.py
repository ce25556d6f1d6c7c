"""A cell's text as a step: its line, what stands above its body, and the body; the definition that all of it makes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from jo_notebook.core.comment import COMMENT, magic_line
from jo_notebook.core.definition import Definition, Origin
from jo_notebook.core.graph import Graph
from jo_notebook.core.lines import Help
from jo_notebook.core.source import parse_source
from jo_notebook.core.stepline import StepLine, check_own_code, definition_like, definition_of, parse_step_line
from jo_notebook.errors import JoError, UsageError
from jo_notebook.interop.notebook_file import NotebookCell
from jo_notebook.interop.without_jupyter import Place, transformed

ABOVE = re.compile(r"\s*(?:%%(?:capture|time)\b[^\n]*\n)*")
LINE = re.compile(r"[ \t]*%%step\b(?P<rest>[^\n]*)(?:\n|$)")
LIKE = re.compile(r"^%step[ \t]+(?P<rest>[^\n]*)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class StepCell:
    """What a cell says of a step. `header` is all that stands above the body."""

    line: StepLine
    header: str
    body: str


def step_cell(text: str, place: Place) -> StepCell | None:
    """The step of a `%%step` or `#| step:` cell; None for any other cell.

    Raises UsageError or StepNameError, with the place, for a line that is not understood.
    """
    above = ABOVE.match(text)
    assert above is not None  # it matches the empty text, too
    rest = text[above.end() :]
    first, _, below = rest.partition("\n")
    found, comment = LINE.match(rest), COMMENT.match(first)
    if found is not None:
        line, length = found["rest"], found.end()
    elif comment is not None:
        line, length = magic_line(comment), len(rest) - len(below)
    else:
        return None
    header = text[: above.end() + length]
    number = header.rstrip("\n").count("\n") + 1
    return StepCell(check_own_code(_parsed(line, place, number)), header, text[above.end() + length :])


def like_lines(text: str, place: Place) -> list[StepLine]:
    """The `%step NAME --like STEP` lines of a cell."""
    return [_parsed(found["rest"], place, text.count("\n", 0, found.start()) + 1) for found in LIKE.finditer(text)]


def without_like_lines(text: str) -> str:
    """The rest of such a cell, its lines where they were."""
    return LIKE.sub("", text)


def definitions_of(cells: Sequence[NotebookCell], notebook: str) -> dict[str, Definition]:
    """The steps of a notebook, as its kernel would register them, in the order of the cells.

    Raises UsageError, StepNameError, SourceError or UnknownStepError with cell and line.
    """
    found: dict[str, Definition] = {}
    for cell in (cell for cell in cells if cell.step):
        place = Place(notebook, cell.index + 1)
        origin = Origin(notebook, cell.id, f"cell {cell.index + 1}")
        step = step_cell(cell.text, place)
        if step is not None:
            found[step.line.name] = _defined(step, origin, place)
            continue
        for line in like_lines(cell.text, place):
            if not line.like:
                raise UsageError(f"{place.line(1)}: %step {line.name} as a line needs --like STEP.")
            Graph(found.values()).check([line.like])
            found[line.name] = definition_like(line, found[line.like], origin)
    return found


def _defined(step: StepCell, origin: Origin, place: Place) -> Definition:
    below = Place(place.notebook, place.cell, place.above + step.header.count("\n"))
    python = transformed(step.body, below)
    where = f"{place.notebook}, cell {place.cell} (step {step.line.name})"
    source = parse_source(step.body, python=python, header=step.header, where=where)
    return definition_of(step.line, source, origin)


def _parsed(line: str, place: Place, number: int) -> StepLine:
    try:
        return parse_step_line(line)
    except Help as shown:
        raise UsageError(f"{place.line(number)} asks for help, and defines no step.") from shown
    except JoError as error:
        raise type(error)(f"{place.line(number)}: {error}") from error
