"""The line under a `%%step` cell, and its button."""

from __future__ import annotations

from tests.browser.conftest import OpenNotebook
from tests.browser.small import CELLS, EXTENSION, HELPER, HELPERS, LOAD, OTHER, SCALE, TOTAL, ran, run

LOAD_CELL, SCALE_CELL, OTHER_CELL, TOTAL_CELL = (CELLS.index(text) for text in (LOAD, SCALE, OTHER, TOTAL))
SHOWN = "[...document.querySelectorAll('.jo-step-button')].filter(b => b.offsetParent).length"


def test_the_button_materializes_and_goes(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(CELLS[:-2])
    run(notebook, *range(len(CELLS) - 2))
    notebook.wait_text(TOTAL_CELL, "○ Total ← Scale, Other · missing")
    notebook.wait_for(f"{SHOWN} === 4")
    notebook.page.locator(".jo-step-button").nth(1).click()  # Scale's
    notebook.wait_text(SCALE_CELL, "✓ Scale ← Load · available")
    notebook.wait_text(LOAD_CELL, "✓ Load · available")
    notebook.wait_for(f"{SHOWN} === 2")
    notebook.wait_idle()
    assert ran(notebook) == ["Load", "Scale"]
    for cell in (LOAD_CELL, SCALE_CELL):
        assert [set(output["data"]) for output in notebook.outputs(cell)] == [{"text/plain", "text/html"}]

    notebook.set_source(HELPER, HELPERS.replace("rate = 2", "rate = 3"))
    run(notebook, HELPER)
    notebook.wait_text(SCALE_CELL, "~ Scale ← Load · stale: constant rate: 2 → 3")
    notebook.wait_for(f"{SHOWN} === 3")
    notebook.page.locator(".jo-step-button").last.click()  # Total's
    for cell in (SCALE_CELL, OTHER_CELL, TOTAL_CELL):
        notebook.wait_text(cell, "available")
    notebook.wait_for(f"{SHOWN} === 0")
    notebook.wait_idle()
    assert ran(notebook) == ["Load", "Scale", "Scale", "Other", "Total"]

    notebook.save()
    notebook.restart_kernel()
    notebook.reload()
    for cell, line in ((LOAD_CELL, "✓ Load · available"), (TOTAL_CELL, "✓ Total ← Scale, Other · available")):
        notebook.wait_text(cell, line)
    assert "model not found" not in notebook.page.locator(".jp-Notebook").inner_text()
    run(notebook, EXTENSION)
    assert "4 available" in notebook.text(EXTENSION)
    assert notebook.errors == []


def test_the_button_tells_of_a_failure(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook([CELLS[EXTENSION], "%%step Alone --depends-on Nowhere\nNowhere"])
    run(notebook, 0, 1)
    notebook.page.locator(".jo-step-button").click()
    notebook.wait_text(1, "Alone depends on Nowhere, which is not registered.")
    notebook.wait_for(f"{SHOWN} === 1")
    assert notebook.errors == []
