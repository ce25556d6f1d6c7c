"""A stages file runs: what runs when, what is handed over, what comes back."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from jo_notebook.core.graph import levels
from jo_notebook.core.plan import Availability
from jo_notebook.errors import StepFailed, UsageError
from jo_notebook.interop.run_log import log_files
from jo_notebook.interop.stages import load_stages, open_stages
from jo_notebook.interop.state_file import read_state
from jo_notebook.pipeline import Pipeline
from jo_notebook.verbs import outcome_text
from tests.interop.stages_demo import JOBS, NAMES, STAGES, ran, write_demo


def opened(folder: Path, text: str | None = None, **options: object) -> Pipeline:
    if text is not None:
        (folder / "stages.yaml").write_text(text)
    return open_stages(folder / "stages.yaml", **options)  # type: ignore[arg-type]


def stale(pipeline: Pipeline) -> list[str]:
    return [d.step for d in pipeline.plan() if d.availability is not Availability.AVAILABLE]


def test_the_demo_runs_once(here: Path) -> None:
    write_demo(here)
    pipeline = opened(here, module="foo_jobs")
    assert ran(here) == []
    assert not (here / "stages.jo").exists()
    pipeline.materialize(echo=False)
    assert ran(here) == NAMES
    assert (here / "stages.jo").is_dir()
    pipeline.materialize()
    assert outcome_text(pipeline) == "Nothing to run: everything is available."
    again = opened(here, module="foo_jobs")
    again.materialize()
    assert ran(here) == []


def test_levels(here: Path) -> None:
    write_demo(here)
    pipeline = opened(here, module="foo_jobs")
    found = levels(pipeline.dag)
    assert found == [["Lint", "Test"], ["Coverage"], ["Docs", "Benchmark"]]
    assert levels(pipeline.dag, pipeline.dag.ancestors(["Docs"])) == [["Lint", "Test"], ["Coverage"], ["Docs"]]
    assert levels(Pipeline().dag) == []


def test_an_edited_function_makes_its_stage_stale_and_nothing_else(here: Path) -> None:
    write_demo(here)
    opened(here, module="foo_jobs").materialize(echo=False)
    ran(here)
    pipeline = opened(here, module="foo_jobs")
    assert stale(pipeline) == []
    edited = JOBS.replace('_take("Docs")', '_take("Docs")\n    return 1')
    (here / "foo_jobs.py").write_text(edited)
    assert stale(pipeline) == ["Docs"]
    (here / "foo_jobs.py").write_text(JOBS)
    assert stale(pipeline) == []
    (here / "foo_jobs.py").write_text(edited)
    pipeline.materialize(echo=False)
    assert ran(here) == ["Docs"]
    assert pipeline.context["Docs"] == 1


def test_an_edited_helper_makes_stale_who_uses_it(here: Path) -> None:
    write_demo(here)
    (here / "foo_jobs.py").write_text(JOBS + "\ndef _note():\n    return 1\n\ndef Extra():\n    return _note()\n")
    pipeline = opened(here, STAGES + "Extra: []\n", module="foo_jobs")
    pipeline.materialize(echo=False)
    (here / "foo_jobs.py").write_text(JOBS + "\ndef _note():\n    return 2\n\ndef Extra():\n    return _note()\n")
    assert stale(pipeline) == ["Extra"]


def test_a_function_that_comes_later_is_found(here: Path) -> None:
    """As in a notebook whose module is edited while the kernel runs."""
    write_demo(here)
    pipeline = opened(here, module="foo_jobs")
    (here / "stages.yaml").write_text(STAGES + "Ship: [Docs]\n")
    with pytest.raises(UsageError, match="foo_jobs has no function Ship"):
        load_stages(pipeline, here / "stages.yaml", module="foo_jobs")
    (here / "foo_jobs.py").write_text(JOBS + "\n\ndef Ship():\n    return 'shipped'\n")
    assert load_stages(pipeline, here / "stages.yaml", module="foo_jobs") == [*NAMES, "Ship"]
    assert pipeline.materialize("Ship", echo=False) == "shipped"


def test_a_function_that_comes_later_into_a_package(here: Path) -> None:
    """Into another file of it than the one that is named."""
    (here / "parts").mkdir()
    (here / "parts" / "__init__.py").write_text("from parts.more import *\n")
    (here / "parts" / "more.py").write_text("def A():\n    return 1\n")
    pipeline = opened(here, "A: []\n", module="parts")
    assert pipeline.materialize("A") == 1
    (here / "parts" / "more.py").write_text("def A():\n    return 1\n\ndef B():\n    return 2\n")
    (here / "stages.yaml").write_text("A: []\nB: [A]\n")
    load_stages(pipeline, here / "stages.yaml", module="parts")
    assert pipeline.materialize("B") == 2
    assert stale(pipeline) == []


def test_stages_that_leave_the_file_leave(here: Path) -> None:
    write_demo(here)
    opened(here, module="foo_jobs").materialize(echo=False)
    assert "Docs" in Pipeline.open(here / "stages.jo").dag
    pipeline = opened(here, STAGES.replace("Docs: [Coverage]\n", ""), module="foo_jobs")
    assert "Docs" not in pipeline.dag
    assert "Docs" not in Pipeline.open(here / "stages.jo").dag
    pipeline.materialize()
    assert list(read_state(here / "state.yml")) == ["Lint", "Test", "Coverage", "Benchmark"]
    assert "Docs" in pipeline.context  # its result stays, as that of any step that was taken out


def test_order_in_the_file_is_free(here: Path) -> None:
    write_demo(here)
    pipeline = opened(here, "".join(reversed(STAGES.splitlines(keepends=True))), module="foo_jobs")
    pipeline.materialize(echo=False)
    assert ran(here)[2] == "Coverage"


# --- the richer form

RICH = """\
version: 1
module: jobs
stages:
  Load: []
  Clean: [Load]
  Train:
    depends_on: {frame: Clean}
    params: {alpha: 0.5, kinds: [a, b]}
    seed: 3
    retries: 2
    backoff: 0.5
    timeout: 60
    keep: 2
    format: json
  Other:
    depends_on: [Load, {frame: Clean}]
    function: others:measure
  Report:
    depends_on: [Train]
    shell: |
      echo "alpha is $alpha, $flag, $kinds" > report.txt
      cat report.txt; echo careful >&2
    params: {alpha: 1.5, flag: true, kinds: [é, 2]}
    writes: [report.txt]
    env: [HOME]
    reads: [jobs.py]
    always: true
