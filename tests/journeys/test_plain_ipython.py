"""IPython in a terminal, and IPython embedded in a program: no kernel, no front end, the same pipeline."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from nbformat.v4 import new_code_cell, new_notebook

CELLS = [
    "%load_ext jo_notebook",
    "def double(x):\n    return 2 * x",
    "%%step Load\nprint('loading')\n[3, 1, 2]",
    "#| step: Clean <- Load\ndouble(sorted(Load))",
    "%graph",
    "%plan",
    "%materialize Clean",
    "print('Clean is', Clean)",
    "get_ipython().run_line_magic('pipeline', '').request({'verb': 'materialize', 'step': 'Clean'})",
    "%steps",
]

EMBEDDED = """
import sys, json
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance(colors="NoColor")
for cell in json.loads(sys.stdin.read()):
    done = shell.run_cell(cell)
    assert done.success, cell
shell.run_line_magic("unload_ext", "jo_notebook")
assert "steps" not in shell.magics_manager.magics["line"]
"""


def run(command: list[str], place: Path, stdin: str = "") -> str:
    """What a program prints; it must end well and leave nothing on stderr but IPython's own remarks."""
    done = subprocess.run(
        command, cwd=place, input=stdin, capture_output=True, text=True, timeout=60, env={**os.environ, "TERM": "dumb"}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    return done.stdout


EXPECTED = [
    "jo_notebook: nothing in notebook.jo yet",
    "Load · missing",
    "Clean ← Load · missing",
    "Execution plan. Result availability",
    "[ ] (H) Clean    upstream Load will run",
    "loading",
    "Ran 2 steps in",
    "Clean is [1, 2, 3, 1, 2, 3]",
    "available",
]
SHOWN = ["[ ] (>) Load     no result", "Execution plan. Result availability"]  # what %graph shows as text


def check(said: str, expected: list[str]) -> None:
    """The journey's answers, in order."""
    position = 0
    for words in expected:
        position = said.find(words, position)
        assert position >= 0, f"{words!r} is not in its place in:\n{said}"
        position += len(words)


def test_terminal(tmp_path: Path) -> None:
    """`ipython notebook.ipynb` runs its cells one after the other in a terminal shell."""
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in CELLS])
    (tmp_path / "cells.ipynb").write_text(json.dumps(notebook))
    ipython = [sys.executable, "-m", "IPython", "--no-banner", "--simple-prompt", "--colors=NoColor", "cells.ipynb"]
    check(run(ipython, tmp_path), EXPECTED)  # IPython shows no values of a notebook it runs
    again = run(ipython, tmp_path)
    assert "2 steps in notebook.jo: 2 available" in again
    assert "loading" not in again


def test_embedded(tmp_path: Path) -> None:
    """A shell inside a program, without a terminal."""
    said = run([sys.executable, "-c", EMBEDDED], tmp_path, json.dumps(CELLS))
    check(said, [*EXPECTED[:4], *SHOWN, *EXPECTED[4:7], "[1, 2, 3, 1, 2, 3]", *EXPECTED[7:]])


def test_an_error_is_one_line(tmp_path: Path) -> None:
    """In a terminal, too."""
    cells = json.dumps(["%load_ext jo_notebook", "%materialize Nothing"])
    program = EMBEDDED.replace("    assert done.success, cell\n", "")
    said = run([sys.executable, "-c", program], tmp_path, cells)
    assert "UnknownStepError: There is no step called 'Nothing'." in said
