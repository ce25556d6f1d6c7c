"""The one object a user holds: its verbs, over memory and over a directory that another kernel takes up."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.core.definition import Definition, Origin
from jo_notebook.errors import (
    CycleError,
    DuplicateStepError,
    RunInProgress,
    StepFailed,
    UnknownStepError,
    UntrustedError,
    UsageError,
)
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context
from jo_notebook.verbs import outcome_text
from tests.cases.making import Heard, Watched, notebook, step, texts_of


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "analysis.jo"


def with_steps(pipeline: Watched, *steps: Definition) -> Watched:
    for definition in steps:
        pipeline.add(definition)
    return pipeline


CHAIN = (step("A", "1"), step("B", "A + 1"), step("C", "B + 1"))


# -- steps --------------------------------------------------------------------------------------------


def test_running_a_cell_again_replaces_its_step() -> None:
    pipeline = with_steps(notebook(), *CHAIN, step("A", "5", cell="one"))
    pipeline.add(step("A", "6", cell="one"))
    assert pipeline.materialize("C") == 8
    assert list(pipeline.dag) == ["A", "B", "C"]


def test_two_cells_cannot_claim_one_name() -> None:
    pipeline = with_steps(notebook(), step("A", "1", cell="first"))
    with pytest.raises(DuplicateStepError, match=r"called A: cell first has it, and cell second claims the name too"):
        pipeline.add(step("A", "2", cell="second"))
    assert pipeline.materialize("A") == 1


@pytest.mark.parametrize(
    ("before", "after"),
    [
        pytest.param("", "second", id="the first has no id"),
        pytest.param("first", "", id="the second has no id"),
        pytest.param("gone", "second", id="the first cell was deleted"),
    ],
)
def test_a_claim_that_nobody_disputes(before: str, after: str) -> None:
    pipeline = with_steps(notebook(), step("A", "1", cell=before))
    pipeline.gone_cells = frozenset({"gone"})
    pipeline.add(step("A", "2", cell=after))
    assert pipeline.materialize("A") == 2


def test_a_remembered_step_may_be_claimed_by_any_cell(place: Path) -> None:
    with_steps(notebook(place=place), step("A", "1", cell="first")).materialize()
    fresh = notebook(place=place)
    fresh.resume()
    fresh.add(step("A", "1", cell="second"))
    assert fresh.dag["A"].origin.cell_id == "second"


def test_a_renamed_step_takes_its_place_and_its_definition_leaves_the_disk(place: Path) -> None:
    pipeline = with_steps(notebook(place=place), *CHAIN)
    pipeline.materialize()
    pipeline.add(step("New", "1", cell="x"), replacing=["A"])
    assert list(pipeline.dag) == ["New", "B", "C"]
    assert set(Context(place).definitions()) == {"New", "B", "C"}


def test_a_cycle_changes_nothing() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    before = pipeline.dag
    with pytest.raises(CycleError):
        pipeline.add(step("A", "C"))
    assert pipeline.dag is before


def test_a_name_that_is_both_a_dependency_and_a_parameter() -> None:
    with pytest.raises(UsageError, match="B: x is a dependency and a parameter"):
        notebook().add(step("B", "x", "x=A", x=1))


def test_remove_keeps_the_result() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    pipeline.materialize()
    heard = Heard(pipeline)
    pipeline.remove("C")
    assert "C" not in pipeline.dag
    assert pipeline.context["C"] == 3
    assert heard.words() == ["changed"]


def test_parameters() -> None:
    pipeline = with_steps(notebook(), step("A", "alpha * 2", alpha=2))
    assert pipeline.materialize("A") == 4
    pipeline.add(step("A", "alpha * 2", alpha=3))
    assert pipeline.explain("A").reasons[0].text == "param alpha: 2 → 3"
    assert pipeline.materialize("A") == 6


def test_an_input_under_another_name() -> None:
    assert with_steps(notebook(), *CHAIN, step("D", "x + y", "x=A,y=C")).materialize("D") == 4


# -- verbs --------------------------------------------------------------------------------------------


def test_one_head_gives_its_value_and_several_a_mapping() -> None:
    pipeline = with_steps(notebook(), *CHAIN, step("D", "4"))
    assert pipeline.materialize("A") == 1
    assert dict(pipeline.materialize("A", "C")) == {"A": 1, "C": 3}
    assert dict(pipeline.materialize()) == {"C": 3, "D": 4}
    assert dict(notebook().materialize()) == {}


def test_an_unknown_head_runs_nothing() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    with pytest.raises(UnknownStepError, match="no step called 'Z'"):
        pipeline.materialize("A", "Z")
    assert pipeline.ran() == []


def test_an_undefined_dependency_runs_nothing() -> None:
    pipeline = with_steps(notebook(), step("Load", "1"), step("Model", "Laod", "Load,Laod"))
    with pytest.raises(UnknownStepError, match=r"Model depends on Laod, which is not registered. Did you mean Load\?"):
        pipeline.materialize("Model")
    assert pipeline.ran() == []
    assert pipeline.plan("Model")["Model"].reasons[-1].text == "Laod is not registered yet"


def test_force_runs_the_head_and_not_what_it_needs() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    pipeline.materialize()
    pipeline.ran()
    pipeline.materialize("B", force=True)
    assert pipeline.ran() == ["B"]
    pipeline.materialize(force=True)
    assert pipeline.ran() == ["C"]


def test_only_takes_what_is_upstream_as_it_is() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    pipeline.materialize()
    pipeline.ran()
    pipeline.add(step("A", "10"))
    pipeline.add(step("C", "B + 100"))
    assert pipeline.materialize("C", only=True) == 102
    assert pipeline.ran() == ["C"]
    assert pipeline.materialize("C") == 111
    assert pipeline.ran() == ["A", "B", "C"]


def test_only_runs_nothing_upstream_even_where_a_value_is_lost() -> None:
    """What was in memory only has to run again; its stale neighbour is still taken as it is."""
    pipeline = with_steps(notebook(), step("P", "1"), step("Q", "P + 1"), step("H", "P + Q"))
    pipeline.materialize()
    pipeline.ran()
    pipeline.add(step("Q", "P + 50"))
    pipeline.add(step("H", "P + Q + 0"))
    pipeline.context.drop_memory("P")
    assert pipeline.materialize("H", only=True) == 3
    assert pipeline.ran() == ["P", "H"]


def test_forget() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    pipeline.materialize()
    pipeline.ran()
    pipeline.forget("A", "B")
    assert "A" not in pipeline.context
    assert pipeline.plan("C")["A"].reasons[0].text == "no result"
    pipeline.materialize()
    assert pipeline.ran() == ["A", "B"], "the value of C is the same, so it is kept"


def test_forget_wants_names_it_knows() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    with pytest.raises(UsageError, match="which steps"):
        pipeline.forget()
    with pytest.raises(UnknownStepError):
        pipeline.forget("Z")
    pipeline.materialize()
    pipeline.remove("C")
    pipeline.forget("C")
    assert "C" not in pipeline.context


def test_log_of_an_unknown_step() -> None:
    with pytest.raises(UnknownStepError):
        notebook().log("A")


def test_explain_and_steps() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    assert [reason.text for reason in pipeline.explain("B").reasons] == ["no result", "upstream A will run"]
    assert [decision.step for decision in pipeline.steps()] == ["A", "B", "C"]


def test_a_step_whose_cell_is_gone_is_an_orphan() -> None:
    pipeline = with_steps(notebook(), step("A", "1", cell="a"), step("B", "A", cell="b"))
    pipeline.gone_cells = frozenset({"b"})
    assert pipeline.orphans == {"B"}
    assert pipeline.plan().heads == ()
    assert dict(pipeline.materialize()) == {}


def test_a_failure_says_which_head_needed_it() -> None:
    pipeline = with_steps(notebook(), step("A", "1 / 0", cell="a"), step("B", "A"))
    with pytest.raises(
        StepFailed, match=r"^A, which B needs, failed in cell a: ZeroDivisionError: division by zero\.$"
    ):
        pipeline.materialize("B")


def test_a_failure_with_fail_fast_is_told_and_not_what_did_not_run() -> None:
    pipeline = with_steps(notebook(), step("A", "1 / 0"), step("B", "2"))
    with pytest.raises(StepFailed, match="A failed"):
        pipeline.materialize("A", "B", fail_fast=True)


# -- what the notebook's names mean -------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "edit", "reason"),
    [
        pytest.param("K = 10", "K = 20", "constant K: 10 → 20", id="constant"),
        pytest.param("K = [1]", "K.append(2)", "constant K: [1] → [1, 2]", id="in place"),
        pytest.param("def K(): return 1", "def K(): return 2", "helper K() changed", id="helper"),
        pytest.param("class K: x = 1", "class K: x = 2", "class K changed", id="class"),
        pytest.param("import math as K", "import cmath as K", "import K: math → cmath", id="import"),
        pytest.param("K = 1", "del K", "constant K: 1 → not defined", id="deleted"),
        pytest.param("", "K = 1", "constant K: not defined → 1", id="defined"),
    ],
)
def test_a_plan_sees_an_edit_at_once(before: str, edit: str, reason: str) -> None:
    pipeline = with_steps(notebook(before), step("A", "'K' in globals() and K\n1"))
    pipeline.materialize()
    assert pipeline.plan("A").to_run == ()
    exec(edit, pipeline.today.namespace)
    assert [r.text for r in pipeline.plan("A")["A"].reasons] == [reason]


def test_what_cannot_be_compared_is_told() -> None:
    pipeline = with_steps(notebook("import threading\nlock = threading.Lock()"), step("A", "lock\neval('1')"))
    assert pipeline.plan("A")["A"].untracked == ("eval", "lock")


# -- another kernel over the same directory -----------------------------------------------------------

CODE = """
import math
K = 3
def inner(x):
    return math.floor(x) + K
