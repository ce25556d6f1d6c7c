"""The format parquet, for those who want it: a table as a Parquet file, refused where something would be lost."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from jo_notebook.store.formats.contract import Refused, Written
from jo_notebook.store.formats.tabular import TO_ARROW, decode_table, encode_table, kind_of


def takes(value: object) -> bool:
    """Whether it is a table."""
    return kind_of(value) in TO_ARROW


def encode(value: Any) -> Written:
    """A table as a Parquet file. Raises Refused."""
    return encode_table(value, _write, _read)


def decode(stream: bytes, buffers: Sequence[memoryview]) -> object:
    """The reverse of `encode`. Raises Unreadable."""
    return decode_table(stream, buffers, _read)


def _write(table: Any) -> memoryview:
    import pyarrow
    from pyarrow import parquet

    out = pyarrow.BufferOutputStream()
    try:
        parquet.write_table(table, out)
    except pyarrow.ArrowException as error:
        raise Refused(str(error).partition("\n")[0]) from None
    return memoryview(out.getvalue()).cast("B")


def _read(data: memoryview) -> Any:
    import pyarrow
    from pyarrow import parquet

    found = parquet.read_table(pyarrow.BufferReader(pyarrow.py_buffer(data)))
    found.validate(full=True)
    return found