"""
RICH_JOBS = """\
def Load(n=4):
    return list(range(n))

def Clean(Load, threshold=1):
    return [x for x in Load if x >= threshold]

def Train(frame, *, alpha, kinds=()):
    return [sum(frame) * alpha, *kinds]
"""


def write_rich(folder: Path) -> None:
    (folder / "jobs.py").write_text(RICH_JOBS)
    (folder / "others.py").write_text("def measure(frame):\n    return len(frame)\n")
    (folder / "stages.yaml").write_text(RICH)


def test_the_richer_form(here: Path) -> None:
    write_rich(here)
    pipeline = opened(here)
    pipeline.materialize(echo=False)
    values = {name: pipeline.context[name] for name in pipeline.dag}
    assert values == {
        "Load": [0, 1, 2, 3],
        "Clean": [1, 2, 3],
        "Train": [3.0, "a", "b"],
        "Other": 3,
        "Report": None,
    }
    train, report = pipeline.dag["Train"], pipeline.dag["Report"]
    assert (train.seed, train.retries, train.backoff, train.timeout, train.keep, train.format) == (
        *(3, 2, 0.5, 60.0, 2),
        "json",
    )
    assert (report.reads, report.writes, report.env, report.always) == (("jobs.py",), ("report.txt",), ("HOME",), True)
    assert (here / "report.txt").read_text() == 'alpha is 1.5, true, ["é", 2]\n'
    log = {entry.kind: entry.text for entry in pipeline.log("Report")}
    assert log == {"stdout": 'alpha is 1.5, true, ["é", 2]\n', "stderr": "careful\n"}


def test_a_stage_is_remembered_with_all_that_was_said_of_it(here: Path) -> None:
    write_rich(here)
    pipeline = opened(here)
    pipeline.materialize("Train", echo=False)
    known = Pipeline.open(here / "stages.jo").dag["Train"]
    mine = pipeline.dag["Train"]
    assert (known.retries, known.backoff, known.timeout) == (mine.retries, mine.backoff, mine.timeout)
    assert known.params == mine.params


def test_retries_backoff_and_timeout_do_not_make_stale(here: Path) -> None:
    write_rich(here)
    opened(here).materialize("Train", echo=False)
    text = RICH.replace("retries: 2", "retries: 5").replace("timeout: 60", "timeout: 1").replace("0.5\n", "2\n")
    assert stale(opened(here, text)) == ["Other", "Report"]


def test_parameters_from_outside(here: Path) -> None:
    write_rich(here)
    pipeline = opened(here, sets={"Train.alpha": 2, "threshold": 2})
    assert pipeline.materialize("Train", echo=False) == [10, "a", "b"]
    assert dict(pipeline.dag["Report"].params)["alpha"] == 1.5
    assert dict(opened(here, sets={"alpha": 9}).dag["Report"].params)["alpha"] == 9
    with pytest.raises(UsageError, match=r"No stage of stages.yaml has a parameter alhpa. Did you mean alpha\?"):
        opened(here, sets={"alhpa": 2})
    with pytest.raises(UsageError, match="has a parameter Load"):
        opened(here, sets={"Load": 2})


def test_a_dependency_called_like_the_module(here: Path) -> None:
    """A name that is a module and a value is both."""
    (here / "jobs.py").write_text("def jobs():\n    return 3\ndef Twice(jobs):\n    return 2 * jobs\n")
    pipeline = opened(here, "module: jobs\nstages:\n  jobs: []\n  Twice: [jobs]\n")
    assert pipeline.materialize("Twice") == 6
    (here / "jobs.py").write_text("def jobs():\n    return 4\ndef Twice(jobs):\n    return 2 * jobs\n")
    assert pipeline.materialize("Twice") == 8


def test_the_file_s_directory_comes_first_on_the_path(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Also where it was on the path already, behind another that has such a module."""
    other = tmp_path_factory.mktemp("other")
    (other / "jobs.py").write_text("def A():\n    return 'other'\n")
    (here / "jobs.py").write_text("def A():\n    return 'own'\n")
    sys.path[:0] = [str(other), str(here)]
    assert opened(here, "A: []\n", module="jobs").materialize("A") == "own"


