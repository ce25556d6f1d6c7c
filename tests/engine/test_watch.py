"""What a step opens, writes, asks the environment for and binds is seen, and nobody is disturbed by it."""

from __future__ import annotations

import contextvars
import glob
import linecache
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import threading
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jo_notebook.engine import watch as watch_module
from jo_notebook.engine.watch import Seen, ready_to_watch, watching

ROOT = Path(__file__).parents[2]
Step = Callable[[], object]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with a few files, as the working directory."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "data").mkdir()
    for name in ("a.csv", "b.csv", "data/c.csv"):
        (tmp_path / name).write_text("x,y\n1,2\n")
    np.save("n.npy", np.arange(3))
    with sqlite3.connect("d.db") as connection:
        connection.execute("create table t (x)")
    connection.close()
    for file in tmp_path.rglob("*.*"):
        os.utime(file, (1e9, 1e9))  # old enough that a change shows in the time, however fast it comes
    return tmp_path


def own(filename: str) -> bool:
    return filename == __file__


def watched(step: Step, **options: Any) -> Seen:
    with watching({}, own=own, **options) as seen:
        step()
    return seen


def read(path: Any) -> str:
    with open(path) as stream:
        return stream.read()


def write(path: Any, text: str = "new") -> None:
    with open(path, "w") as stream:
        stream.write(text)


def query(text: str, path: Any = "d.db", **options: Any) -> None:
    connection = sqlite3.connect(path, **options)
    with connection:
        connection.execute(text)
    connection.close()


def by_descriptor() -> None:
    os.close(os.open("a.csv", os.O_RDONLY))


def in_another_directory() -> None:
    os.chdir("data")
    read("c.csv")
    os.chdir("..")


@pytest.mark.parametrize(
    ("step", "opened"),
    [
        pytest.param(lambda: read("a.csv"), ["a.csv"], id="open"),
        pytest.param(lambda: read(b"a.csv"), ["a.csv"], id="bytes"),
        pytest.param(lambda: Path("a.csv").read_text(), ["a.csv"], id="Path.read_text"),
        pytest.param(lambda: read("./data/../a.csv"), ["a.csv"], id="a roundabout name"),
        pytest.param(lambda: read(os.path.abspath("a.csv")), ["a.csv"], id="absolute"),
        pytest.param(by_descriptor, ["a.csv"], id="os.open"),
        pytest.param(lambda: pd.read_csv("a.csv"), ["a.csv"], id="pandas"),
        pytest.param(lambda: np.load("n.npy"), ["n.npy"], id="numpy.load"),
        pytest.param(lambda: np.load("n.npy", mmap_mode="r"), ["n.npy"], id="numpy.load, mapped"),
        pytest.param(lambda: np.fromfile("n.npy", np.uint8), ["n.npy"], id="numpy.fromfile"),
        pytest.param(lambda: query("select * from t"), ["d.db"], id="sqlite"),
        pytest.param(lambda: query("select 1", Path("d.db")), ["d.db"], id="sqlite, Path"),
        pytest.param(lambda: query("select 1", "file:d%2Edb?mode=ro", uri=True), ["d.db"], id="sqlite, URI"),
        pytest.param(
            lambda: query("select 1", f"file://{os.getcwd()}/d.db", uri=True), ["d.db"], id="sqlite, absolute URI"
        ),
        pytest.param(lambda: query("select 1", ":memory:"), [], id="sqlite in memory"),
        pytest.param(lambda: [read("b.csv"), read("a.csv"), read("b.csv")], ["b.csv", "a.csv"], id="once, in order"),
        pytest.param(in_another_directory, ["data/c.csv"], id="after chdir"),
        pytest.param(lambda: read("/dev/null"), [], id="device"),
        pytest.param(lambda: read("/proc/self/stat"), [], id="proc"),
        pytest.param(lambda: read("/etc/hosts"), [], id="the system's"),
        pytest.param(lambda: read(pd.__file__), [], id="of a package"),
        pytest.param(lambda: read(tempfile.__file__), [], id="of Python"),
        pytest.param(lambda: read(watch_module.__file__), [], id="ours"),
        pytest.param(lambda: os.close(os.open(".", os.O_RDONLY)), [], id="a directory"),
        pytest.param(lambda: os.path.exists("a.csv"), [], id="only asked for"),
    ],
)
def test_opened(step: Step, opened: list[str]) -> None:
    seen = watched(step)
    assert (seen.opened, seen.written, seen.env, seen.bound) == (opened, [], [], [])


