"""Which cells of a notebook a headless run needs."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from jo_notebook.errors import DuplicateStepError, UsageError
from jo_notebook.interop.notebook_file import left_out, read_notebook

CLEAN = "%%step Clean\n1"
BOIL = "import jo_notebook as jo\nclass Base(jo.Step): pass\nclass Boil(Base):\n    def run(self): return 1"

ROWS: dict[str, tuple[list[str], list[str]]] = {
    "step": ([CLEAN], ["step Clean"]),
    "step below blank lines": (["\n\n%%step Clean\n1"], ["step Clean"]),
    "step in the comment form": (["#| step: Clean <- Load\nLoad"], ["step Clean"]),
    "step in the comment form, no spaces": (["#|step:Clean<-Load\nLoad"], ["step Clean"]),
    "step under an alias": (["%%step Clean --name-alias Tidy\n1"], ["step Tidy"]),
    "step inside %%capture": (["%%capture\n%%step Clean\n1"], ["step Clean"]),
    "steps by line": ([CLEAN, "%step B --like Clean\n%step C --like Clean"], ["step Clean", "step B"]),
    "setup": (["import math\nx = 1", "def f(): return x", CLEAN], ["setup", "setup", "step Clean"]),
    "setup that names no step": (["%matplotlib inline\n!pip list", CLEAN], ["setup", "step Clean"]),
    "setting": (["%config JoNotebook.button = False", CLEAN], ["setup", "step Clean"]),
    "loading the extension": (["%load_ext jo_notebook", CLEAN], ["use", "step Clean"]),
    "use": ([CLEAN, "Clean + 1"], ["step Clean", "use"]),
    "use above the step": (["Clean + 1", CLEAN], ["use", "step Clean"]),
    "use through a name": (
        [CLEAN, "n = len(Clean)", "print(n)", "%%step B\n1"],
        ["step Clean", "use", "use", "step B"],
    ),
    "a name made anew is no use": (
        [CLEAN, "n = len(Clean)", "n = 3", "m = n", "%%step B\nm"],
        ["step Clean", "use", "setup", "setup", "step B"],
    ),
    "use inside a function": ([CLEAN, "def show(): return Clean.plot()"], ["step Clean", "use"]),
    "a local name is no use": (["def f(Clean): return Clean", CLEAN], ["setup", "step Clean"]),
    "use in a timed line": ([CLEAN, "%time Clean.sum()"], ["step Clean", "use"]),
    "use in a timed cell": ([CLEAN, "%%time\nClean.sum()"], ["step Clean", "use"]),
    "use in a shell line": ([CLEAN, "!echo {Clean}"], ["step Clean", "use"]),
    "verb": ([CLEAN, "%materialize Clean", "plan = %plan", "  %graph"], ["step Clean", "use", "use", "use"]),
    "verb in the long form": ([CLEAN, "%jo run Clean"], ["step Clean", "use"]),
    "what is below the last step and nobody reads": ([CLEAN, "print('done')"], ["step Clean", "use"]),
    "a helper below the last step that a step reads": (
        ["%%step Clean\nhelper(1)", "LIMIT = 3", "def helper(x): return x + LIMIT", "other = 4"],
        ["step Clean", "setup", "setup", "use"],
    ),
    "Step objects alone": (
        [BOIL, "water = Boil()", "limit = 3", "print(water.materialize(), limit)", "got = 1", "print(got)"],
        ["setup", "step", "use", "use", "use", "use"],
    ),
    "Step objects of a module": (
        ["import kitchen", "salt = 1", "soup = kitchen.soup(salt)", "r = soup.materialize()", "r + 1"],
        ["setup", "setup", "step", "use", "use"],
    ),
    "Step objects whose result is another's input": (
        [BOIL, "n = Boil().materialize()", "m = n", "other = Boil(name_alias='Other')"],
        ["setup", "step", "setup", "step"],
    ),
    "Step objects beside steps": ([BOIL, "water = Boil()", CLEAN], ["setup", "setup", "step Clean"]),
    "classes of another kind": (["class A(B): pass", "a = A()", "a.fit()"], ["use", "use", "use"]),
    "bash": (["%%bash\nmkdir -p data", CLEAN], ["setup", "step Clean"]),
    "broken Python": (["x = (", CLEAN], ["setup", "step Clean"]),
    "empty": (["", "  \n", CLEAN], ["step Clean"]),
}


def write(path: Path, cells: list[str]) -> Path:
    notebook = new_notebook(cells=[new_code_cell(cell) for cell in cells])
    nbformat.write(notebook, path)
    return path


@pytest.mark.parametrize("row", ROWS)
def test_kinds(row: str, tmp_path: Path) -> None:
    """The kind of every cell, in order, with the step's name."""
    cells, kinds = ROWS[row]
    found = read_notebook(write(tmp_path / "n.ipynb", cells))
    assert [f"{cell.kind} {cell.step}".strip() for cell in found] == kinds


