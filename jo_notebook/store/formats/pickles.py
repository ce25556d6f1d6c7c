"""Values as pickles: by the standard library where it can, by dill where it cannot.

Both name a notebook's classes instead of copying them, so `isinstance` holds after a restart. Only
dill writes functions of the notebook and, as the last resort, classes by value. Values that hold open
files, sockets or locks are refused by name: dill would write the handle and empty the file on reading.

Large memory that an object offers (an array's, a frame's) goes out of band: it is not copied, and on reading
the object lies in the buffers it is given.
"""

from __future__ import annotations

import functools
import io
import pickle
import threading
import types
import warnings
import weakref
from collections.abc import Sequence
from typing import Any

from jo_notebook.store.formats.contract import NotDefined, Refused, Unfit, Written
from jo_notebook.store.formats.npy import is_array
from jo_notebook.store.formats.unfit import LOCK, Culprits, culprit, path_to, word_of

PROTOCOL = 5
OUT_OF_BAND = 16 * 1024
"""Bytes from which memory gets a buffer of its own."""

_warnings = threading.RLock()  # the list of warning filters is the process's


class _Sink:
    """What a pickler writes to: pieces, joined once, and the buffers beside them."""

    def __init__(self) -> None:
        self._pieces: list[bytes] = []
        self.buffers: list[memoryview] = []
        self.write = self._pieces.append

    def keep(self, buffer: pickle.PickleBuffer) -> bool:
        """Whether the pickler shall write this memory into the stream."""
        try:
            view = buffer.raw()
        except BufferError:  # not contiguous
            return True
        if view.nbytes < OUT_OF_BAND:
            return True
        self.buffers.append(view)
        return False

    def stream(self) -> bytes:
        """All that was written."""
        return self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)


class _Plain(pickle.Pickler):
    """The standard library's pickler, which leaves to dill what is dill's and to nobody what is nobody's."""

    def __init__(self, sink: _Sink) -> None:
        super().__init__(sink, PROTOCOL, buffer_callback=sink.keep)
        self._fine: set[type] = set()

    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if kind in self._fine:
            return NotImplemented
        if what := culprit(obj):
            raise Unfit(what)
        if kind is not types.FunctionType:
            self._fine.update([] if word_of(kind) else [kind])
        elif obj.__module__ in ("__main__", None):
            raise Refused("a function of the notebook")  # by name it would be lost with the kernel
        return NotImplemented


def encode_pickle(value: object) -> Written:
    """The standard library's pickle, in C. Raises Refused for what is dill's or nobody's."""
    sink = _Sink()
    _dump(_Plain(sink), value, [])
    return sink.stream(), tuple(sink.buffers), {}


def decode_pickle(stream: bytes, buffers: Sequence[memoryview]) -> object:
    """The reverse of `encode_pickle`. Raises NotDefined, and whatever the value's own code raises."""
    return _Named(io.BytesIO(stream), buffers=buffers).load()


def encode_dill(value: object) -> Written:
    """dill with classes by name, else by value. Raises Refused with the path to the culprit."""
    import dill

    if type(value) is weakref.ReferenceType:
        raise Unfit("result: weak reference (what it refers to is nobody's)")
    try:
        return *_dill(value, byref=True), {"dill": dill.__version__, "classes": "by name"}
    except Unfit:
        raise
    except Refused:
        return *_dill(value, byref=False), {"dill": dill.__version__, "classes": "by value"}


def decode_dill(stream: bytes, buffers: Sequence[memoryview]) -> object:
    """The reverse of `encode_dill`. Raises NotDefined, and whatever the value's own code raises."""
    import dill

    class Named(dill.Unpickler):  # type: ignore[misc]
        def find_class(self, module: str, name: str) -> Any:
            return _found(super().find_class, module, name)

    return Named(io.BytesIO(stream), buffers=buffers).load()


def _dill(value: object, *, byref: bool) -> tuple[bytes, tuple[memoryview, ...]]:
    import dill

    trail: list[object] = []  # not unwound by an error: then it is the way to the culprit
    culprit = Culprits()

    class Walked(dill.Pickler):  # type: ignore[misc]
        """Writes arrays with their memory beside the stream, which dill does not, and stops at a culprit."""

        def save(self, obj: object, save_persistent_id: bool = True) -> None:
            trail.append(obj)
            if is_array(obj) and id(obj) not in self.memo:
                self.save_reduce(*obj.__reduce_ex__(PROTOCOL), obj=obj)
            elif not (what := culprit(obj)):
                super().save(obj, save_persistent_id)
            elif what == LOCK and any(isinstance(o, functools.cached_property) for o in trail[-4:]):
                self.save_reduce(threading.RLock, (), obj=obj)  # Python 3.11's; dill would make it locked for ever
            else:
                raise Unfit(what)
            trail.pop()

    sink = _Sink()
    pickler = Walked(sink, PROTOCOL, byref=byref, recurse=True, buffer_callback=sink.keep)
    with _warnings, warnings.catch_warnings():
        warnings.simplefilter("ignore", dill.PicklingWarning)  # said of every class of __main__
        _dump(pickler, value, trail)
    return sink.stream(), tuple(sink.buffers)


def _dump(pickler: Any, value: object, trail: list[object]) -> None:
    """Write a value. Raises Refused for any error on the way."""
    try:
        pickler.dump(value)
    except Refused as refusal:
        raise type(refusal)(f"{path_to(trail)}: {refusal}") from None
    except (Exception, SystemExit) as error:  # a value's own code runs here and may raise anything
        text = "nested too deeply" if isinstance(error, RecursionError) else str(error) or type(error).__name__
        raise Refused(f"{path_to(trail)}: {text}") from error


class _Named(pickle.Unpickler):
    """An unpickler that says which of the notebook's names is missing."""

    def find_class(self, module: str, name: str) -> Any:
        return _found(super().find_class, module, name)


def _found(find: Any, module: str, name: str) -> Any:
    try:
        return find(module, name)
    except AttributeError:
        if module == "__main__":
            raise NotDefined(name) from None
        raise