def test_opened_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "x.csv"
    elsewhere.write_text("")
    assert watched(lambda: read(elsewhere)).opened == [str(elsewhere)]


def probe(path: str) -> None:
    with pytest.raises(FileNotFoundError):
        read(path)


def read_and_remove() -> None:
    shutil.copy("a.csv", "scratch.csv")
    read("scratch.csv")
    os.remove("scratch.csv")


def temporary() -> None:
    with tempfile.NamedTemporaryFile("w+") as stream:
        stream.write("1")
        stream.flush()
        read(stream.name)
    with tempfile.TemporaryDirectory() as directory:
        write(Path(directory, "x"))
        read(Path(directory, "x"))


def by_a_temporary_name() -> None:
    write("out.csv.tmp")
    read("out.csv.tmp")
    os.replace("out.csv.tmp", "out.csv")
    read("out.csv")


def by_a_temporary_directory() -> None:
    os.makedirs("model.tmp/sub")
    write("model.tmp/weights")
    write("model.tmp/sub/more")
    os.rename("model.tmp", "model")


def update(mode: str = "r+", text: str = "") -> None:
    with open("a.csv", mode) as stream:
        stream.write(text)


@pytest.mark.parametrize(
    ("step", "opened", "written"),
    [
        pytest.param(lambda: write("out.csv"), [], ["out.csv"], id="new"),
        pytest.param(lambda: write("a.csv"), [], ["a.csv"], id="over an old one"),
        pytest.param(lambda: Path("out").write_bytes(b""), [], ["out"], id="Path.write_bytes"),
        pytest.param(lambda: pd.DataFrame({"x": [1]}).to_csv("out.csv"), [], ["out.csv"], id="pandas"),
        pytest.param(lambda: np.save("m.npy", np.zeros(2)), [], ["m.npy"], id="numpy"),
        pytest.param(lambda: [write("out"), read("out")], [], ["out"], id="written, then read"),
        pytest.param(lambda: [read("a.csv"), write("a.csv")], ["a.csv"], ["a.csv"], id="read, then written"),
        pytest.param(lambda: [probe("out"), write("out")], [], ["out"], id="looked for, then written"),
        pytest.param(lambda: probe("nothing"), [], [], id="only looked for"),
        pytest.param(update, ["a.csv"], [], id="r+ without a change"),
        pytest.param(lambda: update(text="1"), ["a.csv"], ["a.csv"], id="r+ with a change"),
        pytest.param(lambda: update("a", "1"), [], ["a.csv"], id="appended"),
        pytest.param(lambda: query("insert into t values (1)"), ["d.db"], ["d.db"], id="sqlite insert"),
        pytest.param(lambda: query("create table u (x)", "new.db"), [], ["new.db"], id="sqlite, new"),
        pytest.param(lambda: shutil.copy("a.csv", "z.csv"), ["a.csv"], ["z.csv"], id="copied"),
        pytest.param(lambda: shutil.move("a.csv", "z.csv"), [], ["z.csv"], id="moved"),
        pytest.param(lambda: os.link("a.csv", "z.csv"), [], ["z.csv"], id="linked"),
        pytest.param(by_a_temporary_name, [], ["out.csv"], id="by a temporary name"),
        pytest.param(by_a_temporary_directory, [], ["model/weights", "model/sub/more"], id="by a temporary directory"),
        pytest.param(lambda: [write("gone"), os.remove("gone")], [], [], id="written and removed"),
        pytest.param(read_and_remove, ["a.csv"], [], id="a temporary copy"),
        pytest.param(temporary, [], [], id="temporary files"),
    ],
)
def test_written(step: Step, opened: list[str], written: list[str]) -> None:
    seen = watched(step)
    assert (seen.opened, seen.written) == (opened, written)


def test_a_file_that_was_there_already() -> None:
    def step() -> None:
        with pytest.raises(FileExistsError):
            open("a.csv", "x")  # noqa: SIM115

    assert watched(step).written == []


