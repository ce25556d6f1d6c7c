"""The format json: plain data, exactly, as text that a person can read."""

from __future__ import annotations

import collections
import datetime as dt
import decimal
import enum
import fractions
import json
import pathlib
import pickle
import struct
import time
import uuid
import zoneinfo
from typing import Any, NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jo_notebook.core.version import version_of
from jo_notebook.errors import ResultNotSaved
from jo_notebook.store.formats import decode, encode, python_minor


class Pair(NamedTuple):
    one: int
    other: int


class Color(enum.Enum):
    RED = 1


class Words(dict):
    pass


class Number(int):
    pass


def back(value: Any, wanted: str = "") -> Any:
    encoded = encode(value, wanted=wanted)
    return decode(encoded.format, encoded.stream, encoded.buffers, python=python_minor(), step="Load")


BERLIN = zoneinfo.ZoneInfo("Europe/Berlin")
ZONE = dt.timezone(dt.timedelta(hours=1, minutes=30), "here")
VALUES = [
    *(None, True, 0, -1, 2**64, 10**700, -(2**9000), 0.1, -0.0, 1e308, float("inf"), float("-inf"), float("nan")),
    *("", "ü\u2028", "\ud800", "x\0", b"", b"\0\xff", bytearray(b"x"), 1j, complex(-0.0, float("nan"))),
    struct.unpack(">d", bytes.fromhex("fff8000000000001"))[0],
    *([], [[], []], (), ((),), ([1], (2,)), {}, {"a": {"b": [1, 2.0, None, "x"]}}, {"": 1}),
    *({1: 2, "a": 3}, {"$": 1}, {"$tuple": [1]}, {"$a": 1, "b": 2}, {(1, "x"): 1, None: 2, 2.5: 3, frozenset((1,)): 4}),
    *(set(), {1, "a", None}, {(1, 2), frozenset((3,))}, frozenset("abc")),
    *(range(5), range(5, 0, -2), slice(None), slice(1, "x", None)),
    *(dt.date(2020, 2, 29), dt.time(1, 2, 3, 4), dt.time(1, fold=1), dt.time(1, tzinfo=dt.UTC)),
    *(dt.datetime(1, 1, 1), dt.datetime(9999, 12, 31, 23, 59, 59, 999999), dt.datetime(2020, 1, 1, fold=1)),
    *(dt.datetime(2020, 1, 1, tzinfo=zone) for zone in (dt.UTC, ZONE, BERLIN)),
    dt.datetime(2020, 10, 25, 2, 30, fold=1, tzinfo=BERLIN),
    *(dt.timedelta(-1, 5, 7), dt.timedelta.max, dt.UTC, ZONE, BERLIN),
    *(decimal.Decimal(text) for text in ("1.10", "-0", "sNaN5", "Infinity", "1E+999999")),
    *(fractions.Fraction(-1, 3), uuid.UUID(int=7), uuid.uuid1(), pathlib.Path("a/b"), pathlib.PureWindowsPath("c:\\a")),
    [collections.OrderedDict(b=1, a=2), collections.OrderedDict(), collections.OrderedDict()],
]


@pytest.mark.parametrize("value", VALUES, ids=lambda value: f"{type(value).__name__} {value!r:.30}")
def test_plain_values_come_back(value: Any) -> None:
    for shown in (value, [value], {"k": (value,)}):
        encoded = encode(shown)
        assert encoded.format == "json"
        json.loads(encoded.stream, parse_constant=pytest.fail)
        found = back(shown)
        assert type(found) is type(shown)
        assert version_of(found) == version_of(shown)
        assert pickle.dumps(found) == pickle.dumps(shown) or "{" in repr(shown) or "frozenset" in repr(shown)


def test_it_can_be_read_by_a_person() -> None:
    value = {"names": ["Zoë", "b"], "scores": {"a": 0.5, "b": None}, "n": 3}
    assert encode(value).stream.decode() == '{"names": ["Zoë", "b"], "scores": {"a": 0.5, "b": null}, "n": 3}'
    assert encode({"t": (1, {2})}).stream == b'{"t": {"$tuple": [1, {"$set": [2]}]}}'
    assert encode({"$x": 1}).stream == b'{"$dict": [["$x", 1]]}'


