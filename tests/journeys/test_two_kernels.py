"""Two kernels on one notebook: each sees what the other has finished, and neither harms the other."""

from __future__ import annotations

from pathlib import Path

from tests.conftest import StartKernel
from tests.journeys.asking import body, result, runs, states

CELLS = {
    "b": "%%step Load\n" + body("Load", "list(range(5))"),
    "c": "%%step Left\n" + body("Left", "import time\ntime.sleep(0.5)\nsum(Load)"),
    "d": "%%step Right\n" + body("Right", "import time\ntime.sleep(0.5)\nmax(Load)"),
}


def test_two_kernels_on_one_notebook(start_kernel: StartKernel, tmp_path: Path) -> None:
    """What one has made the other loads; both may run at once; the newest result wins in both."""
    first, second = start_kernel(), start_kernel()
    for kernel in (first, second):
        kernel.run("%load_ext jo_notebook")
        for code in CELLS.values():
            kernel.run(code)
    assert result(first.run("%materialize Load")) == "[0, 1, 2, 3, 4]"
    assert result(second.run("%materialize Load")) == "[0, 1, 2, 3, 4]"
    assert runs(tmp_path) == ["Load"]

    waiting = first.send("%materialize Left"), second.send("%materialize Right")
    assert [result(first.wait(waiting[0])), result(second.wait(waiting[1]))] == ["10", "4"]
    assert sorted(runs(tmp_path)) == ["Left", "Right"]
    for kernel in (first, second):
        assert kernel.run("%materialize").stdout.startswith(("Nothing to run", "1 loaded"))
        assert set(states(kernel).values()) == {"available"}
    assert result(first.run("Right")) == "4"
    assert runs(tmp_path) == []


def test_both_run_the_same_step_at_once(start_kernel: StartKernel, tmp_path: Path) -> None:
    """Twice the work, one whole result."""
    first, second = start_kernel(), start_kernel()
    for kernel in (first, second):
        kernel.run("%load_ext jo_notebook")
        kernel.run(CELLS["b"])
        kernel.run(CELLS["c"])
    waiting = first.send("%materialize Left"), second.send("%materialize Left")
    assert [result(first.wait(waiting[0])), result(second.wait(waiting[1]))] == ["10", "10"]
    third = start_kernel()
    assert "2 steps in notebook.jo: 2 available" in third.run("%load_ext jo_notebook").stdout
    runs(tmp_path)
    assert result(third.run("%materialize Left")) == "10"
    assert runs(tmp_path) == []


def test_the_other_kernels_edit_is_seen(start_kernel: StartKernel, tmp_path: Path) -> None:
    """A result made from other code is not taken for this kernel's own."""
    first, second = start_kernel(), start_kernel()
    for kernel, code in ((first, "%%step A\n1"), (second, "%%step A\n2")):
        kernel.run("%load_ext jo_notebook")
        kernel.run(code)
    assert result(first.run("%materialize A")) == "1"
    assert result(second.run("%materialize A")) == "2"
    assert result(first.run("%materialize A")) == "1"