def test_ignored_and_left_out(place: Path) -> None:
    for name in ("store", "analysis.jo", ".ipynb_checkpoints", "__pycache__"):
        (place / name).mkdir()
        (place / name / "x").write_text("")
    (place / "storehouse").write_text("")
    (place / "matplotlibrc").write_text("")
    names = ["store/x", "analysis.jo/x", ".ipynb_checkpoints/x", "__pycache__/x", "storehouse", "matplotlibrc"]
    assert watched(lambda: [read(name) for name in names], ignored=["store"]).opened == ["storehouse"]
    assert watched(lambda: [write(name) for name in names], ignored=[str(place / "store")]).written == ["storehouse"]


@pytest.mark.parametrize("inside", ["work.jo/deep", ".hidden/deep", ".git", "site-packages/x"])
def test_a_project_in_an_odd_place(place: Path, inside: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is left out elsewhere is the user's own where the notebook itself lies there."""
    monkeypatch.setenv("HOME", str(place))
    (place / inside).mkdir(parents=True)
    monkeypatch.chdir(place / inside)
    (place / inside / "x.csv").write_text("")
    assert watched(lambda: read("x.csv")).opened == ["x.csv"]


def test_hidden_places_of_the_home_directory(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place))
    for name in (".cache/x", ".config/x", ".netrc", "x", "project/.env"):
        (place / name).parent.mkdir(exist_ok=True)
        (place / name).write_text("")
    monkeypatch.chdir(place / "project")
    names = ["~/.cache/x", "~/.config/x", "~/.netrc", "~/x", ".env"]
    opened = watched(lambda: [read(os.path.expanduser(name)) for name in names]).opened
    assert opened == [str(place / "x"), ".env"]


def test_imports_are_not_data(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "my_local_module.py").write_text("K = 1\n")
    monkeypatch.syspath_prepend(str(place))
    monkeypatch.setattr(sys, "dont_write_bytecode", False)

    def step() -> None:
        import my_local_module  # type: ignore[import-not-found]

        assert my_local_module.K == 1
        linecache.clearcache()
        linecache.getline(my_local_module.__file__, 1)

    seen = watched(step)
    sys.modules.pop("my_local_module")
    assert (seen.opened, seen.written) == ([], [])
    assert watched(lambda: read("my_local_module.py")).opened == ["my_local_module.py"]


