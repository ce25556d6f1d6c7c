"""`%materialize --executor processes` in a kernel: results, output and pictures come back, what dies or stops ends."""

from __future__ import annotations

import os
import time
from pathlib import Path

import psutil
import pytest

from tests.journeys.asking import result
from tests.kernel import Kernel


def define(kernel: Kernel, setup: str, **bodies: str) -> None:
    """Load the extension, run the setup, and make each of these a step in a cell of its own."""
    kernel.run("%load_ext jo_notebook", "a")
    kernel.run(setup, "b")
    for number, (name, text) in enumerate(bodies.items()):
        assert not kernel.run(f"%%step {name}\n{text}", f"c{number}").error


def log(kernel: Kernel, name: str) -> str:
    return kernel.run(f"%log {name}").stdout


def is_there(pid: int) -> bool:
    """Whether a process is alive."""
    return psutil.pid_exists(pid) and psutil.Process(pid).status() != psutil.STATUS_ZOMBIE


def gone(pid: int) -> bool:
    """Whether a process is gone within some seconds."""
    until = time.monotonic() + 10
    while is_there(pid) and time.monotonic() < until:
        time.sleep(0.05)
    return not is_there(pid)


def test_steps_run_in_other_processes(lab_kernel: Kernel) -> None:
    setup = "import os\nfrom IPython.display import HTML, display\nimport numpy as np\nK = 2\n"
    setup += "def twice(x):\n    return K * x\n"
    setup += "class Point:\n    def __init__(self, x):\n        self.x = x\n"
    define(
        lab_kernel,
        setup,
        Load="print('loading')\ndisplay(HTML('<b>shown</b>'))\nnp.arange(4)",
        Twice="twice(Load)",
        Where="(os.getpid(), Point(3))",
        Shell="x = !echo from the shell\nprint(x[0])\n!echo directly\nx[0]",
        Figure="import matplotlib.pyplot as plt\nplt.plot([1, 2])\nplt.show()\n1",
    )
    reply = lab_kernel.run("%materialize --executor processes --jobs 2")
    assert not reply.error
    assert "loading\n" in reply.stdout
    assert "<b>shown</b>" in str([message["content"] for message in reply.messages])
    assert result(lab_kernel.run("[int(x) for x in Twice]")) == "[0, 2, 4, 6]"
    assert (
        result(lab_kernel.run("Where[0] != os.getpid(), isinstance(Where[1], Point), Where[1].x")) == "(True, True, 3)"
    )
    assert "loading" in log(lab_kernel, "Load")
    assert "from the shell\ndirectly\n" in log(lab_kernel, "Shell").replace("\r", "")
    entries = lab_kernel.run("p = %pipeline\n[[mime for mime, _ in e.data] for e in p.log('Figure') if e.data]")
    assert "image/png" in result(entries)
    assert "image/png" in str([message["content"].get("data", {}).keys() for message in reply.messages])
    records = lab_kernel.run("{r.executor for r in p.context.records.values()}")
    assert result(records) == "{'processes'}"
    again = lab_kernel.run("%materialize --executor processes --jobs 2")
    assert "Ran" not in again.stdout


def test_the_error_is_the_users_with_the_lines_of_the_cell(lab_kernel: Kernel) -> None:
    setup = "def helper(x):\n    return 1 / x\n"
    define(lab_kernel, setup, Zero="0", Bad="a = Zero\nhelper(a)  # here", After="Bad", Beside="1")
    reply = lab_kernel.run("%materialize --executor processes", allow_error=True)
    told = reply.error
    assert "ZeroDivisionError" in told
    assert "helper(a)  # here" in told
    assert "return 1 / x" in told
    assert "elsewhere.py" not in told
    assert "loky" not in told
    assert "helper(a)  # here" in log(lab_kernel, "Bad")
    assert result(lab_kernel.run("Beside")) == "1"


def test_a_process_that_is_killed_costs_a_try(lab_kernel: Kernel, tmp_path: Path) -> None:
    dying = "import os, signal\nopen('tries.txt', 'a').write('x')\n"
    dying += "if len(open('tries.txt').read()) < 2:\n    os.kill(os.getpid(), signal.SIGKILL)\n'done'"
    define(lab_kernel, "", Dies=dying, Beside="import time\ntime.sleep(1)\n'beside'", After="Dies + Beside")
    reply = lab_kernel.run("%materialize After --executor processes --jobs 2")
    assert result(reply) == "'donebeside'"
    assert "the process that ran Dies died (SIGKILL(-9))" in reply.stdout
    assert (tmp_path / "tries.txt").read_text() == "xx"


def test_interrupt_ends_the_processes_of_a_step(lab_kernel: Kernel, tmp_path: Path) -> None:
    body = "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '600'])\n"
    body += "open('pids.txt', 'w').write(f'{os.getpid()} {child.pid}')\ntime.sleep(600)"
    define(lab_kernel, "", Quick="1", Long=body)
    request = lab_kernel.send("%materialize --executor processes --jobs 2")
    until = time.monotonic() + 30
    while not (tmp_path / "pids.txt").exists() and time.monotonic() < until:
        time.sleep(0.05)
    while not list(tmp_path.rglob("results/*uick*/*")) and time.monotonic() < until:
        time.sleep(0.05)
    _, child = map(int, (tmp_path / "pids.txt").read_text().split())
    began = time.monotonic()
    lab_kernel.interrupt()
    reply = lab_kernel.wait(request)
    assert time.monotonic() - began < 5
    assert "Interrupted" in reply.stdout
    assert gone(child)
    assert result(lab_kernel.run("Quick")) == "1"


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_killed_kernel_leaves_no_process(lab_kernel: Kernel, tmp_path: Path) -> None:
    body = "import os, subprocess, time\nchild = subprocess.Popen(['sleep', '600'])\n"
    body += "open('pids.txt', 'w').write(f'{os.getpid()} {child.pid}')\ntime.sleep(600)"
    define(lab_kernel, "", Long=body)
    lab_kernel.send("%materialize --executor processes")
    until = time.monotonic() + 30
    while not (tmp_path / "pids.txt").exists() and time.monotonic() < until:
        time.sleep(0.05)
    worker, child = map(int, (tmp_path / "pids.txt").read_text().split())
    lab_kernel.kill()
    assert gone(worker)
    assert gone(child)