def test_verified_in_a_clean_process(here: Path) -> None:
    write_rich(here)
    pipeline = opened(here)
    pipeline.materialize("Train", echo=False)
    assert [(found.step, str(found.verdict)) for found in pipeline.verify("Clean", "Train")] == [
        ("Clean", "same"),
        ("Train", "same"),
    ]


def test_a_package_and_what_is_in_a_class(here: Path) -> None:
    (here / "parts").mkdir()
    (here / "parts" / "__init__.py").write_text("")
    (here / "parts" / "jobs.py").write_text(
        "class Model:\n    @staticmethod\n    def fit():\n        return 'fitted'\n\nclass Made:\n    pass\n"
    )
    text = "module: parts.jobs\nstages:\n  Fit: {function: Model.fit}\n  Size: {function: 'builtins:dict'}\n"
    pipeline = opened(here, text)
    assert pipeline.materialize("Fit") == "fitted"
    assert pipeline.materialize("Size") == {}


def test_asynchronous_functions_and_generators(here: Path) -> None:
    (here / "jobs.py").write_text("async def Fetch():\n    return 1\n\ndef Rows():\n    yield from 'ab'\n")
    pipeline = opened(here, "Fetch: []\nRows: []\n", module="jobs")
    assert pipeline.materialize("Fetch") == 1
    assert pipeline.materialize("Rows") == ["a", "b"]


# --- failure


def test_failed_blocked_and_not_reached_are_kept_apart(here: Path) -> None:
    write_demo(here)
    (here / "foo_jobs.py").write_text(JOBS.replace('_take("Lint")', 'raise ValueError("untidy")'))
    pipeline = opened(here, module="foo_jobs")
    with pytest.raises(StepFailed, match=r"Lint.* failed in stages.yaml, line 1: ValueError: untidy"):
        pipeline.materialize(echo=False)
    assert ran(here) == ["Test"]
    assert outcome_text(pipeline).endswith(
        ": Test. Lint failed. Coverage, Docs, Benchmark not run, waiting for what failed."
    )
    assert read_state(here / "state.yml") == {
        "Lint": "FAILED",
        "Test": "SUCCESS",
        "Coverage": "null",
        "Docs": "null",
        "Benchmark": "null",
    }
    text = log_files(pipeline)[-1].read_text()
    assert "| DEBUG | Lint | Traceback (most recent call last):" in text
    assert "| ERROR | Lint failed after" in text


