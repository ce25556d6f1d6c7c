"""A newcomer's first minute: load, define, look, materialize, use."""

from __future__ import annotations

from pathlib import Path

from tests.journeys.asking import body, result, runs
from tests.kernel import Kernel

LEGEND = (
    "Execution plan. Result availability: [*] available - [~] stale - [ ] n/a - [x] no context. "
    "Scheduled execution: (H) head - (>) scheduled run on materialize - ( ) no run required."
)


def test_from_nothing_to_a_value(lab_kernel: Kernel, tmp_path: Path) -> None:
    """Each sentence of the first page of the README, in order."""
    say = lab_kernel.run
    assert say("%load_ext jo_notebook", "a").stdout == (
        "jo_notebook: nothing in analysis.jo yet. A cell becomes a step with %%step NAME on its first line.\n"
    )
    assert say("%%step Load\n" + body("Load", "[3, 1, 2]"), "b").text == "Load · missing"
    assert say("%%step Clean --depends-on Load\n" + body("Clean", "sorted(Load)"), "c").text == "Clean ← Load · missing"
    assert say("%plan").stdout.splitlines() == [
        LEGEND,
        " [ ] (>) Load     no result",
        " [ ] (H) Clean    upstream Load will run",
    ]
    assert runs(tmp_path) == []
    assert not (tmp_path / "analysis.jo").exists()

    done = say("%materialize Clean")
    assert result(done) == "[1, 2, 3]"
    assert done.stdout.startswith("Ran 2 steps in ")
    assert done.stdout.endswith(": Load, Clean.\n")
    assert runs(tmp_path) == ["Load", "Clean"]
    assert (tmp_path / "analysis.jo").is_dir()
    assert result(say("(Clean, Load)")) == "([1, 2, 3], [3, 1, 2])"


def test_nothing_runs_twice(lab_kernel: Kernel, tmp_path: Path) -> None:
    """What is available is not computed again, whatever is asked for."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("%%step Load\n" + body("Load", "[3, 1, 2]"), "b")
    lab_kernel.run("%%step Clean\n" + body("Clean", "sorted(Load)"), "c")
    lab_kernel.run("%materialize")
    runs(tmp_path)
    assert lab_kernel.run("%materialize Clean").stdout == "Nothing to run: everything is available.\n"
    assert result(lab_kernel.run("%materialize")) == ""
    assert result(lab_kernel.run("%materialize Load")) == "[3, 1, 2]"
    again = lab_kernel.run("%%step Clean\n" + body("Clean", "sorted(Load)"), "c").text
    assert again.startswith("Clean ← Load (inferred) · available")
    assert runs(tmp_path) == []


def test_dependencies_may_come_later(lab_kernel: Kernel, tmp_path: Path) -> None:
    """The order of the cells is the user's business."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    answer = lab_kernel.run("%%step Clean --depends-on Load\n" + body("Clean", "sorted(Load)"), "c")
    assert "Load is not registered yet" in answer.text
    lab_kernel.run("%%step Load\n" + body("Load", "[3, 1, 2]"), "b")
    assert result(lab_kernel.run("%materialize Clean")) == "[1, 2, 3]"
    assert runs(tmp_path) == ["Load", "Clean"]


def test_a_run_at_once(lab_kernel: Kernel, tmp_path: Path) -> None:
    """`--run` gives the value as the cell's output, and what was printed below the cell."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    done = lab_kernel.run("%%step Load --run\nprint('reading')\n" + body("Load", "[3, 1, 2]"), "b")
    assert done.stdout.startswith("reading\nRan 1 step in ")
    assert result(done) == "[3, 1, 2]"
    assert lab_kernel.run("%log Load").stdout.splitlines()[1:] == ["reading"]
    assert result(lab_kernel.run("Load")) == "[3, 1, 2]"
