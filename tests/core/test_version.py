"""Data versions: equal when type, structure and content are equal, and only then."""

from __future__ import annotations

import collections
import copy
import datetime
import decimal
import enum
import io
import os
import pathlib
import pickle
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jo_notebook.core.version import version_of

A = np.arange(6, dtype="int64")
FRAME = pd.DataFrame({"a": [1, 2], "b": [3.0, 4.0]})
TIMES = pd.date_range("2020-01-01", periods=3)


class Color(enum.Enum):
    RED = 1
    BLUE = 2


def frame(**columns: Any) -> pd.DataFrame:
    return pd.DataFrame(columns)


def structured(names: str) -> np.ndarray:
    return np.zeros(2, dtype=[(name, "i4") for name in names])


DIFFERENT = [
    pytest.param(1, "1", id="1 and '1'"),
    pytest.param(1, 1.0, id="1 and 1.0"),
    pytest.param(1, True, id="1 and True"),
    pytest.param(0, False, id="0 and False"),
    pytest.param(0, None, id="0 and None"),
    pytest.param("", None, id="'' and None"),
    pytest.param("a", b"a", id="str and bytes"),
    pytest.param(b"a", bytearray(b"a"), id="bytes and bytearray"),
    pytest.param(0.0, -0.0, id="minus zero"),
    pytest.param([0.0] * 9, [-0.0] * 9, id="minus zero in a long list"),
    pytest.param([1] * 9, [True] * 9, id="1 and True in a long list"),
    pytest.param(1, 1 + 0j, id="complex"),
    pytest.param(255, -1, id="sign of a byte"),
    pytest.param([1, 2], (1, 2), id="list and tuple"),
    pytest.param([1] * 20, (1,) * 20, id="long list and tuple"),
    pytest.param([], (), id="empty list and tuple"),
    pytest.param([], {}, id="empty list and dict"),
    pytest.param({1}, frozenset({1}), id="set and frozenset"),
    pytest.param([[1], 2], [[1, 2]], id="brackets"),
    pytest.param([[], [[]]], [[[]], []], id="empty brackets"),
    pytest.param("1, 23", ("12", "3"), id="1, 23"),
    pytest.param(("1", "23"), ("12", "3"), id="texts run together"),
    pytest.param(("a", "b"), ("b", "a"), id="swapped"),
    pytest.param({"a": 1, "b": 2}, {"a": 2, "b": 1}, id="values swapped"),
    pytest.param({"a": 1, "b": 2}, {"b": 2, "a": 1}, id="order of a dict"),
    pytest.param({1: "a"}, {"1": "a"}, id="keys 1 and '1'"),
    pytest.param({"a": 1}, collections.OrderedDict(a=1), id="OrderedDict"),
    pytest.param({"a": 1}, [("a", 1)], id="dict and pairs"),
    pytest.param(collections.defaultdict(int), collections.defaultdict(list), id="defaultdict"),
    pytest.param(range(3), range(0, 3, 2), id="range"),
    pytest.param(slice(1), slice(2), id="slice"),
    pytest.param(datetime.date(2020, 1, 1), datetime.datetime(2020, 1, 1), id="date and datetime"),
    pytest.param(datetime.datetime(2020, 1, 1), datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), id="time zone"),
    pytest.param(decimal.Decimal("1.0"), decimal.Decimal("1.00"), id="Decimal"),
    pytest.param(Fraction(1, 2), 0.5, id="Fraction"),
    pytest.param(pathlib.PurePosixPath("a"), "a", id="path"),
    pytest.param(re.compile("a"), re.compile("a", re.I), id="regular expression"),
    pytest.param(Color.RED, Color.BLUE, id="enum"),
    pytest.param(Color.RED, 1, id="enum and value"),
    pytest.param(int, float, id="classes"),
    pytest.param(len, sum, id="builtins"),
    pytest.param(os.path.join, os.path.split, id="functions"),
    pytest.param(A.reshape(2, 3), A.reshape(3, 2), id="shape"),
    pytest.param(A, A.reshape(1, 6), id="one more axis"),
    pytest.param(A, A.astype("uint64"), id="int64 and uint64"),
    pytest.param(A, A.astype("int32"), id="int64 and int32"),
    pytest.param(A, A.astype(">i8"), id="byte order"),
    pytest.param(A, A.view("M8[ns]"), id="int64 and datetime64"),
    pytest.param(A.view("M8[ns]"), A.view("M8[s]"), id="unit of datetime64"),
    pytest.param(A, A.tolist(), id="array and list"),
    pytest.param(A, A[::-1], id="reversed"),
    pytest.param(np.zeros(0), np.zeros((0, 1)), id="empty arrays"),
    pytest.param(np.array(1), np.int64(1), id="array without axes and scalar"),
    pytest.param(np.int64(1), 1, id="numpy scalar and int"),
    pytest.param(np.float64(1), 1.0, id="numpy scalar and float"),
    pytest.param(np.float32(1), np.float64(1), id="numpy scalars"),
    pytest.param(np.array([1, "a"], object), np.array(["1", "a"], object), id="objects in an array"),
    pytest.param(structured("ab"), structured("ba"), id="fields"),
    pytest.param(np.ma.array([1, 2], mask=[0, 1]), np.ma.array([1, 2], mask=[0, 0]), id="mask"),
    pytest.param(FRAME, FRAME.rename(columns={"a": "c"}), id="renamed column"),
    pytest.param(FRAME, FRAME[["b", "a"]], id="order of columns"),
    pytest.param(FRAME, FRAME.iloc[::-1], id="order of rows"),
    pytest.param(FRAME, FRAME.astype({"a": "float64"}), id="dtype"),
    pytest.param(FRAME, FRAME.astype({"a": "Int64"}), id="nullable dtype"),
    pytest.param(FRAME, FRAME.rename_axis("i"), id="name of the index"),
    pytest.param(FRAME, FRAME.rename_axis("c", axis=1), id="name of the columns"),
    pytest.param(FRAME, FRAME.set_axis([1, 2]), id="index"),
    pytest.param(FRAME, FRAME.set_axis([0, 1]), id="kind of index"),
    pytest.param(FRAME["a"], FRAME["a"].rename("b"), id="name of a series"),
    pytest.param(FRAME["a"], FRAME[["a"]], id="series and frame"),
    pytest.param(FRAME["a"], FRAME["a"].array, id="series and array"),
    pytest.param(frame(a=["x", None]), frame(a=["x", "None"]), id="None in a column"),
    pytest.param(frame(a=["1"]), frame(a=pd.Series(["1"], dtype=object)), id="text and objects"),
    pytest.param(frame(a=pd.Series([1], dtype=object)), frame(a=pd.Series(["1"], dtype=object)), id="objects"),
    pytest.param(pd.Categorical(["a"], ["a", "b"]), pd.Categorical(["a"], ["b", "a"]), id="order of categories"),
    pytest.param(pd.Categorical(["a"], ordered=True), pd.Categorical(["a"]), id="ordered"),
    pytest.param(
        frame(a=pd.Categorical(["a"], ["a", "b"])), frame(a=pd.Categorical(["a"], ["a"])), id="unused category"
    ),
    pytest.param(frame(t=TIMES), frame(t=TIMES.tz_localize("UTC")), id="no time zone"),
    pytest.param(
        frame(t=TIMES.tz_localize("UTC")), frame(t=TIMES.tz_localize("UTC").tz_convert("Europe/Rome")), id="time zones"
    ),
    pytest.param(TIMES, pd.DatetimeIndex(TIMES, freq=None), id="frequency"),
    pytest.param(
        FRAME.set_index(["a", "b"]), FRAME.set_index(["a", "b"]).rename_axis(["a", "c"]), id="names of a MultiIndex"
    ),
    pytest.param(frame(a=pd.arrays.SparseArray([0, 1])), frame(a=[0, 1]), id="sparse"),
    pytest.param(frame(a=pd.interval_range(0, 2)), frame(a=pd.interval_range(0, 2, closed="left")), id="intervals"),
]


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different(one: Any, other: Any) -> None:
    assert version_of(one).digest != version_of(other).digest
    assert version_of([one] * 2).digest != version_of([other] * 2).digest


