"""A step's name is its value: names bound in the notebook, loaded when a cell reads them, told when they are old."""

from __future__ import annotations

import re
from typing import Any

from jo_notebook.core.plan import Availability
from jo_notebook.core.source import is_builtin, parse_source
from jo_notebook.engine.outcome import Outcome
from jo_notebook.errors import JoError
from jo_notebook.notebook.objects import is_step
from jo_notebook.pipeline import Pipeline
from jo_notebook.verbs import VERBS, ended_text

WORD = re.compile(r"\w+")
STEP_CELL = re.compile(r"\s*(?:%%step\b|#\|\s*step:)")
OWN_MAGIC = re.compile(
    rf"\s*(?:\w+\s*=\s*)?%(?:step|load_stages|jo|pipeline|debug_step|{'|'.join(verb.name for verb in VERBS)})\b"
)
ABSENT = object()


class Names:
    """The names of steps in one shell's namespace, and which of them this extension has bound."""

    def __init__(self, shell: Any, pipeline: Pipeline) -> None:
        self._shell = shell
        self._namespace: dict[str, Any] = shell.user_ns
        self._pipeline = pipeline
        self._bound: dict[str, Any] = {}
        self._of: dict[str, tuple[str, str]] = {}  # which result a bound value is: its run and version
        self._refused: set[str] = set()

    def bind_results(self, outcome: Outcome | None = None) -> None:
        """Binds the names of what a run, the last one by default, made or loaded.

        Results that are only on disk come when they are read.
        """
        outcome, context = outcome or self._pipeline.outcome, self._pipeline.context
        if outcome is None:
            return
        for name in dict.fromkeys([*outcome.finished, *outcome.taken, *outcome.loaded]):
            if context.held(name) == "memory" and not is_step(self._namespace.get(name)):
                self._bind(name, context[name])

    def tell_of_background(self) -> None:
        """Before a cell: binds what runs in the background have made since the last one, and says which have ended."""
        for run in self._pipeline.runs:
            if run.in_background:
                self.bind_results(run.outcome)
        for run in self._pipeline.ended():
            self.bind_results(run.outcome)
            if text := ended_text(self._pipeline, run):
                print(text, flush=True)  # noqa: T201 - above the cell's own output

    def look_at_what_is_read(self, text: str) -> None:
        """Before a cell: loads the results it reads that nobody has bound, and tells which bound ones are old."""
        self._refused.clear()
        for name in self._steps_read_by(text):
            if name not in self._namespace:
                self._load(name)
            elif self._namespace[name] is self._bound.get(name, ABSENT) and "materialize" not in text:
                self._bring_up_to_date(name)

    def explain_missing(self, error: BaseException | None) -> None:
        """After a cell: what to do about a NameError for a step that has no value yet."""
        name = error.name if isinstance(error, NameError) else None
        if name in self._pipeline.dag and name not in self._refused:
            print(self._hint(str(name)))  # noqa: T201 - shown below the cell's own traceback

    def shadowed(self, name: str) -> list[str]:
        """A note where a name is in use already, for something that is no step's value."""
        taken = name in self._namespace and self._namespace[name] is not self._bound.get(name, ABSENT)
        if (taken and not is_step(self._namespace[name])) or is_builtin(name):
            return [f"Note: {name} is already a name in this notebook; materializing binds it to the step's result."]
        return []

    def lend(self, name: str, value: Any, step: str = "") -> list[str]:
        """Binds a name to a value, of a step if it is one; gives names that the notebook had for something else."""
        before = self._namespace.get(name, ABSENT)
        is_taken = before is not ABSENT and before is not value and before is not self._bound.get(name, ABSENT)
        if step == name:
            self._bind(name, value)
        else:
            self._namespace[name] = value
        return [name] if is_taken else []

    def _bind(self, name: str, value: Any) -> None:
        self._namespace[name] = self._bound[name] = value
        self._of[name] = self._result_of(name)

    def _result_of(self, name: str) -> tuple[str, str]:
        record = self._pipeline.context.record(name)
        return (record.run_id, record.version) if record is not None else ("", "")

    def _hint(self, name: str) -> str:
        if self._pipeline.explain(name).availability is Availability.STALE:
            return f"{name} is a step whose result is stale: see %explain {name}, or run %materialize {name}."
        return f"{name} is a step that is not materialized yet: click it in %graph, or run %materialize {name}."

    def _steps_read_by(self, text: str) -> list[str]:
        """The steps whose names an ordinary cell reads, also in its magics."""
        dag = self._pipeline.dag
        if STEP_CELL.match(text) or dag.definitions.keys().isdisjoint(WORD.findall(text)):
            return []
        own = "\n".join(line for line in text.split("\n") if not OWN_MAGIC.match(line))
        try:
            reads = parse_source(own, python=self._shell.transform_cell(own)).reads
        except (JoError, SyntaxError, ValueError, RecursionError):
            return []
        return sorted(name for name in reads if name in dag)

    def _load(self, name: str) -> None:
        if self._pipeline.explain(name).availability is not Availability.AVAILABLE:
            return
        try:
            self._bind(name, self._pipeline.context[name])
        except JoError as error:
            self._refused.add(name)
            print(f"{name} cannot be loaded: {error}")  # noqa: T201 - shown above the cell's output

    def _bring_up_to_date(self, name: str) -> None:
        """A name that holds another result than today's: today's is loaded, or it is told that there is none."""
        decision = self._pipeline.explain(name)
        if decision.availability is Availability.AVAILABLE and self._of.get(name) != self._result_of(name):
            self._load(name)
        if decision.availability is Availability.STALE:
            why = decision.reasons[0].text
            print(f"Note: this is an old {name} ({why}); %materialize {name} makes a new one.")  # noqa: T201 - as above
