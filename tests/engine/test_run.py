"""Carrying out a plan: each step once, early cutoff, failures, interrupts, and values nobody else may change."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.errors import RunInProgress, StepFailed
from tests.cases.making import Heard, Watched, notebook, step


def pipeline_of(*steps: tuple[str, str] | tuple[str, str, str], code: str = "", place: Path | None = None) -> Watched:
    """Steps as (name, body) or (name, body, dependencies)."""
    pipeline = notebook(code, place)
    for row in steps:
        pipeline.add(step(*row))
    return pipeline


CHAIN = (("A", "1"), ("B", "A + 1"), ("C", "B + 1"))
DIAMOND = (("A", "1"), ("L", "A + 1"), ("R", "A + 2"), ("T", "L + R"))


@pytest.mark.parametrize(
    ("steps", "head", "value"),
    [pytest.param(CHAIN, "C", 3, id="chain"), pytest.param(DIAMOND, "T", 5, id="diamond")],
)
def test_each_step_runs_once_and_then_never(steps: Any, head: str, value: int) -> None:
    pipeline = pipeline_of(*steps)
    assert pipeline.materialize(head) == value
    assert pipeline.ran() == [name for name, _ in steps]
    assert pipeline.materialize(head) == value
    assert pipeline.ran() == []


def test_only_what_is_needed_runs() -> None:
    pipeline = pipeline_of(*DIAMOND)
    assert pipeline.materialize("L") == 2
    assert pipeline.ran() == ["A", "L"]


def test_an_edit_runs_what_is_below_it() -> None:
    pipeline = pipeline_of(*DIAMOND)
    pipeline.materialize()
    pipeline.ran()
    pipeline.add(step("R", "A + 5"))
    assert pipeline.materialize("T") == 8
    assert pipeline.ran() == ["R", "T"]


def test_early_cutoff_keeps_everything_downstream() -> None:
    pipeline = pipeline_of(*CHAIN)
    pipeline.materialize()
    pipeline.ran()
    pipeline.add(step("A", "2 - 1"))
    heard = Heard(pipeline)
    assert [d.step for d in pipeline.plan() if d.reasons] == ["A", "B", "C"]
    assert pipeline.materialize("C") == 3
    assert pipeline.ran() == ["A"]
    assert heard.words("finished", "kept") == ["finished A", "kept B", "kept C"]
    assert pipeline.plan().to_run == ()


def test_early_cutoff_goes_on_where_a_value_did_change() -> None:
    pipeline = pipeline_of(*DIAMOND)
    pipeline.materialize()
    pipeline.ran()
    pipeline.add(step("A", "[1][0]"))
    pipeline.add(step("R", "A + 9"))
    assert pipeline.materialize("T") == 12
    assert pipeline.ran() == ["A", "R", "T"]


def test_an_edit_that_is_undone_runs_nothing() -> None:
    pipeline = pipeline_of(*CHAIN)
    pipeline.materialize()
    pipeline.ran()
    pipeline.add(step("A", "7"))
    pipeline.add(step("A", "1"))
    pipeline.materialize()
    assert pipeline.ran() == []


def test_a_failure_blocks_what_needs_it_and_nothing_else() -> None:
    pipeline = pipeline_of(("A", "1 / 0"), ("B", "A"), ("C", "B"), ("D", "4"))
    heard = Heard(pipeline)
    with pytest.raises(StepFailed) as caught:
        pipeline.materialize()
    assert isinstance(caught.value.__cause__, ZeroDivisionError)
    assert caught.value.step == "A"
    assert pipeline.ran() == ["A", "D"]
    assert pipeline.outcome is not None
    assert pipeline.outcome.blocked == {"B": "A", "C": "A"}
    assert heard.words("failed", "blocked", "finished", "ended") == [
        "failed A",
        "finished D",
        "blocked B",
        "blocked C",
        "ended",
    ] or heard.words("failed", "blocked", "finished", "ended") == [
        "failed A",
        "blocked B",
        "blocked C",
        "finished D",
        "ended",
    ]
    assert pipeline.context["D"] == 4
    assert "ZeroDivisionError" in pipeline.log("A")[-1].text
    assert pipeline.plan("A")["A"].reasons[0].text == "last run failed: ZeroDivisionError: division by zero"


def test_fail_fast() -> None:
    pipeline = pipeline_of(("A", "1 / 0"), ("D", "4"))
    heard = Heard(pipeline)
    with pytest.raises(StepFailed, match="A failed"):
        pipeline.materialize(fail_fast=True)
    assert pipeline.ran() == ["A"]
    assert heard.words("cancelled", "ended") == ["cancelled D", "ended"]


@pytest.mark.parametrize("jobs", [1, 2])
def test_fail_fast_tells_what_was_blocked_from_what_was_not_reached(jobs: int) -> None:
    pipeline = pipeline_of(("A", "1 / 0"), ("B", "A"), ("C", "B"), ("D", "4"), ("E", "D"))
    with pytest.raises(StepFailed):
        pipeline.materialize(fail_fast=True, jobs=jobs)
    assert pipeline.outcome is not None
    assert pipeline.outcome.blocked == {"B": "A", "C": "A"}
    assert "E" in pipeline.outcome.cancelled + pipeline.outcome.finished


def test_a_failed_step_runs_again_and_a_success_forgets_the_failure() -> None:
    pipeline = pipeline_of(("A", "if K: raise ValueError('no')\n5"), code="K = 1")
    for _ in range(2):
        with pytest.raises(StepFailed):
            pipeline.materialize("A")
    pipeline.today.namespace["K"] = 0
    assert pipeline.materialize("A") == 5
    assert pipeline.plan("A")["A"].availability == "available"
    assert dict(pipeline.context.failures) == {}


@pytest.mark.parametrize(
    "body", ["raise SystemExit(3)", "import sys; sys.exit()", "raise GeneratorExit", "raise BaseException('odd')"]
)
def test_whatever_a_step_raises_is_its_failure(body: str) -> None:
    pipeline = pipeline_of(("A", body), ("B", "2"))
    with pytest.raises(StepFailed):
        pipeline.materialize()
    assert pipeline.ran() == ["A", "B"]


def test_an_error_whose_text_raises() -> None:
    pipeline = pipeline_of(("A", "class Odd(Exception):\n    def __str__(self): raise OSError\nraise Odd"), ("B", "2"))
    with pytest.raises(StepFailed, match="A failed"):
        pipeline.materialize()
    assert pipeline.ran() == ["A", "B"]
    assert pipeline.context.failures["A"].error == "Odd"


def test_an_interrupt_keeps_what_is_finished() -> None:
    pipeline = pipeline_of(("A", "1"), ("B", "raise KeyboardInterrupt", "A"), ("C", "B"), ("D", "4"))
    heard = Heard(pipeline)
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize("C", "D")
    assert pipeline.context["A"] == 1
    assert "B" not in pipeline.context.failures
    assert heard.words("started", "finished", "failed", "cancelled", "ended")[:2] == ["started A", "finished A"]
    assert sorted(heard.words("cancelled"))[:2] == ["cancelled B", "cancelled C"]
    assert heard.words("cancelled").count("cancelled B") == 1
    assert heard.words("ended") == ["ended"]
    assert (pipeline.running, pipeline.queued, pipeline.is_running) == (frozenset(), frozenset(), False)
    pipeline.add(step("B", "2", "A"))
    pipeline.ran()
    assert pipeline.materialize("C") == 2
    assert pipeline.ran()[0] == "B"


def test_None_is_a_result_like_any_other(tmp_path: Path) -> None:
    pipeline = pipeline_of(("A", "None"), ("B", "A is None"), place=tmp_path / "a.jo")
    assert pipeline.materialize("B") is True
    assert pipeline.materialize("A") is None
    assert pipeline.ran() == ["A", "B"]
    again = pipeline_of(("A", "None"), ("B", "A is None"), place=tmp_path / "a.jo")
    assert again.materialize("A") is None
    assert again.ran() == []


MUTATES = (("A", "[1, 2]"), ("B", "A.append(3)\nlen(A)"), ("C", "len(A)", "A"), ("D", "B, C"))


@pytest.mark.parametrize("on_disk", [False, True])
def test_a_step_that_changes_its_input_harms_no_sibling_and_not_the_store(on_disk: bool, tmp_path: Path) -> None:
    pipeline = pipeline_of(*MUTATES, place=tmp_path / "a.jo" if on_disk else None)
    heard = Heard(pipeline)
    assert pipeline.materialize("D") == (3, 2)
    warning, *more = [event for event in heard.events if event.kind == "warning"]
    assert warning.text.startswith("B changed its input A; ")
    assert len(more) == (0 if on_disk else 1)  # that it runs again
    assert pipeline.ran().count("A") == (1 if on_disk else 2)
    assert pipeline.plan().to_run == ()
    if on_disk:
        assert pipeline_of(*MUTATES, place=tmp_path / "a.jo").context["A"] == [1, 2]


def test_a_value_that_the_user_changed_never_reaches_a_step(tmp_path: Path) -> None:
    pipeline = pipeline_of(("A", "{'a': [1]}"), ("B", "A['a']"), place=tmp_path / "a.jo")
    pipeline.materialize("A")["a"].append(99)
    heard = Heard(pipeline)
    assert pipeline.materialize("B") == [1]
    assert heard.words("warning") == ["warning A"]


def test_a_step_that_gives_its_input_on(tmp_path: Path) -> None:
    pipeline = pipeline_of(("A", "[1]"), ("B", "A"), ("C", "B.append(2)\nB"), ("D", "A, B, C"))
    assert pipeline.materialize("D") == ([1], [1], [1, 2])


def test_what_cannot_be_saved_stays_usable(tmp_path: Path) -> None:
    pipeline = pipeline_of(
        ("A", "{'lock': threading.Lock(), 'k': 7}"), ("B", "A['k']"), code="import threading", place=tmp_path / "a.jo"
    )
    heard = Heard(pipeline)
    assert pipeline.materialize("B") == 7
    assert heard.words("unsaved") == ["unsaved A"]
    assert pipeline.outcome is not None
    assert "lock" in pipeline.outcome.unsaved["A"]
    pipeline.ran()
    pipeline.materialize()
    assert pipeline.ran() == []
    fresh = notebook("import threading", tmp_path / "a.jo")
    fresh.resume()
    assert {d.step: (str(d.availability), str(d.action)) for d in fresh.plan()} == {
        "A": ("missing", "nothing"),
        "B": ("available", "load"),
    }


def test_the_story_of_a_run() -> None:
    pipeline = pipeline_of(("A", "print('hello')\n1"), ("B", "A + 1"))
    heard = Heard(pipeline)
    pipeline.materialize("B", echo=False)
    assert heard.words() == [
        "queued A",
        "queued B",
        "started A",
        "output A",
        "output A",
        "finished A",
        "started B",
        "finished B",
        "ended",
        "changed",
    ]
    assert len({event.run_id for event in heard.events if event.kind != "changed"}) == 1
    assert [(entry.kind, entry.text) for entry in pipeline.log("A")] == [("stdout", "hello\n")]


def test_loading_is_told(tmp_path: Path) -> None:
    pipeline_of(*CHAIN, place=tmp_path / "a.jo").materialize()
    again = pipeline_of(*CHAIN, place=tmp_path / "a.jo")
    heard = Heard(again)
    assert again.materialize("C") == 3
    assert heard.words("loaded", "started", "ended") == ["loaded C", "ended"]


def test_the_state_of_a_run_can_be_seen_from_inside() -> None:
    pipeline = pipeline_of(("A", "seen.append((pipeline.running, pipeline.queued))"), ("B", "A"), code="seen = []")
    pipeline.today.namespace["pipeline"] = pipeline
    pipeline.materialize("B")
    assert pipeline.today.namespace["seen"] == [(frozenset({"A"}), frozenset({"B"}))]


def test_a_run_inside_a_run_is_refused() -> None:
    pipeline = pipeline_of(("A", "pipeline.materialize('B')"), ("B", "2"))
    pipeline.today.namespace["pipeline"] = pipeline
    with pytest.raises(StepFailed) as caught:
        pipeline.materialize("A")
    assert isinstance(caught.value.__cause__, RunInProgress)
    assert pipeline.materialize("B") == 2


def test_tracebacks_begin_in_the_step() -> None:
    pipeline = pipeline_of(("A", "x = 1\nx / 0"))
    with pytest.raises(StepFailed) as caught:
        pipeline.materialize("A")
    cause = caught.value.__cause__
    assert cause is not None
    assert cause.__traceback__ is not None
    assert cause.__traceback__.tb_frame.f_code.co_filename == "<step A>"
    assert "x / 0" in pipeline.log("A")[-1].text
    assert "jo_notebook" not in pipeline.log("A")[-1].text


def test_a_step_that_wraps_its_streams_leaves_ours() -> None:
    before = sys.stdout
    pipeline = pipeline_of(
        ("A", "import contextlib, io\nwith contextlib.redirect_stdout(io.StringIO()) as s:\n    print(1)\ns.getvalue()")
    )
    assert pipeline.materialize("A") == "1\n"
    assert sys.stdout is before


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        pytest.param("import asyncio\nawait asyncio.sleep(0)\n5", 5, id="async"),
        pytest.param("yield 1\nyield 2", [1, 2], id="generator"),
        pytest.param("(i for i in 'ab')", ["a", "b"], id="a generator as the result"),
    ],
)
def test_kinds_of_steps(body: str, expected: Any) -> None:
    pipeline = pipeline_of(("A", body), ("B", "A"))
    assert pipeline.materialize("B") == expected
    assert pipeline.materialize("A") == expected


def test_printing_of_an_async_step_is_in_its_log() -> None:
    pipeline = pipeline_of(("A", "import asyncio\nprint(1)\nawait asyncio.sleep(0)\nprint(2)"))
    pipeline.materialize("A", echo=False)
    assert [entry.text for entry in pipeline.log("A")] == ["1\n2\n"]


# -- what a run records is what it ran with -----------------------------------------------------------


def test_a_global_that_a_step_writes_is_seen_by_the_next() -> None:
    pipeline = pipeline_of(("W", "global K\nK = 5"), ("R", "K", "W"), code="K = 1")
    assert pipeline.materialize("R") == 5
    pipeline.today.namespace["K"] = 1
    assert pipeline.plan("R")["R"].reasons[0].text == "constant K: 5 → 1"


def test_a_function_as_a_result_is_new_when_what_it_reads_is() -> None:
    pipeline = pipeline_of(("Make", "def f(x):\n    return x * K\nf"), ("Use", "Make(3)"), code="K = 10")
    assert pipeline.materialize("Use") == 30
    pipeline.today.namespace["K"] = 20
    assert pipeline.materialize("Use") == 60


def test_an_instance_as_a_result_is_new_when_its_class_is() -> None:
    code = "class Point:\n    def scale(self, k=%s):\n        return k"
    pipeline = pipeline_of(("Make", "Point()"), ("Use", "Make.scale()"), code=code % 1)
    assert pipeline.materialize("Use") == 1
    exec(code % 2, pipeline.today.namespace)
    assert pipeline.materialize("Use") == 2


def test_a_step_that_grows_a_global_stays_stale_and_says_why() -> None:
    pipeline = pipeline_of(("A", "DATA.append(1)\nlen(DATA)"), code="DATA = []")
    assert pipeline.materialize("A") == 1
    assert pipeline.plan("A")["A"].reasons[0].text == "constant DATA: [] → [1]"


def test_a_thousand_steps_in_a_chain() -> None:
    pipeline = notebook()
    pipeline.dag = type(pipeline.dag)([step("s0"), *(step(f"s{n}", f"s{n - 1} + 1") for n in range(1, 1000))])
    assert pipeline.materialize("s999") == 1000
    assert pipeline.plan("s999").to_run == ()


def test_a_lost_value_that_comes_out_otherwise_is_told_to_all_who_need_it() -> None:
    """`A` gives another value each time: who was up to date with the lost one has to run too."""
    code = "class Count:\n    n = 0\n    def __reduce__(self): raise TypeError\ncount = Count()"
    pipeline = pipeline_of(
        ("A", "count.n += 1\ncount.n", "none"), ("L", "A * 10"), ("R", "A * 100"), ("T", "L + R"), code=code
    )
    assert pipeline.materialize("T") == 110
    pipeline.ran()
    pipeline.context.drop_memory("A")
    pipeline.add(step("R", "A * 1000"))
    assert pipeline.materialize("T") == 20 + 2000
    assert pipeline.ran() == ["A", "L", "R", "T"]
    assert pipeline.plan().to_run == ()
