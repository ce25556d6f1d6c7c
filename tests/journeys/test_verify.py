"""`%verify` in a notebook, `jo verify` beside it: what a second run in a clean process says."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartKernel
from tests.kernel import Kernel
from tests.test_cli import jo, notebook


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel with the notebook's own helpers and classes; each test gives its steps names of their own."""
    kernel = Kernel(tmp_path_factory.mktemp("verify"))
    kernel.run("%load_ext jo_notebook")
    kernel.run(
        "import math\nimport numpy as np\nimport pandas as pd\n"
        "from dataclasses import dataclass\nfrom enum import Enum\n"
        "K = 3\nword = 'hello'\n"
        "def inner(x):\n    return x * K\n"
        "def helper(x):\n    return math.floor(inner(x))\n"
        "square = lambda x: x * x\n"
        "class Model:\n    depth = 2\n    def __init__(self, n):\n        self.n = helper(n)\n"
        "    def __eq__(self, other):\n        return self.n == other.n\n    __hash__ = None\n"
        "@dataclass\nclass Point:\n    x: float\n    y: float = 0.0\n"
        "class Colour(Enum):\n    RED = 1"
    )
    kernel.run("%%step Load --run\n[3, 1, 2]")
    yield kernel
    kernel.close()


SAME = {
    "helpers": "[helper(x) + square(x) for x in Load]",
    "a class": "Model(2)",
    "a dataclass": "[Point(1.0), Point(2.0, 3.0)]",
    "an enum": "{Colour.RED: 1}",
    "classes inside": "{'a': (Model(1), [Point(0.0)])}",
    "a frame": "pd.DataFrame({'a': Load, 'b': list('xyz')})",
    "an array": "np.array(Load) / K",
    "a shell command": "out = !echo one two\nlist(out)",
    "a shell command with a name of the step": "x = 5\nout = !echo {x}\nlist(out)",
    "a shell command with a dollar": "x = 5\nout = !echo $x\nlist(out)",
    "a shell command with a name of the notebook": "word\nout = !echo {word}\nlist(out)",
    "a shell command that prints": "!echo one\n1",
    "%time": "%time y = 1 + 1\ny",
    "%time with an input": "Load\n%time y = len(Load)\ny",
    "%time with a name of the step": "x = 5\n%time y = x + 1\ny",
    "%time with a name of the notebook": "helper\n%time y = helper(4)\ny",
    "%%capture": "%%capture said\nprint('x')",
    "an async body": (
        "import asyncio\nawait asyncio.sleep(0)\nawait asyncio.gather(asyncio.sleep(0, 1), asyncio.sleep(0, 2))"
    ),
    "a display": "from IPython.display import display\ndisplay(1)\n2",
    "get_ipython": "type(get_ipython()).__mro__[-1].__name__",
}


@pytest.mark.parametrize("what", SAME)
def test_the_same(shared: Kernel, what: str) -> None:
    """Whatever a body is made of comes back in a clean process, and gives the same."""
    name = "S" + hashlib.md5(what.encode()).hexdigest()[:8]
    shared.run(f"%%step {name}\n{SAME[what]}", name)
    shared.run(f"%materialize {name};")
    said = shared.run(f"%verify {name}").stdout
    assert said.startswith(f"[=] {name} gives the same again"), said


@pytest.mark.parametrize("options", ["--seed 5", "--params alpha=2", "--depends-on x=Load", "--env HOME"])
def test_options(shared: Kernel, options: str) -> None:
    """What stands behind the step's name holds for the second run too."""
    name = "O" + hashlib.md5(options.encode()).hexdigest()[:8]
    reads = {"--seed": "import random\n(random.random(), np.random.rand())", "--params": "alpha * 2"}
    reads |= {"--depends-on": "sorted(x)", "--env": "import os\nos.environ['HOME']"}
    shared.run(f"%%step {name} {options}\n{reads[options.split()[0]]}", name)
    shared.run(f"%materialize {name};")
    assert shared.run(f"%verify {name}").stdout.startswith(f"[=] {name} gives the same again")


