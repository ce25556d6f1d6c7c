"""`--no-store` keeps a result in memory only; what is quick to make and large to keep is pointed out."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.core import record as records
from jo_notebook.core.fingerprint import Fingerprint
from jo_notebook.core.plan import Availability
from jo_notebook.core.record import NO_STORE, Record, is_costly_to_keep
from jo_notebook.errors import ResultMissing
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context
from jo_notebook.verbs import outcome_text
from jo_notebook.views.text import explain_text, plan_text
from tests.cases.making import Heard, Watched, notebook, step


def pipeline_of(place: Path | None, **options: Any) -> Watched:
    pipeline = notebook("", place)
    pipeline.add(replace(step("Big", "print('made')\nb'x' * 3_000_000", "none"), no_store=True, **options))
    pipeline.add(step("Small", "len(Big)"))
    return pipeline


def test_the_value_is_in_memory_and_nowhere_else(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path / "a.jo")
    heard = Heard(pipeline)
    assert pipeline.materialize("Small") == 3_000_000
    assert pipeline.context.size() < 100_000
    assert pipeline.context.held("Big") == "memory"
    assert pipeline.context.records["Big"].unsaved == NO_STORE
    assert heard.words("unsaved", "warning") == []
    assert pipeline.outcome is not None
    assert pipeline.outcome.unsaved == {}
    assert outcome_text(pipeline).count("\n") == 0
    assert "in memory only: --no-store" in plan_text(pipeline.plan())
    assert "Its value is in memory only: --no-store." in explain_text(pipeline.explain("Big"))
    pipeline.ran()
    pipeline.materialize()
    assert pipeline.ran() == []


def test_after_a_restart_it_runs_where_it_is_needed_and_what_was_made_from_it_stays(tmp_path: Path) -> None:
    pipeline_of(tmp_path / "a.jo").materialize()
    again = pipeline_of(tmp_path / "a.jo")
    assert [entry.text for entry in again.log("Big")] == ["made\n"]
    plan = again.plan()
    assert plan["Small"].availability is Availability.AVAILABLE
    assert plan.to_run == ()
    plan = again.plan("Big")
    assert (plan["Big"].availability, plan.to_run) == (Availability.MISSING, ("Big",))
    assert [r.text for r in plan["Big"].reasons] == ["its value was kept in memory only, and is gone"]
    with pytest.raises(ResultMissing, match=r"Big ran, but its value is not kept \(--no-store\): run Big again"):
        again.context["Big"]
    assert again.materialize("Small") == 3_000_000
    assert again.ran() == []
    again.add(step("Small", "len(Big) + 1"))
    assert again.materialize("Small") == 3_000_001
    assert again.ran() == ["Big", "Small"]


def test_turning_it_on_or_off_makes_nothing_stale(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path / "a.jo")
    pipeline.materialize()
    pipeline.ran()
    pipeline.add(replace(pipeline.dag["Big"], no_store=False))
    assert pipeline.plan("Big").to_run == ()
    pipeline.materialize("Big", force=True)
    assert pipeline.context.records["Big"].size > 2_000_000
    pipeline.add(replace(pipeline.dag["Big"], no_store=True))
    assert pipeline.plan("Big").to_run == ()
    assert pipeline.context.is_stored("Big")


def test_without_a_place_it_is_as_any_other() -> None:
    pipeline = pipeline_of(None)
    pipeline.materialize()
    assert pipeline.context.records["Big"].unsaved == ""


def test_it_stays_in_memory_where_results_move(tmp_path: Path) -> None:
    pipeline = pipeline_of(tmp_path / "a.jo")
    pipeline.materialize()
    pipeline.move_to(tmp_path / "b.jo")
    assert pipeline.context.held("Big") == "memory"
    assert pipeline.context.size() < 100_000
    assert Context(tmp_path / "b.jo").records["Big"].unsaved == NO_STORE


def test_a_changed_input_of_that_kind_runs_again(tmp_path: Path) -> None:
    pipeline = notebook("", tmp_path / "a.jo")
    pipeline.add(replace(step("Rows", "[1]", "none"), no_store=True))
    pipeline.add(step("Spoil", "Rows.append(2)\nlen(Rows)"))
    pipeline.materialize()
    assert pipeline.materialize("Rows") == [1]
    assert pipeline.ran() == ["Rows", "Spoil", "Rows"]


# -- what is not worth keeping -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("seconds", "size", "is_costly"),
    [
        pytest.param(3, 900_000_000, True, id="the issue's own"),
        pytest.param(0.01, 100_000_000, True, id="just large"),
        pytest.param(0.01, 99_000_000, False, id="not large"),
        pytest.param(10, 1_000_000_000, True, id="just quick"),
        pytest.param(11, 9_000_000_000, False, id="not quick"),
        pytest.param(5, 400_000_000, False, id="worth its while"),
    ],
)
def test_what_is_costly_to_keep(seconds: float, size: int, is_costly: bool) -> None:
    record = Record("A", Fingerprint(), "v", seconds=seconds, size=size)
    assert is_costly_to_keep(record) is is_costly
    assert not is_costly_to_keep(replace(record, unsaved=NO_STORE))


@pytest.fixture
def _small_is_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(records, "LARGE", 1_000_000)
    monkeypatch.setattr(records, "RATE", 1)


@pytest.mark.usefixtures("_small_is_large")
def test_it_is_told_once(tmp_path: Path) -> None:
    pipeline = notebook("", tmp_path / "a.jo")
    pipeline.add(step("Big", "b'x' * 3_000_000", "none"))
    pipeline.add(step("Small", "len(Big)"))
    pipeline.materialize()
    (note,) = outcome_text(pipeline).splitlines()[1:]
    assert note.startswith("Note: Big takes ")
    assert note.endswith(" ms to recompute, 3 MB to keep; --no-store keeps it in memory only.")
    again = Pipeline.open(tmp_path / "a.jo")
    again.materialize("Big", force=True)
    assert len(outcome_text(again).splitlines()) == 1
    again.add(replace(again.dag["Big"], no_store=True))
    again.materialize("Big", force=True)
    assert len(outcome_text(again).splitlines()) == 1
