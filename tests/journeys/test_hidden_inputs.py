"""What a step reads or changes without saying so: told once, with the option to paste, which then really counts."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import StartKernel
from tests.journeys.asking import result, states
from tests.kernel import Kernel


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    """One kernel; each test has a directory and results of its own."""
    kernel = Kernel(tmp_path_factory.mktemp("hidden"))
    yield kernel
    kernel.close()


@pytest.fixture
def here(shared: Kernel, tmp_path: Path) -> Kernel:
    """The kernel as it is after a start, in the test's own directory."""
    shared.run("%unload_ext jo_notebook\n%reset -f", allow_error=True)
    shared.run(f"import os, sys\nsys.dont_write_bytecode = True\nos.chdir({str(tmp_path)!r})")
    shared.run(f"os.environ['JO_CONTEXT'] = {str(tmp_path / 'results.jo')!r}\ndel os, sys\n%load_ext jo_notebook")
    return shared


def notes(text: str) -> list[str]:
    """What a run pointed out."""
    return [line.removeprefix("Note: ") for line in text.splitlines() if line.startswith("Note: ")]


OPENED = {
    "open": "open('data.csv').read()",
    "pathlib": "from pathlib import Path\nPath('data.csv').read_text()",
    "pandas": "import pandas as pd\npd.read_csv('data.csv')",
    "numpy": "import numpy as np\nnp.loadtxt('data.csv', delimiter=',', skiprows=1)",
    "csv, in a helper": "rows()",
    "json": "import json\njson.load(open('data.json'))",
    "an absolute path": "import os\nopen(os.path.abspath('data.csv')).read()",
    "a thread": (
        "import concurrent.futures as f\nwith f.ThreadPoolExecutor() as p:\n"
        "    x = p.submit(lambda: open('data.csv').read()).result()\nx"
    ),
    "read twice": "open('data.csv').read() + open('data.csv').read()",
}


@pytest.mark.parametrize("how", OPENED)
def test_an_opened_file(here: Kernel, tmp_path: Path, how: str) -> None:
    """It is suggested once; the pasted option runs nothing while the file is unchanged, and counts when it changes."""
    name = "data.json" if how == "json" else "data.csv"
    (tmp_path / name).write_text("[1, 2]" if how == "json" else "a,b\n1,2\n")
    here.run("import csv\ndef rows():\n    with open('data.csv') as lines:\n        return list(csv.reader(lines))")
    body = OPENED[how]
    here.run(f"%%step A\n{body}", "a")
    assert notes(here.run("%materialize A").stdout) == [f"A opened {name}: declare it with --reads {name}."]
    assert f"  - it opened {name}: --reads {name} declares it\n" in here.run("%explain A").stdout
    assert notes(here.run("%materialize A --force").stdout) == [], "told once"
    assert f"it opened {name}" in here.run("%explain A").stdout, "and listed always"

    here.run(f"%%step A --reads {name}\n{body}", "a")
    assert states(here) == {"A": "available"}
    assert here.run("%materialize").stdout == "Nothing to run: everything is available.\n"
    (tmp_path / name).write_text("[1, 3]" if how == "json" else "a,b\n1,3\n")
    assert states(here) == {"A": "stale"}
    assert f"file {name} changed" in here.run("%explain A").stdout
    assert notes(here.run("%materialize A").stdout) == []
    assert "not declared" not in here.run("%explain A").stdout
    assert states(here) == {"A": "available"}


NAMES = [
    "two words.csv",
    "it's.csv",
    'a"b.csv',
    "a#1.csv",
    "$HOME.csv",
    "a&b;c.csv",
    "data[1].csv",
    "back\\slash.csv",
    "comma,csv",
    "größe.csv",
    "-dash.csv",
    "{x}.csv",
    "sub dir/data (1).csv",
    "semi;",
]


