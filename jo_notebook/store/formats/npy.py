"""The format npy: one numpy array, its header as the stream and its own memory as the buffer.

The two after each other are a valid .npy file. numpy is recognised and not imported before it is needed.
"""

from __future__ import annotations

import io
import math
import sys
from ast import literal_eval
from collections.abc import Sequence
from typing import Any

from jo_notebook.core.kinds import path_of
from jo_notebook.store.formats.contract import Refused, Unreadable, Written

LONGEST = 10_000
"""Characters of a dtype's description that are read; numpy's own limit."""


def takes(value: object) -> bool:
    """Whether it is numpy's own array of anything but objects."""
    return is_array(value) and value.dtype.kind != "O"  # type: ignore[attr-defined]


def is_array(value: object) -> bool:
    """Whether it is exactly numpy's array."""
    return path_of(type(value)) == "numpy.ndarray" and type(value) is sys.modules["numpy"].ndarray


def encode(value: Any) -> Written:
    """The array's header, and its memory. Raises Refused."""
    import numpy

    if not is_array(value):
        raise Refused("it is no array")
    order, data = memory_of(value)
    check_dtype(value.dtype)
    header = {
        "descr": numpy.lib.format.dtype_to_descr(value.dtype),
        "fortran_order": order == "F",
        "shape": value.shape,
    }
    out = io.BytesIO()
    try:
        numpy.lib.format.write_array_header_1_0(out, header)
    except ValueError:  # a wide one, or names that are not Latin
        raise Refused("its header does not fit the first version of npy") from None
    return out.getvalue(), (data,), {"numpy": numpy.__version__}


def decode(stream: bytes, buffers: Sequence[memoryview]) -> object:
    """The reverse of `encode`. Raises Unreadable."""
    import numpy

    try:
        file = io.BytesIO(stream)
        if numpy.lib.format.read_magic(file) != (1, 0):
            raise Unreadable("another version of npy")
        shape, fortran, dtype = numpy.lib.format.read_array_header_1_0(file, max_header_size=LONGEST)
        (data,) = buffers
        if file.tell() != len(stream):
            raise Unreadable("its header is too long")
        return array_over(data, dtype, list(shape), "F" if fortran else "C")
    except Unreadable:
        raise
    except Exception as error:
        raise Unreadable(f"its header makes no sense ({type(error).__name__}: {error})") from error


# -- memory -------------------------------------------------------------------------------------------


def memory_of(array: Any) -> tuple[str, memoryview]:
    """The order of an array's elements in memory, and the memory; a copy where they lie apart."""
    import numpy

    if array.dtype.hasobject:
        raise Refused("an array of objects")
    if array.flags.c_contiguous:
        return "C", _flat(array)
    if array.flags.f_contiguous:
        return "F", _flat(array.T)
    return "C", _flat(numpy.ascontiguousarray(array))


def _flat(array: Any) -> memoryview:
    return memoryview(array.reshape(-1).view("u1")) if array.nbytes else memoryview(b"")


def array_over(data: memoryview, dtype: Any, shape: list[Any], order: Any) -> Any:
    """A plain array that lies in this memory. Raises Unreadable where the memory is not just that."""
    import numpy

    if order not in ("C", "F") or not all(type(n) is int and n >= 0 for n in shape):
        raise Unreadable("a shape that is none")
    if dtype.hasobject or dtype.kind == "T" or not dtype.itemsize or math.prod(shape) * dtype.itemsize != data.nbytes:
        raise Unreadable("an array that does not fit its memory")
    return numpy.ndarray(tuple(shape), dtype, buffer=data, order=order)


# -- dtypes -------------------------------------------------------------------------------------------


def check_dtype(dtype: Any) -> None:
    """Raises Refused for a dtype that its description does not tell wholly."""
    import numpy

    if dtype.isbuiltin == 1 and dtype.isnative and dtype.kind in "biufc" and dtype.metadata is None:
        return
    if dtype.kind == "V" and dtype.type is not numpy.void:  # numpy.record, whose elements have attributes
        raise Refused(f"an array of {dtype.type.__name__}")
    if dtype.kind == "T" or not dtype.itemsize or dtype.isbuiltin == 2 or _is_odd(dtype):
        raise Refused(f"an array of {dtype}")
    described: Any = numpy.lib.format.dtype_to_descr(dtype)
    if type(described) is not str and len(repr(described)) > LONGEST:
        raise Refused("an array of very many fields")
    if numpy.lib.format.descr_to_dtype(described) != dtype:
        raise Refused(f"an array of {dtype}")


def _is_odd(dtype: Any) -> bool:
    """Whether it or a part of it carries what a description leaves out."""
    parts = [dtype.fields[name][0] for name in dtype.names or ()]
    if dtype.subdtype:
        parts.append(dtype.subdtype[0])
    return dtype.metadata is not None or dtype.isalignedstruct or any(map(_is_odd, parts))


def describe(dtype: Any) -> str:
    """A dtype as text. Raises Refused."""
    import numpy

    check_dtype(dtype)
    described: Any = numpy.lib.format.dtype_to_descr(dtype)
    return described if type(described) is str else repr(described)


def described(text: object) -> Any:
    """The reverse of `describe`. Raises Unreadable, ValueError or TypeError."""
    import numpy

    if type(text) is not str or len(text) > LONGEST:
        raise Unreadable("a dtype was expected")
    told: Any = literal_eval(text) if text[:1] in "[(" else text
    return numpy.lib.format.descr_to_dtype(told)