def test_no_two_of_all_these_are_equal() -> None:
    values = [0, 1, -1, 0.0, 1.0, True, False, None, "", "0", "1", b"", b"1", (), (0,), (1,), [], [0], {}, set(), [[]]]
    values += [
        {0: 0},
        {0},
        frozenset(),
        ((),),
        ([],),
        [()],
        0j,
        ...,
        NotImplemented,
        range(0),
        A[:1],
        A[:0],
        256,
        65536,
    ]
    assert len({version_of(value).digest for value in values}) == len(values)


SAME: list[Any] = [
    pytest.param(float("nan"), id="nan"),
    pytest.param([float("nan"), float("inf")], id="nan in a list"),
    pytest.param(2**5000, id="a large int"),
    pytest.param("\ud800", id="text that is no text"),
    pytest.param({"a": [1, (2, {3})]}, id="nested"),
    pytest.param(Color.RED, id="enum"),
    pytest.param(datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC), id="datetime"),
    pytest.param(collections.deque([1, 2], maxlen=3), id="deque"),
    pytest.param(collections.Counter("aab"), id="Counter"),
    pytest.param(np.array([1.0, np.nan]), id="array with nan"),
    pytest.param(np.array(["a", None], object), id="array of objects"),
    pytest.param(np.arange(12).reshape(3, 4), id="matrix"),
    pytest.param(np.float32(1.5), id="scalar"),
    pytest.param(np.random.default_rng(0), id="generator of random numbers"),
    pytest.param(FRAME, id="frame"),
    pytest.param(FRAME.set_index(["a", "b"]), id="MultiIndex"),
    pytest.param(frame(a=["x", None], b=pd.Categorical(["p", "q"]), c=TIMES[:2]), id="columns of many kinds"),
    pytest.param(frame(a=pd.array([1, None], dtype="Int64"), b=pd.array(["x", None], dtype="string")), id="nullable"),
    pytest.param(TIMES.tz_localize("Europe/Rome"), id="time zone"),
]


