"""Arrow and polars: as parts of a tree, and the format arrow, whose one buffer is a whole Arrow IPC file.

A column of pandas that lies in Arrow's memory is written from there, buffer by buffer, where its type is flat.
All else goes through Arrow's own file format, which is read without a copy. What is read is checked to the last
offset before anything looks at it.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from typing import Any

from jo_notebook.store.formats.contract import Refused, Unreadable, Written
from jo_notebook.store.formats.plain import Writer
from jo_notebook.store.formats.plain_reading import Reader, Source, as_dict, as_list, as_text
from jo_notebook.store.formats.tabular import as_batch, as_polars, decode_table, encode_table, kind_of, of_polars

WIDTHS = {
    **{f"{sign}int{8 * size}": size for size in (1, 2, 4, 8) for sign in ("", "u")},
    "halffloat": 2,
    "float": 4,
    "double": 8,
}
OFFSETS = {"string": 4, "binary": 4, "large_string": 8, "large_binary": 8}
FACTORIES = {"halffloat": "float16", "float": "float32", "double": "float64"}
FEW = 64
"""Texts up to which a column of them is written as a list."""

MOST_CHUNKS = 16
MAGIC = b"ARROW1\0\0"
DICTIONARY, BATCH = 2, 3
"""Kinds of messages in Arrow's format."""

TABLES = ("pyarrow.Table", "pyarrow.RecordBatch", "polars.DataFrame")


# -- columns ------------------------------------------------------------------------------------------


def part_of(writer: Writer, value: Any) -> Any:
    """A ChunkedArray. Raises Refused."""
    name = str(value.type)
    writer.spend(8)
    if name in ("string", "large_string") and len(value) <= FEW:
        return {"$arrow": [name, writer.items(value.to_pylist())]}
    if name not in WIDTHS and name not in OFFSETS:
        return _write_table(writer, _table_of([value]), "ChunkedArray")
    if value.num_chunks > MOST_CHUNKS:
        joined = value.combine_chunks()
        chunks = joined.chunks if hasattr(joined, "chunks") else [joined]
    else:
        chunks = value.chunks
    return {"$arrow": [name, [_chunk(writer, name, chunk) for chunk in chunks], "chunks"]}


