"""The rules of data versions for numpy's arrays and scipy's sparse ones, which are recognised, never imported.

An array is its class, dtype, shape and elements in C order, whatever its layout in memory. Byte order is part
of the dtype, so it counts. Padding between the fields of a structured dtype and inside long doubles does not.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import Any

from jo_notebook.core.kinds import path_of
from jo_notebook.core.walk import Node, Rule

BLOCK = 1 << 22


def array_rule(node: Node, value: Any) -> None:
    """numpy.ndarray and those of its subclasses that hold nothing else."""
    node.put("ndarray", path_of(type(value)).encode(), repr(_dtype(value.dtype)).encode(), str(value.shape).encode())
    _elements(node, _plain(value))


def _plain(value: Any) -> Any:
    return value.view(sys.modules["numpy"].ndarray)


def _dtype(dtype: Any) -> Any:
    """All that decides how elements are read; its metadata and alignment do not."""
    if dtype.names is not None:
        fields = [(name, _dtype(dtype.fields[name][0]), *dtype.fields[name][1:]) for name in dtype.names]
        return (dtype.itemsize, path_of(dtype.type), fields)
    if dtype.subdtype is not None:
        return (_dtype(dtype.subdtype[0]), dtype.subdtype[1])
    return (dtype.str, str(dtype)) if dtype.kind in "VTO" else dtype.str


def _elements(node: Node, value: Any) -> None:
    dtype = value.dtype
    if dtype.names is not None:
        for name in dtype.names:
            _elements(node, value[name])
    elif dtype.hasobject or dtype.kind == "T":
        node.sequence(value.reshape(-1).tolist())
    elif dtype.kind in "fc" and dtype.char in "gG":
        node.buffer(_long_doubles(value), value.size)
    else:
        node.buffer(blocks(value), value.nbytes)


def blocks(value: Any) -> Iterator[Any]:
    """The elements in C order as contiguous buffers, without a copy where there need not be one."""
    if not value.size or not value.dtype.itemsize:
        return
    if value.flags.c_contiguous:
        yield memoryview(value.reshape(-1).view("u1"))
    elif value.nbytes <= BLOCK:
        yield memoryview(value.copy(order="C").reshape(-1).view("u1"))
    elif value.nbytes // len(value) > BLOCK:
        for row in value:
            yield from blocks(row)
    else:
        rows = BLOCK // (value.nbytes // len(value))
        for start in range(0, len(value), rows):
            yield from blocks(value[start : start + rows])


def _long_doubles(value: Any) -> Iterator[bytes]:
    """Ten bytes of each sixteen: the others are whatever was there."""
    numpy = sys.modules["numpy"]
    used = 10 if numpy.finfo(numpy.longdouble).nmant == 63 else numpy.dtype("g").itemsize
    for block in blocks(value):
        yield numpy.frombuffer(block, "u1").reshape(-1, numpy.dtype("g").itemsize)[:, :used].tobytes()


def _scalar(node: Node, value: Any) -> None:
    node.put("numpy scalar", path_of(type(value)).encode())
    array_rule(node, sys.modules["numpy"].asarray(value))


def _masked(node: Node, value: Any) -> None:
    """Data (below the mask too), mask, and the value that stands for what is masked, set or not."""
    numpy = sys.modules["numpy"]
    node.put("masked", path_of(type(value)).encode(), path_of(value._baseclass).encode())
    array_rule(node, _plain(value))
    array_rule(node, numpy.ma.getmaskarray(value))
    fill = value._fill_value
    array_rule(node, numpy.asarray(numpy.ma.default_fill_value(value.dtype) if fill is None else fill, value.dtype))


def _dtype_rule(node: Node, value: Any) -> None:
    node.put("dtype", path_of(type(value)).encode(), repr((_dtype(value), value.isalignedstruct)).encode())


def _sparse(node: Node, value: Any) -> None:
    """A sparse array of its format: entries in order, those of one place added up; the user's stays as it is."""
    node.put("sparse", path_of(type(value)).encode(), value.format.encode(), str(value.shape).encode())
    if value.format in ("csr", "csc", "bsr"):
        kept = type(value)((value.data, value.indices, value.indptr), shape=value.shape)
        if not kept.has_canonical_format:
            kept = kept.copy()
            kept.sum_duplicates()
        count = int(kept.indptr[-1])
        places = (kept.indptr, kept.indices[:count])
        data = kept.data[:count]
    else:
        if value.format == "dia":
            node.feed(sorted(int(offset) for offset in value.offsets))
        kept = value.tocoo(copy=True)
        kept.sum_duplicates()
        places, data = kept.coords, kept.data
    for place in places:
        array_rule(node, place.astype("i8"))
    array_rule(node, data)


NAMED: dict[str, Rule] = {
    "numpy.ndarray": array_rule,
    "numpy.memmap": array_rule,
    "numpy.matrix": array_rule,
    "numpy.recarray": array_rule,
    "numpy.rec.recarray": array_rule,
    "numpy.char.chararray": array_rule,
    "numpy.ma.MaskedArray": _masked,
    "numpy.ma.core.MaskedArray": _masked,
    **{
        f"scipy.sparse._{form}.{form}_{kind}": _sparse
        for form in ("csr", "csc", "bsr", "coo", "dia", "lil", "dok")
        for kind in ("matrix", "array")
    },
}

BASES: dict[str, Rule] = {"numpy.generic": _scalar, "numpy.dtype": _dtype_rule}
