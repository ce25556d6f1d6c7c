"""Steps on a Dask cluster of our own: how it begins, what ends it, and that nothing of it remains."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from jo_notebook.errors import ExecutorRefused, StepFailed, StepTimeout, WorkerLost
from tests.cases.clusters import ROOT, until
from tests.cases.making import Heard, Watched, notebook, step

SETUP = "import os, sys, time, subprocess\nimport numpy as np\n"


@pytest.fixture(scope="module")
def shared() -> Iterator[Watched]:
    """A pipeline whose cluster all tests use that do not end it."""
    pipeline = notebook(SETUP)
    yield pipeline
    pids = ours(pipeline).pids
    pipeline.executors.close()
    until(lambda: not any(map(psutil.pid_exists, pids)))


def ours(pipeline: Watched) -> Any:
    """The executor, which begins where it has not."""
    return pipeline.executors.get("dask")


def made(shared: Watched, place: Path | None = None, **bodies: str) -> Watched:
    """A pipeline on the shared cluster."""
    pipeline = notebook(SETUP, place)
    pipeline.executor, pipeline.executors = "dask", shared.executors
    for name, body in bodies.items():
        pipeline.add(step(name, body))
    return pipeline


def cause(pipeline: Watched, *heads: str) -> BaseException:
    """Why a run failed."""
    with pytest.raises(StepFailed) as failed:
        pipeline.materialize(*heads)
    assert failed.value.__cause__ is not None
    return failed.value.__cause__


@pytest.mark.parametrize("is_on_disk", [True, False])
def test_the_same_results_with_the_same_files(
    shared: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_on_disk: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text("7")
    bodies = {
        "A": "np.arange(300_000)",
        "B": "int(A.sum()) + int(__import__('pathlib').Path('data.txt').read_text())",
        "C": "{B, 'x'}",
    }
    there = made(shared, tmp_path / "a.jo" if is_on_disk else None, **bodies)
    there.add(step("Where", "print('said')\n(os.getpid() in (), os.getcwd(), np.memmap in type(A).__mro__)"))
    here = notebook(SETUP)
    for name, body in bodies.items():
        here.add(step(name, body))
    there.materialize()
    here.materialize()
    for name in bodies:
        mine, theirs = here.context.records[name], there.context.records[name]
        assert (mine.version, mine.fingerprint.key) == (theirs.version, theirs.fingerprint.key)
        assert theirs.executor == "dask"
    assert there.context["Where"][1] == str(tmp_path)
    assert [entry.text for entry in there.log("Where")] == ["said\n"]


def test_a_process_that_dies_costs_one_try(shared: Watched, tmp_path: Path) -> None:
    log = tmp_path / "begun"
    body = f"open({str(log)!r}, 'a').write('x\\n')\n"
    once = made(
        shared, None, A=body + f"if len(open({str(log)!r}).readlines()) == 1:\n    os.kill(os.getpid(), 9)\n'ok'"
    )
    assert once.materialize("A") == "ok"
    assert log.read_text() == "x\nx\n"
    always = made(shared, None, A=body + "os.kill(os.getpid(), 9)")
    assert isinstance(cause(always), WorkerLost)
    assert log.read_text() == "x\nx\n" * 2
    assert made(shared, None, A="'there again'").materialize("A") == "there again"


def test_time_is_up_for_code_that_never_comes_back(shared: Watched, tmp_path: Path) -> None:
    log = tmp_path / "child"
    pipeline = made(shared)
    body = f"c = subprocess.Popen(['sleep', '100'])\nopen({str(log)!r}, 'w').write(str(c.pid))\ntime.sleep(60)"
    pipeline.add(replace(step("A", body), timeout=0.5))
    began = time.monotonic()
    error = cause(pipeline)
    assert isinstance(error, StepTimeout)
    assert "its process was ended" in str(error)
    assert time.monotonic() - began < 10
    until(lambda: not psutil.pid_exists(int(log.read_text())))


def test_an_interrupt_ends_code_that_never_comes_back(shared: Watched, tmp_path: Path) -> None:
    pipeline = made(
        shared, None, **{f"A{n}": f"open({str(tmp_path)!r} + '/{n}', 'w')\ntime.sleep(60)" for n in range(3)}
    )
    heard = Heard(pipeline)
    places = min(3, len(ours(shared).pids))
    threading.Thread(
        target=lambda: (until(lambda: len(list(tmp_path.iterdir())) == places), os.kill(os.getpid(), signal.SIGINT))
    ).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize(jobs=3)
    assert time.monotonic() - began < 15
    assert len(heard.words("cancelled")) == 3


def test_what_it_takes_is_there_or_refused(shared: Watched) -> None:
    pipeline = made(shared)
    pipeline.add(replace(step("A"), resources=(("memory", 1e6),)))
    pipeline.add(replace(step("B"), resources=(("gpu", 1.0),)))
    assert pipeline.materialize("A") == 1
    with pytest.raises(ExecutorRefused, match=r"B takes gpu=1, and no worker .*--pool gpu=2"):
        pipeline.materialize("B")
    assert pipeline.materialize("B", pools={"gpu": 1}) == 1


def test_an_edited_module_is_run_by_new_processes(
    shared: Watched, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "jo_dask_local.py"
    module.write_text("def f():\n    return 'before'\n")
    pipeline = notebook(SETUP + "import jo_dask_local\n")
    pipeline.executor, pipeline.executors = "dask", shared.executors
    for n in range(places := len(ours(shared).pids)):
        pipeline.add(step(f"A{n}", "time.sleep(0.5)\njo_dask_local.f()"))
    assert list(pipeline.materialize().values()) == ["before"] * places
    old = ours(shared).pids
    module.write_text("def f():\n    return 'afterwards'\n")
    assert list(pipeline.materialize().values()) == ["afterwards"] * places
    until(lambda: not any(map(psutil.pid_exists, old)))
    sys.modules.pop("jo_dask_local")


SCRIPT = """
import os, sys
from jo_notebook.pipeline import Pipeline
from tests.cases.making import notebook, step

