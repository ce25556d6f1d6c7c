"""Data versions: a typed hash of a value, equal when type, structure and content are equal.

Every piece is tagged with its type and prefixed with its length, so `1`, `1.0`, `True` and `"1"` differ,
as do a list and a tuple, and no two structures run together. Libraries are recognised by the names of
their classes and never imported. What has no typed rule is taken apart by its own `__reduce_ex__`; what
refuses that gets a version of its own each time, which can cause extra runs and nothing else.

A function or class that no fresh process finds by its name is what it does: its code, defaults, closure,
members and bases, and the values of the globals it reads. So a value that carries such code (a lambda in
a dict, an instance of a notebook's class) gets a new version when that code would act differently.
"""

from __future__ import annotations

import copyreg
import enum
import functools
import hashlib
import marshal
import secrets
import struct
import sys
from collections.abc import Callable, Collection, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MappingProxyType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

from jo_notebook.core import tables
from jo_notebook.core.bytecode import global_names, instructions, loads_first_constant

FLAT = frozenset({bool, int, float, str, bytes, type(None), complex})
BOOKKEEPING = frozenset(
    {
        *("__dict__", "__weakref__", "__doc__", "__module__", "__name__", "__qualname__", "__firstlineno__"),
        *("__static_attributes__", "__annotate_func__", "__annotations_cache__", "__abstractmethods__", "_abc_impl"),
        "__slotnames__",
    }
)


@dataclass(frozen=True, slots=True)
class Version:
    """`digest` in hexadecimal; `exact` is False where two equal values might differ in it.

    `left_out` says that something the value's functions read, or their class holds, could not be compared.
    """

    digest: str
    exact: bool = True
    left_out: bool = False


def version_of(value: object) -> Version:
    """The data version of any value. Never raises for a user's value.

    Linear in the number of objects, shared ones included. A value that contains itself is numbered in the
    order of the walk (as pickle does), so there two values must also share their parts alike to be equal.
    """
    try:
        try:
            return _walk(value, _Seen())
        except _Cyclic:
            first, second = _walk(value, _Seen(numbered=True)), _walk(value, _Seen(numbered=True))
            return Version(first.digest, first == second, first.left_out)
    except (RecursionError, _Opaque):
        return Version(secrets.token_hex(16), exact=False)


def lenient_version(value: object, *, told: Collection[int] = (), reads: bool = True) -> Version:
    """A version without what cannot be taken apart; `left_out` says whether there was such a thing.

    `told` are the identities of functions whose code is known by other means: only their defaults,
    closures and attributes count. Without `reads` the globals that functions read do not count.
    """
    try:
        try:
            return _walk(value, _Seen(lenient=True, told=told, reads=reads))
        except _Cyclic:
            return _walk(value, _Seen(numbered=True, lenient=True, told=told, reads=reads))
    except RecursionError:
        return Version("", exact=False, left_out=True)


def witness_of(value: object) -> str:
    """A digest that tells whether a value without an exact version was changed; empty where nothing can tell."""
    first, second = lenient_version(value), lenient_version(value)
    return first.digest if first == second else ""


def can_be_taken_apart(value: object) -> bool:
    """Whether a lenient version says anything of this value, beyond its type."""
    if type(value) in RULES:
        return not isinstance(value, MethodType)
    try:
        return not _is_found(type(value)) and not isinstance(value.__reduce_ex__(4), str)
    except Exception:  # noqa: BLE001 - a user's object may raise anything here
        return False


def code_digest(code: CodeType) -> str:
    """A digest of a compiled function that ignores where its lines stand. True within one Python version."""
    hasher = _Hasher(_Seen())
    _code(hasher, code)
    return hasher.digest()


def _walk(value: object, seen: _Seen) -> Version:
    hasher = _Hasher(seen)
    hasher.feed(value)
    return Version(hasher.digest(), not (seen.lenient and seen.left_out), seen.left_out)


class _Cyclic(Exception):
    """Met an object inside itself in the walk that does not number objects."""


class _Opaque(Exception):
    """Met what cannot be taken apart, where nothing may be left out."""


