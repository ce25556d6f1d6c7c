"""A small pipeline that says what ran: every step adds its name to a file."""

from __future__ import annotations

from tests.browser.harness import Notebook

HELPERS = """\
import time
from pathlib import Path

def ran(name, seconds=0.3):
    with Path("ran.txt").open("a") as file:
        print(name, file=file)
    time.sleep(seconds)

rate = 2
"""
LOAD = '%%step Load\nran("Load")\n[1, 2, 3]'
SCALE = '%%step Scale --depends-on Load\nran("Scale")\n[rate * x for x in Load]'
OTHER = '%%step Other --depends-on Load\nran("Other")\nsum(Load)'
TOTAL = '%%step Total --depends-on Scale,Other\nran("Total")\nsum(Scale) + Other'
CELLS = ("%load_ext jo_notebook", HELPERS, LOAD, SCALE, OTHER, TOTAL, "%graph", "Total")
STEPS = ("Load", "Scale", "Other", "Total")
ALL_AVAILABLE = dict.fromkeys(STEPS, "available")
(EXTENSION, HELPER, *_, GRAPH, VALUE) = range(len(CELLS))


def ran(notebook: Notebook) -> list[str]:
    """The steps that ran so far, in order."""
    file = notebook.directory / "ran.txt"
    return file.read_text().split() if file.exists() else []


def run(notebook: Notebook, *cells: int) -> None:
    """Run these cells, one after another."""
    for cell in cells:
        notebook.run_cell(cell)


def click(notebook: Notebook, node: str) -> None:
    """Click a node and wait until what that started is over."""
    notebook.click_node(node)
    notebook.wait_states(**{node: "available"})
    notebook.wait_message("available")
    notebook.wait_idle()
