"""pandas, Arrow and polars: tables come back exactly, block by block, and can be used like the originals."""

from __future__ import annotations

import datetime as dt
import io
import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import pandas as hpd

from jo_notebook.core.version import version_of
from jo_notebook.errors import ResultNotSaved
from jo_notebook.store.formats import encode, frames
from tests.store.formats.making_formats import decoded, mapped, same

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")

TEXTS = ["x", None, "a text that is long", "", "ü"]

COLUMNS = {
    "float": [1.5, -0.0, float("nan"), float("inf"), 2],
    "int": [1, 2, 3, 4, 5],
    "bool": [True, False, True, True, False],
    "int8": np.arange(5, dtype="i1"),
    "big endian": np.arange(5, dtype=">i4"),
    "complex": np.arange(5) * 1j,
    "float16": np.arange(5, dtype="f2"),
    "objects": pd.Series(TEXTS, dtype=object),
    "objects with nan": np.array(["x", None, float("nan"), "y", "z"], object),
    "a few other objects": np.array([1, "x", None, (1, 2), 2.5], object),
    "str": pd.Series(TEXTS, dtype="str"),
    **{
        f"string {storage} {na!r}": pd.array(TEXTS, dtype=pd.StringDtype(storage, na_value=na))
        for storage in ("python", "pyarrow")
        for na in (pd.NA, np.nan)
    },
    **{f"times {unit}": pd.date_range("2020", periods=5).as_unit(unit) for unit in ("s", "ms", "us", "ns")},
    "times with a gap": pd.to_datetime(["2020-01-01", None, "1960-01-01", None, None]),
    "times utc": pd.date_range("2020", periods=5, tz="UTC"),
    "times in a zone": pd.date_range("2020", periods=5, tz="Europe/Berlin"),
    "times at an offset": pd.date_range("2020", periods=5, tz=dt.timezone(dt.timedelta(hours=1))),
    "spans": pd.to_timedelta([1, 2, None, 4, 5], unit="s"),
    "periods": pd.period_range("2020", periods=5, freq="M"),
    "quarters": pd.period_range("2020", periods=5, freq="Q-JAN"),
    "intervals": pd.interval_range(0, 5),
    "intervals left": pd.interval_range(0.0, 5.0, closed="left"),
    "intervals of times": pd.interval_range(pd.Timestamp("2020"), periods=5),
    "category": pd.Categorical(["u", "v", None, "u", "u"]),
    "category ordered": pd.Categorical(["u", "v", "u", "u", "u"], ["v", "u", "w"], ordered=True),
    "category of numbers": pd.Categorical([1.5, 2.5, 1.5, None, 2.5]),
    "category of times": pd.Categorical(pd.date_range("2020", periods=5)),
    "category of intervals": pd.cut([1, 2, 3, 4, 5], 2),
    "category wide": pd.Categorical(np.arange(5), range(300)),
    "Int64": pd.array([1, None, 3, 4, 5], dtype="Int64"),
    "UInt8": pd.array([1, None, 3, 4, 5], dtype="UInt8"),
    "Float32": pd.array([1.5, None, 3, 4, 5], dtype="Float32"),
    "boolean": pd.array([True, None, False, True, True], dtype="boolean"),
    "arrow int": pd.array([1, None, 3, 4, 5], dtype=pd.ArrowDtype(pa.int32())),
    "arrow bool": pd.array([True, None, False, True, True], dtype=pd.ArrowDtype(pa.bool_())),
    "arrow times": pd.array([1, None, 3, 4, 5], dtype=pd.ArrowDtype(pa.timestamp("us", "UTC"))),
    "arrow text": pd.array(TEXTS, dtype=pd.ArrowDtype(pa.string())),
    "arrow lists": pd.array([[1], None, [], [2, 3], [4]], dtype=pd.ArrowDtype(pa.list_(pa.int8()))),
    "arrow words": pd.array(["u", "v", "u", None, "u"], dtype=pd.ArrowDtype(pa.dictionary(pa.int8(), pa.string()))),
}