class _Seen:
    """What one walk has met: by identity, and kept alive so that identities stay true."""

    def __init__(
        self, *, numbered: bool = False, lenient: bool = False, told: Collection[int] = (), reads: bool = True
    ) -> None:
        self.numbered = numbered
        self.lenient = lenient
        self.told = frozenset(told)
        self.reads = reads
        self.left_out = False
        self.digests: dict[tuple[int, bool], bytes] = {}
        self.open: dict[tuple[int, bool], int] = {}
        self.keep: list[object] = []

    @contextmanager
    def leniently(self, *, silent: bool = False) -> Iterator[None]:
        """Inside, what cannot be taken apart is left out; `silent` makes no note of it."""
        before, noted = self.lenient, self.left_out
        self.lenient = True
        try:
            yield
        finally:
            self.lenient = before
            self.left_out = noted if silent else self.left_out

    @contextmanager
    def strictly(self) -> Iterator[None]:
        """Inside, what cannot be taken apart raises _Opaque."""
        before, self.lenient = self.lenient, False
        try:
            yield
        finally:
            self.lenient = before


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
        seen, here = self.seen, (id(value), self.seen.lenient)
        known = seen.digests.get(here)
        if known is not None:
            return known
        if here in seen.open:
            return self._again(value, seen.open[here])
        if seen.numbered:
            seen.digests[here] = b"number %d" % len(seen.digests)
        seen.open[here] = len(seen.open)
        seen.keep.append(value)
        inner = _Hasher(seen)
        try:
            (RULES.get(kind) or NAMED.get(f"{kind.__module__}.{kind.__qualname__}") or _by_base(kind))(inner, value)
        except (_Cyclic, _Opaque, RecursionError):
            raise
        except Exception:  # noqa: BLE001 - a user's object may raise anything when it is looked at
            inner = _Hasher(seen)
            inner.opaque(kind)
        finally:
            del seen.open[here]
        digest = inner.state.digest()
        if not seen.numbered:
            seen.digests[here] = digest
        return digest

    def _again(self, value: Any, depth: int) -> bytes:
        """Something inside itself: for code, the place where its walk began; data are walked anew, numbered."""
        if isinstance(value, FunctionType | type):
            return b"again %d" % depth
        raise _Cyclic

    def each(self, tag: str, values: Iterable[Any], count: int) -> None:
        """A tag, a number of values, and the values."""
        self.put(tag, struct.pack("<Q", count))
        for value in values:
            self.feed(value)

    def sequence(self, values: Any) -> None:
        """The elements of a sequence, as part of this value."""
        _sequence(self, values)

    def opaque(self, kind: type) -> None:
        """A value that cannot be taken apart is left out, where that is allowed."""
        if not self.seen.lenient:
            raise _Opaque
        self.seen.left_out = True
        self.put("left out", kind.__module__.encode(), kind.__qualname__.encode())


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
    hasher.feed(value.__defaults__)
    hasher.feed(value.__kwdefaults__)
    hasher.feed(dict(value.__dict__))
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        try:
            content = cell.cell_contents
        except ValueError:  # a name that is not bound yet
            hasher.put("empty cell")
        else:
            hasher.feed(None if name == "__class__" else content)
    if id(value) not in hasher.seen.told:
        _code(hasher, value.__code__)
        _globals(hasher, value)


def _globals(hasher: _Hasher, value: FunctionType) -> None:
    """The values of the globals that a function reads. What cannot be compared among them is left out."""
    if not hasher.seen.reads:
        return
    with hasher.seen.leniently():
        for name in global_names(value.__code__):
            if name in value.__globals__:
                hasher.feed(name)
                hasher.feed(value.__globals__[name])


def _code(hasher: _Hasher, value: CodeType) -> None:
    hasher.put("code", instructions(value))
    flags = value.co_flags & 0xFFFF  # above are the marks of `from __future__`
    hasher.feed((value.co_names, value.co_varnames, value.co_freevars, flags))
    hasher.feed((value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount))
    constants = value.co_consts
    if constants and isinstance(constants[0], str) and not loads_first_constant(value):
        constants = (None, *constants[1:])  # a docstring, which the code itself does not read
    hasher.each("constants", constants, len(constants))


def _method(hasher: _Hasher, value: MethodType) -> None:
    hasher.put("method", value.__func__.__name__.encode())
    hasher.feed(value.__func__)
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
    if _is_found(value):
        return
    with hasher.seen.leniently():
        hasher.feed(type(value))
        hasher.each("bases", value.__bases__, len(value.__bases__))
        for name, member in sorted(vars(value).items()):
            if name not in BOOKKEEPING and not isinstance(member, GetSetDescriptorType | MemberDescriptorType):
                _member(hasher, value, name, member)