def helper(x, y=K):
    return inner(x) + y
class Point:
    def __init__(self, x):
        self.x = helper(x)
"""


def test_resume_needs_no_cell(place: Path) -> None:
    pipeline = with_steps(notebook(CODE, place), step("A", "helper(1.5)"), step("B", "Point(A).x + alpha", alpha=100))
    assert pipeline.materialize("B") == 113
    fresh = Pipeline.open(place)
    assert list(fresh.dag) == ["A", "B"]
    assert fresh.plan("B").to_run == ()
    assert fresh.today.namespace == {"__name__": "__main__"}, "nothing was run"
    assert fresh.materialize("B") == 113
    fresh.forget("A", "B")
    assert fresh.materialize("B") == 113, "imports, helpers and constants come back"
    assert fresh.plan("B").to_run == (), "and are the same"
    assert Pipeline.open(place).plan("B").to_run == ()


def test_the_text_of_helpers_comes_back_with_them(place: Path) -> None:
    code = "K = 3\ndef helper(x):\n    return x + K  # so"
    with_steps(notebook(code, place), step("A", "helper(1)")).materialize()
    fresh = Pipeline.open(place)
    fresh.forget("A")
    assert fresh.materialize("A") == 4
    fresh.today.namespace.clear()
    fresh.today.namespace["__name__"] = "__main__"
    exec(code, fresh.today.namespace)
    fresh.today.statement = texts_of(code).get
    assert fresh.plan("A").to_run == (), "running the cells themselves changes nothing"


def test_a_needed_value_that_is_no_code_is_asked_for(place: Path) -> None:
    pipeline = with_steps(notebook("import numpy\ndata = numpy.arange(3)", place), step("A", "int(data.sum())"))
    assert pipeline.materialize("A") == 3
    fresh = Pipeline.open(place)
    assert fresh.materialize("A") == 3
    fresh.forget("A")
    with pytest.raises(StepFailed, match=r"data.*run the cell that defines it"):
        fresh.materialize("A")


def test_steps_that_never_ran_are_remembered_too(place: Path) -> None:
    pipeline = with_steps(notebook(place=place), *CHAIN)
    pipeline.materialize("A")
    assert list(Pipeline.open(place).dag) == ["A", "B", "C"]


def test_resuming_twice_takes_in_nothing_new(place: Path) -> None:
    with_steps(notebook(place=place), *CHAIN).materialize()
    fresh = notebook(place=place)
    assert fresh.resume() == ["A", "B", "C"]
    assert fresh.resume() == []


def test_a_cell_that_ran_wins_over_what_is_remembered(place: Path) -> None:
    with_steps(notebook(place=place), *CHAIN).materialize()
    fresh = with_steps(notebook(place=place), step("A", "10"))
    assert fresh.resume() == ["B", "C"]
    assert fresh.materialize("C") == 12


def test_a_definition_that_is_not_understood_is_a_problem_not_an_error(place: Path) -> None:
    with_steps(notebook(place=place), *CHAIN).materialize()
    Context(place).save_definition("B", {"name": "B", "text": "x = = 1"})
    fresh = Pipeline.open(place)
    assert "B" in " ".join(fresh.problems)
    assert {"A", "C"} <= set(fresh.dag)


@pytest.mark.parametrize("name", ["missing.jo", "missing.ipynb"])
def test_open_where_there_is_nothing(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match=r"There is no context at .*missing\.jo"):
        Pipeline.open(tmp_path / name)


def test_open_by_the_name_of_the_notebook(place: Path) -> None:
    with_steps(notebook(place=place), *CHAIN).materialize()
    assert list(Pipeline.open(place.with_suffix(".ipynb")).dag) == ["A", "B", "C"]


def test_what_was_made_elsewhere_does_not_run(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = with_steps(notebook("def helper(): return 1", place), step("A", "helper()"), step("B", "A + 1"))
    pipeline.materialize("A")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(place.parent / "somebody else"))
    fresh = Pipeline.open(place)
    assert not fresh.dag["A"].trusted
    assert [d.step for d in fresh.plan("B")] == ["A", "B"], "looking is fine"
    assert fresh.materialize("A") == 1, "plain data are read, from whomever"
    for head, force in (("B", False), ("A", True)):
        with pytest.raises(UntrustedError):
            fresh.materialize(head, force=force)
    assert fresh.today.namespace == {"__name__": "__main__"}
    assert fresh.trust() == ["A", "B"]
    assert fresh.materialize("B") == 2


def test_move_to(place: Path) -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    pipeline.materialize()
    pipeline.move_to(place)
    assert pipeline.plan().to_run == ("A", "B", "C")
    pipeline.materialize()
    assert list(Pipeline.open(place).dag) == ["A", "B", "C"]


def test_two_kernels_share_results(place: Path) -> None:
    one = with_steps(notebook(place=place), *CHAIN)
    other = with_steps(notebook(place=place), *CHAIN)
    one.materialize()
    assert other.materialize("C") == 3
    assert other.ran() == []


# -- listeners ----------------------------------------------------------------------------------------


def test_a_listener_that_raises_stops_nobody() -> None:
    pipeline = with_steps(notebook(), *CHAIN)

    def broken(event: Any) -> None:
        raise ValueError("broken picture")

    pipeline.listen(broken)
    heard = Heard(pipeline)
    assert pipeline.materialize("C") == 3
    assert heard.words("finished") == ["finished A", "finished B", "finished C"]
    assert "ValueError in a listener: broken picture" in pipeline.problems


def test_a_listener_can_leave() -> None:
    pipeline, heard = notebook(), []
    leave = pipeline.listen(heard.append)
    pipeline.add(step("A", "1"))
    leave()
    leave()
    pipeline.add(step("A", "2"))
    assert [(event.kind, event.step) for event in heard] == [("changed", "A")]


def test_a_listener_may_look_at_the_plan() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    seen: list[int] = []
    pipeline.listen(lambda event: seen.append(len(pipeline.plan().to_run)))
    pipeline.materialize()
    assert seen[-1] == 0


def test_a_request_without_a_front_end() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    pipeline.request({"verb": "materialize", "step": "B"})
    assert pipeline.ran() == ["A", "B"]
    with pytest.raises(UsageError):
        pipeline.request({"verb": "forget", "step": "B"})


def test_a_second_run_from_another_thread_is_refused() -> None:
    pipeline = with_steps(notebook("import threading"), step("A", "inside.set()\ngo.wait(20)\n1"), step("B", "2"))
    inside, go = threading.Event(), threading.Event()
    pipeline.today.namespace.update(inside=inside, go=go)
    thread = threading.Thread(target=pipeline.materialize, args=("A",))
    thread.start()
    assert inside.wait(20)
    with pytest.raises(RunInProgress):
        pipeline.materialize("B")
    assert pipeline.is_running
    go.set()
    thread.join()
    assert not pipeline.is_running
    assert pipeline.materialize("B") == 2


# -- what a second reading found ------------------------------------------------------------------------


def foreign(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Watched:
    """A pipeline over a directory that somebody with another key has made; its step A needs `bait`."""
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "theirs"))
    theirs = notebook(place=place)
    theirs.today.namespace["bait"] = 1
    with_steps(theirs, step("A", "[bait]")).materialize()
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "ours"))
    ours = notebook(place=place)
    ours.resume()
    assert not ours.dag["A"].trusted
    return ours


def test_a_cell_does_not_inherit_what_a_stranger_says_it_needs(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Needs are code: our own cell over a foreign step brings none of theirs back."""
    ours = foreign(place, monkeypatch, tmp_path)
    assert ours.dag["A"].needs
    ours.add(step("A", "[bait]"))
    assert not ours.dag["A"].needs
    with pytest.raises(StepFailed, match="bait"):
        ours.materialize("A", force=True)
    assert "bait" not in ours.today.namespace


