"""Data versions of any plain value: held against an oracle, across processes, and at the edges."""

from __future__ import annotations

import array
import collections
import datetime
import decimal
import io
import json
import math
import os
import pathlib
import pickle
import random
import re
import struct
import subprocess
import sys
import threading
import types
import uuid
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jo_notebook.core.version import is_opaque, lenient_version, version_of, witness_of
from tests.cases import version_values as cases
from tests.cases.version_values import Color, Flags, Pair, Record

# -- the oracle: slow and obviously right --------------------------------------------------------------


def same(a: Any, b: Any) -> bool:
    """Equal in type, structure and content."""
    if type(a) is not type(b):
        return False
    if isinstance(a, np.ndarray):
        return a.dtype == b.dtype and a.shape == b.shape and same(_elements(a), _elements(b))
    if isinstance(a, np.generic):
        return a.dtype == b.dtype and a.tobytes() == b.tobytes()
    if isinstance(a, pd.DataFrame):
        return (
            same(a.columns, b.columns)
            and same(a.index, b.index)
            and all(same(a.iloc[:, i], b.iloc[:, i]) for i in range(a.shape[1]))
        )
    if isinstance(a, pd.Series):
        return same(a.name, b.name) and same(a.index, b.index) and str(a.dtype) == str(b.dtype) and same(*_lists(a, b))
    if isinstance(a, pd.Index):
        return same(list(a.names), list(b.names)) and str(a.dtype) == str(b.dtype) and same(*_lists(a, b))
    if isinstance(a, float):
        return struct.pack("<d", a) == struct.pack("<d", b)
    if isinstance(a, complex):
        return same(a.real, b.real) and same(a.imag, b.imag)
    if isinstance(a, Record):
        return same(vars(a), vars(b))
    if isinstance(a, Color | Flags):
        return a is b
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, dict):
        return len(a) == len(b) and same(list(a.items()), list(b.items()))
    if isinstance(a, set | frozenset):
        return len(a) == len(b) and all(any(same(x, y) for y in b) for x in a)
    if isinstance(a, decimal.Decimal):
        return a.as_tuple() == b.as_tuple()
    if isinstance(a, range | slice):
        return same([a.start, a.stop, a.step], [b.start, b.stop, b.step])
    if isinstance(a, datetime.datetime):
        return same([a.replace(tzinfo=None).isoformat(), a.fold, repr(a.tzinfo)], [
            b.replace(tzinfo=None).isoformat(), b.fold, repr(b.tzinfo)
        ])  # fmt: skip
    return bool(a == b)


def _elements(a: Any) -> Any:
    return list(a.ravel()) if a.dtype == object else a.tobytes()


def _lists(a: Any, b: Any) -> tuple[list[Any], list[Any]]:
    return list(a), list(b)


