"""`jo VERB NOTEBOOK`, as a user types it: its words, its exit codes, and one store with the notebook."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook

from tests.conftest import StartKernel
from tests.journeys.asking import body, result, runs, wait_for_notes

CELLS = [
    "%load_ext jo_notebook",
    "FACTOR = 2\ndef double(x):\n    return x * FACTOR",
    "%%step Load\nprint('loading')\n" + body("Load", "[3, 1, 2]"),
    "Load.append('by a cell that must not run')",
    "#| step: Clean <- Load\n" + body("Clean", "sorted(map(double, Load))"),
    "%materialize\nprint('a verb in a cell')",
    "%%step Other\n" + body("Other", "'other'"),
]


def jo(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Runs the command to its end."""
    return subprocess.run(
        [sys.executable, "-m", "jo_notebook.cli", *words], cwd=cwd, capture_output=True, text=True, timeout=90
    )


def notebook(path: Path, *cells: str) -> Path:
    """A notebook file with a title and these code cells."""
    made = new_notebook(cells=[new_markdown_cell("# Title"), *(new_code_cell(cell) for cell in cells)])
    made.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(made, path)
    return path


def kernels() -> set[str]:
    """The kernel processes of this machine, by id."""
    found = set()
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if b"ipykernel" in (process / "cmdline").read_bytes():
                found.add(process.name)
        except OSError:
            continue
    return found


