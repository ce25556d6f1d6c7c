"""The rules of data versions for Arrow and polars, which are recognised and never imported.

A column is its type, which of its elements are missing, and those that are not: neither slices, chunks nor
what lies in the place of a missing element count. Arrow's own memory is hashed where its layout allows it.
"""

from __future__ import annotations

import array
import sys
from collections.abc import Callable
from typing import Any

from jo_notebook.core.arrays import blocks
from jo_notebook.core.walk import Node, Rule


def _schema(node: Node, value: Any) -> None:
    node.put("Schema", str(len(value.names)).encode())
    node.feed(sorted((value.metadata or {}).items()))
    for field in value:
        _field(node, field)


def _field(node: Node, value: Any) -> None:
    node.put("field", str(value.name).encode(), str(value.type).encode(), str(value.nullable).encode())
    node.feed(sorted((value.metadata or {}).items()))


def _table(node: Node, value: Any) -> None:
    node.put("table", type(value).__name__.encode(), str((value.num_rows, value.num_columns)).encode())
    _schema(node, value.schema)
    for column in value.columns:
        arrow_column(node, column)


def arrow_column(node: Node, value: Any) -> None:
    """An Array or ChunkedArray: the same for the same elements, whatever the chunks."""
    node.put("arrow", str(value.type).encode(), str(len(value)).encode())
    _content(node, _joined(value))


def _joined(value: Any) -> Any:
    """One Array; where that cannot be (more than 2 GB of text), the ChunkedArray."""
    if not hasattr(value, "num_chunks"):
        return value
    return value.chunk(0) if value.num_chunks == 1 else value.combine_chunks()


def _content(node: Node, value: Any) -> None:
    node.put("missing", str(value.null_count).encode())
    if str(value.type) in VIEWS:
        value = _joined(value.cast(VIEWS[str(value.type)]))
    if value.null_count:
        _bits(node, value.is_null())
        value = _joined(value.drop_null())
    name = str(value.type)
    write = _fixed if _width(value.type) else _writer_of(name)
    if write is None or hasattr(value, "num_chunks"):
        node.feed(value.to_pylist())
    else:
        write(node, value)


def _width(kind: Any) -> int:
    try:
        return 0 if str(kind).startswith(("dictionary", "extension")) else int(kind.bit_width) // 8
    except (ValueError, AttributeError):
        return 0


def _writer_of(name: str) -> Callable[[Node, Any], None] | None:
    head = name.partition("<")[0].partition("[")[0]
    return WRITERS.get(head)


def _fixed(node: Node, value: Any) -> None:
    if not len(value):
        return  # there may be memory behind it or none
    width = _width(value.type)
    size = width * len(value)
    buffer = value.buffers()[1]
    if str(value.type).startswith(("fixed_size_list", "struct")) or not buffer:
        node.feed(value.to_pylist())
    else:
        node.buffer((memoryview(buffer)[width * value.offset :][:size],), size)


def _bits(node: Node, value: Any) -> None:
    """Truth values, eight to a byte: one byte each, so that it does not matter where in a byte they begin."""
    _fixed(node, _joined(value.cast("uint8")))


def _texts(node: Node, value: Any) -> None:
    """Texts or bytes: where each begins, from the first one on, and all of them."""
    _, places, data = value.buffers()
    wide = str(value.type).startswith("large")
    width = 8 if wide else 4
    if not len(value):
        return
    view = memoryview(places)[width * value.offset :][: width * (len(value) + 1)].cast("B")
    view = view.cast("q") if wide else view.cast("i")
    first, last = view[0], view[-1]
    _offsets(node, view, first)
    node.buffer((memoryview(data)[first:last] if data else b"",), last - first)


def _offsets(node: Node, view: memoryview, first: int) -> None:
    if first == 0:
        node.buffer((view.cast("B"),), view.nbytes)
        return
    pyarrow = sys.modules["pyarrow"]
    places = pyarrow.Array.from_buffers(*_as_numbers(pyarrow, view))
    shifted = pyarrow.compute.subtract(places, pyarrow.scalar(first, places.type))  # a bare number would widen them
    node.buffer((memoryview(shifted.buffers()[1])[: view.nbytes],), view.nbytes)