ZONES = st.sampled_from([None, datetime.UTC, datetime.timezone(datetime.timedelta(hours=1))])
ODD_FLOATS = st.sampled_from(
    [math.nan, -math.nan, struct.unpack("<d", b"\1\0\0\0\0\0\xf8\x7f")[0], math.inf, -0.0, 0.0]
)
KEYS = st.one_of(
    st.none(), st.booleans(), st.integers(-2, 2), st.floats(), st.text(max_size=2), st.binary(max_size=2),
    st.sampled_from([Color.RED, Color.BLUE, Flags.A]), st.tuples(st.integers(0, 1)), st.decimals(allow_nan=False),
)  # fmt: skip
LEAVES = st.one_of(
    KEYS,
    ODD_FLOATS,
    st.integers(0, 9).map(lambda n: (-2) ** (63 * n)),
    st.complex_numbers(),
    st.text(st.characters(), max_size=3),
    st.sampled_from(["\ud800", "\udfff", "\0", "", "1", "True", "None"]),
    st.binary(max_size=3).map(bytearray),
    st.dates(),
    st.datetimes(timezones=ZONES),
    st.timedeltas(),
    st.fractions(),
    st.uuids(),
    st.sampled_from([range(0), range(1), range(0, 1, 2), slice(1), slice(0, 1), ..., NotImplemented, int, bool]),
    st.sampled_from(["a", "a/b", "/a"]).map(pathlib.PurePosixPath),
)
DTYPES = st.sampled_from(
    ["b1", "i1", "u1", "i8", "u8", "f4", "<f8", ">f8", "c16", "M8[s]", "M8[ns]", "m8[s]", "S2", "U2"]
)
ARRAYS = st.builds(
    lambda raw, dtype, fortran: np.asarray(np.resize(np.frombuffer(raw or b"\0", "i1"), (2, 2)) % 3, order="F")
    .astype(dtype, order="F" if fortran else "C"),
    st.binary(max_size=4), DTYPES, st.booleans(),
)  # fmt: skip
FLAT_ARRAYS = st.builds(lambda a, shape: a.reshape(shape), ARRAYS, st.sampled_from([(4,), (1, 4), (4, 1), (2, 2)]))
COLUMNS = st.builds(
    lambda values, dtype, name: pd.Series(values, dtype=dtype, name=name),
    st.lists(st.integers(0, 2), min_size=2, max_size=2),
    st.sampled_from(
        ["int64", "Int64", "float64", "Float64", "object", "string", "category", "uint8", "boolean"]
    ).filter(lambda d: d != "boolean"),
    st.sampled_from([None, "a", 1, "1"]),
)
PANDAS = st.one_of(
    COLUMNS,
    COLUMNS.map(pd.Index),
    st.tuples(COLUMNS, COLUMNS).map(lambda two: pd.DataFrame(dict(enumerate(two)))),
)
VALUES = st.recursive(
    st.one_of(LEAVES, FLAT_ARRAYS, FLAT_ARRAYS.map(lambda a: a.ravel()[0]), PANDAS),
    lambda inner: st.one_of(
        st.lists(inner, max_size=12),
        st.lists(inner, max_size=3).map(tuple),
        st.dictionaries(KEYS, inner, max_size=3),
        st.sets(KEYS, max_size=4),
        st.frozensets(KEYS, max_size=4),
        st.builds(Pair, inner, inner),
        st.builds(Record, st.text(max_size=2), st.sets(KEYS, max_size=2), inner),
    ),
    max_leaves=10,
)


@settings(max_examples=150, deadline=None)
@given(VALUES, VALUES)
def test_equal_exactly_when_the_oracle_says_so(one: Any, other: Any) -> None:
    assert version_of(one).exact
    assert (version_of(one) == version_of(other)) == same(one, other)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(LEAVES, FLAT_ARRAYS, PANDAS), min_size=2, max_size=8))
def test_no_two_of_many_are_confused(values: list[Any]) -> None:
    for i, one in enumerate(values):
        for other in values[:i]:
            assert (version_of(one) == version_of(other)) == same(one, other)
            assert (version_of([one, 1]) == version_of([other, 1])) == same(one, other)


@settings(max_examples=150, deadline=None)
@given(VALUES)
def test_what_was_written_and_read_is_the_same(value: Any) -> None:
    back = pickle.loads(pickle.dumps(value, 5))  # an older protocol turns foreign byte orders into the machine's own
    assert same(back, value)
    assert version_of(back) == version_of(value)


def test_equal_in_every_process_and_for_every_seed_of_hashes() -> None:
    found = []
    for seed in ("0", "1", "random"):
        ran = subprocess.run(
            [sys.executable, "-m", "tests.cases.version_values"],
            env={**os.environ, "PYTHONHASHSEED": seed}, capture_output=True, check=True,
        )  # fmt: skip
        found.append(json.loads(ran.stdout))
    assert found[0] == found[1] == found[2]
    assert all(exact for _, exact in found[0])
    assert len({digest for digest, _ in found[0]}) == len(cases.values())


class MyInt(int): ...


class MyStr(str): ...


class MyList(list): ...  # type: ignore[type-arg]


class MyDict(dict): ...  # type: ignore[type-arg]


UTC = datetime.datetime(2020, 1, 1, 12, tzinfo=datetime.UTC)
MASKED = np.ma.array([1, 2], mask=[0, 1])
NAMED = pd.Series([1, 2], name="a")


def said(frame: pd.Series, **attrs: Any) -> pd.Series:
    made = frame.copy()
    made.attrs.update(attrs)
    return made


