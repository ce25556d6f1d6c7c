"""The example notebook in JupyterLab, from the first click to the next day."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.browser.conftest import OpenNotebook
from tests.browser.harness import Notebook

EXAMPLE = Path(__file__).parents[2] / "notebooks" / "2_penguins.ipynb"
BEFORE = ("load-ext", "imports", "load", "clean", "features", "trees", "log-reg", "forest", "compare", "plot")
STEPS = ("Load", "Clean", "Features", "LogReg", "Forest", "Compare", "Plot")
AFFECTED = {"Forest", "Compare", "Plot"}
WHEN = "{n: r.when for n, r in get_ipython().run_line_magic('pipeline', '').context.records.items()}"


def run(notebook: Notebook, *cells: str) -> None:
    for cell in cells:
        notebook.run_cell(notebook.cell(cell))


def times(notebook: Notebook) -> dict[str, float]:
    """When each step ran."""
    scratch = notebook.cell("table-again")
    notebook.set_source(scratch, WHEN)
    notebook.run_cell(scratch)
    found: dict[str, float] = ast.literal_eval(notebook.text(scratch))
    return found


def test_click_restart_resume_and_change(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(EXAMPLE)
    run(notebook, *BEFORE, "graph")
    notebook.wait_graph(len(STEPS))
    assert notebook.states() == dict.fromkeys(STEPS, "missing")
    notebook.wait_message("0 of 7 available · click a step to materialize it")

    notebook.watch()
    notebook.click_node("Plot")
    notebook.wait_states(timeout=120, **dict.fromkeys(STEPS, "available"))
    notebook.wait_message("7 of 7 available")
    assert notebook.seen("Plot")[:2] == ["missing", "queued"]
    assert {"queued", "running"} < set(notebook.seen("Features") + notebook.seen("Forest"))
    for step in STEPS:
        assert notebook.seen(step)[-1] == "available"
    run(notebook, "shape")
    assert notebook.text(notebook.cell("shape")) == "(333, 8)"
    first = times(notebook)
    assert set(first) == set(STEPS)

    notebook.restart_kernel()
    run(notebook, "load-ext", "graph")
    assert "7 available" in notebook.text(notebook.cell("load-ext"))
    notebook.wait_graph(len(STEPS))
    notebook.wait_states(**dict.fromkeys(STEPS, "available"))
    notebook.watch()
    notebook.click_node("Plot")
    notebook.wait_hint("Plot · available · in memory")
    notebook.wait_idle()
    assert notebook.seen("Plot") == ["available"]
    assert times(notebook) == first, "nothing ran twice"

    run(notebook, "fewer-trees")
    notebook.wait_states(**{step: "stale" if step in AFFECTED else "available" for step in STEPS})
    notebook.point_at("Forest")
    notebook.wait_hint("Forest · stale · constant trees: 200 → 5")
    run(notebook, "imports")  # what the plot needs was brought back with the step; running the cell changes nothing
    notebook.click_node("Plot")
    notebook.wait_states(timeout=120, **dict.fromkeys(STEPS, "available"))
    notebook.wait_message("7 of 7 available")
    second = times(notebook)
    assert {step for step in STEPS if second[step] != first[step]} == AFFECTED
    assert notebook.errors == []
    assert notebook.external == []
