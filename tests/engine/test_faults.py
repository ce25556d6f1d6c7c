"""Steps that do what no step should: end Python, interrupt it, raise what cannot be told, fork, print without end."""

from __future__ import annotations

import os
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from jo_notebook.engine.stopping import interrupt_main
from jo_notebook.errors import StepFailed
from jo_notebook.verbs import outcome_text
from jo_notebook.views.machine import run_data
from tests.cases.making import Heard, Watched, notebook, step

BOTH = pytest.mark.parametrize("jobs", [1, 2])
CODE = """
import os, sys, subprocess, asyncio
class Stop(BaseException):
    pass
class Mute(Exception):
    def __str__(self):
        raise RuntimeError('no words')
    __repr__ = __str__
class Deaf(BaseException):
    def __str__(self):
        raise KeyboardInterrupt
"""
FORKS = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")


def with_a_neighbour(body: str, place: Path | None = None) -> Watched:
    """The step Odd, one that needs it, and one beside."""
    pipeline = notebook(CODE, place)
    pipeline.add(step("Beside", "1", "none"))
    pipeline.add(step("Odd", body, "none"))
    pipeline.add(step("Below", "Odd"))
    return pipeline


@BOTH
@pytest.mark.parametrize(
    ("body", "error"),
    [
        pytest.param("sys.exit()", "SystemExit", id="exit"),
        pytest.param("sys.exit(3)", "SystemExit: 3", id="exit with a code"),
        pytest.param("raise Stop('enough')", "Stop: enough", id="BaseException"),
        pytest.param("raise Mute", "Mute", id="no text"),
        pytest.param("raise Deaf", "Deaf", id="a text that interrupts"),
        pytest.param("raise GeneratorExit", "GeneratorExit", id="GeneratorExit"),
        pytest.param("raise asyncio.CancelledError", "CancelledError", id="CancelledError"),
    ],
)
def test_whatever_a_step_raises_is_its_failure(body: str, error: str, jobs: int, tmp_path: Path) -> None:
    pipeline = with_a_neighbour(f"print('before')\n{body}", tmp_path / "a.jo")
    with pytest.raises(StepFailed, match=f"Odd.* failed in a cell: {error}."):
        pipeline.materialize("Below", "Beside", jobs=jobs)
    assert pipeline.outcome is not None
    assert (pipeline.outcome.finished, pipeline.outcome.blocked) == (["Beside"], {"Below": "Odd"})
    assert pipeline.context.failures["Odd"].error == error
    assert [entry.kind for entry in pipeline.log("Odd")] == ["stdout", "error"]
    assert error.partition(":")[0] in pipeline.log("Odd")[-1].text
    assert "Odd failed" in outcome_text(pipeline)
    assert run_data(pipeline.outcome)["failed"]["Odd"].startswith(error.partition(":")[0])


@BOTH
def test_an_interrupt_that_a_step_raises_itself_is_one(jobs: int, tmp_path: Path) -> None:
    """Nobody can tell it from the user's: the run ends, what is finished is kept, the step has not failed."""
    pipeline = with_a_neighbour("raise KeyboardInterrupt", tmp_path / "a.jo")
    pipeline.materialize("Beside")
    heard = Heard(pipeline)
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize("Below", "Beside", jobs=jobs)
    assert heard.words("cancelled") == ["cancelled Odd", "cancelled Below"]
    assert dict(pipeline.context.failures) == {}
    assert pipeline.context["Beside"] == 1
    assert not pipeline.is_running


FORK = "pid = os.fork()\nif pid:\n    print('ended', os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\n"


@FORKS
@BOTH
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize(
    ("child", "code"),
    [
        pytest.param("", 0, id="returns"),
        pytest.param("if not pid:\n    1 / 0\n", 1, id="raises"),
        pytest.param("if not pid:\n    sys.exit(7)\n", 7, id="exits"),
        pytest.param("if not pid:\n    raise KeyboardInterrupt\n", 1, id="interrupts"),
    ],
)
def test_a_forked_child_ends_where_the_step_does(child: str, code: int, jobs: int, tmp_path: Path) -> None:
    """It stores nothing, tells nothing, and does not run what comes next."""
    pipeline = with_a_neighbour(f"{FORK}{child}pid > 0", tmp_path / "a.jo")
    me = os.getpid()
    heard = Heard(pipeline)
    pipeline.materialize("Below", "Beside", jobs=jobs)
    assert os.getpid() == me
    assert (pipeline.context["Below"], pipeline.context.older("Odd")) == (True, [])
    assert heard.words("finished").count("finished Odd") == 1
    assert "".join(entry.text for entry in pipeline.log("Odd")) == f"ended {code}\n"


