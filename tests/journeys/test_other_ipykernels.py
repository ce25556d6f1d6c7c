"""Runs in the background, on kernels of other releases of ipykernel: what is free, joined, interrupted, at home."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.conftest import StartKernel
from tests.journeys.asking import body, result, runs, states, wait_for_notes, wait_for_states
from tests.kernel import Kernel

RELEASES = ("6.30", "7.1")
SLOW = "import os, time\nwhile not os.path.exists('go'):\n    time.sleep(0.01)\nsum(Load)"


@pytest.fixture(scope="session")
def release(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Where another release of ipykernel lies, fetched once; the test is skipped where it cannot be had."""
    found: dict[str, Path] = {}

    def of(number: str) -> Path:
        if number not in found:
            found[number] = tmp_path_factory.mktemp("ipykernel")
            wanted = ["--no-deps", "--target", str(found[number]), f"ipykernel=={number}.*"]
            done = subprocess.run(
                [sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted],
                capture_output=True,
                text=True,
                timeout=120,
            )
            if done.returncode:
                pytest.skip(f"ipykernel {number} is not to be had here: {done.stderr.strip()[-200:]}")
        return found[number]

    return of


@pytest.fixture(params=RELEASES)
def older(
    request: pytest.FixtureRequest, release: Callable[[str], Path], start_kernel: StartKernel, tmp_path: Path
) -> Kernel:
    """A kernel of that release that takes itself for the one of `analysis.ipynb`."""
    notebook = tmp_path / "analysis.ipynb"
    notebook.write_text('{"cells": [], "metadata": {}, "nbformat": 4, "nbformat_minor": 5}\n')
    path = os.pathsep.join(filter(None, [str(release(request.param)), os.environ.get("PYTHONPATH", "")]))
    kernel = start_kernel(env={"JPY_SESSION_NAME": str(notebook), "PYTHONPATH": path})
    told = result(kernel.run("import ipykernel; ipykernel.__version__"))
    assert told.strip("'").startswith(request.param)
    return kernel


def test_a_run_in_the_background(older: Kernel, tmp_path: Path) -> None:
    older.run("%load_ext jo_notebook", "a")
    older.run("%%step Load\n" + body("Load", "print('loading')\n[3, 1, 2]"), "b")
    older.run("%%step Slow\n" + body("Slow", SLOW), "c")
    older.run("%%step Last\n" + body("Last", "x = !echo shell\n(x[0], Slow + 1)"), "d")
    older.run("%materialize Last --background", "e")
    wait_for_notes(tmp_path, 2)
    assert result(older.run("6 * 7")) == "42"
    request = older.send("%materialize Slow", "f")
    time.sleep(0.7)
    older.interrupt()
    reply = older.wait(request)
    assert reply.error.startswith("KeyboardInterrupt")
    assert "Slow goes on in the background; %cancel stops it." in reply.stdout
    assert "Cancelled: Slow, Last." in older.run("%cancel Slow").stdout
    wait_for_states(older, {"Load": "available", "Slow": "missing", "Last": "missing"})
    older.run("%materialize Last --background", "e")
    (tmp_path / "go").touch()
    wait_for_states(older, dict.fromkeys(["Load", "Slow", "Last"], "available"))
    assert "Last MainThread" in (tmp_path / "runs.txt").read_text()
    assert result(older.run("Last")) == "('shell', 7)"
    assert "loading" in older.run("%log Load").stdout
    (tmp_path / "go").unlink()
    runs(tmp_path)
    older.run("%materialize Slow --force --background", "e")
    wait_for_notes(tmp_path, 1)
    older.restart()
    older.run("%load_ext jo_notebook", "a")
    assert set(states(older).values()) == {"available"}
