"""Data versions: a typed hash of a value, equal when type, structure and content are equal.

Every piece is tagged with its type and prefixed with its length, so `1`, `1.0`, `True` and `"1"` differ,
as do a list and a tuple, and no two structures run together. Libraries are recognised by the names of
their classes and never imported. What has no typed rule is taken apart by its own `__reduce_ex__`; what
refuses that gets a version of its own each time, which can cause extra runs and nothing else.
"""

from __future__ import annotations

import copyreg
import enum
import hashlib
import marshal
import secrets
import struct
import sys
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

FLAT = frozenset({bool, int, float, str, bytes, type(None), complex})


@dataclass(frozen=True, slots=True)
class Version:
    """`digest` in hexadecimal; `exact` is False where two equal values might differ in it."""

    digest: str
    exact: bool = True


def version_of(value: object) -> Version:
    """The data version of any value. Never raises for a user's value.

    Linear in the number of objects, shared ones included. A value that contains itself is numbered in the
    order of the walk (as pickle does), so there two values must also share their parts alike to be equal.
    """
    try:
        try:
            return _walk(value, numbered=False)
        except _Cyclic:
            first, second = _walk(value, numbered=True), _walk(value, numbered=True)
            return Version(first.digest, first.exact and first == second)
    except RecursionError:
        return Version(secrets.token_hex(16), exact=False)


def code_digest(code: CodeType) -> str:
    """A digest of a compiled function that ignores where its lines stand. True within one Python version."""
    hasher = _Hasher(_Seen(numbered=False))
    _code(hasher, code)
    return hasher.digest()


def _walk(value: object, *, numbered: bool) -> Version:
    seen = _Seen(numbered)
    hasher = _Hasher(seen)
    hasher.feed(value)
    return Version(hasher.digest(), seen.exact)


class _Cyclic(Exception):
    """Met an object inside itself in the walk that does not number objects."""


class _Seen:
    """What one walk has met: by identity, and kept alive so that identities stay true."""

    def __init__(self, numbered: bool) -> None:
        self.numbered = numbered
        self.digests: dict[int, bytes] = {}
        self.open: set[int] = set()
        self.keep: list[object] = []
        self.exact = True


class _Hasher:
    """The hash of one value; values inside it are hashed on their own and enter as digests."""

    def __init__(self, seen: _Seen) -> None:
        self.state = hashlib.blake2b(digest_size=16)
        self.seen = seen

    def digest(self) -> str:
        return self.state.hexdigest()

    def put(self, tag: str, *fields: bytes | memoryview) -> None:
        """A tag and its bytes, each with its length."""
        name = tag.encode()
        self.state.update(struct.pack("<II", len(name), len(fields)) + name)
        for field in fields:
            size = field.nbytes if isinstance(field, memoryview) else len(field)
            self.state.update(struct.pack("<Q", size))
            self.state.update(field)

    def feed(self, value: Any) -> None:
        kind = type(value)
        scalar = SCALARS.get(kind)
        if scalar is not None:
            self.put(kind.__name__, scalar(value))
        else:
            self.put("value", self._inner(value, kind))

    def _inner(self, value: Any, kind: type) -> bytes:
        seen, here = self.seen, id(value)
        known = seen.digests.get(here)
        if known is not None:
            return known
        if here in seen.open:
            raise _Cyclic
        if seen.numbered:
            seen.digests[here] = b"number %d" % len(seen.digests)
        seen.open.add(here)
        seen.keep.append(value)
        inner = _Hasher(seen)
        (RULES.get(kind) or NAMED.get(f"{kind.__module__}.{kind.__qualname__}") or _by_base(kind))(inner, value)
        seen.open.discard(here)
        digest = inner.state.digest()
        if not seen.numbered:
            seen.digests[here] = digest
        return digest

    def each(self, tag: str, values: Iterable[Any], count: int) -> None:
        """A tag, a number of values, and the values."""
        self.put(tag, struct.pack("<Q", count))
        for value in values:
            self.feed(value)

    def opaque(self) -> None:
        """A value that cannot be taken apart: a version of its own."""
        self.seen.exact = False
        self.put("opaque", secrets.token_bytes(16))


