"""Results that were put in by hand: they count until they are forced, forgotten or put in again."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jo_notebook import Pipeline
from jo_notebook.core.definition import Definition
from jo_notebook.core.fingerprint import KINDS, RANK, Fingerprint, Part
from jo_notebook.core.plan import Action, Availability
from jo_notebook.core.record import Record
from jo_notebook.core.source import parse_source
from jo_notebook.core.version import version_of
from jo_notebook.errors import StepFailed
from jo_notebook.store import Context
from jo_notebook.views.state import graph_state
from jo_notebook.views.text import explain_text, plan_text, step_line, steps_text
from tests.store.making import record


def pipeline_of(context: Context, **bodies: str) -> Pipeline:
    pipeline = Pipeline(context, namespace={"__name__": "__main__"})
    for name, body in bodies.items():
        pipeline.add(Definition(name, parse_source(body)))
    return pipeline


def recipe(context: Context) -> Pipeline:
    return pipeline_of(
        context,
        Load="[1, 2, 3]",
        Clean="[x for x in Load if x > 1]",
        Sum="sum(Clean)",
    )


def runs(pipeline: Pipeline) -> list[str]:
    """The steps that the last run ran."""
    assert pipeline.outcome is not None
    return pipeline.outcome.finished


@pytest.fixture(params=["memory", "disk"])
def context(request: pytest.FixtureRequest, place: Path) -> Context:
    return Context() if request.param == "memory" else Context(place)


def test_a_given_result_stands_for_its_step_and_hides_what_it_needs(context: Context):
    pipeline = recipe(context)
    context["Clean"] = [10, 20]
    plan = pipeline.plan("Sum")
    assert [(d.step, d.action) for d in plan] == [
        ("Load", Action.NOTHING),
        ("Clean", Action.NOTHING),
        ("Sum", Action.RUN),
    ]
    assert plan["Clean"].availability is Availability.AVAILABLE
    assert (plan["Clean"].override, plan["Clean"].reasons, plan["Clean"].seconds) == ("given", (), None)
    assert pipeline.materialize("Sum") == 30
    assert runs(pipeline) == ["Sum"]
    assert pipeline.materialize("Sum") == 30
    assert runs(pipeline) == []


def test_another_value_makes_what_was_made_from_it_stale(context: Context):
    pipeline = recipe(context)
    assert pipeline.materialize("Sum") == 5
    context.Clean = [1]
    assert [r.text for r in pipeline.explain("Sum").reasons] == ["input Clean has a new value"]
    assert pipeline.materialize("Sum") == 1
    assert runs(pipeline) == ["Sum"]
    context.Clean = [1]
    assert pipeline.materialize("Sum") == 1
    assert runs(pipeline) == []


def test_the_value_the_step_gave_changes_nothing_below(context: Context):
    pipeline = recipe(context)
    pipeline.materialize("Sum")
    context["Clean"] = [2, 3]
    assert pipeline.plan("Sum").to_run == ()
    assert context.record("Clean").history  # type: ignore[union-attr]


def test_edits_do_not_end_it_and_force_does(context: Context):
    pipeline = recipe(context)
    context.Clean = [7]
    pipeline.add(Definition("Clean", parse_source("[x for x in Load if x > 2]")))
    pipeline.add(Definition("Load", parse_source("[4, 5]")))
    assert pipeline.materialize("Sum") == 7
    assert runs(pipeline) == ["Sum"]
    assert pipeline.plan("Clean", force=True)["Clean"].override == ""
    assert pipeline.materialize("Clean", force=True) == [4, 5]
    assert runs(pipeline) == ["Load", "Clean"]
    assert pipeline.explain("Clean").override == ""
    assert not context.record("Clean").is_given  # type: ignore[union-attr]
    assert pipeline.materialize("Sum") == 9


@pytest.mark.parametrize("way", ["del", "forget", "pop", "clear"])
def test_forgetting_ends_it(context: Context, way: str):
    pipeline = recipe(context)
    context.Clean = [7]
    match way:
        case "del":
            del context["Clean"]
        case "forget":
            pipeline.forget("Clean")
        case "pop":
            assert context.pop("Clean") == [7]
        case "clear":
            context.clear()
    assert pipeline.materialize("Sum") == 5
    assert runs(pipeline) == ["Load", "Clean", "Sum"]


def test_a_step_that_runs_every_time_does_not_run(context: Context):
    pipeline = pipeline_of(context, Load="1")
    pipeline.add(replace(pipeline.dag["Load"], always=True))
    context.Load = 5
    assert (pipeline.materialize("Load"), runs(pipeline)) == (5, [])
    assert pipeline.materialize("Load", force=True) == 1


def test_it_is_not_chosen_once_a_run_has_replaced_it(place: Path):
    """An older generation that was given is not what an edit goes back to."""
    context = Context(place, keep=5)
    pipeline = recipe(context)
    context.Clean = [7]
    pipeline.materialize("Clean", force=True)
    pipeline.add(Definition("Clean", parse_source("Load[:1]")))
    assert pipeline.explain("Clean").availability is Availability.STALE
    assert pipeline.materialize("Clean") == [1]


def test_it_outlives_the_kernel(place: Path):
    Context(place)["Clean"] = None
    pipeline = recipe(Context(place))
    assert pipeline.materialize("Clean") is None
    assert runs(pipeline) == []
    decision = pipeline.explain("Clean")
    assert (decision.override, decision.held) == ("given", "memory")


def test_a_failed_run_that_was_asked_for_leaves_it_in_force(context: Context):
    pipeline = pipeline_of(context, Load="1 / 0")
    context.Load = 5
    with pytest.raises(StepFailed):
        pipeline.materialize("Load", force=True)
    assert pipeline.materialize("Load") == 5


def test_one_that_could_not_be_stored_and_is_gone_runs_again(place: Path):
    context = Context(place)
    pipeline = pipeline_of(context, Load="1")
    context.Load = threading.Lock()
    assert pipeline.explain("Load").unsaved
    context.drop_memory("Load")
    assert pipeline.materialize("Load") == 1


def test_pinned_and_accepted_keep_their_words(context: Context):
    pipeline = recipe(context)
    context.Clean = [7]
    assert pipeline.pin("Clean").override == "pinned"
    assert pipeline.pin("Clean", on=False).override == "given"
    assert pipeline.accept("Clean").override == "given"


def test_a_step_that_reads_a_context_is_not_stale_for_what_is_in_it():
    ctx = Context(alpha=1)
    pipeline = pipeline_of(Context(), Load="ctx.alpha + 1")
    pipeline.today.namespace["ctx"] = ctx
    assert pipeline.materialize("Load") == 2
    ctx.alpha = 5
    pipeline.touch()
    assert pipeline.explain("Load").reasons == ()
    assert pipeline.explain("Load").untracked == ("ctx",)


def test_a_name_that_is_no_step_is_only_kept(context: Context):
    pipeline = recipe(context)
    context["a note"] = "hello"
    assert "a note" not in pipeline.plan()
    assert context["a note"] == "hello"
    pipeline.add(Definition("Load", parse_source("[9, 9]")))
    assert pipeline.materialize("Sum") == 18


def test_it_comes_along_to_another_place(place: Path, tmp_path: Path):
    for number, context in enumerate((Context(), Context(tmp_path / "before.jo"))):
        pipeline = recipe(context)
        context.update({"Clean": [7], ".scratch": 1, "line\nbreak": 2})
        new = place.with_name(f"{number}.jo")
        pipeline.move_to(new)
        moved = pipeline.context
        assert (moved[".scratch"], moved["line\nbreak"]) == (1, 2)
        assert list(Context(new)) == (["Clean"] if number == 0 else [])


# -- what changes it -----------------------------------------------------------------------------------


def test_a_step_that_changes_it(context: Context):
    pipeline = pipeline_of(context, Load="[1]", Grow="Load.append(5)\nlen(Load)", Len="len(Load)")
    context.Load = [1, 2]
    assert pipeline.materialize("Grow") == 3
    (warning,) = pipeline.outcome.warnings  # type: ignore[union-attr]
    if context.place is None:
        assert "what it is now counts as put in by hand" in warning
        assert pipeline.materialize("Len") == 3
    else:
        assert "its stored result is as it was" in warning
        assert pipeline.materialize("Len") == 2
    assert context.record("Load").is_given  # type: ignore[union-attr]


def test_a_value_that_its_owner_changes_in_place(context: Context):
    pipeline = pipeline_of(context, Load="[1]", Len="len(Load)")
    value = [1, 2]
    context.Load = value
    assert pipeline.materialize("Len") == 2
    value.append(3)
    assert pipeline.materialize("Len", force=True) == (3 if context.place is None else 2)
    assert "was changed after it" in pipeline.outcome.warnings[0]  # type: ignore[union-attr]


# -- words ---------------------------------------------------------------------------------------------


def test_what_is_said_of_it(context: Context):
    pipeline = recipe(context)
    context.Clean = [7]
    plan = pipeline.plan()
    assert "put in by hand" in plan_text(plan)
    assert "put in by hand" in steps_text(plan, context.records)
    assert "put in by hand" in step_line(plan["Clean"], ["Load"])
    told = explain_text(plan["Clean"])
    assert "It was put in by hand: it counts until it is forced to run, forgotten or put in again." in told
    assert {n.id: n.note for n in graph_state(plan).nodes} == {"Load": "", "Clean": "put in by hand", "Sum": ""}


def test_verify_does_not_run_it(place: Path):
    pipeline = pipeline_of(Context(place), Load="1")
    pipeline.context.Load = 5
    (told,) = pipeline.verify("Load")
    assert told.text == "Load was not run again: its result was put in by hand"


# -- records -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, 5, [1, {"a": 2}], (i for i in ())], ids=["none", "int", "list", "generator"])
def test_the_record(value: Any):
    context = Context()
    context["A"] = value
    found = context.record("A")
    assert found is not None
    assert (found.is_given, found.step, found.seconds) == (True, "A", 0.0)
    assert Record.from_json(found.to_json()) == found
    if found.exact:
        assert found.version == version_of(value).digest
    assert not record().is_given


def test_the_order_of_older_fingerprints_is_as_it_was():
    before = [
        *("code", "param", "seed", "helper", "module", "constant", "global"),
        *("file", "env", "package", "import", "input", "untracked"),
    ]
    assert [kind for kind in KINDS if kind != "given"] == before
    assert sorted(before, key=RANK.__getitem__) == before
    parts = [Part(kind, "x", "d") for kind in before]
    assert Fingerprint.of(reversed(parts)).parts == tuple(parts)
