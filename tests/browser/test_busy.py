"""Clicks while the kernel is busy, and how a run is stopped or fails."""

from __future__ import annotations

import time

from tests.browser.conftest import OpenNotebook
from tests.browser.small import CELLS, STEPS, VALUE, ran, run

SLOW = '%%step Slow --depends-on Load\nran("Slow", 60)\nLoad'
BAD = '%%step Bad --depends-on Load\nran("Bad")\nLoad + undefined_name'


def test_a_click_while_a_cell_runs_waits_for_it_and_can_be_taken_back(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([*CELLS, "time.sleep(8)"])
    run(notebook, *range(VALUE))
    notebook.wait_graph(len(STEPS))
    notebook.watch()
    notebook.run_cell(VALUE + 1, wait=False)
    notebook.wait_busy()
    clicked = time.monotonic()
    notebook.click_node("Total")
    notebook.wait_states(**dict.fromkeys(STEPS, "queued"))
    assert time.monotonic() - clicked < 4, "said at once, not when the cell was over"
    notebook.wait_message("4 queued · waiting for the kernel")
    assert not notebook.page.evaluate("() => window.joRan"), "the cell still runs"

    notebook.press("Cancel")
    notebook.wait_states(**dict.fromkeys(STEPS, "missing"))
    notebook.wait_message("Cancelled.")
    notebook.click_node("Total")
    notebook.wait_states(**dict.fromkeys(STEPS, "queued"))
    assert not notebook.page.evaluate("() => window.joRan"), "the cell still runs"
    assert ran(notebook) == []
    notebook.wait_run()
    assert notebook.text(VALUE + 1) == "", "Cancel took what was queued, and left the cell alone"
    notebook.wait_busy()
    notebook.wait_states(**dict.fromkeys(STEPS, "available"))
    notebook.wait_idle()
    run(notebook, VALUE)
    assert notebook.text(VALUE) == "18"
    assert notebook.errors == []


def test_a_run_can_be_stopped(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([*CELLS[:-2], SLOW, "%graph", "Load"])
    graph, value = VALUE, VALUE + 1
    run(notebook, *range(graph + 1))
    notebook.wait_graph(len(STEPS) + 1)
    notebook.click_node("Slow")
    notebook.wait_states(Load="available", Slow="running")
    notebook.wait_busy()
    notebook.wait_message("running Slow")
    notebook.interrupt_kernel()
    notebook.wait_states(Load="available", Slow="missing", timeout=20)
    notebook.wait_message("Interrupted. What was finished is kept.")
    notebook.wait_idle()
    run(notebook, value)
    assert notebook.text(value) == "[1, 2, 3]"

    notebook.click_node("Slow")
    notebook.wait_states(Slow="running")
    notebook.press("Cancel")
    notebook.wait_states(Load="available", Slow="missing", timeout=20)
    notebook.wait_idle()
    assert ran(notebook) == ["Load", "Slow", "Slow"]
    assert notebook.errors == []


def test_a_failing_step_is_red_and_can_be_tried_again(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([*CELLS[:-2], BAD, "%graph", "undefined_name = [4]", "sum(Bad)"])
    graph, define, value = VALUE, VALUE + 1, VALUE + 2
    run(notebook, *range(graph + 1))
    notebook.wait_graph(len(STEPS) + 1)
    notebook.click_node("Bad")
    notebook.wait_states(Load="available", Bad="failed")
    notebook.wait_message("✕ Bad failed: NameError: name 'undefined_name' is not defined")
    notebook.wait_idle()
    notebook.click_node("Total")
    notebook.wait_states(Total="available", Bad="failed")
    notebook.wait_idle()
    run(notebook, define)
    notebook.click_node("Bad")
    notebook.wait_states(Bad="available")
    notebook.wait_message("5 of 5 available")
    notebook.wait_idle()
    run(notebook, value)
    assert notebook.text(value) == "10"
    assert ran(notebook).count("Bad") == 2
    assert ran(notebook).count("Load") == 1
    assert notebook.errors == []
