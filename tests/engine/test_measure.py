"""What a step takes: its CPU time, its memory at the peak, how often it was tried."""

from __future__ import annotations

import sys
import timeit
from dataclasses import replace
from pathlib import Path

import pytest

from jo_notebook.engine.measure import measuring
from jo_notebook.errors import StepFailed
from tests.cases.making import notebook, step

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="Linux tells the peak of a while")
CODE = """
import subprocess, sys, time
def spin(seconds):
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
def touch(megabytes):
    return len(bytearray(megabytes * 1_000_000))
"""


@LINUX
def test_the_peak_is_that_of_the_step_and_not_of_what_was_before() -> None:
    large = bytearray(150_000_000)
    large[::4096] = b"x" * len(large[::4096])
    del large
    pipeline = notebook(CODE)
    pipeline.add(step("A", "n = touch(100)\ntouch(20)\nn", "none"))
    pipeline.add(step("B", "touch(40)\ntime.sleep(0.01)", "none"))
    pipeline.materialize()
    a, b = (pipeline.context.records[name].memory for name in "AB")
    assert 90_000_000 < a < 130_000_000
    assert 30_000_000 < b < 60_000_000


def test_cpu_time_is_no_waiting_and_counts_what_was_started() -> None:
    pipeline = notebook(CODE)
    pipeline.add(step("Spin", "spin(0.2)", "none"))
    pipeline.add(step("Sleep", "time.sleep(0.3)", "none"))
    loop = "import time; e = time.process_time() + 0.2\\nwhile time.process_time() < e: pass"
    pipeline.add(step("Child", f"subprocess.run([sys.executable, '-c', '''{loop}'''], check=True)\n1", "none"))
    pipeline.materialize()
    records = pipeline.context.records
    assert 0.2 <= records["Spin"].cpu < 0.4
    assert records["Sleep"].cpu < 0.1 < 0.3 <= records["Sleep"].seconds
    assert records["Child"].cpu > 0.2


def test_on_threads_each_step_has_its_own_cpu_time() -> None:
    pipeline = notebook(CODE + "def own(seconds):\n    end = time.thread_time() + seconds\n"
                        "    while time.thread_time() < end:\n        pass\n")  # fmt: skip
    pipeline.add(step("A", "own(0.1)", "none"))
    pipeline.add(step("B", "own(0.3)", "none"))
    pipeline.materialize(jobs=2)
    records = pipeline.context.records
    assert 0.1 <= records["A"].cpu < 0.25
    assert 0.3 <= records["B"].cpu < 0.45
    assert records["A"].memory == records["B"].memory == 0


def test_it_is_remembered_of_results_and_of_failures(tmp_path: Path) -> None:
    code = CODE + "tries = []\ndef flaky(good):\n    tries.append(1)\n    spin(0.05)\n    assert len(tries) >= good\n"
    pipeline = notebook(code, tmp_path / "a.jo")
    for name, good in (("Good", 2), ("Bad", 99)):
        pipeline.add(replace(step(name, f"flaky({good})", "none"), retries=1, ignore=("flaky", "tries")))
    pipeline.materialize("Good")
    with pytest.raises(StepFailed):
        pipeline.materialize("Bad")
    again = notebook(place=tmp_path / "a.jo").context
    for kept in (again.records["Good"], again.failures["Bad"]):
        assert kept.tries == 2
        assert 0.05 <= kept.cpu < 0.5


@LINUX
def test_it_costs_a_few_microseconds() -> None:
    def one() -> None:
        with measuring():
            pass

    one()
    assert min(timeit.repeat(one, number=1000, repeat=20)) / 1000 < 25e-6  # 4.5e-6 where nothing else runs


def test_a_block_that_raises_is_measured_too() -> None:
    with pytest.raises(KeyError), measuring() as measured:
        raise KeyError
    assert measured.seconds > 0
