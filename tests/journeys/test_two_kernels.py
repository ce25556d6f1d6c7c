"""Two kernels on one notebook: each sees what the other does and has finished, and neither harms the other."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import nbformat
from nbformat.v4 import new_code_cell, new_notebook

from tests.conftest import StartKernel
from tests.journeys.asking import body, result, runs, states, wait_for_notes

CELLS = {
    "b": "%%step Load\n" + body("Load", "list(range(5))"),
    "c": "%%step Left\n" + body("Left", "import time\ntime.sleep(0.5)\nsum(Load)"),
    "d": "%%step Right\n" + body("Right", "import time\ntime.sleep(0.5)\nmax(Load)"),
}

SLOW = {
    "b": "%%step Load\n" + body("Load", "import time\ntime.sleep(1)\nlist(range(5))"),
    "c": "%%step Clean\n" + body("Clean", "import time\ntime.sleep(1)\nsum(Load)"),
    "d": "%%step Model\n" + body("Model", "import time\ntime.sleep(1)\nClean + 1"),
}
WAITING = re.compile(
    r"^(\w+) is being run by another kernel \(pid \d+ on \S+, since [\d:]{8}\); waiting for its result\.$", re.M
)


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
    """One of them runs it, both have it."""
    first, second = start_kernel(), start_kernel()
    for kernel in (first, second):
        kernel.run("%load_ext jo_notebook")
        kernel.run(CELLS["b"])
        kernel.run(CELLS["c"])
    waiting = first.send("%materialize Left"), second.send("%materialize Left")
    assert [result(first.wait(waiting[0])), result(second.wait(waiting[1]))] == ["10", "10"]
    assert sorted(runs(tmp_path)) == ["Left", "Load"]
    third = start_kernel()
    assert "2 steps in notebook.jo: 2 available" in third.run("%load_ext jo_notebook").stdout
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


def test_each_step_of_a_pipeline_runs_once_between_them(start_kernel: StartKernel, tmp_path: Path) -> None:
    """Both run the whole of it at the same time; the one that comes second says for whom it waits."""
    kernels = start_kernel(), start_kernel()
    for kernel in kernels:
        kernel.run("%load_ext jo_notebook")
        for code in SLOW.values():
            kernel.run(code)
    waiting = [kernel.send("%materialize Model") for kernel in kernels]
    replies = [kernel.wait(request) for kernel, request in zip(kernels, waiting, strict=True)]
    assert [result(reply) for reply in replies] == ["11", "11"]
    assert sorted(runs(tmp_path)) == ["Clean", "Load", "Model"]
    assert any(WAITING.findall(reply.stdout) for reply in replies), [reply.stdout for reply in replies]
    assert any("another kernel made" in reply.stdout for reply in replies)
    for kernel in kernels:
        assert set(states(kernel).values()) == {"available"}
        assert result(kernel.run("Model + Clean")) == "21"
    assert runs(tmp_path) == []


def test_the_command_line_and_who_comes_later_see_that_a_kernel_is_at_work(
    start_kernel: StartKernel, tmp_path: Path
) -> None:
    """`jo run` waits for the notebook's own kernel, and a kernel that starts now says what is going on."""
    path, gate = tmp_path / "notebook.ipynb", tmp_path / "gate"
    wait = f"import pathlib, time\nwhile not pathlib.Path({str(gate)!r}).exists():\n    time.sleep(0.02)\n"
    cells = ["%%step Load\n" + body("Load", wait + "list(range(5))"), "%%step Sum\n" + body("Sum", "sum(Load)")]
    nbformat.write(new_notebook(cells=[new_code_cell(code) for code in cells]), path)
    first, second = start_kernel(), start_kernel()
    first.run("%load_ext jo_notebook")
    for code in cells:
        first.run(code)
    request = first.send("%materialize Sum")
    wait_for_notes(tmp_path, 1)
    found = second.run("%load_ext jo_notebook").stdout
    assert re.search(r"^Running in another kernel: Load \(pid \d+ on \S+, since [\d:]{8}\)\.$", found, re.M), found

    command = [sys.executable, "-m", "jo_notebook.cli", "run", str(path)]
    with subprocess.Popen(command, cwd=tmp_path, stdout=subprocess.PIPE, text=True) as headless:
        assert headless.stdout
        assert WAITING.fullmatch(headless.stdout.readline().rstrip("\n"))
        gate.touch()
        rest = headless.stdout.read()
    assert headless.returncode == 0
    assert "another kernel made" in rest
    assert result(first.wait(request)) == "10"
    assert sorted(runs(tmp_path)) == ["Load", "Sum"]
    assert "another kernel" not in second.run("%resume").stdout
