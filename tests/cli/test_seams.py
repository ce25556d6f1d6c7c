"""Where parts meet: kinds of source and kinds of steps on one command line."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.making import data_of, environment
from tests.test_cli import jo, notebook

FUNCTIONS = (
    "from jo_notebook import step",
    "@step\ndef Load():\n    return [1, 2, 3]",
    "@step(retries=2)\ndef Score(Load, factor=2):\n    return sum(Load) * factor",
    "Score.materialize()",
)
PASTA = """
from jo_notebook import Step
class PourPasta(Step):
    def run(self): return "pasta"
class Boil(Step):
    def run(self, pasta): return pasta + " boiled"
pasta = PourPasta(name_alias="Pour pasta")
boil = Boil(depends_on=[pasta])
"""


def test_a_notebook_of_step_functions(tmp_path: Path) -> None:
    """`@step` cells are step cells: they run without a front end, and what reads their results does not."""
    notebook(tmp_path / "n.ipynb", *FUNCTIONS)
    assert "[ ] (H) Score" in jo("plan", "n.ipynb", cwd=tmp_path).stdout
    assert data_of("run", "n.ipynb", cwd=tmp_path)["finished"] == ["Load", "Score"]
    assert data_of("run", "n.ipynb", "--set", "factor=3", cwd=tmp_path)["finished"] == ["Score"]
    assert jo("run", "n.ipynb", "Score", "-o", "out.ipynb", cwd=tmp_path).returncode == 0
    cells = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
    texts = ["".join(output.get("data", {}).get("text/plain", "")) for output in cells[-1]["outputs"]]
    assert texts == ["12"]


def test_a_notebook_of_step_functions_is_exported(tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", *FUNCTIONS)
    assert data_of("run", "n.ipynb", cwd=tmp_path)["finished"] == ["Load", "Score"]
    told = data_of("export", "n.ipynb", "-o", "n.py", cwd=tmp_path)
    assert told["notes"] == ["left out: cell 5, which looks at results or calls a verb."]
    assert (tmp_path / "n.py").read_text().endswith('if __name__ == "__main__":\n    Score.materialize()\n')
    assert data_of("run", "n.py", cwd=tmp_path)["finished"] == []


def test_a_name_that_is_no_variable(tmp_path: Path) -> None:
    """A `Step` object's name may have spaces; its code runs again from the results alone."""
    (tmp_path / "pasta.py").write_text(PASTA)
    assert data_of("run", "pasta.py", cwd=tmp_path)["finished"] == ["Pour pasta", "Boil"]
    assert jo("run", "pasta.jo", "Pour pasta", "--force", cwd=tmp_path).returncode == 0
    done = jo("verify", "pasta.py", "--rerun", cwd=tmp_path)
    assert (done.returncode, done.stdout.count("gives the same again")) == (0, 2), done.stderr


CELLS = (
    "alpha = 2",
    "%%step Load\nprint('loading')\n[1, 2]",
    "%%step Score\nsum(Load) * alpha",
    "%%step Bad\nprint('hm')\n1 / (alpha - 3)",
    "Score",
)
SHAPE = {
    "run",
    "finished",
    "loaded",
    "kept",
    "taken",
    "unsaved",
    "failed",
    "blocked",
    "not_reached",
    "warnings",
    "seconds",
    "costly",
}


def test_values_and_a_report_answer_as_any_run(tmp_path: Path) -> None:
    """`--json` has the shape of a run, whatever else is said; a failure has it, too."""
    notebook(tmp_path / "n.ipynb", *CELLS)
    assert data_of("run", "n.ipynb", "Score", "--set", "alpha=4", cwd=tmp_path)["finished"] == ["Load", "Score"]
    told = data_of("run", "n.ipynb", "Score", "--set", "alpha=5", "-o", "out.ipynb", "--jobs", "2", cwd=tmp_path)
    assert set(told) == {*SHAPE, "output"}
    assert (told["finished"], told["loaded"], told["output"]) == (["Score"], ["Load"], "out.ipynb")
    for more in ((), ("-o", "out.ipynb")):
        told = data_of("run", "n.ipynb", "Bad", "--set", "alpha=3", *more, cwd=tmp_path, code=1)
        assert set(told) == {*SHAPE, "error"}
        assert told["failed"] == {"Bad": "ZeroDivisionError: division by zero"}
        assert told["error"] == {"type": "StepFailed", "message": "Bad failed: ZeroDivisionError: division by zero."}