@pytest.mark.parametrize("name", NAMES)
def test_the_option_can_be_pasted(here: Kernel, tmp_path: Path, name: str) -> None:
    """Whatever the file is called: what is told, put behind `%%step A`, declares that file and runs nothing."""
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("1")
    body = f"open({name!r}).read()"
    here.run(f"%%step A\n{body}", "a")
    (told,) = notes(here.run("%materialize A").stdout)
    option = told[told.index("--reads ") :].removesuffix(".")
    here.run(f"%%step A {option}\n{body}", "a")
    assert result(here.run("p = %pipeline\np.dag['A'].reads")) == repr((name,))
    assert states(here) == {"A": "available"}
    (tmp_path / name).write_text("2")
    assert states(here) == {"A": "stale"}


def test_a_file_that_changed_before_it_was_declared(here: Kernel, tmp_path: Path) -> None:
    """The result was made of the old content: declaring the file makes it stale."""
    (tmp_path / "data.csv").write_text("1")
    here.run("%%step A --run\nopen('data.csv').read()", "a")
    (tmp_path / "data.csv").write_text("2")
    assert states(here) == {"A": "available"}, "nobody declared it"
    here.run("%%step A --reads data.csv\nopen('data.csv').read()", "a")
    assert states(here) == {"A": "stale"}
    assert "file data.csv changed" in here.run("%explain A").stdout


@pytest.mark.parametrize(
    "body",
    [
        pytest.param("import os\nopen(os.path.join(os.environ_dir, 'FORMAT')).read()", id="our own store"),
        pytest.param("import importlib.resources\nimport pandas\nopen(pandas.__file__).read()[:0]", id="a library"),
        pytest.param("import zoneinfo\nstr(zoneinfo.ZoneInfo('Europe/Berlin'))", id="time zones"),
        pytest.param("import wave\n1", id="an import"),
        pytest.param(
            (
                "import tempfile\nwith tempfile.TemporaryFile('w+') as f:\n"
                "    f.write('x')\n    f.seek(0)\n    x = f.read()\nx"
            ),
            id="a temporary file",
        ),
        pytest.param("open('own.txt', 'w').write('x')\nopen('own.txt').read()", id="what it wrote itself"),
    ],
)
def test_what_is_never_suggested(here: Kernel, tmp_path: Path, body: str) -> None:
    """Our own files, a library's, Python's, a scratch file."""
    here.run("%%step First --run\n1", "first")
    body = body.replace("os.environ_dir", repr(str(tmp_path / "results.jo")))
    here.run(f"%%step A\n{body}", "a")
    assert [note for note in notes(here.run("%materialize A").stdout) if "opened" in note] == []
    assert "it opened" not in here.run("%explain A").stdout


ENVIRONMENT = {
    "environ": "import os\nos.environ['JO_TEST_TOKEN']",
    "get": "import os\nos.environ.get('JO_TEST_TOKEN')",
    "getenv": "import os\nos.getenv('JO_TEST_TOKEN', 'none')",
    "a helper": "token()",
    "from os": "from os import environ\nenviron.get('JO_TEST_TOKEN')",
}


@pytest.mark.parametrize("how", ENVIRONMENT)
def test_the_environment(here: Kernel, how: str) -> None:
    """The same for a variable; unset, set and changed are three things."""
    here.run("import os\nos.environ['JO_TEST_TOKEN'] = 'one'\ndef token():\n    return os.environ['JO_TEST_TOKEN']")
    body = ENVIRONMENT[how]
    here.run(f"%%step A\n{body}", "a")
    expected = "A read the environment: declare it with --env JO_TEST_TOKEN."
    assert notes(here.run("%materialize A").stdout) == [expected]
    assert notes(here.run("%materialize A --force").stdout) == []
    assert "it read the environment's JO_TEST_TOKEN: --env JO_TEST_TOKEN declares it" in here.run("%explain A").stdout
    here.run(f"%%step A --env JO_TEST_TOKEN\n{body}", "a")
    assert states(here) == {"A": "available"}
    here.run("os.environ['JO_TEST_TOKEN'] = 'two'")
    assert states(here) == {"A": "stale"}
    assert "environment JO_TEST_TOKEN changed" in here.run("%explain A").stdout
    here.run("os.environ['JO_TEST_TOKEN'] = 'one'")
    assert states(here) == {"A": "available"}
    here.run("del os.environ['JO_TEST_TOKEN']")
    assert "environment JO_TEST_TOKEN is not set" in here.run("%explain A").stdout
    here.run("os.environ['JO_TEST_TOKEN'] = ''")
    assert "environment JO_TEST_TOKEN changed" in here.run("%explain A").stdout, "empty is not unset"


