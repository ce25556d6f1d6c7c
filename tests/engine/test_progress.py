"""How far each run is, from its events alone."""

from __future__ import annotations

import time

import pytest

from jo_notebook.core.eta import Estimate, Going
from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.plan import Action, Availability, Decision, Plan
from jo_notebook.engine.progress import Progress
from tests.cases.making import notebook, step


class Clock:
    """A clock that is set by hand."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


def hear(progress: Progress, run: str, *told: str) -> None:
    """Events as `kind step`, of one run."""
    for words in told:
        kind, _, step = words.partition(" ")
        progress.follow(Event(EventKind(kind), step, run))


def counts(progress: Progress, run: str) -> tuple[int, int, list[str], list[str]]:
    """Done, all, what runs and what waits."""
    status = progress.status(run)
    assert status is not None
    return status.done, status.total, sorted(status.running), sorted(status.queued)


def test_a_run_from_its_first_event_to_its_last() -> None:
    progress = Progress()
    assert (progress.status("r"), progress.runs) == (None, ())
    hear(progress, "r", "queued A", "queued B", "queued C", "queued D", "started A")
    assert counts(progress, "r") == (0, 4, ["A"], ["B", "C", "D"])
    hear(progress, "r", "finished A", "unsaved A", "kept B", "started C", "retry C", "failed C", "blocked D")
    assert counts(progress, "r") == (4, 4, [], [])
    hear(progress, "r", "ended")
    assert (progress.status("r"), progress.runs) == (None, ())


def test_a_cancelled_step_counts_no_longer() -> None:
    progress = Progress()
    hear(progress, "r", "queued A", "queued B", "queued C", "started A", "cancelled B", "cancelled A")
    assert counts(progress, "r") == (0, 1, [], ["C"])


def test_a_step_that_runs_again_is_done_once() -> None:
    progress = Progress()
    hear(progress, "r", "queued A", "queued B", "started A", "finished A", "started B", "started A")
    assert counts(progress, "r") == (0, 2, ["A", "B"], [])
    hear(progress, "r", "finished A", "claimed B", "finished B")
    assert counts(progress, "r") == (2, 2, [], [])


def test_what_a_step_says_of_itself() -> None:
    clock = Clock()
    progress = Progress(clock)
    hear(progress, "r", "queued A")
    progress.follow(Event(EventKind.PROGRESS, "A", "r", "too early", fraction=0.1))
    clock.now = 103.0
    hear(progress, "r", "started A")
    clock.now = 107.0
    progress.follow(Event(EventKind.PROGRESS, "A", "r", "3 of 4", fraction=0.75))
    status = progress.status("r")
    assert status is not None
    assert status.running == {"A": Going(103.0, 0.75, "3 of 4")}
    assert (status.began, status.now) == (100.0, 107.0)
    progress.follow(Event(EventKind.PROGRESS, "A", "s", "another run", fraction=0.5))
    assert progress.runs == ("r",)


def test_runs_side_by_side() -> None:
    """Each has its own; pictures see what runs anywhere, and it does not wait as well."""
    progress = Progress()
    hear(progress, "r", "queued A", "queued B", "started A")
    hear(progress, "s", "queued A", "queued C", "started C")
    assert progress.runs == ("r", "s")
    assert (progress.running, progress.queued) == ({"A", "C"}, {"B"})
    hear(progress, "r", "ended")
    assert (progress.running, progress.queued) == ({"C"}, {"A"})
    assert counts(progress, "s") == (0, 2, ["C"], ["A"])


def test_what_was_asked_for_waits_until_a_run_comes_to_it() -> None:
    progress = Progress()
    hear(progress, "", "queued A", "queued B", "queued C")
    assert (progress.queued, progress.runs, progress.status("")) == ({"A", "B", "C"}, (), None)
    hear(progress, "r", "queued A", "queued B", "started A", "finished A", "output C", "warning C")
    assert progress.queued == {"B", "C"}
    hear(progress, "r", "ended")
    assert progress.queued == frozenset()


def test_late_news_of_a_run_that_is_over_is_nothing() -> None:
    progress = Progress()
    hear(progress, "r", "queued A", "started A", "ended", "finished A", "cancelled A", "failed A", "output A")
    assert (progress.runs, progress.running, progress.queued) == ((), frozenset(), frozenset())


@pytest.mark.parametrize("size", [1000, 8000])
def test_an_event_takes_the_same_time_in_a_large_run(size: int) -> None:
    progress = Progress()
    names = [f"S{n}" for n in range(size)]
    hear(progress, "r", *(f"queued {name}" for name in names))
    events = [Event(EventKind.STARTED, name, "r") for name in names]
    began = time.perf_counter()
    for event in events:
        progress.follow(event)
    assert (time.perf_counter() - began) / size < 100e-6
    assert counts(progress, "r")[:2] == (0, size)


def plan_of(**times: float | None) -> Plan:
    """Steps that are all to run, with what is expected of them."""
    return Plan(tuple(Decision(step, Availability.MISSING, Action.RUN, seconds=took) for step, took in times.items()))


def test_when_the_end_is_told() -> None:
    """With the first step of a long run, then now and then, with what is left."""
    clock = Clock()
    progress = Progress(clock)
    progress.begin("r", plan_of(A=30.0, B=60.0, C=None))
    hear(progress, "r", "queued A", "queued B", "queued C")
    assert progress.news("r") is None
    hear(progress, "r", "started A")
    assert progress.news("r") == Event(EventKind.PROGRESS, "", "r", "at least", 30.0 + 60.0 + 45.0, 0.0)
    clock.now += 0.4
    assert progress.news("r") is None
    clock.now += 9.6
    assert progress.news("r") == Event(EventKind.PROGRESS, "", "r", "at least", 20.0 + 60.0 + 45.0, 0.0)
    progress.follow(Event(EventKind.FINISHED, "A", "r", seconds=10.0))
    hear(progress, "r", "cancelled C", "started B")
    clock.now += 1.0
    assert progress.news("r") == Event(EventKind.PROGRESS, "", "r", "about", 59.0, 0.5)
    status = progress.status("r")
    assert status is not None
    assert (status.left, status.running["B"].left) == (Estimate(59.0), 59.0)
    assert progress.going == status.running
    hear(progress, "r", "ended")
    assert (progress.news("r"), progress.news("s"), progress.going) == (None, None, {})


def test_a_quick_run_is_not_told_of() -> None:
    clock = Clock()
    progress = Progress(clock)
    progress.begin("r", plan_of(A=0.7, B=1.1))
    hear(progress, "r", "queued A", "queued B", "started A")
    assert progress.news("r") is None
    clock.now += 0.6
    assert progress.news("r") == Event(EventKind.PROGRESS, "", "r", "about", pytest.approx(1.2), 0.0)


def test_listeners_are_told_when_a_run_will_end() -> None:
    """Through the pipeline, with the histories of its own steps."""
    pipeline = notebook("import time")
    for row in (("A", "time.sleep(0.4)"), ("B", "time.sleep(0.4)\nA"), ("C", "B")):
        pipeline.add(step(*row))
    pipeline.materialize("C")
    told: list[Event] = []
    pipeline.listen(told.append)
    pipeline.materialize("A", "B", "C", force=True)
    (news,) = [event for event in told if event.kind is EventKind.PROGRESS]
    assert (news.step, news.text, news.run_id) == ("", "about", pipeline.outcome.run_id if pipeline.outcome else "")
    assert 0.0 <= news.seconds < 0.4
    assert news.fraction in (1 / 3, 2 / 3)
    assert (pipeline.status(), pipeline.going) == (None, {})
