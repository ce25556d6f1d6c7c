"""A failing step is tried again, as often as its line says, over inputs that are as they were."""

from __future__ import annotations

import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.core.events import Event
from jo_notebook.errors import StepFailed
from jo_notebook.verbs import outcome_text
from tests.cases.making import Heard, Watched, notebook, step

COUNTED = "import threading, time\ntries = []\ndef flaky(good, n=0):\n    tries.append(time.monotonic())\n"
COUNTED += "    print('try', len(tries))\n    if len(tries) < good:\n        raise ValueError(f'no {len(tries)}')\n"
COUNTED += "    return good\n"
BOTH = pytest.mark.parametrize("jobs", [1, 2])


def pipeline_of(body: str, place: Path | None = None, above: str = "[1]", **options: Any) -> Watched:
    """A, then B over it with these options, and a step beside them."""
    pipeline = notebook(COUNTED, place)
    pipeline.add(step("A", above))
    pipeline.add(replace(step("B", body), ignore=("flaky", "tries"), **options))
    pipeline.add(step("Beside", "1"))
    return pipeline


@BOTH
def test_a_step_that_fails_is_tried_again(jobs: int, tmp_path: Path) -> None:
    pipeline = pipeline_of("A\nflaky(3)", tmp_path / "a.jo", retries=3)
    heard = Heard(pipeline)
    assert pipeline.materialize("B", "Beside", jobs=jobs)["B"] == 3
    assert heard.words("started", "retry", "finished", "failed").count("retry B") == 2
    assert heard.words("started", "finished", "failed").count("started B") == 1
    told = [event.text for event in heard.events if event.kind == "retry"]
    assert told[0] == "B failed, try 1 of 4 (ValueError: no 1); again now."
    log = "".join(entry.text for entry in pipeline.log("B"))
    places = [log.index(word) for word in ("try 1\n", "ValueError: no 1", told[0], "try 2\n", told[1], "try 3\n")]
    assert places == sorted(places)
    assert "Note: B took 3 tries." in outcome_text(pipeline)
    assert dict(pipeline.context.failures) == {}
    assert pipeline.plan().to_run == ()


@BOTH
def test_the_failure_is_that_of_the_last_try(jobs: int) -> None:
    pipeline = pipeline_of("A\nflaky(9)", retries=2)
    heard = Heard(pipeline)
    with pytest.raises(StepFailed, match="no 3"):
        pipeline.materialize("B", "Beside", jobs=jobs)
    assert len(pipeline.today.namespace["tries"]) == 3
    assert heard.words("failed") == ["failed B"]
    assert pipeline.context.failures["B"].error == "ValueError: no 3"
    assert pipeline.log("B")[-1].kind == "error"
    assert pipeline.context["Beside"] == 1


def test_without_retries_a_step_is_tried_once() -> None:
    pipeline = pipeline_of("A\nflaky(2)")
    with pytest.raises(StepFailed):
        pipeline.materialize("B")
    assert len(pipeline.today.namespace["tries"]) == 1


@BOTH
def test_the_pause_is_doubled_each_time(jobs: int) -> None:
    pipeline = pipeline_of("A\nflaky(4)", retries=3, backoff=0.05)
    heard = Heard(pipeline)
    pipeline.materialize("B", "Beside", jobs=jobs)
    tries = pipeline.today.namespace["tries"]
    for pause, one, next_one in zip((0.05, 0.1, 0.2), tries, tries[1:], strict=False):
        assert next_one - one >= pause
    assert [event.text.rpartition("; ")[2] for event in heard.events if event.kind == "retry"] == [
        "again in 0.05 s.",
        "again in 0.1 s.",
        "again in 0.2 s.",
    ]


@BOTH
def test_the_record_is_that_of_the_last_try(jobs: int) -> None:
    pipeline = pipeline_of("A\ntime.sleep(0.6 if not tries else 0)\nflaky(2)", retries=1, backoff=0.1)
    pipeline.materialize("B", "Beside", jobs=jobs)
    assert pipeline.context.records["B"].seconds < 0.6


@BOTH
@pytest.mark.parametrize("on_disk", [False, True])
def test_a_try_does_not_see_what_the_one_before_it_did_to_its_input(jobs: int, on_disk: bool, tmp_path: Path) -> None:
    pipeline = pipeline_of("A.append(2)\nflaky(2)\nlen(A)", tmp_path / "a.jo" if on_disk else None, retries=1)
    assert pipeline.materialize("B", "Beside", jobs=jobs)["B"] == 2
    assert pipeline.materialize("A") == [1]