def test_a_variable_that_was_not_set(here: Kernel) -> None:
    """Reading it is an input too."""
    here.run("import os\nos.environ.pop('JO_TEST_NONE', None)")
    here.run("%%step A\nimport os\nos.environ.get('JO_TEST_NONE', 'nothing')", "a")
    assert "--env JO_TEST_NONE" in here.run("%materialize A").stdout
    here.run("%%step A --env JO_TEST_NONE\nimport os\nos.environ.get('JO_TEST_NONE', 'nothing')", "a")
    assert states(here) == {"A": "available"}
    here.run("os.environ['JO_TEST_NONE'] = 'x'")
    assert "environment JO_TEST_NONE is set now" in here.run("%explain A").stdout
    here.run("del os.environ['JO_TEST_NONE']")


@pytest.mark.parametrize("declared", ["", "--env JO_TEST_SECRET"])
def test_a_secret_is_never_written_down(here: Kernel, tmp_path: Path, declared: str) -> None:
    """No file of the store has the value, also not after failures, changes, verify and explain."""
    secret, other = "s3cr3t-Zq8xv", "0ther-Kw7pm"
    here.run(f"import os\nos.environ['JO_TEST_SECRET'] = '{secret}'")
    body = "import os\nlen(os.environ['JO_TEST_SECRET'])"
    here.run(f"%%step A {declared}\n{body}", "a")
    here.run(f"%%step B {declared}\nimport os\nlen(os.environ['JO_TEST_SECRET']) / 0", "b")
    here.run("%materialize", allow_error=True)
    shown = here.run("%explain A").stdout + here.run("%verify A").stdout
    here.run(f"os.environ['JO_TEST_SECRET'] = '{other}'")
    shown += here.run("%explain A").stdout + here.run("%plan").stdout
    here.run("%accept A")
    here.run("%pin A")
    here.run("%materialize A --force")
    found = [p for p in (tmp_path / "results.jo").rglob("*") if p.is_file()]
    assert found
    for word in (secret, other):
        assert word not in shown
        assert [p.name for p in found if word.encode() in p.read_bytes()] == []
    here.run("del os.environ['JO_TEST_SECRET']")


def test_a_name_of_the_notebook_that_it_writes(here: Kernel) -> None:
    """`global x` in a step: told once, listed always."""
    here.run("%%step A\nglobal seen\nseen = [1]\nlen(seen)", "a")
    told = ["A wrote the notebook's seen: other steps see what ran last; return it instead."]
    assert notes(here.run("%materialize A").stdout) == told
    assert notes(here.run("%materialize A --force").stdout) == []
    assert "  - it wrote the notebook's seen: return it instead\n" in here.run("%explain A").stdout


CHANGED = {
    "a list": ("[1, 2]", "Made.append(3)"),
    "a list, by another name": ("[1, 2]", "mine = Made\nmine.append(3)"),
    "a list, in a helper": ("[1, 2]", "spoil(Made)"),
    "a list inside": ("{'a': [1, 2]}", "Made['a'].append(3)"),
    "a frame": ("import pandas as pd\npd.DataFrame({'a': [1, 2]})", "Made['b'] = 1"),
    "a frame, in place": ("import pandas as pd\npd.DataFrame({'a': [2, 1]})", "Made.sort_values('a', inplace=True)"),
    "a frame's column": ("import pandas as pd\npd.DataFrame({'a': [1, 2]})", "Made.loc[0, 'a'] = 9"),
    "an array": ("import numpy as np\nnp.arange(3)", "Made += 1"),
    "an array, by a view": ("import numpy as np\nnp.arange(3)", "view = Made[1:]\nview[:] = 7"),
    "an object": ("import types\ntypes.SimpleNamespace(n=1)", "Made.n = 2"),
}


