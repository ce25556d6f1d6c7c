"""The rules for a name, what --depends-on may say, and a definition on its way through a file."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from jo_notebook.core.definition import Definition, Dependency, Origin, check_name, parse_dependencies
from jo_notebook.core.needs import Need
from jo_notebook.errors import StepNameError, UsageError
from tests.cases.making import step


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        pytest.param("Load", "Load", id="plain"),
        pytest.param("load_2", "load_2", id="digits"),
        pytest.param("_x", "_x", id="underscore"),
        pytest.param("größe", "größe", id="umlaut"),
        pytest.param("ﬁt", "fit", id="ligature, as Python reads it"),
        pytest.param("Ａ", "A", id="full width"),
        pytest.param("e\u0301", "\xe9", id="composed"),
        pytest.param("x" * 128, "x" * 128, id="128 characters"),
        pytest.param("match", "match", id="a soft keyword"),
    ],
)
def test_a_good_name(name: str, expected: str) -> None:
    assert check_name(name) == expected


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        pytest.param("", "MyStep", id="empty"),
        pytest.param("my step", "my_step", id="space"),
        pytest.param("a-b", "a_b", id="hyphen"),
        pytest.param("2nd", "MyStep", id="begins with a digit"),
        pytest.param("a.b", "a_b", id="dot"),
        pytest.param("../etc", "etc", id="path"),
        pytest.param("class", "ClassStep", id="keyword"),
        pytest.param("None", "NoneStep", id="None"),
        pytest.param("__doc__", "Try doc", id="dunder"),
        pytest.param("_jo_x", "Try jo_x", id="ours"),
        pytest.param("x" * 129, "at most 128", id="129 characters"),
        pytest.param("a\0b", "a_b", id="null byte"),
        pytest.param("🐼", "MyStep", id="emoji"),
    ],
)
def test_a_bad_name(name: str, hint: str) -> None:
    with pytest.raises(StepNameError) as caught:
        check_name(name)
    assert hint in str(caught.value)


A, B, X = Dependency("A", "A"), Dependency("B", "B"), Dependency("Load", "x")


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param([], (), id="nothing"),
        pytest.param(["A"], (A,), id="one"),
        pytest.param(["A,B"], (A, B), id="comma"),
        pytest.param(["A", "B"], (A, B), id="space"),
        pytest.param(["A,", "B"], (A, B), id="comma and space"),
        pytest.param([" A , B "], (A, B), id="spaces"),
        pytest.param(["A,B,"], (A, B), id="trailing comma"),
        pytest.param([",,A"], (A,), id="leading commas"),
        pytest.param(["none"], (), id="none"),
        pytest.param(["None"], (), id="None"),
        pytest.param(["x=Load"], (X,), id="another name"),
        pytest.param([" x = Load "], (X,), id="another name, spaces"),
        pytest.param(["A,A"], (A,), id="twice the same"),
        pytest.param(["A,a=A"], (A, Dependency("A", "a")), id="one step under two names"),
        pytest.param(["ﬁt"], (Dependency("fit", "fit"),), id="normalised"),
    ],
)
def test_dependencies(words: list[str], expected: tuple[Dependency, ...]) -> None:
    assert parse_dependencies(words) == expected


@pytest.mark.parametrize(
    ("words", "error", "text"),
    [
        pytest.param(["x=A,x=B"], UsageError, "Two dependencies are called x: A and B", id="two of one name"),
        pytest.param(["A,A=B"], UsageError, "Two dependencies are called A", id="two of one name, one plain"),
        pytest.param(["class"], StepNameError, "word of Python", id="keyword"),
        pytest.param(["A=="], StepNameError, "'='", id="equals twice"),
        pytest.param(["=A"], StepNameError, "''", id="no parameter"),
        pytest.param(["x="], StepNameError, "''", id="no step"),
        pytest.param(["a-b"], StepNameError, "a_b", id="hyphen"),
        pytest.param(["none,A"], UsageError, "leave one of them out", id="none among others"),
    ],
)
def test_bad_dependencies(words: list[str], error: type[Exception], text: str) -> None:
    with pytest.raises(error) as caught:
        parse_dependencies(words)
    assert text in str(caught.value)


def test_json_and_back() -> None:
    needs = (Need("constant", "K", "d", "10", "K = 10"), Need("helper", "f", "e", "def f", "def f(): g()", ("g",)))
    source = step("Model", "'''doc'''\nx + K").source
    params = (("alpha", 0.1), ("kind", "a'b"), ("grid", (1, [2, None])))
    before = Definition("Model", source, (Dependency("Load", "x"),), params, Origin("n.ipynb", "c1"), needs)
    after = Definition.from_json(json.loads(json.dumps(before.to_json())), trusted=False)
    assert after.origin.remembered
    assert not after.trusted
    assert (after.source, after.depends_on, after.params, after.needs) == (source, before.depends_on, params, needs)


@pytest.mark.parametrize(
    ("origin", "text"),
    [
        pytest.param(Origin(), "a cell", id="unknown"),
        pytest.param(Origin(cell_id="0123456789"), "cell 01234567", id="id"),
        pytest.param(Origin(cell_id="0123", label="cell [3]"), "cell [3]", id="label"),
    ],
)
def test_what_a_cell_is_called(origin: Origin, text: str) -> None:
    assert str(origin) == text


def test_the_same_code_under_another_name() -> None:
    other = step("Salt", "water + 1", "water").under("SaltMore", Origin(cell_id="c2"))
    assert (other.name, other.origin.cell_id) == ("SaltMore", "c2")
    assert other.depends_on == (Dependency("water", "water"),)


DECLARED = {
    "reads": ("two words.csv", "data/*.csv"),
    "writes": ("out.txt",),
    "seed": 7,
    "env": ("HOME", "TOKEN"),
    "ignore": ("K",),
    "pinned": True,
    "keep": 5,
    "format": "npy",
    "retries": 3,
    "backoff": 0.5,
    "timeout": 60.0,
}


def test_json_and_back_with_what_it_declares() -> None:
    before = replace(step("Model", "K"), **DECLARED)
    after = Definition.from_json(json.loads(json.dumps(before.to_json())), trusted=True)
    assert {name: getattr(after, name) for name in DECLARED} == DECLARED
    assert after.source == before.source


def test_a_definition_of_an_older_release() -> None:
    """It declared nothing."""
    data = step("Model", "K").to_json()
    for key in (
        "files",
        "writes",
        "seed",
        "env",
        "ignore",
        "pinned",
        "keep",
        "format",
        "retries",
        "backoff",
        "timeout",
    ):
        del data[key]
    after = Definition.from_json(data, trusted=True)
    assert (after.reads, after.writes, after.seed, after.env, after.ignore, after.pinned) == (
        (),
        (),
        None,
        (),
        (),
        False,
    )
    assert (after.keep, after.format) == (0, "")
    assert (after.retries, after.backoff, after.timeout) == (0, 0.0, 0.0)


@pytest.mark.parametrize("key", ["files", "writes", "env", "ignore"])
@pytest.mark.parametrize("value", [3, None, [1], [["a"]], [None], "PATH", {"a": 1}], ids=repr)
def test_a_strangers_definition_with_wrong_words(key: str, value: Any) -> None:
    """What is no list of words is refused; it is told, and the other steps are there."""
    with pytest.raises((TypeError, ValueError)):
        Definition.from_json({**step("Model").to_json(), key: value}, trusted=False)


@pytest.mark.parametrize("value", ["x", [1], {}], ids=repr)
def test_a_strangers_definition_with_a_wrong_seed(value: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        Definition.from_json({**step("Model").to_json(), "seed": value}, trusted=False)


@pytest.mark.parametrize("value", [None, 1, ["npy"], "", "two words", "../npy", "\x1b[2J", "n" * 1000], ids=ascii)
def test_a_format_that_is_no_name(value: Any) -> None:
    assert Definition.from_json({**step("Model").to_json(), "format": value}, trusted=False).format == ""


@pytest.mark.parametrize("value", [None, "3", -1, True, [1], 1e400, float("nan"), 10**30], ids=repr)
@pytest.mark.parametrize("key", ["retries", "backoff", "timeout"])
def test_times_and_tries_that_make_no_sense(key: str, value: Any) -> None:
    assert getattr(Definition.from_json({**step("Model").to_json(), key: value}, trusted=False), key) == 0


@pytest.mark.parametrize("value", ["yes", 1, [True], None], ids=repr)
def test_only_true_pins(value: Any) -> None:
    assert Definition.from_json({**step("Model").to_json(), "pinned": value}, trusted=False).pinned is False
