"""Plain data as JSON, exactly: a tree in which all that JSON does not know is an object with one `$` key.

    {"a": [1, 2.5, null], "b": {"$tuple": ["x", {"$bytes": "AAE="}]}, "c": {"$dict": [[1, "one"]]}}

A dict whose own keys begin with `$` is written as `$dict` too, so no value is mistaken for a tag. Only the exact
types are taken, and only trees: what is met twice is left to pickle, which keeps it one. So is what is large,
because pickle is faster there; the budget is asked before anything is walked.
"""

from __future__ import annotations

import base64
import json
import struct
from collections.abc import Callable, Mapping, Sequence
from math import isfinite
from typing import Any

from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.kinds import path_of
from jo_notebook.store.formats.contract import Refused, a
from jo_notebook.store.formats.plain_reading import PATHS

MOST_NODES = 20_000
MOST_TEXT = 1 << 20
DEEPEST = 100
LARGE = 1 << 14
"""Bytes from which a run of them is put beside the stream, where that is allowed."""

BITS = 2_000
"""An integer of more bits is written in hexadecimal: Python limits the decimal digits it reads."""

NAN = struct.pack(">d", float("nan"))
Leaf = Callable[["Writer", Any], Any]

_dumps = json.JSONEncoder(ensure_ascii=False, allow_nan=False, check_circular=False).encode
_dumps_ascii = json.JSONEncoder(ensure_ascii=True, allow_nan=False, check_circular=False).encode


class Writer:
    """A value on its way to JSON. `leaf_of` knows what to do with types that are not plain."""

    def __init__(self, leaf_of: Callable[[type], Leaf | None] | None = None) -> None:
        self.buffers: list[memoryview] = []
        self.versions: dict[str, str] = {}
        self.beside = leaf_of is not None
        self._leaf_of = leaf_of
        self._nodes = MOST_NODES
        self._text = MOST_TEXT
        self._depth = 0
        self._seen: set[int] = set()

    def stream(self, value: object) -> bytes:
        """The whole value. Raises Refused."""
        tree = self.node(value)
        try:
            return _dumps(tree).encode("utf-8")
        except UnicodeEncodeError:  # half a surrogate pair: JSON has an escape for it, but two halves make one
            text = _dumps_ascii(tree)
            if json.loads(text) != json.loads(_dumps(tree)):
                raise Refused("text with surrogates") from None
            return text.encode("ascii")

    def node(self, value: Any) -> Any:
        """One value as JSON. Raises Refused."""
        kind = type(value)
        write = WRITERS.get(kind) or NAMED.get(path_of(kind))
        if write is None and self._leaf_of is not None:
            write = self._leaf_of(kind)
        if write is None:
            raise Refused(a(kind))
        return write(self, value)

    def items(self, values: Sequence[Any], names: Sequence[Any] | None = None) -> Sequence[Any]:
        """Several values as JSON, those of one kind at once. `names` say where they stand. Raises Refused."""
        self.spend(len(values))
        kinds = set(map(type, values))
        if len(kinds) == 1 and self._easy(values, kinds.pop()):
            return values
        if self._depth >= DEEPEST:
            raise Refused("nested too deeply")
        self._depth += 1
        done: list[Any] = []
        try:
            for value in values:
                done.append(self.node(value))
        except Refused as refusal:
            refusal.within(f"[{len(done) if names is None else names[len(done)]!r:.40}]")
            raise
        self._depth -= 1
        return done

    def spend(self, nodes: int, text: int = 0) -> None:
        """Raises Refused where the budget does not reach."""
        self._nodes -= nodes
        self._text -= text
        if self._nodes < 0 or self._text < 0:
            raise Refused("too much of it for text")

    def once(self, value: object) -> None:
        """Raises Refused where this very object has been met."""
        if id(value) in self._seen:
            raise Refused(f"{a(type(value))} that occurs twice")
        self._seen.add(id(value))

    def buffer(self, view: memoryview) -> int:
        """Put memory beside the stream; its number."""
        self.buffers.append(view)
        return len(self.buffers) - 1

    def _easy(self, values: Sequence[Any], kind: type) -> bool:
        """Whether JSON writes these values, all of one kind, as they are."""
        if kind is float:
            return all(map(isfinite, values))
        if kind is int:
            return bool(max(values).bit_length() <= 64 and min(values).bit_length() <= 64)
        if kind is str:
            self.spend(0, sum(map(len, values)))
            return True
        return kind is bool or kind is type(None)


def _same(writer: Writer, value: Any) -> Any:
    return value


