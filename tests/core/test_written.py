"""A step as the text of a cell: its line says all its settings, its body runs by itself."""

from __future__ import annotations

import ast

import pytest

from jo_notebook.core.definition import Definition, Origin
from jo_notebook.core.source import parse_source
from jo_notebook.core.stepline import SETTINGS, definition_of, parse_step_line
from jo_notebook.core.written import body_of_cell, leaves_early, line_of

LINES = [
    "A",
    "A --depends-on none",
    "A --depends-on B,x=C",
    """A --params "alpha=0.1, n=-3, kind='a b', none=None, deep=[1, {'k': (2.5, True)}]" """,
    r"""A --params "s='a \"quote\" and \\\\ \\n $x {y}'" """,
    "A --reads 'my data.csv' raw/*.csv --writes out.csv 'other out.csv'",
    "A --seed 0 --env HOME LANG --ignore a b --always",
    "A --keep 3 --format parquet",
    "A --retries 3 --backoff 2.5 --timeout 600 --retry-on ConnectionError requests.Timeout",
    "A --executor dask:tcp://localhost:8786 --resources memory=4GB gpu=1 half=0.5 --no-store",
]


def written(body: str, python: str | None = None, line: str = "A") -> Definition:
    source = parse_source(body, python=python)
    return definition_of(parse_step_line(line), source, Origin())


@pytest.mark.parametrize("line", LINES)
def test_the_line_says_the_same(line: str) -> None:
    before = written("1", line=line)
    text = line_of(before)
    assert text.startswith("%%step A")
    assert "\n" not in text
    again = written("1", line=text.removeprefix("%%step "))
    assert {n: getattr(again, n) for n in SETTINGS} == {n: getattr(before, n) for n in SETTINGS}
    assert line_of(again) == text


def test_a_plain_step_has_a_plain_line() -> None:
    assert line_of(written("1")) == "%%step A"
    assert line_of(written("1", line=LINES[2])) == "%%step A --depends-on B,x=C"
    assert line_of(written("1", line="A --retries 2 --timeout 60")) == "%%step A --retries 2 --timeout 60"


@pytest.mark.parametrize(
    ("body", "cell"),
    [
        ("x = 1\nx", "x = 1\nx"),
        ("x = 1\nreturn x", "x = 1\nx"),
        ("return  x  # said", "x  # said"),
        ("return(1,\n  2)", "(1,\n  2)"),
        ("y = 'é'; return y", "y = 'é'; y"),
        ("print(1)\nreturn", "print(1)\nNone"),
        ("def f():\n    return 1\nf()", "def f():\n    return 1\nf()"),
        ("if x:\n    return 1", "if x:\n    return 1"),
        ("'''\nreturn 1'''\nreturn '''\nreturn 2'''\n", "'''\nreturn 1'''\n'''\nreturn 2'''"),
        ("\n\nx\n\n", "x"),
    ],
)
def test_the_body_runs_by_itself(body: str, cell: str) -> None:
    text = body_of_cell(written(body))
    assert text == cell
    assert ast.dump(ast.parse(text)) != "" or text == ""


def test_a_body_with_magics_is_as_it_was_typed() -> None:
    python = "names = get_ipython().getoutput('ls')\nreturn names"
    assert body_of_cell(written("names = !ls\nreturn names", python)) == "names = !ls\nnames"
    longer = "get_ipython().run_cell_magic('x', '', 'a\\n')\nreturn 1"
    assert body_of_cell(written("%%x\na\nb\nc\nreturn 1", longer)) == "%%x\na\nb\nc\nreturn 1"


@pytest.mark.parametrize(
    ("body", "is_so"),
    [
        ("return 1", False),
        ("x = 1\nreturn x", False),
        ("def f():\n    return 1\nf()", False),
        ("if x:\n    return 1\n2", True),
        ("if x:\n    return 1", True),
        ("for n in x:\n    yield n", True),
        ("class C:\n    def f(self):\n        yield 1\nC", False),
        ("f = lambda: (yield)\nf", False),
    ],
)
def test_what_only_a_function_can_do(body: str, is_so: bool) -> None:
    assert leaves_early(written(body)) is is_so
