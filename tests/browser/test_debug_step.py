"""A failed step mended in JupyterLab, in the cell that `%debug_step` puts below."""

from __future__ import annotations

from tests.browser.conftest import OpenNotebook
from tests.browser.small import run

CELLS = (
    "%load_ext jo_notebook",
    "%%step Load\n[3, 1, 2]",
    "%%step Train --depends-on rows=Load --params k=7\nprint(len(rows), 'rows')\nreturn rows[k]",
    "%materialize Train",
    "%debug_step Train",
    "1 + 1",
)
MATERIALIZE, DEBUG, MENDED = 3, 4, 5
SOURCES = "[...window.jupyterapp.shell.widgets('main')].find(w => w.content?.widgets).content.widgets.map("
SOURCES += "w => w.model.sharedModel.getSource())"


def test_the_body_comes_in_a_cell_below(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(CELLS)
    run(notebook, *range(DEBUG))
    assert "IndexError" in notebook.text(MATERIALIZE)
    run(notebook, DEBUG)
    notebook.wait_for(f"{SOURCES}.length === {len(CELLS) + 1}")
    body = "# %%step Train --depends-on rows=Load --params k=7\nprint(len(rows), 'rows')\nrows[k]"
    assert notebook.page.evaluate(SOURCES)[DEBUG:] == [CELLS[DEBUG], body, "1 + 1"]
    run(notebook, MENDED)
    assert "IndexError" in notebook.text(MENDED)
    notebook.shot("debug-step")
    notebook.set_source(MENDED, body.replace("[k]", "[k % 3]"))
    run(notebook, MENDED)
    assert notebook.text(MENDED).split() == ["3", "rows", "1"]
    notebook.set_source(MENDED, body.replace("[k]", "[k % 3]").removeprefix("# "))
    run(notebook, MENDED)
    notebook.wait_text(MENDED, "Delete that one: two cannot have it.")
    run(notebook, MATERIALIZE)
    assert notebook.text(MATERIALIZE).split()[-1] == "1"
    notebook.wait_text(MENDED, "Train ← rows=Load · available")
    notebook.shot("debug-step-mended")
    assert notebook.errors == []
