"""Steps in processes of their own: the same results, nothing stale from there, and every way in which one can end."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

from jo_notebook.core.fingerprint import Fingerprint
from jo_notebook.core.record import Record
from jo_notebook.engine.processes import Processes
from jo_notebook.engine.request import Checks
from jo_notebook.engine.shipping import request_for
from jo_notebook.errors import ExecutorRefused, NotSendable, StepFailed, StepTimeout, UsageError, WorkerLost
from tests.cases.making import Heard, Watched, notebook, step
from tests.places import mounted

SETUP = "import os, sys, time, signal, threading\nimport numpy as np\n"


@pytest.fixture(params=["disk", "memory"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | None:
    """Where results live."""
    return tmp_path / "a.jo" if request.param == "disk" else None


@pytest.fixture(autouse=True)
def in_a_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each test has a working directory of its own."""
    monkeypatch.chdir(tmp_path)


class Made:
    """Makes pipelines, and lets go of their processes."""

    def __init__(self) -> None:
        self.pipelines: list[Watched] = []

    def __call__(self, setup: str, place: Path | None, **bodies: str) -> Watched:
        pipeline = notebook(SETUP + setup, place)
        for name, body in bodies.items():
            pipeline.add(step(name, body))
        self.pipelines.append(pipeline)
        return pipeline


@pytest.fixture
def make() -> Iterator[Made]:
    """Pipelines whose processes end with the test."""
    made = Made()
    yield made
    for pipeline in made.pipelines:
        pipeline.executors.close()


def cause(pipeline: Watched, *heads: str, **options: Any) -> BaseException:
    """Why a run failed."""
    with pytest.raises(StepFailed) as failed:
        pipeline.materialize(*heads, executor="processes", **options)
    assert failed.value.__cause__ is not None
    return failed.value.__cause__


# -- the same results ---------------------------------------------------------------------------------


def test_values_of_all_kinds_go_and_come_back(make: Made, place: Path | None) -> None:
    setup = "K = 3\ndef helper(x):\n    return inner(x) * K\ndef inner(x):\n    return x + 1\n"
    setup += "class Point:\n    def __init__(self, x):\n        self.x = x\n"
    setup += "    def twice(self):\n        return helper(self.x)\n"
    bodies = {
        "Pid": "os.getpid()",
        "Array": "np.arange(300_000)",
        "Sum": "int(helper(Array).sum())",
        "Objects": "[Point(1), {'p': Point(2)}]",
        "Back": "(Objects[0].twice(), type(Objects[0]) is Point)",
        "Nothing": "None",
        "Lines": "for n in range(3):\n    print('line', n)\nprint('end', file=sys.stderr)",
        "Stream": "yield 1\nyield 2",
    }
    pipeline = make(setup, place, **bodies)
    pipeline.materialize(executor="processes", jobs=2)
    context = pipeline.context
    assert context["Pid"] != os.getpid()
    assert context["Sum"] == sum((n + 1) * 3 for n in range(300_000))
    assert context["Back"] == (6, True)
    assert isinstance(context["Objects"][0], pipeline.today.namespace["Point"])
    assert context["Nothing"] is None
    assert context["Stream"] == [1, 2]
    assert [e.text for e in pipeline.log("Lines")] == ["line 0\nline 1\nline 2\n", "end\n"]
    assert {record.executor for record in context.records.values()} == {"processes"}
    assert pipeline.plan().to_run == ()


def test_what_ran_there_is_what_runs_here(make: Made, tmp_path: Path) -> None:
    bodies = {"A": "np.ones(5)", "B": "{'a': A, 'k': K}", "C": "helper(B)"}
    setup = "K = [1, 2]\ndef helper(b):\n    return b['a'].sum() + len(b['k'])\n"
    there, here = make(setup, tmp_path / "there.jo", **bodies), make(setup, tmp_path / "here.jo", **bodies)
    there.materialize(executor="processes")
    here.materialize()
    for name in bodies:
        mine, theirs = here.context.records[name], there.context.records[name]
        assert (mine.version, mine.fingerprint.key) == (theirs.version, theirs.fingerprint.key)
    again = make(setup, tmp_path / "there.jo", **bodies)
    assert again.plan().to_run == ()


