"""`%materialize --jobs 2` in a kernel: steps overlap, output and pictures go to the right log, *Interrupt* works."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.conftest import StartKernel
from tests.journeys.asking import body, models, node_click, result, runs, states, wait_for_notes, wait_for_states
from tests.kernel import Kernel

MEET = "import threading\nmeet = threading.Barrier(2)\n"
SPIN = "import time\nwhile True:\n    time.sleep(0.01)\n"


def define(kernel: Kernel, **bodies: str) -> None:
    """Load the extension, and each of these as a step in a cell of its own."""
    kernel.run("%load_ext jo_notebook", "a")
    kernel.run(MEET, "b")
    for number, (name, text) in enumerate(bodies.items()):
        kernel.run(f"%%step {name}\n{text}", f"c{number}")


def log(kernel: Kernel, name: str) -> str:
    return kernel.run(f"%log {name}").stdout


def test_steps_overlap_and_each_has_its_own_log(lab_kernel: Kernel) -> None:
    shown = "from IPython.display import HTML, display\nmeet.wait(20)\nprint('printed', 'by', '{0}')\n"
    shown += "display(HTML('<b>{0}</b>'))\nmeet.wait(20)\n'{0}'"
    define(lab_kernel, Left=shown.format("Left"), Right=shown.format("Right"), Both="Left + Right")
    reply = lab_kernel.run("%materialize Both --jobs 2")
    assert result(reply) == "'LeftRight'"
    for name, other in (("Left", "Right"), ("Right", "Left")):
        assert f"printed by {name}\n" in reply.stdout, "also below the cell that asked"
        assert f"<b>{name}</b>" in str([message["content"] for message in reply.messages])
        told = log(lab_kernel, name)
        assert f"printed by {name}" in told
        assert other not in told
        entries = lab_kernel.run(
            f"pipeline = %pipeline\n[dict(e.data).get('text/html') for e in pipeline.log('{name}')]"
        )
        assert f"<b>{name}</b>" in result(entries)
        assert f"<b>{other}</b>" not in result(entries)
    assert result(lab_kernel.run("Left, Right, Both")) == "('Left', 'Right', 'LeftRight')"
    assert set(states(lab_kernel).values()) == {"available"}


def test_what_belongs_to_the_shell_runs_on_the_main_thread(lab_kernel: Kernel, tmp_path: Path) -> None:
    magics = "n = 3\nx = !echo shell\n%time y = n + 1\n(x[0], y)"
    define(lab_kernel, Magic=body("Magic", magics), Left=body("Left", "1"), Right=body("Right", "2"))
    assert "Ran 3 steps" in lab_kernel.run("%materialize --jobs 3").stdout
    on = dict(line.split(" ", 1) for line in (tmp_path / "runs.txt").read_text().splitlines())
    assert on == {"Magic": "MainThread", "Left": "jo Left", "Right": "jo Right"}
    assert result(lab_kernel.run("Magic")) == "('shell', 4)"


def test_figures_go_to_the_step_that_drew_them(lab_kernel: Kernel) -> None:
    pytest.importorskip("matplotlib_inline")
    pytest.importorskip("matplotlib")
    draw = "import matplotlib.pyplot as plt\nplt.plot([{0}])\nprint('drew {0}')\n{0}"
    lab_kernel.run("%matplotlib inline")
    define(lab_kernel, One=draw.format(1), Two=draw.format(2), Plain="3")
    lab_kernel.run("%materialize --jobs 3")
    pipeline = "pipeline = %pipeline\n"
    for name, figures in (("One", 1), ("Two", 1), ("Plain", 0)):
        counted = f"sum('image/png' in dict(e.data) for e in pipeline.log('{name}'))"
        assert result(lab_kernel.run(pipeline + counted)) == str(figures)


def test_an_interrupt(lab_kernel: Kernel, tmp_path: Path) -> None:
    """What was finished is kept, and the next run goes on from there."""
    quick = "import os, time\nwhile not os.path.exists('quick'):\n    time.sleep(0.01)\n"
    define(
        lab_kernel,
        Load=body("Load", "[1, 2]"),
        Left=body("Left", quick + "sum(Load)"),
        Right=body("Right", quick + "len(Load)"),
        Last=body("Last", "Left + Right"),
    )
    request = lab_kernel.send("%materialize Last --jobs 2")
    wait_for_notes(tmp_path, 3)
    time.sleep(0.2)
    stopped = time.monotonic()
    lab_kernel.interrupt()
    reply = lab_kernel.wait(request)
    assert time.monotonic() - stopped < 8
    assert "Interrupted. What was finished is kept.\n" in reply.stdout
    assert "left behind" not in reply.stdout
    assert reply.error.startswith("KeyboardInterrupt")
    assert "jo_notebook" not in reply.error
    missing = dict.fromkeys(("Left", "Right", "Last"), "missing")
    assert states(lab_kernel) == {"Load": "available", **missing}
    runs(tmp_path)
    (tmp_path / "quick").touch()
    assert result(lab_kernel.run("%materialize Last --jobs 2")) == "5"
    assert sorted(runs(tmp_path)) == ["Last", "Left", "Right"]


def test_a_click_takes_the_setting(start_kernel: StartKernel, tmp_path: Path) -> None:
    """JO_JOBS, or %config JoNotebook.jobs, says how many for a click and for a line without --jobs."""
    notebook = tmp_path / "analysis.ipynb"
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n')
    kernel = start_kernel(env={"JPY_SESSION_NAME": str(notebook), "JO_JOBS": "2"})
    define(kernel, Left="meet.wait(20)\n1", Right="meet.wait(20)\n2", Both="Left + Right")
    (drawing,) = models(kernel.run("%graph", "g"), "CytoscapeModel")
    kernel.comm(drawing, node_click("Both"))
    wait_for_states(kernel, dict.fromkeys(("Left", "Right", "Both"), "available"))
    assert result(kernel.run("%config JoNotebook.jobs = 1\npipeline = %pipeline\npipeline.jobs")) == "1"


def test_a_failure_shows_the_users_own_traceback(lab_kernel: Kernel) -> None:
    define(lab_kernel, Left="left = 0\n1 / left", Right="2", Both="Left + Right")
    reply = lab_kernel.run("%materialize Both --jobs 2", allow_error=True)
    assert "ZeroDivisionError" in reply.error
    assert "jo_notebook" not in reply.error
    assert "threading.py" not in reply.error


def test_tries_are_told_at_once(lab_kernel: Kernel) -> None:
    flaky = "tries.append(1)\nprint('try', len(tries))\nif len(tries) < 2:\n    raise ValueError('no')\n5"
    lab_kernel.run("tries = []", "t")
    define(lab_kernel, Other="1")
    lab_kernel.run(f"%%step Flaky --retries 2 --backoff 0.1 --timeout 30\n{flaky}", "d")
    reply = lab_kernel.run("%materialize --jobs 2")
    assert "Flaky failed, try 1 of 3 (ValueError: no); again in 0.1 s.\n" in reply.stdout
    assert "Note: Flaky took 2 tries." in reply.stdout
    assert result(lab_kernel.run("Flaky")) == "5"
