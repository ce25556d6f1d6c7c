"""A new kernel: everything is there, nothing has run, and a step can run before its cell or any helper's cell did."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.journeys.asking import body, result, runs, states
from tests.kernel import Kernel

NOTEBOOK = """import math
import statistics as st
from collections import Counter, OrderedDict as OD
SCALE = 2.5
NAMES = {"a": (1, 2), "b": {3: None}}
def inner(x):
    return x * SCALE
def helper(x):
    return math.sqrt(inner(x))
square = lambda x: x * x
class Model:
    depth = 3
    def __init__(self, values):
        self.values = values
    def score(self):
        return round(helper(sum(self.values)), 3)
"""
LOAD = "%%step Load\n" + body("Load", "list(range(10))")
FIT = "%%step Fit --depends-on values=Load\n" + body("Fit", "Model(values)")
PARTS = "Fit.score(), square(3), NAMES['a'], st.mean(Load), Counter('aab')['a'], OD(a=1)"
SCORE = "%%step Score\n" + body("Score", f"({PARTS})")
VALUE = "(10.607, 9, (1, 2), 4.5, 2, OrderedDict({'a': 1}))"
ALL = {"Load": "available", "Fit": "available", "Score": "available"}
HERE = 'sorted({"math", "st", "SCALE", "inner", "helper", "Model", "Load", "Fit", "Score"} & set(globals()))'


def told(text: str) -> str:
    """The same on every Python: 3.11 shows an OrderedDict as pairs."""
    return text.replace("OrderedDict([('a', 1)])", "OrderedDict({'a': 1})").splitlines()[-1]


@pytest.fixture
def second_kernel(lab_kernel: Kernel, tmp_path: Path, request: pytest.FixtureRequest) -> Kernel:
    """A kernel that has run nothing, after one that has run everything."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run(NOTEBOOK, "b")
    for cell, code in (("c", LOAD), ("d", FIT), ("e", SCORE)):
        lab_kernel.run(code, cell)
    assert told(result(lab_kernel.run("%materialize Score"))) == VALUE
    assert states(lab_kernel) == ALL
    assert runs(tmp_path) == ["Load", "Fit", "Score"]
    if getattr(request, "param", "killed") == "killed":
        lab_kernel.kill()
    lab_kernel.restart()
    return lab_kernel


@pytest.mark.parametrize("second_kernel", ["restarted", "killed"], indirect=True)
def test_a_restart_keeps_results(second_kernel: Kernel, tmp_path: Path) -> None:
    """Load says what was found; looking runs and loads nothing; reading a name loads just that; then all can run."""
    kernel = second_kernel
    found = kernel.run("%load_ext jo_notebook", "a").stdout
    assert found.startswith("jo_notebook: 3 steps in analysis.jo: 3 available. Nothing was run or loaded")
    assert found.count("\n") == 1
    assert [line.split("    ")[0] for line in kernel.run("%plan").stdout.splitlines()[1:]] == [
        " [*] ( ) Load",
        " [*] ( ) Fit",
        " [*] (H) Score",
    ]
    assert kernel.run("%graph").text.count("[*]") == 4  # the legend and three steps
    assert kernel.run("%steps").stdout.count("available") == 3
    assert result(kernel.run(HERE)) == "[]"

    assert told(result(kernel.run("Score"))) == VALUE
    assert result(kernel.run(HERE)) == "['Score']"
    assert result(kernel.run("pipeline = %pipeline\npipeline.context.held('Load')")) == "'disk'"
    assert runs(tmp_path) == []

    assert told(result(kernel.run("%materialize Score --force"))) == VALUE
    assert runs(tmp_path) == ["Score"]
    kernel.run("%forget Score Fit Load")
    assert told(result(kernel.run("%materialize Score"))) == VALUE
    assert runs(tmp_path) == ["Load", "Fit", "Score"]
    assert states(kernel) == ALL


def test_a_step_runs_again_first_thing(second_kernel: Kernel, tmp_path: Path) -> None:
    """The very first cell after %load_ext forces a step whose input is an instance of the notebook's own class."""
    second_kernel.run("%load_ext jo_notebook", "a")
    assert told(result(second_kernel.run("%materialize Fit Score --force\nScore"))) == VALUE
    assert runs(tmp_path) == ["Fit", "Score"]
    assert states(second_kernel) == ALL


