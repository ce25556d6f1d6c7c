"""Around one call of a step: its files, its seed, what it reads and changes without saying so; as rows and notes."""

from __future__ import annotations

import os
import random
import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from jo_notebook.core.fingerprint import digest_of
from jo_notebook.engine.attend import LARGEST_UNDECLARED, Attention, attending
from jo_notebook.engine.files import Files
from jo_notebook.errors import FileMissing
from tests.cases.making import step


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test in a directory of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("JO_TEST_X", raising=False)
    return tmp_path


def attended(body: str, namespace: dict[str, Any] | None = None, *, given: Any = None, **declared: Any) -> Attention:
    """What was noticed while the code ran as a step's body would."""
    namespace = {} if namespace is None else namespace
    options = {"own": lambda name: name == "<step>"} | (given or {})
    with attending(replace(step("A"), **declared), namespace, Files(), **options) as attention:
        exec(compile(body, "<step>", "exec"), namespace, {})
    return attention


def read(path: str) -> str:
    return f"with open({path!r}) as f:\n    f.read()\n"


def write(path: str, text: str = "new") -> str:
    return f"with open({path!r}, 'w') as f:\n    f.write({text!r})\n"


def test_nothing_to_notice() -> None:
    assert attended("1 + 1") == Attention()


def test_an_undeclared_file() -> None:
    """A row with what it held, a sentence with the option."""
    Path("a.csv").write_text("x")
    found = attended(read("a.csv"))
    assert found.hidden == (("file", "a.csv", Files().look("a.csv").digest),)
    assert found.notes == ["A opened a.csv: declare it with --reads a.csv"]
    assert attended(read("a.csv"), given={"told": [("file", "a.csv")]}).notes == []
    assert attended(read("a.csv"), given={"told": [("file", "a.csv")]}).hidden == found.hidden


@pytest.mark.parametrize("declared", ["a.csv", "./a.csv", "*.csv", ".", "{here}", "{here}/a.csv", "a.*"])
def test_a_declared_file(here: Path, declared: str) -> None:
    """By its name, by a directory, by a pattern."""
    Path("a.csv").write_text("x")
    found = attended(read("a.csv"), reads=(declared.format(here=here),))
    assert (found.hidden, found.notes) == ((), [])


def test_a_pattern_does_not_reach_deeper() -> None:
    """`*.csv` declares what lies here; a file in a directory below is another one."""
    Path("deep").mkdir()
    Path("a.csv").write_text("x")
    Path("deep/b.csv").write_text("x")
    found = attended(read("deep/b.csv"), reads=("*.csv",))
    assert [row[:2] for row in found.hidden] == [("file", "deep/b.csv")]


def test_a_pattern_for_everything_below() -> None:
    """`**` is any number of directories, also none."""
    Path("deep/er").mkdir(parents=True)
    for name in ("a.csv", "deep/b.csv", "deep/er/c.csv"):
        Path(name).write_text("x")
        assert attended(read(name), reads=("**/*.csv",)).hidden == (), name


def test_a_pattern_for_directories() -> None:
    """What lies below a directory that matches is declared with it."""
    Path("day1").mkdir()
    Path("day1/b.csv").write_text("x")
    assert attended(read("day1/b.csv"), reads=("day*",)).hidden == ()


def test_a_file_with_a_pattern_for_its_name() -> None:
    Path("data[1].csv").write_text("x")
    assert attended(read("data[1].csv"), reads=("data[1].csv",)).hidden == ()


def test_it_writes_into_a_directory_that_it_reads() -> None:
    """No option can tell that before; afterwards it is told."""
    Path("data").mkdir()
    found = attended(write("data/out.csv"), reads=("data",), writes=("data/out.csv",))
    assert "data was changed while A, which reads it, ran: A will be stale" in found.notes


@pytest.mark.parametrize("path", ["gone.csv", "gone/", "no*.csv", "gone/deep.csv"])
def test_a_declared_file_that_is_missing(path: str) -> None:
    """Told before the call; the body does not run."""
    namespace: dict[str, Any] = {}
    with pytest.raises(FileMissing) as caught:
        attended("ran = True", namespace, reads=(path,))
    assert f"A declares --reads {path}, which is not there" in str(caught.value)
    assert "ran" not in namespace


def test_what_it_writes() -> None:
    found = attended(write("out.txt"), writes=("out.txt",))
    assert found.writes == (("out.txt", Files().look("out.txt").digest),)
    assert (found.hidden, found.notes) == ((), [])
    with pytest.raises(FileMissing, match="did not leave such a file"):
        attended("1", writes=("other.txt",))


