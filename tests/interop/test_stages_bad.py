"""Everything that can be wrong with a stages file is one error with file and line, before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from jo_notebook.errors import CycleError, JoError, StepNameError, UsageError
from jo_notebook.interop.stage_file import read_stages
from jo_notebook.interop.stages import open_stages
from tests.interop.stages_demo import write_demo

DEEP = "A: " + "[" * 3000 + "]" * 3000
LAUGHS = "stages:\n  A:\n    params:\n      a: &a [1, 1, 1, 1, 1, 1, 1, 1, 1]\n" + "".join(
    f"      {new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n" for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
PARAMS = "stages:\n  A:\n    params: {{x: {0}}}\n"
ONE = "stages:\n  A:\n    {0}\n"

TEXTS: dict[str, tuple[str, str]] = {
    "empty": ("", r"f.yaml is empty: write a line for each stage, such as Lint: \[\]"),
    "only a comment": ("# nothing\n---\n", "f.yaml is empty"),
    "a list": ("- A\n- B\n", "f.yaml, line 1: a stages file is a mapping"),
    "a word": ("Lint", "f.yaml, line 1: a stages file is a mapping"),
    "an empty mapping": ("{}", "f.yaml, line 1: there is no stage in this file"),
    "a string in place of a list": ("A: []\nBC: []\nD: BC\n", r"f.yaml, line 3: D takes a list: write \[BC\]"),
    "nothing behind it": ("A: []\nB:\n", r"f.yaml, line 2: B has nothing behind it: write \[\]"),
    "null": ("A: ~\n", r"f.yaml, line 1: A has nothing behind it: write \[\]"),
    "a number": ("A: 3\n", r"f.yaml, line 1: A takes a list: write \[3\]"),
    "a list of lists": ("A: []\nB: [[A]]\n", "f.yaml, line 2: B takes a list of stages, not a list of lists"),
    "a mapping in the plain form": ("A:\n  shell: ls\n", "f.yaml, line 1: in this form a stage has a list of stages"),
    "a parameter in the plain form": ("A: []\nB:\n- x: A\n", r"f.yaml, line 3: .*: write \[A\]"),
    "an undeclared name": (
        "Lint: []\nDocs:\n  - Lint\n  - Lnt\n",
        r"f.yaml, line 4: Docs depends on Lnt, and there is no such stage. Did you mean Lint\?",
    ),
    "an undeclared name, none near": ("Docs: [X]\n", r"line 1: Docs depends on X, .* Add X: \[\] if it is one."),
    "a key twice": ("A: []\nB: []\nA: [B]\n", "f.yaml, line 3: 'A' is written twice, first in line 1"),
    "a name twice, for Python": (
        "ﬁt: []\nfit: []\n",
        "f.yaml, line 2: Python reads this name as fit, as that of line 1",
    ),
    "no YAML": ("A: [\nB: []\n", "f.yaml, line [23]: this is not YAML: "),
    "a tab": ("A:\n\t- B\n", "f.yaml, line 2: this is not YAML: .*cannot start any token"),
    "an unknown alias": ("A: *b\n", "f.yaml, line 1: this is not YAML: found undefined alias 'b'"),
    "two documents": ("A: []\n---\nB: []\n", "f.yaml, line 2: this is not YAML: .*found another document"),
    "a character": ("A: []\nB: [\x07]\n", r"f.yaml, line 2: the character '\\x07' cannot stand here"),
    "too deep": (DEEP, "f.yaml: lists and mappings are nested too deeply"),
    "aliases without end": (LAUGHS, "the aliases of this file stand for too many values"),
    "a list that holds itself": (PARAMS.format("&a [*a]"), "f.yaml, line 3: this value holds itself"),
    "defaults that hold themselves": (ONE.format("params: &p {<<: *p}"), "f.yaml, line 3: this value holds itself"),
    "defaults that are no mapping": (ONE.format("<<: [x]"), "f.yaml, line 3: << takes a mapping"),
    "a tag": (PARAMS.format("!!python/object:os.system ls"), "line 3: the tag !!python/object:os.system is not"),
    "a name with a space": ("A: []\nmy stage: [A]\n", "f.yaml, line 2: 'my stage' cannot name a step"),
    "a number as a name": ("1: []\n", "f.yaml, line 1: '1' cannot name a step"),
    "a word of Python as a name": ("True: []\n", "f.yaml, line 1: 'True' cannot name a step: it is a word of Python"),
    "no name": ("A: []\n~: [A]\n", "f.yaml, line 2: '~' cannot name a step"),
    "a list as a name": ("? [A]\n: []\n", "f.yaml, line 1: a name is expected here"),
    "a name in a list": ("A: ['my stage']\n", "f.yaml, line 1: 'my stage' cannot name a step"),
    "stages is no mapping": ("version: 1\nstages: [A]\n", "f.yaml, line 2: stages: takes a mapping"),
    "stages is empty": ("version: 1\nstages:\n", "f.yaml, line 2: stages: takes a mapping"),
    "no stages below stages": ("stages: {}\n", "there is no stage in this file"),
    "a module beside plain stages": ("module: jobs\nA: []\n", "f.yaml, line 1: module takes a list"),
    "another version": ("version: 2\nstages: {A: []}\n", "f.yaml, line 1: this jo_notebook reads version 1"),
    "true is no version": ("version: true\nstages: {A: []}\n", "f.yaml, line 1: this jo_notebook reads version 1"),
    "an unknown setting": (
        "modul: x\nstages: {A: []}\n",
        r"line 1: there is no setting 'modul'. Did you mean module\?",
    ),
    "a bad module": ("module: foo-jobs\nstages: {A: []}\n", "line 1: module takes a module's name, such as foo_jobs"),
    "an unknown option": (ONE.format("timeot: 3"), r"f.yaml, line 3: a stage has no 'timeot'. Did you mean timeout\?"),
    "options as words": (ONE.format("reads: data.csv"), r"line 3: reads of A takes a list: write \[data.csv\]"),
    "a number for a word": (ONE.format("reads: [2024]"), 'takes some text, such as "2024" in quotes'),
    "nothing for a word": (ONE.format("shell:"), "f.yaml, line 3: shell of A takes some text."),
    "a negative number": (ONE.format("retries: -1"), "line 3: retries of A takes a whole number from 0 to 1000"),
    "half a number": (ONE.format("retries: 1.5"), "line 3: retries of A takes a whole number"),
    "truth for a number": (ONE.format("retries: true"), "line 3: retries of A takes a whole number"),
    "a number too large": (ONE.format("keep: 5000"), "line 3: keep of A takes a whole number from 1 to 1000"),
    "a number Python does not read": (ONE.format("keep: " + "9" * 5000), "line 3: 99999999999999999999… is no number"),
    "words for seconds": (ONE.format("timeout: 10m"), "line 3: timeout of A takes seconds, such as 90 or 0.5"),
    "sexagesimal": (ONE.format("timeout: 1:30"), "line 3: 1:30 is read in more than one way"),
    "a word for truth": (ONE.format("always: 'true'"), "line 3: always of A takes true or false"),
    "yes": (ONE.format("always: yes"), "line 3: yes is read in more than one way: write true or false"),
    "a date": (PARAMS.format("2024-01-02"), 'line 3: 2024-01-02 is read in more than one way: write "2024-01-02"'),
    "octal": (PARAMS.format("010"), "line 3: 010 is read in more than one way"),
    "not a number": (PARAMS.format(".nan"), "line 3: .nan is read in more than one way: write a finite number"),
    "too large": (PARAMS.format("1e999"), "line 3: 1e999 is larger than any number"),
    "parameters as a list": (ONE.format("params: [x]"), "line 3: params of A takes a mapping, such as"),
    "function and command": (ONE.format("{function: f, shell: ls}"), "line 2: A has a function and a shell command"),
    "a bad function": (ONE.format("function: 'a:b:c'"), "line 3: function of A takes the name of a function"),
    "a function that is a call": (ONE.format("function: f()"), "line 3: function of A takes the name of a function"),
    "a bad format": (ONE.format("format: a.b"), "line 3: format of A takes the name of a format"),
    "reads and writes": (ONE.format("{reads: [./a], writes: [a]}"), "line 2: A would read and write a"),
    "a value for a command": (
        "stages:\n  A: []\n  B:\n    shell: ls\n    depends_on: {x: A}",
        "line 5: a shell command",
    ),
    "one parameter twice": (
        "stages:\n  A: []\n  B: []\n  C: [{x: A}, {x: B}]\n",
        "line 4: x is given twice: as A and B",
    ),
    "dependency and parameter": (
        "stages:\n  A: []\n  B:\n    depends_on: {x: A}\n    params: {x: 1}\n",
        "f.yaml, line 4: x is a dependency and a parameter of B",
    ),
    "a parameter that takes two": (
        "stages:\n  A: []\n  B: {depends_on: {x: [A]}}\n",
        "line 3: x takes the name of one",
    ),
}


@pytest.mark.parametrize(("text", "message"), TEXTS.values(), ids=TEXTS)
def test_what_is_wrong_in_the_file(here: Path, text: str, message: str) -> None:
    (here / "f.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(UsageError, match=message) as error:
        read_stages(here / "f.yaml")
    assert "\n" not in str(error.value)
    with pytest.raises(UsageError, match=message):
        open_stages(here / "f.yaml", module="foo_jobs")
    assert sorted(path.name for path in here.iterdir()) == ["f.yaml"]


def test_bytes_that_are_no_text(here: Path) -> None:
    (here / "f.yaml").write_bytes(b"A: []\nB: [\xff]\n")
    with pytest.raises(UsageError, match=r"f.yaml, line 2: this is no text in UTF-8"):
        read_stages(here / "f.yaml")
    with pytest.raises(UsageError, match=r"There is no file .*g.yaml"):
        read_stages(here / "g.yaml")
    (here / "h.yaml").mkdir()
    with pytest.raises(UsageError, match=r"h.yaml cannot be read: Is a directory"):
        read_stages(here / "h.yaml")


JOBS = """\
import time
VALUE = 3
def Lint(): pass
def Needs(x): pass
def Only(x, /): pass
def Keys(*, x, **more): pass
def Many(*names, **more): pass
class Class:
    def __init__(self): pass
