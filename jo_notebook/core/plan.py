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
from jo_notebook.core.graph import Graph, levels_of
from jo_notebook.core.history import expected_seconds
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
    not be stored; empty for one that is. `elsewhere` is "data" for a result that somebody else made and that loads as
    it is, "code" for one whose loading would run their code, empty for ours. `override` says by what else than its
    fingerprint a result is in force: "pinned", "accepted", "given" (put in by hand), or nothing.
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
    generation: int = 0
    override: str = ""
    overridden: tuple[str, ...] = ()
    hidden: tuple[tuple[str, str], ...] = ()
    elsewhere: str = ""


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
    def levels(self) -> list[list[str]]:
        """The steps in levels: each needs earlier levels only."""
        return levels_of((d.step for d in self.decisions), lambda name: self.parents.get(name, ()))

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
    is gone. With `only`, what the heads depend on is taken as it is. `others` gives a step's other results that
    are still kept, newest first, with their numbers, and `used` the number of the one in `records` (0 is the newest);
    `digest_now` tells what a file that a step wrote holds today. What `pinned` steps have is taken as it is;
    `always` are steps that run every time. `elsewhere` says of a result, by step and number, if it is a stranger's.
    """

    parts: Callable[[str], Sequence[Part]]
    records: Mapping[str, Record] = field(default_factory=dict)
    failures: Mapping[str, Failure] = field(default_factory=dict)
    held: Callable[[str], str] = lambda step: ""
    problems: Mapping[str, str] = field(default_factory=dict)
    force: Collection[str] = frozenset()
    orphans: Collection[str] = frozenset()
    only: bool = False
    others: Callable[[str], Sequence[tuple[int, Record]]] = lambda step: ()
    used: Callable[[str], int] = lambda step: 0
    digest_now: Callable[[str], str] = lambda path: ""
    pinned: Collection[str] = frozenset()
    always: Collection[str] = frozenset()
    elsewhere: Callable[[str, int], str] = lambda step, number: ""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which of a step's results is the one of today: its record and number (0 for the newest), or why none is."""

    record: Record | None
    generation: int = 0
    reasons: tuple[Reason, ...] = ()
    overridden: tuple[Reason, ...] = ()

    @property
    def version(self) -> str | None:
        """The data version that steps below see, or None where it is not known before a run."""
        return self.record.output if self.record is not None and not self.reasons else None


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
    choices = _choices(graph, known, order, asked)
    reasons = {name: choice.reasons for name, choice in choices.items()}
    actions = _actions_of(graph, known, order, asked, reasons, choices)
    rows = (
        _decision(graph, known, name, choices, reasons[name], actions[name], is_head=name in asked) for name in order
    )
    return Plan(tuple(rows), heads, {name: graph.parents(name) for name in order})


def choose(graph: Graph, known: Known, name: str, versions: Mapping[str, str | None]) -> Choice:
    """Which of this step's results is right for today: the newest, an older one, or none and why.

    `versions` holds the data version of each upstream step, or None where that is not known before it runs.
    Other results are looked for only where this one is whole, and not where a run was asked for.
    """
    record, used = known.records.get(name), known.used(name)
    reasons = reasons_to_run(graph, known, name, versions)
    if not reasons:
        return Choice(record, used)
    if name in known.force or name in known.problems or (record is None and name not in known.failures):
        return Choice(record, used, reasons)  # where there is no result there is no older one
    if name in known.pinned and record is not None and known.held(name):
        return Choice(record, used, overridden=reasons)
    if name in known.always or _upstream_reasons(graph, known, name, versions):
        return Choice(record, used, reasons)
    if others := known.others(name):
        today = _today(graph, known, name, versions)
        right = (Choice(other, n) for n, other in others if not _differences(graph, known, other, today, versions))
        return next(right, Choice(record, used, reasons))
    return Choice(record, used, reasons)


def reasons_to_run(graph: Graph, known: Known, name: str, versions: Mapping[str, str | None]) -> tuple[Reason, ...]:
    """Why the result in `known.records` is not this step's result of today; empty when it is.

    What was put in by hand is the result of today, whatever the code, until a run is asked for.
    """
    asked = [Reason("asked", "asked to run again", name)] if name in known.force else []
    if _is_given(known, name):
        return tuple(asked)
    if name in known.always:
        asked.append(Reason("always", "runs every time, as its line says", name))
    if name in known.problems:
        return (*asked, Reason("damaged", f"its stored result is damaged: {known.problems[name]}", name))
    record, failure = known.records.get(name), known.failures.get(name)
    if record is None and failure is None:
        return (*asked, Reason("missing", "no result", name), *_upstream_reasons(graph, known, name, versions))
    today = _today(graph, known, name, versions)
    found = [] if record is None else _differences(graph, known, record, today, versions)
    found += _upstream_reasons(graph, known, name, versions)
    if record is not None and not found:
        return tuple(asked)
    if failure is not None and not differences(failure.fingerprint, today, _unknown(graph, name, versions)):
        found = [Reason("failed", f"last run failed: {failure.error}", name), *found]
    elif record is None:
        found = [Reason("missing", "not run since it was edited", name), *found]
    return (*asked, *found)


