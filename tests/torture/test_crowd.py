"""Many at once: processes that save and read one store, threads that share one context."""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from jo_notebook.store import Context
from tests.torture.making import generations, number_of, outcome, record, value
from tests.torture.runs import crowd

THREADS = 8


def test_06_writers(place: Path, tally: Counter[str], trials: Callable[[int, int], int]) -> None:
    """6: writers and readers in processes of their own: nothing lost, torn, stale or missing, and no errors."""
    writers, readers, saves = trials(4, 8), trials(2, 4), trials(120, 2_500)
    wrong = crowd(place, tally, writers, readers, saves)
    tally["trials"] = tally["saved"]
    assert wrong == []
    assert tally["died"] == 0
    assert tally["saved"] == 2 * (saves // writers) * writers
    assert tally["looked"] > readers
    assert tally["numbers taken twice"] <= 0  # a number that was withdrawn is missing


@pytest.mark.parametrize(("before", "after"), [(1, 0), (3, 0), (3, 1), (0, 3)])
def test_06_overtaken(before: int, after: int, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """6: another kernel saves between any two calls of a save: both are kept, or one is newer; the hint says so."""
    mine, other, real, n = Context(place), Context(place), os.link, itertools.count(1)
    mine.put(record(), 0)

    def link(draft: str, target: str) -> None:
        monkeypatch.setattr(os, "link", real)
        for _ in range(before):
            other.put(record(), next(n))
        try:
            real(draft, target)
        finally:
            for _ in range(after):
                other.put(record(), next(n))

    monkeypatch.setattr(os, "link", link)
    assert mine.put(record(), "mine").unsaved == ""
    newest = generations(place, "Load")[-1]
    assert Context(place)["Load"] in ("mine", before + after)
    newest.unlink()
    assert Context(place).damaged != {}  # never an older one in silence


def test_07_threads(place: Path, tally: Counter[str], trials: Callable[[int, int], int]) -> None:
    """7: threads that share a context read back their own writes, and agree on the last of a shared step."""
    context, each = Context(place), trials(15, 300)

    def work(who: int) -> int:
        back = 0
        for n in range(each):
            done = context.put(record(f"Own{who}"), value(n, 2_000))
            context.put(record("Shared"), {"who": who, **value(n, 2_000)})
            context.drop_memory(f"Own{who}")
            back += not done.unsaved and number_of(context[f"Own{who}"], 2_000) == n
            assert context["Shared"]["n"] in range(each)
        return back

    with ThreadPoolExecutor(THREADS) as pool:
        tally["own"] = sum(pool.map(work, range(THREADS)))
    tally["trials"] = THREADS * each
    assert tally["own"] == tally["trials"]
    fresh = Context(place)
    assert context["Shared"] == fresh["Shared"]
    assert [number_of(outcome(fresh, f"Own{who}"), 2_000) for who in range(THREADS)] == [each - 1] * THREADS
