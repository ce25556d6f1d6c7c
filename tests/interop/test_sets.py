"""What `--set` says, and where its values go in a notebook."""

from __future__ import annotations

from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jo_notebook.errors import UsageError
from jo_notebook.interop.notebook_file import read_notebook
from jo_notebook.interop.parameters import with_values
from jo_notebook.interop.sets import parse_sets

VALUES: dict[str, tuple[str, object]] = {
    "a number": ("alpha=0.2", 0.2),
    "a whole number": ("n=-5", -5),
    "a large number": ("n=1e999", float("inf")),
    "text": ("name=some text", "some text"),
    "text with an equals sign": ("q=a=b", "a=b"),
    "true": ("flag=true", True),
    "False": ("flag=False", False),
    "nothing": ("x=null", None),
    "None": ("x=None", None),
    "a list": ("xs=[1, 2]", [1, 2]),
    "a dict": ("d={'a': (1, None)}", {"a": (1, None)}),
    "quoted": ('x="5"', "5"),
    "bytes": ("x=b'a'", b"a"),
    "empty": ("x=", ""),
    "leading zeros": ("code=007", "007"),
    "a path": ("path=/tmp/a.csv", "/tmp/a.csv"),
    "a date": ("day=2024-01-05", "2024-01-05"),
    "blanks": (" x = 3 ", 3),
    "code": ("x=__import__('os')", "__import__('os')"),
}


@pytest.mark.parametrize("row", VALUES)
def test_values(row: str) -> None:
    """A value of the type that was meant."""
    word, value = VALUES[row]
    (found,) = parse_sets([word]).values()
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["alpha"], "--set alpha has no value"),
        (["=3"], "'' is no name"),
        (["a-b=3"], "'a-b' is no name"),
        (["class=3"], "'class' is no name"),
        (["a=1", "a=2"], "a is set twice, to 1 and to '2'"),
        (["a=[1, b]"], "begins as Python's list does"),
        (["a={1: "], "begins as Python's dict does"),
        (['a="x'], "begins as Python's text in quotes does"),
    ],
)
def test_what_is_not_understood(words: list[str], message: str) -> None:
    """One sentence that says what to write."""
    with pytest.raises(UsageError, match=message):
        parse_sets(words)


STEP = '%%step Fit --params "rate=0.1"\nalpha * beta * rate'


def placed(path: Path, cells: list[str | tuple[str, str]], *words: str) -> list[str]:
    """The code that runs, in order; a cell may have a tag."""
    made = []
    for cell in cells:
        text, tags = (cell[0], [cell[1]]) if isinstance(cell, tuple) else (cell, [])
        made.append(new_code_cell(text, metadata={"tags": tags}))
    nbformat.write(new_notebook(cells=made), path / "n.ipynb")
    found = with_values(read_notebook(path / "n.ipynb"), parse_sets(words), "n.ipynb")
    return [cell.text.removeprefix("# Parameters\n") for cell in found.cells]


def test_behind_each_cell_that_binds(tmp_path: Path) -> None:
    """Cells below derive from the new value; a function's own name is another."""
    cells = ["alpha = 1", "def f():\n    beta = 3", "beta = alpha + 1", "alpha = 2", STEP]
    assert placed(tmp_path, [*cells], "alpha=5") == [
        *("alpha = 1", "alpha = 5\n", "def f():\n    beta = 3", "beta = alpha + 1", "alpha = 2", "alpha = 5\n", STEP)
    ]
    assert placed(tmp_path, [*cells], "beta=5", "alpha=7")[3:5] == ["beta = alpha + 1", "beta = 5\n"]
    assert placed(tmp_path, ["for alpha in (1, 2): pass", STEP], "alpha=5")[1] == "alpha = 5\n"


def test_behind_the_cell_with_the_tag(tmp_path: Path) -> None:
    """As papermill does it; what an earlier run injected is replaced."""
    cells: list[str | tuple[str, str]] = [("alpha = 1\nbeta = 2", "parameters"), "alpha = alpha * 2", STEP]
    assert placed(tmp_path, cells, "alpha=5", "beta='x'")[1:3] == ["alpha = 5\nbeta = 'x'\n", "alpha = alpha * 2"]
    cells.insert(1, ("# Parameters\nalpha = 9", "injected-parameters"))
    assert placed(tmp_path, cells, "alpha=5")[:3] == ["alpha = 1\nbeta = 2", "alpha = 5\n", "alpha = alpha * 2"]
    assert placed(tmp_path, [STEP, ("alpha = 1", "parameters")], "alpha=3")[-1] == "alpha = 3\n"


def test_what_no_cell_binds(tmp_path: Path) -> None:
    """A name that only a step reads is put at the top; a parameter of a step needs no cell."""
    assert placed(tmp_path, ["beta = 1", STEP], "alpha=5") == ["alpha = 5\n", "beta = 1", STEP]
    assert placed(tmp_path, ["beta = 1", STEP], "rate=5") == ["beta = 1", STEP]
    assert placed(tmp_path, ["beta = 1", STEP]) == ["beta = 1", STEP]


def test_what_nobody_knows(tmp_path: Path) -> None:
    """Told before anything runs."""
    with pytest.raises(UsageError, match=r"nothing called alhpa to set.*Did you mean alpha"):
        placed(tmp_path, ["alpha = 1", STEP], "alhpa=5")
    with pytest.raises(UsageError, match=r"Fit is a step of n\.ipynb"):
        placed(tmp_path, ["alpha = 1", STEP], "Fit=5")
    with pytest.raises(UsageError, match="nothing called result"):
        placed(tmp_path, ["alpha = 1", STEP, "result = Fit"], "result=5")


def test_what_comes_too_late(tmp_path: Path) -> None:
    """A cell that binds a name and uses it has used its own value by then: a note says so."""
    nbformat.write(
        new_notebook(cells=[new_code_cell("alpha = 1\nbeta = alpha + 1"), new_code_cell(STEP)]), tmp_path / "n.ipynb"
    )
    found = with_values(read_notebook(tmp_path / "n.ipynb"), {"alpha": 2}, "n.ipynb")
    assert [note.partition(":")[0] for note in found.missed] == ["cell 1 binds alpha and uses it"]
