"""Whatever is wrong, the user reads one clear error that says what to do; steps and results stay as they were."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartKernel
from tests.journeys.asking import result
from tests.kernel import Kernel, Reply

CASES: dict[str, tuple[str, str]] = {
    "no name": ("%%step\n1", "A step needs a name, for instance: %%step Clean --depends-on Load"),
    "no name in the comment form": ("#| step: <- Load\n1", "A step needs a name"),
    "no name, no body": ("%%step", "A step needs a name"),
    "no identifier": ("%%step 2nd\n1", "'2nd' cannot name a step"),
    "a hyphen": ("%%step my-step\n1", "for instance my_step"),
    "a word of Python": ("%%step class\n1", "it is a word of Python. Try ClassStep."),
    "a reserved name": ("%%step __doc__\n1", "reserved"),
    "two names": ("%%step A B\n1", "%%step A --depends-on B"),
    "an overlong name": (f"%%step {'a' * 200}\n1", "at most 128 characters"),
    "unknown option": ("%%step A --depend-on Load\n1", "Did you mean --depends-on?"),
    "an option without its value": ("%%step A --depends-on\n1", "--depends-on"),
    "an open quotation": ('%%step A --params "x=1\n1', "cannot be read"),
    "parameters that are no values": ("%%step A --params x=open\n1", "Write plain values by name"),
    "a parameter and a dependency": (
        "%%step A --depends-on Load --params Load=1\n1",
        "Load is a dependency and a param",
    ),
    "two inputs of one name": ("%%step A --depends-on x=Load,x=Clean\n1", "--depends-on other=Clean"),
    "a bad dependency": ("%%step A --depends-on 1x\n1", "'1x' cannot name a step"),
    "itself": ("%%step A --depends-on A\nA", "A would depend on itself"),
    "missing dependency": ("%materialize Waiting", "Waiting depends on Unheard, which is not registered."),
    "mistyped dependency": ("%materialize Typo", "Typo depends on Lod, which is not registered. Did you mean Load?"),
    "cycle": ("%%step Load --depends-on Count\nCount", "These steps wait for each other: Load ← Count ← Clean ← Load"),
    "syntax error": ("%%step A\nx = 1\ny = (x +\n", "line 3: '(' was never closed"),
    "syntax error in one line": ("%%step A\nx = = 1", "    x = = 1\n        ^"),
    "return outside what Python allows": ("%%step A\nclass B:\n    return 1", "'return' outside function"),
    "a star import": ("%%step A\nfrom math import *", "import * only allowed at module level"),
    "empty body": ("%%step A", "has no body"),
    "a body of blanks": ("%%step A\n\n   \n", "has no body"),
    "a body of comments": ("%%step A\n# later\n", "has no body"),
    "unknown head": ("%materialize Laod", "There is no step called 'Laod'. Did you mean Load?"),
    "unknown head of a plan": ("%plan Nothing_like_it", "Steps are: Load, Clean, Count"),
    "a head that is no name": ("%explain 1+1", "'1+1' cannot name a step"),
    "unknown verb": ("%jo materialise Load", "There is no verb 'materialise'. Did you mean materialize?"),
    "unknown option of a verb": ("%materialize --forse", "Did you mean --force?"),
    "a verb without its name": ("%explain", "NAME"),
    "forget nothing": ("%forget", "NAME"),
    "forget a stranger": ("%forget Laod", "Did you mean Load?"),
    "accept nothing": ("%accept", "NAME"),
    "accept a stranger": ("%accept Laod", "Did you mean Load?"),
    "accept what never ran": ("%accept Waiting", "Waiting has no result to accept: run it first"),
    "pin nothing": ("%pin", "NAME"),
    "pin what never ran": ("%pin Waiting", "Waiting has no result to pin: run it first"),
    "pin a stranger": ("%pin --off Laod", "Did you mean Load?"),
    "verify a stranger": ("%verify Laod", "Did you mean Load?"),
    "verify with a mistyped option": ("%verify --chek", "Did you mean --check"),
    "reads and writes one file": ("%%step A --reads a.csv --writes a.csv\n1", "A would read and write a.csv"),
    "a seed that is no number": ("%%step A --seed luck\n1", "--seed"),
    "an ignored name that is none": ("%%step A --ignore a-b\n1", "a_b"),
    "an empty file name": ("%%step A --reads ''\n1", "A file needs a name"),
    "like nobody": ("%step A --like Laod", "There is no step called 'Laod'. Did you mean Load?"),
    "like itself": ("%step Load --like Load", "Load cannot be like itself"),
    "--like in a cell": ("%%step A --like Load\n1", "--like is for a line of its own"),
    "%step without --like": ("%step A", "use %%step on its first line"),
    "a picture of no kind": ("%graph -o graph.gif", ".svg or .mmd"),
    "a picture nowhere": ("%graph -o no/such/place.svg", "cannot be written to no/such/place.svg"),
    "a place below a file": ("%context at taken/results.jo", "taken"),
    "%pipeline with words": ("%pipeline now", "takes no arguments"),
}


@pytest.fixture(scope="module")
def ready(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """Load, Clean and Count are available; two steps wait for what nobody defined."""
    place = tmp_path_factory.mktemp("bad")
    kernel = Kernel(place)
    (place / "taken").write_text("a file")
    kernel.run("%load_ext jo_notebook")
    kernel.run("%%step Load\n[3, 1, 2]", "load")
    kernel.run("%%step Clean\nsorted(Load)", "clean")
    kernel.run("%%step Count\nlen(Clean)", "count")
    kernel.run("%materialize")
    kernel.run("%%step Waiting --depends-on Unheard\nUnheard", "waiting")
    kernel.run("%%step Typo --depends-on Lod\nLod", "typo")
    yield kernel
    kernel.close()


def store(kernel: Kernel) -> dict[str, bytes]:
    """Every byte of every result and definition."""
    place = kernel.cwd / "notebook.jo"
    return {str(p.relative_to(place)): p.read_bytes() for p in sorted(place.rglob("*")) if p.is_file()}


def check_one_error(reply: Reply) -> str:
    """One error, in a sentence or two, without a traceback and without anything on the side; its text."""
    errors = [m for m in reply.messages if m["msg_type"] == "error"]
    assert len(errors) == 1, reply.stderr + reply.stdout
    assert "Traceback" not in reply.error
    assert reply.stderr == ""
    assert reply.text == ""
    text = str(errors[0]["content"]["evalue"])
    assert len(text) < 400
    assert errors[0]["content"]["ename"].endswith(("Error", "RunInProgress"))
    return text


@pytest.mark.parametrize("case", CASES)
def test_one_clear_error(ready: Kernel, case: str) -> None:
    """The message holds the words; %steps, %plan and the store are what they were."""
    code, words = CASES[case]
    before = ready.run("%steps\n%plan").stdout, store(ready)
    cell = "load" if case == "cycle" else f"cell {case}"
    text = check_one_error(ready.run(code, cell, allow_error=True))
    assert words in text
    assert (ready.run("%steps\n%plan").stdout, store(ready)) == before


def test_a_second_cell_for_one_name(ready: Kernel) -> None:
    """Both cells are named."""
    before = ready.run("%steps\n%plan").stdout, store(ready)
    text = check_one_error(ready.run("%%step Load\n[1]", "another", allow_error=True))
    assert "(load)" in text
    assert "(another)" in text
    assert (ready.run("%steps\n%plan").stdout, store(ready)) == before


def test_a_cycle_names_the_cells(ready: Kernel) -> None:
    """The path and every cell on it."""
    text = check_one_error(ready.run("%%step Load\nCount", "load", allow_error=True))
    assert text.count(" in cell [") == 3
    assert "(count)" in text


def test_a_body_that_raises(ready: Kernel) -> None:
    """The user's own traceback, once; what was there stays, the failure is remembered."""
    ready.run("%%step Bad --depends-on Clean\nClean[99]", "bad")
    results = {k: v for k, v in store(ready).items() if k.startswith("results/")}
    reply = ready.run("%materialize Bad", "use", allow_error=True)
    assert reply.error.count("Traceback (most recent call last)") == 1
    assert "IndexError" in reply.error
    assert "failed" in ready.run("%steps").stdout
    assert {k: v for k, v in store(ready).items() if k.startswith("results/")} == results
    ready.run("0", "bad")


