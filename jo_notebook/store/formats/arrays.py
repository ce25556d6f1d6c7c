"""numpy's arrays and scalars and scipy's sparse arrays, as parts of a tree."""

from __future__ import annotations

import math
import struct
from typing import Any

from jo_notebook.store.formats.contract import Refused, Unreadable
from jo_notebook.store.formats.npy import array_over, describe, described, memory_of
from jo_notebook.store.formats.ours import SPARSE
from jo_notebook.store.formats.plain import NAN, Writer
from jo_notebook.store.formats.plain_reading import Reader, Source, as_dict, as_ints, as_list, as_text

FEW = 1_000
"""Objects that are not texts, up to which an array of them is written as a list."""

MARKS = ("\0", "\x1f", "\x1e", "\x1d", "\x1c")
"""What may stand between texts."""

TEXT, NONE, NOT_A_NUMBER, MISSING = range(4)


def write_array(writer: Writer, value: Any) -> Any:
    """An array that stands alone."""
    writer.once(value)
    return part_of(writer, value)


def part_of(writer: Writer, value: Any) -> Any:
    """An array that something else is made of."""
    import numpy

    writer.spend(6 + value.ndim)
    writer.versions["numpy"] = numpy.__version__
    if value.dtype.kind == "O":
        return _objects(writer, value)
    order, data = memory_of(value)
    about = {"dtype": describe(value.dtype), "shape": list(value.shape), "buffer": writer.buffer(data)}
    return {"$array": about if order == "C" else {**about, "order": order}}


def _read_array(content: Any, source: Source) -> Any:
    about = as_dict(content, "dtype", "shape", "buffer")
    data = source.buffer(about["buffer"])
    return array_over(data, described(about["dtype"]), as_list(about["shape"]), about.get("order", "C"))


# -- objects ------------------------------------------------------------------------------------------


def _objects(writer: Writer, value: Any) -> Any:
    """Texts with a character between them that none of them has; beside them what stands for a missing one."""
    items = value.reshape(-1).tolist()
    kinds = set(map(type, items))
    codes = {str: TEXT, type(None): NONE, float: NOT_A_NUMBER}
    codes.update((kind, MISSING) for kind in kinds if _is_missing(kind))
    if not codes.keys() >= kinds or (float in kinds and not _are_nan(items)):
        if len(items) > FEW:
            raise Refused("an array of objects")
        return {"$objects": [list(value.shape), writer.items(items)]}
    about: dict[str, Any] = {"shape": list(value.shape)}
    if kinds - {str}:
        missing = bytes(map(codes.__getitem__, map(type, items)))
        about["missing"] = writer.buffer(memoryview(missing))
        items = [item for item in items if type(item) is str]
    for mark in MARKS:
        text = mark.join(items)
        if text.count(mark) == max(len(items) - 1, 0):
            about |= {"between": mark, "text": writer.buffer(memoryview(text.encode("utf-8", "surrogatepass")))}
            return {"$texts": about}
    raise Refused("texts with control characters")


def _is_missing(kind: type) -> bool:
    return kind.__name__ == "NAType" and kind.__module__.startswith("pandas.")


def _are_nan(items: list[Any]) -> bool:
    floats = {id(item): item for item in items if type(item) is float}
    return all(struct.pack(">d", item) == NAN for item in floats.values())


def _read_objects(content: Any, source: Source) -> Any:
    """Item by item: some may be sequences themselves."""
    import numpy

    shape, items = as_list(content, 2)
    found: Any = numpy.empty(len(as_list(items)), object)
    for number, item in enumerate(items):
        found[number] = item
    if any(n < 0 for n in as_ints(shape)):
        raise Unreadable("a shape that is none")
    return found.reshape(shape)


def _read_texts(content: Any, source: Source) -> Any:
    import numpy

    about = as_dict(content, "shape", "between", "text")
    shape, mark = as_ints(about["shape"]), about["between"]
    if mark not in MARKS:
        raise Unreadable("a character between texts was expected")
    codes = numpy.frombuffer(source.buffer(about["missing"]), "u1") if "missing" in about else None
    count = math.prod(shape) if codes is None else int((codes == TEXT).sum())
    text = str(source.buffer(about["text"]), "utf-8", "surrogatepass")
    if min(shape, default=0) < 0 or text.count(mark) != max(count - 1, 0):
        raise Unreadable("another number of texts")
    texts = text.split(mark) if count else []
    if codes is None:
        return _filled(numpy, texts).reshape(shape)
    found: Any = numpy.empty(len(codes), object)
    found[codes == TEXT] = _filled(numpy, texts)
    found[codes == NOT_A_NUMBER] = numpy.nan
    if (codes == MISSING).any():
        import pandas

        found[codes == MISSING] = pandas.NA
    return found.reshape(shape)


