"""How long a run still takes, from the steps' own histories, along the longest way. Whoever asks has the clock."""

from __future__ import annotations

import heapq
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from statistics import median

from jo_notebook.core.plan import Action, Plan

LITTLE = 0.02
"""A fraction below this says nothing yet of the time to come; nor does one of 1, after which the step goes on."""
OVERRUN = 0.1
"""A step that has taken longer than it was expected to is given this share of its time more."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """Seconds that are left. `is_least` where some step that is still to end has never told how long it takes."""

    seconds: float
    is_least: bool = False


@dataclass(frozen=True, slots=True)
class Going:
    """One step that is running: since when, how far it says it is (if it does), and the seconds it is expected to need.

    `since` is by the clock of whoever follows the run.
    """

    since: float
    fraction: float | None = None
    text: str = ""
    left: float | None = None


class Remaining:
    """The time that the steps of a plan take, as far as it is known, with up to `jobs` of them at once.

    What is known of a step is its decision's expected time; steps of which nothing is known count as the median of
    the known ones, together with the times that steps of this very run have taken (`learn`).
    """

    def __init__(self, plan: Plan, jobs: int = 1) -> None:
        self._plan = plan
        self._jobs = max(jobs, 1)
        self._times: dict[str, float] = {}

    def learn(self, step: str, seconds: float) -> None:
        """A step of this run came to its end after so many seconds."""
        self._times[step] = seconds

    def left_of(self, step: str, going: Going, now: float) -> float | None:
        """The time that one running step still takes; None where nothing is known of it."""
        seconds, is_least = self._rest(step, now - going.since, going.fraction, None)
        return None if is_least else seconds

    def left(self, queued: Collection[str], running: Mapping[str, Going], now: float) -> Estimate | None:
        """The time until all of these are done; None where nothing is known of any step.

        It is the end of a schedule in which each step begins, in the order of the plan, as soon as a place is free and
        what it needs is there: no less than all work over the places, and no less than the longest way.
        """
        usual = self._usual
        under_way = {s: self._rest(s, now - going.since, going.fraction, usual) for s, going in running.items()}
        waiting = [step for step in queued if step not in running]
        times = {step: self._expected.get(step) for step in waiting}
        is_least = None in times.values() or any(is_least for _, is_least in under_way.values())
        if usual is None and (waiting or any(seconds is None for seconds, _ in under_way.values())):
            return None
        rests = {step: seconds or 0.0 for step, (seconds, _) in under_way.items()}
        full = {step: (usual or 0.0) if seconds is None else seconds for step, seconds in times.items()}
        if self._jobs == 1:
            return Estimate(sum(rests.values()) + sum(full.values()), is_least)
        return Estimate(self._end_of(full, rests), is_least)

    @cached_property
    def _expected(self) -> dict[str, float]:
        return {d.step: d.seconds for d in self._plan if d.action is Action.RUN and d.seconds is not None}

    @cached_property
    def _places(self) -> dict[str, int]:
        return {d.step: place for place, d in enumerate(self._plan)}

    @property
    def _usual(self) -> float | None:
        """What a step takes of which nothing is known."""
        known = [*{**self._expected, **self._times}.values()]
        return median(known) if known else None

    def _rest(self, step: str, spent: float, fraction: float | None, usual: float | None) -> tuple[float | None, bool]:
        """How long a step still runs; the more of it is done, the more its own word counts."""
        expected = self._expected.get(step)
        is_least = expected is None
        whole = usual if expected is None else expected
        rest = None if whole is None else whole - spent
        if rest is not None and rest < OVERRUN * spent:
            rest, is_least = OVERRUN * spent, True
        if fraction is None or not LITTLE <= fraction < 1.0:
            return rest, is_least
        told = spent * (1.0 - fraction) / fraction
        if rest is None or is_least:
            return told, False
        return fraction * told + (1.0 - fraction) * rest, False

    def _end_of(self, waiting: Mapping[str, float], running: Mapping[str, float]) -> float:
        """When the last step ends, where each begins as soon as it can."""
        order = sorted(waiting, key=lambda step: self._places.get(step, -1))
        missing, below = self._links(order, running)
        ready = [place for place, number in enumerate(missing) if not number]  # sorted: a heap
        ends = [(seconds, -1, step) for step, seconds in running.items()]
        heapq.heapify(ends)
        now = 0.0
        while ready or ends:
            while ready and len(ends) < self._jobs:
                place = heapq.heappop(ready)
                heapq.heappush(ends, (now + waiting[order[place]], place, order[place]))
            now, _, step = heapq.heappop(ends)
            for place in below.get(step, ()):
                missing[place] -= 1
                if not missing[place]:
                    heapq.heappush(ready, place)
        return now

    def _links(self, order: Sequence[str], running: Mapping[str, float]) -> tuple[list[int], dict[str, list[int]]]:
        """How many steps that are not done each one needs, and which ones need each."""
        open_steps = {*order, *running}
        below: dict[str, list[int]] = {}
        missing = []
        for place, step in enumerate(order):
            parents = [parent for parent in self._plan.parents.get(step, ()) if parent in open_steps]
            missing.append(len(set(parents)))
            for parent in set(parents):
                below.setdefault(parent, []).append(place)
        return missing, below
