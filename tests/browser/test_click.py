"""A click on a node, in JupyterLab and in Notebook 7."""

from __future__ import annotations

import pytest

from jo_notebook.views.look import LOOKS
from tests.browser.conftest import OpenNotebook
from tests.browser.harness import App
from tests.browser.small import ALL_AVAILABLE, CELLS, EXTENSION, GRAPH, HELPER, HELPERS, STEPS, VALUE, click, ran, run


@pytest.mark.parametrize("app", ["lab", "notebook"])
def test_click_restart_click_change_click(open_notebook: OpenNotebook, app: App) -> None:
    notebook = open_notebook(CELLS, app)
    run(notebook, *range(VALUE))
    notebook.wait_graph(len(STEPS))
    assert notebook.states() == dict.fromkeys(STEPS, "missing")

    notebook.watch()
    click(notebook, "Total")
    assert notebook.states() == ALL_AVAILABLE
    notebook.wait_message("4 of 4 available")
    for step in STEPS[1:]:
        assert notebook.seen(step) == ["missing", "queued", "running", "available"]
    colours = notebook.cy("cy.nodes().map(node => node.style('background-color'))")
    red, green, blue = bytes.fromhex(LOOKS["available"].fill.removeprefix("#"))
    assert set(colours) == {f"rgb({red},{green},{blue})"}
    assert ran(notebook) == ["Load", "Scale", "Other", "Total"]
    run(notebook, VALUE)
    assert notebook.text(VALUE) == "18"

    notebook.restart_kernel()
    assert "lost its kernel" in notebook.page.evaluate(
        "() => getComputedStyle(document.querySelector('.jo-graph-box'), '::before').content"
    )
    run(notebook, EXTENSION, GRAPH)
    notebook.wait_graph(len(STEPS))
    assert notebook.states() == ALL_AVAILABLE
    notebook.watch()
    notebook.click_node("Total")
    notebook.wait_hint("Total · available · in memory")
    notebook.wait_idle()
    assert notebook.seen("Total") == ["available"]
    assert ran(notebook) == ["Load", "Scale", "Other", "Total"]
    run(notebook, VALUE)
    assert notebook.text(VALUE) == "18"

    notebook.set_source(HELPER, HELPERS.replace("rate = 2", "rate = 3"))
    run(notebook, HELPER)
    notebook.wait_states(Load="available", Scale="stale", Other="available", Total="stale")
    notebook.point_at("Scale")
    notebook.wait_hint("Scale · stale · constant rate: 2 → 3")
    click(notebook, "Total")
    assert ran(notebook) == ["Load", "Scale", "Other", "Total", "Scale", "Total"]
    run(notebook, VALUE)
    assert notebook.text(VALUE) == "24"
    assert notebook.errors == []
    assert notebook.external == []
