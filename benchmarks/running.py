"""Plan and run trivial steps in memory, against the standard library's graphlib and a loop."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from graphlib import TopologicalSorter

from benchmarks.measure import Figure, Work, compare
from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.graph import Graph
from jo_notebook.core.source import parse_source
from jo_notebook.pipeline import Pipeline

Shape = Callable[[int], dict[str, list[str]]]
FIRST, NEXT = parse_source("1"), parse_source("x + 1")


def chain(count: int) -> dict[str, list[str]]:
    """Each step depends on the one before it."""
    return {f"S{i}": [f"S{i - 1}"] if i else [] for i in range(count)}


def fan(count: int) -> dict[str, list[str]]:
    """All depend on the first."""
    return {f"S{i}": ["S0"] if i else [] for i in range(count)}


def running(*, quick: bool) -> Iterator[Figure]:
    """Row d."""
    for count in (300,) if quick else (1_000, 10_000):
        for shape in (chain, fan):
            rounds = 3 if count < 10_000 else 1
            ours, floor = compare(lambda s=shape, c=count: _run(s(c)), lambda s=shape, c=count: _floor(s(c)), rounds)  # type: ignore[misc]
            what = f"plan + run, {shape.__name__} of {count:,}"
            yield Figure(what, ours, floor, "graphlib and a loop").aiming(times=3)
            ours, floor = compare(lambda s=shape, c=count: _again(s(c)), lambda s=shape, c=count: _order(s(c)), rounds)  # type: ignore[misc]
            yield Figure(f"plan again, nothing to do, {shape.__name__} of {count:,}", ours, floor, "graphlib's order")
    count = 10_000 if quick else 100_000
    ours, floor = compare(lambda: _plan(chain(count)), lambda: _order(chain(count)), 1 if quick else 3)
    yield Figure(f"first plan, chain of {count:,}", ours, floor, "graphlib's order")


def _pipeline(parents: dict[str, list[str]]) -> Pipeline:
    pipeline = Pipeline()
    pipeline.dag = Graph(
        Definition(name, NEXT if above else FIRST, tuple(Dependency(p, "x") for p in above))
        for name, above in parents.items()
    )
    return pipeline


def _run(parents: dict[str, list[str]]) -> Work:
    return _pipeline(parents).materialize


def _again(parents: dict[str, list[str]]) -> Work:
    pipeline = _pipeline(parents)
    pipeline.materialize()
    return pipeline.plan


def _plan(parents: dict[str, list[str]]) -> Work:
    return _pipeline(parents).plan


def _order(parents: dict[str, list[str]]) -> Work:
    return lambda: list(TopologicalSorter(parents).static_order())


def _floor(parents: dict[str, list[str]]) -> Work:
    def work() -> None:
        results: dict[str, int] = {}
        for name in TopologicalSorter(parents).static_order():
            results[name] = sum(results[parent] for parent in parents[name]) + 1

    return work