INDEXES = {
    "range": pd.RangeIndex(5, name="q"),
    "range down": pd.RangeIndex(10, 0, -2),
    "int": pd.Index([5, 3, 1, 3, 5], name=("a", 1)),
    "texts": pd.Index(["a", "b", "c", "a", "d"]),
    "objects": pd.Index(["a", None, "c", "a", "d"], dtype=object),
    "mixed": pd.Index([1, "a", 2.5, None, (1, 2)], dtype=object),
    "bool": pd.Index([True, False, True, False, True]),
    "float": pd.Index([0.5, float("nan"), 1, 2, 3]),
    "days": pd.date_range("2020", periods=5),
    "business days": pd.date_range("2020", periods=5, freq="B", tz="Europe/Berlin", name="when"),
    "months": pd.date_range("2020", periods=5, freq="2ME"),
    "times": pd.DatetimeIndex(["2020-01-01", "2020-01-05", "2020-01-02", "NaT", "2021-01-01"]),
    "spans": pd.timedelta_range("1h", periods=5, freq="90min"),
    "periods": pd.period_range("2020", periods=5, freq="W-SUN"),
    "intervals": pd.interval_range(0, 5, name="iv"),
    "categories": pd.CategoricalIndex(list("abaca"), ordered=True, name="c"),
    "nullable": pd.Index(pd.array([1, None, 3, 4, 5], dtype="Int64")),
    "arrow": pd.Index(pd.array([1, None, 3, 4, 5], dtype=pd.ArrowDtype(pa.int64()))),
    "levels": pd.MultiIndex.from_tuples([("x", 1), ("y", 2), ("y", None), ("x", 4), ("z", 5)], names=["p", None]),
    "levels of times": pd.MultiIndex.from_product([pd.date_range("2020", periods=5), ["v"]]),
    "levels unused": pd.MultiIndex.from_product([list("ab"), range(5)])[5:],
}


def test_columns_come_back() -> None:
    for name, column in COLUMNS.items():
        frame = pd.DataFrame({name: column})
        compare(frame, same(frame, "data"))
        series = frame[name]
        found = same(series, "data")
        pd.testing.assert_series_equal(found, series, check_freq=True)
        assert str(found.dtype) == str(series.dtype)
        assert type(found.array) is type(series.array)
        compare(frame[:0], same(frame[:0], "data"))
        compare(frame[1::2], same(frame[1::2], "data"))


def test_a_frame_of_all_columns_comes_back() -> None:
    frame = pd.DataFrame(COLUMNS)
    compare(frame, same(frame, "data"))
    shuffled = frame.sample(frac=1, axis=1, random_state=1)
    compare(shuffled, same(shuffled, "data"))
    inside = same({"train": frame, "rest": [frame[:2], (frame["int"], 3)]}, "data")
    compare(frame, inside["train"])


@pytest.mark.parametrize("name", INDEXES)
def test_indexes_come_back(name: str) -> None:
    index = INDEXES[name]
    found = same(index, "data")
    pd.testing.assert_index_equal(found, index, exact=True)
    assert list(found.names) == list(index.names) or any(n != n for n in index.names)
    assert getattr(found, "freq", None) == getattr(index, "freq", None)
    frame = pd.DataFrame(np.arange(5.0 * 5).reshape(5, 5), index=index, columns=index)
    compare(frame, same(frame, "data"))


def compare(one: Any, other: Any) -> None:
    pd.testing.assert_frame_equal(one, other, check_freq=True, check_column_type="exact", check_index_type="exact")
    assert [str(dtype) for dtype in one.dtypes] == [str(dtype) for dtype in other.dtypes]
    assert [repr(dtype) for dtype in one.dtypes] == [repr(dtype) for dtype in other.dtypes]
    for number in range(one.shape[1]):
        assert type(one.iloc[:, number].array) is type(other.iloc[:, number].array)


