"""What a step prints, as its log: also when steps run on several threads.

`sys.stdout` and `sys.stderr` are replaced for the time of a run by a router that looks up, in a context
variable, the recorder of the step that is writing; everybody else's output passes through untouched.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, TextIO

from jo_notebook.core.record import LogEntry

LIMIT = 1_000_000  # characters of log kept for one step

_routing = threading.Lock()
_routed = 0  # runs that go on

_recorder: ContextVar[Recorder | None] = ContextVar("jo_notebook_recorder", default=None)


class Recorder:
    """The log of one step while it runs. With `echo`, text is also shown where it would have been.

    `is_beside` says that other steps may run at the same time: then what is shown at once is whole lines.
    """

    def __init__(
        self, *, echo: bool = True, on_entry: Callable[[LogEntry], None] | None = None, is_beside: bool = False
    ) -> None:
        self.echo = echo
        self.is_beside = is_beside
        self._begun: dict[str, str] = {}  # lines that are not shown yet, because they have no end
        self._entries: list[LogEntry] = []
        self._pieces: list[str] = []  # of the last entry, while it grows
        self._size = 0
        self._on_entry = on_entry

    @property
    def entries(self) -> tuple[LogEntry, ...]:
        """The log so far; neighbouring text of one kind is one entry."""
        self._settle()
        return tuple(self._entries)

    def write(self, kind: str, text: str) -> None:
        """Adds printed text."""
        self.add(LogEntry(kind, text))

    def to_show(self, kind: str, text: str) -> str:
        """What to show at once of printed text."""
        if not self.echo:
            return ""
        if not self.is_beside:
            return text
        whole, end, self._begun[kind] = (self._begun.get(kind, "") + text).rpartition("\n")
        return whole + end

    def begun(self, kind: str) -> str:
        """The line that is not shown yet, because it has no end; it is to be shown now."""
        return self._begun.pop(kind, "")

    def add(self, entry: LogEntry) -> None:
        """Adds an entry, until the log is full; then one line says so."""
        if self._size > LIMIT:
            return
        room = LIMIT - self._size
        self._size += len(entry.text) + sum(len(value) for _, value in entry.data)
        if self._size <= LIMIT:
            self._keep(entry)
            return
        if not entry.data:
            self._keep(LogEntry(entry.kind, entry.text[:room]))
        self._keep(LogEntry("stderr", f"\n[the log is cut here: it is longer than {LIMIT:,} characters]\n"))

    def _keep(self, entry: LogEntry) -> None:
        if self._pieces and not entry.data and self._entries[-1].kind == entry.kind:
            self._pieces.append(entry.text)
        else:
            self._settle()
            self._entries.append(entry)
            self._pieces = [] if entry.data else [entry.text]
        if self._on_entry is not None:
            self._on_entry(entry)

    def _settle(self) -> None:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
            self._entries[-1] = LogEntry(self._entries[-1].kind, self._pieces[0])


def is_in_a_step() -> bool:
    """Whether this is a step's own code, also on a thread that carries its context."""
    return _recorder.get() is not None


@contextmanager
def recording(recorder: Recorder) -> Iterator[None]:
    """Inside, what this thread (and what it starts with its context) prints goes to the recorder."""
    token = _recorder.set(recorder)
    try:
        yield
    finally:
        if recorder.is_beside:
            for stream in (sys.stdout, sys.stderr):
                with suppress(Exception):  # whatever the user has put there
                    stream.flush()
        _recorder.reset(token)


@contextmanager
def routed_output() -> Iterator[None]:
    """Inside, `sys.stdout` and `sys.stderr` look for a recorder first. Runs side by side share what does that."""
    global _routed
    with _routing:
        _routed += 1
        for kind in ("stdout", "stderr"):
            stream = getattr(sys, kind)
            if not isinstance(stream, _Router):
                setattr(sys, kind, _Router(kind, stream))
    try:
        yield
    finally:
        with _routing:
            _routed -= 1
            for kind in ("stdout", "stderr") if not _routed else ():
                router = getattr(sys, kind)
                if isinstance(router, _Router):
                    setattr(sys, kind, router.jo_stream)


class _Router:
    """A text stream that hands what is written to the recorder of the writer, if there is one."""

    def __init__(self, kind: str, stream: TextIO) -> None:
        self.jo_kind = kind
        self.jo_stream = stream

    def write(self, text: str) -> int:
        recorder = _recorder.get()
        if recorder is None:
            return self.jo_stream.write(text)
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
