"""Where two values part, in a sentence; whatever the user's objects do, there is one."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jo_notebook.core.difference import difference

NAN = float("nan")


@dataclass
class Point:
    x: float
    tags: list[str]


@pytest.mark.parametrize(
    ("before", "now", "expected"),
    [
        pytest.param(1, 1, "", id="the same"),
        pytest.param(NAN, float("nan"), "", id="NaN twice"),
        pytest.param(1, 2, "the value: 1 → 2", id="numbers"),
        pytest.param(1, 1.0, "the value: 1 (int) → 1.0 (float)", id="int and float"),
        pytest.param(True, 1, "the value: True (bool) → 1 (int)", id="bool and int"),
        pytest.param(0.0, -0.0, "the value: 0.0 → -0.0", id="two zeros"),
        pytest.param("a\nb", "a\nc", "the value: 'a\\nb' → 'a\\nc'", id="text stays on one line"),
        pytest.param([1, 2], [1, 3], "[1]: 2 → 3", id="an item"),
        pytest.param([1, 2], [1], "the value: 2 items → 1 items", id="fewer items"),
        pytest.param([1], (1,), "the value: [1] (list) → (1,) (tuple)", id="list and tuple"),
        pytest.param({"a": [1, {"b": 2}]}, {"a": [1, {"b": 3}]}, "['a'][1]['b']: 2 → 3", id="deep inside"),
        pytest.param(
            {"a": 1, "b": 2}, {"b": 2, "a": 1}, "the value: its keys are others, or in another order", id="order"
        ),
        pytest.param(
            {"a": 1}, {"a": 1, "b": 2}, "the value: its keys are others, or in another order", id="a key more"
        ),
        pytest.param(
            {"x": {"a": 1}}, {"x": {"b": 1}}, "['x']: its keys are others, or in another order", id="inner keys"
        ),
        pytest.param({1, 2}, {1, 3}, "the value: {1, 2} → {1, 3}", id="sets"),
        pytest.param(OrderedDict(a=1), OrderedDict(a=2), "['a']: 1 → 2", id="a kind of dict"),
        pytest.param(Point(1.0, ["a"]), Point(1.0, ["b"]), ".tags[0]: 'a' → 'b'", id="a dataclass"),
        pytest.param(SimpleNamespace(a=1), SimpleNamespace(a=2), ".a: 1 → 2", id="a namespace"),
        pytest.param(np.array([1, 2]), np.array([1, 3]), "the array: 1 of 2 elements are others", id="an array"),
        pytest.param(np.array([1]), np.array([1.0]), "the array: int64(1,) → float64(1,)", id="a dtype"),
        pytest.param(np.zeros((2, 3)), np.zeros((3, 2)), "the array: float64(2, 3) → float64(3, 2)", id="a shape"),
        pytest.param(
            np.array([NAN, 1]), np.array([NAN, 2]), "the array: 1 of 2 elements are others", id="NaN in an array"
        ),
        pytest.param([np.array([1])], [np.array([2])], "[0]: 1 of 1 elements are others", id="an array in a list"),
        pytest.param(
            pd.DataFrame({"a": [1], "b": [2]}),
            pd.DataFrame({"a": [1], "b": [3]}),
            "the frame: column b differs",
            id="column",
        ),
        pytest.param(
            pd.DataFrame({"a": [1], "b": [2]}),
            pd.DataFrame({"a": [2], "b": [3]}),
            "the frame: columns a, b differ",
            id="columns",
        ),
        pytest.param(
            pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1, 2]}), "the frame: 1 rows × 1 columns → 2 × 1", id="rows"
        ),
        pytest.param(
            pd.DataFrame({"a": [1], "b": [2]}),
            pd.DataFrame({"b": [2], "a": [1]}),
            "the frame: its columns are others, or in another order",
            id="order of columns",
        ),
        pytest.param(
            pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1.0]}), "the frame: column a differs", id="a column's dtype"
        ),
    ],
)
def test_the_first_place(before: Any, now: Any, expected: str) -> None:
    assert difference(before, now) == expected


def test_an_index() -> None:
    """The columns are the same and the index is not: the sentence does not blame a column that does not differ."""
    before, now = pd.DataFrame({"a": [1, 2]}), pd.DataFrame({"a": [1, 2]}, index=[5, 6])
    said = difference(before, now)
    assert said.startswith("the frame: ")
    assert "column  differs" not in said
    named = pd.DataFrame({"a": [1]}), pd.DataFrame({"a": [1]}).rename_axis("n")
    assert "column  differs" not in difference(*named)


def test_a_series() -> None:
    assert "→" in difference(pd.Series([1, 2]), pd.Series([1, 3]))


def test_columns_of_one_name() -> None:
    before = pd.DataFrame([[1, 2]], columns=["a", "a"])
    now = pd.DataFrame([[1, 3]], columns=["a", "a"])
    assert difference(before, now)


def test_strings_in_an_array() -> None:
    assert difference(np.array(["a", "b"]), np.array(["a", "c"])) == "the array: 1 of 2 elements are others"
    assert difference(np.array(["a", None], object), np.array(["b", None], object))


def test_a_long_value_is_cut() -> None:
    said = difference("a" * 5000, "b" * 5000)
    assert len(said) < 200
    assert "…" in said


def test_deep_and_recursive_values() -> None:
    def nest(depth: int, last: Any) -> Any:
        value = last
        for _ in range(depth):
            value = [value]
        return value

    assert difference(nest(200, 1), nest(200, 2))
    one: list[Any] = [1]
    one.append(one)
    two: list[Any] = [2]
    two.append(two)
    assert difference(one, two) == "[0]: 1 → 2"


class Hostile:
    """Raises wherever it is looked at."""

    def __init__(self, n: int) -> None:
        self.n = n

    def __eq__(self, other: object) -> bool:
        raise ValueError("no comparison")

    def __repr__(self) -> str:
        raise ValueError("no text")

    __hash__ = None  # type: ignore[assignment]


def test_objects_that_raise() -> None:
    """A sentence, or none; never an error."""
    assert isinstance(difference(Hostile(1), Hostile(2)), str)
    assert isinstance(difference([Hostile(1)], [Hostile(2)]), str)
    assert isinstance(difference({"a": Hostile(1)}, {"a": 2}), str)