@pytest.mark.parametrize("value", SAME)
def test_a_copy_and_a_reloaded_value_are_the_same(value: Any) -> None:
    version = version_of(value)
    assert version.exact
    assert version_of(copy.deepcopy(value)) == version
    assert version_of(pickle.loads(pickle.dumps(value))) == version


def test_layout_in_memory_does_not_matter() -> None:
    matrix = np.arange(12).reshape(3, 4)
    same = [np.asfortranarray(matrix), np.arange(24).reshape(3, 8)[:, ::2] // 2, matrix.T.T, matrix.copy()]
    assert {version_of(m).digest for m in same} == {version_of(matrix).digest}


def test_shared_and_copied_parts_are_the_same() -> None:
    part = [1, 2]
    assert version_of([part, part]) == version_of([[1, 2], [1, 2]])
    assert version_of({"a": part, "b": (part,)}) == version_of({"a": [1, 2], "b": ([1, 2],)})


def test_a_value_in_itself() -> None:
    def loop(first: int) -> list[Any]:
        made: list[Any] = [first]
        made.append({"again": made})
        return made

    assert version_of(loop(1)) == version_of(loop(1))
    assert version_of(loop(1)).exact
    assert version_of(loop(1)) != version_of(loop(2))


def test_two_that_hold_each_other() -> None:
    one: list[Any] = []
    other = [one]
    one.append(other)
    assert version_of(one).exact


def test_sharing_sixty_deep_is_walked_once() -> None:
    made: Any = 1
    for _ in range(60):
        made = [made, made]
    assert version_of(made).exact


def test_a_hundred_thousand_deep() -> None:
    made: Any = []
    for _ in range(100_000):
        made = [made]
    assert version_of(made).exact
    while made:  # taken apart by hand: its own end would be a deep recursion
        made = made.pop()


def test_sets_do_not_depend_on_the_seed_of_hashes() -> None:
    code = (
        "from jo_notebook.core.version import version_of;"
        "print(version_of([{'a', 'bb', 'ccc', 1, None, (2, 'x')}, frozenset('hello'), {frozenset('ab'), 'z'}]).digest)"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", code], env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(found) == 1


class Unreadable:
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce_ex__(self, protocol: Any) -> Any:
        raise self.error


class LyingDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        raise OSError("no")

    def __iter__(self) -> Any:
        raise OSError("no")


class BadState:
    def __reduce__(self) -> Any:
        return (BadState, (), None, iter(lambda: 1 / 0, 1))


def open_file() -> io.BufferedReader:
    return open(__file__, "rb")


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(threading.Lock, id="lock"),
        pytest.param(lambda: sqlite3.connect(":memory:"), id="connection"),
        pytest.param(lambda: (i for i in "ab"), id="generator"),
        pytest.param(open_file, id="file"),
        pytest.param(lambda: Unreadable(OSError("no")), id="refuses"),
        pytest.param(lambda: Unreadable(RecursionError()), id="refuses by recursion"),
        pytest.param(LyingDict, id="its own iteration fails"),
        pytest.param(BadState, id="its items fail"),
        pytest.param(lambda: sys._getframe(), id="frame"),
        pytest.param(lambda: {}.keys(), id="view of a dict"),
    ],
)
def test_what_cannot_be_taken_apart_is_never_the_same(make: Callable[[], Any]) -> None:
    value = make()
    for holder in (value, [value], {"a": (value,)}):
        first, second = version_of(holder), version_of(holder)
        assert not first.exact
        assert first.digest != second.digest
    if hasattr(value, "close") and not hasattr(value, "gi_frame"):
        value.close()