def test_a_foreign_step_is_never_prepared(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Also not when a run comes to it by itself, without its being in the plan."""
    ours = foreign(place, monkeypatch, tmp_path)
    with pytest.raises(UntrustedError, match="somebody else"):
        ours.today.prepare(ours.dag, "A")
    assert "bait" not in ours.today.namespace


def test_a_head_that_has_to_run_again_and_fails_is_a_failed_step() -> None:
    pipeline = with_steps(notebook(), step("A", "[1]"))
    pipeline.materialize("A").append(2)
    pipeline.today.prepare = _breaking(pipeline)  # type: ignore[method-assign]
    with pytest.raises(StepFailed, match="A failed"):
        pipeline.materialize("A")


def test_a_step_whose_input_runs_again_and_fails_is_blocked() -> None:
    pipeline = with_steps(notebook(), step("A", "[1]"), step("B", "len(A)"))
    pipeline.materialize("A").append(2)
    pipeline.today.prepare = _breaking(pipeline)  # type: ignore[method-assign]
    with pytest.raises(StepFailed, match="A, which B needs, failed"):
        pipeline.materialize("B")
    assert pipeline.outcome is not None
    assert pipeline.outcome.blocked == {"B": "A"}
    assert "B" not in pipeline.context.failures


def _breaking(pipeline: Watched) -> Any:
    """From now on A raises, with no change that a plan could see (the weather, a server that is down)."""
    prepare = pipeline.today.prepare

    def prepared(graph: Any, name: str) -> Any:
        function, params = prepare(graph, name)

        def down(**inputs: Any) -> Any:
            raise ValueError("now")

        return (down if name == "A" else function), params

    return prepared


def test_a_step_goes_also_where_the_disk_refuses_to_forget_it(place: Path) -> None:
    pipeline = with_steps(notebook(place=place), *CHAIN)
    pipeline.materialize()
    (held,) = (place / "definitions").glob("c-*")
    held.unlink()
    held.mkdir()
    (held / "in the way").touch()
    pipeline.remove("C")
    assert list(pipeline.dag) == ["A", "B"]
    pipeline.add(step("B2", "A + 1"), replacing=["B"])
    assert list(pipeline.dag) == ["A", "B2"]


# -- a result under another name, blessed, pinned -------------------------------------------------------


@pytest.mark.parametrize("on_disk", [True, False], ids=["on disk", "in memory"])
def test_a_renamed_step_keeps_its_result(place: Path, on_disk: bool) -> None:
    """What makes a result this one does not include the name: the value, its record and its log move over."""
    pipeline = with_steps(notebook(place=place if on_disk else None), step("A", "print('hello')\n[1]", cell="c"))
    pipeline.materialize(echo=False)
    pipeline.ran()
    pipeline.add(step("New", "print('hello')\n[1]", cell="c"), replacing=["A"])
    assert pipeline.explain("New").availability == "available"
    assert pipeline.materialize("New") == [1]
    assert pipeline.ran() == []
    assert "A" not in pipeline.context.records
    assert pipeline.log("New")[0].text == "hello\n"
    if on_disk:
        assert Pipeline.open(place).materialize("New") == [1]


def test_a_rename_with_an_edit_runs() -> None:
    pipeline = with_steps(notebook(), step("A", "1", cell="c"))
    pipeline.materialize()
    pipeline.add(step("New", "2", cell="c"), replacing=["A"])
    assert pipeline.explain("New").availability == "missing"
    assert pipeline.materialize("New") == 2


def test_what_is_below_a_renamed_step_is_kept(place: Path) -> None:
    """Both cells are run again under the new name: no step runs."""
    pipeline = with_steps(notebook(place=place), step("A", "1", cell="a"), step("B", "x + 1", "x=A", cell="b"))
    pipeline.materialize()
    pipeline.ran()
    pipeline.add(step("New", "1", cell="a"), replacing=["A"])
    pipeline.add(step("B", "x + 1", "x=New", cell="b"))
    assert pipeline.plan().to_run == ()
    assert pipeline.materialize("B") == 2
    assert pipeline.ran() == []


def test_a_result_of_a_name_that_nobody_registered_is_copied(place: Path) -> None:
    """The step's cell went with its kernel; the same code under a new name finds the result, and the old one stays."""
    with_steps(notebook(place=place), step("A", "[1]")).materialize()
    fresh = with_steps(notebook(place=place), step("New", "[1]"))
    assert fresh.explain("New").availability == "available"
    assert fresh.materialize("New") == [1]
    assert fresh.ran() == []
    assert set(Context(place).records) == {"A", "New"}


def test_a_step_that_is_there_keeps_its_result_to_itself(place: Path) -> None:
    """Two steps of one code are two steps."""
    pipeline = with_steps(notebook(place=place), step("A", "[1]"))
    pipeline.materialize()
    pipeline.add(step("Twin", "[1]"))
    assert pipeline.explain("Twin").availability == "missing"


def test_a_strangers_result_is_not_taken_over(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours = foreign(place, monkeypatch, tmp_path)
    ours.remove("A")
    ours.today.namespace["bait"] = 1
    ours.add(step("New", "[bait]"))
    assert ours.explain("New").availability == "missing"
    assert ours.materialize("New") == [1]


def test_accept(place: Path) -> None:
    """It survives in the directory, and a later edit counts."""
    pipeline = with_steps(notebook(place=place), *CHAIN)
    pipeline.materialize()
    pipeline.ran()
    pipeline.add(step("B", "A + 1 + 0"))
    heard = Heard(pipeline)
    assert pipeline.accept("B").availability == "available"
    assert heard.words() == ["changed"]
    assert pipeline.plan().to_run == ()
    fresh = Pipeline.open(place)
    assert fresh.explain("B").overridden == ("code changed",)
    assert fresh.plan().to_run == ()
    assert fresh.materialize("C") == 3
    fresh.add(step("B", "A + 2"))
    assert fresh.materialize("C") == 4
    with pytest.raises(UnknownStepError):
        pipeline.accept("Z")


def test_accept_in_memory() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    pipeline.materialize()
    pipeline.add(step("B", "A + 5"))
    pipeline.accept("B")
    assert pipeline.plan().to_run == ()
    assert pipeline.materialize("C") == 3


def test_accept_what_a_stranger_made(place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    ours = foreign(place, monkeypatch, tmp_path)
    ours.today.namespace["bait"] = 2
    with pytest.raises(UntrustedError):
        ours.accept("A")
    assert "A" in ours.context.untrusted


def test_a_pin_survives_another_body_and_another_kernel(place: Path) -> None:
    pipeline = with_steps(notebook(place=place), *CHAIN)
    pipeline.materialize()
    assert pipeline.pin("B").override == "pinned"
    pipeline.add(step("B", "A + 50"))
    assert pipeline.materialize("C") == 3
    fresh = Pipeline.open(place)
    assert fresh.explain("B").overridden == ("code changed",)
    fresh.add(step("B", "A + 60"))
    assert fresh.materialize("C") == 3
    assert fresh.pin("B", on=False).availability == "stale"
    assert not Pipeline.open(place).dag["B"].pinned
    assert fresh.materialize("C") == 62


def test_a_strangers_pin_does_not_hold_for_our_own_cell(
    place: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "theirs"))
    theirs = with_steps(notebook(place=place), step("A", "1"))
    theirs.materialize()
    theirs.pin("A")
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "ours"))
    ours = notebook(place=place)
    ours.resume()
    ours.add(step("A", "2"))
    assert not ours.dag["A"].pinned
    assert ours.materialize("A") == 2