def _as_numbers(pyarrow: Any, view: memoryview) -> tuple[Any, int, list[Any]]:
    kind = pyarrow.int64() if view.itemsize == 8 else pyarrow.int32()
    return kind, len(view), [None, pyarrow.py_buffer(view)]


def _lists(node: Node, value: Any) -> None:
    arrow_column(node, value.value_lengths())
    arrow_column(node, value.flatten())


def _struct(node: Node, value: Any) -> None:
    for part in value.flatten():
        arrow_column(node, part)


def _dictionary(node: Node, value: Any) -> None:
    if value.type.ordered:
        arrow_column(node, value.dictionary)
    arrow_column(node, value.dictionary_decode())


def _null(node: Node, value: Any) -> None:
    node.put("nothing")


VIEWS = {"string_view": "large_string", "binary_view": "large_binary"}

WRITERS: dict[str, Callable[[Node, Any], None]] = {
    "bool": _bits,
    "string": _texts,
    "large_string": _texts,
    "binary": _texts,
    "large_binary": _texts,
    "list": _lists,
    "large_list": _lists,
    "struct": _struct,
    "dictionary": _dictionary,
    "null": _null,
}


def _arrow_array(node: Node, value: Any) -> None:
    node.put("stands alone", type(value).__name__.encode())
    arrow_column(node, value)


# -- polars -------------------------------------------------------------------------------------------


def _polars_frame(node: Node, value: Any) -> None:
    node.put("polars.DataFrame", str(value.shape).encode())
    for column in value.get_columns():
        _polars_column(node, column)


def _polars_series(node: Node, value: Any) -> None:
    node.put("polars.Series")
    _polars_column(node, value)


NUMBERS = {
    **{f"Int{8 * size}": code for size, code in ((1, "b"), (2, "h"), (4, "i"), (8, "q"))},
    **{f"UInt{8 * size}": code for size, code in ((1, "B"), (2, "H"), (4, "I"), (8, "Q"))},
    "Float32": "f",
    "Float64": "d",
}


def _polars_column(node: Node, value: Any) -> None:
    kind = repr(value.dtype)
    node.put("column", value.name.encode("utf-8", "surrogatepass"), kind.encode(), b"%d" % len(value))
    polars = sys.modules["polars"]
    if kind.startswith(("Date", "Time", "Duration")):
        value = value.to_physical()
    elif kind == "Boolean":
        value = value.cast(polars.UInt8)
    code = NUMBERS.get(repr(value.dtype))
    if code is None:
        node.sequence(value.to_list())
        return
    if value.null_count():
        _numbers(node, value.is_null().cast(polars.UInt8), "B")
        value = value.drop_nulls()
    _numbers(node, value, code)


def _numbers(node: Node, value: Any, code: str) -> None:
    """Numbers none of which is missing: the same bytes whether numpy is there or not."""
    if "numpy" in sys.modules:
        held = value.to_numpy()
        node.buffer(blocks(held), held.nbytes)
    else:
        listed = array.array(code, value.to_list())
        node.buffer((memoryview(listed).cast("B"),), len(listed) * listed.itemsize)


def _polars_plan(node: Node, value: Any) -> None:
    """A plan that has not run is what it is written as; one that is written in two ways is opaque."""
    written, again = value.serialize(), value.serialize()
    if written != again:
        node.opaque()
        return
    node.put("polars.LazyFrame")
    node.feed(written)


NAMED: dict[str, Rule] = {
    "pyarrow.lib.Table": _table,
    "pyarrow.lib.RecordBatch": _table,
    "pyarrow.lib.Schema": _schema,
    "pyarrow.lib.Field": _field,
    "polars.dataframe.frame.DataFrame": _polars_frame,
    "polars.series.series.Series": _polars_series,
    "polars.lazyframe.frame.LazyFrame": _polars_plan,
}

BASES: dict[str, Rule] = {"pyarrow.lib.Array": _arrow_array, "pyarrow.lib.ChunkedArray": _arrow_array}
