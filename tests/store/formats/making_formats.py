"""Ways to and from bytes, for the tests of the formats."""

from __future__ import annotations

import mmap
import os
import tempfile
from typing import Any

from jo_notebook.core.version import version_of
from jo_notebook.errors import ResultNotSaved
from jo_notebook.store.formats import Encoded, decode, encode, python_minor


def decoded(encoded: Encoded) -> Any:
    """The value again, from memory of its own."""
    copies = [memoryview(bytearray(buffer)) for buffer in encoded.buffers]
    return decode(encoded.format, encoded.stream, copies, python=python_minor(), step="Load")


def mapped(encoded: Encoded) -> Any:
    """The value again, lying in a file that is mapped privately."""
    views = []
    for buffer in encoded.buffers:
        with tempfile.TemporaryFile() as file:
            file.write(bytes(buffer) or b"\\0")
            file.flush()
            whole = mmap.mmap(file.fileno(), os.fstat(file.fileno()).st_size, access=mmap.ACCESS_COPY)
            views.append(memoryview(whole)[: buffer.nbytes])
    return decode(encoded.format, encoded.stream, views, python=python_minor(), step="Load")


def same(value: Any, form: str) -> Any:
    """Encode a value, expect a format, and give what comes back after a comparison by data version."""
    encoded = encode(value)
    assert encoded.format == form, _why(value, form)
    for buffer in encoded.buffers:
        assert buffer.contiguous
        assert buffer.format == "B"
        assert buffer.ndim == 1
    found = mapped(encoded)
    assert type(found) is type(value)
    assert version_of(found).digest == version_of(value).digest
    assert version_of(decoded(encode(found))).digest == version_of(value).digest
    return found


def _why(value: Any, form: str) -> str:
    try:
        encode(value, wanted=form)
    except ResultNotSaved as error:
        return str(error)
    return "another format came first"
