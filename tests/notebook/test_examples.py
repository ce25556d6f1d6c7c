"""The example notebooks run from a clean store and still show what they show."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

NOTEBOOKS = Path(__file__).parents[2] / "notebooks"
EXAMPLES = sorted(NOTEBOOKS.glob("*.ipynb"))


def test_there_are_examples() -> None:
    """An empty folder must not pass for success."""
    assert EXAMPLES


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_example_shows_what_it_stores(example: Path, tmp_path: Path) -> None:
    """Each cell of a fresh copy gives the outputs stored in the notebook."""
    copy = shutil.copy(example, tmp_path)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # our own settings are for our own tests
    command = [
        *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"),
        *("--nbval", "--nbval-current-env", "--nbval-cell-timeout", "120"),
        *("--nbval-sanitize-with", str(NOTEBOOKS / "nbval_sanitize.cfg")),
        str(copy),
    ]
    environment = {**os.environ, "JO_CONTEXT": str(tmp_path / "results"), "PYTEST_ADDOPTS": ""}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=220
    )
    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
