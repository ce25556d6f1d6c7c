"""Runs in the background: beside each other and beside cells, joined, cancelled; no result of anything else."""

from __future__ import annotations

import contextlib
import random
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.errors import JoError, RunCancelled, RunInProgress, StepFailed, UnknownStepError, UsageError
from jo_notebook.runs import Run
from jo_notebook.store.context import Context
from tests.cases.making import Heard, Watched, notebook, step

GATES = """
import threading, time
def gate(name):
    import sys
    return sys.jo_gates.setdefault(name, threading.Event())
"""
WAIT = "gate('{0}').set()\nassert gate('go {0}').wait(20)\n"
SPIN = "gate('{0}').set()\nwhile True:\n    time.sleep(0.01)\n"


@pytest.fixture(params=[False, True], ids=["memory", "disk"])
def make(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[..., Watched]]:
    """Makes pipelines out of steps as name and body; nothing goes on after the test."""
    made: list[Watched] = []
    gates: dict[str, threading.Event] = {}
    sys.jo_gates = gates  # type: ignore[attr-defined]  # where no step's data are looked at

    def pipeline_of(code: str = "", **steps: str) -> Watched:
        pipeline = notebook(GATES + code, tmp_path / f"{len(made)}.jo" if request.param else None)
        pipeline.grace, pipeline.jobs, pipeline.executor = 1.0, 1, "threads"
        for name, text in steps.items():
            pipeline.add(step(name, text))
        made.append(pipeline)
        return pipeline

    yield pipeline_of
    for gate in list(gates.values()):
        gate.set()
    for pipeline in made:
        pipeline.close()
    del sys.jo_gates  # type: ignore[attr-defined]
    for _ in range(100):
        left = [thread.name for thread in threading.enumerate() if thread.name.startswith("jo ")]
        if not left:
            return
        time.sleep(0.05)
    pytest.fail(f"threads are left: {left}")


def begun(pipeline: Watched, name: str) -> None:
    """Waits until a step's code says that it runs."""
    assert pipeline.today.namespace["gate"](name).wait(20)


def go(pipeline: Watched, name: str) -> None:
    """Lets a step that waits go on."""
    pipeline.today.namespace["gate"](f"go {name}").set()


def soon(what: Callable[[], object]) -> None:
    """Waits until something is so."""
    until = time.monotonic() + 20
    while not what():
        assert time.monotonic() < until
        time.sleep(0.01)


def called(function: Callable[[], Any]) -> tuple[threading.Thread, list[Any]]:
    """A call on another thread, and what it gives or raises."""
    given: list[Any] = []

    def call() -> None:
        try:
            given.append(function())
        except BaseException as error:  # noqa: BLE001 - looked at by the test
            given.append(error)

    thread = threading.Thread(target=call, daemon=True)
    thread.start()
    return thread, given


# -- one run in the background


def test_a_run_goes_on_in_the_background(make: Callable[..., Watched]) -> None:
    pipeline = make(Load=WAIT.format("Load") + "[1, 2]", Sum="sum(Load)")
    run = pipeline.start("Sum")
    assert isinstance(run, Run)
    assert (run.heads, run.done, pipeline.runs, pipeline.is_running) == (("Sum",), False, (run,), True)
    begun(pipeline, "Load")
    soon(lambda: (pipeline.running, pipeline.queued) == ({"Load"}, {"Sum"}))
    assert not run.wait(0.05)
    with pytest.raises(TimeoutError):
        run.result(0.01)
    go(pipeline, "Load")
    assert run.result(20) == 3
    assert run.outcome.finished == ["Load", "Sum"]
    assert (run.done, pipeline.runs, pipeline.is_running, pipeline.running) == (True, (), False, frozenset())
    assert pipeline.plan().to_run == ()
    assert pipeline.ended() == [run]
    assert pipeline.ended() == []


def test_several_heads_and_the_other_way_to_say_it(make: Callable[..., Watched]) -> None:
    pipeline = make(A="1", B="2")
    assert dict(pipeline.materialize(background=True, jobs=2).result(20)) == {"A": 1, "B": 2}


