"""`%materialize --background`: the cell returns at once; joined, redefined, cancelled, restarted in the middle."""

from __future__ import annotations

import contextlib
import os
import time
from pathlib import Path

import psutil
import pytest

from tests.journeys.asking import (
    BUTTON_CLICK,
    body,
    buttons,
    models,
    open_subshell,
    result,
    runs,
    send_comm,
    states,
    wait_for_notes,
    wait_for_states,
)
from tests.kernel import Kernel

SLOW = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.01)\nsum(Load)"
ALL = {"Load": "available", "Slow": "available", "Last": "available"}


def define(kernel: Kernel) -> None:
    """Load, Slow (until there is a file `go`) and Last."""
    kernel.run("%load_ext jo_notebook", "a")
    kernel.run("%%step Load\n" + body("Load", "[3, 1, 2]"), "b")
    kernel.run("%%step Slow\n" + body("Slow", SLOW), "c")
    kernel.run("%%step Last\n" + body("Last", "Slow + 1"), "d")


def start(kernel: Kernel, place: Path) -> str:
    """Slow is running in the background; what the cell that started it said."""
    said = kernel.run("%materialize Last --background", "e").stdout
    wait_for_notes(place, 2)
    return said


def test_the_kernel_is_free_meanwhile(lab_kernel: Kernel, tmp_path: Path) -> None:
    """Cells compute; what has ended is told once, and its names are bound."""
    define(lab_kernel)
    said = start(lab_kernel, tmp_path)
    assert said == "Last: 3 steps to run in the background. %materialize waits for them, %cancel stops them.\n"
    assert result(lab_kernel.run("sum(range(10))")) == "45"
    assert result(lab_kernel.run("pipeline = %pipeline\npipeline.running, pipeline.queued")) == (
        "(frozenset({'Slow'}), frozenset({'Last'}))"
    )
    assert result(lab_kernel.run("Load")) == "[3, 1, 2]"
    (tmp_path / "go").touch()
    lab_kernel.run("pipeline.runs and pipeline.runs[0].wait(20)")
    reply = lab_kernel.run("Last + 1")
    assert result(reply) == "8"
    assert reply.stdout.startswith("In the background: Ran 3 steps in ")
    assert lab_kernel.run("Last").stdout == ""
    assert states(lab_kernel) == ALL
    assert runs(tmp_path) == ["Load", "Slow", "Last"]


def test_a_failure_is_told_before_the_next_cell(lab_kernel: Kernel) -> None:
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("%%step Bad\n1 / 0", "b")
    lab_kernel.run("%materialize Bad --background", "c")
    lab_kernel.run("pipeline = %pipeline\nfor run in pipeline.runs: run.wait(30)")
    said = lab_kernel.run("1 + 1").stdout
    assert "Bad failed: ZeroDivisionError: division by zero (%log Bad says more)." in said
    assert "1 / 0" in lab_kernel.run("%log Bad").stdout


def test_who_joins_may_leave_again(lab_kernel: Kernel, tmp_path: Path) -> None:
    """*Interrupt* ends the waiting, not the run; and the next who joins gets the result."""
    define(lab_kernel)
    start(lab_kernel, tmp_path)
    request = lab_kernel.send("%materialize Last", "f")
    time.sleep(0.7)
    lab_kernel.interrupt()
    reply = lab_kernel.wait(request)
    assert reply.error.startswith("KeyboardInterrupt")
    assert "Slow is being run in the background; waiting for its result." in reply.stdout
    assert (
        "Interrupted. What was finished is kept.\nSlow goes on in the background; %cancel stops it.\n" in reply.stdout
    )
    assert result(lab_kernel.run("pipeline = %pipeline\npipeline.running")) == "frozenset({'Slow'})"
    request = lab_kernel.send("%materialize Last", "f")
    time.sleep(0.3)
    (tmp_path / "go").touch()
    assert result(lab_kernel.wait(request)) == "7"
    assert runs(tmp_path) == ["Load", "Slow", "Last"]


def test_a_step_is_edited_while_it_runs(lab_kernel: Kernel, tmp_path: Path) -> None:
    """It ends, and is the result of what it was; back then, that is right again."""
    define(lab_kernel)
    start(lab_kernel, tmp_path)
    lab_kernel.run("%%step Slow\n" + body("Slow", "100"), "c")
    assert states(lab_kernel) == {**ALL, "Slow": "missing", "Last": "missing"}
    (tmp_path / "go").touch()
    lab_kernel.run("pipeline = %pipeline\n[run.wait(20) for run in pipeline.runs]")
    assert states(lab_kernel) == {**ALL, "Slow": "stale", "Last": "stale"}
    assert result(lab_kernel.run("%materialize Last")) == "101"
    lab_kernel.run("%%step Slow\n" + body("Slow", SLOW), "c")
    assert states(lab_kernel) == ALL
    assert result(lab_kernel.run("Slow, Last")) == "(6, 7)"


