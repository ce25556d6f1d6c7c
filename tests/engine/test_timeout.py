"""A step that takes longer than it may is told so in its own code, and is a failure whatever it makes of that."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.engine.stopping import Call, LeftBehind, in_time
from jo_notebook.errors import StepFailed, StepTimeout
from tests.cases.making import Heard, Watched, notebook, step

BOTH = pytest.mark.parametrize("jobs", [1, 2])
SOON = 0.15


def pipeline_of(body: str, place: Path | None = None, **options: Any) -> Watched:
    pipeline = notebook(
        "import threading, time\nover = threading.Event()\ngate = threading.Event()\ntries = []\n", place
    )
    options = {"timeout": SOON, **options}
    pipeline.add(replace(step("A", body), ignore=("over", "gate", "tries"), **options))
    pipeline.add(step("B", "1"))
    pipeline.add(step("C", "A"))
    return pipeline


def fails(pipeline: Watched, jobs: int, longest: float = 6.0) -> StepFailed:
    began = time.monotonic()
    with pytest.raises(StepFailed) as caught:
        pipeline.materialize(jobs=jobs)
    assert time.monotonic() - began < longest
    assert isinstance(caught.value.__cause__, StepTimeout)
    assert pipeline.context["B"] == 1
    assert "A" not in pipeline.context
    assert pipeline.outcome is not None
    assert pipeline.outcome.blocked == {"C": "A"}
    return caught.value


@BOTH
def test_a_step_in_time(jobs: int) -> None:
    pipeline = pipeline_of("time.sleep(0.01)\n5", timeout=30.0)
    assert pipeline.materialize("C", "B", jobs=jobs)["C"] == 5


@BOTH
@pytest.mark.parametrize(
    "body",
    [
        pytest.param("while True: time.sleep(0.01)", id="plain"),
        pytest.param("while True: pass", id="busy"),
        pytest.param("import asyncio\nawait asyncio.sleep(20)", id="asynchronous"),
        pytest.param("while True:\n    time.sleep(0.01)\n    yield 1", id="generating"),
        pytest.param(
            "try:\n    while True: time.sleep(0.01)\nexcept Exception as error:\n    raise ValueError(1)", id="another"
        ),
    ],
)
def test_a_step_that_takes_too_long(jobs: int, body: str) -> None:
    pipeline = pipeline_of(body)
    error = fails(pipeline, jobs)
    assert "A took longer than its --timeout of 0.15 s" in str(error)
    assert pipeline.context.failures["A"].error == "A took longer than its --timeout of 0.15 s"
    assert pipeline.outcome is not None
    assert pipeline.outcome.left_behind == []


def test_a_sleep_is_ended_on_the_main_thread() -> None:
    fails(pipeline_of("time.sleep(20)"), 1, 3.0)


@BOTH
def test_the_traceback_ends_at_the_users_line(jobs: int) -> None:
    pipeline = pipeline_of("def wait():\n    while True: time.sleep(0.01)\nwait()")
    fails(pipeline, jobs)
    text = pipeline.context.failures["A"].traceback
    assert "while True: time.sleep(0.01)" in text
    assert "stopping.py" not in text


@BOTH
def test_the_traceback_of_a_coroutine_is_its_own(jobs: int) -> None:
    pipeline = pipeline_of("import asyncio\nasync def rest():\n    await asyncio.sleep(20)\nawait rest()")
    fails(pipeline, jobs)
    text = pipeline.context.failures["A"].traceback
    assert "await asyncio.sleep(20)" in text
    assert "jo_notebook/engine" not in text


@BOTH
def test_what_a_step_returns_too_late_does_not_count(jobs: int) -> None:
    """Also where it swallows what it is told: what it has then may be half of it."""
    body = "got = []\ntry:\n    while True: time.sleep(0.01)\nexcept Exception:\n    pass\ngot"
    fails(pipeline_of(body), jobs)


@BOTH
def test_a_step_that_swallows_every_exception_it_knows(jobs: int) -> None:
    body = "while True:\n    try:\n        time.sleep(0.01)\n    except Exception:\n        pass"
    pipeline = pipeline_of(body)
    pipeline.grace = 2.0
    fails(pipeline, jobs)
    assert pipeline.outcome is not None
    assert pipeline.outcome.left_behind == []


def test_a_step_on_a_thread_that_does_not_stop_is_left_behind(tmp_path: Path) -> None:
    """The run goes on without it, and nothing that it makes is kept."""
    pipeline = pipeline_of("try:\n    gate.wait(20)\nfinally:\n    over.set()\n5", tmp_path / "a.jo")
    pipeline.grace = 0.3
    error = fails(pipeline, 2)
    assert "does not stop: its thread was left behind" in str(error)
    assert pipeline.outcome is not None
    assert pipeline.outcome.left_behind == ["A"]
    pipeline.today.namespace["gate"].set()
    assert pipeline.today.namespace["over"].wait(10)
    time.sleep(0.1)
    assert "A" not in pipeline.context
    assert pipeline.context.failures["A"].error.startswith("A took longer")
    pipeline.add(replace(pipeline.dag["A"], timeout=0.0))
    assert pipeline.materialize("C", jobs=2) == 5


def test_a_left_behind_thread_keeps_no_claim_and_no_place(tmp_path: Path) -> None:
    pipeline = pipeline_of("gate.wait(5)\n5", tmp_path / "a.jo")
    pipeline.grace = 0.2
    fails(pipeline, 2)
    assert list((tmp_path / "a.jo" / "running").iterdir()) == []
    pipeline.add(step("A", "7"))
    began = time.monotonic()
    assert pipeline.materialize("C") == 7
    assert time.monotonic() - began < 2
    pipeline.today.namespace["gate"].set()


@BOTH
def test_each_try_has_its_own_time(jobs: int) -> None:
    body = "tries.append(1)\nwhile len(tries) < 3: time.sleep(0.01)\n5"
    pipeline = pipeline_of(body, retries=2, timeout=0.4)
    heard = Heard(pipeline)
    assert pipeline.materialize("C", "B", jobs=jobs)["C"] == 5
    told = [event.text for event in heard.events if event.kind == "retry"]
    assert told[0] == "A failed, try 1 of 3 (A took longer than its --timeout of 0.4 s); again now."


def test_a_timer_of_the_users_goes_on() -> None:
    rung: list[float] = []
    before = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(time.monotonic()))
    began = time.monotonic()
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.4)
        fails(pipeline_of("while True: time.sleep(0.01)"), 1)
        while not rung and time.monotonic() - began < 5:
            time.sleep(0.01)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert rung
    assert rung[0] - began >= 0.4


def test_the_users_handler_is_back() -> None:
    before, left = signal.getsignal(signal.SIGALRM), signal.getitimer(signal.ITIMER_REAL)[0]
    fails(pipeline_of("while True: time.sleep(0.01)"), 1)
    assert signal.getsignal(signal.SIGALRM) is before
    assert (left > 0) == (signal.getitimer(signal.ITIMER_REAL)[0] > 0)


def test_away_from_the_main_thread() -> None:
    """Where no signal arrives: a watchdog breaks it off."""
    pipeline = pipeline_of("while True: time.sleep(0.01)")
    found: list[StepFailed] = []
    thread = threading.Thread(target=lambda: found.append(fails(pipeline, 1)))
    thread.start()
    thread.join(10)
    assert "took longer" in str(found[0])


def test_a_step_that_fails_in_time_fails_as_it_does() -> None:
    pipeline = pipeline_of("1 / 0", timeout=30.0)
    with pytest.raises(StepFailed, match="division"):
        pipeline.materialize()


# -- breaking off a call


def started(work: Callable[[], Any]) -> tuple[Call, threading.Thread, list[Any]]:
    call, found = Call(), []

    def run() -> None:
        try:
            found.append(call.run(work))
        except BaseException as error:  # noqa: BLE001 - looked at below
            found.append(type(error))
        found.append("after")

    thread = threading.Thread(target=run)
    thread.start()
    return call, thread, found


def test_nothing_arrives_after_the_call() -> None:
    """However late it was sent; tried at all moments around the end."""
    for number in range(300):
        over = threading.Event()
        call, thread, found = started(over.wait)
        pause = (number % 30) * 2e-5
        over.set()
        time.sleep(pause)
        call.stop(KeyboardInterrupt)
        thread.join(5)
        assert found[1:] == ["after"]
        assert found[0] in (True, KeyboardInterrupt)


def test_a_call_that_was_stopped_before_it_began() -> None:
    call = Call()
    call.stop(StepTimeout)
    with pytest.raises(StepTimeout):
        call.run(lambda: pytest.fail("it began"))


def test_nobody_waits_for_a_call_that_was_left() -> None:
    over = threading.Event()
    call, thread, found = started(over.wait)
    assert call.leave()
    over.set()
    thread.join(5)
    assert found == [LeftBehind, "after"]


def test_a_call_that_is_over_cannot_be_left() -> None:
    call = Call()
    assert call.run(lambda: 3) == 3
    assert not call.leave()


def test_in_time_without_a_time() -> None:
    assert in_time(lambda: 3, 0, "A") == 3
