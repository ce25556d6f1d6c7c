"""The bar of a run in its cell: there while it runs, gone when it is over; what a step says of itself, in the graph."""

from __future__ import annotations

from tests.browser.conftest import OpenNotebook
from tests.browser.small import run

CELLS = (
    "%load_ext jo_notebook\nimport time\nfrom jo_notebook import progress",
    "%%step Load\ntime.sleep(1.5)\n1",
    "%%step Train --depends-on Load\nfor n in progress(range(40), text='epoch'):\n    time.sleep(0.1)\nn",
    "%graph",
    "%materialize Train",
)
TRAIN, GRAPH, RUN = 2, 3, 4
BAR = "document.querySelectorAll('.jo-run-bar').length"
SAID = "[...document.querySelectorAll('.jo-run-bar .widget-html-content')].map(e => e.innerText).join()"


def test_a_bar_comes_and_goes(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([*CELLS, "%materialize Train --force", "Train"])
    run(notebook, *range(RUN))
    notebook.wait_graph(2)
    for cell in (RUN, RUN + 1):
        notebook.run_cell(cell, wait=False)
        notebook.wait_for(f"/^[01].[12] · .*about . s left · Train [2-7]\\d % \\(epoch \\d+ of 40\\)/.test({SAID})")
        notebook.shot(f"bar-{cell}")
        notebook.wait_text(TRAIN, "Train ← Load · running · ")
        assert "%, about" in notebook.page.evaluate("document.querySelector('.jo-graph-message').innerText")
        stops = notebook.cy("cy.getElementById('Train').style('background-gradient-stop-positions')")
        assert 5 <= float(stops.split()[1].rstrip("%")) <= 90
        notebook.wait_run()
        notebook.wait_for(f"{BAR} === 0")
        notebook.wait_message("2 of 2 available")
        notebook.wait_text(TRAIN, "Train ← Load · available")
        notebook.shot(f"bar-{cell}-after")
        shown = notebook.outputs(cell)
        assert [output["output_type"] for output in shown] == ["display_data", "stream", "execute_result"]
        assert (shown[0]["data"], shown[2]["data"]["text/plain"]) == ({"text/html": "", "text/plain": ""}, "39")
    run(notebook, RUN)
    assert [output["output_type"] for output in notebook.outputs(RUN)] == ["stream", "execute_result"]
    assert notebook.errors == []
