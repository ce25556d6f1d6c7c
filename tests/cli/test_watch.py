"""`jo watch`: a round for each change, none for what a round writes itself, and a clean end."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from jo_notebook.interop.watched import Watched
from tests.cli.making import COMMAND, Watch, data_of, environment, no_kernel_left
from tests.journeys.asking import body, runs, wait_for_notes
from tests.test_cli import jo, notebook

CELLS = (
    "import helper",
    "%%step Load --reads data.txt\n" + body("Load", "helper.twice(open('data.txt').read())"),
    "%%step Many --reads 'in/**/*.csv' --writes in/total.txt\n"
    + body("Many", "__import__('pathlib').Path('in/total.txt').write_text('x')"),
    "%%step Top --depends-on Load,Many --reads in\n" + body("Top", "(Load, Many)"),
)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """A notebook that reads a file, a pattern and a directory, and uses a local module."""
    notebook(tmp_path / "n.ipynb", *CELLS)
    (tmp_path / "data.txt").write_text("a")
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "one.csv").write_text("1")
    (tmp_path / "helper.py").write_text("def twice(x):\n    return x + x\n")
    return tmp_path


def quiet(watch: Watch, count: int) -> None:
    """No more rounds come by themselves."""
    time.sleep(1.5)
    assert len(watch.rounds) == count, watch.rounds


def test_what_is_watched(place: Path) -> None:
    """Declared files, reached modules and the source are; what runs write is not."""
    told = data_of("run", "n.ipynb", "--watched", cwd=place)["watched"]
    assert told["reads"] == [str(place / name) for name in ("data.txt", "in", "in/**/*.csv")]
    assert told["modules"] == [str(place / "helper.py")]
    assert told["own"] == [str(place / "in" / "total.txt"), str(place / "n.jo")]
    assert set(told["stamps"]) == {str(place / name) for name in ("data.txt", "helper.py", "in/one.csv")}
    only = data_of("run", "n.ipynb", "Load", "--watched", cwd=place)["watched"]
    assert only["reads"] == [str(place / "data.txt")]
    again = data_of("run", "n.jo", "--watched", cwd=place)["watched"]
    assert again["modules"] == [str(place / "helper.py")], "known without being imported"
    seen = Watched(tuple(told["reads"]), tuple(told["modules"]), tuple(told["own"]))
    assert set(seen.folders()) == {str(place), str(place / "in")}


def test_rounds(place: Path) -> None:
    """A file, a module, a pattern, a directory, the notebook; replaced, deleted and made again; a failure."""
    with no_kernel_left():
        watch = Watch("n.ipynb", cwd=place)
        assert watch.wait_for(1).startswith("Ran 3 steps in ")
        quiet(watch, 1)
        runs(place)

        (place / "data.txt").write_text("b")
        assert watch.wait_for(2).startswith("data.txt changed. Ran 2 steps in ")
        assert runs(place) == ["Load", "Top"]

        (place / "new.txt").write_text("def twice(x):\n    return x + 'c'\n")
        (place / "new.txt").rename(place / "helper.py")
        assert watch.wait_for(3).startswith("helper.py changed. Ran 2 steps in ")

        (place / "in" / "deep").mkdir()
        (place / "in" / "deep" / "two.csv").write_text("2")
        assert watch.wait_for(4).startswith("two.csv changed. Ran 2 steps in ")
        runs(place)

        notebook(place / "n.ipynb", *CELLS, "%%step Bad\n1 / 0")
        assert "n.ipynb changed. Bad failed: ZeroDivisionError: division by zero" in watch.wait_for(5)
        notebook(place / "n.ipynb", *CELLS)
        assert watch.wait_for(6).endswith("Nothing to run: everything is available.")
        assert runs(place) == []

        (place / "data.txt").unlink()
        assert "data.txt, which is not there" in watch.wait_for(7)
        (place / "data.txt").write_text("b")
        assert watch.wait_for(8).startswith("data.txt changed. ")
        (place / "unrelated.txt").write_text("x")
        quiet(watch, 8)
        assert watch.end() == 0


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_end_in_the_middle_of_a_run(tmp_path: Path, number: int) -> None:
    """Exit code 130, no kernel left, what was finished kept."""
    slow = "import os, time\nif not os.path.exists('quick'):\n    time.sleep(60)\n'slow'"
    cells = ("%%step Load\n" + body("Load", "1"), "%%step Slow --depends-on Load\n" + body("Slow", slow))
    notebook(tmp_path / "n.ipynb", *cells)
    with no_kernel_left():
        watch = Watch("n.ipynb", cwd=tmp_path)
        wait_for_notes(tmp_path, 2, timeout=60)
        time.sleep(0.3)
        assert watch.end(number) == 130
    assert watch.rounds == []
    runs(tmp_path)
    (tmp_path / "quick").touch()
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    assert runs(tmp_path) == ["Slow"]


def test_changes_during_a_run(tmp_path: Path) -> None:
    """They are seen after it, once; a directory of results is watched without a kernel."""
    (tmp_path / "data.txt").write_text("a")
    slow = "import time\nfound = open('data.txt').read()\ntime.sleep(1.5)\nfound"
    notebook(tmp_path / "n.ipynb", "%%step Load --reads data.txt\n" + body("Load", slow))
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    runs(tmp_path)
    with no_kernel_left():
        watch = Watch("n.jo", cwd=tmp_path)
        assert watch.wait_for(1).startswith("Nothing to run")
        (tmp_path / "data.txt").write_text("b")
        wait_for_notes(tmp_path, 1)
        time.sleep(0.5)
        (tmp_path / "data.txt").write_text("c")
        watch.wait_for(3)
        quiet(watch, 3)
        assert [line.partition(" in ")[0] for line in watch.rounds[1:]] == ["data.txt changed. Ran 1 step"] * 2
        assert watch.end(signal.SIGTERM) == 0
    assert runs(tmp_path) == ["Load", "Load"]


def test_what_cannot_be_watched(tmp_path: Path) -> None:
    """Bad usage is told at once, with exit code 2; so is a package that is not installed."""
    notebook(tmp_path / "n.ipynb", "%%step Clean\n1")
    for words, message in ((["no.ipynb"], "There is no notebook"), (["n.ipynb", "Claen"], "Did you mean Clean?")):
        done = jo("watch", *words, cwd=tmp_path)
        assert (done.returncode, message in done.stderr, "Traceback" in done.stderr) == (2, True, False)
    hidden = tmp_path / "hide"
    hidden.mkdir()
    (hidden / "watchfiles.py").write_text("raise ImportError('no')\n")
    done = subprocess.run(
        [*COMMAND, "watch", "n.ipynb"],
        cwd=tmp_path,
        env=environment({"PYTHONPATH": os.pathsep.join([str(hidden), environment()["PYTHONPATH"]])}),
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert done.stderr == (
        "jo watch needs the package watchfiles, which is not there: pip install 'jo_notebook[watch]' brings it.\n"
    )


def test_stamps_cross_as_json(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    stamps = Watched(reads=(str(tmp_path / "a.txt"), str(tmp_path / "gone"))).stamps()
    assert list(stamps) == [str(tmp_path / "a.txt")]
    assert {path: tuple(stamp) for path, stamp in json.loads(json.dumps(stamps)).items()} == stamps
    assert Watched(reads=(str(tmp_path / "gone" / "*.csv"),)).folders() == [str(tmp_path)]
