"""Values that are hard to keep, each with what shows that it is back; roles of a process whose `__main__` this is."""

from __future__ import annotations

import asyncio
import collections
import contextvars
import ctypes
import datetime
import decimal
import enum
import fractions
import functools
import io
import itertools
import json
import math
import os
import re
import socket
import sqlite3
import sys
import tempfile
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy
import pandas

from jo_notebook.store import Context
from tests.torture.making import outcome, play, record, tell

OLD = {"old": [1, 2.5, "three"]}


class Colour(enum.Enum):
    RED = 1


class Number(enum.IntEnum):
    ONE = 1


class Point(NamedTuple):
    x: int
    y: int


class Thing:
    def __init__(self, inner: Any = None) -> None:
        self.inner = inner


@dataclass
class Record:
    things: list[Thing]


class Refuses:
    def __reduce__(self) -> Any:
        raise RuntimeError("never")


class Exits:
    def __getstate__(self) -> Any:
        sys.exit("a value's own code")


class ExitsAgain:
    """Leaves when it is read back."""

    def __setstate__(self, state: Any) -> None:
        sys.exit("a value's own code")

    def __getstate__(self) -> Any:
        return {"state": 1}


class Unequal:
    def __eq__(self, other: object) -> bool:
        raise RuntimeError("never compared")

    __hash__ = None  # type: ignore[assignment]


class Text(str):
    __slots__ = ()


class Listed(list[int]):
    pass


class Array(numpy.ndarray):
    pass


def nested() -> Callable[[int], int]:
    seen = [40]

    def add(x: int) -> int:
        return x + seen[0]

    return add


def deep(depth: int = 200_000) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def depth_of(value: Any) -> int:
    depth = 0
    while value:
        value, depth = value[0], depth + 1
    return depth


def ring() -> list[Any]:
    value: list[Any] = [1]
    value.append(value)
    return value


def shared() -> list[Any]:
    one = [1]
    return [one, one, {"again": one}]


def raised() -> BaseException:
    try:
        1 / 0
    except ZeroDivisionError as error:
        return error


def counted() -> Iterator[int]:
    yield from range(3)


async def waiting() -> int:
    return 1


def handle() -> io.TextIOWrapper:
    return open(os.path.join(tempfile.gettempdir(), f"odd {os.getpid()}"), "w+", encoding="utf-8")


def framed() -> Any:
    frame = pandas.DataFrame({"a": [1]}, dtype=object)
    frame.at[0, "a"] = handle()
    return frame


def objects() -> Any:
    array = numpy.empty(3, dtype=object)
    array[:] = [1, "a", None]
    return array


def same(make: Callable[[], Any]) -> Callable[[Any], bool]:
    def told(value: Any) -> tuple[Any, ...]:
        return type(value), repr(value), getattr(value, "dtype", None), getattr(value, "shape", None)

    return lambda found: told(found) == told(make())


def _is_numpy(found: Any, like: Any) -> bool:
    return type(found) is type(like) and found.dtype == like.dtype and numpy.array_equal(found, like)


