"""What a materialize would do, and why: the only place where staleness is decided.

`make_plan` is a pure function of the graph, of what each step's code looks like today (its parts), of
what is remembered (records and failures) and of the heads. A step must run exactly when it has reasons.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum

from jo_notebook.core.fingerprint import KINDS, Fingerprint, Part
from jo_notebook.core.graph import Graph
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
class Reason:
    """Why a step must run. `text` is the sentence shown everywhere; `old` and `new` feed a diff."""

    kind: str
    text: str
    name: str = ""
    old: str = ""
    new: str = ""


@dataclass(frozen=True, slots=True)
class Decision:
    """One row of a plan.

    `seconds` is the expected time of a run, from this step's own history, or None. `held` says where the
    value is now: "memory", "disk" or "" (nowhere). `size` is in bytes on disk.
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
        for decision in self.decisions:
            if decision.step == step:
                return decision
        raise KeyError(step)

    def __contains__(self, step: object) -> bool:
        return any(decision.step == step for decision in self.decisions)

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
