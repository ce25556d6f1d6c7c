"""Carries out a plan: its turns one after another, or several at once; its first and its last events."""

from __future__ import annotations

import time
from collections import deque

from jo_notebook.core.events import EventKind
from jo_notebook.core.execution import INLINE
from jo_notebook.core.plan import Plan
from jo_notebook.engine.capture import routed_output
from jo_notebook.engine.lanes import Inline
from jo_notebook.engine.outcome import Outcome
from jo_notebook.engine.state import State
from jo_notebook.engine.surroundings import Surroundings
from jo_notebook.engine.turn import Turn


def execute(plan: Plan, outside: Surroundings, outcome: Outcome) -> None:
    """Runs what the plan says, dependencies first, and stores each result as it is finished.

    A step whose inputs came out the same after all is kept, not run. A step that another kernel is running is
    waited for, and its result taken where it is right for this run too. A failed step blocks what needs it and
    nothing else, unless `fail_fast`. KeyboardInterrupt passes through after everything finished is stored; what
    was done until then stands in `outcome` too.
    """
    state = State(plan, outside, outcome)
    turn = Turn(state, Inline(outside.emit))
    for name in plan.to_run:
        turn.emit(EventKind.QUEUED, name)
    started = time.perf_counter()
    try:
        with routed_output():
            if _takes_a_queue(plan, outside):
                from jo_notebook.engine.ready import ReadyQueue  # threads, wanted only here

                ReadyQueue(state).go()
            else:
                _in_order(plan, turn)
    finally:
        outside.spool.close()
        outcome.seconds = time.perf_counter() - started
        turn.emit(EventKind.ENDED, seconds=outcome.seconds)


def _takes_a_queue(plan: Plan, outside: Surroundings) -> bool:
    """Whether steps may run at once, or some run elsewhere."""
    if outside.jobs > 1 and len(plan.to_run) > 1:
        return True
    return any(outside.where(name) != INLINE for name in plan.to_run)


def _in_order(plan: Plan, turn: Turn) -> None:
    """One step after another, on this thread."""
    waiting = deque(plan)
    try:
        while waiting and not (turn.outside.fail_fast and turn.outcome.failed):
            turn.take(waiting.popleft())
    finally:
        for decision in waiting:
            turn.call_off(decision)
