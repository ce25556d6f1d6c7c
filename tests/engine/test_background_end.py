"""A script that ends while a run goes on in the background: it is stopped, and nothing of it remains."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from jo_notebook.store.context import Context

ROOT = Path(__file__).parents[2]
SCRIPT = """
import sys, time
from pathlib import Path
from tests.cases.making import notebook, step

if __name__ == "__main__":
    pipeline = notebook("", Path(sys.argv[1]))
    pipeline.add(step("First", "import os; os.getpid()"))
    spin = "import time; First; open('begun', 'w').write(str(__import__('os').getpid()))\\n"
    pipeline.add(step("Endless", spin + "while True:\\n    time.sleep(0.01)"))
    pipeline.start("Endless", executor=sys.argv[2])
    while not Path("begun").exists() or not Path("begun").read_text():
        time.sleep(0.02)
    print("ends")
"""


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_script_ends(tmp_path: Path, executor: str) -> None:
    place = tmp_path / "script.jo"
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(place), executor],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (0, "ends\n")
    assert "Traceback" not in done.stderr
    context = Context(place)
    assert list(context.records) == ["First"]
    assert context.failures == {}
    assert context.running_elsewhere() == []
    assert list((place / "running").iterdir()) == []
    assert not psutil.pid_exists(int((tmp_path / "begun").read_text()))
