"""Kernels that are killed in the middle of a run, that run the same pipeline at once, and what they leave behind."""

from __future__ import annotations

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jo_notebook.pipeline import Pipeline
from jo_notebook.store.names import stem_of
from jo_notebook.store.processes import machine, start_of
from tests.conftest import StartKernel
from tests.kernel import Kernel

SECONDS = 0.2
VALUES = {"Load": [1, 2, 3], "Clean": [2, 3, 4], "Model": 9}
BODIES = {"Load": "[1, 2, 3]", "Clean": "[x + 1 for x in Load]", "Model": "sum(Clean)"}
NOTE = """import os, pathlib, time
with pathlib.Path({path!r}).open("a") as notes:
    notes.write(f"{name} {{os.getpid()}}\\n")
while not pathlib.Path({gate!r}).exists():
    time.sleep(0.01)
time.sleep({seconds})
"""
LONG = [pytest.mark.slow, pytest.mark.timeout(3600)]


class Place:
    """A notebook of three steps in a directory, and the notes of who ran which step."""

    def __init__(self, folder: Path) -> None:
        self.notebook = folder / "notebook.ipynb"
        self.store = folder / "notebook.jo"
        self.notes = folder / "notes.txt"
        self.gate = folder / "gate"  # no step ends unless it is there
        self.gate.touch()
        self.folder = folder
        texts = {"path": str(self.notes), "gate": str(self.gate), "seconds": SECONDS}
        self.cells = [f"%%step {name}\n{NOTE.format(name=name, **texts)}{text}" for name, text in BODIES.items()]
        nbformat.write(new_notebook(cells=[new_code_cell(cell) for cell in self.cells]), self.notebook)

    def rows(self) -> list[tuple[str, int]]:
        """The steps that began, each with the process that ran it."""
        text = self.notes.read_text() if self.notes.exists() else ""
        return [(line.split()[0], int(line.split()[1])) for line in text.splitlines()]

    def begun(self) -> list[str]:
        """The steps that began."""
        return [name for name, _ in self.rows()]

    def wait_for(self, count: int) -> None:
        """Waits until so many steps have begun."""
        end = time.monotonic() + 60
        while len(self.rows()) < count:
            assert time.monotonic() < end, "the steps did not run"
            time.sleep(0.005)

    def clear(self) -> None:
        """As if nothing had ever run."""
        with contextlib.suppress(FileNotFoundError):
            self.notes.unlink()
        if self.store.exists():
            Pipeline.open(self.store).context.forget(*VALUES)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    """The notebook; processes that noted themselves in it are ended."""
    made = Place(tmp_path)
    yield made
    for pid in {pid for _, pid in made.rows()} - {os.getpid()}:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def define(kernel: Kernel, place: Place) -> None:
    """The notebook's cells, run from top to bottom."""
    kernel.run("%load_ext jo_notebook")
    for cell in place.cells:
        kernel.run(cell)


def headless(place: Place) -> subprocess.Popen[str]:
    """`jo run` of the notebook."""
    command = [sys.executable, "-m", "jo_notebook.cli", "run", str(place.notebook)]
    return subprocess.Popen(command, cwd=place.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def goes_on_right(place: Place, *, is_dead: bool) -> None:
    """Reopened at once: states are right, nothing is running, and only what is missing is computed."""
    before = len(place.rows())
    opened = Pipeline.open(place.store)
    assert opened.problems == []
    assert opened.context.damaged == {}
    if is_dead:
        assert opened.context.running_elsewhere() == []
    states = {d.step: str(d.availability) for d in opened.steps()}
    assert set(states) == set(VALUES)
    assert set(states.values()) <= {"available", "missing"}
    there = [name for name in VALUES if states[name] == "available"]
    assert there == list(VALUES)[: len(there)]
    started = time.monotonic()
    assert opened.materialize("Model", echo=False) == VALUES["Model"]
    assert time.monotonic() - started < 10
    mine = [name for name, pid in place.rows()[before:] if pid == os.getpid()]
    assert set(mine).isdisjoint(there)
    if is_dead:
        assert mine == [name for name in VALUES if name not in there]
    assert {name: opened.context[name] for name in VALUES} == VALUES
    assert os.listdir(place.store / "running") == []
    assert os.listdir(place.store / "tmp") == []


def moment(seed: int) -> tuple[int, float]:
    """How many steps have begun, and how long ago the last one has, when the kill comes."""
    chance = random.Random(seed)
    return chance.randint(1, len(VALUES)), chance.uniform(0, SECONDS * 1.1)


@pytest.mark.parametrize("trials", [3, pytest.param(100, marks=LONG)])
def test_33_a_killed_kernel_stops_nobody(place: Place, start_kernel: StartKernel, trials: int) -> None:
    """SIGKILL in the middle of a run: nothing runs for ever, and the next run goes on from what was finished."""
    kernel = start_kernel()
    for seed in range(trials):
        define(kernel, place)
        count, delay = moment(seed)
        kernel.send("%materialize Model")
        place.wait_for(count)
        time.sleep(delay)
        kernel.kill()
        goes_on_right(place, is_dead=True)
        place.clear()
        if seed < trials - 1:
            kernel.restart()


@pytest.mark.parametrize("trials", [2, pytest.param(100, marks=LONG)])
def test_33_a_killed_headless_run_stops_nobody(place: Place, trials: int) -> None:
    """The parent is killed; its kernel ends by itself a little later, and may finish a step before."""
    for seed in range(trials):
        count, delay = moment(1000 + seed)
        process = headless(place)
        place.wait_for(count)
        time.sleep(delay)
        process.kill()
        process.communicate()
        goes_on_right(place, is_dead=False)
        goes_away(place)
        place.clear()


def goes_away(place: Place) -> None:
    """The kernel whose parent was killed ends."""
    end = time.monotonic() + 10
    for pid in {pid for _, pid in place.rows()} - {os.getpid()}:
        while Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2][1] != "Z":
            assert time.monotonic() < end, "the kernel outlived its parent"
            time.sleep(0.05)


