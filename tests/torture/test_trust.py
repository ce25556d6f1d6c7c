"""Acceptance tests 12, 13, 14, 16, 17, 18 and 22: nobody else's code runs before it is trusted.

The long form runs with JO_TORTURE=long. Each test adds a line of figures to the file that JO_TORTURE_REPORT names.
JO_OTHER_PYTHON names an interpreter of another minor version for test 22.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import pickle
import random
import secrets
import shutil
import subprocess
import sys
import time
from collections import UserList as Rows  # a pickle: its class is not plain data
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_notebook

from jo_notebook.context_verb import found_text
from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.source import parse_source
from jo_notebook.errors import ResultDamaged, StoreError, UntrustedError
from jo_notebook.pipeline import Pipeline
from jo_notebook.store import Context
from jo_notebook.store.disk import Disk
from jo_notebook.store.generation import _TAIL, MAGIC, Footer, canonical, read_footer
from jo_notebook.store.trust import open_key
from jo_notebook.views.listings import foreign_text
from jo_notebook.views.page import hint_html
from jo_notebook.views.state import graph_state
from jo_notebook.views.text import plan_text, steps_text
from tests.conftest import StartKernel
from tests.golden.make_store import put_key
from tests.journeys.asking import models
from tests.store.making import generations, record, start

ROOT = Path(__file__).parents[2]
LONG = os.environ.get("JO_TORTURE") == "long"
STORES = ROOT / "tests" / "golden" / "stores"
HOOK = """import os, sys
def _hook(event, args):
    if event == "pickle.find_class":
        with open(os.environ["JO_TEST_UNPICKLED"], "a") as told:
            told.write(f"{args[0]}.{args[1]}\\n")
