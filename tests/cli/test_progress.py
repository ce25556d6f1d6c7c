"""How far a run is: a bar on a terminal, lines elsewhere, and stdout left to the steps."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from jo_notebook.commands.streams import ANSI
from tests.cli.making import COMMAND, Terminal, environment
from tests.test_cli import jo, notebook

SLOW = (
    "import time",
    "%%step Load\nprint('loading')\ntime.sleep(1.7)\n1",
    "%%step Clean\nprint('half a', end='')\ntime.sleep(1.7)\nprint(' line')\nLoad + 1",
    "%%step Bad\n1 / 0",
    "%%step Top\n(Bad, Clean)",
)


@pytest.mark.parametrize("kind", ["a kernel", "this process"])
def test_a_terminal(tmp_path: Path, kind: str) -> None:
    """A bar with what is done and what runs; printed lines stand whole above it; it is gone at the end."""
    notebook(tmp_path / "n.ipynb", *SLOW)
    source = "n.ipynb"
    if kind == "this process":
        assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 1
        source = "n.jo"
    terminal = Terminal("run", source, "Top", "Load", "Clean", "--force", cwd=tmp_path, env={"COLUMNS": "90"})
    assert terminal.read_to_end() == 1
    shown = terminal.shown
    assert "0/4 |" in shown
    assert "1/4 |" in shown
    assert any("Clean" in piece.split("\r")[0] for piece in shown.split("1/4 |")[1:])
    lines = ANSI.sub("", shown).replace("\r\n", "\n").split("\n")
    seen = [line.rsplit("\r", 1)[-1].rstrip() for line in lines]
    assert "loading" in seen
    assert "half a line" in seen
    assert any(line.startswith("Ran 2 steps in ") for line in seen)
    assert "[1/4]" not in shown


def test_lines_elsewhere(tmp_path: Path) -> None:
    """A run that takes longer says on stderr what came to an end, from the first step on."""
    notebook(tmp_path / "n.ipynb", *SLOW)
    done = jo("run", "n.ipynb", cwd=tmp_path)
    told = [line for line in done.stderr.splitlines() if line.startswith("[")]
    assert [line.rsplit(" … ")[0] for line in told] == ["[1/4] Load", "[2/4] Clean", "[3/4] Bad", "[4/4] Top"]
    assert told[2].endswith(": ZeroDivisionError: division by zero")
    assert told[3] == "[4/4] Top … not run: Bad failed"
    assert done.stdout.startswith("loading\nhalf a line\nRan 2 steps in ")


def test_the_choices(tmp_path: Path) -> None:
    """lines are said at once, none says nothing."""
    notebook(tmp_path / "n.ipynb", "%%step A\n1", "%%step B\nA")
    done = jo("run", "n.ipynb", "--progress", "lines", cwd=tmp_path)
    assert [line.rsplit(" … ")[0] for line in done.stderr.splitlines()] == ["[1/2] A", "[2/2] B"]
    assert jo("run", "n.ipynb", "B", "--force", "--progress", "none", cwd=tmp_path).stderr == ""
    assert jo("run", "n.jo", "B", "--force", cwd=tmp_path).stderr == ""
    wrong = jo("run", "n.jo", "--progress", "noise", cwd=tmp_path)
    assert (wrong.returncode, "lines" in wrong.stderr) == (2, True)


def test_what_is_not_reached(tmp_path: Path) -> None:
    """A failed run says what failed, what was blocked and what was not reached."""
    notebook(tmp_path / "n.ipynb", "%%step Bad\n1 / 0", "%%step Later\n2", "%%step Top --depends-on Bad\nBad")
    done = jo("run", "n.ipynb", "--fail-fast", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stdout == "Bad failed. Top not run, waiting for what failed. Later not reached.\n"
    done = jo("run", "n.ipynb", cwd=tmp_path)
    assert done.stdout.endswith("Bad failed. Top not run, waiting for what failed.\n")


def test_many_quick_steps(tmp_path: Path) -> None:
    """Events come a few times a second, however many there are."""
    notebook(tmp_path / "n.ipynb", *(f"%%step S{n}\n{n}" for n in range(120)))
    done = jo("run", "n.ipynb", "--progress", "lines", cwd=tmp_path)
    lines = done.stderr.splitlines()
    assert len(lines) == 120
    assert lines[-1].startswith("[120/120] ")


def test_stdout_in_a_file_and_a_bar(tmp_path: Path) -> None:
    """What steps print goes to the file untouched while the terminal has the bar."""
    notebook(tmp_path / "n.ipynb", *SLOW[:2])
    script = "import subprocess, sys; sys.exit(subprocess.call(sys.argv[2:], stdout=open(sys.argv[1], 'w')))"
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    import pty

    ours, theirs = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-c", script, "out.txt", *COMMAND, "run", "n.jo", "Load", "--force"],
        cwd=tmp_path,
        stderr=theirs,
        env=environment(),
    )
    import os

    os.close(theirs)
    seen = b""
    while True:
        try:
            piece = os.read(ours, 4096)
        except OSError:
            break
        seen += piece
    assert process.wait(timeout=30) == 0
    os.close(ours)
    assert b"0/1 |" in seen
    assert (tmp_path / "out.txt").read_text().startswith("loading\nRan 1 step in ")


def test_how_far_and_how_long(tmp_path: Path) -> None:
    """From the histories of the steps, and from what a step says of itself, also by a bar of its own."""
    notebook(
        tmp_path / "n.ipynb",
        "import time\nfrom jo_notebook import progress\nfrom tqdm import tqdm",
        "%%step Rows\nfor n in progress(range(10), text='row'):\n    time.sleep(0.15)\nn",
        "%%step Bars\nfor n in tqdm(range(10)):\n    time.sleep(0.15)\nn + 0 * Rows",
    )
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    for source in ("n.ipynb", "n.jo"):
        terminal = Terminal("run", source, "Rows", "Bars", "--force", cwd=tmp_path, width=120)
        assert terminal.read_to_end() == 0
        shown = terminal.shown
        assert re.search(r"0/2 \|.{24}\| 00:0\d, about \d s left  Rows \d+ % \(row \d+ of 10\)", shown), shown
        assert re.search(r"1/2 \|.{24}\| 00:0\d, \D+\d s left  Bars \d+ % \(\d+ of 10\)", shown), shown
        assert "10/10 [00:01<00:00, " in shown