def test_a_value_of_the_notebooks_own_class_is_read(second_kernel: Kernel, tmp_path: Path) -> None:
    """An ordinary cell reads an instance: its class comes back with what its methods need, and nothing runs."""
    second_kernel.run("%load_ext jo_notebook", "a")
    assert result(second_kernel.run("Fit.score(), Fit.values[:3]")) == "(10.607, [0, 1, 2])"
    assert states(second_kernel) == ALL
    assert runs(tmp_path) == []


def test_what_could_not_be_kept_is_told(lab_kernel: Kernel) -> None:
    """A value that no code gives back: the step's failure names it and says which cell to run."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("import threading\nlock = threading.Lock()", "b")
    lab_kernel.run("%%step Guarded --run\nwith lock:\n    value = 5\nvalue", "c")
    lab_kernel.kill()
    lab_kernel.restart()
    lab_kernel.run("%load_ext jo_notebook", "a")
    assert result(lab_kernel.run("Guarded")) == "5"
    error = lab_kernel.run("%materialize Guarded --force", allow_error=True).error
    assert "lock could not be kept from the earlier session: run the cell that defines it." in error.splitlines()[0]
    lab_kernel.run("import threading\nlock = threading.Lock()", "b")
    assert result(lab_kernel.run("%materialize Guarded --force")) == "5"


def test_running_the_cells_again_changes_nothing(second_kernel: Kernel, tmp_path: Path) -> None:
    """*Run All* in the new kernel finds everything available, and an edit of a helper is seen as before."""
    kernel = second_kernel
    kernel.run("%load_ext jo_notebook", "a")
    kernel.run(NOTEBOOK, "b")
    for cell, code in (("c", LOAD), ("d", FIT), ("e", SCORE)):
        assert "available" in kernel.run(code, cell).text
    assert kernel.run("%materialize").stdout.startswith("Nothing to run")
    kernel.run(NOTEBOOK.replace("SCALE = 2.5", "SCALE = 10.0"), "b")
    assert states(kernel) == {"Load": "available", "Fit": "stale", "Score": "stale"}
    assert runs(tmp_path) == []


def test_the_notebooks_own_cells_win(second_kernel: Kernel, tmp_path: Path) -> None:
    """What the new kernel defines is used and compared; only what it lacks is brought back."""
    kernel = second_kernel
    kernel.run("SCALE = 10.0", "b")
    kernel.run("%load_ext jo_notebook", "a")
    assert states(kernel)["Fit"] == "stale"
    assert result(kernel.run("%materialize Score\nScore[0]")) == "21.213"
    assert runs(tmp_path)[-1] == "Score"


def test_the_failure_of_a_remembered_step_is_told_once(lab_kernel: Kernel) -> None:
    """A traceback of a step whose cell has not run in this kernel shows its text."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("%%step One --run\n1", "b")
    lab_kernel.run("%%step Zero\nnumber = 1\nnumber / (One - One)", "c")
    lab_kernel.restart()
    lab_kernel.run("%load_ext jo_notebook", "a")
    error = lab_kernel.run("%materialize Zero", allow_error=True).error
    assert error.count("Traceback (most recent call last)") == 1
    assert "----> 3 number / (One - One)" in error
    assert error.startswith("StepFailed: Zero failed: ZeroDivisionError: division by zero.\n")


def test_what_was_never_materialized_is_remembered_too(lab_kernel: Kernel) -> None:
    """Once there is a directory, definitions are kept as they are registered."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("%%step One --run\n1", "b")
    lab_kernel.run("%%step Two\nOne + 1", "c")
    lab_kernel.kill()
    lab_kernel.restart()
    assert "2 steps in analysis.jo: 1 available, 1 missing" in lab_kernel.run("%load_ext jo_notebook", "a").stdout
    assert result(lab_kernel.run("%materialize Two")) == "2"


def test_nothing_of_it_needs_a_cell_id(kernel: Kernel, tmp_path: Path) -> None:
    """The same under nbclient, nbval and papermill."""
    kernel.run("%load_ext jo_notebook")
    kernel.run(NOTEBOOK)
    for code in (LOAD, FIT, SCORE):
        kernel.run(code)
    kernel.run("%materialize")
    runs(tmp_path)
    kernel.restart()
    assert "3 available" in kernel.run("%load_ext jo_notebook").stdout
    assert told(result(kernel.run("%materialize Score --force"))) == VALUE
    assert runs(tmp_path) == ["Score"]
    assert json.loads(kernel.run("import json; print(json.dumps(Load))").stdout) == list(range(10))
