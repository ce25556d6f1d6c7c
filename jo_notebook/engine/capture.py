"""What a step prints, as its log: also when steps run on several threads.

`sys.stdout` and `sys.stderr` are replaced for the time of a run by a router that looks up, in a context
variable, the recorder of the step that is writing; everybody else's output passes through untouched.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, TextIO

from jo_notebook.core.record import LogEntry
from jo_notebook.engine.notices import Notices, is_told, warn_again

LIMIT = 1_000_000  # characters of text kept of one try, from its beginning
TAIL = 100_000  # and from its end
SHOWN = 20_000_000  # characters of figures and tables kept of one try
EARLIER = 3_000_000  # characters of the tries before it
UNFINISHED = 10_000  # characters of a line without an end that is shown at once nevertheless
ALONE = frozenset({"display", "error"})  # kinds of which each is an entry of its own

_recorder: ContextVar[Recorder | None] = ContextVar("jo_notebook_recorder", default=None)
_lock = threading.Lock()
_going_on: list[None] = []  # one for each run
_notices = Notices(_recorder.get)


class Recorder:
    """The log of one step while it runs. With `echo`, text is also shown where it would have been.

    `is_beside` says that other steps may run at the same time: then what is shown at once is whole lines.
    """

    def __init__(
        self, *, echo: bool = True, on_entry: Callable[[LogEntry], None] | None = None, is_beside: bool = False
    ) -> None:
        self.echo = echo
        self.is_beside = is_beside
        self.attempt = 1
        self._begun: dict[str, str] = {}  # lines that are not shown yet, because they have no end
        self._entries: list[LogEntry] = []
        self._pieces: list[str] = []  # of the last entry, while it grows
        self._size = self._shown = self._lost = 0
        self._end: deque[tuple[str, str]] = deque()  # what came last, where it is too much
        self._end_size = 0
        self._on_entry = on_entry

    @property
    def entries(self) -> tuple[LogEntry, ...]:
        """The log so far; neighbouring text of one kind is one entry."""
        self._settle()
        return (*self._entries, *self._ending())

    def begin(self, attempt: int) -> None:
        """From now on this is the log of another try; those before it stay, the older ones as far as there is room."""
        warn_again()
        if attempt == self.attempt:
            return
        self._entries[:] = self.entries
        self._end.clear()
        self._pieces, self.attempt = [], attempt
        self._size = self._shown = self._lost = self._end_size = 0
        sizes: dict[int, int] = {}
        for entry in self._entries:
            sizes[entry.attempt] = sizes.get(entry.attempt, 0) + size_of(entry)
        for number in sorted(sizes):
            if sum(sizes.values()) <= EARLIER:
                break
            sizes.pop(number)
            self._entries[:] = [entry for entry in self._entries if entry.attempt != number]

    def write(self, kind: str, text: str) -> None:
        """Adds printed text."""
        if self._size > LIMIT:  # there may be a million more of them
            self._keep_end(kind, text)
        else:
            self.add(LogEntry(kind, text))

    def to_show(self, kind: str, text: str) -> str:
        """What to show at once of printed text."""
        if not self.echo:
            return ""
        if not self.is_beside:
            return text
        whole, end, rest = (self._begun.get(kind, "") + text).rpartition("\n")
        self._begun[kind] = "" if len(rest) > UNFINISHED else rest
        return whole + end + ("" if self._begun[kind] else rest)

    def begun(self, kind: str) -> str:
        """The line that is not shown yet, because it has no end; it is to be shown now."""
        return self._begun.pop(kind, "")

    def add(self, entry: LogEntry) -> None:
        """Adds an entry. Of a log that is too long the middle is left out, and a line says so."""
        if self.attempt != entry.attempt:
            entry = replace(entry, attempt=self.attempt)
        if entry.data:
            self._shown += size_of(entry)
            if self._shown > SHOWN:
                entry = replace(entry, data=(), text=f"{entry.text[:LIMIT]}[not kept: too large for the log]\n")
            self._keep(entry)
            return
        room = LIMIT - self._size
        self._size += len(entry.text)
        if self._size <= LIMIT:
            self._keep(entry)
            return
        if room >= 0:
            if room:
                self._keep(replace(entry, text=entry.text[:room]))
            if self._on_entry is not None:
                self._on_entry(LogEntry("stderr", f"\n[the log is cut here: it is longer than {LIMIT:,} characters]\n"))
        self._keep_end(entry.kind, entry.text[max(room, 0) :])

    def _keep(self, entry: LogEntry) -> None:
        if self._pieces and entry.kind not in ALONE and self._entries[-1].kind == entry.kind:
            self._pieces.append(entry.text)
        else:
            self._settle()
            self._entries.append(entry)
            self._pieces = [] if entry.kind in ALONE else [entry.text]
        if self._on_entry is not None:
            self._on_entry(entry)

    def _keep_end(self, kind: str, text: str) -> None:
        """Keeps the last characters only."""
        if not text:
            return
        self._end.append((kind, text))
        self._end_size += len(text)
        with suppress(IndexError):  # another thread of the step took the last one
            while (over := self._end_size - TAIL) > 0:
                kind, text = self._end.popleft()
                gone = min(over, len(text))
                if gone < len(text):
                    self._end.appendleft((kind, text[gone:]))
                self._end_size -= gone
                self._lost += gone

    def _ending(self) -> list[LogEntry]:
        """What stands after the line that says how much is left out."""
        rows: list[tuple[str, list[str]]] = []
        if self._lost:
            rows.append(("stderr", [f"\n[{self._lost:,} characters are left out here: the log is too long]\n"]))
        for kind, text in self._end:
            if len(rows) > bool(self._lost) and rows[-1][0] == kind and kind not in ALONE:
                rows[-1][1].append(text)
            else:
                rows.append((kind, [text]))
        return [LogEntry(kind, "".join(texts), attempt=self.attempt) for kind, texts in rows]

    def _settle(self) -> None:
        if len(self._pieces) > 1:
            self._pieces = ["".join(self._pieces)]
            self._entries[-1] = replace(self._entries[-1], text=self._pieces[0])


def size_of(entry: LogEntry) -> int:
    """How many characters an entry has."""
    return len(entry.text) + sum(len(value) for _, value in entry.data)


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
