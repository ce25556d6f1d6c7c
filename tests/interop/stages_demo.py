"""A pipeline of five stages as people have them: short jobs that do nothing but take a moment."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

JOBS = '''\
"""What the stages do."""

import pathlib
import time


def _take(name):
    with open("ran.txt", "a") as out:
        out.write(name + "\\n")
    print(name, "begins")
    time.sleep(0.01)


def Lint():
    _take("Lint")


def Test():
    _take("Test")


def Coverage():
    _take("Coverage")


def Docs():
    _take("Docs")


def Benchmark():
    _take("Benchmark")
'''

STAGES = """\
Lint: []
Test: []
Coverage: [Lint, Test]
Docs: [Coverage]
Benchmark: [Coverage]
"""
NAMES = ["Lint", "Test", "Coverage", "Docs", "Benchmark"]


def write_demo(folder: Path) -> Path:
    """Writes jobs and stages; gives the stages file."""
    (folder / "foo_jobs.py").write_text(JOBS)
    (folder / "stages.yaml").write_text(STAGES)
    return folder / "stages.yaml"


def ran(folder: Path) -> list[str]:
    """Which stages ran since the last time somebody asked."""
    told = folder / "ran.txt"
    names = told.read_text().split() if told.exists() else []
    told.unlink(missing_ok=True)
    return names


@contextmanager
def own_modules() -> Iterator[None]:
    """Inside, modules are imported that nobody knows afterwards."""
    path, modules, writes = list(sys.path), set(sys.modules), sys.dont_write_bytecode
    sys.dont_write_bytecode = True
    try:
        yield
    finally:
        sys.path[:], sys.dont_write_bytecode = path, writes
        for name in set(sys.modules) - modules:
            if not name.startswith(("jo_notebook", "tests")) and _is_test(name):
                del sys.modules[name]


def _is_test(name: str) -> bool:
    """Whether a module was written by a test."""
    file = str(getattr(sys.modules[name], "__file__", None) or getattr(sys.modules[name], "__path__", ""))
    return "site-packages" not in file and "lib/python" not in file and file != ""
