"""*Run All*, as nbclient does it: it stops at a failing step, with one error, and runs to the end otherwise."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbformat.v4 import new_code_cell, new_notebook

FAILING = {
    "materialize": ["%%step Bad\n1 / 0", "%materialize"],
    "run at once": ["%%step Bad --run\n1 / 0"],
    "in the comment form": ["#| step: Bad <- none --run\n1 / 0"],
    "a broken step": ["%%step Bad\n1 +"],
    "an empty step": ["%%step Bad"],
    "a step without a name": ["%%step\n1"],
    "an unknown head": ["%materialize Nobody"],
}


def run_all(place: Path, cells: list[str]) -> Any:
    """The notebook after a run, and the error that ended it or None."""
    client = NotebookClient(
        new_notebook(cells=[new_code_cell(cell) for cell in cells]), resources={"metadata": {"path": str(place)}}
    )
    try:
        client.execute()
    except CellExecutionError as error:
        return client.nb.cells, error
    return client.nb.cells, None


@pytest.mark.parametrize("case", FAILING)
def test_it_stops(case: str, tmp_path: Path) -> None:
    """One error output, in the cell that failed; the cells below have not run."""
    cells, error = run_all(tmp_path, ["%load_ext jo_notebook", *FAILING[case], "open('after', 'w')"])
    assert error is not None
    errors = [output for output in cells[-2].outputs if output.output_type == "error"]
    assert len(errors) == 1
    assert "\n".join(errors[0].traceback).count("Traceback (most recent call last)") <= 1
    assert not (tmp_path / "after").exists()


def test_it_goes_on(tmp_path: Path) -> None:
    """All kinds of cells, in order."""
    steps = ["%%step Load\n[3, 1]", "#| step: Clean <- Load\nsorted(Load)", "%materialize", "print(Clean, Load)"]
    cells, error = run_all(tmp_path, ["%load_ext jo_notebook", *steps])
    assert error is None
    assert cells[-1].outputs[0].text == "[1, 3] [3, 1]\n"