def _member(hasher: _Hasher, owner: type, name: str, member: Any) -> None:
    hasher.put("member", name.encode())
    if isinstance(member, enum.Enum) and isinstance(member, owner):
        hasher.feed((member.name, member.value))
        return
    with hasher.seen.leniently(silent=name.startswith("__")):
        hasher.feed(member)


def _property(hasher: _Hasher, value: property) -> None:
    hasher.each("property", (value.fget, value.fset, value.fdel), 3)


def _wrapped_method(hasher: _Hasher, value: Any) -> None:
    hasher.each(type(value).__name__, (value.__func__,), 1)


def _cached_property(hasher: _Hasher, value: Any) -> None:
    hasher.each("cached_property", (value.func,), 1)


def _proxy(hasher: _Hasher, value: Any) -> None:
    hasher.each("mappingproxy", (dict(value),), 1)


def _is_found(value: Any) -> bool:
    home = sys.modules.get(value.__module__ or "")
    for name in value.__qualname__.split("."):
        home = getattr(home, name, None)
    return home is value and value.__module__ != "__main__"


def _enum(hasher: _Hasher, value: enum.Enum) -> None:
    hasher.feed(type(value))
    hasher.put("member", value.name.encode() if value.name else b"")
    hasher.feed(value._value_)


def _object(hasher: _Hasher, value: Any) -> None:
    """Anything else, by the way it says it can be rebuilt."""
    kind = type(value)
    if not hasher.seen.lenient or not _is_found(kind):
        _rebuilt(hasher, value, kind)
        return
    try:  # a library's object is taken whole or not at all
        with hasher.seen.strictly():
            inner = _Hasher(hasher.seen)
            _rebuilt(inner, value, kind)
    except _Opaque:
        hasher.opaque(kind)
    else:
        hasher.put("whole", inner.state.digest())


def _rebuilt(hasher: _Hasher, value: Any, kind: type) -> None:
    try:
        reducer = copyreg.dispatch_table.get(kind)
        reduced = reducer(value) if reducer else value.__reduce_ex__(4)
        parts = reduced if isinstance(reduced, str) else _parts(*reduced)
    except RecursionError:
        raise
    except Exception:  # noqa: BLE001 - a user's object may raise anything here
        hasher.opaque(kind)
        return
    if isinstance(parts, str):
        _by_name(hasher, value, parts)
        return
    hasher.put("object", kind.__module__.encode(), kind.__qualname__.encode())
    for part in parts:
        hasher.feed(part)


def _cache(hasher: _Hasher, value: Any) -> None:
    """A weak mapping comes and goes by itself."""
    hasher.opaque(type(value))


def _parts(make: Any, arguments: Any, state: Any = None, items: Any = None, pairs: Any = None, *rest: Any) -> list[Any]:
    """What `__reduce_ex__` gave, with its iterators read."""
    items = None if items is None else list(items)
    return [make, arguments, state, items, None if pairs is None else [list(pair) for pair in pairs], *rest]


def _by_name(hasher: _Hasher, value: Any, name: str) -> None:
    """Something that pickles as a name. Of the notebook's own, the function that it wraps decides."""
    kind, home = type(value), getattr(value, "__module__", None)
    home = home if isinstance(home, str) else kind.__module__
    wrapped = getattr(value, "__wrapped__", None)
    if sys.modules.get(home) is not None and home != "__main__" and "<locals>" not in name:
        hasher.put("global", home.encode(), name.encode())
    elif isinstance(wrapped, FunctionType):
        hasher.put("wrapper", kind.__module__.encode(), kind.__qualname__.encode())
        hasher.feed(wrapped)
    else:
        hasher.opaque(kind)


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
    MappingProxyType: _proxy,
    property: _property,
    staticmethod: _wrapped_method,
    classmethod: _wrapped_method,
    functools.cached_property: _cached_property,
    type: _class,
}

NAMED: dict[str, Callable[[_Hasher, Any], None]] = {
    "weakref.WeakKeyDictionary": _cache,
    "weakref.WeakValueDictionary": _cache,
    **tables.NAMED,
}


def _by_base(kind: type) -> Callable[[_Hasher, Any], None]:
    if issubclass(kind, type):
        return _class
    if issubclass(kind, enum.Enum):
        return _enum
    for base in kind.__mro__:
        rule = tables.BASES.get(f"{base.__module__}.{base.__qualname__}")
        if rule is not None:
            return rule
    return _object
