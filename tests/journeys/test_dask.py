"""`%materialize --executor dask` in a kernel: quiet, with pictures, and nothing remains."""

from __future__ import annotations

import psutil

from tests.cases.clusters import until
from tests.kernel import Kernel


def test_a_cluster_of_its_own_is_quiet_and_ends_with_the_kernel(kernel: Kernel) -> None:
    kernel.run("%load_ext jo_notebook")
    kernel.run("import os\nimport matplotlib.pyplot as plt", "a")
    kernel.run("%%step A\nos.getpid()", "b")
    kernel.run("%%step B\nprint('hello')\nplt.plot([1, 2])\nplt.show()\nA + 1", "c")
    for line in ("%materialize B --executor dask", "%materialize B --executor dask --force"):
        said = kernel.run(line, "d")
        assert "hello\n" in said.stdout
        assert said.stderr == ""
        assert any("image/png" in bundle for bundle in said.displays)
    assert kernel.run("import asyncio\nawait asyncio.sleep(0.2)", "e").stderr == ""
    pid = int(kernel.run("A").text)
    assert pid != int(kernel.run("os.getpid()").text)
    assert kernel.run("B").text == str(pid + 1)
    assert psutil.pid_exists(pid)
    kernel.close()
    until(lambda: not psutil.pid_exists(pid))


def test_nobody_at_an_address_is_one_clear_line(kernel: Kernel) -> None:
    kernel.run("%load_ext jo_notebook")
    kernel.run("import jo_notebook.engine.cluster as c\nc.PATIENCE = 1", "a")
    kernel.run("%%step A\n1", "b")
    said = kernel.run("%materialize A --executor dask:tcp://127.0.0.1:9", "c", allow_error=True)
    assert "No Dask scheduler answers at tcp://127.0.0.1:9" in said.stderr + said.error
    assert "never awaited" not in said.stderr + said.error