def test_check_raises(shared: Kernel) -> None:
    """With --check a difference is an error; without, a line. A step that is the same raises nothing."""
    shared.run("%%step Chance --run\nimport random\nrandom.random()", "chance")
    shared.run("%%step Sure --run\n1", "sure")
    said = shared.run("%verify Chance Sure").stdout.splitlines()
    assert said[0].startswith("[!] Chance gives something else again")
    assert said[1].startswith("      the value: 0.")
    assert said[2].startswith("[=] Sure gives the same again")
    failed = shared.run("%verify --check Chance Sure", allow_error=True)
    assert "[!] Chance gives something else again" in failed.error
    assert "Traceback" not in failed.error
    assert shared.run("%verify --check Sure").stdout.startswith("[=] Sure")
    shared.run("0", "chance")


def test_hidden_inputs_with_the_option(shared: Kernel) -> None:
    """What it read unsaid stands below its line, to be pasted."""
    (shared.cwd / "data of mine.csv").write_text("1")
    shared.run("%%step Reads --run\nimport os\n(open('data of mine.csv').read(), os.environ['HOME'])", "reads")
    said = shared.run("%verify Reads").stdout
    assert "      it opened 'data of mine.csv': --reads 'data of mine.csv' declares it\n" in said
    assert "      it read the environment's HOME: --env HOME declares it\n" in said
    shared.run("0", "reads")


def test_what_was_not_materialized(shared: Kernel) -> None:
    """It is said and nothing runs."""
    shared.run("%%step Later\nopen('later', 'w').close()", "later")
    assert shared.run("%verify Later").stdout == "[ ] Later was not run again: it is missing: materialize it first.\n"
    assert not (shared.cwd / "later").exists()
    shared.run("0", "later")


def test_a_kernel_goes_on(shared: Kernel) -> None:
    """Names, results and plans of this kernel are what they were."""
    before = shared.run("%steps\n%plan").stdout
    shared.run("x_before = 1\n%verify Load")
    assert shared.run("%steps\n%plan").stdout == before
    assert shared.run("x_before").text == "1"
    assert "False" in shared.run("pipeline = %pipeline\npipeline.is_running").text


def test_an_interrupt(shared: Kernel) -> None:
    """*Stop* ends a second run that takes long; the kernel is free at once, and no process is left."""
    body = (
        "import os, time\nif os.path.exists('slow'):\n"
        "    open('pid', 'w').write(str(os.getpid()))\n    time.sleep(60)\n1"
    )
    shared.run(f"%%step Slow --run\n{body}", "slow")
    (shared.cwd / "slow").touch()
    asked = shared.send("%verify Slow")
    deadline = time.monotonic() + 30
    while not (shared.cwd / "pid").exists() or not (shared.cwd / "pid").read_text():
        assert time.monotonic() < deadline
        time.sleep(0.05)
    shared.interrupt()
    reply = shared.wait(asked, timeout=20)
    assert "KeyboardInterrupt" in reply.error
    assert shared.run("1").text == "1"
    pid = int((shared.cwd / "pid").read_text())
    time.sleep(0.5)
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    shared.run("0", "slow")


def test_after_a_restart(start_kernel: StartKernel) -> None:
    """A kernel that has run no cell can verify what it finds."""
    kernel = start_kernel()
    kernel.run("%load_ext jo_notebook")
    kernel.run("K = 2\nclass Model:\n    def __init__(self, n):\n        self.n = n * K")
    kernel.run("%%step A\nModel(3)")
    kernel.run("%%step B --run\nA.n + 1")
    kernel.restart()
    kernel.run("%load_ext jo_notebook")
    assert [line[:5] for line in kernel.run("%verify").stdout.splitlines()] == ["[=] A", "[=] B"]


def test_a_name_that_only_the_text_of_a_magic_reads(shared: Kernel) -> None:
    """The clean process has it too; what the command itself depends on is not tracked."""
    shared.run("%%step Hidden --run\nout = !echo {K}\nlist(out)", "hidden")
    assert "Not tracked" in shared.run("%explain Hidden").stdout
    assert shared.run("%verify Hidden").stdout.startswith("[=] Hidden gives the same again")
    shared.run("0", "hidden")


