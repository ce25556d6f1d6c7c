"""Plain data out of JSON again: what stands behind each `$` key, checked; see `plain` for how it is written."""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, NoReturn

from jo_notebook.core.attributes import AttrDict
from jo_notebook.store.formats.contract import Unreadable

MOST_HASHED = 20_000
MOST_TEXT = 64 << 20
PATHS = ("PurePosixPath", "PureWindowsPath", "PosixPath", "WindowsPath")
"""pathlib's classes, as they are written by name."""


class Source:
    """The buffers beside a stream that is read."""

    def __init__(self, buffers: Sequence[memoryview]) -> None:
        self._buffers = buffers

    def buffer(self, number: object) -> memoryview:
        """One of them. Raises Unreadable."""
        if type(number) is not int or not 0 <= number < len(self._buffers):
            raise Unreadable("a buffer that is not there")
        return self._buffers[number]


Reader = Callable[[Any, Source], Any]


def read(stream: bytes, source: Source, readers: Mapping[str, Reader]) -> object:
    """The value that a tree stands for. Raises Unreadable for any other stream, and ImportError."""

    if len(stream) > MOST_TEXT:
        raise Unreadable("a text longer than any that is written")

    def hook(found: dict[str, Any]) -> Any:
        if len(found) == 1:
            ((key, content),) = found.items()
            if key[:1] == "$":
                return readers[key](content, source)
        return found

    try:
        return json.JSONDecoder(object_hook=hook, parse_constant=_no_constant).decode(bytes(stream).decode("utf-8"))
    except (Unreadable, ImportError):
        raise
    except Exception as error:
        raise Unreadable(f"its text makes no sense ({type(error).__name__}: {error})") from error


def as_list(content: object, count: int = -1) -> list[Any]:
    """A list, of this length if one is given. Raises Unreadable."""
    if type(content) is not list or count not in (-1, len(content)):
        raise Unreadable("a list was expected")
    return content


def as_dict(content: object, *needed: str) -> dict[str, Any]:
    """A dict that has these keys. Raises Unreadable."""
    if type(content) is not dict or not content.keys() >= set(needed):
        raise Unreadable("a dict was expected")
    return content


def as_text(content: object) -> str:
    """A text. Raises Unreadable."""
    if type(content) is not str:
        raise Unreadable("a text was expected")
    return content


def as_ints(content: object, count: int = -1) -> list[int]:
    """A list of integers. Raises Unreadable."""
    found = as_list(content, count)
    if not all(type(item) is int for item in found):
        raise Unreadable("integers were expected")
    return found


def _no_constant(text: str) -> NoReturn:
    raise Unreadable(f"{text} is not JSON")


def _read_float(content: Any, source: Source) -> float:
    text = as_text(content)
    if text in ("nan", "inf", "-inf"):
        return float(text)
    (value,) = struct.unpack(">d", bytes.fromhex(text))
    return float(value)


def _read_dict(content: Any, source: Source) -> dict[Any, Any]:
    return dict(map(tuple, (as_list(pair, 2) for pair in _few(content))))


def _read_attributes(content: Any, source: Source) -> AttrDict:
    return AttrDict(_read_dict(content, source))


def _read_ordered(content: Any, source: Source) -> Any:
    from collections import OrderedDict

    pairs, fields = as_list(content, 2)
    found: Any = OrderedDict(map(tuple, (as_list(pair, 2) for pair in as_list(pairs))))
    vars(found).update(as_dict(fields))
    return found


def _read_bytes(content: Any, source: Source) -> bytes:
    return base64.b64decode(as_text(content), validate=True)


def _read_memory(content: Any, source: Source) -> bytes | bytearray:
    kind, number = as_list(content, 2)
    data = source.buffer(number)
    return bytearray(data) if kind == "bytearray" else bytes(data)


def _read_complex(content: Any, source: Source) -> complex:
    real, imaginary = as_list(content, 2)
    if type(real) is not float or type(imaginary) is not float:
        raise Unreadable("two floats were expected")
    return complex(real, imaginary)


def _read_range(content: Any, source: Source) -> range:
    return range(*as_list(content, 3))


def _read_slice(content: Any, source: Source) -> slice:
    return slice(*as_list(content, 3))


def _read_timedelta(content: Any, source: Source) -> Any:
    from datetime import timedelta

    return timedelta(*as_ints(content, 3))


def _read_date(content: Any, source: Source) -> Any:
    from datetime import date

    return date.fromisoformat(as_text(content))


def _read_clock(kind: str) -> Reader:
    def read_clock(content: Any, source: Source) -> Any:
        import datetime

        make = getattr(datetime, kind)
        if type(content) is str:
            return make.fromisoformat(content)
        text, fold, *zone = as_list(content)
        return make.fromisoformat(text).replace(fold=fold, **dict(zip(["tzinfo"], zone, strict=False)))

    return read_clock


def _read_timezone(content: Any, source: Source) -> Any:
    from datetime import timezone

    return timezone(*as_list(content))


def _read_zone(content: Any, source: Source) -> Any:
    from zoneinfo import ZoneInfo

    return ZoneInfo(as_text(content))


def _read_decimal(content: Any, source: Source) -> Any:
    from decimal import Decimal

    return Decimal(as_text(content))


def _read_fraction(content: Any, source: Source) -> Any:
    from fractions import Fraction

    return Fraction(*as_ints(content, 2))


def _read_uuid(content: Any, source: Source) -> Any:
    from uuid import UUID, SafeUUID

    text, safe = as_list(content, 2)
    return UUID(hex=as_text(text), is_safe=SafeUUID(safe))


def _read_path(kind: str) -> Reader:
    def read_path(content: Any, source: Source) -> Any:
        import pathlib

        return getattr(pathlib, kind)(as_text(content))

    return read_path


def _made(make: Callable[[Iterable[Any]], Any]) -> Reader:
    return lambda content, source: make(_few(content) if make in (set, frozenset) else as_list(content))


def _few(content: object) -> list[Any]:
    """No more than are ever written: their hashes may have been chosen to collide. Raises Unreadable."""
    found = as_list(content)
    if len(found) > MOST_HASHED:
        raise Unreadable("too many elements")
    return found


READERS: dict[str, Reader] = {
    "$int": lambda content, source: int(as_text(content), 16),
    "$float": _read_float,
    "$tuple": _made(tuple),
    "$set": _made(set),
    "$frozenset": _made(frozenset),
    "$dict": _read_dict,
    "$AttrDict": _read_attributes,
    "$OrderedDict": _read_ordered,
    "$bytes": _read_bytes,
    "$bytearray": lambda content, source: bytearray(_read_bytes(content, source)),
    "$memory": _read_memory,
    "$complex": _read_complex,
    "$range": _read_range,
    "$slice": _read_slice,
    "$timedelta": _read_timedelta,
    "$date": _read_date,
    "$datetime": _read_clock("datetime"),
    "$time": _read_clock("time"),
    "$timezone": _read_timezone,
    "$ZoneInfo": _read_zone,
    "$Decimal": _read_decimal,
    "$Fraction": _read_fraction,
    "$UUID": _read_uuid,
    **{f"${name}": _read_path(name) for name in PATHS},
}
