"""Values as pickles: by the standard library where it can, by dill where it cannot.

Both name a notebook's classes instead of copying them, so `isinstance` holds after a restart. Only
dill writes functions of the notebook and, as the last resort, classes by value. Values that hold open
files, sockets or locks are refused by name: dill would write the handle and empty the file on reading.
"""

from __future__ import annotations

import functools
import io
import pickle
import socket
import threading
import types
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

PROTOCOL = 5
PROBE_BELOW = 64 * 1024
PATH_LIMIT = 12
_LOCKS = (type(threading.Lock()), type(threading.RLock()))
_FILES = (io.FileIO, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.BufferedRWPair, io.TextIOWrapper)
_warnings = threading.RLock()  # the list of warning filters is the process's


class Refused(Exception):
    """A value that cannot be written; the message is the path to the culprit and what it is."""


class Unfit(Refused):
    """A value that holds what no format may write."""


class NotDefined(Exception):
    """A class or function of the notebook that this kernel does not have; the message is its name."""


def culprit(obj: object) -> str:
    """What makes this object unfit for any file, or an empty string."""
    if isinstance(obj, _FILES):
        return f"open file {getattr(obj, 'name', '')!r}" if not obj.closed else "file handle"
    if isinstance(obj, socket.socket):
        return "socket"
    if isinstance(obj, _LOCKS):
        return "thread lock"
    return ""


def encode_plain(value: object) -> tuple[bytes, Mapping[str, str]]:
    """The standard library's pickle, in C. Raises Refused for what is dill's or nobody's."""

    class Plain(pickle.Pickler):
        def reducer_override(self, obj: Any) -> Any:
            if what := culprit(obj):
                raise Unfit(what)
            if isinstance(obj, types.FunctionType) and obj.__module__ in ("__main__", None):
                raise Refused("a function of the notebook")  # by name it would be lost with the kernel
            return NotImplemented

    out = io.BytesIO()
    return _written(lambda: Plain(out, PROTOCOL).dump(value), out, decode_plain), {}


def decode_plain(payload: bytes) -> object:
    """The reverse of `encode_plain`. Raises NotDefined, and whatever the value's own code raises."""
    return _named(pickle.Unpickler)(io.BytesIO(payload)).load()


def encode_dill(value: object) -> tuple[bytes, Mapping[str, str]]:
    """dill with classes by name, else by value. Raises Refused with the path to the culprit."""
    import dill

    try:
        return _dill(value, byref=True), {"dill": dill.__version__, "classes": "by name"}
    except Unfit:
        raise
    except Refused:
        return _dill(value, byref=False), {"dill": dill.__version__, "classes": "by value"}


def decode_dill(payload: bytes) -> object:
    """The reverse of `encode_dill`. Raises NotDefined, and whatever the value's own code raises."""
    import dill

    return _named(dill.Unpickler)(io.BytesIO(payload)).load()


def _dill(value: object, *, byref: bool) -> bytes:
    import dill

    trail: list[object] = []  # not unwound by an error: then it is the way to the culprit

    class Walked(dill.Pickler):  # type: ignore[misc]
        def save(self, obj: object, save_persistent_id: bool = True) -> None:
            trail.append(obj)
            if not (what := culprit(obj)):
                super().save(obj, save_persistent_id)
            elif what == "thread lock" and any(isinstance(o, functools.cached_property) for o in trail[-4:]):
                self.save_reduce(threading.RLock, (), obj=obj)  # Python 3.11's; dill would make it locked for ever
            else:
                raise Unfit(what)
            trail.pop()

    out = io.BytesIO()
    pickler = Walked(out, PROTOCOL, byref=byref, recurse=True)
    with _warnings, warnings.catch_warnings():
        warnings.simplefilter("ignore", dill.PicklingWarning)  # said of every class of __main__
        return _written(lambda: pickler.dump(value), out, decode_dill, trail)


def _written(dump: Any, out: io.BytesIO, load: Any, trail: list[object] | None = None) -> bytes:
    """What `dump` wrote, read back once if it is small. Raises Refused for any error on the way."""
    try:
        dump()
    except Refused as refusal:
        raise type(refusal)(f"{path_of(trail or [])}: {refusal}") from None
    except Exception as error:  # a value's own code runs here and may raise anything
        text = "nested too deeply" if isinstance(error, RecursionError) else str(error) or type(error).__name__
        raise Refused(f"{path_of(trail or [])}: {text}") from error
    payload = out.getvalue()
    if len(payload) < PROBE_BELOW:
        try:
            load(payload)
        except Exception as error:
            raise Refused(f"result: cannot be read back ({type(error).__name__}: {error})") from error
    return payload


def _named(base: Any) -> Any:
    """An unpickler that says which of the notebook's names is missing."""

    class Named(base):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            try:
                return super().find_class(module, name)
            except AttributeError:
                if module == "__main__":
                    raise NotDefined(name) from None
                raise

    return Named


def path_of(trail: list[object]) -> str:
    """The way from a result to the last object of a trail, for instance `result['db'].conn`."""
    steps = list(_steps_of(trail))
    return "result" + "".join(steps[:PATH_LIMIT]) + (" …" if len(steps) > PATH_LIMIT else "")


def _steps_of(trail: list[object]) -> Iterator[str]:
    holder = trail[0] if trail else None
    for obj in trail[1:]:
        if obj is getattr(holder, "__dict__", None):
            continue
        if step := _step(holder, obj):
            yield step
            holder = obj
        elif not isinstance(obj, (str, int, type, tuple)) and holder is not None and obj is trail[-1]:
            yield f" … {type(obj).__name__}"


def _step(holder: object, obj: object) -> str:
    """How `obj` is reached from `holder`, or an empty string."""
    if isinstance(holder, dict):
        found = next((key for key, value in holder.items() if value is obj), None)
        return "" if found is None else f"[{found!r:.40}]"
    if isinstance(holder, (list, tuple)):
        return next((f"[{n}]" for n, value in enumerate(holder) if value is obj), "")
    fields = getattr(holder, "__dict__", None) or {}
    return next((f".{name}" for name, value in fields.items() if value is obj), "")
