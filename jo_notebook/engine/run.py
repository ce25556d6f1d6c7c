"""Carries out a plan: its turns one after another, or several at once; its first and its last events."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Collection

from jo_notebook.core.events import EventKind
from jo_notebook.core.execution import INLINE
from jo_notebook.core.plan import Decision, Plan
from jo_notebook.engine.capture import routed_output
from jo_notebook.engine.lanes import Inline
from jo_notebook.engine.outcome import Outcome
from jo_notebook.engine.state import State
from jo_notebook.engine.stopping import interrupt_main
from jo_notebook.engine.surroundings import Surroundings
from jo_notebook.engine.turn import Turn
from jo_notebook.engine.watch import ready_to_watch


def execute(plan: Plan, outside: Surroundings, outcome: Outcome) -> None:
    """Runs what the plan says, dependencies first, and stores each result as it is finished.

    A step whose inputs came out the same after all is kept, not run. A step that another kernel, or another run of the
    same pipeline, has is waited for, and its result taken where it is right for this run too. A failed step blocks
    what needs it and nothing else, unless `fail_fast`. KeyboardInterrupt passes through after everything finished is
    stored; what was done until then stands in `outcome` too.
    """
    state = State(plan, outside, outcome)
    turn = Turn(state, Inline(outside.emit))
    for name in plan.to_run:
        turn.emit(EventKind.QUEUED, name)
    started = time.perf_counter()
    try:
        with routed_output(), ready_to_watch():
            if is_in_order(plan, outside.jobs, outside.where, beside=outside.beside):
                InOrder(state, turn).go()
            else:
                from jo_notebook.engine.ready import ReadyQueue  # threads, wanted only here

                ReadyQueue(state).go()
    finally:
        outside.spool.close()
        outcome.seconds = time.perf_counter() - started
        turn.emit(EventKind.ENDED, seconds=outcome.seconds)


def is_in_order(plan: Plan, jobs: int, where: Callable[[str], object], *, beside: bool) -> bool:
    """Whether a run is one step after another on its own thread: then no other run may go on beside it."""
    if beside or (jobs > 1 and len(plan.to_run) > 1):
        return False
    return all(where(name) == INLINE for name in plan.to_run)


class InOrder:
    """One step after another, on this thread."""

    def __init__(self, state: State, turn: Turn) -> None:
        self._state = state
        self._turn = turn
        self._waiting = deque(state.plan)
        self._now: Decision | None = None
        self._sent = 0
        self._is_main = threading.current_thread() is threading.main_thread()

    def go(self) -> None:
        """Runs everything. Raises KeyboardInterrupt, and what went wrong that is no step's failure."""
        turn, waiting = self._turn, self._waiting
        turn.outside.begun(self)
        try:
            while waiting and not (turn.outside.fail_fast and turn.outcome.failed):
                self._now = decision = waiting.popleft()
                try:
                    turn.take(decision)
                except KeyboardInterrupt:
                    if not self._sent:
                        raise
                    self._sent = 0  # one step was meant
                    if decision.step not in self._state.dropped:
                        waiting.appendleft(decision)  # and not this one, which comes again
                    elif decision.step not in turn.outcome.cancelled:
                        turn.emit(EventKind.CANCELLED, decision.step)
        finally:
            self._now = None
            for decision in waiting:
                turn.call_off(decision)

    def cancel(self, names: Collection[str] | None = None) -> None:
        """From any thread: stops these steps, and drops what needs them; without names, the whole run."""
        now = self._now
        if names is None and self._is_main:
            interrupt_main()
            return
        if names is None:  # no signal reaches this thread: the step that it is at comes to its end
            names, now = self._state.plan.to_run, None
        for name in self._state.drop(names, list(self._waiting)):
            self._turn.emit(EventKind.CANCELLED, name)
        if now is not None and now.step in names and now is self._now:
            self._sent += self._is_main
            if self._is_main:
                interrupt_main()