def test_a_run_inside_a_run(ready: Kernel) -> None:
    """A step that materializes another: the user's line and one sentence, the other step untouched."""
    ready.run("%%step Nest\n%materialize Load\n1", "nest")
    reply = ready.run("%materialize Nest", allow_error=True)
    assert "A step cannot start a run." in reply.error
    assert reply.error.count("Traceback (most recent call last)") == 1
    assert "jo_notebook" not in reply.error
    assert "Load   available" in ready.run("%steps").stdout.replace("      available", "   available")
    ready.run("0", "nest")
    assert "False" in ready.run("pipeline = %pipeline\npipeline.is_running").text


UNSTORABLE = {
    "a lock": ("import threading\nthreading.Lock()", "result"),
    "a nested file": ("{'db': [1, open('taken')]}", "result['db'][1]"),
    "a generator in a dict": ("{'rows': (x for x in [1])}", "result['rows']"),
    "an attribute": ("import types, socket\ntypes.SimpleNamespace(link=socket.socket())", "result.link"),
}


@pytest.mark.parametrize("kind", UNSTORABLE)
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_a_result_that_cannot_be_stored(ready: Kernel, kind: str) -> None:
    """It costs only itself: usable downstream in this session; the piece that refuses is named; the rest is stored."""
    makes, path = UNSTORABLE[kind]
    ready.run(f"%%step Odd\n{makes}", "odd")
    ready.run("%%step After\ntype(Odd).__name__", "after")
    done = ready.run("%materialize After")
    assert "Odd is kept in memory only" in done.stdout
    assert path in done.stdout
    assert result(done).startswith("'")
    assert result(ready.run("Odd is not None")) == "True"
    assert "Nothing to run" in ready.run("%materialize After").stdout
    assert [name for name in store(ready) if name.startswith("results/after-")]
    ready.run("0", "odd")
    ready.run("0", "after")


