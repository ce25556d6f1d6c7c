"""A click on a node, as the browser sends it: queued at once, run on the main thread, in order with the cells."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.journeys.asking import (
    BUTTON_CLICK,
    body,
    buttons,
    models,
    node_click,
    open_subshell,
    result,
    runs,
    send_comm,
    states,
    threads,
    wait_for_notes,
    wait_for_states,
)
from tests.kernel import Kernel, Message, Reply

ALL = {"Load": "available", "Clean": "available"}


@pytest.fixture
def shown(lab_kernel: Kernel, tmp_path: Path) -> tuple[Kernel, Reply]:
    """Two steps, nothing run, and the answer of %graph."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("%%step Load\nprint('some words')\n" + body("Load", "[3, 1, 2]"), "b")
    lab_kernel.run("%%step Clean\n" + body("Clean", "sorted(Load)"), "c")
    return lab_kernel, lab_kernel.run("%graph", "d")


def test_a_click_materializes(shown: tuple[Kernel, Reply], tmp_path: Path) -> None:
    """Load and Clean run on the main thread; their names are bound; the picture was told; no cell heard a word."""
    kernel, graph = shown
    (drawing,) = models(graph, "CytoscapeModel")
    started = time.monotonic()
    assert kernel.comm(drawing, node_click("Clean")).ok
    assert time.monotonic() - started < 1
    wait_for_notes(tmp_path, 2)
    wait_for_states(kernel, ALL)
    assert threads(tmp_path) == {"MainThread"}
    assert runs(tmp_path) == ["Load", "Clean"]
    assert result(kernel.run("'Clean' in globals(), Clean, Load")) == "(True, [1, 2, 3], [3, 1, 2])"
    elsewhere = kernel.heard_elsewhere("")
    assert not [m for m in elsewhere if m["msg_type"] == "stream" and "some words" in m["content"]["text"]]
    assert kernel.run("%log Load").stdout.splitlines()[1:] == ["some words"]
    assert [m for m in elsewhere if m["msg_type"] == "comm_msg" and "cytoscape_style" in str(m["content"])]


def test_a_second_click_runs_nothing(shown: tuple[Kernel, Reply], tmp_path: Path) -> None:
    """What is available is available."""
    kernel, graph = shown
    (drawing,) = models(graph, "CytoscapeModel")
    for _ in range(3):
        kernel.comm(drawing, node_click("Clean"))
    wait_for_states(kernel, ALL)
    time.sleep(0.3)
    kernel.run("1")
    assert runs(tmp_path) == ["Load", "Clean"]


def test_run_all_and_a_request_from_python(shown: tuple[Kernel, Reply], tmp_path: Path) -> None:
    """The button of the picture, and `pipeline.request`, take the same way."""
    kernel, graph = shown
    kernel.comm(buttons(graph)["Run all"], BUTTON_CLICK)
    wait_for_states(kernel, ALL)
    kernel.run("%forget Load Clean")
    runs(tmp_path)
    kernel.run('pipeline = %pipeline\npipeline.request({"verb": "materialize", "step": "Load"})')
    wait_for_states(kernel, {"Load": "available", "Clean": "missing"})
    assert runs(tmp_path) == ["Load"]


def test_the_button_below_a_step(lab_kernel: Kernel, tmp_path: Path) -> None:
    """A step's cell offers a button; after the run the line alone remains."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    answer = lab_kernel.run("%%step Load\n" + body("Load", "[3, 1, 2]"), "b")
    button = buttons(answer)["Materialize"]
    lab_kernel.comm(button, BUTTON_CLICK)
    wait_for_states(lab_kernel, {"Load": "available"})
    deadline = time.monotonic() + 10
    updates: list[Message] = []
    while not updates and time.monotonic() < deadline:
        time.sleep(0.1)
        lab_kernel.run("1")
        updates = [m for m in lab_kernel.heard_elsewhere("") if m["msg_type"] == "update_display_data"]
    assert updates[-1]["content"]["data"]["text/plain"] == "Load · available · in memory"
    assert "application/vnd.jupyter.widget-view+json" not in updates[-1]["content"]["data"]


@pytest.mark.parametrize("has_subshell", [True, False], ids=["on a subshell", "on the main shell"])
def test_a_click_waits_for_the_running_cell(shown: tuple[Kernel, Reply], tmp_path: Path, has_subshell: bool) -> None:
    """The click is heard while a cell runs (on a subshell, as in JupyterLab); the steps run between two cells."""
    kernel, graph = shown
    (drawing,) = models(graph, "CytoscapeModel")
    subshell = open_subshell(kernel) if has_subshell else ""
    note = 'open("runs.txt", "a").write("{} here\\n")'
    first = kernel.send(f"import time; time.sleep(1.2); {note.format('first')}", "e")
    time.sleep(0.2)
    started = time.monotonic()
    click = send_comm(kernel, drawing, node_click("Clean"), subshell)
    if subshell:
        kernel.wait(click)
        assert time.monotonic() - started < 0.8
        time.sleep(0.2)
        second = kernel.send(note.format("second"), "f")
        kernel.wait(second)
        assert runs(tmp_path) == ["first", "Load", "Clean", "second"]
    else:
        kernel.wait(first)
        wait_for_states(kernel, ALL)
        assert runs(tmp_path) == ["first", "Load", "Clean"]


def test_a_failing_step_is_told_by_the_picture(lab_kernel: Kernel) -> None:
    """No traceback lands in somebody's cell; the step is failed, and its log says why."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("%%step Bad\n1 / 0", "b")
    (drawing,) = models(lab_kernel.run("%graph", "d"), "CytoscapeModel")
    lab_kernel.comm(drawing, node_click("Bad"))
    wait_for_states(lab_kernel, {"Bad": "failed"})
    assert not [m for m in lab_kernel.heard_elsewhere("") if m["msg_type"] == "error"]
    assert "ZeroDivisionError: division by zero" in lab_kernel.run("%log Bad").stdout


SENSELESS = {
    "There is no step called 'Clear'. Did you mean Clean?": {"verb": "materialize", "step": "Clear"},
    "'explode'": {"verb": "explode", "step": "Clean"},
    "no name: 7": {"verb": "materialize", "step": 7},
    "None": {},
}


def test_a_senseless_request_is_refused(shown: tuple[Kernel, Reply], tmp_path: Path) -> None:
    """One clear error each, and nothing is queued."""
    kernel, _ = shown
    kernel.run("pipeline = %pipeline")
    for words, message in SENSELESS.items():
        error = kernel.run(f"pipeline.request({message!r})", allow_error=True).error
        assert words in error
        assert "Traceback" not in error
    assert states(kernel) == {"Load": "missing", "Clean": "missing"}
    assert result(kernel.run("pipeline.queued")) == "frozenset()"