def test_bad_input_raises_at_once(make: Callable[..., Watched]) -> None:
    pipeline = make(A="1", B="Nowhere + 1")
    with pytest.raises(UnknownStepError):
        pipeline.start("C")
    with pytest.raises(UsageError):
        pipeline.start("A", jobs=0)
    assert pipeline.runs == ()


def test_a_failure_is_raised_where_the_result_is_asked_for(make: Callable[..., Watched]) -> None:
    pipeline = make(A="1 / 0", B="A", C="3")
    run = pipeline.start()
    with pytest.raises(StepFailed, match="A, which B needs, failed in a cell: ZeroDivisionError"):
        run.result(20)
    assert (run.outcome.finished, run.outcome.blocked) == (["C"], {"B": "A"})
    assert pipeline.explain("A").availability == "failed"


def test_a_step_neither_starts_a_run_nor_waits_for_one(make: Callable[..., Watched]) -> None:
    pipeline = make(A=WAIT.format("A") + "1", B="pipeline.start('A')", C="run.wait()")
    pipeline.today.namespace.update(pipeline=pipeline, run=pipeline.start("A"))
    for name in "BC":
        with pytest.raises(StepFailed) as failed:
            pipeline.materialize(name)
        assert isinstance(failed.value.__cause__, RunInProgress)


