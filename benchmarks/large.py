"""Large values: saved durably and read again, beside what the same bytes cost bare and what others make of them."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure, Work, compare
from jo_notebook.core.fingerprint import Fingerprint
from jo_notebook.core.record import Record
from jo_notebook.store.context import Context

GB = 1 << 30


def large(place: Path, *, quick: bool) -> Iterator[Figure]:
    """Row f."""
    fresh = (place / f"large{i}" for i in count())
    yield from _array(fresh, quick=quick)
    yield from _frame(fresh, quick=quick)
    yield from _objects(fresh, quick=quick)
    yield from _memory(fresh, quick=quick)


def _array(fresh: Iterator[Path], *, quick: bool) -> Iterator[Figure]:
    import numpy as np

    size = GB // 8 if quick else GB
    array = np.random.default_rng(1).random(size // 8)
    rounds = 2 if quick else 3
    what = f"a float64 array of {size >> 20} MB"
    ours, floor = compare(lambda: _put(next(fresh), array), lambda: _raw(next(fresh), memoryview(array)), rounds)
    yield Figure(f"save {what}, durable", ours, floor, "write, fsync").aiming(times=1.25)
    kept = next(fresh)
    context = Context(kept)
    _put(kept, array, context)()
    context.settle()
    _empty(fresh, keep=kept)
    bare = next(fresh)
    _raw(bare, memoryview(array))()
    ours, floor = compare(lambda: _first(kept), lambda: lambda: np.memmap(bare, dtype="float64")[0], 7)
    yield Figure(f"open, and the first element of {what}", ours, floor, "np.memmap").aiming(below=0.01)
    ours, floor = compare(lambda: _sum(kept), lambda: lambda: np.fromfile(bare, dtype="float64").sum(), rounds)
    yield Figure(f"open, and the sum of {what}", ours, floor, "np.fromfile, sum")
    _empty(fresh)


def _first(place: Path) -> Work:
    def work() -> None:
        assert Context(place)["Value"][0] > 0

    return work


def _sum(place: Path) -> Work:
    return lambda: Context(place)["Value"].sum()


def _frame(fresh: Iterator[Path], *, quick: bool) -> Iterator[Figure]:
    frame = mixed_frame(500_000 if quick else 7_700_000)
    what = f"a mixed DataFrame of {int(frame.memory_usage(deep=True).sum()) >> 20} MB"
    rounds = 2 if quick else 3
    for name, (save, load) in _others().items():

        def theirs(save: Any = save, load: Any = load) -> Work:
            path = next(fresh)

            def work() -> None:
                save(frame, path)
                load(path)

            return work

        ours, floor = compare(lambda: _both(next(fresh), frame), theirs, rounds)
        yield Figure(f"save and load {what}", ours, floor, name).aiming(times=1.0)
        _empty(fresh)


def mixed_frame(rows: int) -> Any:
    """Two columns of floats, two of whole numbers, two of texts, a categorical and a time."""
    import numpy as np
    import pandas as pd

    chance = np.random.default_rng(2)
    words = np.array([f"word{i}" for i in range(5000)], dtype=object)
    return pd.DataFrame(
        {
            "a": chance.random(rows),
            "b": chance.random(rows),
            "n": chance.integers(0, 1000, rows),
            "m": chance.integers(0, 10**9, rows).astype("int32"),
            "text": pd.array(words[chance.integers(0, 5000, rows)], dtype="str"),
            "object": words[chance.integers(0, 5000, rows)],
            "kind": pd.Categorical(words[chance.integers(0, 20, rows)]),
            "when": pd.Timestamp("2026-01-01") + pd.to_timedelta(chance.integers(0, 10**7, rows), unit="s"),
        }
    )


def _others() -> dict[str, tuple[Callable[[Any, Path], Any], Callable[[Path], Any]]]:
    """How others keep a frame: durable, as ours is."""
    import joblib
    import pandas as pd

    def pickled(frame: Any, path: Path) -> None:
        with open(path, "wb") as out:
            pickle.dump(frame, out, protocol=5)
            _flush(out)

    def unpickled(path: Path) -> Any:
        with open(path, "rb") as handle:
            return pickle.load(handle)

    def dumped(frame: Any, path: Path) -> None:
        joblib.dump(frame, path)
        _flush_path(path)

    def parquet(frame: Any, path: Path) -> None:
        frame.to_parquet(path)
        _flush_path(path)

    return {
        "pickle 5, fsync": (pickled, unpickled),
        "joblib, fsync": (dumped, joblib.load),
        "parquet, fsync": (parquet, pd.read_parquet),
    }


def _objects(fresh: Iterator[Path], *, quick: bool) -> Iterator[Figure]:
    number = 100_000 if quick else 1_000_000
    rounds = 3 if quick else 5
    lists = {
        f"a list of {number:,} ints": list(range(number)),
        f"a list of {number:,} tuples": [(i, str(i), i / 3) for i in range(number)],
    }
    for what, value in lists.items():

        def theirs(value: Any = value) -> Work:
            path = next(fresh)

            def work() -> None:
                with open(path, "wb") as out:
                    pickle.dump(value, out, protocol=5)
                    _flush(out)

            return work

        ours, floor = compare(lambda value=value: _put(next(fresh), value), theirs, rounds)  # type: ignore[misc]
        yield Figure(f"save {what}", ours, floor, "pickle 5, fsync").aiming(times=1.2)
        _empty(fresh)


MEMORY = """
import resource, sys
from pathlib import Path
import numpy as np
from benchmarks.large import _put, record
from jo_notebook.store.context import Context
Context(Path(sys.argv[1] + ".warm")).put(record(), np.zeros(9))
array = np.random.default_rng(1).random(int(sys.argv[2]) // 8)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
_put(Path(sys.argv[1]), array)()
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def _memory(fresh: Iterator[Path], *, quick: bool) -> Iterator[Figure]:
    size = (GB // 8) if quick else GB // 2
    told = subprocess.run(
        [sys.executable, "-c", MEMORY, str(next(fresh)), str(size)], check=True, capture_output=True, text=True
    )
    extra = int(told.stdout) * 1024
    what = f"memory while an array of {size >> 20} MB is saved"
    yield Figure(what, size + extra, size, "the array itself", unit="B").aiming(times=1.1)


def record() -> Record:
    return Record("Value", Fingerprint(()), "v")


def _put(place: Path, value: object, context: Context | None = None) -> Work:
    context = Context(place) if context is None else context  # an empty one is false

    def work() -> None:
        done = context.put(record(), value)
        assert not done.unsaved, done.unsaved

    return work


def _both(place: Path, value: object) -> Work:
    context = Context(place)

    def work() -> None:
        done = context.put(record(), value)
        assert not done.unsaved, done.unsaved
        assert Context(place)["Value"] is not None

    return work


def _raw(path: Path, view: memoryview) -> Work:
    def work() -> None:
        with open(path, "wb") as out:
            out.write(view)
            _flush(out)

    return work


def _flush(out: Any) -> None:
    out.flush()
    os.fsync(out.fileno())


def _flush_path(path: Path) -> None:
    with open(path, "rb") as handle:
        os.fsync(handle.fileno())


def _empty(fresh: Iterator[Path], keep: Path | None = None) -> None:
    """Give the disk its room back."""
    import shutil

    folder = next(fresh).parent
    for path in folder.glob("large*"):
        if path != keep:
            shutil.rmtree(path) if path.is_dir() else path.unlink()