def _int(value: int) -> bytes:
    return value.to_bytes(value.bit_length() // 8 + 1, "little", signed=True)


SCALARS: dict[type, Callable[[Any], bytes]] = {
    type(None): lambda value: b"",
    bool: lambda value: b"\1" if value else b"\0",
    int: _int,
    float: lambda value: struct.pack("<d", value),
    complex: lambda value: struct.pack("<dd", value.real, value.imag),
    str: lambda value: value.encode("utf-8", "surrogatepass"),
    bytes: lambda value: value,
    type(Ellipsis): lambda value: b"",
    type(NotImplemented): lambda value: b"",
}


def _sequence(hasher: _Hasher, value: Any) -> None:
    tag = type(value).__name__
    if len(value) > 8 and FLAT.issuperset(map(type, value)):
        # marshal's version 0 writes types and lengths and no references: one pass in C
        hasher.put(f"flat {tag}", marshal.dumps(tuple(value), 0))
    else:
        hasher.each(tag, value, len(value))


def _mapping(hasher: _Hasher, value: Any) -> None:
    hasher.put("dict", struct.pack("<Q", len(value)))
    for key, item in value.items():
        hasher.feed(key)
        hasher.feed(item)


def _set(hasher: _Hasher, value: Any) -> None:
    digests = []
    for item in value:
        inner = _Hasher(hasher.seen)
        inner.feed(item)
        digests.append(inner.digest())
    hasher.put(type(value).__name__, "".join(sorted(digests)).encode())


def _module(hasher: _Hasher, value: ModuleType) -> None:
    hasher.put("module", value.__name__.encode())


def _function(hasher: _Hasher, value: FunctionType) -> None:
    if _is_found(value):
        _named(hasher, value)
        return
    hasher.put("function", value.__qualname__.encode())
    _code(hasher, value.__code__)
    hasher.feed(value.__defaults__)
    hasher.feed(value.__kwdefaults__)
    for cell in value.__closure__ or ():
        try:
            hasher.feed(cell.cell_contents)
        except ValueError:  # a name that is not bound yet
            hasher.put("empty cell")


def _code(hasher: _Hasher, value: CodeType) -> None:
    hasher.put("code", value.co_code)
    hasher.feed((value.co_names, value.co_varnames, value.co_freevars, value.co_flags))
    hasher.each("constants", value.co_consts, len(value.co_consts))


def _method(hasher: _Hasher, value: MethodType) -> None:
    hasher.put("method", value.__func__.__name__.encode())
    hasher.feed(value.__self__)


def _builtin(hasher: _Hasher, value: BuiltinFunctionType) -> None:
    owner = value.__self__
    if owner is None or isinstance(owner, ModuleType):
        hasher.put("builtin", str(value.__module__).encode(), value.__qualname__.encode())
    else:
        hasher.put("builtin method", value.__name__.encode())
        hasher.feed(owner)


def _named(hasher: _Hasher, value: Any) -> None:
    hasher.put("named", str(value.__module__).encode(), value.__qualname__.encode())


def _class(hasher: _Hasher, value: type) -> None:
    _named(hasher, value)
    if not _is_found(value) or value.__module__ == "__main__":
        own = {k: v for k, v in vars(value).items() if k not in ("__dict__", "__weakref__", "__doc__")}
        plain = {k: v for k, v in own.items() if isinstance(v, FunctionType) or type(v) in FLAT}
        hasher.put("members", struct.pack("<Q", len(plain)))
        for name in sorted(plain):
            member = plain[name]
            hasher.feed(name)
            if isinstance(member, FunctionType):
                _code(hasher, member.__code__)
            elif name not in ("__module__", "__qualname__", "__firstlineno__"):
                hasher.feed(member)


def _is_found(value: Any) -> bool:
    home = sys.modules.get(value.__module__ or "")
    for name in value.__qualname__.split("."):
        home = getattr(home, name, None)
    return home is value and value.__module__ != "__main__"


def _enum(hasher: _Hasher, value: enum.Enum) -> None:
    _named(hasher, type(value))
    hasher.put("member", value.name.encode() if value.name else repr(value).encode())


def _object(hasher: _Hasher, value: Any) -> None:
    """Anything else, by the way it says it can be rebuilt."""
    kind = type(value)
    try:
        reducer = copyreg.dispatch_table.get(kind)
        reduced = reducer(value) if reducer else value.__reduce_ex__(4)
    except Exception:  # noqa: BLE001 - a user's object may raise anything here
        hasher.opaque()
        return
    if isinstance(reduced, str):
        hasher.put("global", kind.__module__.encode(), reduced.encode())
        return
    hasher.put("object", kind.__module__.encode(), kind.__qualname__.encode())
    make, arguments, *rest = reduced
    state, items, pairs = [*rest, None, None, None][:3]
    hasher.feed(make)
    hasher.feed(arguments)
    hasher.feed(state)
    hasher.feed(None if items is None else list(items))
    hasher.feed(None if pairs is None else [list(pair) for pair in pairs])


def _array(hasher: _Hasher, value: Any) -> None:
    """numpy.ndarray: dtype, shape and elements in C order."""
    dtype = value.dtype
    hasher.put("ndarray", str(dtype.descr if dtype.names else dtype.str).encode(), str(value.shape).encode())
    if dtype.hasobject or dtype.kind == "T":
        _sequence(hasher, value.ravel().tolist())
        return
    flat = value if value.flags.c_contiguous else value.copy(order="C")
    hasher.put("buffer", memoryview(flat.reshape(-1).view("u1")) if flat.size and dtype.itemsize else b"")


def _scalar(hasher: _Hasher, value: Any) -> None:
    hasher.put("numpy scalar", value.dtype.str.encode(), value.tobytes())


def _frame(hasher: _Hasher, value: Any) -> None:
    """pandas.DataFrame: index, columns (names and order), and each column with its dtype."""
    hasher.put("DataFrame", str(value.shape).encode())
    hasher.feed(value.attrs)
    hasher.feed(value.index)
    hasher.feed(value.columns)
    for number in range(value.shape[1]):
        _column(hasher, value.iloc[:, number].array)


def _series(hasher: _Hasher, value: Any) -> None:
    hasher.put("Series", str(value.shape).encode())
    hasher.feed(value.name)
    hasher.feed(value.index)
    _column(hasher, value.array)


def _index(hasher: _Hasher, value: Any) -> None:
    hasher.put("Index", type(value).__name__.encode())
    hasher.feed(list(value.names))
    if type(value).__name__ == "RangeIndex":
        hasher.feed((value.start, value.stop, value.step))
    elif type(value).__name__ == "MultiIndex":
        for number in range(value.nlevels):
            _column(hasher, value.get_level_values(number).array)
    else:
        _column(hasher, value.array)


def _column(hasher: _Hasher, array: Any) -> None:
    """A pandas column: its dtype and its elements."""
    kind = type(array).__name__
    hasher.put("column", kind.encode(), str(array.dtype).encode())
    if kind == "Categorical":
        hasher.feed(bool(array.ordered))
        hasher.feed(array.categories)
        hasher.feed(array.codes)
    elif kind in ("DatetimeArray", "TimedeltaArray", "PeriodArray"):
        hasher.feed(array.asi8)
    elif kind == "NumpyExtensionArray":
        hasher.feed(array.to_numpy())
    else:
        _sequence(hasher, list(array))


RULES: dict[type, Callable[[_Hasher, Any], None]] = {
    list: _sequence,
    tuple: _sequence,
    dict: _mapping,
    set: _set,
    frozenset: _set,
    FunctionType: _function,
    MethodType: _method,
    BuiltinFunctionType: _builtin,
    ModuleType: _module,
    CodeType: _code,
    type: _class,
}

NAMED: dict[str, Callable[[_Hasher, Any], None]] = {
    "numpy.ndarray": _array,
    "pandas.core.frame.DataFrame": _frame,
    "pandas.DataFrame": _frame,
    "pandas.core.series.Series": _series,
    "pandas.Series": _series,
}

BASES: dict[str, Callable[[_Hasher, Any], None]] = {
    "numpy.generic": _scalar,
    "pandas.core.indexes.base.Index": _index,
    "pandas.Index": _index,
}


def _by_base(kind: type) -> Callable[[_Hasher, Any], None]:
    if issubclass(kind, type):
        return _class
    if issubclass(kind, enum.Enum):
        return _enum
    for base in kind.__mro__:
        rule = BASES.get(f"{base.__module__}.{base.__qualname__}")
        if rule is not None:
            return rule
    return _object
