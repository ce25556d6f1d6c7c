"""What a class or function is called and where it lives, asked past everything that could answer falsely.

A metaclass may raise or lie when its class is asked for a name; `type`'s own descriptors do not.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, MutableMapping
from types import MappingProxyType
from typing import Any

from jo_notebook.core.homes import Kind, kind_of

_MODULE = type.__dict__["__module__"]
_QUALNAME = type.__dict__["__qualname__"]
_MRO = type.__dict__["__mro__"]
_BASES = type.__dict__["__bases__"]
_DICT = type.__dict__["__dict__"]


def module_of(kind: type) -> str:
    """The module a class says it is of."""
    module = _MODULE.__get__(kind)
    return module if type(module) is str else ""


def name_of(kind: type) -> str:
    """The qualified name of a class."""
    return str(_QUALNAME.__get__(kind))


def path_of(kind: type) -> str:
    """Module and qualified name."""
    return f"{module_of(kind)}.{name_of(kind)}"


def mro_of(kind: type) -> tuple[type, ...]:
    """The class and its bases, in the order in which attributes are looked for."""
    return tuple(_MRO.__get__(kind))


def bases_of(kind: type) -> tuple[type, ...]:
    """The bases a class was made with."""
    return tuple(_BASES.__get__(kind))


def members_of(kind: type) -> MappingProxyType[str, Any]:
    """What the class itself holds."""
    found: MappingProxyType[str, Any] = _DICT.__get__(kind)
    return found


def is_a(value: object, *kinds: type) -> bool:
    """`isinstance` that asks the value nothing: its `__class__` may be a property."""
    return comes_from(type(value), *kinds)


def comes_from(kind: type, *kinds: type) -> bool:
    """`issubclass` that asks the class nothing: neither whether it is equal nor for its hash."""
    return any(base is each for base in mro_of(kind) for each in kinds)


def home_of(value: Any) -> tuple[str, str]:
    """Module and qualified name of a class, a function, or anything that has them in its own `__dict__`."""
    if is_a(value, type):
        return module_of(value), name_of(value)
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    return (module if type(module) is str else ""), (name if type(name) is str else "")


def is_named(value: Any, homes: MutableMapping[str, bool] | None = None) -> bool:
    """Whether a fresh process finds this very class or function by its name, in code that nobody here edits.

    `homes` remembers which modules are so, for the next question.
    """
    module, name = home_of(value)
    homes = {} if homes is None else homes
    if module not in homes:
        homes[module] = bool(module) and kind_of(module) in (Kind.STANDARD, Kind.INSTALLED)
    return homes[module] and _found(module, name) is value


def _found(module: str, name: str) -> Any:
    """What stands under a dotted name; nothing is imported and no attribute is computed."""
    place: Mapping[str, Any] = getattr(sys.modules.get(module), "__dict__", {})
    found: Any = None
    for piece in name.split("."):
        found = place.get(piece)
        if type(found) in (staticmethod, classmethod):
            found = found.__func__
        place = members_of(found) if is_a(found, type) else {}
    return found