def test_an_undeclared_file_that_it_writes() -> None:
    """A row; no sentence: writing is no input."""
    found = attended(write("out.txt"))
    assert found.hidden == (("written", "out.txt", ""),)
    assert found.notes == []


def test_what_it_reads_changes_while_it_runs() -> None:
    Path("a.csv").write_text("x")
    found = attended(write("a.csv", "other content"), reads=("a.csv",))
    assert "a.csv was changed while A, which reads it, ran: A will be stale" in found.notes


def test_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its digest is kept, never its value."""
    monkeypatch.setenv("JO_TEST_X", "secret")
    found = attended("import os\nos.environ['JO_TEST_X']")
    assert found.hidden == (("env", "JO_TEST_X", digest_of("secret")),)
    assert found.notes == ["A read the environment: declare it with --env JO_TEST_X"]
    assert "secret" not in repr(found)
    assert attended("import os\nos.environ['JO_TEST_X']", env=("JO_TEST_X",)) == Attention()
    monkeypatch.delenv("JO_TEST_X")
    assert attended("import os\nos.getenv('JO_TEST_X')").hidden == (("env", "JO_TEST_X", "unset"),)


def test_a_variable_that_it_sets_itself() -> None:
    found = attended("import os\nos.environ['JO_TEST_X'] = '1'\nos.environ['JO_TEST_X']\ndel os.environ['JO_TEST_X']")
    assert found.hidden == ()


def test_names_that_it_binds() -> None:
    found = attended("global x\nx = 1", {"x": 0})
    assert found.hidden == (("global", "x", ""),)
    assert found.notes == ["A wrote the notebook's x: other steps see what ran last; return it instead"]


def test_data_of_the_notebook_that_it_changes() -> None:
    """Changed in place, bound anew, and a generator that moves by mere use: three sentences."""
    namespace: dict[str, Any] = {"values": [1], "rng": random.Random(1)}

    def state() -> dict[str, str]:
        return {"values": repr(namespace["values"]), "rng": repr(namespace["rng"].getstate())}

    given = {"state": state, "moving": ["rng"]}
    assert attended("values.append(2)", namespace, given=given).notes == [
        "A changed values, which it reads from the notebook: work on a copy, or return it instead"
    ]
    assert attended("rng.random()", namespace, given=given).notes == [
        "A changed rng, which it reads from the notebook: make it in the step"
    ]
    (told,) = attended("global values\nvalues = [5]", namespace, given=given).notes
    assert told.startswith("A wrote the notebook's values")


def test_a_seed() -> None:
    namespace: dict[str, Any] = {"random": random, "got": []}
    random.seed(1)
    before = random.getstate()
    for _ in range(2):
        attended("got.append(random.random())", namespace, seed=5)
    assert random.getstate() == before
    assert namespace["got"][0] == namespace["got"][1]


def test_an_error_passes_through() -> None:
    """And leaves nothing switched on."""
    with pytest.raises(ZeroDivisionError):
        attended("1 / 0", seed=3)
    Path("a.csv").write_text("x")
    with open("a.csv") as f:
        f.read()
    assert attended("1") == Attention()


def test_many_files() -> None:
    """A few are named, the rest is counted; the option has all of them, those with spaces quoted."""
    names = [f"file {n}.csv" for n in range(6)]
    for name in names:
        Path(name).write_text("x")
    (told,) = attended("".join(map(read, names))).notes
    assert told.startswith(
        "A opened file 0.csv, file 1.csv, file 2.csv, file 3.csv and 2 more: declare it with --reads "
    )
    assert shlex.split(told.partition("--reads ")[2]) == names


def test_a_large_file_is_named_and_not_read() -> None:
    with open("large.bin", "wb") as f:
        f.truncate(LARGEST_UNDECLARED + 1)
    found = attended("with open('large.bin', 'rb') as f:\n    f.read(1)\n")
    assert found.hidden == (("file", "large.bin", ""),)


def test_ignored_places(here: Path) -> None:
    """Our own directory, whatever is read or written there."""
    Path("analysis.jo").mkdir()
    Path("analysis.jo/x").write_text("x")
    body = read("analysis.jo/x") + write("analysis.jo/y")
    assert attended(body, given={"ignored": (str(here / "analysis.jo"),)}) == Attention()
    assert attended(read("analysis.jo/x")) == Attention(), "any .jo directory"


def test_a_directory_that_is_changed_by_the_step() -> None:
    """It changes the working directory: names stay those of the directory in which it began."""
    Path("deep").mkdir()
    Path("a.csv").write_text("x")
    before = os.getcwd()
    try:
        found = attended("import os\n" + read("a.csv") + "os.chdir('deep')")
    finally:
        os.chdir(before)
    assert [row[:2] for row in found.hidden] == [("file", "a.csv")]
