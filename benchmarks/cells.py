"""What a cell costs in a kernel that has many steps, asked as JupyterLab asks: registering, planning, anything else."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.measure import Figure
from tests.kernel import Kernel

FLOOR = "a plain cell, without the extension"
KINDS = ("step", "plan", "plain")


def cells(place: Path, *, quick: bool) -> Iterator[Figure]:
    """Rows c and f. Times are those of whole requests; the floor is taken in turns, in a kernel beside it."""
    rounds = 5 if quick else 15
    for count in (5, 50) if quick else (5, 100, 500):
        folder = place / f"cells{count}"
        folder.mkdir()
        kernel, bare = Kernel(folder), Kernel(folder)
        try:
            kernel.run("import ipywidgets\n%load_ext jo_notebook")
            for i in range(count):
                _register(kernel, f"S{i}", i % 10)
            waiting = [_turn(kernel, bare, f"Early{number}") for number in range(rounds)]
            assert "Ran" in kernel.run("%materialize", timeout=120).stdout
            taken = [_turn(kernel, bare, f"Late{number}") for number in range(rounds)]
        finally:
            kernel.close()
            bare.close()
        floor = median(turn["floor"] for turn in [*waiting, *taken])
        early = median(turn["step"] for turn in waiting)
        step, plan, plain = (median(turn[kind] for turn in taken) for kind in KINDS)
        yield Figure(f"register a %%step cell among {count}, not run yet", early, floor, FLOOR).aiming(extra=0.005)
        yield Figure(f"register a %%step cell among {count}, on disk", step, floor, FLOOR).aiming(extra=0.005)
        figure = Figure(f"%plan of {count} steps", plan, floor, FLOOR)
        yield figure.aiming(extra=0.100) if count == 500 else figure
        yield Figure(f"any other cell, {count} steps registered", plain, floor, FLOOR)


def _turn(kernel: Kernel, bare: Kernel, name: str) -> dict[str, float]:
    return {
        "floor": _seconds(bare, "plain = 1", "plain"),
        "plain": _seconds(kernel, "plain = 1", "plain"),
        "step": _register(kernel, name, 0),
        "plan": _seconds(kernel, "%plan", "plan"),
    }


def _register(kernel: Kernel, name: str, place: int) -> float:
    """A step in a cell of its own; `place` is its place in a chain of ten."""
    above = f"S{int(name[1:]) - 1}" if place else "none"
    body = f"{above} + 1" if place else "1"
    return _seconds(kernel, f"%%step {name} --depends-on {above}\n{body}", f"cell-{name}")


def _seconds(kernel: Kernel, code: str, cell_id: str) -> float:
    started = time.perf_counter()
    kernel.run(code, cell_id)
    return time.perf_counter() - started
