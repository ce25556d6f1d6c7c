"""What a step prints, as its log: also when steps run on several threads.

`sys.stdout` and `sys.stderr` are replaced for the time of a run by a router that looks up, in a context
variable, the recorder of the step that is writing; everybody else's output passes through untouched.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TextIO

from jo_notebook.engine.notices import Notices, is_told
from jo_notebook.engine.recorder import Recorder as Recorder

_recorder: ContextVar[Recorder | None] = ContextVar("jo_notebook_recorder", default=None)
_lock = threading.Lock()
_going_on: list[None] = []  # one for each run
_notices = Notices(_recorder.get)


def is_in_a_step() -> bool:
    """Whether this is a step's own code, also on a thread that carries its context."""
    return _recorder.get() is not None


def current_recorder() -> Recorder | None:
    """The log of the step whose code this is, if it is a step's."""
    return _recorder.get()


class recording:
    """Inside, what this thread (and what it starts with its context) prints goes to the recorder."""

    __slots__ = ("_recorder", "_token")

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder

    def __enter__(self) -> None:
        self._token = _recorder.set(self._recorder)

    def __exit__(self, *failure: object) -> None:
        try:
            if self._recorder.is_beside:
                for stream in (sys.stdout, sys.stderr):
                    with suppress(Exception):  # whatever the user has put there
                        stream.flush()
        finally:
            _recorder.reset(self._token)


@contextmanager
def routed_output() -> Iterator[None]:
    """Inside, `sys.stdout`, `sys.stderr`, `logging` and `warnings` look for a recorder first.

    Runs may go on side by side: the last one to end puts everything back.
    """
    with _lock:
        for kind in ("stdout", "stderr"):
            if not isinstance(getattr(sys, kind), _Router):
                setattr(sys, kind, _Router(kind, getattr(sys, kind)))
        if not _going_on:
            _notices.listen()
        _going_on.append(None)
    try:
        yield
    finally:
        with _lock:
            _going_on.pop()
            if not _going_on:
                _notices.close()
                for kind in ("stdout", "stderr"):
                    while isinstance(getattr(sys, kind), _Router):
                        setattr(sys, kind, getattr(sys, kind).jo_stream)


class _Router:
    """A text stream that hands what is written to the recorder of the writer, if there is one."""

    def __init__(self, kind: str, stream: TextIO) -> None:
        self.jo_kind = kind
        self.jo_stream = stream

    def write(self, text: str) -> int:
        recorder = _recorder.get()
        if recorder is None:
            return self.jo_stream.write(text)
        if not is_told():
            recorder.write(self.jo_kind, text)
        if shown := recorder.to_show(self.jo_kind, text):
            self.jo_stream.write(shown)
        return len(text)

    def flush(self) -> None:
        recorder = _recorder.get()
        if recorder is not None and (begun := recorder.begun(self.jo_kind)):
            self.jo_stream.write(begun)
        self.jo_stream.flush()

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.jo_stream, name)
