"""Keeps a drawing in step with a pipeline, through the few calls it needs and no more."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from jo_notebook.core.eta import Going
from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.plan import Action, Availability, Decision, Plan
from jo_notebook.core.reasons import Reason
from jo_notebook.views.text import plan_text

if TYPE_CHECKING:
    from jo_notebook.views.state import GraphState

PAUSE = 0.05
LARGE, SLOW_PAUSE = 300, 0.5
REPLANNING = frozenset({EventKind.CHANGED, EventKind.ENDED})
OUTCOMES: Mapping[EventKind, Availability] = {
    EventKind.FINISHED: Availability.AVAILABLE,
    EventKind.UNSAVED: Availability.AVAILABLE,
    EventKind.KEPT: Availability.AVAILABLE,
    EventKind.LOADED: Availability.AVAILABLE,
    EventKind.FAILED: Availability.FAILED,
}
IN_MEMORY = frozenset({EventKind.FINISHED, EventKind.UNSAVED, EventKind.LOADED})
OUR_OWN = frozenset({EventKind.FINISHED, EventKind.UNSAVED})
SILENT = frozenset({EventKind.OUTPUT, EventKind.WARNING, EventKind.RETRY})


class GraphSource(Protocol):
    """What a drawing asks of a pipeline. Every call may come from any thread and returns at once."""

    @property
    def running(self) -> frozenset[str]:
        """The steps whose functions are being called now."""

    @property
    def going(self) -> Mapping[str, Going]:
        """How far those are."""

    @property
    def queued(self) -> frozenset[str]:
        """The steps that wait for their turn."""

    def glance(self, *heads: str) -> Plan:
        """What a materialize would do; without heads, for every step nobody depends on. Quick rather than exact."""

    def message(self) -> str:
        """One line above the graph, or an empty string for the usual one."""

    def request(self, message: dict[str, str]) -> None:
        """Asks for a verb on a step: only enqueues."""

    def listen(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        """Calls back at every event, until the function it returns is called."""


class Drawing(Protocol):
    """Something that shows a state."""

    text: str

    def set_state(self, state: GraphState) -> None:
        """Shows it."""

    def show_error(self, error: BaseException) -> None:
        """Shows what went wrong."""


class PlanFollower:
    """Calls `show` with the plan, at once and after events: a burst of events is one call.

    A plan is made anew when definitions or results changed and when a run is over; while a run goes on,
    its events say all there is to say.
    """

    def __init__(
        self,
        source: GraphSource,
        show: Callable[[Plan], None],
        show_error: Callable[[BaseException], None],
        heads: tuple[str, ...] = (),
    ) -> None:
        self._source, self._show, self._show_error, self._heads = source, show, show_error, heads
        self._lock = threading.Lock()  # held for bookkeeping only: events come while a pipeline holds its own
        self._turn = threading.Lock()  # one drawing at a time
        self._outcomes: dict[str, Event] = {}
        self._timer: threading.Timer | None = None
        self._is_slow = self._is_old = self._is_closed = False
        self._plan = Plan()
        self._unsubscribe = source.listen(self._heard)
        try:
            self._plan = source.glance(*heads)
            show(self._plan)
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        """Stops listening."""
        self._is_closed = True
        self._unsubscribe()
        with self._lock:
            if self._timer is not None:
                self._timer.cancel()

    def _heard(self, event: Event) -> None:
        if event.kind in SILENT or self._is_closed:
            return
        if event.kind is EventKind.PROGRESS and (not event.step or len(self._plan) > LARGE):
            return
        with self._lock:
            self._is_old = self._is_old or event.kind in REPLANNING
            if event.kind in OUTCOMES:
                self._outcomes[event.step] = event
            is_slow = event.kind is EventKind.PROGRESS or len(self._plan) > LARGE
            if self._timer is not None and self._is_slow and not is_slow:
                self._timer.cancel()
                self._timer = None
            if self._timer is None:
                self._is_slow = is_slow
                self._timer = threading.Timer(SLOW_PAUSE if is_slow else PAUSE, self._refresh)
                self._timer.daemon = True
                self._timer.start()

    def _refresh(self) -> None:
        with self._turn:
            with self._lock:
                self._timer = None
                is_old, self._is_old = self._is_old, False
                outcomes, self._outcomes = self._outcomes, {}
            try:
                self._plan = self._source.glance(*self._heads) if is_old else _after(self._plan, outcomes)
                if not self._is_closed:
                    self._show(self._plan)
            except Exception as error:  # noqa: BLE001 - on a timer's thread nobody else would see it
                self._show_error(error)


class Follower:
    """Redraws a picture after events."""

    def __init__(self, source: GraphSource, drawing: Drawing, heads: tuple[str, ...] = ()) -> None:
        self._source, self._drawing = source, drawing
        self._plans = PlanFollower(source, self._draw, drawing.show_error, heads)

    def close(self) -> None:
        """Stops listening."""
        self._plans.close()

    def _draw(self, plan: Plan) -> None:
        from jo_notebook.views.state import graph_state  # with the layout, slow to import

        self._drawing.text = plan_text(plan)
        self._drawing.set_state(
            graph_state(
                plan,
                running=self._source.running,
                going=self._source.going,
                queued=self._source.queued,
                message=self._source.message(),
            )
        )


def _after(plan: Plan, outcomes: Mapping[str, Event]) -> Plan:
    """The plan with what the events of a run say about its steps."""
    return replace(plan, decisions=tuple(_outcome(d, outcomes.get(d.step)) for d in plan.decisions))


def _outcome(decision: Decision, event: Event | None) -> Decision:
    if event is None:
        return decision
    failed = event.kind is EventKind.FAILED
    reasons = (Reason("failed", f"last run failed: {event.text}", event.step),) if failed else ()
    held = "memory" if event.kind in IN_MEMORY else decision.held
    now = replace(decision, availability=OUTCOMES[event.kind], action=Action.NOTHING, reasons=reasons, held=held)
    return replace(now, elsewhere="") if event.kind in OUR_OWN else now