@BOTH
@pytest.mark.parametrize("body", ["raise SystemExit(2)", "raise BaseException('odd')"])
def test_whatever_fails_is_tried_again(jobs: int, body: str) -> None:
    pipeline = pipeline_of(f"A\nif not tries:\n    tries.append(1)\n    {body}\n5", retries=1)
    assert pipeline.materialize("B", "Beside", jobs=jobs)["B"] == 5


@BOTH
def test_an_interrupt_is_no_failure(jobs: int) -> None:
    pipeline = pipeline_of("A\ntries.append(1)\nraise KeyboardInterrupt", retries=5)
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize("B", "Beside", jobs=jobs)
    assert pipeline.today.namespace["tries"] == [1]


@BOTH
def test_an_interrupt_ends_the_pause(jobs: int) -> None:
    pipeline = pipeline_of("A\nflaky(9)", retries=5, backoff=30)
    heard = Heard(pipeline)

    def hear(event: Event) -> None:
        if event.kind == "retry":
            threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT)).start()

    pipeline.listen(hear)
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize("B", "Beside", jobs=jobs)
    assert time.monotonic() - began < 8
    assert "cancelled B" in heard.words("cancelled")
    assert len(pipeline.today.namespace["tries"]) == 1


def test_fail_fast_lets_a_step_that_has_begun_try_again() -> None:
    """It runs, as far as anybody is told; nothing new begins."""
    pipeline = pipeline_of("flaky(2)", retries=1, backoff=0.3)
    pipeline.add(step("Bad", "while not tries: pass\n1 / 0"))
    pipeline.add(replace(pipeline.dag["Bad"], ignore=("tries",)))
    pipeline.add(step("Next", "B"))
    with pytest.raises(StepFailed, match="Bad failed"):
        pipeline.materialize("Bad", "Next", jobs=2, fail_fast=True)
    assert pipeline.context["B"] == 2
    assert "Next" not in pipeline.context


def test_a_pause_keeps_no_place() -> None:
    """With two places, three steps that each wait for their second try: two others meet meanwhile."""
    pipeline = notebook(COUNTED + "meet = threading.Barrier(2)\nfirst = set()\n")
    flaky = "if '{0}' not in first:\n    first.add('{0}')\n    raise ValueError\n1"
    for name in ("A", "B", "C"):
        pipeline.add(replace(step(name, flaky.format(name)), ignore=("first",), retries=1, backoff=1.5))
    pipeline.add(step("D", "meet.wait(10)\n1"))
    pipeline.add(step("E", "meet.wait(10)\n2"))
    heard = Heard(pipeline)
    pipeline.materialize(jobs=2)
    words = heard.words("finished", "started")
    assert words.index("finished E") < words.index("finished A")


@BOTH
def test_what_never_began_is_not_tried_again(jobs: int) -> None:
    """An input that cannot be had, or code that cannot be compiled, is not a failing run."""
    pipeline = pipeline_of("A + 1", above="1 / 0", retries=3)
    heard = Heard(pipeline)
    with pytest.raises(StepFailed, match="A, which"):
        pipeline.materialize("B", "Beside", jobs=jobs)
    assert heard.words("retry") == []


def test_a_declared_file_that_appears_late(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    body = "A\ntries.append(1)\nif len(tries) > 1: open('out.txt', 'w').close()\n1"
    pipeline = pipeline_of(body, writes=("out.txt",), retries=2)
    assert pipeline.materialize("B") == 1
    assert pipeline.today.namespace["tries"] == [1, 1]


def test_retries_are_no_part_of_what_makes_a_result() -> None:
    pipeline = pipeline_of("len(A)")
    pipeline.materialize()
    pipeline.add(replace(pipeline.dag["B"], retries=3, backoff=1.0, timeout=60.0))
    assert pipeline.plan().to_run == ()


@BOTH
@pytest.mark.parametrize(
    ("names", "tries"), [(("ValueError",), 3), (("LookupError", "OSError"), 1), (("Exception",), 3)]
)
def test_it_is_tried_again_after_certain_errors_only(jobs: int, names: tuple[str, ...], tries: int) -> None:
    pipeline = pipeline_of("A\nflaky(9)", retries=2, retry_on=names)
    with pytest.raises(StepFailed):
        pipeline.materialize("B", "Beside", jobs=jobs)
    assert len(pipeline.today.namespace["tries"]) == tries