@pytest.mark.parametrize("what", CHANGED)
def test_an_input_that_it_changes(here: Kernel, what: str) -> None:
    """It is told on, and nobody else sees the change."""
    made, change = CHANGED[what]
    here.run("def spoil(values):\n    values.append(3)")
    here.run(f"%%step Made\n{made}", "made")
    here.run(f"%%step Spoil\n{change}\n1", "spoil")
    here.run("%%step Look\nrepr(Made)", "look")
    before = result(here.run("%materialize Look"))
    (told,) = notes(here.run("%materialize Spoil").stdout)
    assert "Spoil" in told
    assert "Made" in told
    here.run("%materialize Look --force")
    assert result(here.run("Look")) == before
    assert set(states(here).values()) == {"available"}


def test_a_list_of_the_notebook_that_it_changes(here: Kernel) -> None:
    """Data of an ordinary cell: told, with what to do."""
    here.run("values = [1]\nalias = values")
    here.run("%%step A\nvalues.append(2)\nlen(values)", "a")
    told = ["A changed values, which it reads from the notebook: work on a copy, or return it instead."]
    assert notes(here.run("%materialize A").stdout) == told
    assert states(here) == {"A": "stale"}
    here.run("values = [1]")
    here.run("%%step A\nmine = [*values, 2]\nlen(mine)", "a")
    assert notes(here.run("%materialize A").stdout) == []


def test_several_at_once(here: Kernel, tmp_path: Path) -> None:
    """One line a kind; more than a few files are counted in the sentence and all named in the option."""
    for number in range(6):
        (tmp_path / f"d{number}.txt").write_text("x")
    here.run("%%step A\n''.join(open(f'd{n}.txt').read() for n in range(6))", "a")
    (told,) = notes(here.run("%materialize A").stdout)
    assert told.startswith("A opened d0.txt, d1.txt, d2.txt, d3.txt and 2 more: declare it with --reads ")
    assert re.findall(r"d\d\.txt", told.partition("--reads")[2]) == [f"d{n}.txt" for n in range(6)]


def test_a_new_one_beside_those_that_were_told(here: Kernel, tmp_path: Path) -> None:
    """Only what is new is told."""
    for name in "ab":
        (tmp_path / name).write_text("x")
    here.run("%%step A --run\nopen('a').read()", "a")
    here.run("%%step A\nopen('a').read() + open('b').read()", "a")
    assert notes(here.run("%materialize A").stdout) == ["A opened b: declare it with --reads b."]


def test_it_is_listed_after_a_restart(start_kernel: StartKernel, tmp_path: Path) -> None:
    """What was seen is part of the record."""
    (tmp_path / "data.csv").write_text("1")
    kernel = start_kernel()
    kernel.run("%load_ext jo_notebook")
    kernel.run("%%step A --run\nopen('data.csv').read()")
    kernel.restart()
    kernel.run("%load_ext jo_notebook")
    assert "it opened data.csv: --reads data.csv declares it" in kernel.run("%explain A").stdout
    kernel.run("%%step A --reads data.csv\nopen('data.csv').read()")
    assert states(kernel) == {"A": "available"}


# -- declared files ---------------------------------------------------------------------------------------


