"""`state.yml` says how each stage stands, at every moment, for tools that read it."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from jo_notebook.core.events import Event, EventKind
from jo_notebook.errors import StepFailed, UsageError
from jo_notebook.interop.stages import open_stages
from jo_notebook.interop.state_file import keep_state, read_state, state_hint, take_state
from tests.interop.stages_demo import JOBS, NAMES, STAGES, ran, write_demo


def test_it_follows_each_stage(here: Path) -> None:
    path = write_demo(here)
    pipeline = open_stages(path, module="foo_jobs")
    told: list[tuple[str, dict[str, object]]] = []

    def look(event: Event) -> None:
        if event.kind in (EventKind.STARTED, EventKind.FINISHED, EventKind.ENDED):
            told.append((str(event.kind), yaml.safe_load((here / "state.yml").read_text())))

    pipeline.listen(look)
    assert not (here / "state.yml").exists()
    pipeline.materialize(echo=False)
    assert told[0] == ("started", {**dict.fromkeys(NAMES), "Lint": "RUNNING"})
    assert told[1] == ("finished", {**dict.fromkeys(NAMES), "Lint": "SUCCESS"})
    assert told[2] == ("started", {**dict.fromkeys(NAMES), "Lint": "SUCCESS", "Test": "RUNNING"})
    assert told[-1] == ("ended", dict.fromkeys(NAMES, "SUCCESS"))
    assert sorted(path.name for path in here.iterdir() if path.name.startswith(".")) == []


def test_it_tells_of_what_was_done_before(here: Path) -> None:
    path = write_demo(here)
    open_stages(path, module="foo_jobs").materialize("Coverage", echo=False)
    (here / "state.yml").unlink()
    (here / "foo_jobs.py").write_text(JOBS.replace('_take("Docs")', "raise ValueError"))
    pipeline = open_stages(path, module="foo_jobs")
    with pytest.raises(StepFailed):
        pipeline.materialize("Docs", echo=False)
    assert yaml.safe_load((here / "state.yml").read_text()) == {
        "Lint": "SUCCESS",
        "Test": "SUCCESS",
        "Coverage": "SUCCESS",
        "Docs": "FAILED",
        "Benchmark": None,
    }
    ran(here)
    open_stages(path, module="foo_jobs").materialize("Coverage")
    assert ran(here) == []
    assert read_state(here / "state.yml")["Docs"] == "FAILED"


def test_an_interrupt_leaves_nothing_running(here: Path) -> None:
    path = write_demo(here)
    (here / "foo_jobs.py").write_text(JOBS.replace('_take("Test")', "raise KeyboardInterrupt"))
    pipeline = open_stages(path, module="foo_jobs")
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize(echo=False)
    assert list(read_state(here / "state.yml").values()) == ["SUCCESS", *["null"] * 4]
    assert pipeline.outcome is not None
    assert pipeline.outcome.cancelled == ["Test", "Coverage", "Docs", "Benchmark"]


def test_what_is_forgotten_is_not_done(here: Path) -> None:
    """Neither a success nor a failure; the others stand as they did."""
    path = write_demo(here)
    (here / "foo_jobs.py").write_text(JOBS.replace('_take("Docs")', "raise ValueError"))
    pipeline = open_stages(path, module="foo_jobs")
    pipeline.forget("Lint")
    assert not (here / "state.yml").exists()
    with pytest.raises(StepFailed):
        pipeline.materialize(echo=False)
    before = read_state(here / "state.yml")
    assert (before["Test"], before["Docs"]) == ("SUCCESS", "FAILED")
    open_stages(path, module="foo_jobs").forget("Test", "Docs")
    assert read_state(here / "state.yml") == {**before, "Test": "null", "Docs": "null"}
    assert state_hint(open_stages(path, module="foo_jobs"), here / "state.yml") == ""
    (here / "state.yml").write_text("replicas: 3\n")
    pipeline.forget("Lint")
    assert (here / "state.yml").read_text() == "replicas: 3\n"


def test_names_are_read_back_as_they_are(here: Path) -> None:
    """By any reader of YAML."""
    names = ["yes", "null", "y", "n", "true", "Été", "_12e3", "on"]
    (here / "jobs.py").write_text("def f():\n    return 1\n" + "".join(f"{n} = f\n" for n in names), "utf-8")
    (here / "stages.yaml").write_text("".join(f"{name}: []\n" for name in names), "utf-8")
    open_stages(here / "stages.yaml", module="jobs").materialize()
    assert yaml.safe_load((here / "state.yml").read_text("utf-8")) == dict.fromkeys(names, "SUCCESS")
    assert list(read_state(here / "state.yml")) == names


@pytest.mark.parametrize("text", ["replicas: 3\n", "- a\n", "word", "A: [", "A: {b: SUCCESS}\n"])
def test_another_file_of_that_name_is_left_alone(here: Path, text: str) -> None:
    path = write_demo(here)
    (here / "state.yml").write_text(text)
    pipeline = open_stages(path, module="foo_jobs")
    pipeline.materialize(echo=False)
    assert (here / "state.yml").read_text() == text
    assert len(pipeline.problems) == 1
    assert pipeline.problems[0].startswith("state.yml is left alone, for it is no file of states: state.yml, line 1")
    assert state_hint(pipeline, here / "state.yml") == ""
    with pytest.raises(UsageError, match=r"state.yml, line"):
        read_state(here / "state.yml")


def test_an_empty_file_is_one_of_states(here: Path) -> None:
    """The tool that had it first stumbles over one."""
    path = write_demo(here)
    (here / "state.yml").write_text("")
    open_stages(path, module="foo_jobs").materialize(echo=False)
    assert set(read_state(here / "state.yml").values()) == {"SUCCESS"}


def test_elsewhere_and_nowhere(here: Path) -> None:
    path = write_demo(here)
    open_stages(path, module="foo_jobs", state="status.yaml").materialize("Lint", echo=False)
    assert read_state(here / "status.yaml")["Lint"] == "SUCCESS"
    open_stages(path, module="foo_jobs", state=None).materialize("Test", echo=False)
    assert not (here / "state.yml").exists()
    pipeline = open_stages(path, module="foo_jobs", state=None)
    end = keep_state(pipeline, here / "s.yml")
    end()
    pipeline.materialize(echo=False)
    assert not (here / "s.yml").exists()


def test_a_disk_that_refuses_costs_only_the_file(here: Path) -> None:
    path = write_demo(here)
    pipeline = open_stages(path, module="foo_jobs", state="nowhere/state.yml")
    pipeline.materialize(echo=False)
    assert ran(here) == NAMES
    assert pipeline.problems == ["state.yml cannot be written: No such file or directory."]


OLD = "Benchmark: null\nCoverage: SUCCESS\nDocs: FAILED\nGone: SUCCESS\nLint: SUCCESS\nTest: RUNNING\n"


def test_an_old_file_is_not_believed_but_spoken_of(here: Path) -> None:
    path = write_demo(here)
    (here / "state.yml").write_text(OLD)
    pipeline = open_stages(path, module="foo_jobs")
    assert state_hint(pipeline, here / "state.yml") == (
        "state.yml says SUCCESS of Coverage, Lint, but nothing is kept of them here, so they run again. "
        "--take-state accepts them as done without running."
    )
    assert state_hint(pipeline, here / "none.yml") == ""
    pipeline.materialize("Lint", echo=False)
    (here / "state.yml").write_text(OLD)
    assert "says SUCCESS of Coverage, but nothing is kept of it here, so it runs again" in state_hint(
        pipeline, here / "state.yml"
    )
    pipeline.materialize(echo=False)
    assert ran(here) == NAMES
    assert state_hint(pipeline, here / "state.yml") == ""
    assert list(yaml.safe_load((here / "state.yml").read_text())) == NAMES
    assert path.read_text() == STAGES


def test_an_old_file_that_is_taken(here: Path) -> None:
    path = write_demo(here)
    (here / "state.yml").write_text(OLD)
    pipeline = open_stages(path, module="foo_jobs")
    assert take_state(pipeline, here / "state.yml") == ["Coverage", "Lint"]
    assert take_state(pipeline, here / "state.yml") == []
    pipeline.materialize(echo=False)
    assert ran(here) == ["Docs", "Benchmark"]  # Coverage is done, so nobody needs Test
    pipeline.materialize("Test", echo=False)
    assert ran(here) == ["Test"]
    pipeline.materialize("Lint", force=True, echo=False)
    assert ran(here) == ["Lint"]


def test_taken_when_it_is_opened(here: Path) -> None:
    path = write_demo(here)
    (here / "old.yml").write_text(OLD)
    open_stages(path, module="foo_jobs", state="old.yml", take_state=True).materialize("Coverage", echo=False)
    assert ran(here) == []
    with pytest.raises(UsageError, match=r"There is no file .*none.yml"):
        open_stages(path, module="foo_jobs", state="none.yml", take_state=True)
