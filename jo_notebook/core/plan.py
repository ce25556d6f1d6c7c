"""What a materialize would do, and why: the only place where staleness is decided.

`make_plan` is a pure function of the graph, of what each step's code looks like today (its parts), of
what is remembered (records and failures) and of the heads. A step must run exactly when it has reasons.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from jo_notebook.core.fingerprint import Fingerprint, Part
from jo_notebook.core.graph import Graph
from jo_notebook.core.reasons import Reason, differences
from jo_notebook.core.record import Failure, Record


class Availability(StrEnum):
    """The state of a result when nothing runs."""

    AVAILABLE = "available"
    STALE = "stale"
    MISSING = "missing"
    FAILED = "failed"


class Action(StrEnum):
    """What a materialize would do with a step."""

    RUN = "run"
    LOAD = "load"
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of a plan.

    `seconds` is the expected time of a run, from this step's own history, or None. `held` says where the
    value is now: "memory", "disk" or "" (nowhere). `size` is in bytes on disk. `unsaved` says why the result could
    not be stored; empty for one that is.
    """

    step: str
    availability: Availability
    action: Action
    is_head: bool = False
    reasons: tuple[Reason, ...] = ()
    seconds: float | None = None
    held: str = ""
    size: int = 0
    is_orphan: bool = False
    unsaved: str = ""
    untracked: tuple[str, ...] = ()


@dataclass(frozen=True)
class Plan:
    """Decisions in an order in which they can be carried out: dependencies first."""

    decisions: tuple[Decision, ...] = ()
    heads: tuple[str, ...] = ()
    parents: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Decision]:
        return iter(self.decisions)

    def __len__(self) -> int:
        return len(self.decisions)

    def __getitem__(self, step: str) -> Decision:
        return self._by_step[step]

    def __contains__(self, step: object) -> bool:
        return step in self._by_step

    @cached_property
    def _by_step(self) -> dict[str, Decision]:
        return {decision.step: decision for decision in self.decisions}

    @property
    def to_run(self) -> tuple[str, ...]:
        """The steps that will run, in order."""
        return tuple(d.step for d in self.decisions if d.action is Action.RUN)

    @property
    def to_load(self) -> tuple[str, ...]:
        """The steps whose results will be read, in order."""
        return tuple(d.step for d in self.decisions if d.action is Action.LOAD)

    @property
    def seconds(self) -> float | None:
        """The expected time of the whole run, or None where some step has no history."""
        known = [d.seconds for d in self.decisions if d.action is Action.RUN]
        return None if any(s is None for s in known) else sum(s for s in known if s is not None)

    def __repr__(self) -> str:
        return f"<Plan: {len(self.to_run)} of {len(self)} steps will run>"


def root_causes(plan: Plan, step: str) -> list[tuple[str, Reason]]:
    """Why the steps upstream of this one run, as (step, reason): the reasons that are not themselves upstream ones."""
    found: list[tuple[str, Reason]] = []
    seen = {step}
    queue = [reason.name for reason in plan[step].reasons if reason.kind == "upstream"]
    while queue:
        name = queue.pop(0)
        if name in seen or name not in plan:
            continue
        seen.add(name)
        found += [(name, reason) for reason in plan[name].reasons if reason.kind != "upstream"]
        queue += [reason.name for reason in plan[name].reasons if reason.kind == "upstream"]
    return found


@dataclass(frozen=True, slots=True)
class Known:
    """All that a plan is made from, besides the graph and the heads.

    `parts` gives what a step's code looks like today (everything but its inputs), `held` where its value
    is now ("memory", "disk" or ""). `force` are steps to run whatever is known, `orphans` steps whose cell
    is gone. With `only`, what the heads depend on is taken as it is.
    """

    parts: Callable[[str], Sequence[Part]]
    records: Mapping[str, Record] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    held: Callable[[str], str] = lambda step: ""
    problems: Mapping[str, str] = field(default_factory=dict)
    force: Collection[str] = frozenset()
    orphans: Collection[str] = frozenset()
    only: bool = False


def make_plan(graph: Graph, known: Known, heads: Iterable[str] = ()) -> Plan:
    """What materializing `heads` would do; without heads, every step nobody depends on.

    Pure: the same arguments give the same plan. Steps in the plan: the heads and all they depend on.
    Raises UnknownStepError for a head that is no step.
    """
    heads = tuple(dict.fromkeys(heads))
    graph.check(heads)
    wanted = graph.ancestors(heads) if heads else frozenset(graph)
    heads = heads or tuple(name for name in graph.leaves if name not in known.orphans)
    order = [name for name in graph.order if name in wanted]
    asked = frozenset(heads)
    reasons = _reasons_of(graph, known, order, asked)
    actions = _actions_of(graph, known, order, asked, reasons)
    decisions = (_decision(name, known, reasons[name], actions[name], name in asked) for name in order)
    return Plan(tuple(decisions), heads, {name: graph.parents(name) for name in order})


