"""What the picture shows of a store: a damaged result in red on its one step, and what was made elsewhere."""

from __future__ import annotations

from pathlib import Path

from tests.browser.conftest import OpenNotebook

CELLS = (
    "%load_ext jo_notebook",
    "%%step Load\n[3, 1, 2]",
    "%%step Clean --depends-on Load\nsorted(Load)",
    "%%step Model --depends-on Clean\nimport collections\ncollections.UserList(Clean)",
    "%materialize Model",
    "%graph",
)
DAMAGE = """
import pathlib
(path,) = pathlib.Path({place!r}).glob("results/clean-*/1")
data = bytearray(path.read_bytes())
data[-40] ^= 1
path.write_bytes(data)
"""


def test_a_damaged_result_is_red_and_alone(open_notebook: OpenNotebook) -> None:
    notebook = open_notebook(CELLS)
    notebook.run_all()
    notebook.wait_graph(3)
    notebook.wait_states(Load="available", Clean="available", Model="available")
    place = max(Path(notebook.server.root).glob("**/*.jo"), key=lambda path: path.stat().st_mtime)  # others' are there
    notebook.set_source(4, DAMAGE.format(place=str(place)))
    notebook.run_cell(4)
    notebook.restart_kernel()
    notebook.run_cell(0)
    notebook.wait_text(0, "Clean is damaged on disk")
    notebook.run_cell(5)
    notebook.wait_graph(3)
    notebook.wait_states(Clean="failed", Load="available", Model="stale")
    notebook.point_at("Clean")
    notebook.wait_hint("damaged")
    notebook.shot("a damaged result")
    notebook.click_node("Model")
    notebook.wait_states(Load="available", Clean="available", Model="available")
    assert notebook.errors == []