SHAPES = {
    "nothing": pd.DataFrame(),
    "no columns": pd.DataFrame(index=[1, 2]),
    "no rows": pd.DataFrame({"a": pd.Series(dtype="i4"), "s": pd.Series(dtype="str")}),
    "one name twice": pd.DataFrame([[1, "x", 2.5]], columns=["a", "a", "b"]),
    "numbers as names": pd.DataFrame({0: [1], 1: [2.5]}),
    "names of two kinds": pd.DataFrame({0: [1], "a": [2]}),
    "C order": pd.DataFrame(np.arange(12.0).reshape(3, 4)),
    "F order": pd.DataFrame(np.asfortranarray(np.arange(12.0).reshape(3, 4))),
    "a slice": pd.DataFrame(np.arange(120.0).reshape(30, 4))[3:20:3],
    "columns dropped": pd.DataFrame(np.arange(12.0).reshape(3, 4)).drop(columns=[1]),
    "columns added": pd.DataFrame({"a": [1, 2]}).assign(b=[3, 4], c=["x", "y"], d=[5, 6]),
    "columns in another order": pd.DataFrame({"a": [1], "b": [1.5], "c": [2], "d": [2.5]})[["d", "a", "c", "b"]],
    "reversed": pd.DataFrame({"a": [1, 2, 3], "b": [1.5, 2, 3]}).iloc[::-1, ::-1],
    "transposed": pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]}).T,
    "times side by side": pd.DataFrame({c: pd.date_range("2020", periods=3, tz="UTC") for c in "abc"}),
    "wide": pd.DataFrame(np.zeros((2, 3_000))),
}


@pytest.mark.parametrize("name", SHAPES)
def test_shapes_come_back(name: str) -> None:
    compare(SHAPES[name], same(SHAPES[name], "data"))


