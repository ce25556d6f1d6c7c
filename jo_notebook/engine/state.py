"""The state of one run: versions known so far, and what has to run because of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from jo_notebook.core.plan import Action, Decision, Plan, choose
from jo_notebook.engine.outcome import Outcome
from jo_notebook.engine.sharing import Part
from jo_notebook.engine.surroundings import Surroundings


class State:
    """What is known in the middle of a run. Who reads or changes it on several threads holds `outside.lock`.

    `records` and `versions` are those of today; `moved` are steps whose version may be another than the plan
    thought; `announced` are steps that were told to have started and have not begun yet; `dropped` are those that
    somebody has cancelled one by one, and what needs them; `joined` are those that another run of this pipeline had.
    """

    def __init__(self, plan: Plan, outside: Surroundings, outcome: Outcome) -> None:
        self.plan = plan
        self.outside = outside
        self.outcome = outcome
        self.records = dict(outside.known.records)
        self.versions: dict[str, str | None] = {}
        self.moved = set(plan.to_run)
        self.announced: set[str] = set()
        self.dropped: set[str] = set()
        self.joined: dict[str, Part] = {}
        self.heads = frozenset(plan.heads)
        self.needed = {*plan.heads, *(p for name in plan.to_run for p in plan.parents[name])}

    def drop(self, names: Collection[str], left: Iterable[Decision]) -> list[str]:
        """These steps are not to run, nor what needs them; gives those of `left` that this is new to."""
        new, graph, before = [], self.outside.graph, frozenset(self.dropped)
        self.dropped.update(name for name in names if name in self.plan and self.plan[name].action is Action.RUN)
        for decision in left:
            name = decision.step
            if decision.action is not Action.RUN or name in before:
                continue
            if name in names or not self.dropped.isdisjoint(graph.parents(name)):
                self.dropped.add(name)
                new.append(name)
        return new

    def blocker(self, name: str, decision: Decision) -> str:
        """The failed step that keeps this one from running, or nothing."""
        if decision.action is Action.RUN:
            for parent in self.outside.graph.parents(name):
                if parent in self.outcome.failed:
                    return parent
                if parent in self.outcome.blocked:
                    return self.outcome.blocked[parent]
        return ""

    def must_run(self, name: str, decision: Decision) -> bool:
        """Decides again where something upstream was to run and its version is known by now."""
        graph, known = self.outside.graph, self.outside.known
        affected = any(parent in self.moved and parent in self.versions for parent in graph.parents(name))
        if not affected or (known.only and name not in self.heads):
            return decision.action is Action.RUN
        if name not in self.needed:
            return False
        if name not in known.records and name not in known.failures and name not in known.problems:
            return True  # there is no result of it that could be right after all
        choice = choose(graph, known, name, self.versions)
        if choice.generation != known.used(name):
            return not self.take_other(name, choice.generation)
        return bool(choice.reasons) or not known.held(name)

    def take_other(self, name: str, generation: int) -> bool:
        """Another result is the right one after all; False where it is not there any more."""
        there = self.outside.context.use(name, generation)
        record = self.outside.context.record(name)
        if there and record is not None:
            self.records[name] = record
        return there

    def note_record(self, name: str) -> None:
        """What was read from disk may be newer than what the plan saw: another kernel writes there too."""
        record = self.outside.context.record(name)
        if record is not None:
            self.records[name] = record

    def failed_parent(self, name: str) -> str:
        """An upstream step that had to run again for this one, and failed; or nothing."""
        return next((p for p in self.outside.graph.parents(name) if p in self.outcome.failed), "")
