"""What a start costs: `import jo_notebook`, and `%load_ext jo_notebook` in a kernel that has ipywidgets."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.measure import Figure, Work, compare
from tests.kernel import Kernel

LOADING = """
import json as _json, sys as _sys, time as _time
_t0 = _time.perf_counter()
import ipywidgets
_t1 = _time.perf_counter()
_before = set(_sys.modules)
_t2 = _time.perf_counter()
get_ipython().run_line_magic("load_ext", "jo_notebook")
_t3 = _time.perf_counter()
_new = {name.partition(".")[0] for name in set(_sys.modules) - _before}
print("\\n" + _json.dumps({"widgets": _t1 - _t0, "ours": _t3 - _t2, "new": sorted(_new)}))
"""

REGISTERING = """
from IPython.utils.capture import capture_output as _capture
for _i in range(COUNT):
    _above = f"S{_i - 1}" if _i % 10 else "none"
    _text = f"%%step S{_i} --depends-on {_above}\\n" + ("1" if _above == "none" else f"{_above} + 1")
    with _capture():
        get_ipython().run_cell(_text)
"""


def starting(place: Path, *, quick: bool) -> Iterator[Figure]:
    """Rows a and b."""
    rounds = 5 if quick else 21
    for what in ("import jo_notebook", "from jo_notebook import Pipeline"):
        ours, floor = compare(lambda code=what: _python(code), lambda: _python("pass"), rounds)  # type: ignore[misc]
        figure = Figure(what, ours, floor, "a bare interpreter")
        yield figure.aiming(extra=0.030) if what.startswith("import") else figure
    yield _loading("no results yet", _folder(place / "empty"), rounds=2 if quick else 7)
    yield _loading("100 steps on disk", _with_steps(_folder(place / "hundred"), 100), rounds=2 if quick else 7)


def _with_steps(place: Path, count: int) -> Path:
    """A directory whose `notebook.jo` holds so many results, in chains of ten."""
    kernel = Kernel(place)
    try:
        kernel.run("%load_ext jo_notebook")
        kernel.run(REGISTERING.replace("COUNT", str(count)), timeout=120)
        assert "Ran" in kernel.run("%materialize", timeout=120).stdout
    finally:
        kernel.close()
    return place


def _folder(place: Path) -> Path:
    place.mkdir()
    return place


def _python(code: str) -> Work:
    return lambda: subprocess.run([sys.executable, "-c", code], check=True)


def _loading(what: str, place: Path, rounds: int) -> Figure:
    """A fresh kernel each time: only the first load imports anything."""
    ours, widgets, new = [], [], ""
    for _ in range(rounds):
        kernel = Kernel(place)
        try:
            told = json.loads(kernel.run(LOADING).stdout.splitlines()[-1])
        finally:
            kernel.close()
        ours.append(told["ours"])
        widgets.append(told["widgets"])
        new = ", ".join(name for name in told["new"] if name not in sys.stdlib_module_names and name != "jo_notebook")
    imports = f"; imports {new}" if new else ""
    figure = Figure(f"%load_ext, {what}{imports}", median(ours), median(widgets), "import ipywidgets, before it")
    return figure.aiming(below=0.150)
