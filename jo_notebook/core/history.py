"""How long a step is expected to take, from its own history."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import median

KEPT = 12
RECENT = 3
NEEDED = 3
SPREAD = 1.5
FITS = 0.8

Run = tuple[float, float]
"""Seconds of one run, and the bytes its inputs had on disk."""


def remembered(history: Sequence[Run], run: Run) -> tuple[Run, ...]:
    """The history with one more run; only the last ones are kept."""
    return (*history, run)[-KEPT:]


def expected_seconds(history: Sequence[Run], size: float | None) -> float | None:
    """The time of the next run over inputs of `size` bytes; None without history.

    A line through the runs (least squares) where their inputs had sizes that differ and the line explains
    the times (r² of 0.8 or more, not falling); else the median of the last three.
    """
    if not history:
        return None
    fitted = None if size is None else _on_the_line(history, size)
    return median(seconds for seconds, _ in history[-RECENT:]) if fitted is None else fitted


def _on_the_line(history: Sequence[Run], size: float) -> float | None:
    runs = [run for run in history if run[1] > 0]
    sizes = [run[1] for run in runs]
    if size <= 0 or len(set(sizes)) < NEEDED or max(sizes) < SPREAD * min(sizes):
        return None
    mean_x, mean_y = sum(sizes) / len(runs), sum(s for s, _ in runs) / len(runs)
    xx = sum((x - mean_x) ** 2 for x in sizes)
    yy = sum((y - mean_y) ** 2 for y, _ in runs)
    xy = sum((x - mean_x) * (y - mean_y) for y, x in runs)
    if xy <= 0 or yy <= 0 or xy * xy / (xx * yy) < FITS:
        return None
    slope = xy / xx
    shortest = min(seconds for seconds, _ in runs)
    return max(mean_y + slope * (size - mean_x), shortest * min(1.0, size / min(sizes)))
