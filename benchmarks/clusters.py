"""Steps on a Dask cluster of our own: what a step costs beside a bare task, and beside one in a process."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure, Work, compare
from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.source import parse_source
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context


def one_more(number: int) -> int:
    """Next to nothing."""
    return number + 1


def clusters(home: Path, *, quick: bool) -> Iterator[Figure]:
    """Rows of section 5b: chains of trivial steps, for each waits for the one before."""
    count, rounds = (30, 3) if quick else (100, 5)
    pipeline = _chain(count, None)
    client: Any = getattr(pipeline.executors.get("dask"), "client", None)

    def chain(pipeline: Pipeline, executor: str) -> Work:
        pipeline.context.forget(*[name for name in pipeline.dag if name in pipeline.context.records])
        return lambda: pipeline.materialize(f"S{count - 1}", executor=executor)

    def bare() -> Work:
        def work() -> None:
            number = 0
            for _ in range(count):
                number = client.submit(one_more, number, pure=False).result()

        return work

    where = f"{count} trivial steps in a chain"
    stored = _chain(count, home / "chain.jo")
    stored.executors = pipeline.executors
    for what, one, executor in (
        (f"{where}, executor dask, in memory", pipeline, "dask"),
        (f"{where}, executor dask, stored from there", stored, "dask"),
        (f"{where}, executor processes, in memory", pipeline, "processes"),
    ):
        chain(one, executor)()
        bare()()  # both are warm
        mine, floor = compare(lambda one=one, e=executor: chain(one, e), bare, rounds)  # type: ignore[misc]
        yield Figure(what, mine, floor, "client.submit and result")
    pipeline.executors.close()


def _chain(count: int, place: Path | None) -> Pipeline:
    pipeline = Pipeline(Context(place))
    pipeline.add(Definition("S0", parse_source("0"), ()))
    for n in range(1, count):
        above = f"S{n - 1}"
        pipeline.add(Definition(f"S{n}", parse_source(f"{above} + 1"), (Dependency(above, above),)))
    return pipeline
