"""Interrupts at any moment of a run, wherever its steps run: nothing finished is lost, nothing is left running."""

from __future__ import annotations

import os
import random
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from tests.cases.making import Heard, Watched, notebook, step

SETUP = "import os, time, subprocess\nimport numpy as np\n"
WIDTH, DEPTH = 4, 3


def pipeline_in(place: Path) -> Watched:
    """Steps beside and above each other that take some milliseconds, print, write results and start processes."""
    pipeline = notebook(SETUP, place)
    for row in range(DEPTH):
        for column in range(WIDTH):
            above = f"S{row - 1}{column} + " if row else ""
            body = f"print('began')\ntime.sleep(0.0{column + 1})\n{above}np.full(1000, {column + 1})"
            if column == 0:
                body = "subprocess.run(['sleep', '0.02'])\n" + body
            pipeline.add(step(f"S{row}{column}", body))
    return pipeline


@pytest.fixture(autouse=True)
def python_hears_interrupts() -> Iterator[None]:
    """As at a terminal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def interrupted(pipeline: Watched, after: float, **options: object) -> bool:
    """A run that is interrupted after so many seconds, if it takes that long; whether it was."""
    timer = threading.Timer(after, os.kill, (os.getpid(), signal.SIGINT))
    try:
        timer.start()
        pipeline.materialize(**options)  # type: ignore[arg-type]
        timer.cancel()
        timer.join()
        time.sleep(0.01)  # it may have been sent in that very moment
    except KeyboardInterrupt:
        timer.join()
        return True
    return False


# an interrupt between the opening of a folder and the `with` that closes it leaves that to Python
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize(("executor", "jobs", "times"), [("processes", 3, 45), ("threads", 3, 35), ("inline", 1, 20)])
def test_interrupted_at_any_moment(executor: str, jobs: int, times: int, tmp_path: Path) -> None:
    chance, hits = random.Random(6), 0
    pipeline = pipeline_in(tmp_path / "a.jo")
    pipeline.materialize("S00", executor=executor, jobs=jobs)  # whatever is started once, is
    for number in range(times):
        heard = Heard(pipeline)
        was = interrupted(pipeline, chance.uniform(0.0, 0.45), executor=executor, jobs=jobs)
        hits += was
        finished = [event.step for event in heard.events if event.kind == "finished"]
        assert was or pipeline.plan().to_run == ()
        for name in finished:
            assert pipeline.plan(name).to_run == (), f"{name} was finished before interrupt {number}"
        seen = notebook(SETUP, tmp_path / "a.jo")
        assert not seen.context.damaged
        for name, record in seen.context.records.items():
            row, column = int(name[1]), int(name[2])
            assert list(seen.context[name][:2]) == [(row + 1) * (column + 1)] * 2
            assert not record.unsaved
        assert not list((tmp_path / "a.jo" / "tmp").glob("*")) or executor != "inline"
        if not was:
            pipeline.forget(*pipeline.context.records)
    assert hits >= times // 4, "some runs were interrupted"
    pipeline.executors.close()
    until = time.monotonic() + 10
    while (left := _sleepers()) and time.monotonic() < until:
        time.sleep(0.05)
    assert not left


def _sleepers() -> list[psutil.Process]:
    """Processes that a step or an executor has started and that still run."""
    found = []
    for child in psutil.Process().children(recursive=True):
        try:
            words = " ".join(child.cmdline())
            if child.status() != psutil.STATUS_ZOMBIE and ("sleep" in words or "LokyProcess" in words):
                found.append(child)
        except psutil.Error:
            continue
    return found
