"""A save that is killed, and one that is interrupted: old or new, never between."""

from __future__ import annotations

import shutil
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from jo_notebook.store import Context
from tests.torture.conftest import report
from tests.torture.making import LONG, SIZES, dice, leftovers, run
from tests.torture.runs import Kills

KILLS = 1000 if LONG else 30


@pytest.fixture(scope="module")
def kills(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kills]:
    """One run for the first three tests of the table."""
    folder = tmp_path_factory.mktemp("kills")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("JUPYTER_DATA_DIR", str(folder / "data"))
        killed, random, began = Kills(folder / "analysis.jo"), dice(1), time.perf_counter()
        killed.fill()
        for trial in range(KILLS):
            killed.kill(SIZES[trial % len(SIZES)], random)
        report("test_01-03_kill9", killed.counts, time.perf_counter() - began)
        yield killed
    shutil.rmtree(folder)


def test_01_kill9(kills: Kills) -> None:
    """1: SIGKILL at random points of a save, five sizes: nothing committed is lost, nothing is wrong."""
    counts = kills.counts
    assert (counts["lost"], counts["wrong"], counts["damaged"]) == (0, 0, 0)
    assert counts["inside a save"] >= 0.6 * counts["trials"]


def test_02_saved_again(kills: Kills) -> None:
    """2: after each kill the same step can be saved again, in less than five seconds."""
    assert kills.counts["saved again"] == kills.counts["trials"]
    assert kills.slowest < 5


def test_03_leftovers(kills: Kills) -> None:
    """3: no file is left over after the next open, and the store is no larger than a clean one."""
    assert (kills.counts["orphans"], kills.counts["too large"]) == (0, 0)
    assert leftovers(kills.place) == []


def test_05_interrupt(place: Path, tally: Counter[str], trials: Callable[[int, int], int]) -> None:
    """5: the stop button at random points of a save: nothing lost, nothing stuck, no interrupt swallowed."""
    each = trials(120, 1000) // 4
    for k, size in enumerate((200, 40_000, 400_000, 3_000_000)):
        told = run("interrupted", place.with_stem(f"size{size}"), size, each, k)
        Context(place.with_stem(f"size{size}"))
        tally["orphans"] += len(leftovers(place.with_stem(f"size{size}")))
        for word, lost, stuck, _ in told:
            tally["trials"] += 1
            tally.update([word, *filter(None, (lost, stuck))])
    assert tally["trials"] == 4 * each
    assert (tally["lost"], tally["stuck"], tally["swallowed"], tally["orphans"]) == (0, 0, 0, 0)
    assert tally["hit"] >= 0.5 * tally["trials"]
