"""Stages of a file and cells of a notebook in one graph."""

from __future__ import annotations

import json
import time
from pathlib import Path

from tests.interop.stages_demo import JOBS, NAMES, STAGES, ran, write_demo
from tests.journeys.asking import result
from tests.kernel import Kernel

LOAD = "%load_stages stages.yaml --module foo_jobs"


def test_stages_beside_cells(lab_kernel: Kernel, tmp_path: Path) -> None:
    """From the first load over an edit of the file to an edit of a function."""
    write_demo(tmp_path)
    say = lab_kernel.run
    say("%load_ext jo_notebook", "a")
    loaded = say(LOAD, "b")
    assert loaded.stdout == "stages.yaml: Lint, Test, Coverage, Docs, Benchmark · 5 stages.\n"
    assert loaded.text == ""
    assert not (tmp_path / "analysis.jo").exists()
    assert say("%%step Report --depends-on Docs\nDocs\n'the report'", "c").text.startswith("Report ← Docs · missing")
    done = say("%materialize Report", "d")
    assert result(done) == "'the report'"
    assert ran(tmp_path) == ["Lint", "Test", "Coverage", "Docs"]
    assert say("%log Lint", "e").stdout.splitlines()[1:] == ["Lint begins"]

    # again, unchanged: nothing is stale
    assert say(LOAD, "b").stdout == loaded.stdout
    assert say("%materialize Report", "d").stdout == "Nothing to run: everything is available.\n"

    # a stage more, another one less
    (tmp_path / "stages.yaml").write_text(STAGES.replace("Benchmark: [Coverage]", "Ship: [Docs]"))
    (tmp_path / "foo_jobs.py").write_text(JOBS + "\n\ndef Ship():\n    _take('Ship')\n    return 'shipped'\n")
    assert say(LOAD, "b").stdout == "stages.yaml: Lint, Test, Coverage, Docs, Ship · 5 stages.\n"
    assert "Benchmark" not in say("%steps", "e").stdout
    assert result(say("%materialize Ship", "e")) == "'shipped'"
    assert result(say("Ship.upper()", "f")) == "'SHIPPED'"
    assert ran(tmp_path) == ["Ship"]

    # an edited function makes its stage stale, and what needs that
    (tmp_path / "foo_jobs.py").write_text(
        JOBS.replace('_take("Docs")', '_take("Docs")\n    return "docs"') + "\n\ndef Ship():\n    return 'shipped'\n"
    )
    say("%materialize Report", "d")
    assert ran(tmp_path) == ["Docs"]


def test_one_name_in_a_cell_and_in_a_file(lab_kernel: Kernel, tmp_path: Path) -> None:
    """Whoever comes first has it, also where no front end tells which cell it is."""
    write_demo(tmp_path)
    say = lab_kernel.run
    say("%load_ext jo_notebook", "a")
    say(LOAD, "b")
    for cell in ("c", None):
        error = say("%%step Docs\n1", cell, allow_error=True).error
        assert error.startswith("DuplicateStepError: Two steps are called Docs: stages.yaml, line 4 has it, and cell [")
    (tmp_path / "stages.yaml").write_text(STAGES.replace("Docs: [Coverage]\n", ""))
    say(LOAD, "b")
    assert say("%%step Docs\n1", "c").text.startswith("Docs · ")
    (tmp_path / "stages.yaml").write_text(STAGES + "Ship: []\n")
    error = say(LOAD, "b", allow_error=True).error
    assert error.startswith("UsageError: stages.yaml, line 6: Ship: foo_jobs has no function Ship.")
    (tmp_path / "stages.yaml").write_text(STAGES)
    error = say(LOAD, "b", allow_error=True).error
    assert error.startswith("DuplicateStepError: Two steps are called Docs: cell [")
    assert "stages.yaml, line 4 claims the name too" in error
    assert "Traceback" not in error
    assert "Benchmark" in say("%steps").stdout


def test_wrong_lines(lab_kernel: Kernel, tmp_path: Path) -> None:
    """One clear error each, and the kernel is as it was."""
    write_demo(tmp_path)
    say = lab_kernel.run
    say("%load_ext jo_notebook", "a")
    assert say("%load_stages", allow_error=True).error.startswith("UsageError: %load_stages takes one file")
    assert "There is no file" in say("%load_stages nothing.yaml", allow_error=True).error
    assert "say in which module its function is" in say("%load_stages stages.yaml", allow_error=True).error
    assert "did you mean" in say("%load_stages stages.yaml --modul foo_jobs", allow_error=True).error.lower()
    assert "%load_stages FILE [--module MODULE]" in say("%load_stages --help").stdout
    (tmp_path / "stages.yaml").write_text("Lint: [Docs]\nDocs: [Lint]\n")
    error = say(LOAD, allow_error=True).error
    assert error.startswith(
        "CycleError: These steps wait for each other: Lint ← Docs ← Lint (Lint in stages.yaml, line 1"
    )
    assert "No step is registered yet" in say("%steps").stdout


def test_after_a_restart(lab_kernel: Kernel, tmp_path: Path) -> None:
    """Stages are remembered like any step, they are no cells that were deleted, and stale ones are told."""
    write_demo(tmp_path)
    notebook = {
        "cells": [
            {"id": "b", "cell_type": "code", "source": LOAD, "metadata": {}, "outputs": [], "execution_count": 1}
        ],
        "metadata": {},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    (tmp_path / "analysis.ipynb").write_text(json.dumps(notebook))
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run(LOAD, "b")
    lab_kernel.run("%materialize", "d")
    assert ran(tmp_path) == NAMES
    lab_kernel.restart()
    lab_kernel.run("%load_ext jo_notebook", "a")
    steps = lab_kernel.run("%steps", "e").stdout
    assert "cell deleted" not in steps
    assert [name for name in NAMES if name not in steps] == []
    assert lab_kernel.run("%materialize", "d").stdout == "Nothing to run: everything is available.\n"
    (tmp_path / "stages.yaml").write_text(STAGES.replace("Docs: [Coverage]\n", ""))
    lab_kernel.run(LOAD, "b")
    assert "Docs" not in lab_kernel.run("%steps", "e").stdout
    assert ran(tmp_path) == []


def test_an_interrupted_command_leaves_nothing(lab_kernel: Kernel, tmp_path: Path) -> None:
    """The stop button, while a stage runs a command."""
    (tmp_path / "stages.yaml").write_text("stages:\n  Wait: {shell: 'echo $$ > pid; sleep 60'}\n")
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("%load_stages stages.yaml", "b")
    request = lab_kernel.send("%materialize Wait", "c")
    deadline = time.monotonic() + 60
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text().strip():
        assert time.monotonic() < deadline
        time.sleep(0.02)
    pid = int((tmp_path / "pid").read_text())
    lab_kernel.interrupt()
    reply = lab_kernel.wait(request)
    assert "KeyboardInterrupt" in reply.error
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
