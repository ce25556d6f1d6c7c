"""Bits that flip and files that are cut: the hurt result is told to be damaged, the others do not notice."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path

from tests.torture.injuries import build
from tests.torture.making import LONG, rows, start

COUNT = 1000 if LONG else 120
BATCH = 200  # trials of one process, which may die


def injure(kind: str, place: Path, tally: Counter[str]) -> None:
    build(place)
    told = []
    for seed in range(-(-COUNT // BATCH)):
        work = place.parent / f"work {seed}"
        work.mkdir()
        process = start("injured", kind, place, work, seed, min(BATCH, COUNT))
        told += rows(process)
        tally["died"] += process.wait() != 0
        shutil.rmtree(work)
    tally["trials"] = len(told)
    tally.update(fault.partition(":")[0] for _, faults in told for fault in faults)
    assert [row for row in told if row[1] and row[1] != ["gone"]] == []
    assert tally["died"] == 0
    assert len(told) == COUNT


def test_08_flip(place: Path, tally: Counter[str]) -> None:
    """8: one flipped bit in any file: no wrong value, no error that is not the store's, no other step hurt."""
    injure("flip", place, tally)


def test_09_truncate(place: Path, tally: Counter[str]) -> None:
    """9: files emptied, cut, zeroed, grown, deleted: as with a flipped bit, and nothing rolls back in silence."""
    injure("truncate", place, tally)
