"""What stands behind `%%step`, as data: files, seeds, variables and ignored names beside what was there before."""

from __future__ import annotations

from typing import Any

import pytest

from jo_notebook.core.stepline import Help, parse_step_line, step_help
from jo_notebook.errors import StepNameError, UsageError


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        pytest.param("A", {"reads": (), "writes": (), "seed": None, "env": (), "ignore": ()}, id="nothing"),
        pytest.param("A --reads a.csv", {"reads": ("a.csv",)}, id="a file"),
        pytest.param("A --reads a.csv b.csv", {"reads": ("a.csv", "b.csv")}, id="two files"),
        pytest.param("A --reads a.csv, b.csv", {"reads": ("a.csv", "b.csv")}, id="comma and space"),
        pytest.param("A --reads a.csv --reads b.csv", {"reads": ("a.csv", "b.csv")}, id="the option twice"),
        pytest.param("A --reads a.csv a.csv", {"reads": ("a.csv",)}, id="a file twice"),
        pytest.param('A --reads "two words.csv" b', {"reads": ("two words.csv", "b")}, id="double quotes"),
        pytest.param("A --reads 'two words.csv'", {"reads": ("two words.csv",)}, id="single quotes"),
        pytest.param("A --reads 'a#1.csv'", {"reads": ("a#1.csv",)}, id="a quoted hash"),
        pytest.param("A --reads data/*.csv 'x[1].csv'", {"reads": ("data/*.csv", "x[1].csv")}, id="patterns"),
        pytest.param("A --reads ~/a.csv ../b", {"reads": ("~/a.csv", "../b")}, id="elsewhere"),
        pytest.param("A --reads data,old.csv", {"reads": ("data,old.csv",)}, id="a comma inside a name"),
        pytest.param("A --reads größe.csv", {"reads": ("größe.csv",)}, id="umlauts"),
        pytest.param("A --reads=a.csv", {"reads": ("a.csv",)}, id="equals"),
        pytest.param("A --writes out/ a.txt", {"writes": ("out/", "a.txt")}, id="writes"),
        pytest.param("A --reads a --writes b", {"reads": ("a",), "writes": ("b",)}, id="reads one, writes another"),
        pytest.param("A --seed 0", {"seed": 0}, id="seed 0"),
        pytest.param("A --seed -3", {"seed": -3}, id="a negative seed"),
        pytest.param("A --env HOME,PATH TOKEN", {"env": ("HOME", "PATH", "TOKEN")}, id="variables"),
        pytest.param("A --ignore K,helper", {"ignore": ("K", "helper")}, id="ignored names"),
        pytest.param("A --ignore K --ignore K", {"ignore": ("K",)}, id="ignored twice"),
        pytest.param("A", {"format": ""}, id="no format"),
        pytest.param("A --format npy", {"format": "npy"}, id="a format"),
        pytest.param("A --format=data --keep 3", {"format": "data", "keep": 3}, id="a format, and how many"),
        pytest.param("A --format never_heard_of", {"format": "never_heard_of"}, id="a format that is looked for later"),
        pytest.param("A", {"retries": None, "backoff": None, "timeout": None}, id="tried once"),
        pytest.param("A --retries 3 --backoff .5", {"retries": 3, "backoff": 0.5}, id="tried again"),
        pytest.param("A --timeout 90", {"timeout": 90.0}, id="a time"),
        pytest.param("--reads a.csv -- A", {"name": "A"}, id="the name last"),
        pytest.param("A --reads a.csv  # a comment", {"reads": ("a.csv",)}, id="a comment"),
        pytest.param(
            "A --depends-on B --reads a --writes b --seed 1 --env C --ignore K --run",
            {"reads": ("a",), "writes": ("b",), "seed": 1, "env": ("C",), "ignore": ("K",), "run": True},
            id="everything",
        ),
    ],
)
def test_a_line(line: str, expected: dict[str, Any]) -> None:
    found = parse_step_line(line)
    assert found.name == "A"
    assert {name: getattr(found, name) for name in expected} == expected


@pytest.mark.parametrize(
    ("line", "text"),
    [
        pytest.param("A --reads a.csv --writes a.csv", "A would read and write a.csv", id="reads and writes"),
        pytest.param("A --reads ./a.csv --writes a.csv", "A would read and write a.csv", id="the same place"),
        pytest.param("A --reads x/../a --writes a", "A would read and write a", id="the same place, the long way"),
        pytest.param("A --reads data/ --writes data", "A would read and write data", id="a directory"),
        pytest.param("A --reads", "--reads", id="no file"),
        pytest.param("A --reads ''", "A file needs a name, for instance: --reads data.csv", id="an empty name"),
        pytest.param("A --reads ,", "A file needs a name", id="a lonely comma"),
        pytest.param("A --reads 'a", "cannot be read", id="an open quotation"),
        pytest.param("A --format", "--format", id="no format"),
        pytest.param("A --seed x", "--seed", id="a seed that is no number"),
        pytest.param("A --seed 1.5", "--seed", id="half a seed"),
        pytest.param("A --seed", "--seed", id="no seed"),
        pytest.param("A --read a.csv", "Did you mean --reads", id="a mistyped option"),
        pytest.param("A --env", "--env", id="no variable"),
        pytest.param("A --retries -1", "-1 retries make no sense", id="fewer tries than one"),
        pytest.param("A --retries 9999999", "9999999 retries make no sense", id="too many tries"),
        pytest.param("A --retries 1.5", "--retries", id="half a try"),
        pytest.param("A --timeout -1", "--timeout -1.0 makes no sense", id="a time before now"),
        pytest.param("A --timeout nan", "--timeout nan makes no sense", id="no time"),
        pytest.param("A --backoff inf", "--backoff inf makes no sense", id="for ever"),
        pytest.param("A --timeout 2s", "--timeout", id="a unit"),
    ],
)
def test_a_bad_line(line: str, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_step_line(line)
    assert text in str(caught.value)


def test_an_ignored_name_must_be_one() -> None:
    with pytest.raises(StepNameError):
        parse_step_line("A --ignore a-b")


def test_help() -> None:
    with pytest.raises(Help):
        parse_step_line("--help")
    options = ("--reads", "--writes", "--seed", "--env", "--ignore", "--keep", "--format")
    for option in (*options, "--retries", "--backoff", "--timeout"):
        assert option in step_help()
