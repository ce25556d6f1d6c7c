"""What of the notebook goes to another process by value, and comes back as what it was; cloudpickle does the rest."""

from __future__ import annotations

import contextlib
import functools
import io
import pickle
import sys
import typing
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

from jo_notebook.engine.request import this_process

HERE = "__main__"
_homes: WeakKeyDictionary[type, tuple[str, frozenset[str]]] = WeakKeyDictionary()


def reduced(obj: Any) -> Any:
    """How it is taken apart, where that is not for others to say; else NotImplemented. Raises PicklingError."""
    kind = type(obj)
    if kind is memoryview:  # cloudpickle makes bytes of it, and text of an open file
        return _view, (bytes(obj) if obj.readonly else bytearray(obj), obj.format, obj.shape)
    if kind is io.TextIOWrapper and obj not in (sys.stdout, sys.stderr):
        raise pickle.PicklingError("it is an open file")
    if kind is functools.cached_property:  # in Python 3.11 it has a lock
        return _cached_property, (obj.func, obj.attrname, obj.__doc__)
    if getattr(obj, "__module__", "") != HERE or isinstance(obj, type):
        return NotImplemented
    if hasattr(obj, "cache_parameters"):  # these pickle as names, which the other process does not have
        return _cached, (obj.__wrapped__, obj.cache_parameters())
    if kind is typing.NewType:
        return typing.NewType, (obj.__name__, obj.__supertype__)
    if kind is typing.ParamSpec:
        return typing.ParamSpec, (obj.__name__,)
    return NotImplemented


def _view(data: bytes | bytearray, form: str, shape: tuple[int, ...]) -> memoryview:
    view = memoryview(data)
    return view if (form, shape) == (view.format, view.shape) else view.cast("B").cast(form, shape)  # type: ignore[call-overload]


def _cached(function: Callable[..., Any], parameters: dict[str, Any]) -> Any:
    return functools.lru_cache(**parameters)(function)


def _cached_property(function: Callable[..., Any], name: str | None, doc: str | None) -> Any:
    made: Any = functools.cached_property(function)
    made.attrname, made.__doc__ = name, doc
    return made


# -- classes ------------------------------------------------------------------------------------------


def with_home(kind: type, theirs: Any) -> Any:
    """How cloudpickle takes a class apart, and which process has it as its own; whatever is no such thing as it is."""
    if not isinstance(theirs, tuple) or len(theirs) != 6 or theirs[5] is None:
        return theirs
    home, _ = _homes.setdefault(kind, (this_process(), frozenset()))
    make, args, state, _, _, fill = theirs
    return make, _with_slots(kind, args), (home, fill, state, kind.__qualname__), None, None, _fill


def _with_slots(kind: type, args: Any) -> Any:
    """Slots have to be there from the beginning; cloudpickle's class has a `__dict__` instead."""
    slots = vars(kind).get("__slots__")
    if slots is None or issubclass(kind, tuple):  # a named tuple makes its own
        return args
    if not isinstance(args, tuple) or len(args) != 6 or not isinstance(args[3], dict):
        return args
    return *args[:3], {**args[3], "__slots__": slots}, *args[4:]


def _fill(kind: type, told: tuple[str, Callable[[type, Any], Any], Any, str]) -> type:
    """Gives a class that came here what it holds, and nothing else; one that is from here already has it.

    Without that, a class of the notebook would get methods whose globals are copies of the notebook's names.
    """
    home, fill, state, qualname = told
    known = _homes.get(kind)
    if known is not None and known[0] == home == this_process():
        return kind
    bare = known[1] if known is not None else frozenset(vars(kind))
    for name in vars(kind).keys() - bare - state[0].keys():
        with contextlib.suppress(AttributeError, TypeError):  # its metaclass may refuse
            delattr(kind, name)  # the class has lost it since it came here first, or a step has put it there
    fill(kind, state)
    kind.__qualname__ = qualname
    _homes[kind] = (home, bare)
    return kind