sys.addaudithook(_hook)
"""
Report = Callable[..., None]


@pytest.fixture(autouse=True)
def jupyter_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "data of the user"
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(folder))
    return folder


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Iterator[Report]:
    """Adds a line with what was counted."""
    began, told = time.perf_counter(), {}
    yield lambda **figures: told.update(figures)
    if path := os.environ.get("JO_TORTURE_REPORT"):
        figures = ", ".join(f"{word.replace('_', ' ')} {number}" for word, number in told.items())
        with open(path, "a", encoding="utf-8") as lines:
            lines.write(f"{request.node.name}: {figures}, {time.perf_counter() - began:.1f} s\n")


@contextmanager
def stranger(tmp_path: Path) -> Iterator[None]:
    """Somebody with another key is at work."""
    with pytest.MonkeyPatch.context() as change:
        change.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data of a stranger"))
        yield


class Reduced:
    def __init__(self, *call: Any) -> None:
        self.call = call

    def __reduce__(self) -> tuple[Any, ...]:
        return self.call[0], self.call[1:]


def hostile(path: Path) -> Mapping[str, tuple[str, bytes]]:
    """Codec and payload: each makes a file or a directory there when it is unpickled."""
    word = str(path)
    return {
        "Exec": ("pickle", pickle.dumps(Reduced(exec, f"open({word!r}, 'a').close()"))),
        "Inner": ("pickle", pickle.dumps({"a": [Reduced(os.mkdir, word)]}, 5)),
        "Text": ("pickle", f"cos\nmkdir\n(S{word!r}\ntR.".encode()),
        "Dill": ("dill", pickle.dumps(Reduced(eval, f"open({word!r}, 'a').close()"))),
        "Odd": ("surprise", pickle.dumps(Reduced(exec, f"open({word!r}, 'a').close()"))),
    }


def plant(place: Path, name: str, codec: str, payload: bytes, story: dict[str, Any]) -> None:
    """Commit a payload as the newest result of a step, signed by whoever is at work."""
    disk = Disk(str(place), open_key(), 2)
    python = f"{sys.version_info.major}.{sys.version_info.minor}"
    footer = Footer("result", name, 0, secrets.token_hex(8), story, codec=codec, python=python)
    disk.save(disk.results, footer, {"log": [b"[]"], "value": [payload]})


def test_12_a_hostile_store(tmp_path: Path, report: Report) -> None:
    """Open, list, look at everything, load what is benign, load what is hostile: in a process of its own."""
    place, trap = tmp_path / "theirs.jo", tmp_path / "sprung"
    with stranger(tmp_path):
        Context(place).put(record("Benign"), [1])
        for name, (codec, payload) in hostile(trap).items():
            plant(place, name, codec, payload, record(name).to_json())
    code = """if True:
        import sys, json
        seen = []
        sys.addaudithook(lambda event, args: seen.append(args) if event == "pickle.find_class" else None)
        from jo_notebook.pipeline import Pipeline
        from jo_notebook.errors import UntrustedError
        pipeline = Pipeline.open(sys.argv[1])
        context, refused = pipeline.context, 0
        names = sorted(context)
        for name in names:
            context.log(name), context.older(name), context.elsewhere(name, 0)
        repr(context), dict(context.records), context.foreign(), context.verify(), pipeline.plan(), context.refresh()
        for name in names:
            try:
                context[name]
            except UntrustedError:
                refused += 1
        print(json.dumps([names, refused, len(seen)]))
    """
    process = start(code, place)
    names, refused, seen = json.loads(process.communicate()[0])
    assert (len(names), refused, seen, trap.exists()) == (6, 5, 0, False)  # the benign one is plain data
    report(hostile_payloads=5, refused=refused, unpickled=seen)


def test_12_the_control(tmp_path: Path) -> None:
    """Each payload would have done it."""
    for name, (codec, payload) in hostile(tmp_path / "sprung").items():
        place = tmp_path / f"{name}.jo"
        plant(place, name, "pickle" if codec == "surprise" else codec, payload, record(name).to_json())
        Context(place)[name]
        trap = tmp_path / "sprung"
        assert trap.exists(), name
        trap.rmdir() if trap.is_dir() else trap.unlink()


def test_13_a_payload_replaced_in_my_store(tmp_path: Path, report: Report) -> None:
    """In place; with checksums mended; with our key's name on it: damage each time, and nothing runs."""
    place, trap = tmp_path / "mine.jo", tmp_path / "sprung"
    tried = 0
    for name, (_, payload) in hostile(trap).items():
        context = Context(place)
        context.put(record(name), b"x" * len(payload))
        (path,) = generations(place, name.lower())
        whole = path.read_bytes()
        for raw in replaced(whole, payload):
            path.write_bytes(raw)
            fresh = Context(place)
            with pytest.raises(ResultDamaged):
                fresh[name]
            assert fresh.trust() == []
            with pytest.raises(ResultDamaged):
                Context(place)[name]
            tried += 1
        path.write_bytes(whole)
        Context(place)[name]
    assert not trap.exists()
    report(injuries=tried, ran=0)


def replaced(whole: bytes, payload: bytes) -> Iterator[bytes]:
    """The file with another value, sealed ever more carefully."""
    length = _TAIL.unpack(whole[-_TAIL.size :])[2]
    body = json.loads(whole[-length - _TAIL.size : -_TAIL.size])
    section = body["sections"]["value"]
    mac = _TAIL.unpack(whole[-_TAIL.size :])[1]
    value = payload.ljust(section["size"], b".")
    assert len(value) == section["size"]
    head = whole[: section["offset"]] + value + whole[section["offset"] + section["size"] :]
    yield head
    from jo_notebook.store.hashes import digest

    section["digest"] = digest(body["hash"], value)
    text = canonical(body)
    start = head[: section["offset"] + section["size"]]
    for seal in (mac, bytes(32), hashlib.sha256(text).digest()):
        yield start + text + _TAIL.pack(hashlib.sha256(text).digest(), seal, len(text), MAGIC)