COLLISIONS = [
    pytest.param([1, "1", 1.0, True, b"1", "True", np.int64(1), np.array(1), MyInt(1), Color.RED], id="1"),
    pytest.param([[], (), {}, set(), frozenset(), "", b"", bytearray(), None, MyList(), MyDict()], id="empty"),
    pytest.param([["1", "23"], ["12", "3"], ["123"], "123", ["1", "2", "3"]], id="texts"),
    pytest.param([[[1], [2]], [[1, 2]], [1, 2], [[1], 2], [[[1], [2]]]], id="brackets"),
    pytest.param([{"a": 1, "b": 2}, {"a": 2, "b": 1}, {"b": 2, "a": 1}, {"a": 1}, {1: "a", 2: "b"}], id="dicts"),
    pytest.param(
        [
            {"a": 1},
            collections.OrderedDict(a=1),
            collections.Counter(a=1),
            collections.defaultdict(int, a=1),
            collections.defaultdict(None, a=1),
            MyDict(a=1),
            types.MappingProxyType({"a": 1}),
            types.SimpleNamespace(a=1),
        ],
        id="kinds of dict",
    ),
    pytest.param([collections.deque([1]), collections.deque([1], 1), collections.deque([1], 2), [1]], id="deque"),
    pytest.param(["a", MyStr("a"), b"a", np.str_("a"), np.bytes_(b"a"), pathlib.PurePosixPath("a")], id="a"),
    pytest.param(
        [
            UTC,
            UTC.replace(tzinfo=None),
            UTC.astimezone(datetime.timezone(datetime.timedelta(hours=1))),
            UTC.replace(tzinfo=datetime.timezone(datetime.timedelta(0), "Z")),
            UTC.replace(fold=1, tzinfo=None),
            UTC.date(),
            UTC.time(),
            np.datetime64("2020-01-01T12"),
            np.datetime64("2020-01-01T12:00"),
            pd.Timestamp(UTC),
        ],
        id="one instant",
    ),
    pytest.param(
        [
            MASKED,
            np.ma.array([1, 2], mask=[0, 0]),
            np.ma.array([1, 2], mask=[1, 0]),
            np.ma.array([1, 2], mask=[0, 1], fill_value=7),
            np.array([1, 2]),
            np.array([[1, 2]]).view(np.matrix),
            np.array([1, 2], ">i8"),
            np.array([1, 2], "u8"),
            np.array([1, 2], object),
            np.array([1, 2], "M8[s]"),
            np.array([1, 2], "M8[ms]"),
            np.array([(1,), (2,)], [("a", "i8")]),
            np.array([(1,), (2,)], [("b", "i8")]),
            array.array("q", [1, 2]),
        ],
        id="1, 2 in an array",
    ),
    pytest.param(
        [
            NAMED,
            NAMED.rename("b"),
            NAMED.rename(None),
            said(NAMED, unit="m"),
            NAMED.astype("Int64"),
            NAMED.astype("int64[pyarrow]"),
            NAMED.astype("object"),
            NAMED.astype("category"),
            NAMED.to_frame(),
            NAMED.rename_axis("i"),
            NAMED.iloc[::-1],
            NAMED.set_axis(["0", "1"]),
            NAMED.set_flags(allows_duplicate_labels=False),
        ],
        id="a series",
    ),
    pytest.param(
        [pd.Series(["a"], dtype=d) for d in ("object", "str", "string[python]", "string[pyarrow]", "category")],
        id="text",
    ),
    pytest.param(
        [np.zeros((2, 3)), np.zeros((3, 2)), np.zeros(6), np.zeros((1, 6)), np.zeros((2, 3), "f4"), -np.zeros((2, 3))],
        id="zeros",
    ),
    pytest.param([io.BytesIO(b"ab"), io.BytesIO(b"ac"), io.StringIO("ab"), memoryview(b"ab"), b"ab"], id="streams"),
    pytest.param([bytes(70_000), bytes(70_001), "\0" * 70_000, bytearray(70_000), [bytes(70_000)]], id="large"),
    pytest.param([re.compile("a"), re.compile("a", re.I), re.compile(b"a"), "a"], id="patterns"),
]


@pytest.mark.parametrize("values", COLLISIONS)
def test_no_two_are_the_same(values: list[Any]) -> None:
    for wrap in (lambda v: v, lambda v: [v, 1], lambda v: {"k": (v, [v])}):
        versions = [version_of(wrap(value)) for value in values]
        assert all(v.exact for v in versions)
        assert len({v.digest for v in versions}) == len(values)
        assert versions == [version_of(wrap(value)) for value in values]


