"""`jo run NOTEBOOK HEAD --set alpha=0.2 --output out.ipynb`: a run with other values, and a copy that shows it.

Only what the heads need runs. The copy has the outputs of setup cells; of each step that was needed its line, its log
and, for heads, its value; and of the cells that look at results, executed after the run where all they read is there.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from jo_notebook.interop.headless import PIPELINE, CellFailed, Hear, Session, Write, place_of, run_cell, session
from jo_notebook.interop.notebook_file import CellKind, NotebookCell, code_cells, load_notebook, without_loading
from jo_notebook.interop.recording import Recording
from jo_notebook.interop.uses import Results, left_out_uses
from jo_notebook.interop.writing import check_place, write_whole
from jo_notebook.pipeline import Pipeline

STATES = "__import__('jo_notebook.interop.outputs', fromlist=['states']).states({pipeline}, {heads!r}, {outcome})"
OUTCOME = f"__import__('jo_notebook.verbs', fromlist=['outcome_data']).outcome_data({PIPELINE})"
MISUSE = ("UsageError", "StepNameError", "UnknownStepError")
REPLAY = (
    "__import__('jo_notebook.notebook.replay', fromlist=['replay'])"
    ".replay(get_ipython(), {pipeline}, {name!r}, value={value}, errors={errors})"
)


def run_notebook(
    path: str | os.PathLike[str],
    heads: Sequence[str],
    *,
    sets: Mapping[str, object] | None = None,
    output: str | os.PathLike[str] | None = None,
    write: Write,
    verb_line: Sequence[str] = (),
    hear: Hear | None = None,
) -> dict[str, Any]:
    """Runs what the heads need, with values from outside; without heads, every step and every cell.

    `verb_line` are the words behind `%jo`, where more than the heads is to be said; `hear` is given what happens on the
    way. With `output` a copy of the notebook shows the run, also one that failed. Gives what the run did, as plain data
    (of one that failed it is the error's `data`). Raises UsageError before anything runs, and CellFailed for a cell or
    a step that raises.
    """
    heads = [name for word in heads for name in word.split(",") if name]
    words = list(verb_line) or ["materialize", *heads]
    if output is None:
        with session(path, write, hear, sets=sets) as ready:
            _run_verb(ready, words, path, is_heard=hear is not None)
            return dict(_states(ready, heads)["outcome"])
    path, output = Path(path), Path(output)
    check_place(output, ".ipynb", path)
    notebook = load_notebook(path)
    recording, run = Recording(notebook), None
    try:
        with session(path, write, hear, sets=sets, record=recording.heard) as ready:
            run = _Run(ready, recording, code_cells(notebook, path.parent), path, heads)
            return run.go(words, is_heard=hear is not None)
    except BaseException:
        recording.stop()
        raise
    finally:
        if recording.has_begun and not (run is not None and run.is_misused):
            _write(recording, sets or {}, path, output)


def states(pipeline: Pipeline, heads: Sequence[str], done: Mapping[str, Any]) -> str:
    """What a run has done and left behind, as JSON: for the process that started it."""
    plan, outcome = pipeline.steps(), pipeline.outcome
    records = pipeline.context.records
    heads = [name for name in heads or pipeline.dag.leaves if name in pipeline.dag]
    return json.dumps(
        {
            "available": [d.step for d in plan if d.availability == "available"],
            "failed": list(outcome.failed) if outcome is not None else [],
            "steps": list(pipeline.dag),
            "heads": heads,
            "needed": sorted(pipeline.dag.ancestors(heads)),
            "seconds": {name: records[name].seconds for name in outcome.finished} if outcome is not None else {},
            "outcome": done,
        }
    )


class _Run:
    """A run whose outputs are recorded."""

    def __init__(
        self, ready: Session, recording: Recording, cells: Sequence[NotebookCell], path: Path, heads: Sequence[str]
    ) -> None:
        self._ready = ready
        self._recording = recording
        self._cells = cells
        self._path = path.absolute()
        self._source = path
        self._heads = heads
        self.is_misused = False

    def go(self, words: Sequence[str], *, is_heard: bool) -> dict[str, Any]:
        """The verb, then what there is to see; gives what the run did."""
        try:
            return self._run(words, is_heard=is_heard)
        finally:
            self._recording.widgets = self._ready.widgets()

    def _run(self, words: Sequence[str], *, is_heard: bool) -> dict[str, Any]:
        failure: CellFailed | None = None
        try:
            _run_verb(self._ready, words, self._source, is_heard=is_heard)
        except CellFailed as error:
            self.is_misused = error.cause in MISUSE
            failure = error
        errors = [o for o in self._ready.last.outputs if o.output_type == "error"]
        self._ready.is_quiet = True
        told = _states(self._ready, self._heads)
        self._show_steps(told, errors)
        if failure is not None:
            if not told["failed"]:
                self._recording.stop(errors)
            vars(failure)["data"] = told["outcome"]
            raise failure
        try:
            self._run_uses(told)
        except CellFailed as error:
            vars(error)["data"] = told["outcome"]
            raise
        return dict(told["outcome"])

    def _show_steps(self, told: Mapping[str, Any], errors: Sequence[Any]) -> None:
        heads, needed = told["heads"], set(told["needed"])
        first = next(iter(told["failed"]), "")
        for cell in (cell for cell in self._cells if cell.kind is CellKind.STEP):
            if cell.makes_objects:
                continue  # it was executed, and is recorded as such
            names = [name for name in cell.steps if name in needed]
            if not names:
                self._recording.leave_out({cell.index: f"not needed for {' and '.join(heads)}"})
                continue
            outputs: list[Any] = []
            for name in names:
                shown = {"value": name in heads, "errors": name in told["failed"] and name != first}
                code = REPLAY.format(pipeline=PIPELINE, name=name, **shown)
                self._ready.run(code, place_of(self._path, cell), is_counted=False)
                outputs += self._ready.last.outputs
            self._recording.replace(cell, outputs, sum(told["seconds"].get(name, 0.0) for name in names))
            if first in names:
                self._recording.fail(cell, errors)

    def _run_uses(self, told: Mapping[str, Any]) -> None:
        results = Results(told["steps"], told["available"], self._heads)
        skipped = left_out_uses(self._cells, results)
        self._recording.leave_out(skipped)
        for cell in (cell for cell in self._cells if cell.kind is CellKind.USE and cell.index not in skipped):
            if not without_loading(cell.text):
                self._recording.loaded_in(cell)
                continue
            try:
                run_cell(self._ready, cell, self._path, self._recording.heard)
            except CellFailed:
                self._recording.fail(cell)
                raise


def _run_verb(ready: Session, words: Sequence[str], source: str | os.PathLike[str], *, is_heard: bool) -> None:
    ready.ask(words, "jo run", is_counted=False, events=is_heard, source=os.fspath(source))


def _states(ready: Session, heads: Sequence[str]) -> dict[str, Any]:
    ready.run(STATES.format(pipeline=PIPELINE, heads=list(heads), outcome=OUTCOME), "jo run", is_counted=False)
    shown = next(o for o in ready.last.outputs if o.output_type == "execute_result")
    told: dict[str, Any] = json.loads(ast.literal_eval(shown.data["text/plain"]))
    return told


def _write(recording: Recording, sets: Mapping[str, object], path: Path, output: Path) -> None:
    import nbformat

    made = recording.notebook(
        parameters=sets, input_path=str(path), output_path=str(output), version=f"jo_notebook {version('jo_notebook')}"
    )
    write_whole(output, str(nbformat.writes(made)) + "\n")
