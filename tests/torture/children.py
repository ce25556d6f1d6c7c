"""What the tests' other processes do: one function a role.

A process tells what it saw as lines of JSON; the test that started it judges.
"""

from __future__ import annotations

import itertools
import os
import random
import resource
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from jo_notebook.errors import ResultMissing, StoreError
from jo_notebook.store import Context
from tests.torture import injuries
from tests.torture.making import number_of, outcome, play, record, tell, value


def saver(place: str, step: str, size: int, first: int) -> None:
    """Saves one step again and again, until it is killed."""
    context = Context(place)
    value(0, size)
    tell("ready")
    for n in itertools.count(first):
        thing = value(n, size)
        tell("begin", n)
        done = context.put(record(step), thing)
        tell("end", n, done.unsaved)


def interrupted(place: str, size: int, count: int, seed: int) -> None:
    """Is interrupted at random points while it saves; then saves again."""
    dice = random.Random(seed)
    context, old = Context(place), 0
    context.put(record(), value(0, size))
    taken = []
    for n in range(9):
        thing = value(-n, size)
        began = time.perf_counter()
        context.put(record(), thing)
        taken.append(time.perf_counter() - began)
    typical = min(taken)  # the first ones make directories and import what they need
    came: list[bool] = []

    def ring(*_: object) -> None:
        came.append(True)
        os.kill(os.getpid(), signal.SIGINT)

    signal.signal(signal.SIGALRM, ring)
    signal.signal(signal.SIGINT, signal.default_int_handler)
    context.put(record(), value(0, size))
    for trial in range(1, count + 1):
        new = 2 * trial
        thing, word = value(new, size), ""
        came.clear()
        try:
            signal.setitimer(signal.ITIMER_REAL, max(1e-5, dice.random() * typical))
            done = context.put(record(), thing)
            signal.setitimer(signal.ITIMER_REAL, 0)
            word = "swallowed" if came else "missed"
        except KeyboardInterrupt:
            word = "hit"
        signal.setitimer(signal.ITIMER_REAL, 0)
        if word != "hit" and not done.unsaved:
            old = new
        now = number_of(outcome(Context(place), "Load"), size)
        lost = now not in (old, new)
        began = time.perf_counter()
        again = context.put(record(), value(new + 1, size))
        seconds = time.perf_counter() - began
        seen = number_of(outcome(Context(place), "Load"), size)
        old = new + 1
        tell(word, "lost" if lost else "", "stuck" if again.unsaved or seen != old or seconds > 5 else "", seconds)


def writer(place: str, who: int, count: int, size: int) -> None:
    """Saves a step of its own and a shared one in turn, and tells when, and what a fresh look saw after each."""
    context = Context(place)
    for n in range(1, count + 1):
        for step in (f"Own{who}", "Shared"):
            begin = time.monotonic()
            done = context.put(record(step, f"{who} {n}"), {"who": who, **value(n, size)})
            end = time.monotonic()
            if done.unsaved:
                tell("error", step, n, done.unsaved)
            seen = _whole(outcome(Context(place), step), size)
            tell("saved", step, begin, end, [who, n], seen)


def reader(place: str, writers: int, size: int, stop: str) -> None:
    """Looks with fresh contexts and with one that is refreshed; no writer's number may ever go down."""
    lasting = Context(place)
    highest: dict[tuple[int, str, int], int] = {}
    while not os.path.exists(stop):
        lasting.refresh()
        for which, context in enumerate((lasting, Context(place))):
            for step in ("Shared", *(f"Own{who}" for who in range(writers))):
                _look(context, which, step, size, highest)
        tell("looked")


def _look(context: Context, which: int, step: str, size: int, highest: dict[tuple[int, str, int], int]) -> None:
    seen = outcome(context, step)
    if isinstance(seen, ResultMissing) and not any(s == step for _, s, _ in highest):
        return
    if isinstance(seen, StoreError):
        tell("error", step, seen)
        return
    who, n = _whole(seen, size)
    if n < 0:
        tell("torn", step, seen)
    elif n < highest.get((which, step, who), 0):
        tell("stale", step, who, n)
    highest[which, step, who] = n


def _whole(seen: Any, size: int) -> tuple[int, int]:
    if not isinstance(seen, dict) or "who" not in seen:
        return -1, -1
    who = seen["who"]
    return who, number_of({k: v for k, v in seen.items() if k != "who"}, size)


def put_once(place: str, step: str, n: int, size: int, shift: float = 0.0) -> None:
    """Saves one value, by a clock that is this many seconds off."""
    real, real_ns = time.time, time.time_ns
    time.time, time.time_ns = lambda: real() + shift, lambda: real_ns() + int(shift * 1e9)
    tell(Context(place).put(record(step), value(n, size)).unsaved)


def limited(place: str, limits: list[int], size: int) -> None:
    """Saves under limits to the size of a file, as the disk quota of a cluster would be, by context and pipeline."""
    from tests.cases.making import notebook, step

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
    context = Context(place)
    for n, limit in enumerate(limits, 1):
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
        told = context.put(record(), value(n, size)).unsaved
        pipeline = notebook("", Path(place))
        pipeline.add(step("Run", f"'{n:08d}' * {size // 8}"))
        pipeline.materialize("Run")
        by_run = pipeline.outcome.unsaved.get("Run", "") if pipeline.outcome else ""
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, hard))
        tell(limit, told, by_run, number_of(outcome(Context(place), "Load"), size))
    tell(0, context.put(record(), value(99, size)).unsaved, "", number_of(outcome(Context(place), "Load"), size))


def injured(kind: str, base: str, work: str, seed: int, count: int) -> None:
    """Injures copies of a store and tells what came of it. It dies here, if it dies."""
    for told in injuries.trials(kind, Path(base), Path(work), random.Random(seed), count):
        tell(*told)


def big(place: str, kind: str, size: int, phase: str) -> None:
    """Saves or loads a huge value; tells the extra memory as a multiple of its size, and whether it is equal."""
    import numpy

    def make() -> Any:
        return numpy.arange(size // 8) if kind == "array" else (Scale(3), b"7" * size)

    context = Context(place)
    context.put(record("Warm"), make_small(kind))
    if phase == "save":
        thing = make()
        before = _peak(reset=True)
        done = context.put(record("Big"), thing)
        tell((_peak() - before) / size, done.unsaved, done.format)
        return
    Context(place)["Warm"]
    before = _peak(reset=True)
    found = context["Big"]
    if kind == "array":
        parts = (found[k : k + 2**16] for k in range(0, len(found), 2**16))
        equal = all((part == numpy.arange(p * 2**16, p * 2**16 + len(part))).all() for p, part in enumerate(parts))
        equal = bool(equal) and len(found) == size // 8
    else:
        equal = found[0](2) == 6 and len(found[1]) == size and found[1].count(b"7") == size
    tell((_peak() - before) / size, equal)


def make_small(kind: str) -> Any:
    import numpy

    return numpy.arange(8) if kind == "array" else (Scale(2), b"1")


def Scale(by: int) -> Callable[[int], int]:
    return lambda x: x * by


def _peak(*, reset: bool = False) -> int:
    """The most memory this process had at once, since it was reset. (ru_maxrss begins with the parent's.)"""
    if reset:
        Path("/proc/self/clear_refs").write_text("5")
    told = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(told.partition("VmHWM:")[2].split()[0]) * 1024


if __name__ == "__main__":
    play(globals())