def _chunk(writer: Writer, name: str, chunk: Any) -> list[Any]:
    """Its length and buffers. One that begins within its buffers is laid out anew."""
    if chunk.offset:
        chunk = _moved(chunk)
    length = len(chunk)
    valid, *rest = chunk.buffers()
    parts = [None if valid is None or not chunk.null_count else _shown(valid, (length + 7) // 8)]
    if name in WIDTHS:
        parts.append(_shown(rest[0], WIDTHS[name] * length))
    else:
        width = OFFSETS[name]
        places = _shown(rest[0], width * (length + 1)) if length else memoryview(b"")
        last = places[-width:].cast("q" if width == 8 else "i")[0] if length else 0
        parts += [places, _shown(rest[1], last)]
    return [length, *(None if part is None else writer.buffer(part) for part in parts)]


def _moved(chunk: Any) -> Any:
    """The same elements in memory of their own."""
    import pyarrow

    file = _file_of(_table_of([pyarrow.chunked_array([chunk])]))
    moved = pyarrow.ipc.open_file(file).read_all().column(0)
    if moved.num_chunks != 1 or moved.chunk(0).offset:
        raise Refused("a slice of a column")
    return moved.chunk(0)


def _shown(buffer: Any, size: int) -> memoryview:
    return memoryview(buffer).cast("B")[:size] if buffer is not None and size else memoryview(b"")


def _read_column(content: Any, source: Source) -> Any:
    import pyarrow

    name, chunks, *how = as_list(content)
    if name not in WIDTHS and name not in OFFSETS:
        raise Unreadable("a flat type was expected")
    kind = getattr(pyarrow, FACTORIES.get(name, name))()
    if not how:
        return pyarrow.chunked_array([pyarrow.array(as_list(chunks), kind)])
    found = [_read_chunk(pyarrow, name, kind, as_list(chunk), source) for chunk in as_list(chunks)]
    return pyarrow.chunked_array(found, kind)


def _read_chunk(pyarrow: Any, name: str, kind: Any, chunk: list[Any], source: Source) -> Any:
    length, *numbers = chunk
    if type(length) is not int or length < 0 or len(numbers) != (2 if name in WIDTHS else 3):
        raise Unreadable("a chunk was expected")
    views = [None if number is None else source.buffer(number) for number in numbers]
    if any(view is None for view in views[1:]):
        raise Unreadable("a chunk without memory")
    needed = WIDTHS[name] * length if name in WIDTHS else OFFSETS[name] * (length + 1 if length else 0)
    if views[1].nbytes < needed or (views[0] is not None and views[0].nbytes < (length + 7) // 8):  # type: ignore[union-attr]
        raise Unreadable("a chunk that does not fit its memory")
    if not length:
        return pyarrow.array([], kind)
    buffers = [None if view is None else pyarrow.py_buffer(view) for view in views]
    found = pyarrow.Array.from_buffers(kind, length, buffers, -1 if buffers[0] else 0)
    found.validate(full=True)
    return found


# -- tables -------------------------------------------------------------------------------------------


def write_arrow(writer: Writer, value: Any) -> Any:
    """An object of pyarrow's, as a part of a tree."""
    import pyarrow

    writer.once(value)
    if isinstance(value, pyarrow.Table):
        return _write_table(writer, value, "Table")
    if isinstance(value, pyarrow.RecordBatch):
        return _write_table(writer, pyarrow.Table.from_batches([value]), "RecordBatch")
    if isinstance(value, pyarrow.ChunkedArray):
        return _write_table(writer, _table_of([value]), "ChunkedArray")
    return _write_table(writer, _table_of([pyarrow.chunked_array([value])]), "Array")


def write_polars(writer: Writer, value: Any) -> Any:
    """A polars DataFrame or Series, as a part of a tree."""
    import polars

    writer.once(value)
    writer.versions["polars"] = polars.__version__
    name = type(value).__name__
    return _write_table(writer, of_polars(value if name == "DataFrame" else value.to_frame()), f"polars.{name}")


def _table_of(columns: list[Any]) -> Any:
    import pyarrow

    return pyarrow.table({str(number): column for number, column in enumerate(columns)})


def _write_table(writer: Writer, table: Any, kind: str) -> Any:
    import pyarrow

    writer.spend(6)
    writer.versions["pyarrow"] = pyarrow.__version__
    return {"$table": {"class": kind, "buffer": writer.buffer(_shown_whole(_file_of(table)))}}


def _shown_whole(buffer: Any) -> memoryview:
    return memoryview(buffer).cast("B")


def _file_of(table: Any) -> Any:
    """A table as an Arrow IPC file, in memory of just its size. Raises Refused."""
    import pyarrow

    if "extension<" in str(table.schema):
        raise Refused("an Arrow extension type")
    try:
        counted = pyarrow.MockOutputStream()
        _write_file(pyarrow, counted, table)
        buffer = pyarrow.allocate_buffer(counted.size())
        with pyarrow.FixedSizeBufferWriter(buffer) as out:
            _write_file(pyarrow, out, table)
        found = pyarrow.ipc.open_file(buffer).read_all()
    except pyarrow.ArrowException as error:
        raise Refused(str(error)) from None
    if found.num_rows != table.num_rows or not found.schema.equals(table.schema, check_metadata=True):
        raise Refused("a table that Arrow's file does not keep")
    return buffer


def _write_file(pyarrow: Any, out: Any, table: Any) -> None:
    with pyarrow.ipc.new_file(out, table.schema) as writer:
        writer.write_table(table)


def _read_table(content: Any, source: Source) -> Any:
    about = as_dict(content, "class", "buffer")
    return _as_class(as_text(about["class"]), table_in(source.buffer(about["buffer"])))


def table_in(data: memoryview) -> Any:
    """The table in an Arrow IPC file, which lies in its memory. Raises Unreadable, and what pyarrow does.

    The file is read from its beginning: where its end says that a batch lies does not count.
    """
    import pyarrow

    if bytes(data[: len(MAGIC)]) != MAGIC:
        raise Unreadable("no Arrow file")
    messages = pyarrow.py_buffer(data[len(MAGIC) :])
    for message in pyarrow.ipc.MessageReader.open_stream(messages):
        if is_compressed(message.metadata):
            raise Unreadable("a compressed table, which may be of any size")
    found = pyarrow.ipc.open_stream(messages).read_all()
    found.validate(full=True)
    return found


def is_compressed(metadata: Any) -> bool:
    """Whether a message that pyarrow has found sound says that its body is compressed."""
    view = memoryview(metadata).cast("B")
    root = struct.unpack_from("<I", view, 0)[0]
    kind = _field(view, root, 1)
    header = _inside(view, _field(view, root, 2))
    if kind and view[kind] == DICTIONARY:
        header = _inside(view, _field(view, header, 1))
        return bool(header and _field(view, header, 3))
    return bool(kind and view[kind] == BATCH and header and _field(view, header, 3))


def _field(view: memoryview, table: int, number: int) -> int:
    """Where a field of a flatbuffers table lies, or 0."""
    outline = table - struct.unpack_from("<i", view, table)[0]
    if 4 + 2 * number >= struct.unpack_from("<H", view, outline)[0]:
        return 0
    offset = struct.unpack_from("<H", view, outline + 4 + 2 * number)[0]
    return table + int(offset) if offset else 0


def _inside(view: memoryview, place: int) -> int:
    """Where the table lies to which a field points, or 0."""
    return place + int(struct.unpack_from("<I", view, place)[0]) if place else 0


def _as_class(kind: str, table: Any) -> Any:
    if kind == "Table":
        return table
    if kind == "RecordBatch":
        return as_batch(table)
    if kind == "polars.DataFrame":
        return as_polars(table)
    if table.num_columns != 1:
        raise Unreadable("a column was expected")
    if kind == "polars.Series":
        return as_polars(table).to_series(0)
    column = table.column(0)
    if kind == "ChunkedArray":
        return column
    if kind != "Array":
        raise Unreadable("a column was expected")
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


# -- the format ---------------------------------------------------------------------------------------


def takes(value: object) -> bool:
    """Whether it is a table of Arrow's or polars'."""
    return kind_of(value) in TABLES


def encode(value: Any) -> Written:
    """A table as an Arrow IPC file. Raises Refused."""
    return encode_table(value, lambda table: _shown_whole(_file_of(table)), table_in, trusted=TABLES)


def decode(stream: bytes, buffers: Sequence[memoryview]) -> object:
    """The reverse of `encode`."""
    return decode_table(stream, buffers, table_in)


READERS: dict[str, Reader] = {"$arrow": _read_column, "$table": _read_table}
