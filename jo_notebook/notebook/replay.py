"""A step shown once more, from what is kept of it: its line, what a run of it printed and displayed, its value."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from jo_notebook.core.plan import Availability
from jo_notebook.core.record import LogEntry
from jo_notebook.errors import StoreError
from jo_notebook.notebook.answers import Line, mismatches
from jo_notebook.notebook.displays import show_entry
from jo_notebook.pipeline import Pipeline
from jo_notebook.views.text import step_line

STREAMS = {"stdout": "stdout", "stderr": "stderr", "error": "stderr", "logging": "stderr", "warning": "stderr"}


def replay(shell: Any, pipeline: Pipeline, name: str, *, value: bool, errors: bool) -> Any:
    """Displays the line and the log of a step, as its cell would; gives the step's value where it is wanted and there.

    With `errors` a traceback in the log is shown, too.
    """
    from IPython.display import display

    decision = pipeline.explain(name)
    definition = pipeline.dag[name]
    dependencies = [str(d) for d in pipeline.dag.dependencies[name]]
    text = step_line(decision, dependencies, inferred=definition.depends_on is None)
    display(Line(text, decision, mismatches(pipeline, name, pipeline.plan(name))))
    for entry in pipeline.log(name):
        if errors or entry.kind != "error":
            _show(shell, entry)
    if not value or decision.availability is not Availability.AVAILABLE:
        return None
    try:
        return pipeline.context[name]
    except StoreError as error:
        print(f"{name} cannot be shown: {error}", file=sys.stderr)  # noqa: T201 - below the step's cell
        return None


def show_rows(shell: Any, rows: Sequence[str | LogEntry]) -> None:
    """Text as text, figures and tables as they were; the first row says when that was."""
    for row in rows:
        if isinstance(row, str):
            print(row, flush=True)  # noqa: T201 - a magic's answer goes to its cell
        else:
            _show(shell, row)


def _show(shell: Any, entry: LogEntry) -> None:
    if entry.kind in STREAMS:
        stream = getattr(sys, STREAMS[entry.kind])
        stream.write(entry.text)
        stream.flush()
        return
    show_entry(shell, entry)
