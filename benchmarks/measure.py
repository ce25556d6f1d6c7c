"""How a figure is taken: the thing and its floor in turns, the median of each, their ratio."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import median

Work = Callable[[], object]
Prepare = Callable[[], Work]


@dataclass(frozen=True, slots=True)
class Figure:
    """One row. `ours` and `floor` are seconds, or bytes with `unit` B; `goal` is a sentence, `is_met` None without."""

    what: str
    ours: float
    floor: float
    floor_is: str
    goal: str = ""
    is_met: bool | None = None
    unit: str = "s"

    @property
    def ratio(self) -> float:
        """How many times the floor."""
        return self.ours / self.floor

    def aiming(self, *, extra: float | None = None, below: float | None = None, times: float | None = None) -> Figure:
        """With a goal: at most so many seconds above the floor, or in all, or so many times the floor."""
        if extra is not None:
            return self._with(f"{shown(extra)} above", self.ours - self.floor <= extra)
        if below is not None:
            return self._with(shown(below), self.ours <= below)
        assert times is not None
        return self._with(f"{times:g} times", self.ratio <= times)

    def _with(self, goal: str, is_met: bool) -> Figure:
        return replace(self, goal=goal, is_met=is_met)


def compare(ours: Prepare, floor: Prepare, rounds: int) -> tuple[float, float]:
    """Medians in seconds. Each round prepares (not timed) and does both, now one first, now the other."""
    taken: dict[Prepare, list[float]] = {ours: [], floor: []}
    for turn in range(rounds):
        for prepare in (ours, floor) if turn % 2 else (floor, ours):
            work = prepare()
            gc.collect()  # or one would pay for the other's garbage
            taken[prepare].append(timed(work))
    return median(taken[ours]), median(taken[floor])


def timed(work: Work) -> float:
    """Seconds that one call takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def shown(seconds: float, unit: str = "s") -> str:
    """Seconds in the unit that suits them, three digits; bytes as megabytes."""
    if unit == "B":
        return f"{seconds / 1e6:.0f} MB"
    for unit, size in (("s", 1.0), ("ms", 1e-3)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds * 1e6:.3g} µs"


def table(figures: Iterable[Figure]) -> str:
    """The figures as a Markdown table, the ratio first."""
    rows: list[Sequence[str]] = [("times the floor", "what", "ours", "floor", "the floor is", "goal", "met")]
    rows += [
        (
            f"{figure.ratio:.3g}",
            figure.what,
            shown(figure.ours, figure.unit),
            shown(figure.floor, figure.unit),
            figure.floor_is,
            figure.goal,
            "" if figure.is_met is None else "yes" if figure.is_met else "NO",
        )
        for figure in figures
    ]
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    lines = ["| " + " | ".join(map(str.ljust, row, widths)) + " |" for row in rows]
    rule = "|" + "|".join("-" * (width + 2) for width in widths) + "|"
    return "\n".join([lines[0], rule, *lines[1:]])
