"""What the bar of a run says, event by event."""

from __future__ import annotations

from jo_notebook.core.events import Event, EventKind
from jo_notebook.views.bar import RunBar


class Clock:
    """A clock that is set by hand."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def hear(bar: RunBar, *told: str) -> None:
    for words in told:
        kind, _, step = words.partition(" ")
        bar.hear(Event(EventKind(kind), step))


def far(step: str, fraction: float | None, text: str = "") -> Event:
    return Event(EventKind.PROGRESS, step, "r", text, fraction=fraction)


def test_steps_are_counted() -> None:
    bar = RunBar()
    hear(bar, "queued A", "queued B", "queued C", "queued D")
    assert (bar.done, bar.total, bar.is_busy, bar.share) == (0, 4, False, 0.0)
    hear(bar, "started A", "started B")
    assert (bar.is_busy, bar.running(50)) == (True, "A, B")
    hear(bar, "finished A", "failed B", "blocked C", "cancelled D")
    assert (bar.done, bar.total, bar.failed, bar.is_busy, bar.share) == (3, 4, 1, False, 0.75)
    hear(bar, "started X", "finished X", "started Y", "finished Y")
    assert (bar.done, bar.total) == (5, 5)


def test_what_runs_now() -> None:
    bar = RunBar()
    hear(bar, "queued A", "queued B", "started A", "started B")
    bar.hear(far("A", 0.5, "row 5 of 10"))
    bar.hear(far("Z", 0.5))
    assert (bar.running(50), bar.share) == ("A 50 %, B", 0.25)
    hear(bar, "finished B")
    assert (bar.running(50), bar.share) == ("A 50 % (row 5 of 10)", 0.75)
    bar.hear(far("A", None, "page\n7"))
    assert bar.running(50) == "A (page\\n7)"
    assert bar.running(8) == "A (page…"
    hear(bar, "started C", "started D", "started E", "started F")
    assert bar.running(50) == "A, C, D and 2 more"


def test_the_time_that_is_left_goes_down_by_itself() -> None:
    clock = Clock()
    bar = RunBar(clock)
    assert bar.left() == ""
    bar.hear(Event(EventKind.PROGRESS, "", "r", "about", 190.0, 0.5))
    assert bar.left() == "about 3 min left"
    clock.now = 150.0
    assert bar.left() == "about 40 s left"
    bar.hear(Event(EventKind.PROGRESS, "", "r", "at least", 90.0, 0.5))
    assert bar.left() == "at least 2 min left"
    clock.now = 239.9
    assert bar.left() == "less than 1 s left"
    clock.now = 240.1
    assert bar.left() == ""


def test_what_the_run_waits_for() -> None:
    bar = RunBar()
    hear(bar, "queued A")
    bar.hear(Event(EventKind.CLAIMED, "A", "r", "A is being run by another kernel"))
    assert (bar.note, bar.is_busy) == ("A is being run by another kernel", True)
    hear(bar, "kept A")
    assert (bar.note, bar.is_busy) == ("", False)
