"""A drawing that follows a pipeline, with a source and a drawing made for the test."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from jo_notebook.core.eta import Going
from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.plan import Plan
from jo_notebook.views.live import Follower
from jo_notebook.views.state import GraphState


@dataclass
class Source:
    current: Plan
    running: frozenset[str] = frozenset()
    going: dict[str, Going] = field(default_factory=dict)
    queued: frozenset[str] = frozenset()
    asked: list[tuple[str, ...]] = field(default_factory=list)
    requests: list[dict[str, str]] = field(default_factory=list)
    listeners: list[Callable[[Event], None]] = field(default_factory=list)
    problem: Exception | None = None

    def glance(self, *heads: str) -> Plan:
        self.asked.append(heads)
        if self.problem:
            raise self.problem
        return self.current

    def message(self) -> str:
        return ""

    def request(self, message: dict[str, str]) -> None:
        self.requests.append(message)

    def listen(self, callback: Callable[[Event], None]) -> Callable[[], None]:
        self.listeners.append(callback)
        return lambda: self.listeners.remove(callback)

    def tell(self, kind: EventKind, step: str = "", text: str = "") -> None:
        for listener in list(self.listeners):
            listener(Event(kind, step, text=text))


@dataclass
class Paper:
    text: str = ""
    states: list[GraphState] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)

    def set_state(self, state: GraphState) -> None:
        self.states.append(state)

    def show_error(self, error: BaseException) -> None:
        self.errors.append(str(error))


def wait_for(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end, "nothing happened for 5 s"
        time.sleep(0.005)


@pytest.fixture
def source(penguins: Plan) -> Source:
    return Source(penguins)


def test_it_draws_at_once(source: Source) -> None:
    paper = Paper()
    Follower(source, paper, ("Compare",)).close()
    assert source.asked == [("Compare",)]
    assert len(paper.states) == 1
    assert paper.text.startswith("Execution plan.")


def test_a_burst_of_events_is_one_plan_and_one_drawing(source: Source) -> None:
    paper = Paper()
    follower = Follower(source, paper)
    for _ in range(200):
        source.tell(EventKind.CHANGED)
    wait_for(lambda: len(paper.states) == 2)
    time.sleep(0.12)
    assert (len(paper.states), len(source.asked)) == (2, 2)
    follower.close()


def test_during_a_run_events_say_it_all(source: Source) -> None:
    paper = Paper()
    follower = Follower(source, paper)
    source.running, source.queued = frozenset({"LogReg"}), frozenset({"Compare"})
    source.tell(EventKind.FINISHED, "Features")
    source.tell(EventKind.FAILED, "Forest", "ValueError: x")
    wait_for(lambda: len(paper.states) == 2)
    nodes = paper.states[-1].by_id
    assert [nodes[n].state for n in ("Features", "Forest", "LogReg", "Compare")] == [
        "available", "failed", "running", "queued",
    ]  # fmt: skip
    assert nodes["Forest"].reasons == ("last run failed: ValueError: x",)
    assert len(source.asked) == 1
    source.tell(EventKind.ENDED)
    wait_for(lambda: len(source.asked) == 2)
    follower.close()


def test_output_is_no_reason_to_draw(source: Source) -> None:
    paper = Paper()
    follower = Follower(source, paper)
    source.tell(EventKind.OUTPUT, "Load")
    time.sleep(0.12)
    assert len(paper.states) == 1
    follower.close()


def test_an_event_never_waits_for_a_drawing(source: Source) -> None:
    """Events come while a pipeline holds its lock, and a drawing asks the pipeline: that must not lock up."""
    gate, slow = threading.Event(), threading.Event()

    class SlowPaper(Paper):
        def set_state(self, state: GraphState) -> None:
            super().set_state(state)
            if len(self.states) == 2:
                slow.set()
                gate.wait(5)

    paper = SlowPaper()
    follower = Follower(source, paper)
    source.tell(EventKind.CHANGED)
    assert slow.wait(5)
    start = time.monotonic()
    source.tell(EventKind.CHANGED)
    assert time.monotonic() - start < 1
    gate.set()
    wait_for(lambda: len(paper.states) == 3)
    follower.close()


def test_an_error_is_shown(source: Source) -> None:
    paper = Paper()
    follower = Follower(source, paper)
    source.problem = RuntimeError("no plan today")
    source.tell(EventKind.CHANGED)
    wait_for(lambda: paper.errors == ["no plan today"])
    follower.close()


def test_closing_ends_it(source: Source) -> None:
    paper = Paper()
    follower = Follower(source, paper)
    source.tell(EventKind.CHANGED)
    follower.close()
    time.sleep(0.12)
    assert source.listeners == []
    assert len(paper.states) == 1


def test_a_plan_that_cannot_be_made_leaves_nothing_behind(source: Source) -> None:
    source.problem = RuntimeError("no")
    with pytest.raises(RuntimeError):
        Follower(source, Paper())
    assert source.listeners == []