@pytest.mark.parametrize("how", ["below a file", "a file in its place", "a read-only disk"])
def test_a_place_that_cannot_be_written(start_kernel: StartKernel, tmp_path: Path, how: str) -> None:
    """Steps run and their values stay in memory; each run says so once, and why."""
    taken = tmp_path / "taken"
    places = {"below a file": "taken/results.jo", "a file in its place": "taken", "a read-only disk": "disk/results.jo"}
    place = places[how]
    taken.write_text("precious")
    if how == "a read-only disk":
        (tmp_path / "disk").mkdir()
        mount = ["mount", "-t", "tmpfs", "-o", "ro", "none", str(tmp_path / "disk")]
        if shutil.which("mount") is None or subprocess.run(mount, capture_output=True).returncode:
            pytest.skip("this user may not mount a read-only disk")
    try:
        kernel = start_kernel(env={"JO_CONTEXT": place})
        kernel.run("%load_ext jo_notebook")
        kernel.run("%%step Load\n[3, 1, 2]")
        kernel.run("%%step Clean\nsorted(Load)")
        done = kernel.run("%materialize Clean")
        assert result(done) == "[1, 2, 3]"
        assert "Load is kept in memory only" in done.stdout
        assert "Traceback" not in done.stdout + done.stderr
        assert done.stdout.count("\n") <= 4, done.stdout
        assert "Nothing to run" in kernel.run("%materialize Clean").stdout
        assert taken.read_text() == "precious"
        kernel.close()
    finally:
        if how == "a read-only disk":
            subprocess.run(["umount", "-l", str(tmp_path / "disk")], check=True)