def _is_given(known: Known, name: str) -> bool:
    record = known.records.get(name)
    return record is not None and record.is_given and name not in known.problems


def _today(graph: Graph, known: Known, name: str, versions: Mapping[str, str | None]) -> Fingerprint:
    return Fingerprint.of([*known.parts(name), *input_parts(graph, name, versions)])


def _unknown(graph: Graph, name: str, versions: Mapping[str, str | None]) -> set[str]:
    return {d.parameter for d in graph.dependencies[name] if versions.get(d.step) is None}


def _differences(
    graph: Graph, known: Known, record: Record, today: Fingerprint, versions: Mapping[str, str | None]
) -> list[Reason]:
    """What is not as this record says: what went into the result, and the files that came out beside it."""
    seen = {(kind, name): digest for kind, name, digest in record.hidden}
    found = differences(record.fingerprint, today, _unknown(graph, record.step, versions), seen)
    for path, digest in record.writes:
        now = known.digest_now(path)
        if now != digest:
            what = "is gone" if now == "missing" else "was changed"
            found.append(Reason("output", f"file {path}, which it writes, {what}", path))
    return found


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


def _choices(graph: Graph, known: Known, order: Sequence[str], heads: Collection[str]) -> dict[str, Choice]:
    """From the sources down: a step's version is known when it need not run."""
    choices: dict[str, Choice] = {}
    versions: dict[str, str | None] = {}
    for name in order:
        if known.only and name not in heads:
            choice = Choice(known.records.get(name))
        else:
            choice = choose(graph, known, name, versions)
        choices[name] = choice
        versions[name] = choice.version
    return choices


def _actions_of(
    graph: Graph,
    known: Known,
    order: Sequence[str],
    heads: Collection[str],
    reasons: dict[str, tuple[Reason, ...]],
    choices: Mapping[str, Choice],
) -> dict[str, Action]:
    """From the heads up: a step is needed when it is a head or when a child of it runs."""
    needed = set(heads)
    actions: dict[str, Action] = {}
    for name in reversed(order):
        held = _held(known, name, choices[name])
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


def _held(known: Known, name: str, choice: Choice) -> str:
    """Where the value is. A result that is not in use yet is on disk."""
    return known.held(name) if choice.generation == known.used(name) else "disk"


def _why_not_held(record: Record | None) -> str:
    if record is not None and record.unsaved:
        return "its value was kept in memory only, and is gone"
    return "its value was not kept"


def _decision(
    graph: Graph,
    known: Known,
    name: str,
    choices: Mapping[str, Choice],
    reasons: tuple[Reason, ...],
    action: Action,
    *,
    is_head: bool,
) -> Decision:
    choice = choices[name]
    record = choice.record
    held = _held(known, name, choice)
    if any(reason.kind in ("failed", "damaged") for reason in reasons):
        availability = Availability.FAILED
    elif record is None or not held:
        availability = Availability.MISSING
    elif any(reason.kind != "asked" for reason in reasons):
        availability = Availability.STALE
    else:
        availability = Availability.AVAILABLE
    override, overridden = _override(choice, is_pinned=name in known.pinned and bool(held))
    return Decision(
        step=name,
        availability=availability,
        action=action,
        is_head=is_head,
        reasons=reasons,
        seconds=None if record is None else _seconds(graph, record, choices),
        held=held,
        size=0 if record is None else record.size,
        is_orphan=name in known.orphans,
        unsaved="" if record is None else record.unsaved,
        untracked=tuple(part.name for part in known.parts(name) if part.kind == "untracked"),
        generation=choice.generation,
        override=override,
        overridden=overridden,
        hidden=() if record is None else tuple((kind, what) for kind, what, _ in record.hidden),
        elsewhere="" if record is None else known.elsewhere(name, choice.generation),
    )


def _override(choice: Choice, *, is_pinned: bool) -> tuple[str, tuple[str, ...]]:
    if is_pinned:
        return "pinned", tuple(reason.text for reason in choice.overridden)
    if choice.record is not None and choice.record.is_given and not choice.reasons:
        return "given", ()
    if choice.record is not None and choice.record.accepted and not choice.reasons:
        return "accepted", choice.record.accepted
    return "", ()


def _seconds(graph: Graph, record: Record, choices: Mapping[str, Choice]) -> float | None:
    """The expected time of a run, by the sizes that the inputs have now as far as that is known."""
    if record.is_given and not record.history:
        return None
    sizes = [c.record.size for p in graph.parents(record.step) if (c := choices.get(p)) and c.record]
    return expected_seconds(record.history or ((record.seconds, 0.0),), float(sum(sizes)))