def test_14_any_two_files_swapped(tmp_path: Path, report: Report) -> None:
    """No value under another name, of another store or as another number."""
    places = tmp_path / "one.jo", tmp_path / "two.jo"
    names = ("A", "B", "C") if LONG else ("A", "B")
    for place in places:
        context = Context(place)
        for name, number in itertools.product(names, (1, 2)):
            context.put(record(name, f"v{number}"), (place.name, name, number))
            context.save_definition(name, {"text": f"{place.name} {name}"})
    files = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
    pairs = list(itertools.combinations(files, 2))
    pairs = pairs if LONG else random.Random(14).sample(pairs, 100)
    refused = 0
    for one, two in pairs:
        before = one.read_bytes(), two.read_bytes()
        one.write_bytes(before[1])
        two.write_bytes(before[0])
        for place in places:
            context = Context(place)
            for name in names:
                try:
                    assert context[name] == (place.name, name, 2), (one, two)
                except StoreError:
                    refused += 1
                for number, old in context.older(name):
                    assert (old.step, old.version) == (name, f"v{number}"), (one, two)
            for name, (data, ours) in context.definitions().items():
                assert ours
                assert data["text"].endswith(f" {name}")
        one.write_bytes(before[0])
        two.write_bytes(before[1])
    report(swaps=len(pairs), values_refused=refused, wrong=0)


CELLS = {
    "Load": "%%step Load\n[3, 1, 2]",
    "Clean": "%%step Clean\nsorted(Load)",
    "Count": "%%step Count\nlen(Clean)",
}


@pytest.fixture
def planted(tmp_path: Path) -> tuple[Path, Path]:
    """A notebook beside a store that a stranger has made for it, whose values would make the file `sprung`."""
    place, trap = tmp_path / "analysis.jo", tmp_path / "sprung"
    with stranger(tmp_path):
        theirs = Pipeline(Context(place))
        for name, cell in CELLS.items():
            body = cell.partition("\n")[2]
            parents = [other for other in CELLS if other in body]
            theirs.add(Definition(name, parse_source(body), tuple(Dependency(p, p) for p in parents)))
        theirs.materialize("Count")
        payloads = hostile(trap)
        for name, kind in zip(CELLS, ("Exec", "Text", "Dill"), strict=True):
            plant(place, name, *payloads[kind], theirs.context.records[name].to_json())
    notebook = new_notebook(cells=[new_code_cell(text) for text in ("%load_ext jo_notebook", *CELLS.values())])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, tmp_path / "analysis.ipynb")
    assert not trap.exists()
    return tmp_path / "analysis.ipynb", trap


@pytest.fixture
def watched(tmp_path: Path) -> tuple[dict[str, str], Callable[[], list[str]]]:
    """An environment in which every Python tells what it unpickles, and what has been told."""
    hooks, told = tmp_path / "hooks", tmp_path / "unpickled"
    hooks.mkdir()
    (hooks / "sitecustomize.py").write_text(HOOK)
    env = {"PYTHONPATH": f"{hooks}{os.pathsep}{ROOT}", "JO_TEST_UNPICKLED": str(told)}
    return env, lambda: told.read_text().splitlines() if told.exists() else []


def test_16_a_kernel_and_a_foreign_store(
    planted: tuple[Path, Path], watched: Any, start_kernel: StartKernel, report: Report
) -> None:
    """%load_ext, the cells, the widget and a hover over it, %plan, %resume, reading a name: 0 unpickles."""
    (notebook, trap), (env, told) = planted, watched
    kernel = start_kernel(env={**env, "JPY_SESSION_NAME": str(notebook)})
    kernel.run("import pickle, collections\npickle.loads(pickle.dumps(collections.OrderedDict()))")
    assert told() == ["collections.OrderedDict"], "the hook is heard"
    said = kernel.run("%load_ext jo_notebook", "a").stdout
    assert "wait for %context trust: Clean, Count, Load" in said
    for number in range(2):  # before the cells have run, and after
        graph = kernel.run("%graph", f"graph{number}")
        (drawing,) = models(graph, "CytoscapeModel")
        hover = {"event": "mouseover", "widget": "node", "data": {"data": {"id": "Load"}}}
        assert kernel.comm(drawing, {"method": "custom", "content": hover}).ok
        for line in ("%plan", "%steps", "%explain Count", "%log Load", "%context", "%context trust", "%resume"):
            assert kernel.run(line, f"look{number}").ok
        for name, cell in CELLS.items():
            if number == 0:
                kernel.run(cell, name)
    assert "from elsewhere, not trusted" in kernel.run("%plan", "p").stdout
    assert "cannot be loaded: Load's result was made elsewhere" in kernel.run("Load", "l", allow_error=True).stdout
    assert "UntrustedError" in kernel.run("%materialize Count", "m", allow_error=True).error
    kernel.run("%context store snapshot", "s")
    assert (len(told()), trap.exists()) == (1, False)
    kernel.run("%context trust --yes", "t")
    assert (len(told()), trap.exists()) == (1, False), "trusting runs nothing"
    kernel.run("%materialize Load", "m", allow_error=True)
    assert trap.exists(), "the control: this is what the mark is about"
    assert len(told()) > 1
    report(routes=22, unpickled=0)


