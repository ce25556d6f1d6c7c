"""Stages that run at the same time, are tried again, and take too long."""

from __future__ import annotations

import inspect
import os
import time
from pathlib import Path

import pytest
import yaml

from jo_notebook.core.events import Event
from jo_notebook.errors import StepFailed
from jo_notebook.interop.run_log import log_files
from jo_notebook.interop.stages import open_stages
from jo_notebook.interop.state_file import read_state
from jo_notebook.pipeline import Pipeline
from tests.interop.stages_demo import NAMES, ran, write_demo
from tests.interop.test_shell import assert_gone, wait_for

pytestmark = pytest.mark.skipif(
    "jobs" not in inspect.signature(Pipeline.materialize).parameters, reason="one step at a time"
)

PAIR = """\
import os, time

def _meet(mine, other):
    open(mine, "w").close()
    for _ in range(3000):
        if os.path.exists(other):
            return print(mine, "met", other)
        time.sleep(0.01)
    raise TimeoutError

def One(): _meet("one", "two")
def Two(): _meet("two", "one")
def After(): pass
"""


def test_two_stages_at_once(here: Path) -> None:
    (here / "jobs.py").write_text(PAIR)
    (here / "stages.yaml").write_text("One: []\nTwo: []\nAfter: [One, Two]\n")
    pipeline = open_stages(here / "stages.yaml", module="jobs")
    seen: list[dict[str, str | None]] = []

    def look(event: Event) -> None:
        if (here / "state.yml").exists():
            seen.append(yaml.safe_load((here / "state.yml").read_text()))

    pipeline.listen(look)
    pipeline.materialize(echo=False, jobs=4)
    assert {"One": "RUNNING", "Two": "RUNNING", "After": None} in seen
    assert seen[-1] == dict.fromkeys(("One", "Two", "After"), "SUCCESS")
    text = log_files(pipeline)[0].read_text()
    assert "| DEBUG | One | one met two" in text
    assert "| DEBUG | Two | two met one" in text


def test_the_demo_at_once(here: Path) -> None:
    path = write_demo(here)
    open_stages(path, module="foo_jobs").materialize(echo=False, jobs=4)
    order = ran(here)
    assert sorted(order[:2]) == ["Lint", "Test"]
    assert order[2] == "Coverage"
    assert sorted(order) == sorted(NAMES)


def test_a_command_is_tried_again(here: Path) -> None:
    (here / "stages.yaml").write_text(
        "stages:\n  Try: {shell: 'echo x >> tries; [ $(wc -l < tries) -ge 3 ]', retries: 3, backoff: 0.01}\n"
    )
    pipeline = open_stages(here / "stages.yaml")
    pipeline.materialize(echo=False)
    assert (here / "tries").read_text() == "x\n" * 3
    assert read_state(here / "state.yml") == {"Try": "SUCCESS"}


@pytest.mark.skipif(os.name == "nt", reason="the command is one of a POSIX shell")
@pytest.mark.parametrize("jobs", [1, 3])
def test_a_command_that_takes_too_long_is_ended(here: Path, jobs: int) -> None:
    """With all that it has started, on any thread; what needs it is not run, what does not is."""
    (here / "stages.yaml").write_text(
        "stages:\n  Slow: {shell: 'sleep 63 & echo $! $$ > pids; sleep 64', timeout: 1}\n"
        "  Next: {depends_on: [Slow], shell: 'true'}\n  Other: {shell: 'sleep 0.1'}\n"
    )
    pipeline = open_stages(here / "stages.yaml")
    began = time.monotonic()
    with pytest.raises(StepFailed, match="Slow"):
        pipeline.materialize(echo=False, jobs=jobs)
    assert time.monotonic() - began < 30
    assert_gone(*(int(word) for word in wait_for(here / "pids").split()))
    assert read_state(here / "state.yml") == {"Slow": "FAILED", "Next": "null", "Other": "SUCCESS"}
