"""`%debug_step`: what a step was given becomes names of the notebook, and its body a cell, to be mended there."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import Any

from jo_notebook.core.definition import Definition, Dependency, Origin
from jo_notebook.core.lines import Parser, split
from jo_notebook.core.plan import Availability
from jo_notebook.core.record import Failure
from jo_notebook.core.written import body_of_cell, leaves_early, line_of
from jo_notebook.engine.inputs import has_changed
from jo_notebook.engine.seeds import seed_now
from jo_notebook.errors import StoreError, UntrustedError
from jo_notebook.notebook.names import Names
from jo_notebook.pipeline import Pipeline
from jo_notebook.views.words import day, one_line

FIRST_LINE = re.compile(r"\s*# %%step (?P<name>\w+)")
HOW = (
    "Its body is in a new cell: mend it there and run it as often as you like. Then take the # off its first line and "
    "run it once more: that makes it the step again."
)


def debug_parser() -> Parser:
    """What `%debug_step` understands."""
    parser = Parser(prog="%debug_step", allow_abbrev=False, description="Bring a step into the notebook, to mend it.")
    parser.add_argument("name", metavar="NAME", help="the step, most often one that failed")
    return parser


class Debugging:
    """The steps of one shell that are being mended."""

    def __init__(self, shell: Any, pipeline: Pipeline, names: Names) -> None:
        self._shell = shell
        self._pipeline = pipeline
        self._names = names
        self._seeds: dict[str, tuple[int, frozenset[str]]] = {}
        self._steps: dict[str, Origin] = {}  # and where each was defined

    def start(self, line: str) -> str:
        """Brings a step's inputs, parameters, seed and directory here, and offers its body as a cell; says what it did.

        Raises UnknownStepError, UsageError, and UntrustedError for a step that somebody else defined; then nothing
        changed.
        """
        name = debug_parser().parse_args(split(line)).name
        pipeline = self._pipeline
        pipeline.dag.check([name])
        with pipeline.locked():
            _, params = pipeline.today.prepare(pipeline.dag, name)
        definition, failure = pipeline.dag[name], pipeline.context.failures.get(name)
        bound, notes = self._bind_all(name, params, failure)
        said = [_what_happened(name, failure)]
        said += [f"Names: {', '.join(bound)}."] if bound else []
        said += self._start_from_the_seed(definition)
        said += _go_where_it_ran(failure)
        notes += ["Note: its body returns or yields before its end: a plain cell cannot."] * leaves_early(definition)
        self._shell.set_next_input(self._cell(definition))
        self._steps[name] = definition.origin
        return "\n".join([" ".join(said), *notes, HOW])

    def before_cell(self, text: str) -> None:
        """The cell of a step that is being mended begins with the same random numbers each time."""
        found = FIRST_LINE.match(text)
        if found is not None and found["name"] in self._seeds:
            seed_now(*self._seeds[found["name"]])

    def takes(self, name: str) -> bool:
        """Whether another cell than before may define this step: it is being mended."""
        return name in self._steps

    def ends(self, name: str, now: Origin) -> list[str]:
        """It is a step again; a note says which cell had it before."""
        self._seeds.pop(name, None)
        before = self._steps.pop(name)
        if before.remembered or not before.cell_id or before.cell_id == now.cell_id:
            return []
        return [f"Note: {name} was a step of {before} until now. Delete that one: two cannot have it."]

    def _bind_all(self, name: str, params: Any, failure: Failure | None) -> tuple[list[str], list[str]]:
        """Binds what the step was given; the names, and what is to be known of them."""
        bound: list[str] = []
        notes: list[str] = []
        lost: list[str] = []
        for dependency in self._pipeline.dag.dependencies[name]:
            notes += self._notes(name, dependency, failure)
            try:
                value = self._value(dependency.step)
            except (StoreError, KeyError, UntrustedError) as error:
                if self._pipeline.context.held(dependency.step):
                    notes.append(f"Note: {dependency.step} cannot be loaded: {error}")
                continue
            lost += self._names.lend(dependency.parameter, value, dependency.step)
            bound.append(dependency.parameter)
        for parameter, value in params.items():
            lost += self._names.lend(parameter, value)
            bound.append(parameter)
        if lost:
            had = f"Note: this notebook had something else called {', '.join(lost)}"
            notes.append(f"{had}: run the cells that make it again, afterwards.")
        return bound, notes

    def _value(self, step: str) -> Any:
        """A result, certainly as its step returned it."""
        context = self._pipeline.context
        value, record = context[step], context.record(step)
        if record is not None and context.is_stored(step) and has_changed(value, record):
            context.drop_memory(step)
            value = context[step]
        return value

    def _notes(self, name: str, dependency: Dependency, failure: Failure | None) -> Iterator[str]:
        step, context = dependency.step, self._pipeline.context
        if not context.held(step):
            yield f"Note: {step} has no result: %materialize {step} makes one, then say %debug_step {name} again."
            return
        decision = self._pipeline.explain(step)
        record = context.record(step)
        parts = failure.fingerprint.parts if failure is not None else ()
        given = {part.name: part.digest for part in parts if part.kind == "input"}
        if decision.availability is not Availability.AVAILABLE:
            why = f" ({one_line(decision.reasons[0].text)})" if decision.reasons else ""
            yield f"Note: {step} is {decision.availability}{why}: this is its last result."
        elif record is not None and given.get(dependency.parameter, record.output) != record.output:
            yield f"Note: {step} has another result now than {name} was given in that run."

    def _start_from_the_seed(self, definition: Definition) -> list[str]:
        if definition.seed is None:
            return []
        with self._pipeline.locked():
            parts = self._pipeline.today.parts(self._pipeline.dag, definition.name)
            modules = frozenset(part.name for part in parts if part.kind == "package")
        self._seeds[definition.name] = definition.seed, modules
        seed_now(definition.seed, modules)
        return [f"Random numbers start from {definition.seed}, each time its cell runs."]

    def _cell(self, definition: Definition) -> str:
        """The text of the new cell."""
        body = body_of_cell(definition)
        if definition.call is not None and not definition.source.header:
            body = self._with_its_call(definition, body)
        return f"# {line_of(definition)}\n{body}" if definition.name.isidentifier() else body

    def _with_its_call(self, definition: Definition, body: str) -> str:
        """What is an object that only this process has gets a name to be called by."""
        function, bracket, rest = body.partition("(")
        if not bracket or not function.isidentifier():
            return body  # a function of a module, which the body imports
        called = "call_" + re.sub(r"\W", "_", definition.name)
        self._names.lend(called, definition.call)
        return f"{called}({rest}"


def _what_happened(name: str, failure: Failure | None) -> str:
    if failure is None:
        return f"{name} has not failed."
    when = day(failure.when)
    return f"{name} failed{f' on {when}' if when else ''}: {one_line(failure.error).rstrip('.')}."


def _go_where_it_ran(failure: Failure | None) -> list[str]:
    if failure is None or not failure.cwd or os.path.realpath(failure.cwd) == os.path.realpath(os.getcwd()):
        return []
    try:
        os.chdir(failure.cwd)
    except OSError as error:
        return [f"It ran in {failure.cwd}, where one cannot go now ({error.strerror})."]
    return [f"The working directory is {failure.cwd}, as it was then."]
