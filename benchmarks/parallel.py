"""Steps in processes: what the executor adds to the work itself, beside bare loky, joblib and Dask in the same run."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from typing import Any

from benchmarks.measure import Figure, Work, compare, timed
from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.source import parse_source
from jo_notebook.engine.executors import processors
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context

SPIN = "import math\ntotal = 0.0\nfor n in range({count}):\n    total += math.sqrt(n)\ntotal"
STEPS = 16
READERS = 8


def spin(count: int) -> float:
    """Work for one core."""
    total = 0.0
    for n in range(count):
        total += math.sqrt(n)
    return total


def parallel(home: Path, *, quick: bool) -> Iterator[Figure]:
    """Rows of section 5."""
    yield from _computing(home / "computing.jo", seconds=0.1 if quick else 0.5, rounds=1 if quick else 3)
    yield from _handing_over(home, megabytes=20 if quick else 200, rounds=3 if quick else 5)


def _computing(place: Path, *, seconds: float, rounds: int) -> Iterator[Figure]:
    import loky

    jobs, count = processors(), _calibrated(seconds)
    pipeline = Pipeline(Context(place))
    for number in range(STEPS):
        text = f"# {number}\nseed = {number}\n" + SPIN.format(count=count)
        pipeline.add(Definition(f"S{number}", parse_source(text), ()))
    names = [f"S{number}" for number in range(STEPS)]
    pool = loky.ProcessPoolExecutor(jobs)

    def ours() -> Work:
        pipeline.context.forget(*[name for name in names if name in pipeline.context.records])
        return lambda: pipeline.materialize(executor="processes", jobs=jobs)

    def bare() -> Work:
        return lambda: wait([pool.submit(spin, count) for _ in range(STEPS)])

    ours()()
    bare()()  # both are warm
    mine, floor = compare(ours, bare, rounds)
    what = f"{STEPS} steps of {seconds:g} s on {jobs} cores, executor processes"
    yield Figure(what, mine, floor, "bare loky").aiming(times=1 / 0.95)
    for name, peer in _peers(jobs, count):
        with contextlib.suppress(ImportError), contextlib.redirect_stderr(io.StringIO()):
            peer()()
            yield Figure(f"the same with {name}", timed(peer()), floor, "bare loky")
    pipeline.executors.close()
    pool.shutdown()


def _calibrated(seconds: float) -> int:
    """How often to go round for so many seconds."""
    count = 200_000
    spin(count)
    return int(count * seconds / min(timed(lambda: spin(count)) for _ in range(3)))


def _peers(jobs: int, count: int) -> Iterator[tuple[str, Callable[[], Work]]]:
    def joblib() -> Work:
        from joblib import Parallel, delayed

        return lambda: Parallel(n_jobs=jobs)(delayed(spin)(count) for _ in range(STEPS))

    yield "joblib", joblib


def _handing_over(home: Path, *, megabytes: int, rounds: int) -> Iterator[Figure]:
    """What a large input adds to steps that hardly look at it, against one copy of it in memory."""
    import numpy as np

    small, large = _readers(home / "small.jo", 1000), _readers(home / "large.jo", megabytes * 125_000)
    for pipeline in (small, large):
        _forgotten(pipeline)()  # warm
    array: Any = np.ones(megabytes * 125_000)
    array.copy()
    extra = []
    for _ in range(rounds):
        without, with_it = timed(_forgotten(small)), timed(_forgotten(large))
        extra.append(with_it - without)
    copies = sorted(timed(array.copy) for _ in range(5))
    what = f"{megabytes} MB as input of {READERS} steps in processes, above a small one"
    yield Figure(what, max(sorted(extra)[rounds // 2], 1e-6), copies[2], "one copy in memory").aiming(times=2)
    for pipeline in (small, large):
        pipeline.executors.close()


def _readers(place: Path, items: int) -> Pipeline:
    pipeline = Pipeline(Context(place))
    pipeline.add(Definition("Big", parse_source(f"import numpy as np\nnp.ones({items})"), ()))
    for number in range(READERS):
        text = f"float(Big[:{number + 10}].sum())"
        pipeline.add(Definition(f"R{number}", parse_source(text), (Dependency("Big", "Big"),)))
    pipeline.materialize("Big")
    pipeline.context.drop_memory("Big")
    return pipeline


def _forgotten(pipeline: Pipeline) -> Work:
    names = [f"R{number}" for number in range(READERS)]
    pipeline.context.forget(*[name for name in names if name in pipeline.context.records])
    return lambda: pipeline.materialize(executor="processes", jobs=processors())
