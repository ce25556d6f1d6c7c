"""Results that a disk refuses end with the command: it says so, and ends with 1."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from tests.cli.making import COMMAND, environment
from tests.test_cli import notebook

SCRIPT = "from jo_notebook import step\n@step\ndef Load():\n    return [1]\n@step\ndef Clean(Load):\n    return Load\n"
LOST = "Load, Clean ran, and what came of it is lost with this process: cannot write to taken: it is a file; move it "


def sources(place: Path) -> None:
    notebook(place / "n.ipynb", "%%step Load\n[1]", "%%step Clean\nLoad")
    (place / "p.py").write_text(SCRIPT)
    (place / "jobs.py").write_text("def Load():\n    return [1]\ndef Clean(Load):\n    return Load\n")
    (place / "stages.yaml").write_text("module: jobs\nstages:\n  Load: []\n  Clean: [Load]\n")


def run(place: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """`jo run`, with a file where the directory of results would be."""
    env = environment({"JO_CONTEXT": str(place / "taken")})
    (place / "taken").write_text("a thesis")
    return subprocess.run([*COMMAND, "run", *words], cwd=place, capture_output=True, text=True, timeout=120, env=env)


@pytest.mark.parametrize("words", [("p.py",), ("stages.yaml",), ("n.ipynb",), ("n.ipynb", "-o", "out.ipynb")], ids=str)
def test_a_disk_that_refuses(tmp_path: Path, words: tuple[str, ...]) -> None:
    """What ran is told, and that it is lost; programs are told the same."""
    sources(tmp_path)
    done = run(tmp_path, *words)
    assert done.returncode == 1, done.stdout + done.stderr
    assert done.stdout.startswith("Ran 2 steps in ")
    assert f"jo: {LOST}" in done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    told = run(tmp_path, *words, "--json")
    data = json.loads(told.stdout)
    assert (told.returncode, data["finished"], list(data["unsaved"])) == (1, ["Load", "Clean"], ["Load", "Clean"])
    assert data["error"]["message"].startswith(LOST)
    assert (tmp_path / "taken").read_text() == "a thesis"


@pytest.mark.parametrize("name", ["p.py", "n.ipynb"])
def test_a_value_that_no_format_takes(tmp_path: Path, name: str) -> None:
    """Is made again by the next run that needs it, which is no failure."""
    value = "[(letter for letter in 'abc')]"
    notebook(tmp_path / "n.ipynb", f"%%step Load\n{value}")
    (tmp_path / "p.py").write_text(f"from jo_notebook import step\n@step\ndef Load():\n    return {value}\n")
    done = subprocess.run(
        [*COMMAND, "run", name], cwd=tmp_path, capture_output=True, text=True, timeout=120, env=environment()
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "Load is kept in memory only: " in done.stdout


def test_what_is_not_to_be_stored_is_not_lost(tmp_path: Path) -> None:
    (tmp_path / "p.py").write_text("from jo_notebook import step\n@step(no_store=True)\ndef Load():\n    return [1]\n")
    done = run(tmp_path, "p.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Ran 1 step in ")