def _filled(numpy: Any, texts: list[str]) -> Any:
    found: Any = numpy.empty(len(texts), object)
    found[:] = texts
    return found


# -- scalars ------------------------------------------------------------------------------------------


def write_scalar(writer: Writer, value: Any) -> Any:
    """A scalar of a number, a truth value, a time or a text."""
    import numpy

    writer.versions["numpy"] = numpy.__version__
    kind = type(value)
    if kind is numpy.str_:
        node = {"$numpy": ["str", writer.node(str.__str__(value))]}  # its own leaves out a last zero
    elif kind is numpy.bytes_:
        node = {"$numpy": ["bytes", writer.node(bytes(value))]}
    else:
        node = {"$numpy": [value.dtype.str, value.tobytes().hex()]}
        if type(_scalar(*node["$numpy"])) is not kind:
            raise Refused(f"a numpy.{kind.__name__}")
    return node


def _read_scalar(content: Any, source: Source) -> Any:
    return _scalar(*as_list(content, 2))


def _scalar(kind: str, content: Any) -> Any:
    import numpy

    if kind == "str":
        return numpy.str_(as_text(content))
    if kind == "bytes" and type(content) is bytes:
        return numpy.bytes_(content)
    dtype = numpy.dtype(as_text(kind))
    data = bytes.fromhex(as_text(content))
    if dtype.kind not in "biufcmM" or len(data) != dtype.itemsize:
        raise Unreadable("a scalar was expected")
    return numpy.frombuffer(data, dtype)[0]


# -- scipy --------------------------------------------------------------------------------------------


def write_sparse(writer: Writer, value: Any) -> Any:
    """The arrays a sparse one is made of."""
    import scipy

    writer.once(value)
    writer.versions["scipy"] = scipy.__version__
    places = [value.indices, value.indptr] if value.format != "coo" else list(value.coords)
    return {
        "$sparse": {
            "class": type(value).__name__,
            "shape": list(map(int, value.shape)),
            "data": part_of(writer, value.data),
            "places": [part_of(writer, place) for place in places],
        }
    }


def _read_sparse(content: Any, source: Source) -> Any:
    import numpy
    from scipy import sparse

    about = as_dict(content, "class", "shape", "data", "places")
    shape, data, places = tuple(as_ints(about["shape"])), about["data"], as_list(about["places"])
    if about["class"] not in SPARSE or any(n < 0 for n in shape):
        raise Unreadable("a sparse array was expected")
    for part in (data, *places):
        if type(part) is not numpy.ndarray or part.ndim != 1:
            raise Unreadable("flat arrays were expected")
    if any(place.dtype not in ("i4", "i8") for place in places) or data.dtype.kind not in "biufc":
        raise Unreadable("places were expected")
    make = getattr(sparse, about["class"])
    if about["class"].startswith("coo"):
        return _coordinates(make, shape, data, places)
    if len(places) != 2 or len(shape) > 2:
        raise Unreadable("two kinds of places were expected")
    indices, indptr = places
    found = make((data, indices, indptr), shape=shape, copy=False)
    found.indices, found.indptr = indices, indptr  # of the width they had
    found.check_format(full_check=True)
    return found


def _coordinates(make: Any, shape: tuple[int, ...], data: Any, places: list[Any]) -> Any:
    if len(places) != len(shape) or any(len(place) != len(data) for place in places):
        raise Unreadable("one place for each number was expected")
    for place, size in zip(places, shape, strict=True):
        if len(place) and (place.min() < 0 or place.max() >= size):
            raise Unreadable("a place outside")
    found = make((data, tuple(places)), shape=shape, copy=False)
    found.coords = tuple(places)
    return found


READERS: dict[str, Reader] = {
    "$array": _read_array,
    "$objects": _read_objects,
    "$texts": _read_texts,
    "$numpy": _read_scalar,
    "$sparse": _read_sparse,
}
