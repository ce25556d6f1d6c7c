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

from jo_notebook.core.fingerprint import Fingerprint
from jo_notebook.core.graph import Graph
from jo_notebook.core.plan import Action, Availability, Known, Plan, input_parts, make_plan
from jo_notebook.core.record import Record
from jo_notebook.engine.attend import Attention
from jo_notebook.engine.outcome import Outcome
from jo_notebook.engine.run import execute
from jo_notebook.engine.surroundings import Surroundings
from jo_notebook.engine.today import Today
from jo_notebook.registry import current, current_statement
from jo_notebook.steps.registered import is_joined, join
from jo_notebook.steps.settling import settle, settled, state_version
from jo_notebook.steps.spread import Spread, token_of
from jo_notebook.steps.walks import breadth_first, graph_of, in_order, promoted
from jo_notebook.store.context import Context

if TYPE_CHECKING:
    from jo_notebook.steps.classes import Step

LEGEND = (
    "Execution plan. Result availability: [*] available - [ ] n/a - [x] no context. Scheduled execution: (H) head - "
    "(>) scheduled run on materialize - ( ) no run required."
)
STALE = "[*] available - [~] stale - [ ]"


class StepRun:
    """The steps of one head, over their contexts, as they are now."""

    def __init__(self, head: Step) -> None:
        self.head = head
        steps = in_order(head)
        names = dict(vars(sys.modules["__main__"]))
        self.graph: Graph = graph_of(steps, names)
        self.contexts = Spread({str(step): step.ctx for step in steps})
        self.today = Today(names)
        self.today.statement = current_statement()
        self.today.follows_edits = False
        self.today.watched = {}
        self._has_changed = False
        self._steps = {str(step): step for step in steps}
        self._states = {name: state_version(step) for name, step in self._steps.items()}
        self.known = self._known()

    def plan(self) -> Plan:
        """What materializing the head would do."""
        return make_plan(self.graph, self.known, [str(self.head)])

    def materialize(self) -> Any:
        """The head's result; the user's exception as it is."""
        plan, outcome, contexts = self.plan(), Outcome(), self.contexts
        for decision in plan:
            contexts.use(decision.step, decision.generation)
        try:
            execute(plan, self._surroundings(), outcome)
        finally:
            self._settle()
            contexts.settle()
        for warning in outcome.warnings:
            warnings.warn(warning, stacklevel=4)
        for name, error in outcome.failed.items():
            warnings.warn(f"Error encountered while executing step {name}", stacklevel=4)
            raise error
        return promoted(contexts[str(self.head)])

    @contextmanager
    def _attend(self, name: str, told: Collection[tuple[str, str]] = ()) -> Iterator[Attention]:
        """As for a cell, but quiet; the parts are those of the plan: what steps of this run change does not count."""
        parts, places = self.known.parts(name), self.contexts.places
        with self.today.attend(self.graph, name, told, ignored=places, parts=parts) as attention:
            yield attention
        attention.notes.clear()
        self._has_changed = self._has_changed or bool(attention.changed)

    def _prepare(self, name: str) -> tuple[Callable[..., Any], Mapping[str, Any]]:
        call = self.graph[name].call
        assert call is not None
        return call, {}

    def _settle(self) -> None:
        """What the steps made of the names they read stands for what was there before."""
        if not self._has_changed:
            return
        names = self.today.namespace
        names.update({n: v for n, v in vars(sys.modules["__main__"]).items() if n in names})
        self.today.touch()
        for name, step in self._steps.items():
            settle(self.known.parts(name), self.today.parts(self.graph, name), step, names, self._states[name])

    def _surroundings(self) -> Surroundings:
        return Surroundings(
            graph=self.graph,
            known=self.known,
            parts_now=self.known.parts,
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
        steps, names = self._steps, today.namespace
        parts = {name: settled(today.parts(self.graph, name), steps[name], names) for name in self.graph}
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