@pytest.mark.parametrize("executor", ["processes", "threads"])
def test_a_name_is_changed_while_a_step_reads_it(lab_kernel: Kernel, tmp_path: Path, executor: str) -> None:
    """Another process has it as it was; on a thread the step runs again."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("factor = 2", "b")
    lab_kernel.run("%%step Load\n[3, 1, 2]", "c")
    lab_kernel.run("%%step Slow\n" + body("Slow", SLOW.replace("sum(Load)", "factor * sum(Load)")), "d")
    lab_kernel.run(f"%materialize Slow --background --executor {executor}", "e")
    wait_for_notes(tmp_path, 1)
    lab_kernel.run("factor = 3", "b")
    lab_kernel.run("factor = 2", "b")
    (tmp_path / "go").touch()
    said = lab_kernel.run("%materialize Slow")
    assert result(said) == "12"
    again = executor == "threads"
    assert runs(tmp_path) == ["Slow"] * (1 + again)
    told = "factor was changed while Slow, which reads it, ran: it runs again"
    assert (told in said.stdout + lab_kernel.run("0").stdout) == again


def test_one_step_is_cancelled_and_then_all(lab_kernel: Kernel, tmp_path: Path) -> None:
    define(lab_kernel)
    lab_kernel.run("%%step Other\n" + body("Other", SLOW.replace("sum(Load)", "5")), "o")
    lab_kernel.run("%materialize --background --jobs 2", "e")
    wait_for_notes(tmp_path, 3)
    assert lab_kernel.run("%cancel Slow").stdout == "Cancelled: Slow, Last. What was finished is kept.\n"
    assert "Load: not running, and waiting for nothing.\n" in lab_kernel.run("%cancel Load").stdout
    assert result(lab_kernel.run("pipeline = %pipeline\n'Other' in pipeline.running")) == "True"
    assert "Cancelled: Other" in lab_kernel.run("%cancel").stdout
    assert (
        result(lab_kernel.run("pipeline.runs, pipeline.running, pipeline.queued")) == "((), frozenset(), frozenset())"
    )
    assert states(lab_kernel) == {"Load": "available", "Slow": "missing", "Last": "missing", "Other": "missing"}
    (tmp_path / "go").touch()
    runs(tmp_path)
    assert result(lab_kernel.run("%materialize Last")) == "7"
    assert runs(tmp_path) == ["Slow", "Last"]


def test_the_pictures_button_cancels_it(lab_kernel: Kernel, tmp_path: Path) -> None:
    """While the main thread waits for the run, over a subshell where there are some."""
    define(lab_kernel)
    graph = lab_kernel.run("%graph", "g")
    assert models(graph, "CytoscapeModel")
    start(lab_kernel, tmp_path)
    subshell = ""
    with contextlib.suppress(pytest.skip.Exception):  # without one, the click comes between two cells
        subshell = open_subshell(lab_kernel)
    send_comm(lab_kernel, buttons(graph)["Cancel"], BUTTON_CLICK, subshell)
    wait_for_states(lab_kernel, {"Load": "available", "Slow": "missing", "Last": "missing"}, timeout=10)
    assert result(lab_kernel.run("pipeline = %pipeline\npipeline.running")) == "frozenset()"


def test_what_needs_the_kernel_comes_to_the_main_thread(lab_kernel: Kernel, tmp_path: Path) -> None:
    """Between two cells, or while a cell waits for the run; the shell is as it is in the foreground."""
    define(lab_kernel)
    lab_kernel.run("%%step Magic\n" + body("Magic", "x = !echo shell\n(x[0], Load[0])"), "m")
    lab_kernel.run("%materialize Magic --background", "e")
    wait_for_states(lab_kernel, {"Load": "available", "Slow": "missing", "Last": "missing", "Magic": "available"})
    assert result(lab_kernel.run("Magic")) == "('shell', 3)"
    assert "Magic MainThread" in (tmp_path / "runs.txt").read_text()
    lab_kernel.run("pipeline = %pipeline\nrun = pipeline.start('Magic', force=True)\nrun.wait(20)")
    assert (tmp_path / "runs.txt").read_text().count("Magic MainThread") == 2


def test_who_joins_what_needs_the_kernel_lends_it(lab_kernel: Kernel, tmp_path: Path) -> None:
    """The cell has the main thread, and waits for a step that waits for the main thread."""
    define(lab_kernel)
    lab_kernel.run("%%step Magic\n" + body("Magic", "x = !echo shell\n%pwd\nx[0]"), "m")
    said = lab_kernel.run("%materialize Magic --background\n%materialize Magic", "e", timeout=30)
    assert "Magic is being run in the background; waiting for its result." in said.stdout
    assert result(said) == "'shell'"
    assert "Magic MainThread" in (tmp_path / "runs.txt").read_text()


def test_a_restart_keeps_what_is_finished(lab_kernel: Kernel, tmp_path: Path) -> None:
    """And nothing of the old kernel remains."""
    define(lab_kernel)
    before = int(result(lab_kernel.run("import os; os.getpid()")))
    start(lab_kernel, tmp_path)
    began = time.monotonic()
    lab_kernel.restart()
    assert time.monotonic() - began < 15
    assert not psutil.pid_exists(before) or before == os.getpid()
    assert "1 available, 2 missing" in lab_kernel.run("%load_ext jo_notebook", "a").stdout
    (tmp_path / "go").touch()
    runs(tmp_path)
    assert result(lab_kernel.run("%materialize Last")) == "7"
    assert runs(tmp_path) == ["Slow", "Last"]


def test_unloading_stops_it(lab_kernel: Kernel, tmp_path: Path) -> None:
    define(lab_kernel)
    start(lab_kernel, tmp_path)
    lab_kernel.run("%unload_ext jo_notebook")
    left = "import threading\n[t.name for t in threading.enumerate() if t.name.startswith('jo ')]"
    assert result(lab_kernel.run(left)) == "[]"