if __name__ == "__main__":
    pipeline = notebook("import os, time, subprocess")
    pipeline.add(step("A", "os.child = subprocess.Popen(['sleep', '100'])\\n(os.getpid(), os.child.pid)"))
    pids = pipeline.materialize("A", executor="dask")
    print(*pids, *pipeline.executors.get("dask").pids, flush=True)
    if sys.argv[1] == "killed":
        pipeline.add(step("B", "child = subprocess.Popen(['sleep', '100'])\\nprint(child.pid)\\ntime.sleep(60)"))
        pipeline.materialize("B", executor="dask")
"""


@pytest.mark.parametrize("how", ["killed", "ended"])
def test_nothing_remains(tmp_path: Path, how: str) -> None:
    script = tmp_path / "script.py"
    script.write_text(SCRIPT)
    process = subprocess.Popen(
        [sys.executable, "-W", "error", str(script), how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": ROOT},
        text=True,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    with process.stdout, process.stderr:
        pids = [int(word) for word in process.stdout.readline().split()]
        assert pids, process.stderr.read()
        if how == "killed":
            pids.append(int(process.stdout.readline()))
            family = psutil.Process(process.pid).children(recursive=True)
            process.kill()
            process.wait()
        else:
            family = []
            assert (process.wait(30), process.stderr.read()) == (0, "")
        until(lambda: not any(map(psutil.pid_exists, pids)) and not any(one.is_running() for one in family))


def test_a_cluster_that_is_closed_in_the_middle_ends_the_run(tmp_path: Path) -> None:
    log = tmp_path / "begun"
    body = f"with open({str(log)!r}, 'a') as f:\n    f.write('x\\n')\ntime.sleep(60)"
    pipeline = notebook(SETUP)
    pipeline.add(step("A", body))
    pids = ours(pipeline).pids
    threading.Thread(target=lambda: (until(log.exists), pipeline.executors.close())).start()
    with pytest.raises(ExecutorRefused, match="is closed"):
        pipeline.materialize(executor="dask")
    assert log.read_text() == "x\n"
    until(lambda: not any(map(psutil.pid_exists, pids)))
