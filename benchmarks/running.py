"""Plan and run trivial steps, in memory against graphlib, a loop and a call; on disk against one bare file each."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter
from itertools import count as counter
from pathlib import Path
from statistics import median

from benchmarks.measure import Figure, Work, compare
from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.graph import Graph
from jo_notebook.core.source import parse_source
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context

Shape = Callable[[int], dict[str, list[str]]]
Parents = dict[str, list[str]]
SIZE = 1_500  # about what one of our files has
FIRST, NEXT = parse_source("1"), parse_source("x + 1")


def chain(count: int) -> dict[str, list[str]]:
    """Each step depends on the one before it."""
    return {f"S{i}": [f"S{i - 1}"] if i else [] for i in range(count)}


def fan(count: int) -> dict[str, list[str]]:
    """All depend on the first."""
    return {f"S{i}": ["S0"] if i else [] for i in range(count)}


def running(place: Path, *, quick: bool) -> Iterator[Figure]:
    """Row d, and the same on disk."""
    yield from _in_memory(quick=quick)
    yield from _on_disk(place, quick=quick)


def _in_memory(*, quick: bool) -> Iterator[Figure]:
    for count in (300,) if quick else (1_000, 10_000):
        for shape in (chain, fan):
            rounds = 3
            ours, floor = compare(lambda s=shape, c=count: _run(s(c)), lambda s=shape, c=count: _floor(s(c)), rounds)  # type: ignore[misc]
            what = f"plan + run, {shape.__name__} of {count:,}"
            yield Figure(what, ours, floor, "graphlib, a loop and a call").aiming(times=2)
            ours, floor = compare(lambda s=shape, c=count: _again(s(c)), lambda s=shape, c=count: _order(s(c)), rounds)  # type: ignore[misc]
            yield Figure(f"plan again, nothing to do, {shape.__name__} of {count:,}", ours, floor, "graphlib's order")
        ours, floor = compare(lambda c=count: _run(chain(c), each=True), lambda c=count: _floor(chain(c)), rounds)  # type: ignore[misc]
        what = f"plan + run, chain of {count:,}, each with a text of its own"
        yield Figure(what, ours, floor, "graphlib, a loop and a call")
    count = 10_000 if quick else 100_000
    ours, floor = compare(lambda: _plan(chain(count)), lambda: _order(chain(count)), 1 if quick else 3)
    yield Figure(f"first plan, chain of {count:,}", ours, floor, "graphlib's order")


def _on_disk(place: Path, *, quick: bool) -> Iterator[Figure]:
    """Seconds are those of one step, but for the plan."""
    count, number = 200 if quick else 1_000, 1_000 if quick else 10_000
    fresh = (place / f"running{i}" for i in counter())
    ours, floor = compare(lambda: _cold(next(fresh), count), lambda: _bare(next(fresh), count), 3)
    what, bare = f"a step that runs, on disk, chain of {count:,}", "mkdir, write, fsync, link, fsync"
    yield Figure(what, ours / count, floor / count, bare).aiming(below=0.002)
    kept = next(fresh)
    _cold(kept, number)()
    Context(kept).definitions()
    ours, floor = compare(lambda: _warm(kept, number), lambda: _stats(kept, number), 3)
    what = f"a step that is up to date, on disk, a new context, chain of {number:,}"
    yield Figure(what, ours / number, floor / number, "stat of as many files").aiming(below=0.0003)
    rows = [_told(kept) for _ in range(3)]
    ours, floor = median(row[0] for row in rows), median(row[1] for row in rows)
    what = f"open and plan a chain of {number:,}, fresh process, after import"
    yield Figure(what, ours, floor, "the index as JSON").aiming(below=2.0)


def _cold(place: Path, count: int) -> Work:
    pipeline = _pipeline(chain(count), each=True, context=Context(place))
    return lambda: pipeline.materialize(echo=False)


def _warm(place: Path, count: int) -> Work:
    graph = _pipeline(chain(count), each=True).dag

    def work() -> None:
        pipeline = Pipeline(Context(place))
        pipeline.dag = graph
        pipeline.materialize(echo=False)
        assert pipeline.outcome is not None
        assert not pipeline.outcome.finished

    return work


def _stats(place: Path, count: int) -> Work:
    paths = list(place.glob("results/*/1"))
    assert len(paths) == count
    return lambda: [os.stat(path) for path in paths]


def _bare(place: Path, count: int) -> Work:
    (place / "tmp").mkdir(parents=True)
    payload = b"x" * SIZE

    def work() -> None:
        for i in range(count):
            folder = place / str(i)
            folder.mkdir()
            with open(place / "tmp" / str(i), "wb") as out:
                out.write(payload)
                out.flush()
                os.fsync(out.fileno())
            os.link(place / "tmp" / str(i), folder / "1")
            at = os.open(folder, os.O_RDONLY)
            os.fsync(at)
            os.close(at)
            os.unlink(place / "tmp" / str(i))

    return work


TOLD = """
import json, os, sys, time
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.index import NAME
place, count = sys.argv[1], int(sys.argv[2])
clock = time.perf_counter
begun = clock()
plan = Pipeline.open(place).plan()
planned = clock()
with open(os.path.join(place, NAME), "rb") as file:
    json.loads(file.read().partition(b"\\n")[2])
done = clock()
assert len(plan) == count and not plan.to_run, plan
print(planned - begun, done - planned)
"""


def _told(place: Path) -> list[float]:
    time.sleep(0.1)
    listing = [sys.executable, "-c", TOLD, str(place), str(len(list(place.glob("results/*"))))]
    told = subprocess.run(listing, check=True, capture_output=True, text=True)
    return [float(word) for word in told.stdout.split()]


def _pipeline(parents: Parents, *, each: bool = False, context: Context | None = None) -> Pipeline:
    """With `each`, all texts differ, as they do in notebooks."""
    pipeline = Pipeline(context)
    pipeline.dag = Graph(
        Definition(
            name,
            (parse_source(f"x + {len(name)} * {i}") if each else NEXT) if above else FIRST,
            tuple(Dependency(p, "x") for p in above),
        )
        for i, (name, above) in enumerate(parents.items())
    )
    return pipeline


def _run(parents: Parents, *, each: bool = False) -> Work:
    return _pipeline(parents, each=each).materialize


def _again(parents: Parents) -> Work:
    pipeline = _pipeline(parents)
    pipeline.materialize()
    return pipeline.plan


def _plan(parents: Parents) -> Work:
    return _pipeline(parents).plan


def _order(parents: Parents) -> Work:
    return lambda: list(TopologicalSorter(parents).static_order())


def _floor(parents: Parents) -> Work:
    def step(x: int) -> int:
        return x + 1

    def work() -> None:
        results: dict[str, int] = {}
        for name in TopologicalSorter(parents).static_order():
            results[name] = step(*[results[parent] for parent in parents[name]] or [0])

    return work
