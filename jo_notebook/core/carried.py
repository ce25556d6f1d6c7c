"""The code that data carry along: functions, classes and modules inside a value, and what they read.

A step that reads `pipe = [clean, features.build]` depends on what these do. Their own code is part of the value's data
version; what they read in the notebook and reach in modules is found here.
"""

from __future__ import annotations

import dis
import functools
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from jo_notebook.core.bytecode import global_names
from jo_notebook.core.homes import Kind, kind_of
from jo_notebook.core.kinds import module_of, mro_of, name_of

MEMBERS = 1_000
OBJECTS = 5_000
PLAIN = (bool, int, float, complex, str, bytes, bytearray, range, type(None), CodeType)
WRAPPED = ("__func__", "__wrapped__", "func", "fget", "fset", "fdel")


@dataclass
class Carried:
    """What was found. `functions` are the user's own, from the notebook or a local module.

    `texts` is Python that reaches in modules what the code inside reaches, with `bound` as its imported names.
    """

    functions: list[FunctionType] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    bound: dict[str, tuple[str, str]] = field(default_factory=dict)

    @property
    def reads(self) -> set[str]:
        """The names that the notebook's own functions read in the notebook."""
        mine = (f for f in self.functions if kind_of(f.__module__ or "__main__") is Kind.NOTEBOOK)
        return {name for f in mine for name in global_names(f.__code__) if name in f.__globals__}


def carried(value: object) -> Carried:
    """The code inside a value. Looks at no more than a few thousand objects and runs none of the user's code."""
    found = Carried()
    seen: set[int] = set()
    queue: list[Any] = [value]
    while queue and len(seen) < OBJECTS:
        item = queue.pop()
        if isinstance_of(item, PLAIN) or id(item) in seen:
            continue
        seen.add(id(item))
        queue += _inside(item, found)
    found.texts += [text for f in found.functions if (text := chains_of(f.__code__))]
    return found


def isinstance_of(value: object, kinds: tuple[type, ...]) -> bool:
    """As isinstance, by what the object really is: `__class__` may be the user's own code."""
    return type(value) in kinds


def _inside(item: Any, found: Carried) -> Iterator[Any]:
    kind = type(item)
    if kind is FunctionType:
        yield from _function(item, found)
    elif issubclass(kind, type):
        yield from _class(item, found)
    elif issubclass(kind, ModuleType):
        if kind_of(item.__name__) is Kind.LOCAL:
            _bind(found, item.__name__, "")
    elif kind is MethodType:
        yield from (item.__func__, item.__self__)
    elif kind is BuiltinFunctionType:
        yield item.__self__
    elif kind in (list, tuple, set, frozenset):
        yield from islice(item, MEMBERS)
    elif issubclass(kind, dict):
        yield from islice(dict.keys(item), MEMBERS)
        yield from islice(dict.values(item), MEMBERS)
        yield kind
    else:
        yield kind
        yield from _held(item, kind)


def _held(item: Any, kind: type) -> Iterator[Any]:
    """What an object holds: what it wraps, and its attributes."""
    if kind in (staticmethod, classmethod, property, functools.partial, functools.cached_property) or callable(item):
        for name in WRAPPED:
            try:
                yield object.__getattribute__(item, name)
            except (Exception, SystemExit):  # noqa: BLE001 - the user's objects may raise anything
                continue
    if kind is functools.partial:
        yield from (item.args, item.keywords)
        return  # to ask for its `__dict__` would make one
    if not _is_users(kind) and not callable(item) and module_of(kind).partition(".")[0] in LIBRARIES_OF_DATA:
        return
    try:
        attributes = object.__getattribute__(item, "__dict__")
    except (Exception, SystemExit):  # noqa: BLE001 - as above
        return
    if type(attributes) is dict:
        yield from islice(attributes.values(), MEMBERS)


LIBRARIES_OF_DATA = frozenset({"numpy", "pandas", "polars", "pyarrow", "torch", "xarray", "scipy", "matplotlib"})


def _function(item: FunctionType, found: Carried) -> Iterator[Any]:
    where = kind_of(item.__module__ or "__main__")
    if where is Kind.LOCAL and "<" not in item.__qualname__:
        _bind(found, str(item.__module__), item.__qualname__.partition(".")[0])
    if where in (Kind.LOCAL, Kind.NOTEBOOK, Kind.MISSING):
        found.functions.append(item)
        yield from item.__defaults__ or ()
        yield from (item.__kwdefaults__ or {}).values()
        yield from item.__dict__.values()
        for cell in item.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # a name that is not bound yet
                continue


def _class(item: type, found: Carried) -> Iterator[Any]:
    for base in mro_of(item):
        where = kind_of(module_of(base))
        if where is Kind.LOCAL and "<" not in name_of(base):
            _bind(found, module_of(base), name_of(base).partition(".")[0])
        elif where in (Kind.NOTEBOOK, Kind.MISSING):
            yield from type.__getattribute__(base, "__dict__").values()


def _is_users(kind: type) -> bool:
    return kind_of(module_of(kind)) in (Kind.NOTEBOOK, Kind.LOCAL, Kind.MISSING)


def _bind(found: Carried, module: str, name: str) -> None:
    """A module, or one name of it, is reached whole."""
    where = (module, name)
    if where not in found.bound.values():
        alias = f"_jo_carried_{module.replace('.', '_')}_{name}_{len(found.bound)}"
        found.bound[alias] = where
        found.texts.append(alias)


@functools.lru_cache(maxsize=4096)
def chains_of(code: CodeType) -> str:
    """What compiled code reads, as Python: `features.build` and `import` lines, one each; nothing else of it."""
    lines: dict[str, None] = {}
    queue = [code]
    while queue:
        code = queue.pop()
        lines.update(dict.fromkeys(_lines(list(dis.get_instructions(code)))))
        queue += [c for c in code.co_consts if isinstance(c, CodeType)]
    return "\n".join(lines)


def _lines(instructions: list[dis.Instruction]) -> Iterator[str]:
    chain: list[str] = []
    module = ""
    for step in instructions:
        name = step.opname
        if name in ("LOAD_ATTR", "LOAD_METHOD") and chain:
            chain.append(str(step.argval))
            continue
        yield from _ended(chain)
        chain = []
        if name in ("LOAD_GLOBAL", "LOAD_NAME"):
            chain = [str(step.argval)]
        elif name == "IMPORT_NAME":
            module = str(step.argval)
            if module:
                yield f"import {module}"
        elif name == "IMPORT_FROM" and module:
            yield f"from {module} import {step.argval}"
    yield from _ended(chain)


def _ended(chain: list[str]) -> Iterable[str]:
    return [".".join(chain)] if len(chain) > 1 else []