def test_the_order_of_a_dict_is_kept() -> None:
    for value in ({"b": 1, "a": 2}, {2: "x", 1: "y"}):
        assert list(back(value)) == list(value)


def test_two_halves_of_a_pair_stay_two() -> None:
    value = ["\ud83d\ude00", "\ud800", "😀"]
    assert encode(value).format == "pickle"
    assert back(value) == value
    assert [len(text) for text in back(value)] == [2, 1, 1]


def test_what_is_shared_is_left_to_pickle() -> None:
    inner: list[Any] = []
    for value in ([inner, inner], {"a": inner, "b": (inner,)}, [{1}] * 2, [bytearray(b"x")] * 2):
        assert encode(value).format == "pickle"
    found = back([inner, inner])
    assert found[0] is found[1]
    inner.append(inner)
    assert encode(inner).format == "pickle"
    assert back(inner)[0][0] is not inner
    alike = ((), "x", (1, 2))
    assert encode([alike, alike]).format == "json"


@pytest.mark.parametrize(
    "value", [Pair(1, 2), Color.RED, Words(a=1), Number(1), collections.Counter("a"), ..., object, [Pair(1, 2)]]
)
def test_only_exact_types_are_plain(value: Any) -> None:
    assert encode(value).format in ("pickle", "dill")
    with pytest.raises(ResultNotSaved, match="cannot be written as json"):
        encode(value, wanted="json")


def test_a_refusal_says_where() -> None:
    with pytest.raises(ResultNotSaved, match=r"result\['a'\]\[1\]\[0\]: an? Pair; leave --format out"):
        encode({"a": [1, (Pair(1, 2),)]}, wanted="json")


def deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value, ()]
    return value


def test_depth_is_left_to_pickle() -> None:
    assert encode(deep(90)).format == "json"
    assert encode(deep(150)).format == "pickle"
    assert back(deep(150)) == deep(150)


@pytest.mark.parametrize(
    "value",
    [
        list(range(1_000_000)),
        [(n, n) for n in range(100_000)],
        {str(n): n for n in range(1_000_000)},
        ["x" * 2_000_000],
        [[1] * 1_000 for _ in range(1_000)],
        set(range(1_000_000)),
        tuple([0.5] * 1_000_000),
    ],
    ids=lambda value: f"{type(value).__name__}",
)
def test_what_is_large_is_refused_at_once(value: Any) -> None:
    from jo_notebook.store.formats.table import FORMATS

    def spent() -> float:
        start = time.perf_counter()
        with pytest.raises(Exception, match="too much"):
            FORMATS["json"].encode(value)
        return time.perf_counter() - start

    assert min(spent() for _ in range(3)) < 0.1
    assert encode(value).format == "pickle"


LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(st.characters(codec=None))
    | st.binary(max_size=20)
    | st.complex_numbers()
    | st.decimals()
    | st.fractions()
    | st.uuids()
    | st.dates()
    | st.timedeltas()
    | st.times(timezones=st.none() | st.just(dt.UTC))
    | st.datetimes(timezones=st.none() | st.timezones())
)
KEYS = st.none() | st.booleans() | st.integers() | st.text() | st.binary(max_size=5) | st.sampled_from(["$a", "$tuple"])
TREES = st.recursive(
    LEAVES,
    lambda inner: (
        st.lists(inner, max_size=5)
        | st.lists(inner, max_size=5).map(tuple)
        | st.dictionaries(st.text(max_size=5), inner, max_size=5)
        | st.dictionaries(KEYS, inner, max_size=5)
        | st.frozensets(KEYS, max_size=5)
    ),
    max_leaves=20,
)


@settings(max_examples=200, deadline=None)
@given(TREES)
def test_any_tree_comes_back(value: Any) -> None:
    found = back(value)
    assert version_of(found) == version_of(value)
    assert repr(found) == repr(value) or "frozenset" in repr(value)


@settings(max_examples=200, deadline=None)
@given(
    st.recursive(
        st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
    )
)
def test_any_json_means_itself_or_is_refused(value: Any) -> None:
    """A dict that looks like a tag is a dict again."""
    assert back({"$tuple": value}, "json") == {"$tuple": value}
