"""Many large results, huge ones, and what a save and a listing cost."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.store import Context
from tests.torture.making import ARRAYS_FROM, LONG, generations, number_of, outcome, record, run, value

MB = 1_000_000
HUGE = [64, 300, 2_000] if LONG else [64]
SYNCS = ("fsync", "fdatasync", "sync")


def test_23_quota(place: Path, tally: Counter[str], trials: Callable[[int, int], int]) -> None:
    """23: 24 large results are all there: no limit to the size drops any."""
    size = trials(1, 50) * MB
    if shutil.disk_usage(place.parent).free < 40 * size:
        pytest.skip("the disk has no room for it")
    context = Context(place)
    for n in range(24):
        assert context.put(record(f"Step{n}"), value(n, size)).unsaved == ""
        context.drop_memory(f"Step{n}")
    fresh = Context(place)
    assert len(fresh) == 24
    for n in range(24):
        assert number_of(fresh[f"Step{n}"], size) == n
        fresh.drop_memory(f"Step{n}")
        tally["trials"] += 1
    assert (fresh.verify(), fresh.damaged) == ({}, {})


@pytest.mark.parametrize("size", HUGE)
@pytest.mark.parametrize(
    ("kind", "limit"),
    [
        ("array", 1.1),
        ("dill", 2.05),
    ],
)
def test_24_huge(kind: str, limit: float, size: int, place: Path, tally: Counter[str]) -> None:
    """24: a huge value comes back equal; what saving and loading take beside it, as a multiple of its size."""
    bytes_ = size * 1024 * 1024
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("this system does not tell the most memory a process had")
    free = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_AVPHYS_PAGES")
    if free < 5 * bytes_ or shutil.disk_usage(place.parent).free < 3 * bytes_:
        pytest.skip("no room for it here")
    ((saving, unsaved, form),) = run("big", place, kind, bytes_, "save")
    assert unsaved == ""
    ((loading, equal),) = run("big", place, kind, bytes_, "load")
    shutil.rmtree(place)
    tally.update({"trials": 1, "MB": size, f"saving ({form}), percent": round(100 * saving)})
    tally["loading, percent"] = round(100 * loading)
    assert equal
    assert max(saving, loading) <= limit


class Counted:
    """Counts the calls of the system that make things durable, and those that read."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.calls: Counter[str] = Counter()
        for name in (*SYNCS, "open"):
            patch.setattr(os, name, self._counted(name, getattr(os, name)))

    def _counted(self, name: str, real: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **options: Any) -> Any:
            self.calls["sync" if name in SYNCS else name] += 1
            return real(*args, **options)

        return call


def test_42_cost_of_a_save(place: Path, tally: Counter[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """42: a save of 400 kB of an existing step takes at most four fsyncs; a first one is counted."""
    scenes = {"first of a store": "Load", "again": "Load", "a third time": "Load", "first of a step": "Other"}
    for n, (scene, step) in enumerate(scenes.items()):
        context = Context(place)
        with monkeypatch.context() as patch:
            counted = Counted(patch)
            context.put(record(step), value(n, ARRAYS_FROM))
        tally[scene] = counted.calls["sync"]
        tally["trials"] += 1
    assert 2 <= tally["again"] <= 4
    assert 2 <= tally["a third time"] <= 4
    assert tally["first of a step"] <= 5
    assert tally["first of a store"] <= 10


def test_42_cost_of_a_list(place: Path, tally: Counter[str], trials: Callable[[int, int], int]) -> None:
    """42: a list of 1,000 steps reads no payload: at most what the footers take, of what the system says was read."""
    steps, size = trials(100, 1_000), 200_000
    Context(place).put(record("Step0"), value(0, size))
    (file,) = generations(place, "Step0")
    context = Context(place)
    for n in range(1, steps):
        context.put(record(f"Step{n}"), value(n, size))
        context.drop_memory(f"Step{n}")
    before = _read()
    if before is None:
        pytest.skip("this system does not tell what is read")
    fresh = Context(place)
    rows = [(name, fresh.held(name), made.size) for name, made in fresh.records.items()]
    read = (_read() or 0) - before
    tally.update({"trials": steps, "bytes a step": read // steps})
    assert len(rows) == steps
    assert file.stat().st_size > size
    assert read / steps < 0.12 * size
    before = _read() or 0
    fresh.refresh()
    again = (_read() or 0) - before
    tally["bytes a step, again"] = again // steps
    assert again / steps < 0.01 * size
    assert outcome(fresh, "Step1") == value(1, size)


def _read() -> int | None:
    """Bytes that this process has read by calls, cached ones too."""
    try:
        with open("/proc/self/io", encoding="ascii") as told:
            return int(told.readline().split()[1])
    except OSError:
        return None