@pytest.mark.parametrize("trials", [2, pytest.param(30, marks=LONG)])
def test_34_two_kernels_run_one_pipeline(place: Place, start_kernel: StartKernel, trials: int) -> None:
    """A notebook's kernel and `jo run`, in either order: both finish, nothing is lost, the second is told."""
    kernel = start_kernel()
    define(kernel, place)
    for trial in range(trials):
        is_first = trial % 2 == 0
        place.gate.unlink()
        request = kernel.send("%materialize Model") if is_first else ""
        if is_first:
            place.wait_for(1)
        other = headless(place)
        if not is_first:
            place.wait_for(1)
            request = kernel.send("%materialize Model")
        told = first_line(other) if is_first else first_words(kernel, request)
        assert told.startswith("Load is being run by another kernel (pid "), told
        assert told.endswith("); waiting for its result.\n"), told
        place.gate.touch()
        reply = kernel.wait(request)
        output, _ = other.communicate(timeout=60)
        assert other.returncode == 0, output
        assert reply.ok, reply.error
        assert "9" in reply.text
        assert sorted(place.begun()) == sorted(VALUES)
        reopened = Pipeline.open(place.store)
        assert {d.step: str(d.availability) for d in reopened.steps()} == dict.fromkeys(VALUES, "available")
        assert {name: reopened.context[name] for name in VALUES} == VALUES
        place.clear()


def first_line(process: subprocess.Popen[str]) -> str:
    """What a command says first."""
    assert process.stdout
    return process.stdout.readline()


def first_words(kernel: Kernel, request: str) -> str:
    """What a kernel prints first, while it is still busy."""
    deadline = time.monotonic() + 60
    while not kernel._reply(request).stdout:
        kernel._hear(request, deadline)
    return kernel._reply(request).stdout


def dead_pid() -> int:
    """A number that no process has."""
    with subprocess.Popen([sys.executable, "-c", ""]) as process:
        process.wait()
    return process.pid


OWNERS: dict[str, Callable[[], dict[str, object]]] = {
    "dead": lambda: {"pid": dead_pid(), "start": "1"},
    "reused": lambda: {"pid": os.getpid(), "start": "1"},
    "foreign": lambda: {"host": "far.1", "name": "far", "boot": "other"},
}


@pytest.mark.parametrize("whose", OWNERS)
def test_35_a_claim_that_names_somebody_else(place: Place, kernel: Kernel, whose: str) -> None:
    """Of a dead and of a reused pid it is taken at once; of another host it is told, with what may be done."""
    define(kernel, place)
    kernel.run("%materialize Load")
    started = time.monotonic()
    kernel.run("%materialize Clean")
    usual = time.monotonic() - started
    kernel.run("%forget Clean")
    host, boot = machine()
    row = {"step": "Clean", "digest": "", "host": host, "name": "here", "boot": boot, "since": time.time()}
    row |= {"pid": os.getpid(), "start": start_of(os.getpid())} | OWNERS[whose]()
    (place.store / "running" / stem_of("Clean")).write_text(json.dumps(row) + "\n")
    assert "another kernel" not in kernel.run("%resume").stdout
    started = time.monotonic()
    reply = kernel.run("%materialize Clean")
    assert time.monotonic() - started < usual + 1
    assert "[2, 3, 4]" in reply.text
    assert ("run by another kernel" in reply.stdout) == (whose == "foreign")
    if whose == "foreign":
        assert f"Clean may be run by another kernel (pid {os.getpid()} on far, since " in reply.stdout
        assert "it runs here too. Interrupt to leave it to the other kernel." in reply.stdout
    assert os.listdir(place.store / "running") == []