def test_progress_of_a_run_with_a_report(tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", *CELLS)
    for more in (("--set", "alpha=4"), ("--set", "alpha=5", "-o", "out.ipynb")):
        done = jo("run", "n.ipynb", "Score", "--progress", "lines", *more, cwd=tmp_path)
        assert (done.returncode, "Score" in done.stderr) == (0, True), done.stderr


@pytest.mark.parametrize("more", [("--set", "alpha=4"), ("-o", "out.ipynb")])
def test_options_of_a_stages_file_are_refused_for_a_notebook(tmp_path: Path, more: tuple[str, ...]) -> None:
    notebook(tmp_path / "n.ipynb", *CELLS)
    done = jo("run", "n.ipynb", "--module", "m", *more, cwd=tmp_path)
    assert (done.returncode, done.stderr[:31]) == (2, "jo: --jobs-module is for a stag")


STAGES = """
stages:
  Load: {}
  Train: {depends_on: [Load], params: {alpha: 1}}
  Test: {depends_on: [Load], params: {alpha: 1}}
"""
SCRIPT = """
from jo_notebook import step
@step
def Train(alpha=1): return alpha
@step
def Test(alpha=1): return alpha
"""


def test_a_value_for_one_step(tmp_path: Path) -> None:
    """`--set Train.alpha=2` as docs/stages.md has it, of every source that can be set at all."""
    (tmp_path / "jobs.py").write_text(
        "def Load(): return 1\ndef Train(Load, alpha): return alpha\ndef Test(Load, alpha): return alpha\n"
    )
    (tmp_path / "s.yaml").write_text(STAGES)
    (tmp_path / "p.py").write_text(SCRIPT)
    notebook(tmp_path / "n.ipynb", "%%step Train --params alpha=1\nalpha", "%%step Test --params alpha=1\nalpha")
    for source, more in (("s.yaml", ("--module", "jobs")), ("p.py", ()), ("n.ipynb", ())):
        assert data_of("run", source, *more, cwd=tmp_path)["finished"][-2:] == ["Train", "Test"]
        assert data_of("run", source, *more, "--set", "Train.alpha=2", cwd=tmp_path)["finished"] == ["Train"]
        told = data_of("run", source, *more, "--set", "Tram.alpha=2", cwd=tmp_path, code=2)
        assert "Did you mean Train.alpha" in told["error"]["message"]


def test_only_values_can_be_set_in_a_script(tmp_path: Path) -> None:
    """A step, a function or an import is none, and is not left as it is without a word."""
    (tmp_path / "p.py").write_text("import os\nfrom jo_notebook import step\n@step\ndef Load(): return 1\n")
    for name in ("Load", "os"):
        assert data_of("run", "p.py", "--set", f"{name}=2", cwd=tmp_path, code=2)["error"]["type"] == "UsageError"


def test_a_notebook_with_step_objects_is_exported(tmp_path: Path) -> None:
    """A parameter that is called as a `Step` object's variable is that step, in the module as in the notebook."""
    merge = "%%step Merge --depends-on boil --retries 2 --timeout 30\nboil + '!'"
    notebook(tmp_path / "n.ipynb", PASTA, merge)
    assert data_of("run", "n.ipynb", cwd=tmp_path)["finished"] == ["Pour pasta", "Boil", "Merge"]
    assert data_of("export", "n.ipynb", "-o", "n.py", cwd=tmp_path)["notes"] == []
    assert "@step(retries=2, timeout=30.0)" in (tmp_path / "n.py").read_text()
    assert data_of("run", "n.py", cwd=tmp_path)["finished"] == []
    (tmp_path / "m.py").write_text((tmp_path / "n.py").read_text())
    done = subprocess.run([sys.executable, "m.py"], cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    assert jo("status", "m.jo", cwd=tmp_path).stdout.count("available") == 3


OBJECTS = (
    "from jo_notebook import Step",
    "class Load(Step):\n    def run(self):\n        print('loading')\n        return [3, 1, 2]",
    "class Largest(Step):\n    def __init__(self, count, **rest):\n        super().__init__(**rest)\n"
    "        self.count = count\n    def run(self, rows):\n        return sorted(rows)[-self.count:]",
    "largest = Largest(2, depends_on=[Load()], name_alias='Two largest')",
    "print('the answer is', largest.materialize())",
)


def test_a_notebook_of_step_objects_alone(tmp_path: Path) -> None:
    """What its cells make are its steps; what asks for results is left out."""
    notebook(tmp_path / "n.ipynb", *OBJECTS)
    planned = jo("plan", "n.ipynb", cwd=tmp_path)
    assert (planned.stderr, planned.stdout.count("[ ]")) == ("", 3)
    assert "[ ] (H) Two largest" in planned.stdout
    done = jo("run", "n.ipynb", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("loading\nRan 2 steps in ")
    assert "the answer" not in done.stdout
    assert data_of("run", "n.ipynb", cwd=tmp_path)["finished"] == []
    notebook(tmp_path / "n.ipynb", *OBJECTS[:3], OBJECTS[3].replace("Largest(2", "Largest(1"))
    assert data_of("run", "n.ipynb", "Two largest", cwd=tmp_path)["finished"] == ["Two largest"]
    told = data_of("run", "n.ipynb", "Two largest", "-o", "out.ipynb", cwd=tmp_path)
    assert told["finished"] == []
    cells = json.loads((tmp_path / "out.ipynb").read_text())["cells"]
    assert not any(output["output_type"] == "error" for cell in cells for output in cell.get("outputs", ()))
    mixed = f"{OBJECTS[3]}\nlargest.materialize()"
    notebook(tmp_path / "m.ipynb", *OBJECTS[:3], mixed)
    said = jo("plan", "m.ipynb", cwd=tmp_path).stderr
    assert said.startswith("Note: cell 5 makes Step objects and asks for a result as well")


def test_pools_reach_the_kernel(tmp_path: Path) -> None:
    """With and without them a notebook's steps run; what makes no sense is told."""
    notebook(tmp_path / "n.ipynb", "%%step A --resources db=1\n1")
    assert data_of("run", "n.ipynb", "--pool", "db=2", "--pool", "gpu=1", cwd=tmp_path)["finished"] == ["A"]
    assert data_of("run", "n.ipynb", "--force", cwd=tmp_path)["finished"] == ["A"]
    told = data_of("run", "n.ipynb", "--pool", "db", cwd=tmp_path, code=2)
    assert told["error"]["message"].startswith("'db' is no resource")


def test_a_notebook_with_stages_is_exported(tmp_path: Path) -> None:
    (tmp_path / "jobs.py").write_text("def Lint(): return 1\ndef Docs(): return 2\n")
    (tmp_path / "stages.yaml").write_text("Lint: []\nDocs: [Lint]\n")
    notebook(
        tmp_path / "n.ipynb", "%load_stages stages.yaml --module jobs", "%%step Report --depends-on Docs\nDocs + 1"
    )
    assert data_of("run", "n.ipynb", cwd=tmp_path)["finished"] == ["Lint", "Docs", "Report"]
    assert data_of("export", "n.ipynb", "-o", "n.py", cwd=tmp_path)["notes"] == []
    assert data_of("run", "n.py", cwd=tmp_path)["finished"] == []
    (tmp_path / "m.py").write_text((tmp_path / "n.py").read_text())
    done = subprocess.run([sys.executable, "m.py"], cwd=tmp_path, capture_output=True, text=True, env=environment())
    assert (done.returncode, done.stderr) == (0, "")
    assert jo("status", "m.jo", cwd=tmp_path).stdout.count("available") == 3


def test_no_step_at_all(tmp_path: Path) -> None:
    """Then nothing is available either."""
    notebook(tmp_path / "n.ipynb", "1 + 1")
    assert jo("run", "n.ipynb", cwd=tmp_path).stdout.startswith("Nothing to run: no step is registered.")


def test_a_command_that_fails_or_takes_too_long_is_told_without_our_lines(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text('stages:\n  S: {shell: "exit 3"}\n  T: {shell: "sleep 9", timeout: 0.3}\n')
    assert jo("run", "s.yaml", cwd=tmp_path).returncode == 1
    told = jo("log", "s.yaml", "S", cwd=tmp_path).stdout.splitlines()
    assert told[1:] == ["the command ended with exit code 3: exit 3"]
    shown = jo("log", "s.yaml", "T", cwd=tmp_path).stdout
    assert "commands.py" not in shown
    assert "run_command('sleep 9')\n" in shown
    assert shown.endswith("T took longer than its --timeout of 0.3 s\n")


@pytest.mark.parametrize("source", ["s.yaml", "p.py", "n.ipynb"])
def test_a_circle_is_bad_usage(tmp_path: Path, source: str) -> None:
    """Told before anything runs, with its path, as every other thing that is wrong with a source."""
    (tmp_path / "s.yaml").write_text("module: m\nstages: {A: [B], B: [A]}\n")
    (tmp_path / "m.py").write_text("def A(): pass\ndef B(): pass\n")
    (tmp_path / "p.py").write_text("from jo_notebook import step\n@step\ndef A(B): pass\n@step\ndef B(A): pass\n")
    notebook(tmp_path / "n.ipynb", "%%step A --depends-on B\n1", "%%step B --depends-on A\n1")
    done = jo("run", source, cwd=tmp_path)
    assert done.returncode == 2, done.stderr
    assert " ← ".join(("A", "B", "A")) in done.stderr or " ← ".join(("B", "A", "B")) in done.stderr
    assert not (tmp_path / source).with_suffix(".jo").joinpath("results").exists()


MIXED = (
    PASTA
    + """
from jo_notebook import step
class Fry(Step):
    def __init__(self, heat, **more):
        super().__init__(**more)
        self.heat = heat
    def run(self, pasta): return pasta + " fried" * self.heat
fry = Fry(2, depends_on=[pasta])
@step(name="Loading")
def load(): return "salt"
@step
def Merge(fry, load): return fry + load
"""
)


def test_functions_and_objects_by_the_names_of_their_variables(tmp_path: Path) -> None:
    """In a script, and in the notebook that is made of it; a second run of an object with a state is no failure."""
    (tmp_path / "p.py").write_text(MIXED)
    told = data_of("run", "p.py", "Merge", cwd=tmp_path)
    assert sorted(told["finished"]) == ["Fry", "Loading", "Merge", "Pour pasta"]
    again = data_of("verify", "p.py", "--rerun", "Merge", cwd=tmp_path)["verified"]
    assert {row["step"]: row["verdict"] for row in again}["Merge"] == "same"
    assert {row["verdict"] for row in data_of("verify", "p.py", "--rerun", "Fry", cwd=tmp_path)["verified"]} == {
        "not run"
    }
    assert data_of("import", "p.py", "-o", "n.ipynb", cwd=tmp_path)["output"] == "n.ipynb"
    assert data_of("run", "n.ipynb", "Merge", cwd=tmp_path)["failed"] == {}


def test_a_report_shows_stages_in_the_cell_that_loads_them(tmp_path: Path) -> None:
    """Their logs, and the error of one that failed; it is not said to be left out."""
    (tmp_path / "jobs.py").write_text("def Ok(): print('fine')\ndef Bad(): 1 / 0\ndef After(): pass\n")
    (tmp_path / "s.yaml").write_text("Ok: []\nBad: [Ok]\nAfter: [Bad]\n")
    notebook(tmp_path / "n.ipynb", "%load_stages s.yaml --module jobs", "%%step Top --depends-on Ok\n2")
    told = data_of("run", "n.ipynb", "-o", "out.ipynb", cwd=tmp_path, code=1)
    assert (told["finished"], told["blocked"]) == (["Ok", "Top"], {"After": "Bad"})
    cells = {"".join(cell["source"]): cell for cell in json.loads((tmp_path / "out.ipynb").read_text())["cells"]}
    cell = cells["%load_stages s.yaml --module jobs"]
    assert "jo_notebook" not in cell["metadata"]
    assert "fine\n" in ["".join(output.get("text", "")) for output in cell["outputs"]]
    assert cell["outputs"][-1]["ename"] == "StepFailed"