def test_places_and_ids(tmp_path: Path) -> None:
    """A cell knows its place among all cells, so that a message can name it."""
    notebook = new_notebook(
        cells=[new_markdown_cell("# Title"), new_code_cell("x = 1", id="first"), new_code_cell(CLEAN)]
    )
    nbformat.write(notebook, tmp_path / "n.ipynb")
    cells = read_notebook(tmp_path / "n.ipynb")
    assert [(cell.index, cell.text) for cell in cells] == [(1, "x = 1"), (2, CLEAN)]
    assert cells[0].id == "first"


@pytest.mark.parametrize("text", ["", "{", "[]", '{"cells": 3}'], ids=["empty", "torn", "a list", "no cells"])
def test_no_notebook(text: str, tmp_path: Path) -> None:
    """One error that names the file."""
    path = tmp_path / "odd.ipynb"
    path.write_text(text)
    with pytest.raises(UsageError, match=r"odd\.ipynb is not a notebook"):
        read_notebook(path)
    with pytest.raises(UsageError, match="There is no notebook at"):
        read_notebook(tmp_path / "nowhere.ipynb")


def test_two_cells_with_one_name(tmp_path: Path) -> None:
    """Without cell ids a kernel cannot tell; the file can."""
    path = write(tmp_path / "two.ipynb", ["%%step A\n1", "x = 1", "#| step: A\n2"])
    with pytest.raises(DuplicateStepError, match="cell 1 and cell 3"):
        read_notebook(path)


@pytest.mark.parametrize(
    ("cells", "told"),
    [
        pytest.param([CLEAN, "limit = Clean + 1", "%%step B\nlimit"], ["B reads limit, which cell 2 binds"], id="use"),
        pytest.param([CLEAN, "import math\nmath.sqrt(Clean)", "%%step B\nmath.pi"], ["B reads math"], id="import"),
        pytest.param([CLEAN, "limit = Clean", "limit = 3", "%%step B\nlimit"], [], id="made anew by setup"),
        pytest.param([CLEAN, "limit = Clean", "%%step B\nlimit = 1\nlimit"], [], id="local"),
        pytest.param(["import math", CLEAN, "%%step B\nmath.pi + Clean"], [], id="setup"),
    ],
)
def test_what_a_headless_run_misses(cells: list[str], told: list[str], tmp_path: Path) -> None:
    """Said before anything runs, rather than left to a NameError."""
    found = left_out(read_notebook(write(tmp_path / "n.ipynb", cells)))
    assert len(found) == len(told)
    assert all(text in row for text, row in zip(told, found, strict=True))


def test_stages_of_a_file_are_steps(tmp_path: Path) -> None:
    """Their cell runs wherever it stands; a cell that reads one of them is for people."""
    (tmp_path / "stages.yaml").write_text("Lint: []\nDocs: [Lint]\n")
    texts = [
        "Docs",
        "%%step Report --depends-on Docs\n1",
        "x = 1",
        "%load_stages --module jobs stages.yaml",
        "y = Lint",
    ]
    notebook = new_notebook(cells=[new_code_cell(text) for text in texts])
    nbformat.write(notebook, tmp_path / "analysis.ipynb")
    assert [str(cell.kind) for cell in read_notebook(tmp_path / "analysis.ipynb")] == [
        *("use", "step", "setup", "step", "use")
    ]
    (tmp_path / "stages.yaml").write_text("Docs: Lint\n")
    assert [str(cell.kind) for cell in read_notebook(tmp_path / "analysis.ipynb")][3] == "step"
