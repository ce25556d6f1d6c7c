"""Plan again 1,000 steps that read helpers, constants and modules, against hashing their texts once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

from benchmarks.measure import Figure, Work, compare
from jo_notebook.core.definition import Definition
from jo_notebook.core.graph import Graph
from jo_notebook.core.source import parse_source
from jo_notebook.pipeline import Pipeline

NOTEBOOK = (
    "import math\nK = 3\ndef helper(x):\n    return x + K\nclass Point:\n    def at(self, x):\n        return helper(x)"
)


def planning(*, quick: bool) -> Iterator[Figure]:
    """Nothing changed; a constant changed that every step reads; one that a single step reads."""
    count = 200 if quick else 1_000
    texts = [_text(i) for i in range(count)]
    for what, change, goal in (
        ("nothing changed", "", 3),
        ("a constant of all changed", "K", None),
        ("a constant of one changed", "one", None),
    ):
        pipeline = _pipeline(texts)
        ours, floor = compare(lambda p=pipeline, c=change: _again(p, c), lambda: _hash(texts), 3 if quick else 7)  # type: ignore[misc]
        figure = Figure(f"plan {count:,} steps again, {what}", ours, floor, "hash their texts once")
        yield figure.aiming(times=goal) if goal else figure


def _text(number: int) -> str:
    lines = [f"value_{n} = helper({number} + {n}) * K + math.floor({n}.5)" for n in range(8)]
    above = f" + S{number - 1}" if number else " + one"
    return "\n".join([*lines, f"Point().at(value_3){above}"])


def _pipeline(texts: list[str]) -> Pipeline:
    namespace: dict[str, object] = {"__name__": "__main__", "one": 1}
    exec(NOTEBOOK, namespace)
    pipeline = Pipeline(namespace=namespace)
    pipeline.dag = Graph(Definition(f"S{i}", parse_source(text)) for i, text in enumerate(texts))
    pipeline.materialize()
    pipeline.plan()
    return pipeline


def _again(pipeline: Pipeline, change: str) -> Work:
    if change:
        value = pipeline.today.namespace[change]
        pipeline.today.namespace[change] = int(value) + 1
    return pipeline.plan


def _hash(texts: list[str]) -> Work:
    def work() -> None:
        for text in texts:
            hashlib.blake2b(text.encode(), digest_size=16).hexdigest()

    return work