"""
MODULE = "module: jobs\nstages:\n  Lint: []\n"

FUNCTIONS: dict[str, tuple[str, str]] = {
    "no module said": ("Lint: []\n", "f.yaml, line 1: Lint: say in which module its function is, with --jobs-module"),
    "a missing module": (
        "module: jbos\nstages: {Lint: []}\n",
        r"line 2: Lint: there is no module jbos, neither beside .* nor on Python's path. Did you mean jobs\?",
    ),
    "a missing module, none near": ("module: q\nstages: {Lint: []}\n", "Beside the file are .*jobs"),
    "a missing part of a module": ("module: jobs.x\nstages: {Lint: []}\n", "there is no module jobs.x"),
    "a missing function": (
        MODULE + "  Lnit: [Lint]\n",
        r"f.yaml, line 4: Lnit: jobs has no function Lnit. Did you mean Lint\?",
    ),
    "a missing function, none near": (MODULE + "  Q: []\n", "line 4: Q: jobs has no function Q. It has Lint, Needs, "),
    "a missing method": (MODULE + "  Q: {function: Class.made}\n", "Q: jobs.Class has no function made"),
    "no function": (MODULE + "  VALUE: []\n", "line 4: VALUE: jobs.VALUE is no function: it cannot be called"),
    "an argument that nobody gives": (
        MODULE + "  Needs: []\n",
        "line 4: Needs: its function needs x, and nothing gives",
    ),
    "by position only": (MODULE + "  Only: {params: {x: 1}}\n", "line 4: Only: its function takes no x"),
    "an argument that it does not take": (
        MODULE + "  Needs: {params: {y: 1, x: 2}}\n",
        "line 4: Needs: its function takes no y. It takes x.",
    ),
    "none at all": (
        MODULE + "  N: {function: Lint, depends_on: {x: Lint}}\n",
        "its function takes no x. It takes none.",
    ),
    "the name of two inputs": (
        MODULE + "  B: {function: Many, depends_on: [Lint, {Lint: B}]}\n",
        "line 4: B: Lint is the name of two inputs, Lint and B: rename one",
    ),
    "one that Python has already": ("module: time\nstages: {A: []}\n", "A: time is loaded from Python itself in this"),
    "one that answers badly": (
        "module: odd\nstages: {A: []}\n",
        r"odd.A cannot be read: KeyError: 'A' \(odd.py, line 2\)",
    ),
    "one that raises": (
        "module: raising\nstages: {A: []}\n",
        r"A: raising cannot be imported: ValueError: no \(raising.py, line 2\)",
    ),
    "one that ends": (
        "module: ending\nstages: {A: []}\n",
        r"A: ending cannot be imported: SystemExit: 3 \(ending.py, line 1\)",
    ),
    "one that is no Python": (
        "module: broken\nstages: {A: []}\n",
        r"broken cannot be imported: SyntaxError: .* \(broken.py, line 1\)",
    ),
    "one that imports what is missing": (
        "module: asking\nstages: {A: []}\n",
        r"asking cannot be imported: ModuleNotFoundError: No module named 'nowhere_to_be_found' \(asking.py, line 1\)",
    ),
    "a cycle": (MODULE + "  A: [C]\n  B: [A]\n  C: [B]\n", "These steps wait for each other: A ← C ← B ← A"),
    "a circle of one": (MODULE + "  Many: [Many]\n", r"Many would depend on itself \(f.yaml, line 4\): take it out"),
    "an unknown format": (MODULE + "  Many: {format: jsno}\n", "f.yaml, line 4: Many wants the format 'jsno'"),
}


@pytest.mark.parametrize(("text", "message"), FUNCTIONS.values(), ids=FUNCTIONS)
def test_what_is_wrong_with_functions(here: Path, text: str, message: str) -> None:
    (here / "jobs.py").write_text(JOBS + "A = B = C = Lint\n")
    (here / "raising.py").write_text("x = 1\nraise ValueError('no')\n")
    (here / "time.py").write_text("def A(): pass\n")
    (here / "odd.py").write_text("def __getattr__(name):\n    raise KeyError(name)\n")
    (here / "ending.py").write_text("raise SystemExit(3)\n")
    (here / "broken.py").write_text("def (:\n")
    (here / "asking.py").write_text("import nowhere_to_be_found\n")
    (here / "f.yaml").write_text(text)
    with pytest.raises(JoError, match=message) as error:
        open_stages(here / "f.yaml")
    assert "\n" not in str(error.value)
    assert not (here / "f.jo").exists()


def test_a_cycle_carries_its_path(here: Path) -> None:
    write_demo(here)
    (here / "stages.yaml").write_text("Lint: [Docs]\nTest: [Lint]\nDocs: [Test]\n")
    with pytest.raises(CycleError, match=r"stages.yaml, line 1") as error:
        open_stages(here / "stages.yaml", module="foo_jobs")
    assert error.value.path == ("Lint", "Docs", "Test", "Lint")


def test_a_name_that_no_step_can_have_is_told_as_that(here: Path) -> None:
    (here / "f.yaml").write_text("_jo_x: []\n")
    with pytest.raises(StepNameError, match=r"f.yaml, line 1: '_jo_x' cannot name a step: such names are reserved"):
        read_stages(here / "f.yaml")


GOOD: dict[str, str] = {
    "CRLF": "Lint: []\r\nDocs:\r\n  - Lint\r\n",
    "a BOM": "\ufeffLint: []\nDocs: [Lint]\n",
    "JSON": '{"Lint": [], "Docs": ["Lint"]}',
    "comments and a document mark": "%YAML 1.2\n---\n# first\nLint: [] # none\nDocs: [Lint]\n...\n",
    "aliases": "Lint: &none []\nDocs: [Lint]\nYes: *none\n",
    "twice the same": "Lint: []\nDocs: [Lint, Lint]\n",
    "quotes": "'Lint': []\n\"Docs\": ['Lint']\n",
}


@pytest.mark.parametrize("text", GOOD.values(), ids=GOOD)
def test_other_spellings(here: Path, text: str) -> None:
    (here / "f.yaml").write_bytes(text.encode("utf-8"))
    stages = {stage.name: stage for stage in read_stages(here / "f.yaml").stages}
    assert [given.stage for given in stages["Docs"].inputs] == ["Lint"]
    (here / "f.yaml").write_bytes(text.removeprefix("\ufeff").encode("utf-16"))
    assert [stage.name for stage in read_stages(here / "f.yaml").stages] == list(stages)


def test_names_that_YAML_takes_for_something_else(here: Path) -> None:
    """They are Python's, so they may be stages."""
    names = ["yes", "no", "on", "off", "null", "y", "n", "true", "module", "version", "Été", "名前", "_1", "_12e3"]
    (here / "f.yaml").write_text("".join(f"{name}: []\n" for name in names) + f"All: [{', '.join(names)}]\n", "utf-8")
    stages = read_stages(here / "f.yaml").stages
    assert [stage.name for stage in stages] == [*names, "All"]
    assert [given.stage for given in stages[-1].inputs] == names