def test_what_was_printed_is_in_the_log_of_its_step(
    make: Callable[..., Watched], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also where runs that print overlap; nothing is left of what sorts it out."""
    before = sys.stdout
    pipeline = make(A="print('a1')\n" + WAIT.format("A") + "print('a2')\n1", B="print('b')\n2")
    run = pipeline.start("A")
    begun(pipeline, "A")
    assert pipeline.materialize("B") == 2
    go(pipeline, "A")
    run.result(20)
    assert [[entry.text for entry in pipeline.log(name)] for name in "AB"] == [["a1\na2\n"], ["b\n"]]
    assert sys.stdout is before
    assert sorted(capsys.readouterr().out.split()) == ["a1", "a2", "b"]


# -- joining


def test_what_is_under_way_is_joined(make: Callable[..., Watched]) -> None:
    pipeline = make(Load=WAIT.format("Load") + "[1, 2]", Sum="sum(Load)", Other="Sum + 1")
    heard = Heard(pipeline)
    run = pipeline.start("Sum")
    begun(pipeline, "Load")
    thread, given = called(lambda: pipeline.materialize("Other"))
    soon(lambda: heard.words("claimed"))
    go(pipeline, "Load")
    thread.join(20)
    assert given == [4]
    assert run.result(20) == 3
    assert sorted(pipeline.ran()) == ["Load", "Other", "Sum"]
    assert heard.words("claimed")[0] == "claimed Load"
    assert "is being run in the background" in next(e.text for e in heard.events if e.kind == "claimed")
    assert pipeline.outcome is not None
    assert pipeline.outcome.taken == ["Load", "Sum"]


def test_a_later_run_leaves_to_an_earlier_one_what_that_is_going_to_run(make: Callable[..., Watched]) -> None:
    """Otherwise an interrupt of who joined would end a step that the background was to run."""
    pipeline = make(A=WAIT.format("A") + "1", B="A + 1", C="B + 1", D="C + 1")
    run = pipeline.start("D")
    begun(pipeline, "A")
    later = [pipeline.start("D", jobs=4) for _ in range(3)]
    go(pipeline, "A")
    assert [r.result(20) for r in (run, *later)] == [4] * 4
    assert run.outcome.finished == ["A", "B", "C", "D"]
    assert [r.outcome.finished for r in later] == [[], [], []]


def test_a_failure_that_was_waited_for_is_not_run_again(make: Callable[..., Watched]) -> None:
    pipeline = make(A=WAIT.format("A") + "1 / 0", B="A")
    heard = Heard(pipeline)
    run = pipeline.start("B")
    begun(pipeline, "A")
    thread, given = called(lambda: pipeline.materialize("B"))
    soon(lambda: heard.words("claimed"))
    go(pipeline, "A")
    thread.join(20)
    assert isinstance(given[0], StepFailed)
    with pytest.raises(StepFailed):
        run.result(20)
    assert pipeline.ran() == ["A"]


def test_what_must_run_whatever_is_known_runs_twice(make: Callable[..., Watched]) -> None:
    """`force` means this run."""
    pipeline = make(A="import time; time.sleep(0.1); 1")
    run = pipeline.start("A")
    soon(lambda: pipeline.running)
    assert pipeline.materialize("A", force=True) == 1
    assert run.result(20) == 1
    assert pipeline.ran() == ["A", "A"]


def test_many_runs_run_each_step_once(make: Callable[..., Watched]) -> None:
    names = [f"S{n}" for n in range(12)]
    bodies = {name: f"time.sleep(0.005); {n}" + (f" + S{n - 3}" if n >= 3 else "") for n, name in enumerate(names)}
    pipeline = make(**bodies)
    runs = [pipeline.start(*names[n::3], jobs=3) for n in range(3)] + [pipeline.start(jobs=2)]
    pipeline.materialize(jobs=2)
    assert all(run.wait(30) for run in runs)
    assert [run.error for run in runs] == [None] * 4
    assert sorted(pipeline.ran()) == sorted(names)
    assert pipeline.context["S11"] == 11 + 8 + 5 + 2


def test_a_run_in_the_background_waits_for_one_that_has_the_thread_for_itself(make: Callable[..., Watched]) -> None:
    pipeline = make(A=WAIT.format("A") + "1", B="A + 1")
    thread, given = called(lambda: pipeline.materialize("A"))
    begun(pipeline, "A")
    run = pipeline.start("B")
    time.sleep(0.1)
    assert not run.done
    with pytest.raises(RunInProgress):
        pipeline.materialize("A")
    go(pipeline, "A")
    thread.join(20)
    assert (given, run.result(20)) == ([1], 2)
    assert pipeline.ran() == ["A", "B"]


# -- what changes meanwhile


def test_a_step_that_is_redefined_ends_as_what_it_was(make: Callable[..., Watched]) -> None:
    pipeline = make(A=WAIT.format("A") + "1", B="A + 1")
    run = pipeline.start("A")
    begun(pipeline, "A")
    pipeline.add(step("A", "10"))
    assert [d.availability for d in pipeline.plan("A")] == ["missing"]
    assert (pipeline.running, pipeline.going) == (frozenset(), {}), "what runs is not what is defined now"
    pipeline.add(step("A", WAIT.format("A") + "1"))
    soon(lambda: pipeline.running == {"A"})
    pipeline.add(step("A", "10"))
    go(pipeline, "A")
    assert run.wait(20)
    assert run.outcome.finished == ["A"]
    assert pipeline.context["A"] == 1
    assert pipeline.explain("A").availability == "stale"
    assert pipeline.materialize("B") == 11
    pipeline.add(step("A", WAIT.format("A") + "1"))
    assert pipeline.explain("A").availability == ("available" if pipeline.context.place else "stale")


def test_a_redefined_step_that_runs_is_waited_for_and_not_taken(make: Callable[..., Watched]) -> None:
    pipeline = make(A=WAIT.format("A") + "1", B="A + 1")
    heard = Heard(pipeline)
    run = pipeline.start("B")
    begun(pipeline, "A")
    pipeline.add(step("A", "10"))
    thread, given = called(lambda: pipeline.materialize("B"))
    soon(lambda: heard.words("claimed"))
    go(pipeline, "A")
    thread.join(20)
    run.wait(20)
    assert given == [11]
    assert pipeline.materialize("B") == 11


def test_every_result_says_what_it_was_made_of(make: Callable[..., Watched]) -> None:
    """While steps are redefined again and again, whatever is told to be right is right."""
    pipeline = make(A="0", B="time.sleep(0.01); A", C="time.sleep(0.01); B")
    runs = []
    for number in range(1, 13):
        pipeline.add(step("A", f"time.sleep(0.005); {number % 4}"))
        runs.append(pipeline.start("C", jobs=2))
        time.sleep(0.012)
        plan = pipeline.plan()
        if plan["C"].availability == "available":
            assert pipeline.context["C"] == number % 4
    assert all(run.wait(30) for run in runs)
    assert [run.error for run in runs if run.error] == []
    assert pipeline.materialize("C") == 0
    assert pipeline.plan().to_run == ()
    assert (pipeline.context["A"], pipeline.context["B"], pipeline.context["C"]) == (0, 0, 0)


@pytest.mark.parametrize("change", ["factor = 3", "def twice(x): return 3 * x", "numbers.append(4)"])
def test_a_name_that_changes_meanwhile_lets_the_step_run_again(make: Callable[..., Watched], change: str) -> None:
    code = "factor = 2\nnumbers = [1]\ndef twice(x): return 2 * x\n"
    pipeline = make(code, A=WAIT.format("A") + "twice(1), factor, list(numbers)")
    heard = Heard(pipeline)
    run = pipeline.start("A")
    begun(pipeline, "A")
    exec(change, pipeline.today.namespace)
    pipeline.today.statement = lambda name: change if name == "twice" and "def" in change else None
    go(pipeline, "A")
    value = run.result(20)
    names = pipeline.today.namespace
    assert value == (names["twice"](1), names["factor"], names["numbers"])
    (warning,) = [e.text for e in heard.events if e.kind == "warning"]
    assert "was changed while A, which reads it, ran: it runs again" in warning
    assert pipeline.plan().to_run == ()


def test_a_name_that_is_changed_and_changed_back_between_two_cells_is_seen(make: Callable[..., Watched]) -> None:
    pipeline = make("factor = 2\n", A=WAIT.format("A") + "factor")
    run = pipeline.start("A")
    begun(pipeline, "A")
    pipeline.today.namespace["factor"] = 3
    pipeline.touch()  # as a front end does after a cell
    pipeline.today.namespace["factor"] = 2
    pipeline.touch()
    go(pipeline, "A")
    assert run.result(20) == 2
    assert any("factor was changed" in warning for warning in run.outcome.warnings)


def test_a_name_that_never_rests_is_a_failure(make: Callable[..., Watched]) -> None:
    pipeline = make("count = [0]\n", A="count.append(1)\nlen(count)")
    with pytest.raises(StepFailed, match=r"count was changed while A, which reads it, ran, twice: run it in the fore"):
        pipeline.start("A").result(20)
    assert pipeline.materialize("A") == 4


def test_an_input_that_a_cell_changes_is_not_what_counts(make: Callable[..., Watched]) -> None:
    pipeline = make(Load="[1, 2]", A=WAIT.format("A") + "sum(Load)")
    pipeline.materialize("Load")
    run = pipeline.start("A")
    begun(pipeline, "A")
    pipeline.context["Load"].append(3)
    go(pipeline, "A")
    if pipeline.context.place:
        assert run.result(20) == 3
    else:  # nobody has the value as it was
        assert run.result(20) == 3
        assert "Load" in run.outcome.finished


def test_names_that_a_cell_binds_are_not_the_steps(make: Callable[..., Watched]) -> None:
    pipeline = make(A=WAIT.format("A") + "1")
    run = pipeline.start("A")
    begun(pipeline, "A")
    pipeline.today.namespace["mine"] = 1
    go(pipeline, "A")
    run.result(20)
    record = pipeline.context.record("A")
    assert record is not None
    assert record.hidden == ()
    assert run.outcome.warnings == []


# -- what must be alone


def test_what_must_be_alone_is_alone_in_all_runs(make: Callable[..., Watched]) -> None:
    code = "import random\nnow, most = [0], [0]\ndef work():\n    now[0] += 1\n    most[0] = max(most[0], now[0])\n"
    code += "    time.sleep(0.03)\n    now[0] -= 1\n"
    pipeline = make(code)
    for n in range(3):
        pipeline.add(step(f"T{n}", "time.sleep(0.02); 1"))
        pipeline.add(step(f"R{n}", "work(); random.seed(3); random.random()"))
    pipeline.today.namespace["most"] = most = [0]
    runs = [pipeline.start(f"T{n}", f"R{n}", jobs=2) for n in range(3)]
    assert all(run.wait(30) for run in runs)
    assert most == [1]
    assert len({pipeline.context[f"R{n}"] for n in range(3)}) == 1


def test_a_front_end_lends_the_main_thread(make: Callable[..., Watched]) -> None:
    """Who waits there for the run serves it meanwhile."""
    code = "import signal\n"
    pipeline = make(code, A="signal.getsignal(signal.SIGINT); get_ipython = 1; threading.current_thread().name", B="A")
    pipeline.home.ask = lambda serve: None  # the main thread never gets to it by itself
    run = pipeline.start("B")
    assert run.result(20) == "MainThread"
    again = pipeline.start("A", force=True)
    pipeline.add(step("C", "A * 2"))
    assert pipeline.materialize("C") == "MainThread" * 2
    assert again.result(20) == "MainThread"


def test_a_call_that_waits_for_the_main_thread_can_be_cancelled(make: Callable[..., Watched]) -> None:
    pipeline = make(A="get_ipython = 1; 1", B="A", C="3")
    pipeline.home.ask = lambda serve: None
    run = pipeline.start()
    soon(lambda: pipeline.home.is_wanted)
    assert pipeline.cancel("A") == ["A", "B"]
    assert run.wait(20)
    assert (run.outcome.finished, run.outcome.cancelled) == (["C"], ["A", "B"])
    pipeline.home.serve()
    assert "A" not in pipeline.context


# -- cancelling


def test_everything_is_cancelled(make: Callable[..., Watched]) -> None:
    pipeline = make(A="1", B="A\n" + SPIN.format("B"), C="B", D=SPIN.format("D"))
    heard = Heard(pipeline)
    runs = [pipeline.start("C"), pipeline.start("D")]
    begun(pipeline, "B")
    begun(pipeline, "D")
    assert sorted(pipeline.cancel()) == ["B", "C", "D"]
    assert all(run.wait(20) for run in runs)
    assert pipeline.context["A"] == 1
    assert sorted(heard.words("cancelled")) == ["cancelled B", "cancelled C", "cancelled D"]
    for run in runs:
        with pytest.raises(RunCancelled, match="was cancelled; what was finished is kept"):
            run.result()
    assert pipeline.cancel() == []
    assert (pipeline.running, pipeline.queued) == (frozenset(), frozenset())


def test_one_running_step_is_cancelled_and_the_rest_goes_on(make: Callable[..., Watched]) -> None:
    pipeline = make(A=SPIN.format("A"), B="A", C=WAIT.format("C") + "3", D="C + 1")
    heard = Heard(pipeline)
    run = pipeline.start(jobs=2)
    begun(pipeline, "A")
    begun(pipeline, "C")
    assert pipeline.cancel("A") == ["A", "B"]
    soon(lambda: len(heard.words("cancelled")) == 2)
    go(pipeline, "C")
    with pytest.raises(RunCancelled, match="B was cancelled"):
        run.result(20)
    assert (run.outcome.finished, run.outcome.cancelled) == (["C", "D"], ["A", "B"])
    pipeline.add(step("A", "1"))
    assert dict(pipeline.materialize()) == {"B": 1, "D": 4}


@pytest.mark.parametrize("jobs", [1, 3])
def test_one_waiting_step_is_dropped(make: Callable[..., Watched], jobs: int) -> None:
    pipeline = make(A=WAIT.format("A") + "1", B="A", C="B", D="A + 1")
    run = pipeline.start(jobs=jobs)
    begun(pipeline, "A")
    assert pipeline.cancel("B") == ["B", "C"]
    go(pipeline, "A")
    run.wait(20)
    assert (run.outcome.finished, run.outcome.cancelled) == (["A", "D"], ["B", "C"])


def test_a_run_that_has_not_begun_is_cancelled(make: Callable[..., Watched]) -> None:
    """All of it, or a step that it would come to."""
    pipeline = make(A=WAIT.format("A") + "1", B="A + 1", C="A + 2")
    thread, given = called(lambda: pipeline.materialize("A"))
    begun(pipeline, "A")
    one, all_of_it = pipeline.start("B", "C"), pipeline.start("C")
    one.cancel("B")
    all_of_it.cancel()
    go(pipeline, "A")
    thread.join(20)
    assert given == [1]
    assert one.wait(20)
    assert (one.outcome.finished, one.outcome.cancelled) == (["C"], ["B"])
    with pytest.raises(RunCancelled):
        all_of_it.result(20)


def test_a_step_that_does_not_stop_is_left_behind(make: Callable[..., Watched]) -> None:
    deaf = "gate('A').set()\nend = time.monotonic() + 20\n"
    deaf += "while not gate('go A').is_set() and time.monotonic() < end:\n    try:\n        time.sleep(0.01)\n"
    deaf += "    except KeyboardInterrupt:\n        pass\n1"
    pipeline = make(A=deaf, B="2")
    run = pipeline.start()
    begun(pipeline, "A")
    pipeline.cancel("A")
    assert run.wait(20)
    assert (run.outcome.finished, run.outcome.cancelled, run.outcome.left_behind) == (["B"], ["A"], ["A"])
    go(pipeline, "A")
    assert "A" not in pipeline.context


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_step_of_a_run_that_somebody_waits_for_is_cancelled(make: Callable[..., Watched], jobs: int) -> None:
    """On the main thread by a signal, elsewhere as in the background; the other steps of the run go on."""
    pipeline = make(A=SPIN.format("A"), B="A", C="3", D="C + 1")
    given: list[Any] = []

    def cancel() -> None:
        begun(pipeline, "A")
        given.append(pipeline.cancel("A"))

    thread = threading.Thread(target=cancel)
    thread.start()
    with pytest.raises(RunCancelled, match="B was cancelled"):
        pipeline.materialize(jobs=jobs)
    thread.join(20)
    assert given == [["A", "B"]]
    assert pipeline.outcome is not None
    assert (pipeline.outcome.finished, sorted(pipeline.outcome.cancelled)) == (["C", "D"], ["A", "B"])


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("body", ["", "get_ipython = 1\n"], ids=["anywhere", "alone"])
def test_a_run_that_somebody_waits_for_is_cancelled(make: Callable[..., Watched], jobs: int, body: str) -> None:
    """As an interrupt ends it."""
    pipeline = make(A=body + SPIN.format("A"), B="2", C="A")
    thread, _ = called(lambda: (begun(pipeline, "A"), time.sleep(0.05), pipeline.cancel()))
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize(jobs=jobs)
    thread.join(20)
    assert pipeline.outcome is not None
    assert {"A", "C"} <= set(pipeline.outcome.cancelled)
    assert pipeline.runs == ()


def test_a_step_that_runs_alone_in_the_background_is_cancelled(make: Callable[..., Watched]) -> None:
    pipeline = make(A="get_ipython = 1\n" + SPIN.format("A"), B="A", C="3")
    run = pipeline.start()
    begun(pipeline, "A")
    assert pipeline.cancel("A") == ["A", "B"]
    assert run.wait(20)
    assert (run.outcome.finished, run.outcome.cancelled) == (["C"], ["A", "B"])


def test_who_has_joined_takes_over_where_the_other_is_stopped(make: Callable[..., Watched]) -> None:
    pipeline = make(A=WAIT.format("A") + "1", B="A + 1")
    heard = Heard(pipeline)
    run = pipeline.start("B")
    begun(pipeline, "A")
    other = pipeline.start("B")
    soon(lambda: heard.words("claimed"))
    go(pipeline, "A")
    run.cancel()
    assert other.result(20) == 2


def test_cancelling_what_does_not_run(make: Callable[..., Watched]) -> None:
    pipeline = make(A="1", B=WAIT.format("B") + "2")
    pipeline.start("B")
    begun(pipeline, "B")
    assert pipeline.cancel("A") == []
    with pytest.raises(UnknownStepError):
        pipeline.cancel("Nowhere")


def test_closing_stops_it_and_keeps_what_is_finished(make: Callable[..., Watched]) -> None:
    pipeline = make(A="1", B="A\n" + SPIN.format("B"))
    run = pipeline.start("B")
    begun(pipeline, "B")
    pipeline.close()
    assert run.done
    assert pipeline.context["A"] == 1
    with pytest.raises(RunCancelled):
        run.result()


def test_retries_and_timeouts_are_as_ever(make: Callable[..., Watched]) -> None:
    from dataclasses import replace

    pipeline = make("tries = iter(range(9))\n")
    pipeline.add(replace(step("A", SPIN.format("A")), timeout=0.1))
    pipeline.add(replace(step("B", "gate('B').set()\n1 / 0"), retries=2))
    run = pipeline.start(jobs=2)
    run.wait(20)
    assert {name: type(error).__name__ for name, error in run.outcome.failed.items()} == {
        "A": "StepTimeout",
        "B": "ZeroDivisionError",
    }
    assert run.outcome.retried == {"B": 2}


def test_an_error_of_ours_is_raised_where_the_result_is_asked_for(
    make: Callable[..., Watched], monkeypatch: pytest.MonkeyPatch
) -> None:
    pipeline = make(A=WAIT.format("A") + "1", B="A")
    run = pipeline.start("B")
    begun(pipeline, "A")

    def refuse(*anything: object, **named: object) -> None:
        raise JoError("the disk has gone")

    monkeypatch.setattr(Context, "put", refuse)
    go(pipeline, "A")
    with pytest.raises(JoError, match="the disk has gone"):
        run.result(20)


ROUNDS = 25


def test_cancelled_at_any_moment_nothing_is_lost(make: Callable[..., Watched]) -> None:
    """Runs beside each other, with steps that must be alone among them; stopped one by one or all, or interrupted."""
    chance = random.Random(6)
    bodies = {f"S{n}": f"time.sleep({chance.random() / 50}); {n}" + (f" + S{n // 2}" if n else "") for n in range(8)}
    bodies |= {"R": "import random\nrandom.seed(1)\ntime.sleep(0.005)\nS2 + random.random()"}
    pipeline = make(**bodies)
    for number in range(ROUNDS):
        pipeline.add(step("S0", f"time.sleep(0.002); {number}"))
        wanted = {f"S{n}": sum(k for k in (n, n // 2, n // 4)) + number for n in range(8)}
        runs = [pipeline.start(jobs=3), pipeline.start("S7", "R", jobs=2)]
        moment = threading.Timer(chance.random() / 15, stopper(pipeline, runs, chance))
        moment.start()
        with contextlib.suppress(KeyboardInterrupt, RunCancelled):
            pipeline.materialize("S5", jobs=chance.choice((1, 2)))
        moment.join()
        assert all(run.wait(20) for run in runs)
        assert [error for run in runs if (error := run.error or next(iter(run.outcome.failed.values()), None))] == []
        for decision in pipeline.plan():
            if decision.availability == "available" and decision.step != "R":
                assert pipeline.context[decision.step] == wanted[decision.step]
        for run in runs:
            assert {name for name in run.outcome.finished if pipeline.plan()[name].availability != "available"} == set()
    assert pipeline.materialize("S7") == 7 + 3 + 1 + ROUNDS - 1


def stopper(pipeline: Watched, runs: list[Run], chance: random.Random) -> Callable[[], object]:
    """One of the ways to stop something."""
    name = chance.choice(["S0", "S1", "S3", "S5", "R"])
    return chance.choice(
        [
            lambda: pipeline.cancel(name),
            lambda: pipeline.cancel(name),
            lambda: runs[0].cancel(),
            lambda: runs[1].cancel(name),
            lambda: pipeline.cancel(),
        ]
    )


def test_results_stay_where_they_are_while_a_run_makes_them(make: Callable[..., Watched], tmp_path: Path) -> None:
    pipeline = make(A=WAIT.format("A") + "1")
    run = pipeline.start("A")
    begun(pipeline, "A")
    with pytest.raises(RunInProgress, match="keeps its results where they are"):
        pipeline.move_to(tmp_path / "elsewhere.jo")
    go(pipeline, "A")
    assert run.result(20) == 1
    pipeline.move_to(tmp_path / "elsewhere.jo")
    assert str(pipeline.context.place).endswith("elsewhere.jo")


@pytest.mark.parametrize("stuck", [False, True], ids=["stops", "left behind"])
def test_what_a_cancelled_step_did_to_its_input_is_undone(stuck: bool, tmp_path: Path) -> None:
    """Nobody is given the changed value, whether its thread ends or not, or it waits for its next try."""
    pipeline = notebook("import time", tmp_path / "a.jo")
    pipeline.grace = 0.5
    pipeline.add(step("Load", "[3, 1, 2]"))
    pipeline.add(step("Bad", f"Load.sort()\nprint('sorted')\nfor _ in range(900): time.sleep({3 if stuck else 0.01})"))
    heard = Heard(pipeline)
    run = pipeline.start("Bad", executor="threads")
    soon(lambda: "output Bad" in heard.words("output"))
    pipeline.cancel("Bad")
    assert run.wait(20)
    assert (run.outcome.cancelled, bool(run.outcome.left_behind)) == (["Bad"], stuck)
    assert pipeline.context["Load"] == [3, 1, 2]