def test_fail_fast_says_what_was_not_reached(here: Path) -> None:
    write_demo(here)
    (here / "foo_jobs.py").write_text(JOBS.replace('_take("Lint")', 'raise ValueError("untidy")'))
    pipeline = opened(here, module="foo_jobs")
    with pytest.raises(StepFailed):
        pipeline.materialize(echo=False, fail_fast=True)
    assert ran(here) == []
    told = "Lint failed. Coverage, Docs, Benchmark not run, waiting for what failed. Test not reached."
    assert outcome_text(pipeline) == told


def test_a_stage_that_ends_the_process_has_failed(here: Path) -> None:
    write_demo(here)
    (here / "foo_jobs.py").write_text(JOBS.replace('_take("Lint")', "raise SystemExit(4)"))
    pipeline = opened(here, module="foo_jobs")
    with pytest.raises(StepFailed, match="SystemExit: 4"):
        pipeline.materialize(echo=False)
    assert read_state(here / "state.yml")["Lint"] == "FAILED"


def test_a_release_of_ours_does_not_make_a_command_stale(here: Path) -> None:
    """Nothing of us counts for what a step is made of."""
    pipeline = opened(here, "stages:\n  Run: {shell: 'true'}\n")
    pipeline.materialize()
    record = pipeline.context.record("Run")
    assert record is not None
    assert [part.kind for part in record.fingerprint.parts] == ["code"]


def test_a_failed_command_says_its_exit_code(here: Path) -> None:
    pipeline = opened(here, "stages:\n  Bad: {shell: 'echo out; exit 3'}\n  Next: {depends_on: [Bad], shell: 'true'}\n")
    with pytest.raises(StepFailed, match=r"Bad, .* failed in stages.yaml, line 2: the command ended with exit code 3"):
        pipeline.materialize(echo=False)
    assert pipeline.log("Bad")[0].text == "out\n"
    assert outcome_text(pipeline) == "Bad failed. Next not run, waiting for what failed."


CHILD = """\
import sys
from jo_notebook.interop.stages import open_stages
open_stages("stages.yaml", module="foo_jobs").materialize(echo=False)
"""


def test_a_killed_run_goes_on_where_it_was(here: Path) -> None:
    """kill -9 in the middle: what was finished is there, and state.yml was up to date."""
    write_demo(here)
    slow = JOBS.replace('_take("Coverage")', '_take("Coverage")\n    time.sleep(60)')
    (here / "foo_jobs.py").write_text(slow)
    child = subprocess.Popen([sys.executable, "-c", CHILD], cwd=here)
    deadline = time.monotonic() + 60
    while not (here / "ran.txt").exists() or "Coverage" not in (here / "ran.txt").read_text():
        assert time.monotonic() < deadline
        assert child.poll() is None
        time.sleep(0.02)
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert ran(here) == ["Lint", "Test", "Coverage"]
    assert read_state(here / "state.yml") == {
        "Lint": "SUCCESS",
        "Test": "SUCCESS",
        "Coverage": "RUNNING",
        "Docs": "null",
        "Benchmark": "null",
    }
    (here / "foo_jobs.py").write_text(JOBS)
    pipeline = opened(here, module="foo_jobs")
    pipeline.materialize(echo=False)
    assert ran(here) == ["Coverage", "Docs", "Benchmark"]
    assert set(read_state(here / "state.yml").values()) == {"SUCCESS"}


def test_results_live_where_they_are_told_to(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_demo(here)
    monkeypatch.setenv("JO_CONTEXT", str(here / "elsewhere.jo"))
    assert opened(here, module="foo_jobs").context.place == here / "elsewhere.jo"
    assert opened(here, module="foo_jobs", place=here / "own.jo").context.place == here / "own.jo"


def test_the_module_beside_the_file_comes_first(here: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Wherever one stands. Two projects with modules of one name in one process are told apart."""
    write_demo(here)
    other = tmp_path_factory.mktemp("other")
    write_demo(other)
    os.chdir(other.parent)
    opened(here, module="foo_jobs")
    assert sys.path[0] == str(here)
    with pytest.raises(UsageError, match=r"foo_jobs is loaded from .* in this process, not from"):
        opened(other, module="foo_jobs")
