"""Whether a value is certainly the one that was looked at before, told without looking into it again.

A data version costs a pass over the data. Where an object cannot change without becoming another object, its
identity is enough; where it can, but only in places that are quickly listed (a function's defaults, a class's
members), those places are compared. Everything else has no witness and is looked at anew.
"""

from __future__ import annotations

from types import BuiltinFunctionType, CodeType, FunctionType, ModuleType
from typing import Any

FIXED = frozenset(
    {
        *(bool, int, float, complex, str, bytes, range, type(None), type(Ellipsis), type(NotImplemented)),
        CodeType,
    }
)
MEMBERS = 500
DEPTH = 8

Witness = tuple[object, ...]


def witness(value: object) -> Witness | None:
    """What must be found again, item by item and by identity, for the value to be unchanged; None for no telling.

    A function, a class or a module under a name of its own may have one: what they read is asked about under the
    names that they read. One inside of data has none: there its version counts what it reads.
    """
    found: list[object] = []
    if issubclass(type(value), ModuleType):
        return (value,)
    is_code = type(value) in (FunctionType, type)
    return tuple(found) if _collect(value, found, DEPTH, is_code=is_code) else None


def still(before: Witness | None, value: object) -> bool:
    """Whether the value's witness is the one that was kept."""
    if before is None:
        return False
    now = witness(value)
    return now is not None and len(now) == len(before) and all(map(_is, now, before))


def _is(one: object, other: object) -> bool:
    return one is other


def _collect(value: Any, found: list[object], depth: int, *, is_code: bool) -> bool:
    """Adds the value and what it holds; False where something may change unseen."""
    if len(found) > MEMBERS or depth < 0:
        return False
    kind = type(value)
    found.append(value)
    if kind in FIXED:
        return True
    if kind is BuiltinFunctionType:
        return value.__self__ is None or isinstance(value.__self__, ModuleType)
    if kind is tuple or kind is frozenset:
        return all(_collect(item, found, depth - 1, is_code=is_code) for item in value)
    return is_code and _code(value, kind, found, depth - 1)


def _code(value: Any, kind: type, found: list[object], depth: int) -> bool:
    """Functions, classes, and what makes methods of functions."""
    if kind is FunctionType:
        return _function(value, found, depth)
    if kind is type:
        return _class(value, found, depth)
    if kind is ModuleType:
        return True
    if kind in (staticmethod, classmethod):
        return _collect(value.__func__, found, depth, is_code=True)
    if kind is property:
        return all(_collect(part, found, depth, is_code=True) for part in (value.fget, value.fset, value.fdel))
    return False


def _function(value: FunctionType, found: list[object], depth: int) -> bool:
    found += (value.__code__, value.__defaults__, value.__kwdefaults__)
    held: list[object] = [*(value.__defaults__ or ())]
    for name, item in (*(value.__kwdefaults__ or {}).items(), *value.__dict__.items()):
        held += (name, item)
    for cell in value.__closure__ or ():
        try:
            held.append(cell.cell_contents)
        except ValueError:  # a name that is not bound yet
            found.append(cell)
    return all(_collect(item, found, depth, is_code=True) for item in held)


def _class(value: type, found: list[object], depth: int) -> bool:
    if value.__module__ not in ("__main__",):
        return True  # a library's class is known by its name; a local module's by its text
    members = vars(value)
    if len(members) > MEMBERS or not all(_collect(base, found, depth, is_code=True) for base in value.__bases__):
        return False
    for name, item in members.items():
        found.append(name)
        if name in ("__dict__", "__weakref__", "__annotations__", "__static_attributes__"):
            continue
        if not _collect(item, found, depth, is_code=True):
            return False
    return True