def test_a_step_says_where_it_runs(make: Made) -> None:
    pipeline = make("", None, Here="os.getpid()")
    pipeline.add(replace(step("There", "os.getpid()"), executor="processes"))
    pipeline.add(replace(step("Inline", "threading.current_thread() is threading.main_thread()"), executor="inline"))
    results = pipeline.materialize()
    assert results["Here"] == os.getpid()
    assert results["There"] != os.getpid()
    pipeline.forget("Inline")
    assert pipeline.materialize("Inline", executor="processes", jobs=2) is True
    assert pipeline.context.records["Inline"].executor == "inline"


@pytest.mark.parametrize(
    "body",
    ["global counter\ncounter = 1", "globals()['x'] = 1\n1", "eval('1 + 1')", "input"],
)
def test_what_only_the_kernel_has_runs_here(make: Made, body: str) -> None:
    pipeline = make("", None, A=body, B="os.getpid()")
    pipeline.materialize(executor="processes")
    assert pipeline.context.records["A"].executor == "inline"
    assert pipeline.context["B"] != os.getpid()


def test_what_one_step_leaves_in_its_process_is_not_the_next_ones(make: Made, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    bodies = {
        "A": "os.chdir('sub')\nos.environ['JO_TEST_LEFT'] = 'x'\nsys.path.insert(0, 'nowhere')\nos.getpid()",
        "B": "A\n(os.getcwd(), os.environ.get('JO_TEST_LEFT'), 'nowhere' in sys.path, os.getpid())",
    }
    pipeline = make("", None, **bodies)
    pipeline.materialize(executor="processes", jobs=1)
    where, left, is_on_path, pid = pipeline.context["B"]
    assert pid == pipeline.context["A"]
    assert (where, left, is_on_path) == (str(tmp_path), None, False)


def test_inputs_are_read_where_they_lie(make: Made, tmp_path: Path) -> None:
    pipeline = make(
        "", tmp_path / "a.jo", Big="np.zeros(2_000_000)", Use="Big[0] = 1\nfloat(Big.sum())", Again="Big.sum()"
    )
    pipeline.materialize("Big")
    pipeline.context.drop_memory("Big")
    pipeline.materialize("Use", executor="processes")
    assert pipeline.context.held("Big") == "disk", "nobody has read it here"
    assert pipeline.context["Use"] == 1.0
    assert pipeline.materialize("Again", executor="processes") == 0.0, "a change of it is nobody else's"


def test_large_inputs_of_memory_lie_in_files_for_the_run(make: Made) -> None:
    bodies = {"Big": "np.ones(1_000_000)", "One": "Big.flags.owndata, Big.sum()", "Two": "Big.sum()"}
    pipeline = make("", None, **bodies)
    pipeline.materialize("Big")
    results = pipeline.materialize("One", "Two", executor="processes")
    assert results["One"] == (False, 1e6), "it is mapped"
    assert results["Two"] == 1e6


# -- never what is not so any more --------------------------------------------------------------------


def test_an_edited_module_is_loaded_anew_there(make: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module = tmp_path / "jo_test_edited_there.py"
    module.write_text("def f():\n    return 'first'\n")
    try:
        pipeline = make("import jo_test_edited_there as m\n", tmp_path / "a.jo", A="m.f(), os.getpid()")
        assert pipeline.materialize("A", executor="processes")[0] == "first"
        module.write_text("def f():\n    return 'second'\n")
        os.utime(module, (time.time() + 5, time.time() + 5))
        pipeline.touch()
        assert pipeline.plan().to_run == ("A",)
        assert pipeline.materialize("A", executor="processes")[0] == "second"
        assert pipeline.plan().to_run == ()
    finally:
        sys.modules.pop("jo_test_edited_there", None)


def test_a_module_that_was_changed_by_hand_is_not_asked_elsewhere(
    make: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "jo_test_patched_here.py").write_text("K = 1\ndef f():\n    return K\n")
    try:
        pipeline = make("import jo_test_patched_here as m\nm.K = 2\n", tmp_path / "a.jo", A="m.f()")
        assert pipeline.materialize("A", executor="processes") == 2
        assert pipeline.context.records["A"].executor == "inline"
    finally:
        sys.modules.pop("jo_test_patched_here", None)


def test_what_a_step_changes_in_a_module_is_not_the_next_ones(
    make: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "jo_test_changed_there.py").write_text(
        "K = 1\nD = {}\nmemo = {}\ndef f():\n    memo[K] = K\n    return K, dict(D), len(memo)\n"
    )
    try:
        bodies = {"A": "m.f()\nos.getpid()", "B": "A\nm.K = 7\nm.D['a'] = 1\nm.f()\nos.getpid()", "C": "B\nm.f()"}
        pipeline = make("import jo_test_changed_there as m\n", tmp_path / "a.jo", **bodies)
        results = pipeline.materialize("A", "B", "C", executor="processes")
        assert results["C"] == (1, {}, 1), "it is stored as what the module's text makes"
        assert results["A"] == results["B"], "a memo that fills is no change by the step"
        assert pipeline.outcome.warnings == []
    finally:
        sys.modules.pop("jo_test_changed_there", None)


@pytest.mark.parametrize("in_background", [False, True])
def test_a_module_that_is_edited_while_a_step_runs_costs_nothing(
    make: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_background: bool
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    module, name = tmp_path / "jo_test_edited_meanwhile.py", "jo_test_edited_meanwhile"
    module.write_text("def f():\n    return 'first'\n")

    def edit() -> None:
        until = time.monotonic() + 20
        while not (tmp_path / "began").exists() and time.monotonic() < until:
            time.sleep(0.02)
        module.write_text("def f():\n    return 'second'\n")
        os.utime(module, (time.time() + 5, time.time() + 5))

    try:
        body = "m.f()\nopen('began', 'w').close()\ntime.sleep(1)\nm.f()"
        pipeline = make(f"import {name} as m\n", tmp_path / "a.jo", A=body, B=f"import {name} as late\nlate.f()")
        editing = threading.Thread(target=edit)
        editing.start()
        if in_background:
            run = pipeline.start("A")
            assert run.wait(30)
            assert run.result() == "first"
        else:
            assert pipeline.materialize("A", executor="processes") == "first"
        editing.join()
        pipeline.touch()
        assert "A" in pipeline.plan().to_run, "it is the result of the text it started with"
        assert pipeline.materialize("B", executor="processes") == "second"
        assert pipeline.materialize("A", executor="processes") == "second"
    finally:
        sys.modules.pop(name, None)


def test_a_module_of_that_name_from_another_place_is_loaded_anew_there(
    make: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in (1, 2):
        (tmp_path / f"d{number}").mkdir()
        (tmp_path / f"d{number}" / "jo_test_twice.py").write_text(f"K = {number}\n")
    pipeline = make("", tmp_path / "a.jo", A="import jo_test_twice\njo_test_twice.K")
    for number in (1, 2):
        monkeypatch.syspath_prepend(str(tmp_path / f"d{number}"))
        pipeline.touch()
        assert pipeline.materialize("A", executor="processes") == number


def test_a_directory_that_is_gone_is_told(make: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "gone").mkdir()
    monkeypatch.chdir(tmp_path / "gone")
    pipeline = make("", tmp_path / "a.jo", A="1")
    (tmp_path / "gone").rmdir()
    assert "the working directory of this one is gone" in str(cause(pipeline, "A"))


def test_the_environment_is_that_of_now(make: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    pipeline = make("", None)
    pipeline.add(replace(step("A", "os.environ.get('JO_TEST_NOW')"), env=("JO_TEST_NOW",)))
    assert pipeline.materialize("A", executor="processes") is None
    monkeypatch.setenv("JO_TEST_NOW", "now")
    pipeline.touch()
    assert pipeline.materialize("A", executor="processes") == "now"


def test_a_result_that_is_gone_meanwhile_is_sent(make: Made, tmp_path: Path) -> None:
    pipeline = make("", tmp_path / "a.jo", A="np.ones(10)", B="A.sum()")
    pipeline.materialize("A")
    for file in (tmp_path / "a.jo" / "results").rglob("*"):
        if file.is_file():
            file.unlink()
    assert pipeline.materialize("B", executor="processes") == 10.0


def test_files_and_hidden_inputs_are_noticed(make: Made, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("content")
    pipeline = make("", tmp_path / "a.jo")
    pipeline.add(replace(step("A", "open('out.txt', 'w').write('left')\n1"), writes=("out.txt",)))
    pipeline.add(step("B", "open('in.txt').read()"))
    pipeline.materialize(executor="processes")
    records = pipeline.context.records
    assert [path for path, _ in records["A"].writes] == ["out.txt"]
    assert ("file", "in.txt") in [(kind, what) for kind, what, _ in records["B"].hidden]
    assert any("declare it with --reads in.txt" in note for note in pipeline.outcome.warnings)
    pipeline.add(replace(step("C", "1"), writes=("never.txt",)))
    assert "did not leave" in str(cause(pipeline, "C"))


# -- every way to end ---------------------------------------------------------------------------------


def test_an_error_comes_back_with_its_lines(make: Made, place: Path | None) -> None:
    setup = "class Mine(Exception):\n    def __init__(self, a, b):\n        super().__init__(f'{a} {b}')\n"
    pipeline = make(
        setup, place, A="print('before')\ntry:\n    1 / 0\nexcept ZeroDivisionError as e:\n    raise Mine(1, 2) from e"
    )
    error = cause(pipeline, "A")
    assert "1 2" in str(error)
    assert isinstance(error.__cause__, ZeroDivisionError)
    text = "".join(entry.text for entry in pipeline.log("A"))
    assert "before\n" in text
    assert "1 / 0" in text
    assert "elsewhere" not in text


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("os.kill(os.getpid(), signal.SIGKILL)", "died (SIGKILL(-9))"),
        ("os._exit(3)", "died (EXIT(3))"),
    ],
)
def test_a_process_that_dies(make: Made, body: str, said: str, tmp_path: Path) -> None:
    pipeline = make("", tmp_path / "a.jo", A=f"open('tries', 'a').write('x')\n{body}", B="time.sleep(1)\n'whole'")
    heard = Heard(pipeline)
    error = cause(pipeline, jobs=2)
    assert isinstance(error, WorkerLost)
    assert said in str(error)
    assert (tmp_path / "tries").read_text() == "xx", "one more try"
    assert heard.words("retry") == ["retry A"]
    assert pipeline.context["B"] == "whole", "the other process is not concerned"


@pytest.mark.parametrize(
    "body",
    [
        "time.sleep(60)",
        "import ctypes\nctypes.CDLL(None).sleep(60)",
        "while True:\n    try:\n        time.sleep(9)\n    except BaseException:\n        pass",
    ],
)
def test_a_step_that_never_ends(make: Made, body: str) -> None:
    pipeline = make("", None, B="1")
    pipeline.add(
        replace(step("A", f"import subprocess\nopen('pid', 'w').write(str(os.getpid()))\n{body}"), timeout=0.5)
    )
    began = time.monotonic()
    error = cause(pipeline)
    assert isinstance(error, StepTimeout)
    assert "A took longer than its --timeout of 0.5 s" in str(error)
    assert time.monotonic() - began < 8
    assert pipeline.context["B"] == 1


def test_what_cannot_be_sent_is_named(make: Made) -> None:
    setup = "class Model:\n    def __init__(self):\n        self.parts = {'lock': threading.Lock()}\nmodel = Model()\n"
    pipeline = make(setup, None, Reads="model.parts", Gives="[1, threading.Lock()]")
    error = cause(pipeline, "Reads")
    assert isinstance(error, NotSendable)
    assert "it reads model.parts['lock'], which cannot be sent" in str(error)
    assert "--executor inline" in str(error)
    assert "it returns result[1]" in str(cause(pipeline, "Gives"))
    pipeline.materialize("Gives")
    pipeline.add(step("Takes", "len(Gives)"))
    assert "its input is Gives[1]" in str(cause(pipeline, "Takes"))
    pipeline.add(replace(step("Reads", "len(model.parts)"), executor="inline"))
    assert pipeline.materialize("Reads", executor="processes") == 1


@pytest.mark.parametrize(
    ("body", "kind"),
    [("sys.exit(3)", SystemExit), ("class Odd(BaseException): pass\nraise Odd", BaseException)],
)
def test_a_step_that_raises_what_is_no_exception(make: Made, body: str, kind: type[BaseException]) -> None:
    pipeline = make("", None, A=body, B="1")
    assert isinstance(cause(pipeline), kind)
    assert pipeline.context["B"] == 1


def test_a_step_that_forks(make: Made, tmp_path: Path) -> None:
    body = "pid = os.fork()\nif pid:\n    os.waitpid(pid, 0)\n'parent' if pid else 'child'"
    pipeline = make("", tmp_path / "a.jo", A=body, B="A + '!'")
    assert pipeline.materialize("B", executor="processes") == "parent!"


def test_an_interrupt_keeps_what_is_finished(make: Made, tmp_path: Path) -> None:
    body = "open(f'{os.getpid()}.pid', 'w').close()\ntime.sleep(60)"
    pipeline = make("", tmp_path / "a.jo", Quick="1", Long=body, Longer="A = 1\n" + body)

    def interrupt() -> None:
        until = time.monotonic() + 20
        while len(list(tmp_path.glob("*.pid"))) < 2 and time.monotonic() < until:
            time.sleep(0.02)
        os.kill(os.getpid(), 2)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        pipeline.materialize(executor="processes", jobs=3)
    thread.join()
    assert pipeline.context["Quick"] == 1
    assert sorted(pipeline.outcome.cancelled) == ["Long", "Longer"]
    assert pipeline.plan().to_run == ("Long", "Longer")


def test_no_process_is_left(make: Made) -> None:
    pipeline = make("", None, A="1", B="2")
    pipeline.materialize(executor="processes", jobs=2)
    pids = pipeline.executors.get("processes").pids  # type: ignore[union-attr]
    assert pids
    pipeline.executors.close()
    until = time.monotonic() + 10
    while any(map(psutil.pid_exists, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(psutil.pid_exists, pids))


STAYS = """
import os, sys, resource
from tests.cases.making import notebook, step
pipeline = notebook("import atexit, os, sys, threading, time")
pipeline.add(step("A", "threading.Thread(target=time.sleep, args=(300,)).start()\\nos.getpid()"))
pipeline.add(step("B", "A\\natexit.register(time.sleep, 300)\\nos.getpid()"))
print(pipeline.materialize("A", "B", executor="processes"), end=" ")
print(pipeline.context["A"], pipeline.context["B"])
"""


def test_what_a_step_leaves_running_in_its_process_keeps_nobody(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", STAYS], env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    pids = {int(word) for word in ended.stdout.split()[-2:]}
    assert not any(map(psutil.pid_exists, pids))


LIMITED = """
import resource
from jo_notebook.errors import ExecutorRefused
from tests.cases.making import notebook, step
pipeline = notebook()
pipeline.add(step("A", "1"))
hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
resource.setrlimit(resource.RLIMIT_NOFILE, (14, hard))
try:
    pipeline.materialize("A", executor="processes")
except ExecutorRefused as error:
    print(error)
resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
print(pipeline.plan().to_run, pipeline.materialize("A", executor="processes"))
"""


def test_a_system_that_starts_no_more_processes(tmp_path: Path) -> None:
    env = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ended = subprocess.run([sys.executable, "-c", LIMITED], env=env, capture_output=True, text=True, timeout=60)
    assert ended.returncode == 0, ended.stderr
    assert "No process can be started: [Errno 24] Too many open files" in ended.stdout
    assert "fewer --jobs" in ended.stdout
    assert ended.stdout.endswith("('A',) 1\n"), "nothing failed, and the next run has a process"


def test_news_that_find_no_room_are_no_failure(make: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with mounted(tmp_path / "disk", "tmpfs", "-o", "size=1m") as disk:
        monkeypatch.setattr(tempfile, "tempdir", str(disk))
        with contextlib.suppress(OSError), open(disk / "full", "wb", 0) as file:
            while True:
                file.write(b"x" * 4096)
        pipeline = make("", tmp_path / "a.jo", A="print('heard')\n1", B="print('heard')\nlambda: A")
        pipeline.materialize("A", "B", executor="processes")
        assert pipeline.context["A"] == 1
        assert [entry.text for entry in pipeline.log("A")] == ["heard\n"], "it is with the result"
        pipeline.executors.close()


def test_an_answer_that_cannot_be_given_is_no_death(make: Made) -> None:
    body = "class Odd:\n    def __reduce_ex__(self, protocol):\n        raise SystemExit(4)\nOdd()"
    said = str(cause(make("", None, A=body), "A"))
    assert said == "the process that was to run A could not: SystemExit: 4"


# -- executors of others, and limits ------------------------------------------------------------------


def test_an_executor_of_the_standard_library(make: Made, tmp_path: Path) -> None:
    pipeline = make("K = 2\n", tmp_path / "a.jo", A="print('there')\nos.getpid()", B="(A, os.getpid(), K)")
    with ProcessPoolExecutor(2, mp_context=__import__("multiprocessing").get_context("spawn")) as executor:
        first, second, k = pipeline.materialize("B", executor=executor)
    assert os.getpid() not in (first, second)
    assert k == 2
    assert pipeline.context.records["B"].executor == "ProcessPoolExecutor"
    assert [entry.text for entry in pipeline.log("A")] == ["there\n"]
    pipeline.forget("B")
    with ThreadPoolExecutor(2) as threads:
        assert pipeline.materialize("B", executor=threads)[1] == os.getpid()


def test_an_executor_that_refuses(make: Made, tmp_path: Path) -> None:
    class Refusing(Executor):
        """Takes one step, and no more."""

        def __init__(self) -> None:
            self.taken = 0

        def submit(self, function: Any, /, *args: Any, **kwargs: Any) -> Future[Any]:
            self.taken += 1
            if self.taken > 1:
                raise RuntimeError("cannot schedule new futures after shutdown")
            future: Future[Any] = Future()
            future.set_result(function(*args, **kwargs))
            return future

    pipeline = make("", tmp_path / "a.jo", A="1", B="A + 1")
    with pytest.raises(ExecutorRefused, match="Refusing does not take B: cannot schedule"):
        pipeline.materialize(executor=Refusing())
    assert pipeline.context["A"] == 1
    assert pipeline.plan().to_run == ("B",)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"executor": "process"}, "Did you mean processes"),
        ({"executor": 3}, "3 is no executor"),
        ({"executor": "inline", "jobs": 2}, "inline runs one step at a time"),
        ({"pools": {"db": 1}}, "A takes db=2, and the pool has 1"),
    ],
)
def test_what_makes_no_sense_is_refused(make: Made, options: dict[str, Any], said: str) -> None:
    pipeline = make("", None)
    pipeline.add(replace(step("A", "1"), resources=(("db", 2.0),)))
    with pytest.raises(UsageError, match=said):
        pipeline.materialize(**options)


@pytest.mark.parametrize("executor", ["threads", "processes"])
def test_a_pool_limits_how_many_run_at_once(make: Made, executor: str, tmp_path: Path) -> None:
    body = "began = time.time()\ntime.sleep(0.4)\n(began, time.time())"
    pipeline = make("", tmp_path / "a.jo")
    names = [f"Db{n}" for n in range(4)]
    for name in names:
        pipeline.add(replace(step(name, f"{name!r}\n{body}"), resources=(("db", 1.0),)))
    pipeline.add(step("Free", body))
    results = pipeline.materialize(executor=executor, jobs=5, pools={"db": 2})
    spans = [results[name] for name in names]
    most = max(sum(began <= at < ended for began, ended in spans) for at, _ in spans)
    assert most == 2
    assert min(began for began, _ in spans) < results["Free"][1], "what takes none of it does not wait"


def test_who_comes_too_late_reaches_no_other_step(tmp_path: Path) -> None:
    """A step that has just ended is told to end: its process has another one by then, which is none of its business."""
    record = Record("A", Fingerprint.of([]), "", 0.0)

    def count(to: int) -> int:
        for number in range(to):
            print(number)
            time.sleep(0.01)
        return to

    processes = Processes()
    try:
        values: list[int] = []
        before: list[Any] = []
        for late in ("", "interrupt", "end"):
            asked = request_for(step("A"), count, {"to": 100}, [], Checks(), record, same_machine=True)
            running = processes.start(asked, lambda name: None)
            while not running.news():
                running.wait(0.01)
            if late:
                getattr(before[-1], late)()
            assert running.wait(30)
            reply = running.reply()
            assert (reply.error, reply.record is not None) == (None, True)
            values.append(running.value(reply))
            before.append(running)
        assert values == [100, 100, 100]
        assert len(processes.pids) == 1
    finally:
        processes.close()


def test_what_was_printed_is_heard_whoever_looks_first() -> None:
    """Telling a step to end looks for the number of its process, and takes no news away."""
    record = Record("A", Fingerprint.of([]), "", 0.0)

    def speak() -> None:
        print("the last words")
        time.sleep(60)

    processes = Processes()
    try:
        asked = request_for(step("A"), speak, {}, [], Checks(), record, same_machine=True)
        running = processes.start(asked, lambda name: None)
        while not os.path.exists(running._channel) or b"last words" not in Path(running._channel).read_bytes():
            running.wait(0.01)
        running.end()
        assert running.wait(30)
        assert "".join(row["text"] for row in running.news()).startswith("the last words")
        with pytest.raises(WorkerLost):
            running.reply()
    finally:
        processes.close()


def test_how_many_at_once_is_set_for_all_runs(make: Made, place: Path | None) -> None:
    """An executor that has one place has one; who says both in one breath is told."""
    pipeline = make("", place, A="1")
    pipeline.jobs = 3
    assert pipeline.materialize("A", executor="inline") == 1
    assert pipeline.start("A", executor="inline", force=True).result(20) == 1
    pipeline.executor = "inline"
    assert pipeline.materialize("A", force=True) == 1
    with pytest.raises(UsageError, match="leave --jobs 2 out"):
        pipeline.materialize("A", jobs=2)


@pytest.mark.skipif(not hasattr(signal, "pthread_sigmask"), reason="what is started hears interrupts at once")
def test_an_interrupt_does_not_reach_a_process_that_starts(capfd: pytest.CaptureFixture[str]) -> None:
    """A front end interrupts all of the kernel's group; a Python that has just begun would die of it."""
    record = Record("A", Fingerprint.of([]), "", 0.0)
    mine = psutil.Process()
    before, running, processes = {child.pid for child in mine.children()}, [], Processes()
    asked = request_for(step("A"), lambda: 5, {}, [], Checks(), record, same_machine=True)
    starting = threading.Thread(target=lambda: running.append(processes.start(asked, lambda name: None)))
    try:
        starting.start()
        while starting.is_alive() or not running[0].wait(0.001):
            for child in mine.children():
                if child.pid not in before and "tracker" not in " ".join(child.cmdline()):
                    child.send_signal(signal.SIGINT)
        assert running[0].value(running[0].reply()) == 5
        assert "KeyboardInterrupt" not in capfd.readouterr().err
    finally:
        starting.join()
        processes.close()
