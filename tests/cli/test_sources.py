"""What a command works on: a notebook, a directory of results, and what is neither."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from jo_notebook.commands.sources import Kind, Options, Source, opened, source_of
from jo_notebook.errors import UsageError
from tests.journeys.asking import body, runs
from tests.test_cli import jo, notebook

CELLS = (
    "%%step Load --reads data.txt\n" + body("Load", "open('data.txt').read().split()"),
    "%%step Clean\n" + body("Clean", "sorted(Load)"),
)


@pytest.fixture
def ready(tmp_path: Path) -> Path:
    """A notebook that has run, its results beside it, and where the user stands: elsewhere."""
    (tmp_path / "data.txt").write_text("b a")
    notebook(tmp_path / "n.ipynb", *CELLS)
    assert jo("run", "n.ipynb", cwd=tmp_path).returncode == 0
    assert runs(tmp_path) == ["Load", "Clean"]
    (tmp_path / "else").mkdir()
    return tmp_path / "else"


def test_a_directory_of_results(ready: Path) -> None:
    """Steps as they are remembered: planned, told and run without a kernel, from the directory beside the results."""
    where = ready.parent
    planned = jo("plan", "../n.jo", cwd=ready)
    assert (planned.returncode, planned.stderr, planned.stdout.count("[*]")) == (0, "", 3)
    assert "Nothing to run" in jo("run", "../n.jo", cwd=ready).stdout
    (where / "data.txt").write_text("d c")
    assert "file data.txt" in jo("explain", "../n.jo", "Load", cwd=ready).stdout
    done = jo("run", "../n.jo", "Clean", cwd=ready)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("Ran 2 steps in ")
    assert runs(where) == ["Load", "Clean"]
    assert "Nothing to run" in jo("run", "n.ipynb", cwd=where).stdout
    drawn = jo("graph", "../n.jo", cwd=ready)
    assert (drawn.returncode, (ready / "graph.svg").is_file()) == (0, True)
    assert jo("status", "../n.jo", cwd=ready).stdout.count("available") == 2
    assert jo("forget", "../n.jo", "Clean", cwd=ready).stdout == "Forgotten: Clean.\n"
    assert jo("resume", "../n.jo", cwd=ready).stdout.startswith("jo_notebook: 2 steps in n.jo: 1 available, 1 missing")
    assert sorted(path.name for path in ready.iterdir()) == ["graph.svg"]


def test_a_step_that_fails_in_this_process(ready: Path) -> None:
    """The user's traceback once, on stderr; what is finished stays."""
    (ready.parent / "data.txt").unlink()
    done = jo("run", "../n.jo", cwd=ready)
    assert (done.returncode, done.stdout) == (1, "Load failed. Clean not run, waiting for what failed.\n")
    assert done.stderr.count("Traceback (most recent call last)") <= 1
    assert done.stderr.splitlines()[-1].startswith("jo: Load, which Clean needs, failed: ")
    assert "jo_notebook/" not in done.stderr


WRONG = {
    "an unknown kind": (
        "text.txt",
        "jo works on a notebook (.ipynb), a stages file (.yaml, .yml), a Python file (.py) or",
    ),
    "no kind at all": ("nothing", "There is nothing at nothing. jo works on a notebook"),
    "a directory of other things": ("folder", "folder is a directory without results: jo works on"),
    "a directory that only has the name": ("false.jo", "false.jo holds no results, although its name says so"),
    "no notebook": ("no.ipynb", "There is no notebook at no.ipynb."),
    "no stages": ("no.yaml", "There is no stages file at no.yaml."),
    "no script": ("no.py", "There is no Python file at no.py."),
    "no results": ("no.jo", "There is no context at no.jo."),
}


@pytest.fixture
def wrong(tmp_path: Path) -> Path:
    (tmp_path / "text.txt").touch()
    for name in ("folder", "false.jo"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "x").touch()
    return tmp_path


