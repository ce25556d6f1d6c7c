"""Tell the data version of a large array, a long list, many small objects."""

from __future__ import annotations

import pickle
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from benchmarks.measure import Figure, compare
from jo_notebook.core.version import version_of


@dataclass
class Point:
    x: float
    y: float


def versions(*, quick: bool) -> Iterator[Figure]:
    """A gigabyte of numbers, a million of them in a list, and a hundred thousand objects in one another."""
    import numpy as np
    from xxhash import xxh3_128

    rounds = 3 if quick else 7
    size = 1 << (27 if quick else 30)
    array = np.random.default_rng(0).random(size // 8)
    what = f"version of an array, {size >> 20} MB"
    yield _figure(what, array, partial(xxh3_128, array), "xxh3-128 of it", rounds, 1.3)
    del array
    numbers = list(range(1_000_000))
    yield _figure(
        "version of a list of 1,000,000 ints",
        numbers,
        lambda: pickle.dumps(numbers, 5),
        "pickle.dumps of it",
        rounds,
        2,
    )
    objects = small_objects()
    ours, floor = compare(lambda: lambda: version_of(objects), lambda: lambda: pickle.dumps(objects, 5), rounds)
    yield Figure("version of 100,000 nested objects", ours, floor, "pickle.dumps of it").aiming(below=0.25)


def _figure(what: str, value: Any, floor: Callable[[], object], floor_is: str, rounds: int, times: float) -> Figure:
    ours, bare = compare(lambda: lambda: version_of(value), lambda: floor, rounds)
    return Figure(what, ours, bare, floor_is).aiming(times=times)


def small_objects(number: int = 100_000) -> list[Any]:
    """Dicts, lists, tuples and dataclasses in one another, `number` of them, not counting what they hold."""
    return [
        {
            "id": i,
            "name": f"name {i}",
            "tags": ["a", f"tag {i}"],
            "at": (i / 2, 1.5),
            "point": Point(i / 3, 2.0),
            "inner": {"flag": i % 2 == 0, "none": None},
        }
        for i in range(number // 5)
    ]


if __name__ == "__main__":
    for figure in versions(quick="--quick" in sys.argv):
        print(f"{figure.ratio:8.3g} ×  {figure.what}: {figure.ours:.3f} s, {figure.floor:.3f} s, met: {figure.is_met}")
