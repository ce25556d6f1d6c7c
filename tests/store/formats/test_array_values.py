"""numpy, scipy and torch: arrays come back exactly, from their own memory and into mapped memory."""

from __future__ import annotations

import io
import sys
import time
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from jo_notebook.core.version import version_of
from jo_notebook.errors import ResultNotSaved
from jo_notebook.store.formats import encode
from tests.store.formats.making_formats import decoded, same

sp = pytest.importorskip("scipy.sparse")

BASE = np.arange(24.0).reshape(2, 3, 4)
NANS = np.frombuffer(bytes.fromhex("010000000000f8ff000000000000f87f0000000000000080"), "<f8")

ARRAYS = [
    pytest.param(BASE, id="C"),
    pytest.param(np.asfortranarray(BASE), id="F"),
    pytest.param(BASE.transpose(1, 0, 2), id="neither"),
    pytest.param(BASE[:, ::-1, ::2], id="negative strides"),
    pytest.param(BASE[0, 0][::-1], id="reversed"),
    pytest.param(np.broadcast_to(np.arange(3), (4, 3)), id="broadcast"),
    pytest.param(np.array(5.5), id="no dimensions"),
    pytest.param(np.empty((0, 3)), id="empty"),
    pytest.param(np.empty((3, 0, 2), "M8[s]"), id="empty times"),
    pytest.param(NANS, id="nan payloads"),
    pytest.param(np.array([True, False]), id="bool"),
    pytest.param(np.arange(3, dtype=">i2"), id="big endian"),
    pytest.param(np.arange(3, dtype="f2"), id="half"),
    pytest.param(np.arange(3, dtype="g"), id="long double"),
    pytest.param(np.array([1j, complex("nan")]), id="complex"),
    pytest.param(np.array(["2020-01-01", "NaT"], "M8[D]"), id="days"),
    pytest.param(np.array([1, 2], "m8[25us]"), id="spans"),
    pytest.param(np.array(["a", "äöü\0b"]), id="unicode"),
    pytest.param(np.array([b"a", b"\0b"]), id="bytes"),
    pytest.param(np.zeros(2, "V5"), id="void"),
    pytest.param(np.zeros(2, [("a", "<i4"), ("b", "<f8", (2, 2)), ("c", [("d", ">u2")])]), id="structured"),
    pytest.param(np.zeros(2, {"names": ["a", "b"], "formats": ["i4", "f8"], "offsets": [0, 16]}), id="padded"),
]


@pytest.mark.parametrize("array", ARRAYS)
def test_arrays_come_back(array: Any) -> None:
    found = same(array, "npy")
    assert found.dtype == array.dtype
    assert found.shape == array.shape
    assert found.flags.writeable
    if array.flags.f_contiguous:
        assert found.flags.f_contiguous
    np.testing.assert_array_equal(found, array)
    inside = same({"x": (array, array.view())}, "data")
    assert inside["x"][0].dtype == array.dtype
    assert inside["x"][1].flags.writeable


@pytest.mark.parametrize("array", ARRAYS)
def test_stream_and_buffer_are_a_file_of_numpys(array: Any) -> None:
    encoded = encode(array)
    assert encoded.versions == {"numpy": np.__version__}
    found = np.load(io.BytesIO(encoded.stream + b"".join(encoded.buffers)))
    assert version_of(found) == version_of(np.array(array))


ODD = [
    pytest.param(np.zeros(2, np.dtype("i4", metadata={"unit": "m"})), id="metadata"),
    pytest.param(np.zeros(2, np.dtype([("a", np.dtype("i4", metadata={"unit": "m"}))])), id="metadata inside"),
    pytest.param(np.zeros(2, np.dtype([("a", "i1"), ("b", "f8")], align=True)), id="aligned"),
    pytest.param(np.array([object]), id="objects"),
    pytest.param(np.zeros(2, [("a", "O")]), id="objects inside"),
    pytest.param(np.zeros((1, 2)).view(np.matrix), id="matrix"),
    pytest.param(np.zeros(2, [("a", "i4")]).view(np.recarray), id="recarray"),
    pytest.param(np.ma.masked_array([1, 2], [True, False]), id="masked"),
]


