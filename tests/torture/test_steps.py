"""Steps that do not end well, and what a run opens to the network."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jo_notebook.core.plan import Availability
from jo_notebook.pipeline import Pipeline
from tests.torture.making import ROOT

ENDS = {
    "raises": "raise ValueError('no')",
    "is cancelled": "import os, signal, time\nos.kill(os.getpid(), signal.SIGINT)\ntime.sleep(5)",
    "exits": "import os\nos._exit(7)",
    "says SystemExit": "import sys\nsys.exit(7)",
}
RUN = """
import json, sys
from pathlib import Path
from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.source import parse_source
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context
pipeline = Pipeline(Context(Path(sys.argv[1])))
steps = {"Parent": ("[1, 2, 3]", ()), "Bad": (json.loads(sys.argv[2]) + "\\nParent", ("Parent",)),
         "Child": ("Bad", ("Bad",))}
for name, (text, parents) in steps.items():
    pipeline.add(Definition(name, parse_source(text), tuple(Dependency(p, p) for p in parents)))
pipeline.materialize("Child")
"""


@pytest.mark.parametrize("way", ENDS)
def test_32_steps_that_do_not_end(
    way: str, tmp_path: Path, tally: Counter[str], trials: Callable[[int, int], int]
) -> None:
    """32: nothing is saved of a step that failed, its parent keeps its result, and the run ends soon, not with 0."""
    for trial in range(trials(2, 100)):
        place = tmp_path / f"{trial}.jo"
        began = time.monotonic()
        command = [sys.executable, "-c", RUN, str(place), json.dumps(ENDS[way])]
        done = subprocess.run(command, cwd=ROOT, capture_output=True, timeout=30, check=False)
        assert done.returncode != 0
        assert time.monotonic() - began < 10
        pipeline = Pipeline.open(place)
        assert sorted(pipeline.context) == ["Parent"]
        assert pipeline.context["Parent"] == [1, 2, 3]
        states = {decision.step: decision.availability for decision in pipeline.plan()}
        assert states["Parent"] is Availability.AVAILABLE
        assert states["Bad"] in (Availability.FAILED, Availability.MISSING)
        assert states["Child"] is Availability.MISSING
        assert pipeline.context.running_elsewhere() == []
        tally["trials"] += 1


def notebook_of(folder: Path, body: str) -> Path:
    cells = ["%%step Parent\n[1, 2, 3]", f"%%step Bad --depends-on Parent\n{body}\nParent"]
    nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in cells]), folder / "n.ipynb")
    return folder / "n.ipynb"


def headless(notebook: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "jo_notebook.cli", "run", str(notebook)]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


@pytest.mark.parametrize("way", ["raises", "exits"])
def test_32_headless(way: str, tmp_path: Path, tally: Counter[str], trials: Callable[[int, int], int]) -> None:
    """32: the same for a notebook run from the command line."""
    for trial in range(trials(1, 10)):
        folder = tmp_path / str(trial)
        folder.mkdir()
        notebook, began = notebook_of(folder, ENDS[way]), time.monotonic()
        process = headless(notebook)
        text, _ = process.communicate(timeout=60)
        assert process.returncode == 1, text
        assert time.monotonic() - began < 20, text  # a kernel starts and ends in it
        assert sorted(Pipeline.open(folder / "n.jo").context) == ["Parent"]
        tally["trials"] += 1


def test_37_sockets(tmp_path: Path, tally: Counter[str]) -> None:
    """37: a run listens on the loopback alone, and only what its kernel needs; a bare pipeline listens on nothing.

    There is no engine over several machines yet, hence no dashboard and no certificates to try.
    """
    ready = tmp_path / "ready"
    body = f"import os, pathlib, time\npathlib.Path({str(ready)!r}).write_text(str(os.getpid()))\ntime.sleep(60)"
    process = headless(notebook_of(tmp_path, body))
    try:
        end = time.monotonic() + 60
        while not (ready.exists() and ready.read_text()):
            assert process.poll() is None, process.communicate()[0]
            assert time.monotonic() < end
            time.sleep(0.05)
        kernel = int(ready.read_text())
        told = [listening(process.pid), listening(kernel)]
        assert told[0] == []
        assert told[1] != []
        assert set(told[1]) == {"127.0.0.1"}
        tally["trials"], tally["sockets"] = 1, len(told[1])
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=30)
    code = RUN.replace('pipeline.materialize("Child")', 'pipeline.materialize("Parent"); input()')
    bare = subprocess.Popen(
        [sys.executable, "-c", code, str(tmp_path / "bare.jo"), '"1"'],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        text=True,
    )
    while not (tmp_path / "bare.jo" / "results").exists():
        assert bare.poll() is None
        time.sleep(0.05)
    assert listening(bare.pid) == []
    bare.communicate("\n")


def listening(pid: int) -> list[str]:
    """The addresses that a process listens on, by Linux's own tables."""
    mine = set()
    for fd in Path(f"/proc/{pid}/fd").iterdir():
        try:
            mine.add(os.readlink(fd))
        except FileNotFoundError:
            continue
    found = []
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            words = row.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in mine:
                raw = words[1].partition(":")[0]
                found.append(".".join(str(b) for b in bytes.fromhex(raw)[::-1]) if table == "tcp" else raw)
    return found
