"""What a cell costs in a kernel that has many steps: registering one, reading a plan, and running any other cell."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.measure import Figure
from benchmarks.starting import registering
from tests.kernel import Kernel

TIMING = """
import json as _json, time as _time
def _timed(text):
    with _capture():
        started = _time.perf_counter()
        get_ipython().run_cell(text)
        return _time.perf_counter() - started
_taken = {"step": [], "plain": [], "plan": []}
for _turn in range(ROUNDS):
    _taken["plain"].append(_timed("_plain = 1"))
    _taken["step"].append(_timed(f"%%step New{_turn} --depends-on S9\\nS9 + 1"))
    _taken["plan"].append(_timed("%plan"))
print("\\n" + _json.dumps(_taken))
"""

FLOOR = """
from IPython.utils.capture import capture_output as _capture
import json as _json, time as _time
_floor = []
for _turn in range(25):
    with _capture():
        _started = _time.perf_counter()
        get_ipython().run_cell("_plain = 1")
        _floor.append(_time.perf_counter() - _started)
print("\\n" + _json.dumps(_floor))
"""

NO_PLACE = "a plain cell, without the extension"


def cells(place: Path, *, quick: bool) -> Iterator[Figure]:
    """Rows c and f: with results on disk, as in the middle of a day's work."""
    for count in (10, 100) if quick else (10, 100, 500):
        folder = place / f"cells{count}"
        folder.mkdir()
        floor, taken = _measured(folder, count, rounds=5 if quick else 15)
        step, plan, plain = (median(taken[what]) for what in ("step", "plan", "plain"))
        yield Figure(f"register a %%step cell among {count} steps", step, floor, NO_PLACE).aiming(below=0.005)
        figure = Figure(f"%plan of {count} steps", plan, floor, NO_PLACE)
        yield figure.aiming(below=0.100) if count == 500 else figure
        yield Figure(f"any other cell, {count} steps registered", plain, floor, NO_PLACE)


def _measured(place: Path, count: int, rounds: int) -> tuple[float, dict[str, list[float]]]:
    kernel = Kernel(place)
    try:
        floor = median(json.loads(kernel.run(FLOOR).stdout.splitlines()[-1]))
        kernel.run("%load_ext jo_notebook")
        kernel.run(registering(count), timeout=120)
        kernel.run("%materialize;", timeout=120)
        taken = json.loads(kernel.run(TIMING.replace("ROUNDS", str(rounds)), timeout=120).stdout.splitlines()[-1])
        return floor, taken
    finally:
        kernel.close()