@pytest.mark.parametrize("array", ODD)
def test_what_a_header_does_not_tell_is_left_to_pickle(array: Any) -> None:
    for value in (array, {"x": array}):
        encoded = encode(value)
        assert encoded.format == "pickle"
        assert version_of(decoded(encoded)) == version_of(value)
    with pytest.raises(ResultNotSaved, match="cannot be written as npy"):
        encode(array, wanted="npy")


@settings(max_examples=150, deadline=None)
@given(hnp.arrays(st.one_of(hnp.scalar_dtypes(), hnp.array_dtypes()), hnp.array_shapes(min_dims=0, min_side=0)))
def test_any_array_comes_back(array: Any) -> None:
    for value in (array, array.T, array[..., ::-1] if array.ndim else array, [array]):
        encoded = encode(value)
        found = decoded(encoded)
        assert version_of(found) == version_of(value)
        if type(value) is not list:
            assert found.dtype == value.dtype
            assert found.shape == value.shape


def test_nothing_is_copied() -> None:
    array = np.arange(1_000_000.0)
    for value in (array, array.reshape(1000, 1000).T, {"x": array}):
        (buffer,) = encode(value).buffers
        assert np.shares_memory(np.frombuffer(buffer), array)
    encoded = encode(array)
    held = memoryview(bytearray(encoded.buffers[0]))
    from jo_notebook.store.formats.table import FORMATS

    found = FORMATS["npy"].decode(encoded.stream, [held])
    assert np.shares_memory(found, np.frombuffer(held))
    assert type(found) is np.ndarray


def test_a_large_array_costs_no_time() -> None:
    array = np.empty(40_000_000)
    start = time.perf_counter()
    assert encode(array).size > array.nbytes
    assert time.perf_counter() - start < 0.05


def test_arrays_that_share_memory_are_written_one_by_one() -> None:
    whole = np.arange(10.0)
    found = same((whole[:6], whole[4:]), "data")
    found[0][5] = 100
    assert found[1][1] == 5
    assert encode((whole, whole)).format == "pickle"
    twice = decoded(encode((whole, whole)))
    assert twice[0] is twice[1]


def test_read_only_arrays_come_back_writable() -> None:
    array = np.arange(3.0)
    array.flags.writeable = False
    found = same(array, "npy")
    found[0] = 7
    assert array[0] == 0


SCALARS = [
    *(np.dtype(code).type(1) for code in "?bBhHiIlLefdgFDG"),
    *(np.float64("nan"), np.float64(-0.0), np.datetime64("2020-01-01T00", "h"), np.timedelta64(3, "D")),
    *(np.datetime64("NaT"), np.str_("ü\0"), np.str_(""), np.bytes_(b"x\0")),
]


@pytest.mark.parametrize("scalar", SCALARS, ids=lambda scalar: f"{type(scalar).__name__} {scalar!s}")
def test_scalars_come_back(scalar: Any) -> None:
    found = same(scalar, "data")
    assert found == scalar or scalar != scalar
    assert found.dtype == scalar.dtype
    assert same({"x": [scalar, 1]}, "data")["x"][1] == 1


@pytest.mark.parametrize(
    "items",
    [
        ["a", "b"],
        [],
        [""],
        ["", ""],
        ["a", None, float("nan"), "\0", "ü"],
        [None, None],
        ["x"] * 2_000,
        ["\ud83d", "\ude00"],
        [1, "a", None, (1, 2), [3]],
        [[1, 2], [3, 4]],
    ],
    ids=lambda items: f"{items!r:.30}",
)
def test_arrays_of_texts_and_a_few_other_objects_come_back(items: list[Any]) -> None:
    array = np.empty(len(items), object)
    for number, item in enumerate(items):
        array[number] = item
    found = same(array, "data")
    assert found.tolist() == items or float in map(type, items)
    assert list(map(type, found)) == list(map(type, items))
    if len(items) == 2_000:
        same(array.reshape(40, 50).T, "data")


def test_texts_with_every_mark_and_many_objects_are_pickles() -> None:
    for array in (np.array(["\0\x1f", "\x1e\x1d\x1c"] * 600, object), np.array([1.5, "a"] * 600, object)):
        assert encode(array).format == "pickle"
    odd = np.array(["a", np.frombuffer(bytes.fromhex("010000000000f8ff"))[0].item()], object)
    assert version_of(decoded(encode(odd))) == version_of(odd)