def test_a_figure() -> None:
    from matplotlib.figure import Figure

    figure = Figure()
    figure.subplots().plot([1, 2])
    version_of(figure)


# -- code that travels with a value -------------------------------------------------------------------


def made_by(code: str, **more: Any) -> Any:
    namespace: dict[str, Any] = {"__name__": "__main__", **more}
    exec(code, namespace)
    return namespace["x"]


CODE_EDITS = [
    pytest.param("def x(): return 1", "def x(): return 2", id="function"),
    pytest.param("K = 1\ndef x(): return K", "K = 2\ndef x(): return K", id="global of a function"),
    pytest.param(
        "K = 1\ndef g(): return K\ndef x(): return g()",
        "K = 2\ndef g(): return K\ndef x(): return g()",
        id="of a helper",
    ),
    pytest.param("x = [lambda: 1]", "x = [lambda: 2]", id="lambda in a list"),
    pytest.param("def x(a=1): return a", "def x(a=2): return a", id="default"),
    pytest.param("def x(a, b): return a", "def x(b, a): return a", id="parameters swapped"),
    pytest.param("def x():\n    try: f()\n    except A: pass", "def x():\n    f()", id="try"),
    pytest.param("class C: k = 1\nx = C()", "class C: k = 2\nx = C()", id="class attribute behind an instance"),
    pytest.param("class C:\n    def f(s): return 1\nx = C()", "class C:\n    def f(s): return 2\nx = C()", id="method"),
    pytest.param(
        "K = 1\nclass C:\n    def f(s): return K\nx = C()",
        "K = 2\nclass C:\n    def f(s): return K\nx = C()",
        id="its global",
    ),
    pytest.param(
        "class A:\n    def f(s): return 1\nclass C(A): pass\nx = C()",
        "class A:\n    def f(s): return 2\nclass C(A): pass\nx = C()",
        id="base class",
    ),
    pytest.param("class C: pass\nx = C", "class D: pass\nx = D", id="name of a class"),
    pytest.param("class C: pass\nx = C()\nx.a = 1", "class C: pass\nx = C()\nx.a = 2", id="state"),
    pytest.param(
        "from functools import lru_cache\n@lru_cache\ndef x(): return 1",
        "from functools import lru_cache\n@lru_cache\ndef x(): return 2",
        id="lru_cache",
    ),
]


@pytest.mark.parametrize(("before", "after"), CODE_EDITS)
def test_code_that_would_act_differently_is_another_value(before: str, after: str) -> None:
    assert version_of(made_by(before)).exact
    assert version_of(made_by(before)) == version_of(made_by(before))
    assert version_of(made_by(before)) != version_of(made_by(after))


def test_what_a_function_reads_and_cannot_be_compared_is_noted_not_held_against_it() -> None:
    version = version_of(made_by("def x():\n    with lock: return 1", lock=threading.Lock()))
    assert version.exact
    assert version.left_out
    assert not version_of(made_by("x = [lock]", lock=threading.Lock())).exact


def test_a_class_of_the_notebook_and_its_twin_in_a_fresh_process() -> None:
    import dill

    code = "class C:\n    k = 1\n    def f(self): return self.k\nx = C()"
    value = made_by(code)
    assert version_of(dill.loads(dill.dumps(value, byref=False, recurse=True))) == version_of(value)


# -- any value ----------------------------------------------------------------------------------------

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=3),
    st.binary(max_size=3),
    st.complex_numbers(),
)
HASHABLE = st.one_of(st.none(), st.booleans(), st.integers(-3, 3), st.text(max_size=2))
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=12),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(HASHABLE, inner, max_size=3),
        st.frozensets(HASHABLE, max_size=3),
        st.sets(HASHABLE, max_size=3),
    ),
    max_leaves=12,
)


def spelled(value: Any) -> Any:
    """Type, structure and content, spelled out."""
    name = type(value).__name__
    if isinstance(value, set | frozenset):
        return name, sorted(map(repr, map(spelled, value)))
    if isinstance(value, dict):
        return name, [(spelled(k), spelled(v)) for k, v in value.items()]
    if isinstance(value, list | tuple):
        return name, [spelled(v) for v in value]
    return name, repr(value)


@given(VALUES, VALUES)
def test_equal_exactly_when_type_structure_and_content_are(one: Any, other: Any) -> None:
    assert version_of(one).exact
    assert (version_of(one) == version_of(other)) == (spelled(one) == spelled(other))


@given(VALUES)
def test_a_copy_of_anything_is_the_same(value: Any) -> None:
    assert version_of(pickle.loads(pickle.dumps(value))) == version_of(value)