def test_16_the_command_line_and_a_foreign_store(planted: tuple[Path, Path], watched: Any, report: Report) -> None:
    """jo status, plan, explain, log, trust, store, load and a headless run: 0 unpickles."""
    (notebook, trap), (env, told) = planted, watched
    commands: list[tuple[int, ...] | Any] = [
        (0, "status"),
        (0, "plan"),
        (2, "trust"),
        (0, "store", "snapshot.zip"),
        (0, "load", "snapshot.zip"),
        (1, "run", "Count"),
    ]
    if LONG:
        commands += [(0, "explain", "Count"), (0, "log", "Load"), (0, "graph"), (0, "accept", "Load"), (0, "verify")]
    for code, word, *rest in commands:
        done = subprocess.run(
            [sys.executable, "-m", "jo_notebook.cli", word, notebook.name, *rest],
            cwd=notebook.parent,
            env={**os.environ, **env},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert done.returncode == code, (word, done.stdout, done.stderr)
    assert (told(), trap.exists()) == ([], False)
    report(commands=len(commands), unpickled=0)


JUNK = [None, -1, 10**30, 1.5, float("nan"), "", "x", "\ud800", "\x1b[31m\n", [], {}, [1], [[]], [["a"]], True]
JUNK += [{"a": 1}, "e\u0301", "(" * 5000, "-" * 50000 + "1", "[" * 3000 + "]" * 3000, [["x", "(" * 3000]], "a.b"]


def test_16_senseless_definitions_do_no_harm(tmp_path: Path, report: Report) -> None:
    """Every field of a stranger's definitions, replaced by every kind of junk: plans and pictures come all the same."""
    place = tmp_path / "theirs.jo"
    with stranger(tmp_path):
        theirs = Pipeline(Context(place))
        theirs.today.namespace["helper"] = 3
        theirs.add(Definition("Load", parse_source("helper"), ()))
        last = Definition("Clean", parse_source("Load + helper"), (Dependency("Load", "Load"),), params=(("q", 1),))
        theirs.add(replace(last, env=("HOME",), ignore=("z",)))
        theirs.materialize()
    assert list(Pipeline.open(place).dag) == ["Load", "Clean"], "as they are, they are understood"
    assert Pipeline.open(place).problems == []
    datas = {name: data for name, (data, _) in Context(place).definitions().items()}
    cases = [(name, way, junk) for name, data in datas.items() for way in ways(data) for junk in JUNK]
    cases = cases if LONG else random.Random(16).sample(cases, 150)
    for name, way, junk in cases:
        data = inner = json.loads(json.dumps(datas[name]))
        for step in way[:-1]:
            inner = inner[step]
        inner[way[-1]] = junk
        with stranger(tmp_path):
            Context(place).save_definition(name, data)
        pipeline = Pipeline.open(place)
        plan = pipeline.plan()
        told = plan_text(plan) + steps_text(plan, pipeline.context.records) + found_text(pipeline)
        assert "\x1b" not in told + foreign_text(pipeline.context.foreign()) + hint_html(graph_state(plan), name)
        json.dumps(graph_state(plan).to_json(), allow_nan=False)
        with stranger(tmp_path):
            Context(place).save_definition(name, datas[name])
    report(definitions=len(cases), errors=0)


def ways(data: object, before: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    rows = data.items() if isinstance(data, dict) else enumerate(data) if isinstance(data, list) else ()
    for key, value in rows:
        yield (*before, key)
        yield from ways(value, (*before, key))


def test_17_trusted_then_changed(tmp_path: Path, report: Report) -> None:
    """After `jo trust` it loads; with any one byte changed it is refused (of the log's: the log is)."""
    place = tmp_path / "theirs.jo"
    with stranger(tmp_path):
        Context(place).put(record(), Rows([1, 2, 3]))
    with pytest.raises(UntrustedError):
        Context(place)["Load"]
    command = [sys.executable, "-m", "jo_notebook.cli", "trust", "theirs.jo", "--yes"]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True)
    assert (done.returncode, done.stdout) == (0, b"Trusted: Load.\n")
    assert Context(place)["Load"] == Rows([1, 2, 3])
    (path,) = generations(place)
    whole = path.read_bytes()
    with path.open("rb") as handle:
        log = read_footer(handle, open_key())[0].sections["log"]
    places = range(len(whole)) if LONG else random.Random(17).sample(range(len(whole)), 200)
    for position in places:
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        context, is_log = Context(place), log.offset <= position < log.offset + log.size
        with pytest.raises((ResultDamaged, UntrustedError)):
            context.log("Load") if is_log else context["Load"]
        assert context.verify()
    path.write_bytes(whole)
    assert Context(place)["Load"] == Rows([1, 2, 3])
    report(bytes_changed=len(places), loaded=0)


def test_18_kernels_starting_at_once(jupyter_data: Path, report: Report) -> None:
    """One key for all of them, whole, and for its owner only; lost, what it signed is from elsewhere."""
    count = 100 if LONG else 20
    code = "import sys\nfrom jo_notebook.store.trust import open_key\nsys.stdin.readline()\nprint(open_key().id)"
    ids: set[str] = set()
    for group in range(0, count, 20):
        shutil.rmtree(jupyter_data, ignore_errors=True)
        kernels = [start(code) for _ in range(20)]
        for kernel in kernels:
            assert kernel.stdin is not None
            kernel.stdin.write("go\n")
            kernel.stdin.flush()
        answers = {kernel.communicate()[0].strip() for kernel in kernels}
        assert answers == {open_key().id}, group
        ids |= answers
    secret = jupyter_data / "jo_notebook" / "secret"
    assert (secret.stat().st_mode & 0o777, os.listdir(secret.parent)) == (0o600, ["secret"])
    assert len(ids) == count / 20
    report(processes=count, keys_of_each_twenty=1)


@pytest.mark.parametrize("injury", ["open to all", "link", "short", "empty", "lost", "another's"])
def test_18_the_secret_file(tmp_path: Path, jupyter_data: Path, injury: str) -> None:
    place, secret = tmp_path / "mine.jo", jupyter_data / "jo_notebook" / "secret"
    Context(place).put(record(), 1)
    whole = secret.read_bytes()
    if injury == "open to all":
        secret.chmod(0o666)
    elif injury == "another's":
        if os.geteuid() != 0:
            pytest.skip("only root can give a file away")
        os.chown(secret, 12345, -1)
    else:
        secret.unlink()
        if injury == "link":
            (tmp_path / "elsewhere").write_bytes(whole)
            secret.symlink_to(tmp_path / "elsewhere")
        elif injury != "lost":
            secret.write_bytes(whole[:16] if injury == "short" else b"")
    context = Context(place)
    assert (context.damaged, len(context.untrusted)) == ({}, injury != "open to all")
    assert bool(context.problems) == (injury not in ("open to all", "lost"))
    if injury in ("open to all", "lost"):
        assert secret.stat().st_mode & 0o777 == 0o600
    context.put(record("New"), 2)
    assert Context(place)["New"] == 2
    assert all(whole.hex() not in problem for problem in context.problems)


READ = """if True:
    import json, sys
    from jo_notebook.store import Context
    from jo_notebook.errors import StoreError
    context, told = Context(sys.argv[1]), {}
    for name in sorted(context):
        try:
            context[name]
            told[name] = "loaded"
        except StoreError as error:
            told[name] = f"{type(error).__name__}: {error}"
    print(json.dumps([f"{sys.version_info.major}.{sys.version_info.minor}", told, dict(context.damaged)]))
"""
WRITE = """if True:
    import sys
    sys.path.insert(0, sys.argv[2])
    from jo_notebook.store import Context
    from tests.store.making import record
    context = Context(sys.argv[1])
    space = {}
    exec("def rule(x): return x + 1", space)
    space["rule"].__module__ = "__main__"
    context.put(record("Rule"), space["rule"])
    context.put(record("Load"), {"rows": [1, 2.5, None, "a", b"b", (1,), {2}]})
    assert not context.records["Rule"].unsaved, context.records["Rule"].unsaved
"""


def in_python(python: str, code: str, *words: object) -> str:
    """What another interpreter printed; a process that died fails the test."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(
        [python, "-c", code, *map(str, words)], cwd=ROOT, env=env, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, (python, done.returncode, done.stderr)
    return done.stdout


def other_python() -> str:
    """An interpreter of another minor version that has what jo_notebook needs, or an empty string."""
    names = [f"python3.{minor}" for minor in range(11, 16) if minor != sys.version_info.minor]
    for python in filter(None, [os.environ.get("JO_OTHER_PYTHON"), *map(shutil.which, names)]):
        env = {**os.environ, "PYTHONPATH": str(ROOT)}
        code = "import sys, jo_notebook.store.context; print(sys.version_info.minor)"
        done = subprocess.run([python, "-c", code], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
        if done.returncode == 0 and int(done.stdout) != sys.version_info.minor:
            return python
    return ""


@pytest.mark.parametrize("store", sorted(STORES.iterdir()), ids=lambda path: path.name)
@pytest.mark.parametrize("which", ["this", "other"])
def test_22_golden_stores(tmp_path: Path, jupyter_data: Path, store: Path, which: str, report: Report) -> None:
    """Plain data load whatever wrote them; code objects of another Python are refused before they are read."""
    python = sys.executable if which == "this" else other_python()
    if not python:
        pytest.skip("no other Python here has what jo_notebook needs: name one with JO_OTHER_PYTHON")
    put_key(jupyter_data)
    place = tmp_path / store.name
    shutil.copytree(store, place)
    version, told, damaged = json.loads(in_python(python, READ, place))
    writer = store.stem.rpartition("python")[2]
    assert damaged == {}
    assert (told["Load"], told["Clean"]) == ("loaded", "loaded")
    assert told["Grid"] == "loaded" or "numpy, which is not installed" in told["Grid"]
    expected = "loaded" if version == writer else f"StoreError: Rule was saved by Python {writer}, this is {version}"
    assert told["Rule"].startswith(expected)
    report(python=version, writer=writer, loaded=sum(what == "loaded" for what in told.values()), died=0)


@pytest.mark.parametrize("writes", ["this", "other"])
def test_22_there_and_back(tmp_path: Path, writes: str, report: Report) -> None:
    """One Python minor version writes, the other one reads, and the other way round."""
    other = other_python()
    if not other:
        pytest.skip("no other Python here has what jo_notebook needs: name one with JO_OTHER_PYTHON")
    pythons = (sys.executable, other) if writes == "this" else (other, sys.executable)
    place = tmp_path / "analysis.jo"
    in_python(pythons[0], WRITE, place, ROOT)
    version, told, damaged = json.loads(in_python(pythons[1], READ, place))
    assert damaged == {}
    if told["Load"].startswith("HashMissing"):  # it lacks blake3, and says so
        assert subprocess.run([pythons[1], "-c", "import blake3"], capture_output=True, check=False).returncode == 1
    else:
        assert told["Load"] == "loaded"
        assert "was saved by Python" in told["Rule"]
    assert json.loads(in_python(pythons[0], READ, place))[1]["Rule"] == "loaded"
    report(reader=version, refused=1, died=0)
