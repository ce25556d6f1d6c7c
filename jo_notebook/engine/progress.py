"""How far each run is, worked out from its events: what is done, what runs since when, what waits."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from jo_notebook.core.eta import Estimate, Going, Remaining
from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.plan import Plan

STARTED, QUEUED, CLAIMED = EventKind.STARTED, EventKind.QUEUED, EventKind.CLAIMED
FINISHED, ENDED = EventKind.FINISHED, EventKind.ENDED
RESULTS = (FINISHED, EventKind.KEPT, EventKind.FAILED, EventKind.BLOCKED)
ASKED = ""
"""The run id of what was asked for and has not begun: a click that waits for the main thread."""
PAUSE = 0.5
"""Seconds between two estimates that are told, at least; and COST times what one of them took to make."""
COST = 50
LONG = 2.0
"""A run that is expected to take less is not told of before it has gone on for a while."""


@dataclass(frozen=True, slots=True)
class Status:
    """How far one run is. `began` and `now` are by the clock of `Progress`; `total` counts what was not cancelled.

    `left` is None where nothing is known of what is still to end.
    """

    run_id: str
    began: float
    now: float
    total: int = 0
    done: int = 0
    running: Mapping[str, Going] = field(default_factory=dict)
    queued: frozenset[str] = frozenset()
    left: Estimate | None = None


class Progress:
    """Follows the events of runs, each in constant time. A run is known from its first event until it ends."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._runs: dict[str, _Run] = {}

    @property
    def running(self) -> frozenset[str]:
        """The steps that are running now, in any run."""
        return frozenset().union(*(run.running for run in self._runs.values()))

    @property
    def queued(self) -> frozenset[str]:
        """The steps that a run going on, or one that was asked for, will come to; none that runs already."""
        return frozenset().union(*(run.queued for run in self._runs.values())) - self.running

    @property
    def going(self) -> dict[str, Going]:
        """The steps that are running now, in any run, with how far they are."""
        now = self._clock()
        return {step: run.seen(step, now) for run in self._runs.values() for step in run.running}

    @property
    def runs(self) -> tuple[str, ...]:
        """The ids of the runs that go on, in the order in which they began."""
        return tuple(run_id for run_id in self._runs if run_id != ASKED)

    def status(self, run_id: str) -> Status | None:
        """How far a run is; None for one that has not begun or is over."""
        run = self._runs.get(run_id)
        if run is None or run_id == ASKED:
            return None
        now = self._clock()
        return Status(
            run_id,
            run.began,
            now,
            len(run.queued) + len(run.running) + len(run.done),
            len(run.done),
            {step: run.seen(step, now) for step in run.running},
            frozenset(run.queued),
            run.left(now),
        )

    def begin(self, run_id: str, plan: Plan, jobs: int = 1) -> None:
        """A run begins, with up to so many steps at once: what is known of their times tells when it will end."""
        self._begun(run_id).remaining = Remaining(plan, jobs)

    def news(self, run_id: str) -> Event | None:
        """An event that tells how long a run still takes, now and then; for most calls there is nothing to tell."""
        run = self._runs.get(run_id)
        if run is None or run.remaining is None or not run.running:
            return None
        now = self._clock()
        if run.due is not None and now < run.due:
            return None
        is_first, run.due = run.due is None, now + PAUSE
        left = run.left(now)
        run.due += COST * (self._clock() - now)
        if left is None or (is_first and left.seconds < LONG):
            return None
        share = len(run.done) / (len(run.queued) + len(run.running) + len(run.done))
        text = "at least" if left.is_least else "about"
        return Event(EventKind.PROGRESS, "", run_id, text, left.seconds, share)

    def follow(self, event: Event) -> None:
        """Takes one event in."""
        kind, step = event.kind, event.step
        run = self._runs.get(event.run_id)
        if kind is STARTED:
            run = run or self._begun(event.run_id)
            run.queued.discard(step)
            run.done.discard(step)
            run.running[step] = self._clock()
            run.said.pop(step, None)
        elif kind is QUEUED or kind is CLAIMED:
            run = run or self._begun(event.run_id)
            if step not in run.running:
                run.done.discard(step)
                run.queued.add(step)
            return
        elif run is None and kind is not ENDED:
            return
        elif kind in RESULTS:
            assert run is not None
            run.running.pop(step, None)
            run.queued.discard(step)
            run.done.add(step)
            if kind is FINISHED and run.remaining is not None:
                run.remaining.learn(step, event.seconds)
        elif kind is EventKind.PROGRESS:
            if run is not None and step in run.running:
                run.said[step] = event.fraction, event.text
            return
        elif kind is EventKind.CANCELLED:
            assert run is not None
            run.running.pop(step, None)
            run.queued.discard(step)
            return
        else:
            if kind is ENDED:
                self.clear(event.run_id)
            return
        if ASKED in self._runs:  # what was asked for has begun
            self._runs[ASKED].queued.discard(step)

    def clear(self, run_id: str = ASKED) -> None:
        """A run is over, and with it whatever was asked for and has not begun: no other run will come to it."""
        self._runs.pop(run_id, None)
        self._runs.pop(ASKED, None)

    def _begun(self, run_id: str) -> _Run:
        return self._runs.setdefault(run_id, _Run(self._clock()))


@dataclass(slots=True)
class _Run:
    """One run, as it is now."""

    began: float
    running: dict[str, float] = field(default_factory=dict)
    said: dict[str, tuple[float | None, str]] = field(default_factory=dict)
    queued: set[str] = field(default_factory=set)
    done: set[str] = field(default_factory=set)
    remaining: Remaining | None = None
    due: float | None = None

    def left(self, now: float) -> Estimate | None:
        """How long it still takes."""
        if self.remaining is None:
            return None
        return self.remaining.left(self.queued, {step: self._going(step) for step in self.running}, now)

    def seen(self, step: str, now: float) -> Going:
        """How far one of its running steps is, with the time it is expected to need."""
        going = self._going(step)
        return going if self.remaining is None else replace(going, left=self.remaining.left_of(step, going, now))

    def _going(self, step: str) -> Going:
        return Going(self.running[step], *self.said.get(step, (None, "")))