def test_several_files(here: Kernel, tmp_path: Path) -> None:
    """Files, a quoted name with spaces, a directory and a pattern on one line; each counts."""
    (tmp_path / "folder").mkdir()
    for name in ("one.txt", "two words.txt", "folder/a.txt", "x1.log", "x2.log"):
        (tmp_path / name).write_text("1")
    line = '--reads one.txt "two words.txt" folder --reads "x*.log"'
    here.run(f"%%step A {line}\nimport glob\n[open(p).read() for p in sorted(glob.glob('x*.log'))]", "a")
    assert notes(here.run("%materialize A").stdout) == []
    changes = {
        "one.txt": "file one.txt changed",
        "two words.txt": "file two words.txt changed",
        "folder/b.txt": "file folder changed",
        "x2.log": "file x*.log changed",
        "x3.log": "file x*.log changed",
    }
    for name, reason in changes.items():
        path = tmp_path / name
        before = path.read_bytes() if path.exists() else None
        path.write_text("2")
        assert reason in here.run("%explain A").stdout, name
        path.unlink() if before is None else path.write_bytes(before)
        assert states(here) == {"A": "available"}, name


def test_a_file_that_is_not_there(here: Kernel, tmp_path: Path) -> None:
    """One clear failure, with no traceback of ours; other steps go on; once it is there, the step runs."""
    here.run("%%step A --reads gone.csv\nopen('gone.csv').read()", "a")
    here.run("%%step B\nA", "b")
    here.run("%%step C\n3", "c")
    assert "file gone.csv" in here.run("%explain A").stdout or "no result" in here.run("%explain A").stdout
    failed = here.run("%materialize", allow_error=True)
    assert "A declares --reads gone.csv, which is not there" in failed.error
    assert "jo_notebook/" not in failed.error
    assert states(here) == {"A": "failed", "B": "missing", "C": "available"}
    (tmp_path / "gone.csv").write_text("5")
    assert result(here.run("%materialize B")) == "'5'"


def test_a_file_that_vanishes(here: Kernel, tmp_path: Path) -> None:
    """Its result is stale, its old value is still there; back again is available again."""
    (tmp_path / "data.csv").write_text("5")
    here.run("%%step A --run --reads data.csv\nopen('data.csv').read()", "a")
    (tmp_path / "data.csv").unlink()
    assert "file data.csv is missing" in here.run("%explain A").stdout
    assert "is not there" in here.run("%materialize A", allow_error=True).error
    (tmp_path / "data.csv").write_text("5")
    assert states(here) == {"A": "available"}


def test_a_file_that_another_step_writes(here: Kernel, tmp_path: Path) -> None:
    """The reader depends on the writer; a new file makes the reader run, the same one does not."""
    here.run("%%step Write --writes out.txt --params \"text='1'\"\nopen('out.txt', 'w').write(text)\nNone", "w")
    here.run("%%step Read --depends-on Write --reads out.txt\nopen('out.txt').read()", "r")
    assert result(here.run("%materialize Read")) == "'1'"
    assert states(here) == {"Write": "available", "Read": "available"}
    here.run("%%step Write --writes out.txt --params \"text='2'\"\nopen('out.txt', 'w').write(text)\nNone", "w")
    assert result(here.run("%materialize Read")) == "'2'"
    assert states(here) == {"Write": "available", "Read": "available"}
    assert here.run("%materialize Read").stdout.startswith("Nothing to run")
    (tmp_path / "out.txt").write_text("changed by hand")
    assert states(here)["Write"] == "stale"
    assert "file out.txt, which it writes, was changed" in here.run("%explain Write").stdout
    (tmp_path / "out.txt").unlink()
    assert "file out.txt, which it writes, is gone" in here.run("%explain Write").stdout
    assert result(here.run("%materialize Read")) == "'2'"
    assert states(here) == {"Write": "available", "Read": "available"}


def test_a_file_that_it_does_not_write(here: Kernel) -> None:
    """A declaration that is not kept is a failure that says what to do."""
    here.run("%%step A --writes out.txt\n1", "a")
    failed = here.run("%materialize A", allow_error=True)
    assert (
        "A declares --writes out.txt and did not leave such a file. Write it, or drop the declaration." in failed.error
    )
    assert states(here) == {"A": "failed"}


