"""Results live beside the notebook, wherever the kernel was started and wherever it has gone since."""

from __future__ import annotations

import json
from pathlib import Path

import papermill
import pytest
from nbclient import NotebookClient
from nbformat.v4 import new_code_cell, new_notebook

from tests.conftest import StartKernel
from tests.journeys.asking import result
from tests.kernel import Kernel

EMPTY = {"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
STEP = "%%step A --run\n1"


def notebook(path: Path, *cells: str) -> Path:
    """A notebook file with these code cells."""
    path.parent.mkdir(parents=True, exist_ok=True)
    made = new_notebook(cells=[new_code_cell(c) for c in cells])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    path.write_text(json.dumps(made))
    return path


def places(root: Path) -> list[str]:
    """The contexts below a directory."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*.jo"))


def test_a_cd_before_and_after_loading_moves_nothing(kernel: Kernel, tmp_path: Path) -> None:
    """The start directory counts, not today's."""
    (tmp_path / "deep").mkdir()
    kernel.run("%cd deep")
    kernel.run("%load_ext jo_notebook")
    kernel.run("%cd ..\n%cd deep")
    kernel.run(STEP)
    assert places(tmp_path) == ["notebook.jo"]
    kernel.restart()
    kernel.run("import os; os.chdir('deep')")
    assert "jo_notebook: 1 step in notebook.jo: 1 available" in kernel.run("%load_ext jo_notebook").stdout


def test_jupyterlab(start_kernel: StartKernel, tmp_path: Path) -> None:
    """The session's name wins over the directory, and only for a request that comes from a cell."""
    path = notebook(tmp_path / "project" / "analysis.ipynb")
    (tmp_path / "elsewhere").mkdir()
    kernel = start_kernel(tmp_path / "elsewhere", {"JPY_SESSION_NAME": str(path)})
    kernel.run("%load_ext jo_notebook", "cell-1")
    kernel.run(STEP, "cell-2")
    assert places(tmp_path) == ["project/analysis.jo"]

    inner = start_kernel(tmp_path / "elsewhere", {"JPY_SESSION_NAME": str(path)})
    inner.run("%load_ext jo_notebook")
    inner.run(STEP)
    assert places(tmp_path) == ["elsewhere/notebook.jo", "project/analysis.jo"]


def test_vs_code(start_kernel: StartKernel, tmp_path: Path) -> None:
    """VS Code tells the path in the namespace; its working directory may be anywhere."""
    path = notebook(tmp_path / "project" / "study.ipynb")
    kernel = start_kernel(tmp_path)
    kernel.run(f"__vsc_ipynb_file__ = {str(path)!r}")
    kernel.run("%load_ext jo_notebook")
    kernel.run(STEP)
    assert places(tmp_path) == ["project/study.jo"]


@pytest.mark.parametrize("how", ["absolute", "relative", "home", "setting"])
def test_a_place_that_was_asked_for(start_kernel: StartKernel, tmp_path: Path, how: str) -> None:
    """JO_CONTEXT and the setting win over everything that is found."""
    path = notebook(tmp_path / "project" / "analysis.ipynb")
    asked = {"absolute": str(tmp_path / "results.jo"), "relative": "results.jo", "home": "~/results.jo"}.get(how, "")
    kernel = start_kernel(env={"JPY_SESSION_NAME": str(path), "JO_CONTEXT": asked, "HOME": str(tmp_path)})
    if how == "setting":
        kernel.run("get_ipython().config.JoNotebook.context = 'results.jo'")
    kernel.run("%load_ext jo_notebook", "cell-1")
    kernel.run(STEP, "cell-2")
    assert places(tmp_path) == ["results.jo"]
    assert str(tmp_path / "results.jo") in kernel.run("%context").stdout


def test_moving_while_the_kernel_lives(kernel: Kernel, tmp_path: Path) -> None:
    """`%context at` takes in what is there; what was before stays where it was."""
    kernel.run("%load_ext jo_notebook")
    kernel.run(STEP)
    said = kernel.run("%context at 'other place.jo'").stdout
    assert "1 missing" in said
    assert result(kernel.run("%materialize A")) == "1"
    assert places(tmp_path) == ["notebook.jo", "other place.jo"]
    assert "1 available" in kernel.run("%context at notebook.jo").stdout
    assert "Say where" in kernel.run("%context at", allow_error=True).error


def test_nbclient(tmp_path: Path) -> None:
    """No cell ids, no path: the directory is told by the one who runs it."""
    path = notebook(tmp_path / "project" / "analysis.ipynb", "%load_ext jo_notebook", STEP)
    client = NotebookClient(new_notebook(cells=[new_code_cell(c) for c in ("%load_ext jo_notebook", STEP)]))
    client.resources = {"metadata": {"path": str(path.parent)}}
    client.execute()
    assert places(tmp_path) == ["project/notebook.jo"]
    assert client.nb.cells[1].outputs[-1]["data"]["text/plain"] == "1"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_papermill(tmp_path: Path) -> None:
    """The input notebook's own results, when papermill runs in its directory; parameters make steps stale."""
    cells = ["%load_ext jo_notebook", "factor = 2", "%%step A --run\n10 * factor", "print('A is', A)"]
    path = notebook(tmp_path / "project" / "analysis.ipynb", *cells)
    made = json.loads(path.read_text())
    made["cells"][1]["metadata"]["tags"] = ["parameters"]
    path.write_text(json.dumps(made))
    for factor, printed in ((2, "A is 20\n"), (3, "A is 30\n"), (3, "A is 30\n")):
        done = papermill.execute_notebook(
            str(path),
            str(tmp_path / f"out-{factor}.ipynb"),
            parameters={"factor": factor},
            cwd=str(path.parent),
            progress_bar=False,
        )
        assert done.cells[-1].outputs[0]["text"] == printed
    assert "Ran" not in str(done.cells[-2].outputs)
