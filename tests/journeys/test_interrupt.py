"""*Interrupt* and *Cancel* stop a run; what was finished is kept, and the next run goes on from there."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from tests.journeys.asking import (
    BUTTON_CLICK,
    body,
    buttons,
    models,
    node_click,
    open_subshell,
    result,
    runs,
    send_comm,
    states,
    wait_for_notes,
    wait_for_states,
)
from tests.kernel import Kernel

SLOW = {
    "plain": "import time\nif slow:\n    for _ in range(400):\n        time.sleep(0.05)\nsum(Load)",
    "asynchronous": "import asyncio\nif slow:\n    await asyncio.sleep(20)\nsum(Load)",
}
STOPPED = {"Load": "available", "Slow": "missing", "Last": "missing"}
ALL = dict.fromkeys(STOPPED, "available")


def define(kernel: Kernel, kind: str = "plain") -> str:
    """Load, Slow (20 seconds, unless there is a file `quick`) and Last; returns the comm of a picture."""
    kernel.run("%load_ext jo_notebook", "a")
    kernel.run("%%step Load\n" + body("Load", "[3, 1, 2]"), "b")
    kernel.run("%%step Slow\nimport os\nslow = not os.path.exists('quick')\n" + body("Slow", SLOW[kind]), "c")
    kernel.run("%%step Last\n" + body("Last", "Slow + 1"), "d")
    (drawing,) = models(kernel.run("%graph", "e"), "CytoscapeModel")
    return drawing


def goes_on(kernel: Kernel, place: Path) -> None:
    """The next run takes up where the last one was stopped."""
    assert states(kernel) == STOPPED
    runs(place)
    (place / "quick").touch()
    assert result(kernel.run("%materialize Last")) == "7"
    assert runs(place) == ["Slow", "Last"]
    assert states(kernel) == ALL


@pytest.mark.parametrize("kind", SLOW)
def test_a_materialize_is_interrupted(lab_kernel: Kernel, tmp_path: Path, kind: str) -> None:
    """One line says what was kept, and one short traceback shows the user's own line, none of ours."""
    define(lab_kernel, kind)
    request = lab_kernel.send("%materialize Last", "f")
    wait_for_notes(tmp_path, 2)
    time.sleep(0.2)
    stopped = time.monotonic()
    lab_kernel.interrupt()
    reply = lab_kernel.wait(request)
    assert time.monotonic() - stopped < 5
    assert "Interrupted. What was finished is kept.\n" in reply.stdout
    assert reply.error.startswith("KeyboardInterrupt")
    assert reply.error.count("Traceback (most recent call last)") == (kind == "plain")
    assert "jo_notebook" not in reply.error
    assert result(lab_kernel.run("Load")) == "[3, 1, 2]"
    goes_on(lab_kernel, tmp_path)


def test_a_click_run_is_interrupted(lab_kernel: Kernel, tmp_path: Path) -> None:
    """The stop button works for a run that a click started."""
    drawing = define(lab_kernel)
    lab_kernel.comm(drawing, node_click("Last"))
    wait_for_notes(tmp_path, 2)
    time.sleep(0.2)
    lab_kernel.interrupt()
    wait_for_states(lab_kernel, STOPPED, timeout=5)
    told = result(lab_kernel.run("pipeline = %pipeline\npipeline.message()"))
    assert told == "'Interrupted. What was finished is kept.'"
    assert result(lab_kernel.run("pipeline.running, pipeline.queued, pipeline.is_running")) == (
        "(frozenset(), frozenset(), False)"
    )
    goes_on(lab_kernel, tmp_path)


def test_cancel_stops_what_runs(lab_kernel: Kernel, tmp_path: Path) -> None:
    """The picture's button, over a subshell as JupyterLab sends it, while the main thread is busy."""
    lab_kernel.run("%load_ext jo_notebook", "a")
    subshell = open_subshell(lab_kernel)
    if not subshell:
        pytest.skip("this ipykernel has no subshells: Cancel is heard when the step is done")
    drawing = define(lab_kernel)
    graph = lab_kernel.run("%graph", "e")
    (drawing,) = models(graph, "CytoscapeModel")
    lab_kernel.comm(drawing, node_click("Last"))
    wait_for_notes(tmp_path, 2)
    time.sleep(0.2)
    send_comm(lab_kernel, buttons(graph)["Cancel"], BUTTON_CLICK, subshell)
    wait_for_states(lab_kernel, STOPPED, timeout=5)
    goes_on(lab_kernel, tmp_path)


def test_cancel_drops_what_waits(lab_kernel: Kernel, tmp_path: Path) -> None:
    """A run that has not begun never begins; nothing stays queued."""
    define(lab_kernel)
    lab_kernel.run(
        "import time\npipeline = %pipeline\n"
        'pipeline.request({"verb": "materialize", "step": "Last"})\nwaiting = set(pipeline.queued)\n'
        'time.sleep(0.2)\npipeline.request({"verb": "cancel"})',
        "f",
    )
    time.sleep(0.3)
    assert result(lab_kernel.run("sorted(waiting), pipeline.queued")) == "(['Last', 'Load', 'Slow'], frozenset())"
    assert runs(tmp_path) == []
    assert set(states(lab_kernel).values()) == {"missing"}


def test_a_killed_run_goes_on_in_the_next_kernel(lab_kernel: Kernel, tmp_path: Path) -> None:
    """Results are on disk as each step finishes, so a crash costs the running step alone."""
    define(lab_kernel)
    lab_kernel.send("%materialize Last", "f")
    wait_for_notes(tmp_path, 2)
    lab_kernel.kill()
    lab_kernel.restart()
    assert "3 steps in analysis.jo: 1 available, 2 missing" in lab_kernel.run("%load_ext jo_notebook", "a").stdout
    goes_on(lab_kernel, tmp_path)