def test_a_seed(here: Kernel) -> None:
    """The same numbers each time; the notebook's own generator goes on where it was."""
    here.run("import random\nimport numpy as np\nrandom.seed(1)\nnp.random.seed(1)")
    before = result(here.run("(random.getstate()[1][:3], np.random.get_state()[1][:3].tolist())"))
    body = "import random, numpy as np\n(random.random(), np.random.rand())"
    here.run(f"%%step A --seed 7\n{body}", "a")
    first = result(here.run("%materialize A"))
    assert result(here.run("%materialize A --force")) == first
    assert result(here.run("(random.getstate()[1][:3], np.random.get_state()[1][:3].tolist())")) == before
    here.run(f"%%step A --seed 8\n{body}", "a")
    assert "seed: 7 → 8" in here.run("%explain A").stdout
    assert result(here.run("%materialize A")) != first
    here.run(f"%%step A --seed 7\n{body}", "a")
    assert states(here) == {"A": "available"}
    here.run(f"%%step A\n{body}", "a")
    assert "seed: 7 → none" in here.run("%explain A").stdout


IGNORED = {
    "a constant": ("K = 1", "K = 2", "K"),
    "a helper": ("def K(): return 1", "def K(): return 2", "K()"),
    "data": ("K = [1]", "K.append(2)", "len(K)"),
    "a class": ("class K: x = 1", "class K: x = 2", "K.x"),
}


@pytest.mark.parametrize("what", IGNORED)
def test_an_ignored_name(here: Kernel, what: str) -> None:
    """Its changes do not count; it is listed; without the option they count again."""
    before, after, body = IGNORED[what]
    here.run(before)
    here.run(f"%%step A --run --ignore K\n{body}", "a")
    here.run(after)
    assert states(here) == {"A": "available"}
    assert "Not tracked (changes here are not noticed): K." in here.run("%explain A").stdout
    here.run(f"%%step A\n{body}", "a")
    assert states(here) == {"A": "stale"}


def test_ignoring_later(here: Kernel) -> None:
    """The option that ends a difference needs no run."""
    here.run("K = 1")
    here.run("%%step A --run\nK", "a")
    here.run("K = 2")
    assert states(here) == {"A": "stale"}
    here.run("%%step A --ignore K\nK", "a")
    assert states(here) == {"A": "available"}


def test_an_ignored_name_that_nobody_has(here: Kernel) -> None:
    """A mistyped name is told, or does no harm."""
    here.run("K = 1")
    here.run("%%step A --run --ignore Kay\nK", "a")
    here.run("K = 2")
    assert states(here) == {"A": "stale"}
    assert "K: 1 → 2" in here.run("%explain A").stdout


def test_files_found_by_looking_through_a_directory_are_one_input(kernel: Kernel) -> None:
    """The directory, or the pattern, is what is suggested; declaring it costs no run."""
    (kernel.cwd / "parts").mkdir()
    for number in range(20):
        (kernel.cwd / "parts" / f"{number}.csv").write_text(str(number))
    kernel.run("%load_ext jo_notebook\nfrom pathlib import Path")
    body = "sum(int(p.read_text()) for p in sorted(Path('parts').glob('*.csv')))"
    said = kernel.run(f"%%step Sum --run\n{body}", "sum").stdout
    (line,) = [line for line in said.splitlines() if "--reads" in line]
    option = line.partition("--reads ")[2].rstrip(".")
    assert option in ("parts", "'parts/*.csv'"), line
    assert "available" in kernel.run(f"%%step Sum --reads {option}\n{body}", "sum").text
    assert kernel.run("%materialize Sum").stdout == "Nothing to run: everything is available.\n"
    (kernel.cwd / "parts" / "3.csv").write_text("30")
    assert "changed" in kernel.run("%explain Sum").stdout