def reasons_to_run(graph: Graph, known: Known, name: str, versions: Mapping[str, str | None]) -> tuple[Reason, ...]:
    """Why this step's remembered result is not its result of today; empty when it is.

    `versions` holds the data version of each upstream step, or None where that is not known before it runs.
    """
    asked = [Reason("asked", "asked to run again", name)] if name in known.force else []
    if name in known.problems:
        return (*asked, Reason("damaged", f"its stored result is damaged: {known.problems[name]}", name))
    record, failure = known.records.get(name), known.failures.get(name)
    today = Fingerprint.of([*known.parts(name), *input_parts(graph, name, versions)])
    unknown = {d.parameter for d in graph.dependencies[name] if versions.get(d.step) is None}
    found = [] if record is None else differences(record.fingerprint, today, unknown)
    found += _upstream_reasons(graph, known, name, versions)
    if record is not None and not found:
        return tuple(asked)
    if failure is not None and not differences(failure.fingerprint, today, unknown):
        found = [Reason("failed", f"last run failed: {failure.error}", name), *found]
    elif record is None:
        missing = "no result" if failure is None else "not run since it was edited"
        found = [Reason("missing", missing, name), *found]
    return (*asked, *found)


def _upstream_reasons(graph: Graph, known: Known, name: str, versions: Mapping[str, str | None]) -> list[Reason]:
    found = []
    for step in graph.parents(name):
        if step not in graph:
            found.append(Reason("undefined", f"{step} is not registered yet", step))
        elif versions.get(step) is None and not known.only:
            found.append(Reason("upstream", f"upstream {step} will run", step))
    return found


def input_parts(graph: Graph, name: str, versions: Mapping[str, str | None]) -> list[Part]:
    """The parts of a fingerprint that come from upstream results whose version is known."""
    parts = []
    for dependency in graph.dependencies[name]:
        version = versions.get(dependency.step)
        if version is not None:
            parts.append(Part("input", dependency.parameter, version, dependency.step))
    return parts


def _reasons_of(
    graph: Graph, known: Known, order: Sequence[str], heads: Collection[str]
) -> dict[str, tuple[Reason, ...]]:
    """Reasons from the sources down: a step's version is known when it need not run."""
    reasons: dict[str, tuple[Reason, ...]] = {}
    versions: dict[str, str | None] = {}
    for name in order:
        record = known.records.get(name)
        if known.only and name not in heads:
            reasons[name] = ()
            versions[name] = record.version if record is not None else None
            continue
        reasons[name] = reasons_to_run(graph, known, name, versions)
        versions[name] = record.version if record is not None and not reasons[name] else None
    return reasons


def _actions_of(
    graph: Graph,
    known: Known,
    order: Sequence[str],
    heads: Collection[str],
    reasons: dict[str, tuple[Reason, ...]],
) -> dict[str, Action]:
    """From the heads up: a step is needed when it is a head or when a child of it runs."""
    needed = set(heads)
    actions: dict[str, Action] = {}
    for name in reversed(order):
        held = known.held(name)
        if name not in needed:
            actions[name] = Action.NOTHING
        elif not reasons[name] and held:
            actions[name] = Action.NOTHING if held == "memory" else Action.LOAD
        else:
            if not reasons[name]:
                reasons[name] = (Reason("missing", _why_not_held(known.records.get(name)), name),)
            actions[name] = Action.RUN
            needed.update(graph.parents(name))
    return actions


def _why_not_held(record: Record | None) -> str:
    if record is not None and record.unsaved:
        return "its value was kept in memory only, and is gone"
    return "its value was not kept"


def _decision(name: str, known: Known, reasons: tuple[Reason, ...], action: Action, is_head: bool) -> Decision:
    record = known.records.get(name)
    held = known.held(name)
    if any(reason.kind in ("failed", "damaged") for reason in reasons):
        availability = Availability.FAILED
    elif record is None or not held:
        availability = Availability.MISSING
    elif any(reason.kind != "asked" for reason in reasons):
        availability = Availability.STALE
    else:
        availability = Availability.AVAILABLE
    return Decision(
        step=name,
        availability=availability,
        action=action,
        is_head=is_head,
        reasons=reasons,
        seconds=None if record is None else record.seconds,
        held=held,
        size=0 if record is None else record.size,
        is_orphan=name in known.orphans,
        unsaved="" if record is None else record.unsaved,
        untracked=tuple(part.name for part in known.parts(name) if part.kind == "untracked"),
    )