def test_plotting_opens_nothing_of_the_users() -> None:
    program = f"""
import sys; sys.path.insert(0, {str(ROOT)!r})
from jo_notebook.engine.watch import watching
with watching({{}}, own=lambda name: name == "<string>") as seen:
    import matplotlib; matplotlib.use("agg")
    import matplotlib.pyplot as plt, pandas as pd, datetime, zoneinfo, ssl, locale
    plt.plot([1, 2]); plt.title("$x$"); plt.savefig("plot.png")
    ssl.create_default_context(); zoneinfo.ZoneInfo("Europe/Vienna"); pd.Timestamp.now("Asia/Tokyo")
    pd.read_csv("a.csv")
print(seen)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == str(Seen(opened=["a.csv"], written=["plot.png"], bound=[]))


# --- directories


@pytest.mark.parametrize(
    ("step", "listed"),
    [
        pytest.param(lambda: os.listdir("data"), ["data"], id="listdir"),
        pytest.param(lambda: os.listdir(), ["."], id="listdir here"),
        pytest.param(lambda: list(os.scandir(b"data")), ["data"], id="scandir"),
        pytest.param(lambda: list(os.walk(".")), ["."], id="walk"),
        pytest.param(lambda: list(Path("data").iterdir()), ["data"], id="iterdir"),
        pytest.param(lambda: glob.glob("data/*.csv"), ["data/*.csv"], id="glob"),
        pytest.param(lambda: glob.glob("**/*.csv", recursive=True), ["**/*.csv"], id="glob, recursive"),
        pytest.param(lambda: sorted(Path("data").glob("*.csv")), ["data/*.csv"], id="Path.glob"),
        pytest.param(lambda: sorted(Path().rglob("*.csv")), ["**/*.csv"], id="Path.rglob"),
        pytest.param(lambda: shutil.rmtree("data"), [], id="removed by a library"),
    ],
)
def test_listed(step: Step, listed: list[str]) -> None:
    seen = watched(step)
    assert (seen.listed, seen.opened) == (listed, [])


# --- the environment


@pytest.fixture
def variables(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("JO_TEST_A", "JO_TEST_B"):
        monkeypatch.setenv(name, "1")
    monkeypatch.delenv("JO_TEST_GONE", raising=False)


def missing() -> None:
    with pytest.raises(KeyError, match="JO_TEST_GONE"):
        os.environ["JO_TEST_GONE"]


def set_it_first() -> None:
    os.environ["JO_TEST_SET"] = "1"
    assert os.environ.pop("JO_TEST_SET") == "1"


def by_a_library() -> str:
    """A library that asks, called by the user."""
    space: dict[str, Any] = {}
    exec(
        compile("import os\ndef f(): return os.environ['JO_TEST_A'] + os.getenv('JO_TEST_A')", "/lib.py", "exec"), space
    )
    return str(space["f"]())


def copies_then_one() -> str:
    assert dict(os.environ) == {**os.environ} == os.environ.copy()
    assert [value for _, value in os.environ.items()]
    return os.environ["JO_TEST_A"]


@pytest.mark.usefixtures("variables")
@pytest.mark.parametrize(
    ("step", "env"),
    [
        pytest.param(lambda: os.environ["JO_TEST_A"], ["JO_TEST_A"], id="[]"),
        pytest.param(lambda: os.environ.get("JO_TEST_A"), ["JO_TEST_A"], id="get"),
        pytest.param(lambda: os.getenv("JO_TEST_A"), ["JO_TEST_A"], id="getenv"),
        pytest.param(lambda: "JO_TEST_A" in os.environ, ["JO_TEST_A"], id="in"),
        pytest.param(lambda: os.getenv("JO_TEST_GONE", "x"), ["JO_TEST_GONE"], id="not set"),
        pytest.param(missing, ["JO_TEST_GONE"], id="KeyError"),
        pytest.param(
            lambda: [os.getenv("JO_TEST_B"), os.getenv("JO_TEST_A"), os.environ["JO_TEST_B"]],
            ["JO_TEST_B", "JO_TEST_A"],
            id="once, in order",
        ),
        pytest.param(lambda: by_a_library(), [], id="a library asks"),
        pytest.param(lambda: os.path.expanduser("~"), [], id="Python asks"),
        pytest.param(set_it_first, [], id="what the step set itself"),
        pytest.param(copies_then_one, ["JO_TEST_A"], id="copies of it all"),
        pytest.param(lambda: subprocess.run(["true"], env={**os.environ}, check=True), [], id="for a subprocess"),
        pytest.param(lambda: len(os.environ), [], id="its length"),
    ],
)
def test_env(step: Step, env: list[str]) -> None:
    assert watched(step).env == env


@pytest.mark.skipif(not hasattr(os, "environb"), reason="no bytes there")
@pytest.mark.usefixtures("variables")
def test_env_as_bytes() -> None:
    assert watched(lambda: os.environb[b"JO_TEST_A"]).env == ["JO_TEST_A"]


def test_the_environment_is_as_before() -> None:
    kind: Any = type(os.environ)
    before = kind.__getitem__, kind.__iter__, dict(vars(kind))
    with watching({}, own=own):
        assert kind.__getitem__ is not before[0]
        with watching({}, own=own):
            pass
        assert kind.__getitem__ is not before[0]
    assert (kind.__getitem__, kind.__iter__, dict(vars(kind))) == before
    with pytest.raises(ZeroDivisionError), watching({}, own=own):
        raise ZeroDivisionError
    assert kind.__getitem__ is before[0]


@pytest.mark.usefixtures("variables")
def test_errors_of_the_environment_pass_through() -> None:
    def step() -> None:
        with pytest.raises(TypeError, match="str expected"):
            os.environ[1]  # type: ignore[index]
        with pytest.raises(KeyError) as caught:
            os.environ["JO_TEST_GONE"]
        assert caught.value.__suppress_context__

    assert watched(step).env == ["JO_TEST_GONE"]


@pytest.mark.usefixtures("variables")
def test_somebody_wraps_the_environment_after_us(monkeypatch: pytest.MonkeyPatch) -> None:
    kind: Any = type(os.environ)
    before = kind.__getitem__
    with watching({}, own=own):
        ours = kind.__getitem__
        kind.__getitem__ = lambda self, key: ours(self, key)
    theirs = kind.__getitem__
    assert os.environ["JO_TEST_A"] == "1"
    for _ in range(3):  # no wrapper around a wrapper around …
        with watching({}, own=own) as seen:
            os.environ["JO_TEST_A"]
        assert kind.__getitem__ is theirs
    kind.__getitem__ = before
    assert os.environ["JO_TEST_A"] == "1"
    with watching({}, own=own) as seen:
        os.environ["JO_TEST_A"]
    assert seen.env == ["JO_TEST_A"]
    assert kind.__getitem__ is before


@pytest.mark.usefixtures("variables")
def test_a_run_of_many_steps_is_ready_to_watch_all_the_time() -> None:
    """Each step's watch sees its own and nothing of what comes between; afterwards all is as before."""
    kind: Any = type(os.environ)
    before = kind.__getitem__, kind.__iter__, threading.Thread.start
    with ready_to_watch():
        for name in ("JO_TEST_A", "JO_TEST_B"):
            with watching({}, own=own) as seen:
                os.environ.get(name)
                Path("made").write_text("1")
            assert seen.env == [name]
            assert seen.written == ["made"]
            assert kind.__getitem__ is not before[0]
            os.environ.get("JO_TEST_GONE")
            os.remove("made")
            with ready_to_watch():
                pass
            with watching({}, own=own) as seen:
                pass
            assert seen == Seen()
    assert (kind.__getitem__, kind.__iter__, threading.Thread.start) == before
    with pytest.raises(ZeroDivisionError), ready_to_watch(), watching({}, own=own):
        raise ZeroDivisionError
    assert (kind.__getitem__, kind.__iter__, threading.Thread.start) == before