def test_results_in_memory(kernel: Kernel) -> None:
    """Where nothing is on disk, one clear error."""
    kernel.run("import jo_notebook\np = jo_notebook.Pipeline()")
    assert "Only results on disk can be verified" in kernel.run("p.verify()", allow_error=True).error


def test_the_command(tmp_path: Path) -> None:
    """`jo verify` reads files; with --rerun it runs steps; exit codes say what came of it."""
    cells = ["%load_ext jo_notebook", "K = 2", "%%step A\n[K, K + 1]", "%%step B\nsum(A)"]
    notebook(tmp_path / "n.ipynb", *cells)
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    checked = jo("verify", "n.ipynb", cwd=tmp_path)
    assert (checked.returncode, checked.stdout, checked.stderr) == (0, "Every stored file is whole.\n", "")
    rerun = jo("verify", "n.ipynb", "--rerun", cwd=tmp_path)
    assert (rerun.returncode, rerun.stderr) == (0, "")
    assert [line.partition(" (")[0] for line in rerun.stdout.splitlines()] == [
        f"[=] {n} gives the same again" for n in "AB"
    ]

    notebook(tmp_path / "n.ipynb", *cells, "%%step Chance\nimport random\nrandom.random()")
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    different = jo("verify", "n.ipynb", "--rerun", cwd=tmp_path)
    assert different.returncode == 1
    assert "[!] Chance gives something else again" in different.stdout + different.stderr
    assert "Traceback" not in different.stderr
    assert jo("verify", "--rerun", "n.ipynb", "A", cwd=tmp_path).returncode == 0, "only what is asked for"
    unknown = jo("verify", "n.ipynb", "--rerun", "Chnace", cwd=tmp_path)
    assert (unknown.returncode, "Did you mean Chance?" in unknown.stderr) == (2, True)

    (path,) = (p for p in tmp_path.glob("n.jo/results/a-*/*") if p.name.isdigit())
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 1
    path.write_bytes(bytes(data))
    damaged = jo("verify", "n.ipynb", cwd=tmp_path)
    assert damaged.returncode == 1
    assert "Damaged on disk:" in damaged.stdout + damaged.stderr
    assert "  A" in damaged.stdout + damaged.stderr or "results/a-" in damaged.stdout + damaged.stderr
    assert "Traceback" not in damaged.stderr


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["verify"], "SOURCE", id="no notebook"),
        pytest.param(["verify", "--rerun"], "SOURCE", id="no notebook, --rerun"),
        pytest.param(["verify", "n.ipynb", "--chekc", "--rerun"], "Did you mean --check", id="a mistyped option"),
        pytest.param(["verify", "nowhere.ipynb"], "There is no notebook at", id="nowhere"),
    ],
)
def test_bad_usage_of_the_command(tmp_path: Path, words: list[str], expected: str) -> None:
    """Exit code 2 and what is missing."""
    notebook(tmp_path / "n.ipynb", "%%step A\n1")
    done = jo(*words, cwd=tmp_path)
    assert done.returncode == 2
    assert expected in done.stdout + done.stderr
    assert "Traceback" not in done.stderr


def test_the_commands_help_knows_rerun(tmp_path: Path) -> None:
    """What the command can do stands in its help."""
    said = jo("verify", "--help", cwd=tmp_path)
    assert (said.returncode, "--rerun" in said.stdout) == (0, True)


def test_a_step_named_without_rerun(tmp_path: Path) -> None:
    """A step that is named is not silently left out: it is checked, or the answer says that all are."""
    notebook(tmp_path / "n.ipynb", "%%step A\n1")
    jo("run", "n.ipynb", cwd=tmp_path)
    done = jo("verify", "n.ipynb", "Nobody", cwd=tmp_path)
    assert done.returncode == 2, done.stdout
