"""What the documents show of scripts and classes runs as it stands."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kernel import Kernel

ROOT = Path(__file__).parents[2]
MOVING = (ROOT / "docs" / "moving-from-job-orchestra.md").read_text(encoding="utf-8")
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CELLS = re.compile(r"^```\n(%%step BoilWater.*?)^```$", re.MULTILINE | re.DOTALL)
SCRIPTS = [text for text in BLOCK.findall(README + MOVING) if "from jo_notebook import" in text]


def run(place: Path, text: str) -> str:
    """What a script prints."""
    (place / "analysis.py").write_text(text, encoding="utf-8")
    done = subprocess.run([sys.executable, "analysis.py"], cwd=place, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_there_are_some() -> None:
    assert len(SCRIPTS) >= 4


@pytest.mark.parametrize("number", range(len(SCRIPTS)))
def test_a_script_of_the_documents(tmp_path: Path, number: int) -> None:
    text = SCRIPTS[number]
    first = run(tmp_path, text)
    assert run(tmp_path, text).splitlines()[-1:] == first.splitlines()[-1:]


def test_the_function_steps_of_the_readme(tmp_path: Path) -> None:
    (text,) = [text for text in SCRIPTS if "@step" in text]
    assert run(tmp_path, text) == "5\n"
    assert (tmp_path / "analysis.jo").is_dir()


def test_the_recipe_in_both_spellings(tmp_path: Path, lab_kernel: Kernel) -> None:
    """As classes, as cells, and both in one graph."""
    recipe = next(text for text in SCRIPTS if "class Salt" in text)
    assert run(tmp_path, f"{recipe}\nprint(pasta.materialize())\n") == "pasta in salted water\n"
    say = lab_kernel.run
    say("%load_ext jo_notebook", "z")
    found = CELLS.search(MOVING)
    assert found is not None
    for number, text in enumerate(found[1].strip().split("\n\n")):
        reply = say(text, f"c{number}")
    assert reply.displays[-1]["text/plain"] == "'pasta in salted water'"
