"""A parsed `%%step` line and a cell's body become a definition, with a file name for its tracebacks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jo_notebook.core.definition import Definition, Origin
from jo_notebook.core.source import parse_source
from jo_notebook.core.stepline import StepLine, check_own_code, definition_like, definition_of
from jo_notebook.engine.today import shown_text
from jo_notebook.errors import UsageError
from jo_notebook.notebook.cells import Cells
from jo_notebook.notebook.inner import assign_outside
from jo_notebook.pipeline import Pipeline


class Defining:
    """Makes definitions of the cells of one shell."""

    def __init__(self, shell: Any, cells: Cells, notebook: str) -> None:
        self._shell = shell
        self._cells = cells
        self.notebook = Path(notebook).name
        self._files: dict[str, str] = {}

    def of_cell(self, line: StepLine, body: str) -> Definition:
        """The running cell as a step. Raises UsageError or SourceError."""
        check_own_code(line)
        origin = self._origin()
        blank = len(body) - len(body.lstrip("\n"))
        python = "\n" * blank + assign_outside(self._shell.transform_cell(body))
        source = parse_source(body, python=python, header=self._header(line, body), where=f"{line.name}, {origin}")
        return definition_of(line, source, origin)

    def like(self, line: StepLine, pipeline: Pipeline) -> Definition:
        """A step with the code of another one. Raises UsageError or UnknownStepError."""
        if not line.like:
            raise UsageError(
                "%step as a line needs --like: %step SaltTomatoes --like Salt --depends-on water=PourTomatoes. "
                "To make a cell a step, use %%step on its first line."
            )
        if line.name == line.like:
            raise UsageError(f"{line.name} cannot be like itself: give the new step another name.")
        pipeline.dag.check([line.like])
        model = pipeline.dag[line.like]
        return definition_like(line, model, self._origin())

    def keep_text(self, definition: Definition) -> None:
        """Puts the cell's own lines behind a file name, where tracebacks and the debugger find them."""
        text = shown_text(definition)
        raw = self._cells.current.text or text
        self._files[definition.name] = str(self._shell.compile.cache(text, self._cells.number(), raw_code=raw))

    def file_of(self, definition: Definition) -> str | None:
        """The file name of a step; None for one that no cell of this kernel holds."""
        return None if definition.origin.remembered else self._files.get(definition.name)

    def _origin(self) -> Origin:
        return Origin(self.notebook, self._cells.current.id, self._cells.label())

    def _header(self, line: StepLine, body: str) -> str:
        """What stands above the body in the cell, so that line numbers are the cell's own."""
        whole, part = self._cells.current.text.rstrip("\n"), body.rstrip("\n")
        above = whole[: len(whole) - len(part)] if whole.endswith(part) else ""
        return above if above.endswith("\n") else f"%%step {line.name}\n"