def flip(path: Path) -> None:
    """Turns one bit in the middle of a file."""
    data = bytearray(path.read_bytes())
    data[len(data) // 3] ^= 0x10
    path.write_bytes(bytes(data))


def results_of(place: Path, step: str) -> list[Path]:
    """The generations of a step's result."""
    found = [p for p in place.glob(f"results/{step.lower()}-*/*") if p.name.isdigit()]
    assert found
    return found


DAMAGE = {
    "a flipped bit in a result": lambda place: [flip(p) for p in results_of(place, "Clean")],
    "an empty result": lambda place: [p.write_bytes(b"") for p in results_of(place, "Clean")],
    "a directory for a result": lambda place: [(p.unlink(), p.mkdir()) for p in results_of(place, "Clean")],
    "a garbage definition": lambda place: [p.write_text("{garbage") for p in place.glob("definitions/clean-*")],
    "a definition that is gone": lambda place: shutil.rmtree(place / "definitions"),
    "a garbage FORMAT": lambda place: (place / "FORMAT").write_text("{garbage"),
    "no FORMAT": lambda place: (place / "FORMAT").unlink(),
    "a stray file": lambda place: (place / "results" / "notes.txt").write_text("mine"),
}
SEEN_AT_ONCE = ("an empty result", "a directory for a result", "a garbage definition")


def test_a_damaged_store(start_kernel: StartKernel, tmp_path: Path) -> None:
    """Loading never raises and says what is wrong; what is damaged runs again, and then all is well."""
    kernel = start_kernel()
    bodies = {"Load": "[3, 1, 2]", "Clean": "sorted(Load)", "Count": "len(Clean)"}
    cells = {name.lower(): f"%%step {name}\n{text}" for name, text in bodies.items()}
    kernel.run("%load_ext jo_notebook")
    for cell, code in cells.items():
        kernel.run(code, cell)
    kernel.run("%materialize Count")
    kernel.run("%unload_ext jo_notebook")
    kernel.run("%reset -f")
    place = tmp_path / "notebook.jo"
    shutil.copytree(place, tmp_path / "whole")
    for name, hurt in DAMAGE.items():
        hurt(place)
        found = kernel.run("%load_ext jo_notebook")
        assert "jo_notebook:" in found.stdout, name
        assert "Traceback" not in found.stdout + found.stderr, name
        if name in SEEN_AT_ONCE:
            assert "damaged" in found.stdout, name
            assert "clean" in found.stdout.lower(), name
        for cell, code in cells.items():
            kernel.run(code, cell)
        assert result(kernel.run("%materialize Count")) == "3", name
        assert result(kernel.run("%materialize Clean")) == "[1, 2, 3]", name
        kernel.run("%unload_ext jo_notebook")
        kernel.run("%reset -f")
        again = kernel.run("%load_ext jo_notebook").stdout
        assert "3 steps in notebook.jo: 3 available" in again, name
        assert "damaged" not in again, name
        kernel.run("%unload_ext jo_notebook")
        shutil.rmtree(place)
        shutil.copytree(tmp_path / "whole", place)


HARD = {
    "__reduce__": "    def __reduce_ex__(self, protocol):\n        raise ValueError('no')",
    "__eq__": "    def __eq__(self, other):\n        raise ValueError('no')\n    __hash__ = None",
    "__getattr__": "    def __getattr__(self, name):\n        raise RuntimeError('no')",
    "__repr__": "    def __repr__(self):\n        raise ValueError('no')",
}


@pytest.mark.parametrize("method", HARD)
@pytest.mark.parametrize("inside", ["Odd()", "[1, Odd()]"])
def test_a_global_that_raises_when_it_is_looked_at(ready: Kernel, method: str, inside: str) -> None:
    """Registering, planning and running go on; only the plan of the step that reads it may know less."""
    ready.run(f"class Odd:\n{HARD[method]}\nodd = {inside}", "odd")
    try:
        ready.run("%%step Hard\nodd is not None\nlen(Load)", "hard")
        assert result(ready.run("%materialize Hard")) == "3"
        assert " Hard " in ready.run("%plan").stdout
        assert "Hard" in ready.run("%explain Hard").stdout
        assert "Traceback" not in ready.run("%steps").stdout
    finally:
        ready.run("del odd", allow_error=True)
        ready.run("0", "hard", deleted=["hard"], allow_error=True)
        ready.run("(get_ipython().run_line_magic('pipeline', '')).remove('Hard')", allow_error=True)
        ready.run("%forget Hard", allow_error=True)


BROKEN = {
    "a syntax error": ("def build(x:\n", "module features_broken.py cannot be read"),
    "it raises when it is imported": ("raise ValueError('not today')\n", "not today"),
    "an import that is not there": ("import no_such_module\ndef build(x):\n    return x + 2\n", "no_such_module"),
}


@pytest.mark.parametrize("how", BROKEN)
def test_a_module_that_is_edited_into_an_error(start_kernel: StartKernel, tmp_path: Path, how: str) -> None:
    """Plans go on and say it, other steps run, the step fails with a message; mended again it is fresh."""
    broken, words = BROKEN[how]
    whole = "def build(x):\n    return x + 1\n"
    module = tmp_path / "features_broken.py"
    module.write_text(whole)
    kernel = start_kernel()
    kernel.run("import sys\nsys.dont_write_bytecode = True\n%load_ext jo_notebook\nfrom features_broken import build")
    kernel.run("%%step A\nbuild(1)")
    kernel.run("%%step B\nA + 1")
    kernel.run("%%step Other\n'other'")
    kernel.run("%materialize")
    module.write_text(broken)
    planned = kernel.run("%plan")
    assert planned.stdout.splitlines()[1].startswith(" [~] (>) A"), planned.stdout
    if how == "a syntax error":
        assert words in planned.stdout
    failed = kernel.run("%materialize B Other --force", allow_error=True)
    assert not failed.ok
    assert words in failed.error + failed.stdout or "features_broken" in failed.error
    assert "A" in kernel.run("%explain A").stdout
    assert result(kernel.run("Other")) == "'other'"
    module.write_text(whole)
    assert [row[:9] for row in kernel.run("%plan").stdout.splitlines()[1:4]] == [" [*] ( ) "] + [" [*] (H) "] * 2
    assert result(kernel.run("%materialize B")) == "3"
    module.write_text(whole.replace("+ 1", "+ 5"))
    assert result(kernel.run("%materialize B")) == "7"
