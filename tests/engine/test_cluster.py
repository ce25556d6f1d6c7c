"""Steps on a Dask cluster of others, real ones: what stays there, what is lost there, and what is told."""

from __future__ import annotations

import os
import platform
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.core.events import Event
from jo_notebook.engine import cluster as module
from jo_notebook.engine import on_cluster
from jo_notebook.errors import ExecutorRefused, NotSendable, StepFailed, StepTimeout, UsageError, WorkerLost
from tests.cases.clusters import Cluster, until
from tests.cases.making import Heard, Watched, notebook, step

SETUP = "import os, sys, time, threading, random\nimport numpy as np\n"


@pytest.fixture(scope="module")
def started() -> Iterator[Cluster]:
    """One scheduler for all tests; workers come and go."""
    cluster = Cluster()
    yield cluster
    cluster.close()


@pytest.fixture
def cluster(started: Cluster) -> Cluster:
    """The scheduler with two workers of one thread each."""
    started.settle(2)
    return started


class Made:
    """Makes pipelines that run on the cluster."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.pipelines: list[Watched] = []

    def __call__(self, place: Path | None = None, setup: str = "", **bodies: str) -> Watched:
        pipeline = notebook(SETUP + setup, place)
        pipeline.executor = f"dask:{self.address}"
        for name, body in bodies.items():
            pipeline.add(step(name, body))
        self.pipelines.append(pipeline)
        return pipeline


@pytest.fixture
def make(cluster: Cluster) -> Iterator[Made]:
    """Pipelines that let go of the cluster with the test."""
    made = Made(cluster.address)
    yield made
    for pipeline in made.pipelines:
        pipeline.executors.close()


def there(pipeline: Watched) -> Any:
    """The connection that a pipeline has to its cluster."""
    executor: Any = pipeline.executors.get(pipeline.executor)
    return executor._linked()


def on_scheduler(pipeline: Watched, function: Any, *args: Any) -> Any:
    return there(pipeline).client.run_on_scheduler(function, *args)


def scatters(dask_scheduler: Any) -> int:
    return sum(m.get("action") == "scatter" for _, m in dask_scheduler.get_events("all"))


def parents(dask_scheduler: Any) -> dict[str, list[str]]:
    return {key: [d.key for d in task.dependencies] for key, task in dask_scheduler.tasks.items()}


def cause(pipeline: Watched, *heads: str, **options: Any) -> BaseException:
    """Why a run failed."""
    with pytest.raises(StepFailed) as failed:
        pipeline.materialize(*heads, **options)
    assert failed.value.__cause__ is not None
    return failed.value.__cause__


@contextmanager
def only(cluster: Cluster, *options: str, threads: int = 1) -> Iterator[str]:
    """Inside, there is one worker, with these options."""
    for pid in list(cluster.workers):
        cluster.kill(pid)
    pid = cluster.worker(*options, threads=threads)
    try:
        yield pid
    finally:
        cluster.kill(pid)


def lines(path: Path) -> list[str]:
    return path.read_text().split() if path.exists() else []


# -- the same results ---------------------------------------------------------------------------------


def test_what_ran_there_is_what_runs_here(make: Made, tmp_path: Path) -> None:
    setup = "K = 3\ndef helper(x):\n    return inner(x) * K\ndef inner(x):\n    return x + 1\n"
    setup += "class Point:\n    def __init__(self, x):\n        self.x = x\n"
    bodies = {
        "Array": "np.arange(300_000)",
        "Sum": "int(helper(Array).sum())",
        "Objects": "[Point(1), {'p': Point(2)}]",
        "Back": "(helper(Objects[0].x), type(Objects[0]) is Point)",
        "Nothing": "None",
        "Lines": "for n in range(3):\n    print('line', n)\nprint('end', file=sys.stderr)",
        "Stream": "yield 1\nyield 2",
    }
    pipeline, here = make(tmp_path / "a.jo", setup, **bodies), make(tmp_path / "b.jo", setup, **bodies)
    pipeline.add(step("Where", "(os.environ['JO_ONLY_THERE'], os.getpid())"))
    pipeline.materialize()
    here.materialize(executor="inline")
    for name in bodies:
        mine, theirs = here.context.records[name], pipeline.context.records[name]
        assert (mine.version, mine.fingerprint.key) == (theirs.version, theirs.fingerprint.key), name
        assert theirs.executor == "dask"
    only_there, pid = pipeline.context["Where"]
    assert (only_there, pid != os.getpid()) == ("yes", True)
    assert [e.text for e in pipeline.log("Lines")] == ["line 0\nline 1\nline 2\n", "end\n"]
    assert isinstance(pipeline.context["Objects"][0], pipeline.today.namespace["Point"])
    again = make(tmp_path / "a.jo", setup, **bodies)
    assert again.plan(*bodies).to_run == ()


def test_an_error_has_the_lines_of_its_cell(make: Made) -> None:
    error = cause(make(None, A="1", B="x = A\nx / 0"), "B")
    assert isinstance(error, ZeroDivisionError)
    frames = []
    trace = error.__traceback__
    while trace is not None:
        frames.append((trace.tb_frame.f_code.co_filename, trace.tb_lineno))
        trace = trace.tb_next
    assert frames[-1] == ("<step B>", 2)


def test_what_cannot_be_sent_is_named(make: Made) -> None:
    error = cause(make(None, A="{'db': [threading.Lock()]}"))
    assert isinstance(error, NotSendable)
    assert "it returns result['db'][0], which cannot be sent" in str(error)
    pipeline = make(None, B="L\n1")
    pipeline.add(replace(step("L", "threading.Lock()"), executor="inline"))
    error = cause(pipeline, "B")
    assert isinstance(error, NotSendable)
    assert "its input is L" in str(error)


# -- what stays there ---------------------------------------------------------------------------------


def test_a_chain_keeps_its_values_there(make: Made) -> None:
    pipeline = make(None, A="np.random.default_rng().random(200_000)", B="A * 2", C="float(B.sum())")
    before = on_scheduler(pipeline, scatters)
    pipeline.materialize()
    a, b, c = (there(pipeline)._made[name][1] for name in "ABC")
    assert all(there(pipeline).client.who_has([a, b]).values())
    above = on_scheduler(pipeline, parents)
    assert (above[a.key], above[b.key], above[c.key]) == ([], [a.key], [b.key])
    assert on_scheduler(pipeline, scatters) == before
    assert pipeline.context["C"] == float((pipeline.context["A"] * 2).sum())
    pipeline.forget("C")
    pipeline.materialize("C")
    assert on_scheduler(pipeline, parents)[there(pipeline)._made["C"][1].key] == [b.key]


def test_what_lies_in_the_store_is_sent_once(make: Made, tmp_path: Path) -> None:
    make(tmp_path / "a.jo", A="np.arange(200_000)").materialize(executor="inline")
    bodies = {f"B{n}": f"int(A.sum()) + {n}" for n in range(4)}
    pipeline = make(tmp_path / "a.jo", A="np.arange(200_000)", **bodies)
    before = on_scheduler(pipeline, scatters)
    results = pipeline.materialize(*bodies, jobs=1)
    assert [results[name] for name in bodies] == [19999900000 + n for n in range(4)]
    assert on_scheduler(pipeline, scatters) == before + 1


def test_a_value_that_nothing_can_compare_comes_from_the_kernel(make: Made) -> None:
    setup = "class Odd:\n    def __init__(self, x):\n        self.x = x\n    def __reduce_ex__(self, protocol):\n"
    setup += "        if protocol < 5:\n            raise TypeError\n        return Odd, (self.x,)\n"
    pipeline = make(None, setup, A="Odd(np.random.random(10_000))", B="float(A.x.sum())", C="B\nfloat(A.x.sum())")
    pipeline.materialize()
    assert not pipeline.context.records["A"].exact
    assert pipeline.context["B"] == pipeline.context["C"] == float(pipeline.context["A"].x.sum())
    assert "A" not in there(pipeline)._made


def test_a_step_that_changes_its_input_changes_a_copy(make: Made) -> None:
    pipeline = make(None, A="np.zeros(200_000)", B="A[:] = 1\nfloat(A.sum())", C="B\nfloat(A.sum())")
    pipeline.materialize()
    assert (pipeline.context["B"], pipeline.context["C"]) == (200_000.0, 0.0)


# -- what is lost there -------------------------------------------------------------------------------


def test_a_worker_that_dies_costs_its_step_one_try(make: Made, cluster: Cluster, tmp_path: Path) -> None:
    log = tmp_path / "begun"
    body = f"with open({str(log)!r}, 'a') as f:\n    f.write(f'{{os.getpid()}}\\n')\n"
    body += f"if len(open({str(log)!r}).readlines()) == 1:\n    time.sleep(60)\nA + 1"
    pipeline = make(None, A="1", B=body, Other="time.sleep(1)\n'done'")
    threading.Thread(target=lambda: (until(lambda: lines(log)), cluster.kill(lines(log)[0]))).start()
    began = time.monotonic()
    results = pipeline.materialize()
    assert time.monotonic() - began < 30
    assert (results["B"], results["Other"]) == (2, "done")
    assert len(lines(log)) == 2
    assert pipeline.outcome is not None
    assert pipeline.outcome.retried == {"B": 1}
    assert pipeline.started.count("A") == 1


def test_a_worker_that_dies_is_told_and_dask_does_not_run_its_step_again(
    make: Made, cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "begun"
    body = f"with open({str(log)!r}, 'a') as f:\n    f.write(f'{{os.getpid()}}\\n')\nos.kill(os.getpid(), 9)"
    error = cause(make(None, A=body))
    assert isinstance(error, WorkerLost)
    assert "which ran A, was lost" in str(error)
    pids = lines(log)
    assert len(pids) == 2  # our own second try
    for pid in pids:
        cluster.workers.pop(pid).wait()
    time.sleep(0.5)
    assert len(lines(log)) == 2


@pytest.mark.parametrize("pause", [0.0, 1.5])
def test_the_only_copy_of_a_value_is_lost(make: Made, cluster: Cluster, tmp_path: Path, pause: float) -> None:
    """Dask would run A again, which gives another value; what counts is the one that is stored."""
    log = tmp_path / "begun"
    body = f"with open({str(log)!r}, 'a') as f:\n    f.write('A\\n')\n"
    pipeline = make(
        None, A=body + "(os.getpid(), np.random.default_rng().random(100_000))", B="(A[0], float(A[1].sum()))"
    )
    pid, array = pipeline.materialize("A")
    cluster.kill(pid)
    time.sleep(pause)
    assert pipeline.materialize("B") == (pid, float(array.sum()))
    assert lines(log) == ["A"]
    assert pipeline.ran() == ["A", "B"]


def test_a_sent_value_that_is_lost_is_sent_again(make: Made, cluster: Cluster) -> None:
    pipeline = make(None, B="(os.getpid(), int(A.sum()))", C="B\nint(A.sum())")
    pipeline.add(replace(step("A", "np.arange(100_000)"), executor="inline"))
    pipeline.materialize("B")
    for pid in list(cluster.workers):
        cluster.kill(pid)
    cluster.worker()
    assert pipeline.materialize("C") == 4999950000


def test_a_value_that_is_not_the_stored_one_is_not_used(make: Made) -> None:
    pipeline = make(None, A="np.zeros(100_000)", B="float(A.sum())", Other="np.ones(100_000)")
    pipeline.materialize("A", "Other")
    link = there(pipeline)
    link._made["A"] = (link._made["A"][0], link._made["Other"][1])  # as if Dask had made it anew, otherwise
    assert pipeline.materialize("B") == 0.0
    assert "A" not in link._made


def test_the_scheduler_dies(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 2)
    cluster = Cluster()
    try:
        cluster.worker()
        pipeline = Made(cluster.address)(None, A="1", B="A\nopen('begun', 'w').close()\ntime.sleep(60)")
        threading.Thread(target=lambda: (until((cluster.folder / "begun").exists), cluster.kill_scheduler())).start()
        with pytest.raises((StepFailed, ExecutorRefused)) as failed:
            pipeline.materialize()
        assert isinstance(failed.value, ExecutorRefused) or isinstance(failed.value.__cause__, WorkerLost)
        assert pipeline.context["A"] == 1
        pipeline.executors.close()
    finally:
        cluster.close()


# -- what is told -------------------------------------------------------------------------------------


def test_output_comes_while_the_step_runs(make: Made) -> None:
    pipeline = make(None, A="for n in range(3):\n    print(time.time(), flush=True)\n    time.sleep(0.7)")
    delays: list[float] = []

    def listen(event: Event) -> None:
        if event.kind == "output":
            delays.extend(time.time() - float(word) for word in event.text.split())

    pipeline.listen(listen)
    pipeline.materialize()
    assert len(delays) == 3
    assert max(delays) < 0.6


def test_nobody_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 1)
    pipeline = notebook()
    pipeline.add(step("A"))
    began = time.monotonic()
    with pytest.raises(ExecutorRefused, match=r"No Dask scheduler answers at tcp://127.0.0.1:9"):
        pipeline.materialize(executor="dask:tcp://127.0.0.1:9")
    assert time.monotonic() - began < 5
    with pytest.raises(ExecutorRefused, match=r"No Dask scheduler answers at nonsense://x"):
        pipeline.materialize(executor="dask:nonsense://x")


def test_another_python_is_told(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(platform, "python_version", lambda: "3.99.1")
    with pytest.raises(ExecutorRefused, match=r"has Python [\d.]+, and here is 3\.99\.1"):
        make(None, A="1").materialize()


def test_another_package_is_told(make: Made, cluster: Cluster, tmp_path: Path) -> None:
    preload = tmp_path / "older.py"
    preload.write_text(
        "from importlib import metadata\nif not hasattr(metadata, 'real'):\n    metadata.real = metadata.version\n"
        "metadata.version = lambda name: '1.0.0' if name == 'numpy' else metadata.real(name)\n"
    )
    with only(cluster, "--preload", str(preload)):
        error = cause(make(None, A="np.ones(3)"))
    assert isinstance(error, NotSendable)
    assert "it has numpy 1.0.0, and here is" in str(error)


def test_a_worker_without_our_package_is_told(make: Made, cluster: Cluster, tmp_path: Path) -> None:
    preload = tmp_path / "without.py"
    preload.write_text(
        "import sys\nclass None_:\n    def find_spec(self, name, path=None, target=None):\n"
        "        if name.partition('.')[0] == 'jo_notebook':\n"
        "            raise ModuleNotFoundError(\"No module named 'jo_notebook'\", name=name)\n"
        "for name in [n for n in sys.modules if n.partition('.')[0] == 'jo_notebook']:\n    del sys.modules[name]\n"
        "sys.meta_path.insert(0, None_())\n"
    )
    pipeline = make(None, A="1", B="1")
    pipeline.materialize("B")
    with (
        only(cluster, "--preload", str(preload)),  # it comes when we are connected
        pytest.raises(ExecutorRefused, match=r"cannot import jo_notebook \(ModuleNotFoundError"),
    ):
        pipeline.materialize()


def test_a_file_that_is_another_one_there_is_told(make: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data.txt").write_text("here")
    pipeline = make(None)
    pipeline.add(replace(step("Near", "open('data.txt').read()"), reads=("data.txt",)))
    error = cause(pipeline)
    assert isinstance(error, NotSendable)
    assert "its data.txt, in" in str(error)
    path = str(tmp_path / "data.txt")
    pipeline.add(replace(step("Same", f"open({path!r}).read()"), reads=(path,)))
    assert pipeline.materialize("Same") == "here"
    pipeline.add(replace(step("Left", "open('left.txt', 'w').write('x')"), writes=("left.txt",)))
    error = cause(pipeline, "Left")
    assert isinstance(error, NotSendable)
    assert "wrote left.txt where it ran, and it is not here" in str(error)


def test_declared_variables_are_those_of_the_kernel(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JO_TEST_HERE", "here")
    pipeline = make(None)
    body = "(os.environ.get('JO_TEST_HERE'), os.environ.get('JO_ONLY_THERE'))"
    pipeline.add(replace(step("A", body), env=("JO_TEST_HERE", "JO_ONLY_THERE")))
    pipeline.add(step("B", f"A\n{body}"))
    results = pipeline.materialize("A", "B", jobs=1)
    assert results["A"] == ("here", None)
    assert results["B"] == (None, "yes")


# -- how it ends --------------------------------------------------------------------------------------


@pytest.mark.parametrize("body", ["while True:\n    time.sleep(0.05)", "time.sleep(30)"])
def test_a_step_that_takes_too_long(make: Made, cluster: Cluster, body: str) -> None:
    pipeline = make(None)
    pipeline.add(replace(step("A", body), timeout=0.5))
    began = time.monotonic()
    error = cause(pipeline)
    assert isinstance(error, StepTimeout)
    assert time.monotonic() - began < 8
    for pid in list(cluster.workers) if "30" in body else ():
        cluster.kill(pid)  # it still sleeps there


def test_its_time_is_that_of_its_own(make: Made) -> None:
    """Steps that wait for a worker are not late."""
    pipeline = make(None)
    for n in range(5):
        pipeline.add(replace(step(f"A{n}", "time.sleep(0.8)\n1"), timeout=1.5))
    assert list(pipeline.materialize().values()) == [1] * 5


def test_an_interrupt_ends_what_runs_and_drops_what_waits(make: Made, tmp_path: Path) -> None:
    log = tmp_path / "seen"
    body = f"try:\n    open({str(log)!r}, 'a').write('begun\\n')\n    while True:\n        time.sleep(0.02)\n"
    body += f"except KeyboardInterrupt:\n    open({str(log)!r}, 'a').write('stopped\\n')\n    raise"
    pipeline = make(None, **{f"A{n}": body + f"\n{n}" for n in range(4)})
    heard = Heard(pipeline)
    threading.Thread(
        target=lambda: (until(lambda: lines(log).count("begun") == 2), os.kill(os.getpid(), signal.SIGINT))
    ).start()
    began = time.monotonic()
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize()
    assert time.monotonic() - began < 10
    until(lambda: lines(log).count("stopped") >= 2)
    time.sleep(0.5)
    assert lines(log).count("begun") == lines(log).count("stopped")
    assert len(heard.words("cancelled")) == 4
    pipeline.add(step("After", "'free'"))
    assert pipeline.materialize("After") == "free"


# -- what a step takes --------------------------------------------------------------------------------


def test_resources_are_those_of_a_worker(make: Made, cluster: Cluster) -> None:
    pid = cluster.worker("--resources", "gpu=1")
    pipeline = make(None)
    for n in range(3):
        pipeline.add(replace(step(f"A{n}", "os.getpid()"), resources=(("gpu", 1.0),)))
    assert set(pipeline.materialize().values()) == {int(pid)}
    pipeline.add(replace(step("B"), resources=(("gpu", 2.0), ("memory", 4e9))))
    with pytest.raises(ExecutorRefused, match=r'--resources "gpu=2 memory=4000000000"'):
        pipeline.materialize("B")
    with pytest.raises(UsageError):
        pipeline.materialize("B", pools={"gpu": 1})
    assert pipeline.materialize("B", pools={"gpu": 2, "memory": 8e9}) == 1
    cluster.kill(pid)


def test_a_worker_of_several_threads(make: Made, cluster: Cluster) -> None:
    beside = {f"A{n}": f"for n in range(20):\n    print('A{n}')\n    time.sleep(0.02)\nos.getpid()" for n in range(3)}
    alone = {
        f"B{n}": f"os.chdir('/')\nos.environ['JO_LEFT'] = 'x'\nfor n in range(5):\n    print('B{n}')\n"
        "    time.sleep(0.02)\n    assert threading.active_count() and os.getcwd() == '/'\nos.getpid()"
        for n in range(2)
    }
    seeded = {f"C{n}": "np.random.seed(4)\ntime.sleep(0.1)\nfloat(np.random.random())" for n in range(2)}
    with only(cluster, threads=3) as pid:
        pipeline = make(None, **beside, **alone, **seeded)
        results = pipeline.materialize()
        assert {results[name] for name in (*beside, *alone)} == {int(pid)}
        assert results["C0"] == results["C1"]
        for name in (*beside, *alone):
            assert {word for entry in pipeline.log(name) for word in entry.text.split()} == {name}
        pipeline.add(step("D", "(os.getcwd(), os.environ.get('JO_LEFT'))"))
        assert pipeline.materialize("D") == (str(cluster.folder), None)


def test_what_has_not_begun_never_does_when_the_pipeline_is_closed(
    make: Made, cluster: Cluster, tmp_path: Path
) -> None:
    log = tmp_path / "begun"
    body = f"with open({str(log)!r}, 'a') as f:\n    f.write('x\\n')\nfor n in range(100):\n    time.sleep(0.02)"
    with only(cluster):
        pipeline = make(None, A=body, B=body)
        threading.Thread(target=lambda: (until(lambda: lines(log)), pipeline.executors.close())).start()
        with pytest.raises((StepFailed, ExecutorRefused, KeyboardInterrupt)):
            pipeline.materialize()
        other = make(None, C="'next'")
        assert other.materialize("C") == "next"
        assert lines(log)[:1] == ["x"]


def test_nobody_to_run_a_step_is_told(make: Made, cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_cluster, "LONELY", 0.3)
    pipeline = make(None, A="'late'")
    pipeline.plan()
    for pid in list(cluster.workers):
        cluster.kill(pid)
    until(lambda: not there(pipeline).client.nthreads())
    threading.Timer(1.0, cluster.worker).start()
    assert pipeline.materialize("A") == "late"
    assert "has no worker for it" in "".join(entry.text for entry in pipeline.log("A"))
