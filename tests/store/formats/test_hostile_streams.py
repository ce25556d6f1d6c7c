"""Streams and buffers that somebody has tampered with: an error comes out, or a value; never a crash."""

from __future__ import annotations

import json
import random
import warnings
from typing import Any

import numpy as np
import pytest

from jo_notebook.core.version import version_of
from jo_notebook.errors import StoreError
from jo_notebook.store.formats import Unreadable, decode, encode, python_minor
from jo_notebook.store.formats.table import FORMATS

pd = pytest.importorskip("pandas")
pa = pytest.importorskip("pyarrow")
pl = pytest.importorskip("polars")
sp = pytest.importorskip("scipy.sparse")

ROUNDS = 2_000


def plain() -> Any:
    return {"a": [1, 2.5, None, "ü"], 2: (b"\0", {1, 2}, range(3)), "n": [float("nan"), 1j, slice(1)], "$": "x"}


def frame() -> Any:
    return pd.DataFrame(
        {
            "f": [1.5, 2.5, 3.5],
            "s": ["x", None, "long text"],
            "o": np.array(["x", None, "z"], object),
            "c": pd.Categorical(["u", "v", "u"]),
            "t": pd.date_range("2020", periods=3, tz="UTC"),
            "i": pd.array([1, None, 3], dtype="Int64"),
            "p": pd.period_range("2020", periods=3),
            "v": pd.interval_range(0, 3),
        },
        index=pd.MultiIndex.from_tuples([("x", 1), ("y", 2), ("y", 3)], names=["p", None]),
    )


def texts() -> Any:
    return pd.DataFrame({"s": pd.Series([f"text {n}" for n in range(200)])}, index=pd.date_range("2020", periods=200))


VALUES = {
    "json": plain,
    "npy": lambda: np.zeros((3, 4), [("a", "<f8"), ("b", "S3")]),
    "npy plain": lambda: np.arange(12.0).reshape(3, 4),
    "data frame": frame,
    "data texts": texts,
    "data arrays": lambda: {"x": np.arange(12.0).reshape(3, 4), "y": (np.float32(1), np.arange(3)), "z": b"x" * 20_000},
    "data sparse": lambda: [sp.csr_matrix(np.eye(4)), sp.coo_array(np.eye(3))],
    "data arrow": lambda: {"t": pa.table({"a": [1, None], "l": [[1], []], "s": ["x", "y"]})},
    "data polars": lambda: {"t": pl.DataFrame({"a": [1, None], "s": ["x", "y"], "l": [[1], [2, 3]]})},
    "arrow": lambda: pa.table({"a": [1, None], "s": ["x", "y" * 20], "d": pa.array(["u", "v"]).dictionary_encode()}),
    "arrow polars": lambda: pl.DataFrame({"a": [1, None], "s": ["x", "y" * 20], "l": [[1], [2, 3]]}),
    "parquet": lambda: pd.DataFrame({"a": [1, 2], "s": ["x", "y"]}),
}


def mutated(data: bytes, chance: random.Random) -> bytes:
    """Some bytes of it turned, moved, repeated or lost."""
    found = bytearray(data)
    for _ in range(chance.choice((1, 1, 1, 2, 5))):
        if not found:
            break
        place = chance.randrange(len(found))
        what = chance.randrange(6)
        if what == 0:
            found[place] ^= 1 << chance.randrange(8)
        elif what == 1:
            found[place] = chance.choice(b'0123456789-[]{}",:.<>|$')
        elif what == 2:
            del found[place : place + chance.randrange(1, 9)]
        elif what == 3:
            found[place:place] = found[place : place + chance.randrange(1, 9)]
        elif what == 4:
            found[place:place] = b"99999999999"[: chance.randrange(1, 11)]
        else:
            found[place : place + 1] = bytes([chance.randrange(256)])
    return bytes(found)


@pytest.mark.parametrize("name", VALUES)
def test_a_stream_changed_at_random_is_an_error_or_a_value(name: str) -> None:
    _fuzz(name, VALUES[name](), streams=ROUNDS, buffers=0)


@pytest.mark.parametrize("name", [name for name in VALUES if name != "json"])
def test_buffers_changed_at_random_are_an_error_or_a_value(name: str) -> None:
    _fuzz(name, VALUES[name](), streams=0, buffers=300)


def _fuzz(name: str, value: Any, *, streams: int, buffers: int) -> None:
    form = name.partition(" ")[0]
    encoded = encode(value, wanted=form)
    chance = random.Random(name)
    errors = 0
    for number in range(streams + buffers):
        stream, held = encoded.stream, [bytes(buffer) for buffer in encoded.buffers]
        if number < streams:
            stream = mutated(stream, chance)
        else:
            place = chance.randrange(len(held))
            held[place] = mutated(held[place], chance)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                found = FORMATS[form].decode(stream, [memoryview(bytearray(each)) for each in held])
                version_of(found)
                repr(found)
            except (Unreadable, ModuleNotFoundError):
                errors += 1
    assert errors


def tensors() -> Any:
    torch = pytest.importorskip("torch")
    return {"w": torch.arange(6.0).reshape(2, 3), "b": torch.zeros(3, dtype=torch.bfloat16)}