@pytest.mark.usefixtures("variables")
def test_a_step_that_wraps_the_environment_or_puts_it_back_in_the_middle_of_a_run() -> None:
    kind: Any = type(os.environ)
    before = kind.__getitem__
    with ready_to_watch():
        with watching({}, own=own):
            ours = kind.__getitem__
            kind.__getitem__ = lambda self, key: ours(self, key)
        with watching({}, own=own) as seen:
            os.environ["JO_TEST_A"]
        assert seen.env == ["JO_TEST_A"], "by a wrapper that is the user's own"
        kind.__getitem__ = before
        with watching({}, own=own) as seen:
            os.environ["JO_TEST_A"]
        assert seen.env == ["JO_TEST_A"]
    assert kind.__getitem__ is before


def test_two_threads_see_the_first_thing_at_once() -> None:
    """What was seen is made room for when the first of it comes; none of it may be lost then."""
    names = [f"both{number}" for number in range(8)]
    for _ in range(20):
        ready = threading.Barrier(len(names))

        def write(name: str, ready: threading.Barrier = ready) -> None:
            ready.wait()
            Path(name).write_text("1")

        with watching({}, own=own) as seen:
            threads = [threading.Thread(target=write, args=(name,)) for name in names]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
        assert sorted(seen.written) == names
        for name in names:
            os.remove(name)


# --- names


def test_bound() -> None:
    space: dict[str, Any] = {"kept": 1, "rebound": 2, "deleted": 3, "same": [4], "_i1": "", "In": [], "Out": {}}
    with watching(space, own=own) as seen:
        space["rebound"] = "other"
        space["same"].append(5)
        space["new"] = space["kept"]
        space.update(_private=1, _i2="x", In=[1], Out={1: 2}, exit=1, quit=1, get_ipython=1)
        del space["deleted"]
    assert seen.bound == ["rebound", "deleted", "new"]


def test_a_new_object_in_the_place_of_an_old_one() -> None:
    space: dict[str, Any] = {}
    for _ in range(100):
        space["x"] = object()
        with watching(space, own=own) as seen:
            del space["x"]
            space["x"] = object()  # Python likes to use the same memory again
        assert seen.bound == ["x"]


# --- who is watched


def in_a_thread(step: Step, context: bool = False) -> None:
    thread = threading.Thread(target=contextvars.copy_context().run if context else lambda run: run(), args=(step,))
    thread.start()
    thread.join()


def in_a_pool(step: Step) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda _: step(), range(3)))


@pytest.mark.parametrize(
    "around",
    [
        in_a_thread,
        lambda step: in_a_thread(step, context=True),
        lambda step: in_a_thread(lambda: in_a_thread(step)),
        in_a_pool,
        lambda step: contextvars.copy_context().run(step),
    ],
    ids=["thread", "thread with context", "thread of a thread", "pool", "context"],
)
def test_what_the_step_starts_is_watched(around: Callable[[Step], None]) -> None:
    assert watched(lambda: around(lambda: read("a.csv"))).opened == ["a.csv"]