@pytest.mark.parametrize("name", SHAPES)
def test_a_frame_can_be_built_of_its_columns(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with a pandas that does not take blocks."""
    monkeypatch.setattr(frames, "_built", frames.built_of_columns)
    compare(SHAPES[name], same(SHAPES[name], "data"))


def test_all_columns_can_be_built_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    frame = pd.DataFrame(COLUMNS)
    monkeypatch.setattr(frames, "_built", frames.built_of_columns)
    compare(frame, same(frame, "data"))
    parts = [(np.array([n]), frames._column(frame.iloc[:, n].array)) for n in range(frame.shape[1])]
    monkeypatch.setattr(frames, "_blocks", lambda value: parts)
    compare(frame, same(frame, "data"))


def test_attributes_and_flags_come_back() -> None:
    frame = pd.DataFrame({"a": [1, 2]})
    frame.attrs = {"unit": "m", "of": [1, (2,)]}
    frame = frame.set_flags(allows_duplicate_labels=False)
    found = same(frame, "data")
    assert found.attrs == frame.attrs
    assert not found.flags.allows_duplicate_labels
    series = frame["a"].rename(("a", 1))
    series.attrs["x"] = 1
    assert same(series, "data").attrs == {"x": 1, **frame.attrs}


def test_what_comes_back_can_be_used_like_the_original() -> None:
    frame = pd.DataFrame(COLUMNS)
    for found in (mapped(encode(frame)), decoded(encode(frame))):
        found.loc[0, "float"] = 9
        found.loc[found["int"] > 2, "int"] = 0
        found.iloc[1, found.columns.get_loc("str")] = "new"
        found.loc[2, "category"] = "v"
        found["more"] = found["float"] * 2
        found.loc[len(found)] = found.loc[0]
        assert found.loc[0, "float"] == 9
        assert found["int"].tolist() == [1, 2, 0, 0, 0, 1]
        assert found["str"][1] == "new"
        assert found.sort_values("float").groupby("bool")["int"].sum().shape == (2,)
        found[["float", "int8"]].to_numpy()[0] = 1
    assert frame.loc[0, "float"] == 1.5
    series = mapped(encode(frame["float"]))
    series[0] = 3
    series += 1
    assert series[0] == 4
    values = mapped(encode(pd.DataFrame(np.zeros((3, 3)))))
    values.iloc[1] = 5.0
    assert values.to_numpy().sum() == 15


def test_frames_with_read_only_memory_come_back_writable() -> None:
    array = np.arange(6.0).reshape(3, 2)
    array.flags.writeable = False
    frame = pd.DataFrame(array, copy=False)
    found = same(frame, "data")
    found.iloc[0, 0] = 7
    assert array[0, 0] == 0


def test_nothing_is_copied() -> None:
    array = np.zeros((100_000, 4))
    frame = pd.DataFrame(array, columns=list("abcd"), copy=False)
    frame["s"] = pd.array(["text"] * 100_000, dtype=pd.StringDtype("pyarrow"))
    frame["k"] = pd.Categorical(["u"] * 100_000)
    encoded = encode(frame)
    large = [np.frombuffer(buffer, "u1") for buffer in encoded.buffers if buffer.nbytes > 10_000]
    held = [frame["s"].array._pa_array.chunk(0).buffers()[n] for n in (1, 2)]
    for memory in (array, frame["k"].array.codes, *(np.frombuffer(buffer, "u1") for buffer in held)):
        assert any(np.may_share_memory(buffer, memory) for buffer in large)
    found = mapped(encoded)
    assert not found["a"].to_numpy().flags.owndata


def test_a_slice_takes_only_its_own_part() -> None:
    column = pd.Series([f"a longer text {n}" for n in range(100_000)], dtype=pd.StringDtype("pyarrow"))
    for part in (column[:100], column[50_000:50_100], column[99_999:], column.iloc[::1_000]):
        assert encode(part).size < 20_000
        pd.testing.assert_series_equal(same(part, "data"), part)
    joined = pd.concat([column[:10]] * 40)
    pd.testing.assert_series_equal(same(joined, "data"), joined)
    gaps = pd.Series(["x", None] * 500, dtype=pd.StringDtype("pyarrow"))
    pd.testing.assert_series_equal(same(gaps[3:], "data"), gaps[3:])


class Frame(pd.DataFrame):
    @property
    def _constructor(self):
        return Frame


class Odd(dt.tzinfo):
    def __reduce__(self):
        return (Odd, ())

    def __repr__(self):
        return "odd"

    def utcoffset(self, when):
        return dt.timedelta(hours=1)

    def dst(self, when):
        return dt.timedelta(0)


def test_what_is_not_surely_the_same_is_left_to_pickle() -> None:
    values = [
        Frame({"a": [1]}),
        pd.DataFrame({"o": [object] * 5}),
        pd.DataFrame({"o": np.array([1, "x"] * 1_000, object)}),
        pd.DataFrame({"s": pd.arrays.SparseArray([0, 0, 1])}),
        pd.DataFrame({"t": pd.DatetimeIndex(["2020-01-01"]).tz_localize(Odd())}),
    ]
    for value in values:
        encoded = encode(value)
        assert encoded.format == "pickle"
        assert repr(decoded(encoded)) == repr(value)
        assert encode({"x": [value]}).format == "pickle"
    frame = values[1].copy()
    assert encode((frame, frame)).format == "pickle"
    with pytest.raises(ResultNotSaved, match="as data: an array of objects"):
        encode(values[2], wanted="data")


NAMES = st.none() | st.text(max_size=3) | st.integers(-5, 5) | st.tuples(st.text(max_size=2), st.integers(0, 2))
ELEMENTS = st.sampled_from(
    [
        *(st.floats(), st.integers(-(2**63), 2**63 - 1), st.booleans(), st.text(max_size=5), st.none()),
        *(st.sampled_from(["u", "v"]), st.datetimes(dt.datetime(1900, 1, 1), dt.datetime(2200, 1, 1))),
        *(st.timedeltas(dt.timedelta(-9), dt.timedelta(9)), st.none() | st.text(max_size=3)),
        *(st.none() | st.integers(0, 9), st.none() | st.floats(), st.complex_numbers(), st.dates(), st.binary()),
    ]
)


@st.composite
def any_frame(draw: Any) -> Any:
    count = draw(st.integers(0, 6))
    index = draw(st.sampled_from([None, *INDEXES.values()]))
    if index is not None:
        count = 5
    columns = {}
    for _ in range(draw(st.integers(0, 5))):
        values = draw(st.lists(draw(ELEMENTS), min_size=count, max_size=count))
        dtype = draw(st.sampled_from([None, None, object, "category", "str", "string", "Int64", "Float64"]))
        try:
            columns[draw(NAMES)] = pd.Series(values, dtype=dtype).array
        except (TypeError, ValueError, OverflowError, RuntimeWarning):
            columns[draw(NAMES)] = pd.Series(values, dtype=object).array
    frame = pd.DataFrame(columns, index=pd.RangeIndex(count) if index is None else index)
    frame.index.names = [draw(NAMES) for _ in frame.index.names]
    frame = frame[draw(st.sampled_from([slice(None), slice(1, None), slice(None, None, -1), slice(0, 0)]))]
    return draw(st.sampled_from([frame, frame.T, frame.iloc[:, ::-1], frame.reset_index(drop=True).copy()]))


@settings(max_examples=150, deadline=None)
@given(any_frame())
def test_any_frame_comes_back(frame: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        encoded = encode(frame)
        found = mapped(encoded)
        assert version_of(found).digest == version_of(frame).digest
        compare(frame, found)
        assert list(found.index.names) == list(frame.index.names)


@settings(max_examples=30, deadline=None)
@given(hpd.data_frames([hpd.column("a", dtype=float), hpd.column("b", dtype="M8[ns]"), hpd.column("c", dtype=int)]))
def test_frames_of_hypothesis_come_back(frame: Any) -> None:
    compare(frame, same(frame, "data"))


TABLES = [
    pytest.param(pa.table({"a": [1, None], "s": ["x", "ü"], "l": [[1], None]}), id="table"),
    pytest.param(pa.table({}), id="nothing"),
    pytest.param(pa.table({"a": pa.array([], pa.int8())}), id="no rows"),
    pytest.param(pa.table({"a": pa.chunked_array([[1], [2, 3]])}), id="chunks"),
    pytest.param(pa.table({"a": [1, 2, 3]}).slice(1, 1), id="slice"),
    pytest.param(pa.table({"a": [1]}).replace_schema_metadata({"k": "v"}), id="metadata"),
    pytest.param(pa.table({"d": pa.array(["u", None, "u"]).dictionary_encode()}), id="dictionary"),
    pytest.param(pa.table({"m": pa.array([[("k", 1)]], pa.map_(pa.string(), pa.int8()))}), id="map"),
    pytest.param(pa.table({"a": [1]}).to_batches()[0], id="batch"),
    pytest.param(pa.table({"a": [1, 2, 3]}).to_batches()[0].slice(1), id="slice of a batch"),
    pytest.param(pl.DataFrame({"a": [1, None], "s": ["x", "long enough to lie elsewhere"]}), id="polars"),
    pytest.param(pl.DataFrame(), id="polars nothing"),
    pytest.param(
        pl.DataFrame(
            {
                "t": [dt.datetime(2020, 1, 1), None],
                "d": [dt.date(2020, 1, 1), None],
                "n": [dt.time(1), None],
                "p": [dt.timedelta(1), None],
                "l": [["a"], None],
                "st": [{"x": 1, "y": "a"}, None],
                "c": pl.Series(["u", None], dtype=pl.Categorical),
                "e": pl.Series(["u", None], dtype=pl.Enum(["u", "v"])),
                "b": [b"x", None],
                "f": pl.Series([1.5, None], dtype=pl.Float32),
                "u": pl.Series([1, None], dtype=pl.UInt8),
                "z": pl.Series([None, None]),
                "k": [True, None],
                "ar": pl.Series([[1, 2], None], dtype=pl.Array(pl.Int8, 2)),
            }
        ),
        id="polars types",
    ),
    pytest.param(pl.DataFrame({"a": range(100)})[10:20], id="polars slice"),
]


@pytest.mark.parametrize("table", TABLES)
def test_tables_come_back(table: Any) -> None:
    found = same(table, "arrow")
    assert found.schema == table.schema
    assert found.equals(table)
    inside = same({"t": [table, 1]}, "data")
    assert inside["t"][0].equals(table)


def test_the_buffer_is_a_file_of_arrows() -> None:
    table = pa.table({"a": [1, None], "s": ["x", "y"]})
    encoded = encode(table)
    assert encoded.versions == {"pyarrow": pa.__version__}
    assert pa.ipc.open_file(bytes(encoded.buffers[0])).read_all().equals(table)
    assert pl.read_ipc(io.BytesIO(encode(pl.DataFrame({"a": [1]})).buffers[0])).to_dict(as_series=False) == {"a": [1]}


def test_arrays_of_arrow_and_series_of_polars_come_back() -> None:
    for value in (pa.array([1, None]), pa.array(["x"] * 100)[3:50], pa.chunked_array([[1], [2]]), pa.nulls(3)):
        found = same(value, "data")
        assert found.type == value.type
        assert found.equals(value)
    series = pl.Series("s", ["x", None, "y"])
    assert same(series, "data").name == "s"
    assert same({"s": series}, "data")["s"].equals(series)


def test_a_large_table_is_read_where_it_lies() -> None:
    table = pa.table({"a": np.arange(100_000)})
    encoded = encode(table)
    held = bytearray(encoded.buffers[0])
    from jo_notebook.store.formats.table import FORMATS

    found = FORMATS["arrow"].decode(encoded.stream, [memoryview(held)])
    place = np.frombuffer(held, "u1").ctypes.data
    assert place < found["a"].chunk(0).buffers()[1].address < place + len(held)


@pytest.mark.parametrize("form", ["parquet", "arrow"])
def test_a_file_of_a_wanted_format_must_keep_everything(form: str) -> None:
    kept = [
        pd.DataFrame({"a": [1, 2], "s": ["x", None], "t": pd.date_range("2020", periods=2)}),
        pd.DataFrame({"a": [1.5, 2]}, index=pd.Index(["x", "y"], name="i")),
        pl.DataFrame({"a": [1, None], "s": ["x", "y"]}),
        pa.table({"a": [1, None]}),
    ]
    for value in kept:
        encoded = encode(value, wanted=form)
        assert encoded.format == form
        assert version_of(decoded(encoded)) == version_of(value)
    lost = [
        pd.DataFrame({"a": [1, 2]}, index=pd.date_range("2020", periods=2)),
        pd.DataFrame({"o": np.array(["x", None], object), "c": [1, 2]}),
        pd.DataFrame({"c": pd.Categorical([1.5, 2.5]), "i": pd.interval_range(0, 2)}, index=list("ab")),
    ]
    for value in lost:
        try:
            encoded = encode(value, wanted=form)
        except ResultNotSaved as refusal:
            assert f"cannot be written as {form}: " in str(refusal)  # noqa: PT017
        else:
            assert version_of(decoded(encoded)) == version_of(value)
    for value, reason in ((3, "an int is no table"), ([pa.table({})], "a list is no table")):
        with pytest.raises(ResultNotSaved, match=f"written as {form}: {reason}; leave --format out"):
            encode(value, wanted=form)
    with pytest.raises(ResultNotSaved, match=f"written as {form}: "):
        encode(pd.DataFrame([[1, 2]], columns=["a", "a"]), wanted=form)


def test_the_beginning_of_a_large_frame_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    from jo_notebook.store.formats import tabular

    monkeypatch.setattr(tabular, "SMALL", 1_000)
    frame = pd.DataFrame({"a": np.arange(20_000.0)})
    assert version_of(decoded(encode(frame, wanted="parquet"))) == version_of(frame)
    frame["o"] = pd.Series([b"x"] * 20_000, dtype=object)
    frame["l"] = pd.Series([(1, 2)] * 20_000, dtype=object)
    with pytest.raises(ResultNotSaved, match="would not come back the same"):
        encode(frame, wanted="parquet")