def test_tensors_too() -> None:
    _fuzz("data tensors", tensors(), streams=ROUNDS, buffers=100)


HUGE = 1 << 60


@pytest.mark.parametrize(
    "tree",
    [
        {"$array": {"dtype": "<f8", "shape": [HUGE], "buffer": 0}},
        {"$array": {"dtype": "<f8", "shape": [-1, -1], "buffer": 0}},
        {"$array": {"dtype": "|O", "shape": [1], "buffer": 0}},
        {"$array": {"dtype": "[('a', 'O')]", "shape": [1], "buffer": 0}},
        {"$array": {"dtype": "|S0", "shape": [HUGE], "buffer": 0}},
        {"$array": {"dtype": "__import__('os').system('true')", "shape": [1], "buffer": 0}},
        {"$array": {"dtype": "<f8", "shape": [1], "buffer": 7}},
        {"$array": {"dtype": "<f8", "shape": [1], "buffer": -1}},
        {"$array": {"dtype": "<f8", "shape": [1], "buffer": True}},
        {"$texts": {"shape": [HUGE], "between": "\0", "text": 0}},
        {"$texts": {"shape": [8], "between": "", "text": 0}},
        {"$objects": [[HUGE], [1]]},
        {"$arrow": ["large_string", [[1, None, 0, 0]], "chunks"]},
        {"$arrow": ["int64", [[HUGE, None, 0]], "chunks"]},
        {"$arrow": ["int64", [[-1, None, 0]], "chunks"]},
        {"$arrow": ["py_buffer", [], "chunks"]},
        {"$table": {"class": "Table", "buffer": 0}},
        {"$DataFrame": {"columns": {"$RangeIndex": [0, HUGE, 1, [None]]}, "index": 1, "blocks": []}},
        {
            "$DataFrame": {
                "columns": {"$RangeIndex": [0, 2, 1, [None]]},
                "index": {"$RangeIndex": [0, 1, 1, [None]]},
                "blocks": [[[0, 1, 1], {"$array": {"dtype": "<f8", "shape": [1, 1], "buffer": 0}}]],
            }
        },
        {
            "$DataFrame": {
                "columns": {"$RangeIndex": [0, 1, 1, [None]]},
                "index": {"$RangeIndex": [0, 9, 1, [None]]},
                "blocks": [[[0, 1, 1], {"$array": {"dtype": "<f8", "shape": [1, 1], "buffer": 0}}]],
            }
        },
        {"$tensor": {"class": "Tensor", "dtype": "float32", "shape": [HUGE], "requires_grad": False, "buffer": 0}},
        {"$tensor": {"class": "Tensor", "dtype": "load", "shape": [1], "requires_grad": False, "buffer": 0}},
        {"$tuple": {"a": 1}},
        {"$unheard of": 1},
        {"$set": [[]]},
        {"$Fraction": [1, 0]},
        {"$ZoneInfo": "../../etc/passwd"},
        {"$timezone": []},
        {"$memory": ["bytes", 3]},
    ],
    ids=lambda tree: next(iter(tree)),
)
def test_what_a_tree_says_is_checked(tree: Any) -> None:
    if "$tensor" in tree:
        pytest.importorskip("torch")
    buffers = [memoryview(bytearray(b"\xff" * 8))]
    with pytest.raises(Unreadable):
        FORMATS["data"].decode(json.dumps(tree).encode(), buffers)
    with pytest.raises(StoreError, match="cannot be made again"):
        decode("data", json.dumps(tree).encode(), buffers, python=python_minor(), step="Load")


@pytest.mark.parametrize("stream", [b"", b"NaN", b"[" * 100_000, b"\xff", b'{"$int": "zz"}', b"1" * 10_000, b"[] []"])
def test_text_that_is_no_json_is_an_error(stream: bytes) -> None:
    for form in ("json", "data"):
        with pytest.raises(Unreadable):
            FORMATS[form].decode(stream, [])


def test_places_outside_a_sparse_array_are_an_error() -> None:
    for value in (sp.csr_matrix(np.eye(4)), sp.coo_array(np.eye(4))):
        encoded = encode(value)
        held = [bytearray(buffer) for buffer in encoded.buffers]
        held[1][:4] = (10_000).to_bytes(4, "little")
        with pytest.raises(Unreadable):
            FORMATS["data"].decode(encoded.stream, list(map(memoryview, held)))


@pytest.mark.parametrize("codec", ["zstd", "lz4"])
def test_a_compressed_table_is_refused_before_it_grows(codec: str) -> None:
    words = pa.array(["u"] * 1_000_000).dictionary_encode()
    for table in (pa.table({"a": np.zeros(1_000_000)}), pa.table({"w": words})):
        out = pa.BufferOutputStream()
        with pa.ipc.new_file(out, table.schema, options=pa.ipc.IpcWriteOptions(compression=codec)) as writer:
            writer.write_table(table)
        for form, stream in (
            ("arrow", {"class": "pyarrow.Table"}),
            ("data", {"$table": {"class": "Table", "buffer": 0}}),
        ):
            with pytest.raises(Unreadable, match="compressed"):
                FORMATS[form].decode(json.dumps(stream).encode(), [memoryview(bytearray(out.getvalue()))])
