"""Data versions of what libraries hold: exact, the same after a round trip, another after a change of any part."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jo_notebook.core.version import is_opaque, lenient_version, version_of, witness_of

pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")
xr = pytest.importorskip("xarray")
sp = pytest.importorskip("scipy.sparse")

Make = Callable[[], Any]
LONG = "a text that is longer than twelve bytes"


def table(**columns: Any) -> Any:
    return pa.table(columns)


TYPES = [
    pytest.param(pa.array([1, None, 3]), id="int64"),
    pytest.param(pa.array([1.5, None, float("nan")]), id="double"),
    pytest.param(pa.array([True, None, False]), id="bool"),
    pytest.param(pa.array(["x", None, LONG]), id="string"),
    pytest.param(pa.array(["x", None, LONG], pa.large_string()), id="large_string"),
    pytest.param(pa.array(["x", None, LONG], pa.string_view()), id="string_view"),
    pytest.param(pa.array([b"x", None, b""]), id="binary"),
    pytest.param(pa.array([[1], None, [2, 3]]), id="list"),
    pytest.param(pa.array([[1, 2], None, [3, 4]], pa.list_(pa.int32(), 2)), id="fixed_size_list"),
    pytest.param(pa.array([{"p": 1}, None, {"p": None}]), id="struct"),
    pytest.param(pa.array([[("k", 1)], None, []], pa.map_(pa.string(), pa.int32())), id="map"),
    pytest.param(pa.array(["u", None, "u"]).dictionary_encode(), id="dictionary"),
    pytest.param(pa.nulls(3), id="null"),
    pytest.param(pa.array([1, None, 2], pa.timestamp("us", "UTC")), id="timestamp"),
    pytest.param(pa.array([None, 1, 2], pa.decimal128(10, 2)), id="decimal"),
]


@pytest.mark.parametrize("array", TYPES)
def test_arrow_slices_and_chunks_do_not_count(array: Any) -> None:
    whole, version = pa.chunked_array([array]), version_of(pa.chunked_array([array]))
    assert version.exact
    longer = pa.concat_arrays([array.slice(1, 2), array, array.slice(0, 1)])
    same = [
        pa.chunked_array([longer.slice(2, 3)]),
        pa.chunked_array([array.slice(0, 1), array.slice(1, 2)]),
        pa.chunked_array([array.slice(0, 0), longer.slice(2, 1), array.slice(1)], array.type),
        pickle.loads(pickle.dumps(whole)),
    ]
    assert {version_of(value) for value in same} == {version}
    assert version_of(longer.slice(2, 3)) == version_of(array)
    others = [whole.slice(0, 2), pa.chunked_array([longer])]
    others += [pa.chunked_array([pa.array(array.to_pylist()[::-1], array.type)])]
    assert version not in {version_of(other) for other in others if not other.equals(whole)}


def test_slices_of_texts_and_empty_slices_do_not_count() -> None:
    texts = pa.array(["x", "y", "z", "x"])
    assert version_of(texts[1:3]) == version_of(pa.array(["y", "z"]))
    for array in (texts, pa.array([1, 2]), pa.array([[1], []])):
        assert version_of(array[1:1]) == version_of(array[2:2]) == version_of(pa.array([], array.type))


def test_what_lies_below_a_missing_element_does_not_count() -> None:
    bits = pa.py_buffer(b"\5")
    one, other = (pa.Array.from_buffers(pa.int64(), 3, [bits, pa.array([1, n, 3]).buffers()[1]]) for n in (2, 9))
    assert one.equals(other)
    assert version_of(one) == version_of(other)
    nullable = [pd.arrays.IntegerArray(np.array([1, n]), np.array([False, True])) for n in (2, 9)]
    assert version_of(nullable[0]) == version_of(nullable[1])


FIELDS = pa.schema([pa.field("a", pa.int64())])

DIFFERENT = [
    pytest.param([table(a=[1, 2]), table(b=[1, 2]), table(a=[1, 3]), table(a=[1.0, 2.0]), table(a=[2, 1])], id="Table"),
    pytest.param([table(a=[1], b=[2]), table(b=[2], a=[1]), table(a=[2], b=[1]), table(a=[1])], id="columns"),
    pytest.param([table(a=[1]), table(a=[1]).to_batches()[0], table(a=[1])["a"], pa.array([1])], id="kinds"),
    pytest.param(
        [FIELDS, FIELDS.with_metadata({"k": "v"}), pa.schema([pa.field("a", pa.int64(), False)]), pa.schema([])],
        id="Schema",
    ),
    pytest.param(
        [pa.array(["ab", "c"]), pa.array(["a", "bc"]), pa.array(["abc", ""]), pa.array(["ab", None])], id="text"
    ),
    pytest.param(
        [pa.array([[1], [2]]), pa.array([[1, 2], []]), pa.array([[], [1, 2]]), pa.array([[1], None])], id="list"
    ),
    pytest.param(
        [
            pl.DataFrame({"a": [1, 2]}),
            pl.DataFrame({"b": [1, 2]}),
            pl.DataFrame({"a": [1, None]}),
            pl.DataFrame({"a": [1.0, 2.0]}),
            pl.DataFrame({"a": [1, 2]}, schema={"a": pl.Int32}),
            pl.DataFrame({"a": ["1", "2"]}),
            pl.DataFrame({"a": [True, False]}),
            pl.Series("a", [1, 2]),
            pl.Series("b", [1, 2]),
            pl.DataFrame({"a": [1, 2]}).lazy(),
            pl.DataFrame({"a": [1, 2]}).lazy().filter(pl.col("a") > 1),
            pl.DataFrame({"a": [1, 2]}).lazy().filter(pl.col("a") > 2),
        ],
        id="polars",
    ),
    pytest.param(
        [
            xr.DataArray([1, 2], dims="x"),
            xr.DataArray([1, 3], dims="x"),
            xr.DataArray([1, 2], dims="y"),
            xr.DataArray([1, 2], dims="x", name="n"),
            xr.DataArray([1, 2], dims="x", attrs={"u": 1}),
            xr.DataArray([1, 2], dims="x", coords={"x": [0, 1]}),
            xr.DataArray([1, 2], dims="x", coords={"z": ("x", [0, 1])}),
            xr.DataArray([1.0, 2.0], dims="x"),
            xr.Dataset({"a": ("x", [1, 2])}),
            xr.Dataset({"b": ("x", [1, 2])}),
            xr.Dataset({"a": ("x", [1, 2])}, attrs={"u": 1}),
            xr.Dataset({"a": ("x", [1, 2])}).set_coords("a"),
        ],
        id="xarray",
    ),
    pytest.param(
        [
            *(sp.eye(3).asformat(form) for form in ("csr", "csc", "coo", "dia", "lil", "dok", "bsr")),
            sp.csr_array(sp.eye(3)),
            sp.eye(3, dtype="f4", format="csr"),
            sp.eye(3, 4, format="csr"),
            sp.eye(3, k=1, format="csr"),
            2 * sp.eye(3, format="csr"),
        ],
        id="sparse",
    ),
]


@pytest.mark.parametrize("values", DIFFERENT)
def test_each_part_counts(values: list[Any]) -> None:
    versions = [version_of(value) for value in values]
    assert all(version.exact for version in versions)
    assert len(set(versions)) == len(values)
    for value, version in zip(values, versions, strict=True):
        assert version_of(pickle.loads(pickle.dumps(value))) == version
        assert version_of(copy.deepcopy(value)) == version


def test_how_a_file_encodes_it_does_not_count() -> None:
    one = xr.DataArray([1.0], dims="x")
    version = version_of(one)
    one.encoding["dtype"] = "f4"
    assert version_of(one) == version


POLARS: list[Any] = [
    pl.Series([1, None, 3]),
    pl.Series([1.5, None, float("nan")]),
    pl.Series([True, None, False]),
    pl.Series(["x", None, LONG]),
    pl.Series([b"x", None, b""]),
    pl.Series([[1], None, [2, 3]]),
    pl.Series([{"p": 1}, None, {"p": 3}]),
    pl.Series(["u", None, "u"], dtype=pl.Categorical),
    pl.Series(["u", None, "u"], dtype=pl.Enum(["u", "v"])),
    pl.Series([None] * 3),
    pl.Series([1, 2, None]).cast(pl.Datetime("us", "UTC")),
]


@pytest.mark.parametrize("series", POLARS, ids=lambda s: str(s.dtype))
def test_polars_slices_and_chunks_do_not_count(series: Any) -> None:
    frame = series.to_frame("a")
    version = version_of(frame)
    same = [pl.concat([frame, frame]).slice(3, 3), pl.concat([frame.slice(0, 1), frame.slice(1, 2)]), frame.clone()]
    same += [pl.concat([frame.head(0), frame]).rechunk(), pickle.loads(pickle.dumps(frame))]
    assert version.exact
    assert {version_of(value) for value in same} == {version}
    assert version_of(frame.slice(2, 1)) == version_of(pl.concat([frame.slice(2, 1)]).rechunk())
    assert version_of(frame.slice(0, 2)) != version


def test_sparse_content_counts_and_the_users_own_stays_as_it_was() -> None:
    twice = sp.coo_matrix((np.array([1.0, 2, 3]), ([0, 1, 0], [0, 1, 0])), shape=(2, 2))
    once = sp.coo_matrix((np.array([4.0, 2]), ([0, 1], [0, 1])), shape=(2, 2))
    assert version_of(twice) == version_of(once)
    assert twice.nnz == 3
    loose = sp.csr_matrix((np.array([2.0, 1]), np.array([1, 0]), np.array([0, 2])), shape=(1, 2))
    held = dict(vars(loose))
    assert version_of(loose) == version_of(loose.sorted_indices())
    assert list(loose.indices) == [1, 0]
    assert vars(loose).keys() == held.keys()


@pytest.mark.filterwarnings("ignore:Sparse CSR")
def test_torch() -> None:
    torch = pytest.importorskip("torch")
    base = torch.arange(6.0).reshape(2, 3)
    values = [
        base, base.double(), base.reshape(3, 2), base + 1, base.clone().requires_grad_(), torch.nn.Parameter(base),
        base.to_sparse(), base.to_sparse_csr(), base.bfloat16(), base.to("meta"), base.tolist(), base.numpy(),
    ]  # fmt: skip
    versions = [version_of(value) for value in values]
    assert all(v.exact for v in versions)
    assert len(set(versions)) == len(values)
    assert version_of(base.T) == version_of(base.T.contiguous())
    assert version_of(base.requires_grad) == version_of(False)
    for value in values:
        assert version_of(pickle.loads(pickle.dumps(value))) == version_of(value)
    assert is_opaque(torch.Generator())


def test_a_torch_module_and_its_state() -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU(), torch.nn.BatchNorm1d(3))
    version = version_of(model)
    assert version.exact
    assert version_of(pickle.loads(pickle.dumps(model))) == version == version_of(copy.deepcopy(model))
    written = io.BytesIO()
    torch.save(model.state_dict(), written)
    loads = [torch.load(io.BytesIO(written.getvalue())) for _ in range(2)]
    assert version_of(loads[0]) == version_of(loads[1]) == version_of(model.state_dict())
    assert version_of(model.eval()) != version
    assert version_of(model.train()) == version
    with torch.no_grad():
        model[0].bias[0] += 1
    assert version_of(model) != version


@pytest.mark.filterwarnings("ignore")
def test_estimators() -> None:
    pytest.importorskip("sklearn")
    from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
    from sklearn.linear_model import LogisticRegression
    from sklearn.neighbors import KNeighborsClassifier
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    x = np.random.RandomState(0).rand(60, 4)
    y = (x[:, 0] > 0.5).astype(int)
    makers: list[Make] = [
        lambda: RandomForestClassifier(5, random_state=0),
        lambda: HistGradientBoostingClassifier(max_iter=5, random_state=0),
        lambda: make_pipeline(StandardScaler(), LogisticRegression()),
        lambda: KNeighborsClassifier(algorithm="kd_tree"),
    ]
    for make in makers:
        plain, fitted, again = version_of(make()), version_of(make().fit(x, y)), version_of(make().fit(x, y))
        assert plain.exact
        assert fitted.exact
        assert fitted == again == version_of(pickle.loads(pickle.dumps(make().fit(x, y))))
        assert len({plain, fitted, version_of(make().fit(x[::-1] * 2, y))}) == 3
    assert version_of(RandomForestClassifier(5)) != version_of(RandomForestClassifier(6))


PANDAS = [
    *(pd.Series([1, None], dtype=d) for d in ("Int64", "Float32", "int64[pyarrow]", "double[pyarrow]", "boolean")),
    *(pd.Series(["a", None], dtype=d) for d in ("object", "str", "string[python]", "string[pyarrow]", "category")),
    pd.Series(pd.period_range("2020", periods=2, freq="M")),
    pd.Series(pd.interval_range(0, 2)),
    pd.Series(pd.arrays.SparseArray([0, 1])),
    pd.Series([pd.Timestamp("2020", tz="Europe/Rome"), pd.NaT]),
    pd.Series(pd.to_timedelta([1, None])),
]


@pytest.mark.parametrize("series", PANDAS, ids=lambda s: str(s.dtype))
def test_pandas_columns(series: Any) -> None:
    for value in (series, series.to_frame("a"), pd.Index(series), series.array):
        version = version_of(value)
        assert version.exact
        assert version == version_of(value.copy()) == version_of(pickle.loads(pickle.dumps(value)))
        assert version != version_of(value[::-1])
        assert version != version_of(value[:1])


class Framed(pd.DataFrame):
    _metadata = ["unit"]  # noqa: RUF012

    @property
    def _constructor(self) -> Any:
        return Framed


def test_a_subclass_of_a_frame() -> None:
    one, other = Framed({"a": [1]}), Framed({"a": [1]})
    assert version_of(one).exact
    assert version_of(one) == version_of(other) != version_of(pd.DataFrame({"a": [1]}))
    object.__setattr__(other, "unit", "m")
    assert version_of(one) != version_of(other)


def test_numpy_on_disk_and_its_relatives(tmp_path: Any) -> None:
    mapped = np.memmap(tmp_path / "m", dtype="f8", mode="w+", shape=(3,))
    mapped[:] = [1, 2, 3]
    version = version_of(mapped)
    assert version.exact
    assert version == version_of(pickle.loads(pickle.dumps(mapped)))
    mapped[0] = 9
    assert version_of(mapped) != version
    unset = np.ma.array([1.0, 2.0], mask=[0, 1])
    version = version_of(unset)
    assert unset.fill_value  # asking makes it hold one
    assert version_of(unset) == version == version_of(pickle.loads(pickle.dumps(unset)))
    for odd in (np.arange(3, dtype="g"), np.array(["a"], np.dtypes.StringDType()), np.rec.array([(1, "a")])):
        assert version_of(odd).exact
        assert version_of(pickle.loads(pickle.dumps(odd))) == version_of(odd)


def test_a_figure_has_a_witness_that_drawing_does_not_change() -> None:
    matplotlib = pytest.importorskip("matplotlib")
    matplotlib.use("agg")
    from matplotlib.figure import Figure

    figure = Figure()
    axes = figure.subplots()
    axes.plot([1, 2], label="q")
    axes.scatter([1], [2])
    axes.hist([1, 2, 3])
    axes.imshow(np.eye(2))
    axes.legend()
    first = witness_of(figure)
    assert first
    assert not version_of(figure).exact
    figure.savefig(io.BytesIO())
    assert witness_of(figure) == first
    axes.set_title("t")
    second = witness_of(figure)
    axes.lines[0].set_ydata([1, 3])
    assert len({first, second, witness_of(figure)}) == 3
    assert lenient_version(axes).left_out
