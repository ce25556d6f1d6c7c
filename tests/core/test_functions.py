"""Functions as the code of steps: their bodies as sources, what they ask for, calls of them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import pytest

from jo_notebook.core.functions import body_of, call_of, place_of, reads_itself, signature_of
from jo_notebook.core.source import parse_source
from jo_notebook.core.version import version_of
from jo_notebook.errors import UsageError

FACTOR = 2


def plain(Load, threshold=5):
    """What it does."""
    # a comment

    text = """a
  b
    c"""
    return [x for x in Load if x > threshold], text


def on_one_line(Load): return Load + FACTOR  # fmt: skip


def ends_with_an_expression(rows):
    rows.append(1)
    len(rows)


async def waits(source):
    return await source


def generates(n):
    for i in range(n):
        yield 2 * i


def nested(rows):
    def inner(x):
        return x + 1

    return [inner(x) for x in rows]


def wrapped(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def inner(*args: Any) -> Any:
        return function(*args)

    return inner


@wrapped
def decorated(rows):
    return rows


def closure() -> Callable[..., Any]:
    k = 3

    def inner(rows):
        return k * rows

    return inner


class Cook:
    def run(self, water, salt):
        return water + salt

    def reads(self, water):
        return self.kind + water

    def late(self, water):
        return [self for _ in water]

    def above(self, water):
        return super().__repr__() + water


@pytest.mark.parametrize(
    ("function", "cell"),
    [
        (plain, 'text = """a\n  b\n    c"""\n[x for x in Load if x > threshold], text'),
        (on_one_line, "Load + FACTOR"),
        (ends_with_an_expression, "rows.append(1)\nlen(rows)\nreturn None"),
        (waits, "await source"),
        (generates, "for i in range(n):\n    yield 2 * i"),
        (nested, "def inner(x):\n    return x + 1\n[inner(x) for x in rows]"),
    ],
)
def test_a_body_is_the_source_of_a_cell_with_these_lines(function: Any, cell: str) -> None:
    source = body_of(function, name="Step")
    assert source is not None
    assert source.canonical == parse_source(cell).canonical


@pytest.mark.parametrize("function", [decorated, closure(), len, functools.partial(plain), None, lambda x: x])
def test_what_no_text_tells_has_no_body(function: Any) -> None:
    assert body_of(function, name="Step") is None


def test_a_method_that_does_not_read_its_object() -> None:
    source = body_of(Cook.run, name="Step", skip=1)
    assert source is not None
    assert source.canonical == parse_source("water + salt").canonical
    assert [body_of(run, name="Step", skip=1) for run in (Cook.reads, Cook.late, Cook.above)] == [None] * 3
    assert [reads_itself(run) for run in (Cook.run, Cook.reads, Cook.late, Cook.above, len)] == [False] + [True] * 4


def test_what_a_function_asks_for() -> None:
    def asks(a, /, b, *, c, d=1, e=(2, "x")):
        return a

    found = signature_of(asks, "Step")
    assert (found.inputs, found.params, found.by_position) == (("a", "b", "c"), (("d", 1), ("e", (2, "x"))), ("a",))


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda *rows: rows, r"Step takes \*rows: a step's parameters are the steps it depends on"),
        (lambda **rows: rows, r"Step takes \*\*rows"),
        (lambda rows=len: rows, "the default of rows is no plain value"),
    ],
)
def test_what_no_step_can_ask_for(function: Any, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        signature_of(function, "Step")


def test_calls() -> None:
    assert call_of("clean", ["Load"], module="birds", by_name=["n"]).text == "import birds\nbirds.clean(Load, n=n)"
    assert call_of("_jo_object_Cook", ["a", "b"]).reads == {"_jo_object_Cook", "a", "b"}


def test_where_a_function_stands() -> None:
    assert place_of(decorated)[0] == place_of(plain)[0] == __file__
    assert place_of(len) == ("", 0)


def test_a_callee_is_what_it_is_made_of() -> None:
    from jo_notebook.core.functions import Callee

    state = {"n": 1}
    callee = Callee(len, lambda: (Cook, state))
    first = version_of(callee).digest
    assert version_of(Callee(max, lambda: (Cook, {"n": 1}))).digest == first
    state["n"] = 2
    assert version_of(callee).digest != first
    assert callee("abc") == 3
