"""Each test has its own key and a place for a store; what it counts goes to the file that JO_TORTURE_REPORT names."""

from __future__ import annotations

import os
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.torture.making import LONG

HOURS = 3600
Mount = Callable[..., Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long form takes its time."""
    for item in items:
        if LONG and item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(4 * HOURS))


@pytest.fixture(autouse=True)
def jupyter_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The directory of the user who runs the test."""
    folder = tmp_path / "data of the user"
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Where a store may be made."""
    return tmp_path / "analysis.jo"


@pytest.fixture
def trials() -> Callable[[int, int], int]:
    """How often to try: in the short form, in the long one."""
    return lambda short, long: long if LONG else short


@pytest.fixture
def mount(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a file system and gives its directory; without the right to do so the test is skipped."""
    mounted: list[Path] = []

    def mount(kind: str, *options: str, device: str | Path = "none") -> Path:
        folder = tmp_path / f"disk {len(mounted)}"
        folder.mkdir()
        try:
            subprocess.run(["mount", "-t", kind, *options, device, folder], check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"cannot mount {kind} here: {getattr(error, 'stderr', None) or error}")
        mounted.append(folder)
        return folder

    yield mount
    for folder in reversed(mounted):
        subprocess.run(["umount", "-l", folder], check=True)


@pytest.fixture
def tally(request: pytest.FixtureRequest) -> Iterator[Counter[str]]:
    """What a test counts. Only what is above nought need be counted; `trials` is how often it tried."""
    counts: Counter[str] = Counter()
    began = time.perf_counter()
    yield counts
    report(request.node.name, counts, time.perf_counter() - began)


def report(test: str, counts: Counter[str], seconds: float) -> None:
    """One line: number, name, trials, counts, seconds."""
    if path := os.environ.get("JO_TORTURE_REPORT"):
        _, number, name = test.split("_", 2)
        told = ", ".join(f"{word} {n:g}" for word, n in counts.items() if word != "trials") or "-"
        with open(path, "a", encoding="utf-8") as out:
            out.write(f"{number} {name} | {counts['trials']} trials | {told} | {seconds:.1f} s\n")
