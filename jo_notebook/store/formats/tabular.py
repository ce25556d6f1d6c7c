"""Tables of pandas, polars and Arrow as Arrow tables and back, for the formats that are files of others.

The stream says which class the table is of; the one buffer is the file. What another library's file may lose is
compared before it counts: the whole value where it is small, its first rows where it is large.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

from jo_notebook.core.kinds import module_of, name_of
from jo_notebook.core.version import version_of
from jo_notebook.store.formats.contract import Refused, Unreadable, Written, a

SMALL = 64 << 20
HEAD = 10_000
LOST = "it would not come back the same: its index, a type or a missing value would be another"

Write = Callable[[Any], memoryview]
Read = Callable[[memoryview], Any]


def kind_of(value: object) -> str:
    """The library and the class of a value, for instance `pandas.DataFrame`."""
    kind = type(value)
    return f"{module_of(kind).partition('.')[0]}.{name_of(kind)}"


def encode_table(value: Any, write: Write, read: Read, *, trusted: tuple[str, ...] = ()) -> Written:
    """A table as a file; of the `trusted` classes it is known that nothing is lost. Raises Refused."""
    kind = kind_of(value)
    if kind not in TO_ARROW:
        raise Refused(f"{a(type(value))} is no table")
    import pyarrow

    table = TO_ARROW[kind](value)
    if kind not in trusted and table.nbytes > SMALL:
        head = value.iloc[:HEAD] if kind == "pandas.DataFrame" else value[:HEAD]
        _check(head, read(write(TO_ARROW[kind](head))), kind)
    data = write(table)
    if kind not in trusted and table.nbytes <= SMALL:
        _check(value, read(data), kind)
    return json.dumps({"class": kind}).encode(), (data,), {"pyarrow": pyarrow.__version__}


ROWS_A_BYTE, FEW = 8, 1_000  # a bit a row is the least that a column takes; nulls alone take nothing


def decode_table(stream: bytes, buffers: Sequence[memoryview], read: Read) -> object:
    """The reverse of `encode_table`. Raises Unreadable, and ImportError."""
    try:
        (data,) = buffers
        kind, table = json.loads(stream)["class"], read(data)
        if kind == "pandas.DataFrame" and table.num_rows > ROWS_A_BYTE * data.nbytes + FEW:
            raise Unreadable("more rows than it has room for")
        return FROM_ARROW[kind](table)
    except (Unreadable, ImportError):
        raise
    except Exception as error:
        raise Unreadable(f"its table makes no sense ({type(error).__name__}: {error})") from error


def _check(value: Any, table: Any, kind: str) -> None:
    if version_of(FROM_ARROW[kind](table)).digest != version_of(value).digest:
        raise Refused(LOST)


def _of_batch(value: Any) -> Any:
    import pyarrow

    return pyarrow.Table.from_batches([value])


def as_batch(table: Any) -> Any:
    """A table of one batch as that batch. Raises Unreadable."""
    batches = table.combine_chunks().to_batches()
    if len(batches) > 1:
        raise Unreadable("one batch was expected")
    return batches[0] if batches else table.schema.empty_table().to_batches(1)[0]


def of_polars(frame: Any) -> Any:
    """A frame as a table. Raises Refused where polars would not read its schema back."""
    import polars

    newest = polars.CompatLevel.newest()
    if polars.from_arrow(frame.clear().to_arrow(compat_level=newest)).schema != frame.schema:
        raise Refused("a polars type that Arrow does not keep")
    return frame.to_arrow(compat_level=newest)


def as_polars(table: Any) -> Any:
    """A table as a frame. Raises Unreadable."""
    import polars

    for field in table.schema:
        _check_names(field)
    try:
        found = polars.from_arrow(table, rechunk=False)
    except polars.exceptions.PanicException as panic:  # no Exception: nothing else would catch it
        raise Unreadable(f"polars cannot read it: {panic}") from None
    if not isinstance(found, polars.DataFrame) or found.width != table.num_columns:
        raise Unreadable("a frame was expected")
    return found


def _check_names(field: Any) -> None:
    """Raises UnicodeDecodeError for names that are no text: polars takes their word for it."""
    _ = field.name, getattr(field.type, "tz", None)
    for number in range(field.type.num_fields):
        _check_names(field.type.field(number))


def _of_pandas(frame: Any) -> Any:
    import pyarrow

    try:
        return pyarrow.Table.from_pandas(frame)
    except (pyarrow.ArrowException, ValueError, TypeError) as error:
        raise Refused(str(error).partition("\n")[0]) from None


def _as_pandas(table: Any) -> Any:
    return table.to_pandas()


def _same(table: Any) -> Any:
    return table


TO_ARROW: dict[str, Callable[[Any], Any]] = {
    "pyarrow.Table": _same,
    "pyarrow.RecordBatch": _of_batch,
    "polars.DataFrame": of_polars,
    "pandas.DataFrame": _of_pandas,
}

FROM_ARROW: dict[str, Callable[[Any], Any]] = {
    "pyarrow.Table": _same,
    "pyarrow.RecordBatch": as_batch,
    "polars.DataFrame": as_polars,
    "pandas.DataFrame": _as_pandas,
}
