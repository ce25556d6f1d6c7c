"""What it means to plan and to materialize `Step` objects: the plan of `core`, the run of `engine`, their contexts.

A step that has no context is run once a call. What its result was made of counts all the same: to the steps after it
its code and what that reads stand for its value, so that a kept result after it is never served for other code.
"""

from __future__ import annotations

import sys
import warnings
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any, cast

from jo_notebook.core.fingerprint import Fingerprint, Part
from jo_notebook.core.graph import Graph
from jo_notebook.core.plan import Action, Availability, Known, Plan, input_parts, make_plan
from jo_notebook.core.record import Record
from jo_notebook.engine.attend import Attention
from jo_notebook.engine.modules import Modules
from jo_notebook.engine.outcome import Outcome
from jo_notebook.engine.run import execute
from jo_notebook.engine.surroundings import Surroundings
from jo_notebook.engine.today import Today, module_of_file
from jo_notebook.registry import current, current_statement
from jo_notebook.steps.registered import is_joined, join
from jo_notebook.steps.settling import Settling
from jo_notebook.steps.spread import Spread, token_of
from jo_notebook.steps.walks import breadth_first, by_name, graph_of, in_order, promoted
from jo_notebook.store.context import Context

if TYPE_CHECKING:
    from jo_notebook.steps.classes import Step

LEGEND = (
    "Execution plan. Result availability: [*] available - [ ] n/a - [x] no context. Scheduled execution: (H) head - "
    "(>) scheduled run on materialize - ( ) no run required."
)
_modules = Modules()  # what is known of modules, between two calls, too: also what steps made of what they hold
_pieces: set[tuple[str, str]] = set()  # the names of modules that steps have reached
STALE = "[*] available - [~] stale - [ ]"