def test_a_stage_called_stages(here: Path) -> None:
    (here / "f.yaml").write_text("stages: []\nversion: [stages]\nmodule: [version]\n")
    assert [stage.name for stage in read_stages(here / "f.yaml").stages] == ["stages", "version", "module"]
    (here / "f.yaml").write_text("stages:\n  stages: []\n  module: {shell: ls}\n")
    assert [stage.name for stage in read_stages(here / "f.yaml").stages] == ["stages", "module"]


def test_defaults_for_several_stages(here: Path) -> None:
    text = (
        "stages:\n  A: &defaults {shell: ls, retries: 3, timeout: 1e1}\n"
        "  B: {<<: *defaults, retries: 1}\n  C: {<<: [{keep: 2}, *defaults]}\n"
    )
    (here / "f.yaml").write_text(text)
    _, b, c = read_stages(here / "f.yaml").stages
    assert (b.shell, b.retries, b.timeout) == ("ls", 1, 10.0)
    assert (c.shell, c.retries, c.keep) == ("ls", 3, 2)


def test_plain_values_are_read_as_YAML_1_2_reads_them(here: Path) -> None:
    values = "{a: 1e-3, b: 0x1F, c: .5, d: null, e: 'yes', f: True, g: [1, 2.0, x], h: {i: {}}, j: '', k: -0, l: 0o17}"
    (here / "f.yaml").write_text(PARAMS.format(values))
    (stage,) = read_stages(here / "f.yaml").stages
    assert stage.params["x"] == {
        "a": 0.001,
        "b": 31,
        "c": 0.5,
        "d": None,
        "e": "yes",
        "f": True,
        "g": [1, 2.0, "x"],
        "h": {"i": {}},
        "j": "",
        "k": 0,
        "l": 15,
    }