def _int(writer: Writer, value: int) -> Any:
    if value.bit_length() <= BITS:
        return value
    writer.spend(0, value.bit_length() // 4)
    return {"$int": f"{value:x}"}


def _float(writer: Writer, value: float) -> Any:
    if isfinite(value):
        return value
    bits = struct.pack(">d", value)
    return {"$float": str(value) if value == value or bits == NAN else bits.hex()}


def _str(writer: Writer, value: str) -> Any:
    writer.spend(0, len(value))
    return value


def _list(writer: Writer, value: list[Any]) -> Any:
    writer.once(value)
    return writer.items(value)


def _tuple(writer: Writer, value: tuple[Any, ...]) -> Any:
    return {"$tuple": writer.items(value)}


def _dict(writer: Writer, value: dict[Any, Any]) -> Any:
    writer.once(value)
    writer.spend(len(value))
    keys = list(value)
    if set(map(type, keys)) <= {str}:
        writer.spend(0, sum(map(len, keys)))
        if not any(key[:1] == "$" for key in keys):
            return dict(zip(keys, writer.items(list(value.values()), keys), strict=True))
    return {"$dict": _pairs(writer, value)}


def _attributes(writer: Writer, value: AttrDict) -> Any:
    writer.once(value)
    writer.spend(len(value))
    return {"$AttrDict": _pairs(writer, value)}


def _pairs(writer: Writer, value: Mapping[Any, Any]) -> list[Any]:
    keys = list(value)
    written = writer.items(keys)
    return list(map(list, zip(written, writer.items(list(value.values()), keys), strict=True)))


def _ordered(writer: Writer, value: Any) -> Any:
    writer.once(value)
    return {"$OrderedDict": [_pairs(writer, value), writer.node(vars(value))]}


def _set(writer: Writer, value: Any) -> Any:
    if type(value) is set:
        writer.once(value)
    writer.spend(len(value))
    return {f"${type(value).__name__}": sorted(writer.items(list(value)), key=_dumps)}


def _bytes(writer: Writer, value: bytes | bytearray) -> Any:
    if type(value) is bytearray:
        writer.once(value)
    if len(value) >= LARGE:
        if not writer.beside:
            raise Refused("many bytes")
        return {"$memory": [type(value).__name__, writer.buffer(memoryview(value))]}
    writer.spend(0, len(value))
    return {f"${type(value).__name__}": base64.b64encode(value).decode("ascii")}


def _complex(writer: Writer, value: complex) -> Any:
    return {"$complex": [_float(writer, value.real), _float(writer, value.imag)]}


def _range(writer: Writer, value: range | slice) -> Any:
    return {f"${type(value).__name__}": writer.items([value.start, value.stop, value.step])}


def _timedelta(writer: Writer, value: Any) -> Any:
    return {"$timedelta": [value.days, value.seconds, value.microseconds]}


def _date(writer: Writer, value: Any) -> Any:
    return {"$date": value.isoformat()}


def _clock(writer: Writer, value: Any) -> Any:
    """A datetime or a time: text, then what it is in when the clocks are set back, then its zone."""
    naive = value.replace(tzinfo=None, fold=0).isoformat()
    zone = [] if value.tzinfo is None else [writer.node(value.tzinfo)]
    return {f"${type(value).__name__}": [naive, value.fold, *zone] if value.fold or zone else naive}


def _timezone(writer: Writer, value: Any) -> Any:
    return {"$timezone": writer.items(value.__getinitargs__())}


def _zone(writer: Writer, value: Any) -> Any:
    if type(value.key) is not str or type(value)(value.key) is not value:
        raise Refused("a time zone without a name")
    return {"$ZoneInfo": value.key}


def _decimal(writer: Writer, value: Any) -> Any:
    text = str(value)
    writer.spend(0, len(text))
    return {"$Decimal": text}


def _fraction(writer: Writer, value: Any) -> Any:
    return {"$Fraction": writer.items([value.numerator, value.denominator])}


def _uuid(writer: Writer, value: Any) -> Any:
    return {"$UUID": [value.hex, value.is_safe.value]}


def _path(writer: Writer, value: Any) -> Any:
    text = str(value)
    writer.spend(0, len(text))
    return {f"${type(value).__name__}": text}


WRITERS: dict[type, Leaf] = {
    type(None): _same,
    bool: _same,
    int: _int,
    float: _float,
    str: _str,
    list: _list,
    tuple: _tuple,
    dict: _dict,
    AttrDict: _attributes,
    set: _set,
    frozenset: _set,
    bytes: _bytes,
    bytearray: _bytes,
    complex: _complex,
    range: _range,
    slice: _range,
}

NAMED: dict[str, Leaf] = {
    "collections.OrderedDict": _ordered,
    "datetime.timedelta": _timedelta,
    "datetime.date": _date,
    "datetime.datetime": _clock,
    "datetime.time": _clock,
    "datetime.timezone": _timezone,
    "zoneinfo.ZoneInfo": _zone,
    "decimal.Decimal": _decimal,
    "fractions.Fraction": _fraction,
    "uuid.UUID": _uuid,
    **{f"{module}.{name}": _path for name in PATHS for module in ("pathlib", "pathlib._local")},
}