HARD: dict[str, tuple[Callable[[], Any], Callable[[Any], bool]]] = {
    "lambda": (lambda: lambda x: x + 1, lambda f: f(2) == 3),
    "nested function": (nested, lambda f: f(2) == 42),
    "generator": (counted, lambda f: list(f) == [0, 1, 2]),
    "open file": (handle, lambda f: False),
    "socket": (socket.socket, lambda f: False),
    "lock": (threading.Lock, lambda f: False),
    "condition": (threading.Condition, lambda f: False),
    "event loop": (asyncio.new_event_loop, lambda f: False),
    "thread": (lambda: threading.Thread(target=print), lambda f: False),
    "connection": (lambda: sqlite3.connect(":memory:"), lambda f: False),
    "module": (lambda: json, lambda f: f.dumps(1) == "1"),
    "class of main": (lambda: Thing, lambda f: f is Thing),
    "instance of main": (lambda: Thing(3), lambda f: type(f) is Thing and f.inner == 3),
    "reduce raises": (Refuses, lambda f: type(f) is Refuses),
    "recursive list": (ring, lambda f: f[1] is f and f[0] == 1),
    "shared list": (shared, lambda f: f[0] is f[1] and f[2]["again"] is f[0]),
    "deep list": (deep, lambda f: depth_of(f) == 200_000),
    "deep dict": (lambda: functools.reduce(lambda v, _: {"k": v}, range(3_000), {}), lambda f: "k" in f["k"]),
    "frame with file": (framed, lambda f: False),
    "weakref": (lambda: weakref.ref(Thing), lambda f: f() is Thing),
    "dead weakref": (lambda: weakref.ref(Thing()), lambda f: f() is None),
    "coroutine": (waiting, lambda f: False),
    "memoryview": (lambda: memoryview(b"abc"), lambda f: bytes(f) == b"abc" and type(f) is memoryview),
    "enum of main": (lambda: Colour.RED, lambda f: f is Colour.RED),
    "exception": (raised, lambda f: type(f) is ZeroDivisionError and f.args == ("division by zero",)),
    "pointer": (lambda: ctypes.pointer(ctypes.c_int(3)), lambda f: f.contents.value == 3),
    "context variable": (lambda: contextvars.ContextVar("name"), lambda f: False),
    "named tuple": (lambda: Point(1, 2), lambda f: type(f) is Point and f == (1, 2)),
    "dataclass": (lambda: Record([Thing(1)]), lambda f: type(f) is Record and f.things[0].inner == 1),
    "unequal": (Unequal, lambda f: type(f) is Unequal),
    "partial": (lambda: functools.partial(max, 3), lambda f: f(2) == 3),
    "partial of a lambda": (lambda: functools.partial(lambda x, y: x + y, 3), lambda f: f(2) == 5),
    "bound method": (lambda: [1, 2].count, lambda f: f(2) == 1),
    "dict keys": (lambda: {"a": 1}.keys(), lambda f: list(f) == ["a"]),
    "iterator": (lambda: iter([1, 2]), lambda f: list(f) == [1, 2]),
    "count": (lambda: itertools.count(3), lambda f: next(f) == 3),
    "pattern": (lambda: re.compile("a+"), lambda f: f.fullmatch("aa") is not None),
    "cached": (lambda: functools.lru_cache(lambda x: x + 1), lambda f: f(2) == 3),
    "mapping proxy": (lambda: Thing.__dict__, lambda f: "__init__" in f),
    "string file": (lambda: io.StringIO("abc"), lambda f: f.getvalue() == "abc"),
    "huge number in a list": (lambda: [1 << 20_000], lambda f: f == [1 << 20_000]),
    "nan in a list": (lambda: [math.nan], lambda f: math.isnan(f[0])),
    "object array": (objects, lambda f: f.dtype == object and list(f) == [1, "a", None]),
    "column order": (lambda: numpy.ones((2, 3), order="F"), lambda f: f.flags.f_contiguous and f.shape == (2, 3)),
    "big endian": (lambda: numpy.arange(3, dtype=">i4"), lambda f: _is_numpy(f, numpy.arange(3, dtype=">i4"))),
    "structured": (
        lambda: numpy.array([(1, "a")], dtype=[("n", "i4"), ("s", "U1")]),
        lambda f: f.dtype.names == ("n", "s") and f[0]["s"] == "a",
    ),
    "masked": (lambda: numpy.ma.array([1, 2], mask=[0, 1]), lambda f: f.mask.tolist() == [False, True]),
    "array subclass": (lambda: numpy.arange(3).view(Array), lambda f: type(f) is Array and f.tolist() == [0, 1, 2]),
    "record array": (lambda: numpy.rec.array([(1, 2.0)], names="a,b"), lambda f: f.a.tolist() == [1]),
    "views of one array": (
        lambda: (lambda a: {"all": a, "head": a[:2]})(numpy.arange(9)),
        lambda f: f["all"].tolist() == list(range(9)) and f["head"].tolist() == [0, 1],
    ),
    "time zone": (lambda: pandas.Timestamp("2024-01-01", tz="Europe/Berlin"), lambda f: str(f.tz) == "Europe/Berlin"),
}
PLAIN: dict[str, Callable[[], Any]] = {
    "nan": lambda: math.nan,
    "infinity": lambda: [math.inf, -math.inf],
    "minus zero": lambda: -0.0,
    "true": lambda: [True, 1, 1.0],
    "huge number": lambda: 3**20_000 % 10**4_000,
    "surrogate": lambda: "\ud800 and \udfff",
    "null characters": lambda: "\0a\0",
    "keys that are no text": lambda: {1: "a", "1": "b", None: "c", (1, 2): "d"},
    "order": lambda: {"b": 1, "a": 2},
    "tuple": lambda: (1, (2, [3, ()])),
    "set": lambda: {1},
    "frozen set": lambda: frozenset({1}),
    "bytes": lambda: b"\0\xff",
    "byte array": lambda: bytearray(b"\0\xff"),
    "complex": lambda: 1 - 2j,
    "decimal": lambda: decimal.Decimal("1.10"),
    "fraction": lambda: fractions.Fraction(1, 3),
    "datetime": lambda: datetime.datetime(2024, 2, 29, tzinfo=datetime.UTC),
    "text class": lambda: [Text("abc")],
    "list class": lambda: Listed([1]),
    "whole enum": lambda: {"n": Number.ONE},
    "ordered": lambda: collections.OrderedDict(b=1, a=2),
    "default": lambda: collections.defaultdict(list, a=[1]),
    "deque": lambda: collections.deque([1], maxlen=3),
    "ellipsis": lambda: [..., NotImplemented, int, range(3), slice(1, 2)],
    "no dimensions": lambda: numpy.array(3),
    "scalar": lambda: numpy.float32(0.1),
    "empty array": lambda: numpy.empty((0, 3), dtype="f4"),
    "times": lambda: numpy.array(["2024-01-01", "NaT"], dtype="datetime64[ns]"),
    "text array": lambda: numpy.array(["a", "ü" * 9]),
    "half": lambda: numpy.array([0.1, numpy.nan], dtype="f2"),
    "frame": lambda: pandas.DataFrame({"a": [1, None], "b": ["x", None]}, index=["p", "q"]),
    "categories": lambda: pandas.Series(["a", "b"], dtype="category"),
    "none": lambda: None,
}
VALUES = {**HARD, **{name: (make, same(make)) for name, make in PLAIN.items()}}
EXITS = {
    "getstate exits": (Exits, lambda f: type(f) is Exits),
    "setstate exits": (ExitsAgain, lambda f: False),
}
KINDS = {"values": VALUES, "exits": EXITS}
SHAPES: dict[str, tuple[Callable[[Any], Any], Callable[[Any], Any]]] = {
    "bare": (lambda odd: odd, lambda found: found),
    "nested": (lambda odd: {"good": [1], "odd": [0, odd]}, lambda found: found["odd"][1]),
}


