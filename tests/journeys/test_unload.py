"""`%unload_ext` leaves the shell as it was, whatever was done in between; `%reload_ext` doubles nothing."""

from __future__ import annotations

import json
from typing import Any

from tests.journeys.asking import BUTTON_CLICK, buttons, models, node_click, result, wait_for_states
from tests.kernel import Kernel

INSPECT = """
import comm as _comm, gc as _gc, ipykernel, json as _json, sys as _sys, threading as _threading
import ipycytoscape, ipywidgets
def _snapshot():
    shell = get_ipython()
    def ids(things): return sorted(f"{getattr(t, '__qualname__', t)!s}" for t in things)
    return {
        "magics": {k: {n: id(f) for n, f in sorted(t.items())} for k, t in shell.magics_manager.magics.items()},
        "events": {k: ids(v) for k, v in shell.events.callbacks.items()},
        "transformers": ids([*shell.input_transformers_cleanup, *shell.input_transformers_post]),
        "lines": ids([*shell.input_transformer_manager.line_transforms, *shell.ast_transformers]),
        "matchers": ids(shell.Completer.custom_matchers),
        "configurables": [type(c).__name__ for c in shell.configurables],
        "hooks": ids(getattr(shell.display_pub, "_hooks", [])),
        "attributes": sorted(vars(shell)),
        "streams": [type(s).__name__ for s in (_sys.stdout, _sys.stderr, _sys.displayhook)],
        "comms": len(_comm.get_comm_manager().comms),
        "targets": sorted(_comm.get_comm_manager().targets),
        "threads": sorted(t.name for t in _threading.enumerate() if not t.name.startswith("Thread-")),
        "exceptions": ids([_sys.excepthook, *shell.custom_exceptions]),
    }
"""


def snapshot(kernel: Kernel) -> dict[str, Any]:
    """Everything an extension could leave behind in a shell."""
    found: dict[str, Any] = json.loads(kernel.run("print(_json.dumps(_snapshot()))").stdout)
    return found


def test_nothing_is_left_behind(lab_kernel: Kernel) -> None:
    """After steps, runs, failures, clicks, pictures and settings; the user's values stay."""
    kernel = lab_kernel
    kernel.run(INSPECT, "a")
    kernel.run("%config\nfrom IPython.display import display\ndisplay(ipywidgets.Button())")  # IPython sets up lazily
    kernel.run("def plan(line): return 'mine'\nget_ipython().register_magic_function(plan, 'line')")
    before = snapshot(kernel)

    kernel.run("%load_ext jo_notebook", "b")
    assert snapshot(kernel) != before
    answer = kernel.run("%%step Load\n%time x = [3, 1]\nx", "c")
    kernel.run("%%step Clean\nsorted(Load)", "d")
    kernel.run("%%step Bad\n%%time\n1 / 0", "e")
    (drawing,) = models(kernel.run("%graph", "f"), "CytoscapeModel")
    kernel.comm(drawing, node_click("Clean"))
    kernel.comm(buttons(answer)["Materialize"], BUTTON_CLICK)
    wait_for_states(kernel, {"Load": "available", "Clean": "available", "Bad": "missing"})
    kernel.run("%materialize Bad", allow_error=True)
    kernel.run("%config JoNotebook.button = False")
    kernel.run("%unload_ext jo_notebook", "b")

    assert snapshot(kernel) == before
    assert result(kernel.run("%plan")) == "'mine'"
    assert result(kernel.run("Clean, Load")) == "([1, 3], [3, 1])"
    assert "not found" in kernel.run("%%step X\n1", allow_error=True).stderr
    assert "NameError" in kernel.run("#| step: X\nx", allow_error=True).error
    kernel.comm(drawing, node_click("Clean"))
    assert kernel.run("1").ok


def test_unload_twice_and_load_twice(lab_kernel: Kernel) -> None:
    """IPython says what it always says; nothing breaks."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    assert "already loaded" in lab_kernel.run("%load_ext jo_notebook", "a").stdout
    lab_kernel.run("%unload_ext jo_notebook", "a")
    lab_kernel.run("%unload_ext jo_notebook", "a")
    assert "jo_notebook: nothing" in lab_kernel.run("%load_ext jo_notebook", "a").stdout


def test_a_users_own_magic_survives(lab_kernel: Kernel) -> None:
    """A magic that the user put over one of ours is theirs to keep."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    lab_kernel.run("def log(line): return 'mine'\nget_ipython().register_magic_function(log, 'line')")
    lab_kernel.run("%unload_ext jo_notebook", "a")
    assert result(lab_kernel.run("%log")) == "'mine'"


def test_reload_doubles_nothing(lab_kernel: Kernel) -> None:
    """One answer to a step, one line at load, one of everything registered."""
    lab_kernel.run(INSPECT, "a")
    lab_kernel.run("%load_ext jo_notebook", "b")
    lab_kernel.run("%%step Load --run\n[3, 1]", "c")
    once = {k: v for k, v in snapshot(lab_kernel).items() if k not in ("magics", "comms")}
    for _ in range(3):
        assert lab_kernel.run("%reload_ext jo_notebook", "b").stdout.count("jo_notebook:") == 1
    assert {k: v for k, v in snapshot(lab_kernel).items() if k not in ("magics", "comms")} == once
    answer = lab_kernel.run("%%step Load --run\n[3, 1]", "c")
    assert answer.text.count("Load ·") == 1
    assert answer.stdout.count("\n") == 1
    lab_kernel.run("%unload_ext jo_notebook", "b")
    assert "not found" in lab_kernel.run("%plan", allow_error=True).stderr
