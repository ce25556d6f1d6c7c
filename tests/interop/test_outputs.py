"""A run with other values, and a copy of the notebook that shows it; real kernels, papermill beside them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from jo_notebook.errors import UsageError
from jo_notebook.interop.headless import CellFailed
from jo_notebook.interop.notebook_file import load_notebook
from jo_notebook.interop.outputs import run_notebook
from jo_notebook.interop.sets import parse_sets
from jo_notebook.pipeline import Pipeline

NOTE = "def note(name):\n    with open('runs.txt', 'a') as file:\n        print(name, file=file)"
PNG = "import base64\nfrom IPython.display import display\nclass P:\n    def _repr_png_(self): return b'\\x89PNG'\n"
CELLS = [
    "# Title",
    "%load_ext jo_notebook",
    NOTE,
    "alpha = 2\nprint('alpha is', alpha)",
    "beta = alpha * 10\nbeta",
    f"%%step Load --depends-on none\nnote('Load')\nprint('loading')\n{PNG}display(P())\n[1, 2, 3]",
    '%%step Scale --params "rate=1"\nnote("Scale")\n[x * beta * rate for x in Load]',
    "%%step Other\nnote('Other')\nlen(Load)",
    "sum(Scale)",
    "n = Other + 1",
    "n * 2",
    "%materialize Other",
    "%materialize Scale",
    "Load[0]",
]


def written(path: Path, cells: list[str] | None = None, tags: dict[int, str] | None = None) -> Path:
    made = new_notebook()
    for index, text in enumerate(CELLS if cells is None else cells):
        metadata = {"tags": [tags[index]]} if tags and index in tags else {}
        is_text = text.startswith("# T")
        made.cells.append(new_markdown_cell(text) if is_text else new_code_cell(text, metadata=metadata))
        if not is_text:
            made.cells[-1].outputs = [new_output("stream", name="stdout", text="from before\n")]
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path / "n.ipynb")
    return path / "n.ipynb"


def run(path: Path, *heads: str, sets: tuple[str, ...] = (), output: str = "out.ipynb") -> dict[str, Any]:
    """The cells of the copy by their text, which may appear once."""
    run_notebook(path, heads, sets=parse_sets(sets), output=path.parent / output, write=lambda stream, text: None)
    return copy_of(path.parent / output)


def copy_of(path: Path) -> dict[str, Any]:
    made = load_notebook(path)
    nbformat.validate(made)
    return {cell.source: cell for cell in made.cells}


def runs(path: Path) -> list[str]:
    """Which steps have run since the last look."""
    file = path / "runs.txt"
    found = file.read_text().split() if file.exists() else []
    file.unlink(missing_ok=True)
    return found


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-9;]*m", "", text)


def shown(cell: Any) -> str:
    """All outputs of a cell as text."""
    parts = []
    for output in cell.outputs:
        if output.output_type == "stream":
            parts.append(output.text)
        elif output.output_type == "error":
            parts.append(f"{output.ename}: {output.evalue}\n")
        else:
            parts.append(f"<{' '.join(sorted(output.data))}> {output.data.get('text/plain', '')}\n")
    return "".join(parts)


def test_a_head_with_outputs(tmp_path: Path) -> None:
    """Only what the head needs runs; the copy shows it, and says what it leaves out."""
    path = written(tmp_path)
    before = path.read_bytes()
    cells = run(path, "Scale")
    assert runs(tmp_path) == ["Load", "Scale"]
    assert path.read_bytes() == before
    assert [cell.source for cell in load_notebook(tmp_path / "out.ipynb").cells] == CELLS
    assert shown(cells[CELLS[3]]) == "alpha is 2\n"
    assert shown(cells[CELLS[4]]) == "<text/plain> 20\n"
    load = shown(cells[CELLS[5]]).splitlines()
    assert "Load" in load[0]
    assert "available" in load[0]
    assert load[0].startswith("<text/html text/plain>")
    assert load[1] == "loading"
    assert load[2].startswith("<image/png text/plain>")
    assert len(load) == 3
    assert shown(cells[CELLS[6]]).splitlines()[1] == "<text/plain> [20, 40, 60]"
    assert shown(cells["sum(Scale)"]) == "<text/plain> 120\n"
    assert shown(cells["Load[0]"]) == "<text/plain> 1\n"
    assert "Nothing to run" in shown(cells["%materialize Scale"])
    told = {text: cell.metadata.get("jo_notebook") for text, cell in cells.items()}
    assert {text: said.left_out for text, said in told.items() if said} == {
        CELLS[7]: "not needed for Scale",
        "n = Other + 1": "reads Other, which Scale does not need",
        "n * 2": "reads n, which cell 10 binds, and that is left out",
        "%materialize Other": "would run Other, which Scale does not need",
    }
    assert shown(cells["n * 2"]) == "from before\n"
    assert cells["n * 2"].metadata.papermill.status == "pending"
    assert "Other" in shown(cells[CELLS[7]])
    counts = [cell.execution_count for cell in cells.values() if cell.get("execution_count")]
    assert counts == sorted(set(counts))
    about = load_notebook(tmp_path / "out.ipynb").metadata.papermill
    assert (about.parameters, about.exception, about.output_path) == ({}, None, str(tmp_path / "out.ipynb"))
    assert about.duration > 0
    assert cells[CELLS[6]].metadata.papermill.status == "completed"
    # again: nothing runs, the same is shown
    again = run(path, "Scale", output="again.ipynb")
    assert runs(tmp_path) == []
    assert shown(again[CELLS[5]]).splitlines()[1:] == load[1:]


def test_without_a_head_everything(tmp_path: Path) -> None:
    """Every step, and every cell."""
    cells = run(written(tmp_path))
    assert runs(tmp_path) == ["Load", "Scale", "Other"]
    assert not any("jo_notebook" in cell.metadata for cell in cells.values())
    assert shown(cells["n * 2"]) == "<text/plain> 8\n"
    assert "from before" not in "".join(shown(cell) for cell in cells.values() if cell.cell_type == "code")


def test_other_values(tmp_path: Path) -> None:
    """Results of other values stay: going back, nothing runs."""
    path = written(tmp_path)
    run(path, "Scale")
    assert runs(tmp_path) == ["Load", "Scale"]
    cells = run(path, "Scale", sets=("alpha=3", "rate=2"))
    assert runs(tmp_path) == ["Scale"]
    assert cells["# Parameters\nalpha = 3\n"].metadata.tags == ["injected-parameters"]
    order = list(cells)
    assert order.index("# Parameters\nalpha = 3\n") == order.index(CELLS[3]) + 1
    assert shown(cells[CELLS[4]]) == "<text/plain> 30\n"
    assert shown(cells["sum(Scale)"]) == "<text/plain> 360\n"
    about = load_notebook(tmp_path / "out.ipynb").metadata.papermill
    assert about.parameters == {"alpha": 3, "rate": 2}
    assert shown(run(path, "Scale")["sum(Scale)"]) == "<text/plain> 120\n"
    assert shown(run(path, "Scale", sets=("rate=2", "alpha=3"))["sum(Scale)"]) == "<text/plain> 360\n"
    assert runs(tmp_path) == []
    run_notebook(path, ["Scale"], sets={"rate": 7}, write=lambda stream, text: None)
    assert Pipeline.open(tmp_path / "n.jo").context["Scale"] == [140, 280, 420]
    assert runs(tmp_path) == ["Scale"]


def test_a_step_that_fails(tmp_path: Path) -> None:
    """The copy is written: the error in the cell of the step, a mark above it, and one at the top."""
    cells = [
        *CELLS[:6],
        "%%step Scale\nprint('so far')\n1 / 0",
        "%%step After\nScale",
        "%%step Fine\nnote('Fine')\n1",
        "After",
    ]
    path = written(tmp_path, cells)
    with pytest.raises(CellFailed, match="ZeroDivisionError"):
        run(path)
    assert runs(tmp_path) == ["Load", "Fine"]
    made = load_notebook(tmp_path / "out.ipynb")
    nbformat.validate(made)
    assert "An Exception was encountered" in made.cells[0].source
    place = next(i for i, cell in enumerate(made.cells) if cell.source == cells[6])
    assert made.cells[place - 1].metadata.tags == ["papermill-error-cell-tag"]
    assert f"In [{made.cells[place].execution_count}]" in made.cells[0].source
    assert "failed" in shown(made.cells[place]).splitlines()[0]
    assert shown(made.cells[place]).splitlines()[1] == "so far"
    assert made.cells[place].outputs[-1].output_type == "error"
    assert len(made.cells[place].outputs) == 3
    assert f"Cell In[{made.cells[place].execution_count}], line 3" in plain(
        "".join(made.cells[place].outputs[-1].traceback)
    )
    assert made.cells[place].metadata.papermill.status == "failed"
    assert made.metadata.papermill.exception is True
    assert made.cells[-1].metadata.jo_notebook.left_out == "the run stopped before it"
    # the marks of a run are gone in the next one, and the copy of a copy can be made
    path = tmp_path / "out.ipynb"
    assert "Exception" not in "".join(run(path, "Fine", output="third.ipynb"))


def test_what_json_has_no_word_for(tmp_path: Path) -> None:
    """Values that are no JSON, widgets, an old notebook without ids: the copy is a notebook all the same."""
    path = written(tmp_path, ["x = 1", "%%step A\nx", "A", "%graph"])
    old = load_notebook(path)
    for cell in old.cells:
        del cell["id"]
    old.nbformat_minor = 4
    path.write_text(nbformat.writes(old, version=nbformat.NO_CONVERT))
    assert shown(run(path, "A", sets=("x={1e999, b'a'}",))["A"]) == "<text/plain> {b'a', inf}\n"
    about = load_notebook(tmp_path / "out.ipynb").metadata
    assert about.papermill.parameters.x in ("{inf, b'a'}", "{b'a', inf}")
    assert about.widgets["application/vnd.jupyter.widget-state+json"]["state"]


def test_a_setup_cell_and_a_use_that_fail(tmp_path: Path) -> None:
    """As for steps."""
    path = written(tmp_path, ["x = 1", "y = 1 / 0", "%%step A\nx + y", "A"])
    with pytest.raises(CellFailed, match=r"n\.ipynb, cell 2 failed"):
        run(path)
    cells = list(copy_of(tmp_path / "out.ipynb").values())
    assert [cell.cell_type for cell in cells] == ["markdown", "code", "markdown", "code", "code", "code"]
    assert "ZeroDivisionError" in shown(cells[3])
    path = written(tmp_path, ["x = 1", "%%step A\nx", "A.nothing", "A"])
    with pytest.raises(CellFailed, match=r"n\.ipynb, cell 3 failed"):
        run(path)
    cells = list(copy_of(tmp_path / "out.ipynb").values())
    assert "AttributeError" in shown(cells[4])
    assert cells[5].metadata.jo_notebook.left_out == "the run stopped before it"


def test_misuse(tmp_path: Path) -> None:
    """Told before anything runs; the output is not written."""
    path = written(tmp_path)
    for more, message in (
        ({"output": path}, "is the file that is read"),
        ({"output": tmp_path / "o.txt"}, r"is a \.ipynb file"),
        ({"output": tmp_path / "no" / "o.ipynb"}, "There is no directory"),
        ({"output": tmp_path / "o.ipynb", "sets": {"alhpa": 1}}, "Did you mean alpha"),
    ):
        with pytest.raises(UsageError, match=message):
            run_notebook(path, [], write=lambda stream, text: None, **more)  # type: ignore[arg-type]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["n.ipynb"]
    with pytest.raises(CellFailed, match="no step called 'Scael'"):
        run(path, "Scael")
    assert not (tmp_path / "out.ipynb").exists()
    assert runs(tmp_path) == []


def test_as_papermill_does_it(tmp_path: Path) -> None:
    """The same cells, and the same outputs of the ordinary ones."""
    import papermill

    cells = [
        "# Title",
        "import sys\nalpha, name = 1, 'a'",
        "print(alpha, name)\nprint('error', file=sys.stderr)\nprint('more')",
        "from IPython.display import HTML, display\ndisplay(HTML('<b>x</b>'))\nprint('between')\nalpha * 2",
        "beta = alpha + 1\nbeta",
        "%%step Fit\nbeta",
        "%matplotlib inline",
        "beta",
    ]
    plain = written(tmp_path, [c for c in cells if not c.startswith("%%step")], tags={1: "parameters"})
    papermill.execute_notebook(
        str(plain), str(tmp_path / "p.ipynb"), {"alpha": 5}, cwd=str(tmp_path), progress_bar=False
    )
    run(written(tmp_path, cells, tags={1: "parameters"}), sets=("alpha=5",))
    theirs = load_notebook(tmp_path / "p.ipynb")
    ours = load_notebook(tmp_path / "out.ipynb")
    ours.cells = [cell for cell in ours.cells if "%%step" not in cell.source]
    assert [(c.cell_type, c.source, c.metadata.get("tags") or []) for c in ours.cells] == [
        (c.cell_type, c.source, c.metadata.get("tags") or []) for c in theirs.cells
    ]
    for mine, other in zip(ours.cells, theirs.cells, strict=True):
        assert outputs(mine) == outputs(other)
        assert mine.metadata.papermill.keys() == other.metadata.papermill.keys()
    assert ours.metadata.papermill.keys() == theirs.metadata.papermill.keys()
    assert ours.metadata.papermill.parameters == theirs.metadata.papermill.parameters


def outputs(cell: Any) -> list[dict[str, Any]]:
    """The outputs without what counts cells."""
    return [
        {k: v for k, v in output.items() if k not in ("execution_count", "traceback")}
        for output in cell.get("outputs", [])
    ]
