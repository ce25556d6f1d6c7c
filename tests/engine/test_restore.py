"""What a fresh kernel gets back: imports, helpers and constants, in whatever order."""

from __future__ import annotations

import itertools
import linecache
from typing import Any

import pytest

from jo_notebook.core.needs import Need
from jo_notebook.engine.restore import restore
from jo_notebook.errors import JoError

NEEDS = (
    Need("import", "math", "1", code="import math"),
    Need("constant", "K", "2", code="K = 2"),
    Need("helper", "twice", "3", code="def twice(f):\n    return lambda x: f(f(x))\n"),
    Need("helper", "area", "4", code="@twice\ndef area(r, k=K):\n    return k * math.floor(r)"),
)


@pytest.mark.parametrize("order", list(itertools.permutations(range(4))))
def test_any_order(order: tuple[int, ...]) -> None:
    namespace: dict[str, Any] = {}
    assert sorted(restore("Step", [NEEDS[n] for n in order], namespace)) == ["K", "area", "math", "twice"]
    assert namespace["area"](1.5) == 4


def test_what_is_there_stays() -> None:
    namespace: dict[str, Any] = {"K": 5}
    assert restore("Step", NEEDS[:2], namespace) == ["math"]
    assert namespace["K"] == 5


def test_what_has_no_code_is_left_out() -> None:
    assert restore("Step", [Need("global", "data", "1"), Need("untracked", "db", "")], {}) == []


@pytest.mark.parametrize(
    ("needs", "parts"),
    [
        pytest.param(
            [Need("import", "nope", "1", code="import jo_no_such_module as nope")],
            ["Step needs nope", "ModuleNotFoundError", "`import jo_no_such_module as nope`", "Run the cell"],
            id="import",
        ),
        pytest.param(
            [Need("helper", "f", "1", code="@missing\ndef f(): pass")],
            ["Step needs f", "NameError", "missing", "`@missing`"],
            id="a name nobody has",
        ),
        pytest.param(
            [
                Need("helper", "f", "1", code="@g\ndef f(): pass"),
                Need("helper", "g", "2", code="@f\ndef g(): pass"),
            ],
            ["Step needs", "NameError"],
            id="two that wait for each other",
        ),
        pytest.param([Need("helper", "f", "1", code="def f(:")], ["Step needs f", "SyntaxError"], id="syntax"),
        pytest.param([Need("helper", "f", "1", code="f = 1 / 0")], ["Step needs f", "ZeroDivisionError"], id="raises"),
    ],
)
def test_trouble(needs: list[Need], parts: list[str]) -> None:
    with pytest.raises(JoError) as caught:
        restore("Step", needs, {})
    for part in parts:
        assert part in str(caught.value)
    assert caught.value.__cause__ is not None


def test_tracebacks_show_the_lines() -> None:
    namespace: dict[str, Any] = {}
    restore("Step", [Need("helper", "f", "abc", code="def f():\n    return 1 / 0")], namespace)
    with pytest.raises(ZeroDivisionError) as caught:
        namespace["f"]()
    filename = caught.traceback[-1].frame.code.raw.co_filename
    assert linecache.getline(filename, 2) == "    return 1 / 0"
