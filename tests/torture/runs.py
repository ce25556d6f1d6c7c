"""Runs that are made more than once, on this disk and on others: kills, crowds, limits."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Any

from jo_notebook.errors import StoreError
from jo_notebook.store import Context
from tests.torture.making import SIZES, generations, leftovers, number_of, outcome, record, rows, run, start, value

NAMES = {size: f"Size{size}" for size in SIZES}
LIMITED = 60_000


@dataclass
class Kills:
    """A store whose writers are killed; `committed` are the numbers that a put has answered for."""

    place: Path
    counts: Counter[str] = field(default_factory=Counter)
    committed: dict[int, int] = field(default_factory=dict)
    clean: int = 0
    slowest: float = 0.0

    def fill(self) -> None:
        """A sound store of the same contents, to compare the space with."""
        for size in SIZES:
            for n in (1, 2):
                Context(self.place).put(record(NAMES[size]), value(n, size))
            self.committed[size] = 2
        self.clean = Context(self.place).size()

    def kill(self, size: int, random: Random) -> None:
        began = self.committed[size]
        process = start("saver", self.place, NAMES[size], size, began + 1)
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(random.random() * (0.01 + size * 2e-8))
        process.kill()
        told = list(rows(process))
        process.wait()
        assert not any(row[2] for row in told if row[0] == "end"), told
        ended = max([began, *(n for word, n, *_ in told if word == "end")])
        begun = max([began, *(n for word, n, *_ in told if word == "begin")])
        self.counts["trials"] += 1
        self.counts["inside a save"] += begun > ended
        self.look(size, ended, begun)

    def look(self, size: int, ended: int, begun: int) -> None:
        """What a fresh kernel finds: all that was committed, the value in flight old or new."""
        context = Context(self.place)
        self.counts["orphans"] += len(leftovers(self.place))
        for other in SIZES:
            found = outcome(context, NAMES[other])
            n = -1 if isinstance(found, StoreError) else number_of(found, other)
            self.counts["wrong"] += n == -1 and not isinstance(found, StoreError)
            self.counts["lost"] += n not in ((ended, begun) if other == size else (self.committed[other],))
            self.committed[other] = n
        self.counts["new"] += begun > ended and self.committed[size] == begun
        self.counts["damaged"] += len(context.damaged) + len(context.verify())
        self.again(context, size)

    def again(self, context: Context, size: int) -> None:
        began = time.perf_counter()
        n = self.committed[size] + 1
        done = context.put(record(NAMES[size]), value(n, size))
        seconds = time.perf_counter() - began
        self.slowest = max(self.slowest, seconds)
        found = outcome(Context(self.place), NAMES[size])
        works = not done.unsaved and not isinstance(found, StoreError) and number_of(found, size) == n
        self.counts["saved again"] += works and seconds < 5
        self.counts["too large"] += Context(self.place).size() > 1.05 * self.clean
        self.committed[size] = n


def crowd(place: Path, tally: Counter[str], writers: int, readers: int, saves: int, size: int = 3_000) -> list[Any]:
    """Processes that save and read at once; what was not as it must be."""
    stop = place.parent / "stop"
    reading = [start("reader", place, writers, size, stop) for _ in range(readers)]
    writing = [start("writer", place, who, saves // writers, size) for who in range(writers)]
    told = [row for process in writing for row in rows(process)]
    tally["died"] += sum(process.wait() != 0 for process in writing)
    stop.touch()
    told += [row for process in reading for row in rows(process)]
    tally["died"] += sum(process.wait() != 0 for process in reading)
    tally.update(row[0] for row in told)
    saved = [row[1:] for row in told if row[0] == "saved"]
    ends = {(step, *made): end for step, _, end, made, _ in saved}
    lost = [row for row in saved if ends.get((row[0], *row[-1]), 0) < row[1]]  # it saw what was there when it began
    tally["lost"] = len(lost)
    wrong = [row for row in told if row[0] not in ("saved", "looked")]
    tally["numbers taken twice"] += tally["saved"] // 2 - int(generations(place, "Shared")[-1].name)
    return wrong + lost + leftovers(place) + list(Context(place).verify())


def limits(place: Path, tally: Counter[str], count: int) -> None:
    """Saves under `count` limits to the size of a file, from nothing to almost enough."""
    Context(place).put(record(), value(0, LIMITED))
    whole = generations(place, "Load")[-1].stat().st_size
    told = run("limited", place, [whole * n // count for n in range(count)], LIMITED)
    for _, by_put, by_run, seen in told[:-1]:
        tally["trials"] += 1
        tally["told with the reason"] += "too large" in by_put and place.name in by_put
        tally["told by a run"] += "too large" in by_run
        tally["old value there"] += seen == 0
    tally["saved again"] += told[-1][1:] == ["", "", 99]
    tally["orphans"] += len(Context(place).verify()) + len(leftovers(place))