@pytest.mark.parametrize("kind", ["matrix", "array"])
@pytest.mark.parametrize("form", ["csr", "csc", "coo"])
def test_sparse_arrays_come_back(form: str, kind: str) -> None:
    value = getattr(sp, f"{form}_{kind}")(np.array([[0, 1.5, 0], [2, 0, 0]]))
    found = same(value, "data")
    assert found.dtype == value.dtype
    assert (found.toarray() == value.toarray()).all()
    assert (found @ np.ones(3)).tolist() == [1.5, 2]
    assert same({"x": value}, "data")["x"].shape == (2, 3)
    empty = same(getattr(sp, f"{form}_{kind}")((5, 4)), "data")
    assert empty.shape == (5, 4)


def test_sparse_arrays_keep_the_width_of_their_places() -> None:
    value = sp.csr_array(np.eye(3))
    value.indices, value.indptr = value.indices.astype("i8"), value.indptr.astype("i8")
    found = same(value, "data")
    assert found.indices.dtype == found.indptr.dtype == np.dtype("i8")
    repeated = sp.csr_array((np.ones(3), np.array([1, 1, 0]), np.array([0, 3])), shape=(1, 2))
    assert same(repeated, "data").toarray().tolist() == [[1, 2]]
    assert encode(sp.lil_array(np.eye(3))).format == "pickle"


def test_tensors_come_back() -> None:
    torch = pytest.importorskip("torch")
    whole = torch.arange(12.0).reshape(3, 4)
    parameter = torch.nn.Parameter(torch.ones(2), requires_grad=False)
    tensors = [whole, whole.T, whole[:, 1], whole[::2], torch.tensor(1.5), torch.empty(0, 3), parameter]
    tensors += [torch.ones(2, requires_grad=True), torch.tensor([1j]).conj(), torch.nn.Parameter(torch.ones(2))]
    tensors += [torch.ones(2, dtype=dtype) for dtype in (torch.bfloat16, torch.float16, torch.bool, torch.int8)]
    for tensor in tensors:
        found = same(tensor, "data")
        assert (found.dtype, found.shape) == (tensor.dtype, tensor.shape)
        assert (found.requires_grad, found.is_leaf) == (tensor.requires_grad, True)
        assert torch.equal(found.detach(), tensor.detach())
    same(torch.nn.Linear(3, 2).state_dict(), "data").values()
    found = same({"w": whole}, "data")["w"]
    found += 1
    (buffer,) = encode(whole).buffers
    assert np.frombuffer(buffer).ctypes.data == whole.data_ptr()


def test_tensors_of_other_kinds_are_pickles() -> None:
    torch = pytest.importorskip("torch")
    waiting = torch.ones(2, requires_grad=True)
    waiting.sum().backward()
    for tensor in (waiting, torch.eye(2).to_sparse()):
        assert encode(tensor).format == "pickle"
        with pytest.raises(ResultNotSaved, match="as data: a tensor"):
            encode(tensor, wanted="data")


def test_bytes_are_put_beside_the_stream_where_they_are_many() -> None:
    value = {"a": b"x" * 100_000, "b": bytearray(100_000), "c": b"y"}
    encoded = encode(value)
    assert len(encoded.stream) < 200
    found = same(value, "data")
    assert type(found["b"]) is bytearray
    assert same(b"x" * 100_000, "data") == b"x" * 100_000


def test_numpy_is_not_imported_for_what_is_not_numpys(tmp_path: Any) -> None:
    from tests.store.making import run

    code = """
import sys
from jo_notebook.store.formats import encode, decode, python_minor
class Thing: pass
for value in ({"a": [1, (2,)]}, [b"x" * 100_000], Thing(), lambda: 1, [Thing()] * 3):
    encoded = encode(value)
    decode(encoded.format, encoded.stream, encoded.buffers, python=python_minor(), step="S")
heavy = {"numpy", "pandas", "pyarrow", "polars", "torch", "scipy"}
print(sorted(heavy & set(sys.modules)))
"""
    assert run(code).strip() == "[]"
    assert "numpy" in sys.modules
