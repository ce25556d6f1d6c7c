"""Save small results durably, and find them again in a context that is opened anew."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from statistics import median

from benchmarks.measure import Figure, Work, compare
from jo_notebook.core.definition import Definition
from jo_notebook.core.fingerprint import Fingerprint, Part, digest_of
from jo_notebook.core.record import Record
from jo_notebook.core.source import parse_source
from jo_notebook.core.version import version_of
from jo_notebook.store.context import Context

WAVE = 64
FLOOR = "write, fsync, rename"
SIZE = 1_500  # about what one of our files has: value, story, log
SOURCE = parse_source("1")
PARTS = (Part("code", "", digest_of(SOURCE.canonical), SOURCE.canonical),)


def saving(place: Path, *, quick: bool) -> Iterator[Figure]:
    """Row e."""
    number = 100 if quick else 1000
    rounds = 3
    fresh = (place / f"saving{i}" for i in count())
    ours, floor = compare(lambda: _put(next(fresh), number), lambda: _bare(next(fresh), number), rounds)
    yield Figure(f"put {number} small results, each durable", ours, floor, FLOOR).aiming(times=3)
    ours, floor = compare(lambda: _wave(next(fresh), number), lambda: _bare(next(fresh), number), rounds)
    yield Figure(f"put {number} small results in waves of {WAVE}", ours, floor, FLOOR).aiming(below=0.0015 * number)
    yield from _opening(next(fresh), number)


def _opening(place: Path, number: int) -> Iterator[Figure]:
    """A fresh process each time; 1 MB a result."""
    import numpy as np

    context = Context(place)
    chance = np.random.default_rng(3)
    values = {f"S{i}": chance.random(1 << 17) for i in range(number)}
    context.put_all([(Record(name, Fingerprint(PARTS), version_of(v).digest), v, ()) for name, v in values.items()])
    for i in range(number):
        context.save_definition(f"S{i}", {**Definition(f"S{i}", SOURCE, ()).to_json(), "order": i})
    time.sleep(0.3)  # a disk's clock stands still for a while; what has just changed is looked at again
    _told(place)
    Context(place).definitions()
    settling = Context(place)
    settling.definitions()
    settling.settle()
    paths = sorted(str(path) for path in place.glob("results/*/1"))
    rows = [_told(place, *paths) for _ in range(7)]
    states, graph, one, floor = (median(row[i] for row in rows) for i in range(4))
    what = f"of {number} results, {number} MB, fresh process, after import"
    yield Figure(f"states {what}", states, floor, "stat of as many files").aiming(below=0.1)
    yield Figure(f"definitions, states and plan {what}", graph, floor, "stat of as many files")
    yield Figure("one value of 1 MB more", one, floor, "stat of as many files").aiming(below=0.02)


TOLD = """
import os, sys, time
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context
import numpy
place, paths = sys.argv[1], sys.argv[2:]
clock = time.perf_counter
begun = clock()
context = Context(place)
records = context.records
opened = clock()
value = context["S7"]
touched = clock()
pipeline = Pipeline.open(place)
states = {str(decision.availability) for decision in pipeline.plan()}
planned = clock()
for path in paths: os.stat(path)
done = clock()
assert states == {"available"} and len(value) == 1 << 17, states
print(opened - begun, planned - touched, touched - opened, done - planned)
"""


def _told(place: Path, *paths: str) -> list[float]:
    listing = [sys.executable, "-c", TOLD, str(place), *paths]
    told = subprocess.run(listing, check=True, capture_output=True, text=True)
    return [float(word) for word in told.stdout.split()]


def _wave(place: Path, number: int) -> Work:
    context = Context(place)
    values = [{"number": i, "half": i / 2} for i in range(number)]
    fingerprint = Fingerprint(PARTS)
    rows = [(Record(f"S{i}", fingerprint, version_of(value).digest), value, ()) for i, value in enumerate(values)]

    def work() -> None:
        for start in range(0, number, WAVE):
            assert not any(done.unsaved for done in context.put_all(rows[start : start + WAVE]))

    return work


def _put(place: Path, number: int) -> Work:
    context = Context(place)
    values = [{"number": i, "half": i / 2} for i in range(number)]
    fingerprint = Fingerprint(PARTS)
    records = [Record(f"S{i}", fingerprint, version_of(value).digest) for i, value in enumerate(values)]

    def work() -> None:
        for record, value in zip(records, values, strict=True):
            assert not context.put(record, value).unsaved

    return work


def _bare(place: Path, number: int) -> Work:
    place.mkdir()
    payload = b"x" * SIZE

    def work() -> None:
        for i in range(number):
            with open(place / f"{i}.part", "wb") as out:
                out.write(payload)
                out.flush()
                os.fsync(out.fileno())
            os.rename(place / f"{i}.part", place / str(i))

    return work