def test_other_threads_are_not() -> None:
    go, done = threading.Event(), threading.Event()

    def other() -> None:
        go.wait()
        read("b.csv")
        os.getenv("JO_TEST_A")
        done.set()

    thread = threading.Thread(target=other)
    thread.start()
    seen = watched(lambda: [go.set(), done.wait(), read("a.csv")])
    thread.join()
    assert (seen.opened, seen.env) == (["a.csv"], [])


def test_two_steps_at_once() -> None:
    barrier = threading.Barrier(4)
    found: dict[str, Seen] = {}

    def one(name: str) -> None:
        def step() -> None:
            for _ in range(200):
                barrier.wait()
                read(name)
                os.getenv(f"JO_TEST_{name}")

        found[name] = watched(step)

    names = ["a.csv", "b.csv", "data/c.csv", "n.npy"]
    (Path("n.npy")).write_text("")
    threads = [threading.Thread(target=one, args=(name,)) for name in names]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: (seen.opened, seen.env) for name, seen in found.items()} == {
        name: ([name], [f"JO_TEST_{name}"]) for name in names
    }


def test_one_inside_another() -> None:
    inner: list[Seen] = []
    seen = watched(lambda: [inner.append(watched(lambda: read("a.csv"))), read("b.csv")])
    assert (inner[0].opened, seen.opened) == (["a.csv"], ["b.csv"])


def test_what_goes_on_after_the_end() -> None:
    go, read_it = threading.Event(), threading.Event()

    def later() -> None:
        go.wait()
        read("b.csv")
        read_it.set()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(later,))
    seen = watched(lambda: [thread.start(), read("a.csv")])
    assert watched(lambda: [go.set(), read_it.wait()]).opened == []
    thread.join()
    assert seen.opened == ["a.csv"]


def test_a_step_that_fails_was_seen_too() -> None:
    with pytest.raises(ZeroDivisionError), watching({}, own=own) as seen:  # noqa: PT012
        read("a.csv")
        1 / 0
    assert seen.opened == ["a.csv"]


# --- nobody is disturbed


def test_nothing_of_ours_breaks_an_open(monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
    def breaks(*args: Any) -> Any:
        raise RuntimeError("ours")

    monkeypatch.setattr(watch_module, "_absolute", breaks)
    seen: list[Seen] = []
    with watching({}, own=breaks) as found:
        assert read("a.csv")
        os.listdir()
        assert os.environ.get("PATH")
        seen.append(found)
    assert seen[0] == Seen()
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("path", ["", "a\0b", "x" * 5000, "\ud800", 10**6, -1, None, 1.5])
def test_odd_arguments_of_open(path: Any) -> None:
    def error() -> str:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                open(path)  # noqa: SIM115
            except Exception as trouble:  # noqa: BLE001
                return "".join(traceback.format_exception_only(trouble))
        return ""

    expected = error()
    found: list[str] = []
    seen = watched(lambda: found.append(error()))
    assert found == [expected]
    assert seen.opened == []


def test_the_working_directory_is_gone(place: Path) -> None:
    (place / "gone").mkdir()
    os.chdir(place / "gone")
    (place / "gone").rmdir()
    try:
        assert watched(lambda: read(place / "a.csv")).opened in ([], [str(place / "a.csv")])
    finally:
        os.chdir(place)


def test_deep_recursion() -> None:
    def deeper() -> None:
        read("a.csv")
        deeper()

    with pytest.raises(RecursionError):
        watched(deeper)


def cost(program: str) -> float:
    """Microseconds, the best of several rounds, in a process of its own."""
    setup = f"import sys, timeit; sys.path.insert(0, {str(ROOT)!r})\n"
    done = subprocess.run([sys.executable, "-c", setup + program], capture_output=True, text=True, check=True)
    return float(done.stdout)


TIMING = "print(min(timeit.repeat('open(p).close()', 'import sys; p = sys.executable', number=2000, repeat=15)) * 500)"


def test_an_open_outside_costs_next_to_nothing() -> None:
    used = "from jo_notebook.engine.watch import watching\nwith watching({}, own=bool): open(sys.executable).close()\n"
    best = min(cost(used + TIMING) - cost(TIMING) for _ in range(3))
    assert best < 3  # microseconds; well below one on a machine that is not busy
