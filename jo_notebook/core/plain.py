"""Data versions of plain values: scalars, small containers of scalars, and the standard library's leaves.

`marshal`'s version 2 writes type, length and content of scalars and of exact containers, floats as their bits,
and no references: equal bytes exactly when equal in type, structure and content, in one pass in C.
"""

from __future__ import annotations

import datetime
import gc
import marshal
import sys
from collections.abc import Callable
from typing import Any

from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.buffers import LARGE, digest_of_blocks, digest_of_bytes
from jo_notebook.core.kinds import comes_from, path_of

FLAT = frozenset({bool, int, float, str, bytes, type(None), complex})
FORMAT = 2
SMALL = 64
MANY = 1_000
PIECE = 8_192

Leaf = Callable[[Any], bytes | None]


def scalar(value: Any) -> bytes:
    """The bytes of a value whose type is in FLAT."""
    kind = type(value)
    if (kind is str or kind is bytes) and len(value) > LARGE:
        data = value if kind is bytes else value.encode("utf-8", "surrogatepass")
        return b"L" + kind.__name__[:1].encode() + digest_of_blocks((data,), len(data))
    return marshal.dumps(value, FORMAT)


def flat(value: Any, kind: type) -> bytes | None:
    """The bytes of an exact list, tuple or dict that holds nothing but scalars; None where it holds more."""
    try:
        if kind is dict:
            return marshal.dumps(value, FORMAT) if _is_flat_dict(value) else None
        if len(value) > MANY and type(value[0]) in STRIDES:
            numbers = _numbers(value, *STRIDES[type(value[0])])
            if numbers is not None:
                return numbers
        return marshal.dumps(value, FORMAT) if FLAT.issuperset(map(type, value)) else None
    except (ValueError, OverflowError):  # a text of more than 2 GB
        return None


def _is_flat_dict(value: dict[Any, Any]) -> bool:
    return FLAT.issuperset(map(type, value.values())) and FLAT.issuperset(map(type, value))


STRIDES = {int: (b"i", 5), float: (b"g", 9)}


def _numbers(value: Any, code: bytes, stride: int) -> bytes | None:
    """What `marshal` writes of many numbers of one kind; None where there is something else among them.

    Piece by piece, each written while it is still near: first it is made sure that none holds other objects, then all
    are written, then it is seen from what was written that they are numbers. A number whose code is `code` takes
    `stride` bytes; where the code stands at every stride, all are such.
    """
    pieces = [(b"[" if type(value) is list else b"(") + len(value).to_bytes(4, "little")]
    for start in range(0, len(value), PIECE):
        piece = value[start : start + PIECE]
        if gc.get_referents(*piece):
            return None
        data = marshal.dumps(piece, FORMAT)
        if data[5::stride].count(code) != len(piece) or len(data) != 5 + stride * len(piece):
            return None
        pieces.append(data[5:])
    return b"".join(pieces)


def _small_list(value: Any) -> bytes | None:
    if len(value) > SMALL or not FLAT.issuperset(map(type, value)):
        return None
    return digest_of_bytes(marshal.dumps(value, FORMAT))


def _small_dict(value: Any) -> bytes | None:
    if len(value) > SMALL or not FLAT.issuperset(map(type, value.values())) or not FLAT.issuperset(map(type, value)):
        return None
    return digest_of_bytes(marshal.dumps(value, FORMAT))


def _leaf(name: str, parts: Callable[[Any], Any]) -> Leaf:
    head = b"l" + name.encode() + b"\0"

    def leaf(value: Any) -> bytes | None:
        found = parts(value)
        return None if found is None else digest_of_bytes(head + marshal.dumps(found, FORMAT))

    return leaf


def _date_time(value: datetime.datetime) -> Any:
    if value.tzinfo is not None:
        return None
    return (value.toordinal(), value.hour, value.minute, value.second, value.microsecond, value.fold)


def _time(value: datetime.time) -> Any:
    if value.tzinfo is not None:
        return None
    return (value.hour, value.minute, value.second, value.microsecond, value.fold)


LEAVES: dict[type, Leaf] = {
    list: _small_list,
    tuple: _small_list,
    dict: _small_dict,
    AttrDict: lambda value: _small_dict(dict(value)),
    type(Ellipsis): _leaf("Ellipsis", lambda value: b""),
    type(NotImplemented): _leaf("NotImplemented", lambda value: b""),
    range: _leaf("range", lambda value: (value.start, value.stop, value.step)),
    datetime.date: _leaf("datetime.date", lambda value: value.toordinal()),
    datetime.timedelta: _leaf("datetime.timedelta", lambda value: (value.days, value.seconds, value.microseconds)),
    datetime.datetime: _leaf("datetime.datetime", _date_time),
    datetime.time: _leaf("datetime.time", _time),
}

PARTS: dict[str, Callable[[Any], Any]] = {
    "decimal.Decimal": str,
    "fractions.Fraction": lambda value: (value.numerator, value.denominator),
    "uuid.UUID": lambda value: (value.int, value.is_safe.value),
    "pathlib.PosixPath": str,
    "pathlib.PurePosixPath": str,
    "pathlib.WindowsPath": str,
    "pathlib.PureWindowsPath": str,
    "pathlib._local.PosixPath": str,
    "pathlib._local.PurePosixPath": str,
}

NAMED = {name: _leaf(name, parts) for name, parts in PARTS.items()}


def _numpy_scalar(kind: type) -> Leaf:
    return _leaf(path_of(kind), lambda value: (value.dtype.str, value.tobytes()))


def leaf_of(kind: type) -> Leaf | None:
    """How values of this very type become a digest without being walked, if there is such a way."""
    found = LEAVES.get(kind)
    if found is not None:
        return found
    path = path_of(kind)
    if path.startswith("numpy.") and path not in HARD_SCALARS:
        numpy = sys.modules.get("numpy")
        if numpy is not None and comes_from(kind, numpy.generic):
            return _numpy_scalar(kind)
    return NAMED.get(path)


HARD_SCALARS = frozenset({"numpy.void", "numpy.record", "numpy.rec.record", "numpy.longdouble", "numpy.clongdouble"})