@FORKS
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
@pytest.mark.parametrize("body", ["await asyncio.sleep(0)\n", "yield 1\n"])
def test_also_from_a_coroutine_and_a_generator(body: str, tmp_path: Path) -> None:
    pipeline = with_a_neighbour(f"{body}{FORK}", tmp_path / "a.jo")
    pipeline.materialize("Odd")
    assert "".join(entry.text for entry in pipeline.log("Odd")) == "ended 0\n"


@FORKS
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_what_a_child_says_is_shown(capfd: pytest.CaptureFixture[str]) -> None:
    """A child's prints go where they went without us; they are not in the log."""
    body = f"{FORK}else:\n    print('of the child')\n    1 / 0\n"
    body += "subprocess.run([sys.executable, '-c', 'print(\"of a program\")'], check=True)\n"
    pipeline = with_a_neighbour(body)
    pipeline.materialize("Odd")
    sys.stdout.flush()
    shown = capfd.readouterr()
    assert "of the child\n" in shown.out
    assert "of a program\n" in shown.out
    assert shown.err.count("ZeroDivisionError") == 1
    assert "".join(entry.text for entry in pipeline.log("Odd")) == "ended 1\n"


@BOTH
def test_a_hundred_megabytes_of_output(jobs: int, tmp_path: Path) -> None:
    pipeline = with_a_neighbour(
        "for n in range(100):\n    print('x' * 1_000_000)\nprint('the end')\n", tmp_path / "a.jo"
    )
    began = time.monotonic()
    pipeline.materialize("Odd", "Beside", jobs=jobs, echo=False)
    assert time.monotonic() - began < 20
    log = pipeline.log("Odd")
    assert sum(len(entry.text) for entry in log) < 1_200_000
    assert log[0].text.startswith("xxx")
    assert "characters are left out here" in log[1].text
    assert log[-1].text.endswith("x\nthe end\n")
    assert pipeline.context.size() < 2_000_000


@pytest.mark.parametrize("jobs", [1, 2])
@pytest.mark.parametrize("on_disk", [True, False])
def test_what_a_failing_step_did_to_its_input_is_undone(jobs: int, on_disk: bool, tmp_path: Path) -> None:
    pipeline = notebook("", tmp_path / "a.jo" if on_disk else None)
    pipeline.add(step("Load", "[3, 1, 2]"))
    pipeline.add(step("Bad", "Load.sort()\n1 / 0"))
    pipeline.add(step("Good", "Load[0]"))
    pipeline.materialize("Load")
    with pytest.raises(StepFailed):
        pipeline.materialize("Bad", jobs=jobs)
    assert any("Bad changed its input Load" in warning for warning in pipeline.outcome.warnings)
    assert pipeline.context.get("Load", [3, 1, 2]) == [3, 1, 2]
    assert pipeline.materialize("Good", jobs=jobs) == 3


def test_what_an_interrupted_step_did_to_its_input_is_undone() -> None:
    pipeline = notebook("")
    pipeline.add(step("Load", "[3, 1, 2]"))
    pipeline.add(step("Stopped", "Load.sort()\nraise KeyboardInterrupt"))
    pipeline.materialize("Load")
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize("Stopped")
    assert "Load" not in pipeline.context, "it was in memory only"
    assert pipeline.materialize("Load") == [3, 1, 2]


@pytest.mark.parametrize("jobs", [1, 2])
def test_what_a_try_did_to_its_input_is_undone_where_no_other_try_comes(jobs: int, tmp_path: Path) -> None:
    pipeline = notebook("", tmp_path / "a.jo")
    pipeline.add(step("Load", "[3, 1, 2]"))
    pipeline.add(replace(step("Bad", "Load.sort()\n1 / 0"), retries=1, backoff=60.0))
    pipeline.listen(lambda event: threading.Timer(0.3, interrupt_main).start() if event.kind == "retry" else None)
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize("Bad", jobs=jobs)
    assert pipeline.context["Load"] == [3, 1, 2]