def test_pin_without_a_result() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    with pytest.raises(UsageError, match="B has no result to pin"):
        pipeline.pin("B")
    with pytest.raises(UnknownStepError):
        pipeline.pin("Z")
    assert not pipeline.pin("B", on=False).override


def test_force_is_recorded() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    pipeline.materialize()
    pipeline.materialize("B", force=True)
    assert [pipeline.context.records[name].forced for name in "ABC"] == [False, True, False]


def test_a_plan_sees_at_once_that_a_written_file_was_changed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Asked again and again: as it was left, changed, gone, as it was left."""
    monkeypatch.chdir(tmp_path)
    writes = step("A", "with open('out.txt', 'w') as f:\n    f.write('x')\n1")
    pipeline = with_steps(notebook(), replace(writes, writes=("out.txt",)))
    pipeline.materialize()
    assert pipeline.plan("A").to_run == ()
    Path("out.txt").unlink()
    assert pipeline.plan("A").to_run == ("A",)
    pipeline.materialize("A")
    Path("out.txt").write_text("by hand")
    assert [r.text for r in pipeline.explain("A").reasons] == ["file out.txt, which it writes, was changed"]
    Path("out.txt").unlink()
    assert [r.text for r in pipeline.explain("A").reasons] == ["file out.txt, which it writes, is gone"]
    Path("out.txt").write_text("x")
    assert pipeline.explain("A").reasons == ()
    assert pipeline.plan().to_run == ()
    Path("out.txt").unlink()
    assert pipeline.plan().to_run == ("A",)
    pipeline.materialize()
    assert Path("out.txt").read_text() == "x"


# -- formats ------------------------------------------------------------------------------------------


def test_an_unknown_format_names_the_step_and_changes_nothing() -> None:
    pipeline = with_steps(notebook(), *CHAIN)
    before = pipeline.dag
    with pytest.raises(UsageError, match=r"A wants the format 'parket', which is not here: say .*Did you mean parquet"):
        pipeline.add(replace(step("A", "2"), format="parket"))
    assert pipeline.dag is before


def test_a_result_is_written_in_the_format_of_its_step(place: Path) -> None:
    """Another one does not make it stale; the next run writes that."""
    pipeline = with_steps(notebook(place=place), replace(step("A", "[1, 2]"), format="pickle"), step("B", "A[0]"))
    pipeline.materialize()
    assert [pipeline.context.records[name].format for name in "AB"] == ["pickle", "json"]
    pipeline.add(replace(step("A", "[1, 2]"), format="data"))
    assert pipeline.plan().to_run == ()
    pipeline.materialize("A", force=True)
    assert pipeline.context.records["A"].format == "data"
    later = Pipeline.open(place)
    assert later.dag["A"].format == "data"
    assert later.context["A"] == [1, 2]


def test_a_value_that_its_format_refuses_stays_in_memory(place: Path) -> None:
    pipeline = with_steps(notebook(place=place), replace(step("A", "1"), format="parquet"), step("B", "A + 1"))
    assert pipeline.materialize("B") == 2
    refusal = "the value cannot be written as parquet: an int is no table; leave --format out"
    assert pipeline.outcome is not None
    assert pipeline.outcome.unsaved == {"A": refusal}
    assert outcome_text(pipeline).splitlines()[1:] == [f"A is kept in memory only: {refusal}"]
    assert pipeline.context.held("A") == "memory"
    assert Context(place).held("A") == ""
    pipeline.add(step("A", "1"))
    pipeline.materialize("A", force=True)
    assert Context(place)["A"] == 1


def test_a_format_that_is_gone_costs_only_the_saving(place: Path) -> None:
    """A step is remembered with the format of a package that is not installed any more."""
    with_steps(notebook(place=place), step("A", "1")).materialize()
    pipeline = notebook(place=place)
    pipeline.dag = pipeline.dag.add(replace(step("A", "2"), format="zarr"))
    assert pipeline.materialize("A") == 2
    assert pipeline.outcome is not None
    assert pipeline.outcome.unsaved["A"].startswith("There is no format 'zarr': say json, npy")


def test_many_steps_at_once(place: Path) -> None:
    """All or none, in the place of others, whose definitions leave the disk; a renamed one keeps its result."""
    pipeline = with_steps(notebook(place=place), step("A", "1"), step("B", "A + 1"), step("Old", "7"))
    pipeline.materialize()
    with pytest.raises(UsageError, match="wants the format 'nonsense'"):
        pipeline.add_all([step("C", "3"), replace(step("D", "4"), format="nonsense")])
    assert list(pipeline.dag) == ["A", "B", "Old"]
    pipeline.add_all([step("C", "B + 1"), step("New", "7")], replacing=["Old"])
    assert list(pipeline.dag) == ["A", "B", "C", "New"]
    assert [d.step for d in pipeline.plan() if d.reasons] == ["C"]
    assert pipeline.materialize("C") == 3
    assert set(Pipeline.open(place).dag) == {"A", "B", "C", "New"}


def test_a_cell_and_a_file_cannot_claim_one_name() -> None:
    """Also where nobody tells which cell it is."""
    pipeline = notebook()
    pipeline.add(replace(step("A", "1"), origin=Origin("s.yaml", "s.yaml:A", "s.yaml, line 1")))
    for cell_id in ("", "c1"):
        with pytest.raises(DuplicateStepError, match=r"called A: s.yaml, line 1 has it, and .*cell"):
            pipeline.add(replace(step("A", "2"), origin=Origin("n.ipynb", cell_id)))
    pipeline.add(replace(step("A", "3"), origin=Origin("s.yaml", "s.yaml:A", "s.yaml, line 2")))
    with pytest.raises(DuplicateStepError, match=r"called A: s.yaml, line 2 has it, and t.yaml, line 1 claims"):
        pipeline.add_all([replace(step("A", "1"), origin=Origin("t.yaml", "t.yaml:A", "t.yaml, line 1"))])