class StepRun:
    """The steps of one head, over their contexts, as they are now."""

    def __init__(self, head: Step) -> None:
        self.head = head
        steps = in_order(head)
        self._names = names = dict(vars(sys.modules["__main__"]))
        self.graph: Graph = graph_of(steps, names)
        self.contexts = Spread({str(step): step.ctx for step in steps})
        self.today = Today(names)
        self.today.statement = current_statement()
        self.today.follows_edits = False
        self.today.watched = {}
        self.today.modules = _modules
        self.today.touch()
        self._settling = Settling(self.graph, by_name(steps), names)
        self._at = ""
        self.known = self._known()

    def plan(self) -> Plan:
        """What materializing the head would do."""
        return make_plan(self.graph, self.known, [str(self.head)])

    def materialize(self) -> Any:
        """The head's result; the user's exception as it is."""
        plan, outcome, contexts = self.plan(), Outcome(), self.contexts
        for decision in plan:
            contexts.use(decision.step, decision.generation)
        _pieces.update(self._reached())
        try:
            with _modules.settling(tuple(_pieces)):
                execute(plan, self._surroundings(), outcome)
        except KeyboardInterrupt as stopped:
            if self._at:
                _tell_of(self._at, stopped)
            raise
        finally:
            self._settle()
            contexts.settle()
        for warning in outcome.warnings:
            warnings.warn(warning, stacklevel=4)
        for name, error in outcome.failed.items():
            _tell_of(name, error)
            raise error
        return promoted(contexts[str(self.head)])

    @contextmanager
    def _attend(self, name: str, told: Collection[tuple[str, str]] = ()) -> Iterator[Attention]:
        """As for a cell, but quiet; names that the script binds anew meanwhile are looked at, too."""
        parts, places = self.known.parts(name), self.contexts.places
        self._settling.before(name)
        self._at = name
        with self.today.attend(self.graph, name, told, ignored=places, parts=parts) as attention:
            try:
                yield attention
            finally:
                self._names.update((key, value) for key, value in vars(sys.modules["__main__"]).items())
        self._at = ""
        attention.notes.clear()
        self._settling.after(name, attention.changed)

    def _prepare(self, name: str) -> tuple[Callable[..., Any], Mapping[str, Any]]:
        call = self.graph[name].call
        assert call is not None
        return call, {}

    def _reached(self) -> set[tuple[str, str]]:
        """The names of local modules that the steps reach."""
        names = {part.name for name in self.graph for part in self.known.parts(name) if part.kind == "module"}
        return {(module_of_file(file), piece) for file, _, piece in (name.partition(":") for name in names)}

    def _parts_now(self, name: str) -> tuple[Part, ...]:
        """What a step runs with; what it, or a step it depends on, changes does not count."""
        return self._settling.seen_by(name, self.known.parts(name), lambda: self.today.parts_now(self.graph, name))

    def _settle(self) -> None:
        """From now on what the steps made of the names they read, a list they append to, stands for what it was."""
        self.today.touch()
        for name in self.graph if self._settling.changed else ():
            self._settling.link(name, self.known.parts(name), self.today.parts(self.graph, name))

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            graph=self.graph,
            known=self.known,
            parts_now=self._parts_now,
            context=cast(Context, self.contexts),  # the engine asks no more of a context
            prepare=self._prepare,
            attend=self._attend,
            emit=lambda event: None,
            fail_fast=True,
            load=str(self.head),
        )

    def _known(self) -> Known:
        """What the contexts remember; for a step without one, a record that says what its code is today."""
        contexts, today = self.contexts, self.today
        parts = {name: self._settling.settled(name, today.parts(self.graph, name)) for name in self.graph}
        known = Known(
            parts=parts.__getitem__,
            records={name: r for name in self.graph if (r := contexts.record(name)) is not None},
            held=contexts.held,
            others=contexts.others,
            used=contexts.in_use,
            digest_now=today.file_digest,
            problems=contexts.damaged,
            elsewhere=contexts.elsewhere,
        )
        records = dict(known.records)
        versions: dict[str, str | None] = {}
        for name in self.graph.order:
            if contexts.is_passing(name):
                fingerprint = Fingerprint.of([*known.parts(name), *input_parts(self.graph, name, versions)])
                records[name] = Record(name, fingerprint, token_of(fingerprint), exact=False)
            versions[name] = records[name].output if name in records else None
        return replace(known, records=records)


def _tell_of(name: str, error: BaseException) -> None:
    """Warns of a step that came to no end. Where warnings are errors, that error has the step's own as its cause."""
    try:
        warnings.warn(f"Error encountered while executing step {name}", stacklevel=5)
    except Warning as told:
        raise told from error


def materialize(head: Step) -> Any:
    """See `Step.materialize`. What stands on steps of a pipeline is joined to it, and materialized there."""
    if is_joined(in_order(head)):
        join(head)
        return promoted(current().materialize(str(head)))
    return StepRun(head).materialize()


def plan_of(head: Step) -> Plan:
    """See `Step.plan`."""
    if is_joined(in_order(head)):
        join(head)
        return current().plan(str(head))
    return StepRun(head).plan()


def plan_text(head: Step, plan: Plan) -> str:
    """A plan in the words of job_orchestra, with an empty line after it: farthest steps first, the head last.

    Only where a result is stale, which it did not know, there is one mark more.
    """
    rows = []
    is_stale = False
    steps = [head, *breadth_first(head)]
    in_pipeline = is_joined(steps)
    for step in steps:
        decision = plan[str(step)]
        mark = " "
        if step.ctx is None and not in_pipeline:
            mark = "x"
        elif decision.availability is Availability.AVAILABLE:
            mark = "*"
        elif decision.availability is Availability.STALE:
            mark, is_stale = "~", True
        scheduled = "H" if step is head else ">" if decision.action is Action.RUN else " "
        rows.append(f" [{mark}] ({scheduled}) {step}")
    legend = LEGEND.replace("[*] available - [ ]", STALE) if is_stale else LEGEND
    return "\n".join([legend, *reversed(rows), ""])