def test_layout_does_not_count_and_nothing_large_is_missed() -> None:
    made = np.arange(3 * 700 * 900, dtype="f8").reshape(3, 700, 900)
    wide = np.zeros((3, 700, 1800))
    wide[:, :, ::2] = made
    assert {version_of(a) for a in (np.asfortranarray(made), wide[:, :, ::2], made[::-1][::-1])} == {version_of(made)}
    for at in (0, made.size // 2, made.size - 1):
        other = made.copy()
        other.flat[at] += 1
        assert version_of(other) != version_of(made)
        assert version_of(np.asfortranarray(other)) == version_of(other)


def test_padding_does_not_count() -> None:
    kind = np.dtype([("a", "u1"), ("b", "f8")], align=True)
    one, other = np.zeros(3, kind), np.frombuffer(b"\xff" * 48, kind).copy()
    other["a"], other["b"] = 0, 0
    assert one.tobytes() != other.tobytes()
    assert version_of(one) == version_of(other)


# -- deep, in itself, and bad --------------------------------------------------------------------------


@pytest.mark.parametrize("wrap", [lambda v: [v, 1], lambda v: {"k": v}, lambda v: (v,), lambda v: Pair(v, 0)])
def test_ten_thousand_deep(wrap: Any) -> None:
    def deep(bottom: Any) -> Any:
        for _ in range(10_000):
            bottom = wrap(bottom)
        return bottom

    one = version_of(deep(1))
    assert one.exact
    assert one == version_of(deep(1))
    assert one != version_of(deep(2))
    assert one != version_of(wrap(deep(1)))


def test_objects_ten_thousand_deep() -> None:
    made: Any = None
    for _ in range(10_000):
        made = types.SimpleNamespace(next=made)
    assert version_of(made).exact
    while made:
        made = made.next


def loops(n: int) -> list[Any]:
    a: list[Any] = [n]
    a.append(a)
    b: dict[Any, Any] = {"n": n}
    b["b"] = (b, [b])
    c: Any = types.SimpleNamespace(n=n)
    c.c = [c, {"c": c}]
    d = np.empty(1, object)
    d[0] = [d, n]
    e: Any = collections.deque([n])
    e.append(e)
    f = [n, a, a]
    a.append(f)
    return [a, b, c, d, e, f]


def test_values_in_themselves() -> None:
    found = [version_of(value) for value in loops(1)]
    assert all(v.exact for v in found)
    assert found == [version_of(value) for value in loops(1)]
    assert found == [version_of(pickle.loads(pickle.dumps(value))) for value in loops(1)]
    assert not set(found) & {version_of(value) for value in loops(2)}
    assert version_of(loops(1)) == version_of(loops(1))


def test_values_with_cycles_of_their_own_do_not_depend_on_their_neighbours() -> None:
    orders = [[Color.RED, Flags.A, Record], [Flags.A, Record, Color.RED], [Record, Color.RED, Flags.A]]
    found = [{id(v): version_of(v) for v in order} for order in orders]
    assert found[0] == found[1] == found[2]
    assert len({version_of({None, *order[:2]} | {order[2]}) for order in orders}) == 1
    sets = [set(order) for order in orders]
    assert {version_of(s) for s in sets} == {version_of(sets[0])}
    assert version_of(sets[0]).exact
    first, second = loops(1), loops(1)
    assert version_of([first[0], second[0]]) == version_of([first[0], first[0]])


def test_a_set_whose_elements_hold_each_other_is_not_called_exact() -> None:
    rings = [Ring(0), Ring(1)]
    rings[0].next, rings[1].next = rings[1], rings[0]
    assert not version_of(set(rings)).exact
    assert version_of(rings).exact
    assert version_of({Ring(0), Ring(1)}).exact


class Ring:
    def __init__(self, number: int) -> None:
        self.number = number
        self.next: Ring | None = None


def test_a_loop_of_one_differs_from_a_loop_of_two() -> None:
    one: list[Any] = []
    one.append(one)
    two: list[Any] = [[]]
    two[0].append(two)
    assert version_of(one) != version_of(two)


class RaisesAt:
    """Raises wherever it is asked."""

    def __init__(self, name: str) -> None:
        self.__dict__["name"] = name

    def __getattribute__(self, name: str) -> Any:
        if name == object.__getattribute__(self, "__dict__").get("name"):
            raise OSError(name)
        return object.__getattribute__(self, name)

    def __eq__(self, other: object) -> bool:
        raise OSError

    def __hash__(self) -> int:
        raise OSError

    def __bool__(self) -> bool:
        raise OSError

    def __repr__(self) -> str:
        raise OSError


class Meta(type):
    @property
    def __module__(cls) -> str:  # type: ignore[override]
        raise OSError

    def __getattribute__(cls, name: str) -> Any:
        raise OSError

    def __eq__(cls, other: object) -> bool:
        raise OSError

    __hash__ = type.__hash__


class HashlessMeta(Meta):
    def __hash__(cls) -> int:
        raise OSError


class WorseMeta(metaclass=HashlessMeta): ...


class BadMeta(metaclass=Meta): ...


class Lies:
    @property
    def __class__(self) -> Any:  # type: ignore[override]
        return dict

    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        return {"not": "true"}


class EndlessReduce:
    def __reduce__(self) -> Any:
        return EndlessReduce, (), [EndlessReduce()]


class GarbageReduce:
    def __init__(self, found: Any) -> None:
        self.found = found

    def __reduce_ex__(self, protocol: Any) -> Any:
        return self.found


class ShrinkingDict(dict):  # type: ignore[type-arg]
    def items(self) -> Any:
        for key in list(self):
            yield key, self.pop(key)


def made_by_exec() -> Any:
    space: dict[str, Any] = {}
    exec("def f(a, b=[1]): return a + missing", space)
    return space["f"]


BAD = [
    *(
        lambda name=name: RaisesAt(name)
        for name in ("__class__", "__dict__", "__reduce_ex__", "__reduce__", "__module__")
    ),
    lambda: BadMeta,
    lambda: type.__call__(BadMeta),
    lambda: WorseMeta,
    lambda: type.__call__(WorseMeta),
    Lies,
    *(
        lambda found=found: GarbageReduce(found)
        for found in (None, 1, (), (1,), (int, 2), (int, (), 1, 2, 3, 4, 5), "x")
    ),
    ShrinkingDict,
    made_by_exec,
    lambda: eval("lambda x: x + y"),
    lambda: types.FunctionType((lambda: 1).__code__, {"__name__": 5}),
    lambda: type("T", (), {"__module__": 5}),
    lambda: type("T", (), {"__module__": 5})(),
    lambda: types.ModuleType("m"),
    lambda: uuid.UUID.__new__(uuid.UUID),
]


@pytest.mark.parametrize("make", BAD)
def test_bad_input_raises_nothing(make: Any) -> None:
    value = make()
    for holder in (value, [value], {"a": (value,)}):
        version_of(holder)
        lenient_version(holder)
        witness_of(holder)
        is_opaque(holder)


def test_an_object_that_makes_itself_anew_comes_to_an_end() -> None:
    assert not version_of(EndlessReduce()).exact


def test_a_dict_that_changes_while_it_is_looked_at() -> None:
    busy: dict[Any, Any] = {i: [i, [i]] for i in range(2_000)}
    stop = threading.Event()

    def change() -> None:
        while not stop.is_set():
            busy[random.random()] = 1
            busy.popitem()

    thread = threading.Thread(target=change)
    thread.start()
    try:
        for _ in range(20):
            version_of(busy)
    finally:
        stop.set()
        thread.join()


class Counting:
    asked = 0

    @property
    def price(self) -> int:
        Counting.asked += 1
        return 1


def test_properties_are_not_called() -> None:
    version_of([Counting(), Counting])
    lenient_version([Counting(), Counting])
    assert Counting.asked == 0


@pytest.mark.parametrize(
    "value",
    [
        random.Random(0),
        np.random.default_rng(0),
        np.random.RandomState(0),
        threading.Lock(),
        threading.Event(),
        iter([]),
    ],
)
def test_handles_are_opaque(value: Any) -> None:
    assert is_opaque(value)


def test_values_are_not_opaque() -> None:
    assert not any(map(is_opaque, [1, [], "a", np.ones(1), NAMED, io.BytesIO(), random.Random, Record("a"), print]))
