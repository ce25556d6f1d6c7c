"""The rules of data versions for code: functions, classes, methods, and what wraps them.

Python's own code and that of installed packages is its name. What the user edits, in the notebook or in a
local module, is its name and what it does: code, defaults, closure, members and bases, and the values of the
globals that it reads. A module among those is its name; a function of it is walked in its turn.
"""

from __future__ import annotations

import enum
import functools
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GetSetDescriptorType,
    MemberDescriptorType,
    MethodType,
    ModuleType,
)
from typing import Any

from jo_notebook.core.buffers import digest_of_bytes
from jo_notebook.core.bytecode import global_names, instructions, loads_first_constant
from jo_notebook.core.kinds import bases_of, home_of, is_a, members_of, path_of
from jo_notebook.core.walk import Node, Rule

BOOKKEEPING = frozenset(
    {
        *("__dict__", "__weakref__", "__doc__", "__module__", "__name__", "__qualname__", "__firstlineno__"),
        *("__static_attributes__", "__annotate_func__", "__annotations_cache__", "__abstractmethods__", "_abc_impl"),
        "__slotnames__",
    }
)


def _named(node: Node, value: Any) -> None:
    module, name = home_of(value)
    node.put("named", module.encode(), name.encode())


def _function(node: Node, value: FunctionType) -> None:
    if node.walk.is_named(value):
        _named(node, value)
        return
    module = value.__module__ if type(value.__module__) is str else ""
    node.put("function", module.encode(), value.__qualname__.encode())
    node.feed(value.__defaults__)
    node.feed(value.__kwdefaults__)
    node.feed(dict(value.__dict__))
    for name, cell in zip(value.__code__.co_freevars, value.__closure__ or (), strict=True):
        try:
            content = cell.cell_contents
        except ValueError:  # a name that is not bound yet
            node.put("empty cell")
        else:
            node.feed(None if name == "__class__" else content)
    if id(value) not in node.walk.told:
        _code(node, value.__code__)
        _globals(node, value)


def _globals(node: Node, value: FunctionType) -> None:
    """The values of the globals that a function reads. What cannot be compared among them is left out."""
    if not node.walk.reads:
        return
    for name in global_names(value.__code__):
        if name in value.__globals__:
            node.feed(name)
            node.feed(value.__globals__[name], lenient=True)


def _code(node: Node, value: CodeType) -> None:
    node.put("code", digest_of_bytes(instructions(value)))
    flags = value.co_flags & 0xFFFF  # above are the marks of `from __future__`
    node.feed((value.co_names, value.co_varnames, value.co_freevars, flags))
    node.feed((value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount))
    constants = value.co_consts
    if constants and isinstance(constants[0], str) and not loads_first_constant(value):
        constants = (None, *constants[1:])  # a docstring, which the code itself does not read
    node.each("constants", constants, len(constants))


def _method(node: Node, value: MethodType) -> None:
    node.put("method")
    node.feed(value.__func__)
    node.feed(value.__self__)


def _builtin(node: Node, value: BuiltinFunctionType) -> None:
    owner: Any = value.__self__
    if owner is None or is_a(owner, ModuleType):
        node.put("builtin", str(value.__module__).encode(), value.__qualname__.encode())
    else:
        node.put("builtin method", value.__name__.encode())
        node.feed(owner)


def class_rule(node: Node, value: type) -> None:
    """A class, by its name or by what it holds."""
    _named(node, value)
    if node.walk.is_named(value):
        return
    node.feed(type(value), lenient=True)
    bases = bases_of(value)
    node.put("bases", b"%d" % len(bases))
    for base in bases:
        node.feed(base, lenient=True)
    for name, member in sorted(members_of(value).items(), key=lambda pair: str(pair[0])):
        if name not in BOOKKEEPING and not is_a(member, GetSetDescriptorType, MemberDescriptorType):
            _member(node, value, str(name), member)


def _member(node: Node, owner: type, name: str, member: Any) -> None:
    node.put("member", name.encode("utf-8", "surrogatepass"))
    if is_a(member, enum.Enum) and is_a(member, owner):
        node.feed((vars(member)["_name_"], vars(member)["_value_"]), lenient=True)
    else:
        node.feed(member, lenient=True, silent=name.startswith("__"))


def enum_rule(node: Node, value: enum.Enum) -> None:
    """A member of an enumeration: its class, its name, its value."""
    node.feed(type(value))
    held = vars(value)
    node.put("member", str(held.get("_name_")).encode("utf-8", "surrogatepass"))
    node.feed(held.get("_value_"))


def _property(node: Node, value: property) -> None:
    node.each("property", (value.fget, value.fset, value.fdel), 3)


def _wrapped_method(node: Node, value: Any) -> None:
    node.each(type(value).__name__, (value.__func__,), 1)


def _cached_property(node: Node, value: Any) -> None:
    node.each("cached_property", (value.func,), 1)


def by_name(node: Node, value: Any, name: str) -> None:
    """Something that pickles as a name. Where the user edits it, the function that it wraps decides."""
    kind = type(value)
    home = getattr(value, "__module__", None)
    home = home if type(home) is str else path_of(kind).rpartition(".")[0]
    wrapped = getattr(value, "__wrapped__", None)
    if node.walk.is_edited(home) and type(wrapped) is FunctionType:
        node.put("wrapper", path_of(kind).encode(), name.encode())
        node.feed(wrapped)
    elif node.walk.is_there(home) and "<locals>" not in name:
        node.put("global", home.encode(), name.encode())
    else:
        node.opaque()


RULES: dict[type, Rule] = {
    FunctionType: _function,
    MethodType: _method,
    BuiltinFunctionType: _builtin,
    CodeType: _code,
    property: _property,
    staticmethod: _wrapped_method,
    classmethod: _wrapped_method,
    functools.cached_property: _cached_property,
    type: class_rule,
}