def test_a_notebook_without_opening_it(start_kernel: StartKernel, tmp_path: Path) -> None:
    """plan, run HEAD, status, explain, log, graph, forget; then the notebook's kernel, and back."""
    path = notebook(tmp_path / "analysis.ipynb", *CELLS)
    before = path.read_bytes()
    planned = jo("plan", "analysis.ipynb", cwd=tmp_path)
    assert (planned.returncode, planned.stderr) == (0, "")
    assert " [ ] (H) Clean    upstream Load will run\n" in planned.stdout
    assert runs(tmp_path) == []

    done = jo("run", "analysis.ipynb", "Clean", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("loading\nRan 2 steps in ")
    assert "verb in a cell" not in done.stdout
    assert runs(tmp_path) == ["Load", "Clean"]
    assert sorted(p.name for p in tmp_path.glob("*.jo")) == ["analysis.jo"]

    status = jo("status", "analysis.ipynb", cwd=tmp_path)
    assert [row.split()[:2] for row in status.stdout.splitlines()[1:]] == [
        ["Load", "available"],
        ["Clean", "available"],
        ["Other", "missing"],
    ]
    assert jo("log", "analysis.ipynb", "Load", cwd=tmp_path).stdout.splitlines()[1:] == ["loading"]

    kernel = start_kernel(env={"JPY_SESSION_NAME": str(path)})
    assert "2 available, 1 missing" in kernel.run("%load_ext jo_notebook", "a").stdout
    assert result(kernel.run("Clean")) == "[2, 4, 6]"
    for number, cell in enumerate(CELLS):
        if "step" in cell.partition("\n")[0] or "FACTOR" in cell:
            kernel.run(cell, f"cell-{number}")
    assert kernel.run("%materialize Clean").stdout.startswith("Nothing to run")
    kernel.run("%materialize Other")
    assert runs(tmp_path) == ["Other"]

    again = jo("run", "analysis.ipynb", cwd=tmp_path)
    assert "Ran" not in again.stdout
    assert runs(tmp_path) == []
    (tmp_path / "out").mkdir()
    drawn = jo("graph", "../analysis.ipynb", "-o", "graph.svg", cwd=tmp_path / "out")
    assert drawn.returncode == 0
    assert (tmp_path / "out" / "graph.svg").read_text().startswith("<svg")
    notebook(path, *(cell.replace("FACTOR = 2", "FACTOR = 3") for cell in CELLS))
    assert "constant FACTOR: 2 → 3" in jo("explain", "analysis.ipynb", "Clean", cwd=tmp_path).stdout
    notebook(path, *CELLS)
    assert jo("forget", "analysis.ipynb", "Load", "Clean", cwd=tmp_path).stdout == "Forgotten: Load, Clean.\n"
    assert result(kernel.run("%materialize Clean")) == "[2, 4, 6]"
    assert len(before) == path.stat().st_size


def test_a_failure(tmp_path: Path) -> None:
    """Exit code 1, the user's traceback once, the rest stored."""
    path = notebook(tmp_path / "n.ipynb", "%%step Good\n1", "%%step Bad\n1 / 0", "%%step Top\n(Good, Bad)")
    done = jo("run", str(path), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.count("ZeroDivisionError: division by zero") >= 1
    assert done.stderr.count("Traceback (most recent call last)") == 1
    assert "----> 2 1 / 0" in done.stderr
    assert "\x1b" not in done.stdout + done.stderr
    assert "Ran 1 step" in done.stdout
    status = jo("status", str(path), cwd=tmp_path)
    assert status.returncode == 0
    assert [row.split()[1] for row in status.stdout.splitlines()[1:]] == ["available", "failed", "missing"]


def test_a_setup_cell_fails(tmp_path: Path) -> None:
    """The cell is named, nothing is run."""
    path = notebook(tmp_path / "n.ipynb", "import no_such_module", "%%step A\n1")
    done = jo("run", str(path), cwd=tmp_path)
    assert done.returncode == 1
    assert "n.ipynb, cell 2 failed" in done.stderr
    assert "ModuleNotFoundError: No module named 'no_such_module'" in done.stderr
    assert not list(tmp_path.glob("*.jo"))


def test_a_step_cell_that_is_wrong(tmp_path: Path) -> None:
    """A syntax error in a step is told with the cell and the line, without a traceback of ours."""
    path = notebook(tmp_path / "n.ipynb", "%%step A\nx = (1")
    done = jo("plan", str(path), cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr == "n.ipynb, cell 2 (step A): A, line 2: '(' was never closed.\n    x = (1\n        ^\n"


USAGE = {
    "no words": ([], "jo COMMAND --help"),
    "an unknown command": (["rum", "n.ipynb"], "jo has no command 'rum'. Did you mean run?"),
    "no source": (["run"], "SOURCE"),
    "a notebook that is not there": (["run", "nowhere.ipynb"], "There is no notebook at"),
    "a file that is no notebook": (["run", "text.ipynb"], "text.ipynb is not a notebook"),
    "an unknown option": (["run", "n.ipynb", "--forse"], "Did you mean --force?"),
    "no name": (["explain", "n.ipynb"], "NAME"),
}


def test_accept_and_pin(tmp_path: Path) -> None:
    """`jo accept` blesses, `jo pin` keeps; both hold for the next command, and what is wrong is exit code 2."""
    cells = ["%%step A\n" + body("A", "1"), "%%step B\n" + body("B", "A + 1")]
    path = notebook(tmp_path / "n.ipynb", *cells)
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    runs(tmp_path)
    notebook(path, cells[0].replace("\n1\n", "\n2 - 1\n"), cells[1])
    assert " [~] (>) A" in jo("plan", "n.ipynb", cwd=tmp_path).stdout
    done = jo("accept", "n.ipynb", "A", cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "Accepted A for today's code (code changed).\n", "")
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    assert runs(tmp_path) == []
    assert "It is accepted, although:\n  - code changed\n" in jo("explain", "n.ipynb", "A", cwd=tmp_path).stdout

    done = jo("pin", "n.ipynb", "A", cwd=tmp_path)
    assert (done.returncode, done.stdout.startswith("Pinned: A.")) == (0, True)
    notebook(path, cells[0].replace("\n1\n", "\n50\n"), cells[1])
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    assert runs(tmp_path) == []
    assert "It is pinned, although:" in jo("explain", "n.ipynb", "A", cwd=tmp_path).stdout
    assert jo("pin", "n.ipynb", "A", "--off", cwd=tmp_path).returncode == 0
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    assert runs(tmp_path) == ["A", "B"]

    notebook(path, *cells, "%%step New\n1")
    for verb in ("accept", "pin"):
        missing = jo(verb, "n.ipynb", "New", cwd=tmp_path)
        assert (missing.returncode, missing.stdout) == (2, "")
        assert f"jo: New has no result to {verb}" in missing.stderr
        assert jo(verb, "n.ipynb", cwd=tmp_path).returncode == 2


def test_bad_usage(tmp_path: Path) -> None:
    """Exit code 2 and one line, before a kernel starts."""
    notebook(tmp_path / "n.ipynb", "%%step A\n1")
    (tmp_path / "text.ipynb").write_text("not JSON")
    before = time.monotonic()
    for name, (words, expected) in USAGE.items():
        done = jo(*words, cwd=tmp_path)
        assert done.returncode == 2, name
        assert expected in done.stdout + done.stderr, name
        assert "Traceback" not in done.stderr, name
    assert time.monotonic() - before < 5 * len(USAGE)


def test_an_unknown_head(tmp_path: Path) -> None:
    """Known only when the notebook is: exit code 2 as well."""
    notebook(tmp_path / "n.ipynb", "%%step Clean\n1")
    done = jo("run", "n.ipynb", "Claen", cwd=tmp_path)
    assert done.returncode == 2
    assert done.stderr == "jo: There is no step called 'Claen'. Did you mean Clean?\n"


def test_help() -> None:
    """Every command has help; so has `jo` itself, and a version."""
    here = Path.cwd()
    assert jo("--help", cwd=here).returncode == 0
    assert jo("--version", cwd=here).stdout.startswith("jo_notebook ")
    said = jo("run", "--help", cwd=here)
    assert (said.returncode, "--force" in said.stdout) == (0, True)


@pytest.mark.skipif(not Path("/proc").is_dir(), reason="looks for processes in /proc")
def test_control_c(tmp_path: Path) -> None:
    """Exit code 130; what was finished is kept; no kernel is left; the next run goes on."""
    slow = "import os, time\nif not os.path.exists('quick'):\n    time.sleep(30)\n'slow'"
    path = notebook(
        tmp_path / "n.ipynb",
        "%%step Load\n" + body("Load", "1"),
        "%%step Slow --depends-on Load\n" + body("Slow", slow),
    )
    before = kernels()
    command = [sys.executable, "-m", "jo_notebook.cli", "run", str(path)]
    process = subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    wait_for_notes(tmp_path, 2, timeout=60)
    time.sleep(0.3)
    os.kill(process.pid, signal.SIGINT)
    said, complained = process.communicate(timeout=30)
    assert process.returncode == 130, said + complained
    assert said == "Interrupted. What was finished is kept.\n"
    assert complained == "jo: Interrupted.\n"
    deadline = time.monotonic() + 10
    while kernels() - before and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not kernels() - before
    runs(tmp_path)
    (tmp_path / "quick").touch()
    assert jo("run", str(path), cwd=tmp_path).returncode == 0
    assert runs(tmp_path) == ["Slow"]


def test_a_kernel_that_dies(tmp_path: Path) -> None:
    """One line, exit code 1, and what was finished is there the next time."""
    cells = (
        "%load_ext jo_notebook",
        "%%step A\n1",
        "%%step B --depends-on A\nimport os\nos.kill(os.getpid(), 9)",
    )
    notebook(tmp_path / "n.ipynb", *cells)
    done = jo("run", "n.ipynb", cwd=tmp_path)
    told = "jo: The kernel of n.ipynb died. What was finished is kept: the same command goes on from there.\n"
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)
    assert jo("run", "n.ipynb", "A", cwd=tmp_path).stdout == "1 loaded from disk.\n"