@pytest.mark.parametrize("word", WRONG)
def test_what_is_no_source(wrong: Path, monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    monkeypatch.chdir(wrong)
    path, message = WRONG[word]
    with pytest.raises(UsageError) as raised:
        source_of(path)
    assert message in str(raised.value)


def test_what_is_no_source_on_the_command_line(wrong: Path) -> None:
    """Exit code 2, one line, whether the command opens the source or only its results."""
    for verb in ("plan", "gc"):
        for path, message in WRONG.values():
            done = jo(verb, path, cwd=wrong)
            assert (done.returncode, done.stdout, done.stderr.count("\n")) == (2, "", 1), (verb, path)
            assert message.split(".")[0] in done.stderr, (verb, path)


def test_kinds_and_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each kind keeps its results beside it; JO_CONTEXT names another place for all but a directory itself."""
    for name in ("a.ipynb", "b.yaml", "c.yml", "d.py"):
        (tmp_path / name).touch()
    (tmp_path / "e.jo").mkdir()
    kinds = [source_of(tmp_path / name) for name in ("a.ipynb", "b.yaml", "c.yml", "d.py", "e.jo")]
    assert [s.kind for s in kinds] == [Kind.NOTEBOOK, Kind.STAGES, Kind.STAGES, Kind.SCRIPT, Kind.STORE]
    assert [s.place.name for s in kinds] == ["a.jo", "b.jo", "c.jo", "d.jo", "e.jo"]
    monkeypatch.setenv("JO_CONTEXT", str(tmp_path / "f.jo"))
    assert [s.place.name for s in kinds] == ["f.jo"] * 4 + ["e.jo"]


@pytest.mark.parametrize(
    "options", [Options(module="m"), Options(state=Path("s")), Options(take_state=True), Options(sets={"a": 1})]
)
def test_options_of_another_kind(tmp_path: Path, options: Options) -> None:
    with (
        pytest.raises(UsageError, match=r"directory of results"),
        opened(Source(tmp_path / "a.jo", Kind.STORE), options),
    ):
        pass


def test_stages_options_are_not_for_notebooks(tmp_path: Path) -> None:
    notebook(tmp_path / "n.ipynb", "%%step A\n1")
    done = jo("plan", "n.ipynb", "--jobs-module", "x", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        2,
        "jo: --jobs-module is for a stages file (.yaml, .yml); n.ipynb is a notebook.\n",
    )


def test_a_kernel_that_is_not_there(tmp_path: Path) -> None:
    path = notebook(tmp_path / "n.ipynb", "%%step A\n1")
    path.write_text(path.read_text().replace('"python3"', '"not-here"'))
    done = jo("plan", "n.ipynb", cwd=tmp_path)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "n.ipynb asks for the kernel not-here, which is not installed here" in done.stderr


FAILING = {
    "a script that raises": ("s.py", "def f():\n    return 1 / 0\nf()\n", 1, "ZeroDivisionError"),
    "a script that exits": ("s.py", "import sys\nsys.exit(0)\n", 1, "SystemExit"),
    "an error of its own": ("s.py", "class Odd(BaseException): pass\nraise Odd('ends')\n", 1, "Odd"),
    "an object that cannot say its name": (
        "s.py",
        "from jo_notebook import Step\nclass A(Step):\n    def __str__(self): return 1 / 0\na = A()\n",
        1,
        "ZeroDivisionError",
    ),
    "a module of stages that raises": ("stages.yaml", "def f():\n    return 1 / 0\nf()\n", 2, "UsageError"),
    "a module of stages that exits": ("stages.yaml", "import sys\nsys.exit(0)\n", 2, "UsageError"),
}


@pytest.mark.parametrize(("name", "text", "code", "kind"), FAILING.values(), ids=FAILING)
def test_a_source_whose_own_code_fails(tmp_path: Path, name: str, text: str, code: int, kind: str) -> None:
    """One error, with the user's lines where a file of steps ran, and none of ours."""
    (tmp_path / "stages.yaml").write_text("Lint: []\n")
    (tmp_path / ("s.py" if name == "s.py" else "jobs.py")).write_text(text)
    words = ("plan", name, *([] if name == "s.py" else ["--jobs-module", "jobs"]))
    done = jo(*words, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (code, "")
    if name == "s.py":
        assert done.stderr.startswith("s.py failed while its steps were read.\nTraceback (most recent call last)")
        assert "line " in done.stderr
    else:
        assert done.stderr.startswith("jo: stages.yaml, line 1: Lint: jobs cannot be imported: ")
        assert len(done.stderr.splitlines()) == 1
    assert "jo_notebook/" not in done.stderr.replace("from jo_notebook", "")
    told = json.loads(jo(*words, "--json", cwd=tmp_path).stdout)
    assert told["error"]["type"] == kind