def names(kind: str) -> Iterator[tuple[int, str, str, str]]:
    """Number, step, value and shape."""
    for number, (name, shape) in enumerate(itertools.product(KINDS[kind], SHAPES)):
        yield number, f"Odd{number}", name, shape


def save(place: str, first: int, kind: str) -> None:
    """Tells, of each value from this number on, why it is unsaved, or what was raised."""
    context = Context(place)
    for number, step, name, shape in names(kind):
        if number < first:
            continue
        tell("begin", number)
        context.put(record(step), OLD)
        try:
            told, error = context.put(record(step), SHAPES[shape][0](KINDS[kind][name][0]())).unsaved, ""
        except BaseException as raised:  # noqa: BLE001 - what a kernel would meet
            told, error = "", f"{type(raised).__name__}: {raised}"
        tell("end", number, told, error)


def load(place: str, first: int, kind: str) -> None:
    """Tells, of each value from this number on, what a fresh process finds, and whether the old value is there."""
    context = Context(place)
    for number, step, name, shape in names(kind):
        if number < first:
            continue
        tell("begin", number)
        try:
            found = outcome(context, step)
            error = f"{type(found).__name__}: {found}" if step not in context else ""
            works = not error and bool(KINDS[kind][name][1](SHAPES[shape][1](found)))
        except BaseException as raised:  # noqa: BLE001 - what a kernel would meet
            works, error = False, f"raw {type(raised).__name__}: {raised}"
        old = [n for n in (0, *(n for n, _ in context.older(step))) if _is_old(context, step, n)]
        tell("end", number, works, error, len(old))


def _is_old(context: Context, step: str, number: int) -> bool:
    found = outcome(context, step) if context.use(step, number) else None
    return type(found) is dict and found.get("old") == OLD["old"]


MODES = ("r", "w", "a", "r+")
HOLDERS: dict[str, Callable[[Any], Any]] = {
    "bare": lambda file: file,
    "nested": lambda file: {"log": [file]},
    "attribute": lambda file: Thing(file),
    "function": lambda file: lambda: file.name,
    "buffer": lambda file: [file.buffer],
    "frame": lambda file: pandas.DataFrame({"a": [file]}, dtype=object),
}


def handles(place: str, folder: str, phase: str) -> None:
    """Saves, or loads, what holds a file of the user's that is open."""
    context = Context(place)
    for mode, holder in itertools.product(MODES, HOLDERS):
        step = f"File_{'plus' if mode == 'r+' else mode}_{holder}"
        if phase == "load":
            tell(step, repr(outcome(context, step))[:200])
            continue
        with open(os.path.join(folder, step), mode, encoding="utf-8") as file:
            if mode != "r":
                file.write("written by the user\n")
                file.flush()
            tell(step, context.put(record(step), HOLDERS[holder](file)).unsaved)


INSTANCES: dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]] = {
    "list": (lambda: [Thing(1)], lambda found: found[0]),
    "dictionary": (lambda: {"a": {"b": Thing(1)}}, lambda found: found["a"]["b"]),
    "attribute": (lambda: Thing(Thing(1)), lambda found: found.inner),
    "dataclass": (lambda: Record([Thing(1)]), lambda found: found.things[0]),
    "beside a function": (lambda: (Thing(1), lambda x: x), lambda found: found[0]),
    "in a function": (lambda: (lambda thing: lambda: thing)(Thing(1)), lambda found: found()),
    "object array": (lambda: numpy.array([Thing(1)], dtype=object), lambda found: found[0]),
}


def instances(place: str, phase: str) -> None:
    """Saves, or loads, instances of a class of the notebook, in containers."""
    context = Context(place)
    for name, (make, inner) in INSTANCES.items():
        step = name.replace(" ", "_")
        if phase == "save":
            tell(name, context.put(record(step), make()).unsaved)
        else:
            found = outcome(context, step)
            tell(name, not isinstance(found, Exception) and isinstance(inner(found), Thing), repr(found)[:200])


if __name__ == "__main__":
    play(globals())
