"""What a step prints, as its log: also when steps run on several threads.

`sys.stdout` and `sys.stderr` are replaced for the time of a run by a router that looks up, in a context
variable, the recorder of the step that is writing; everybody else's output passes through untouched.
"""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from itertools import groupby
from typing import Any, TextIO

from jo_notebook.core.record import LogEntry
from jo_notebook.engine.screen import OVERWRITES, Printed

LIMIT = 1_000_000  # characters of log kept for one step
PAUSE = 0.1  # seconds between two times that a step tells how far it is
BAR = re.compile(r"\r(?P<what>[^\r\n|]*?)(?:: *)? *(?P<percent>\d{1,3})%(?:\|[^|\r\n]*\|)? *(?P<count>\d\S*/\d\S*) \[")
"""The state of a bar as tqdm prints it."""

_recorder: ContextVar[Recorder | None] = ContextVar("jo_notebook_recorder", default=None)


class Recorder:
    """The log of one step while it runs. With `echo`, text is also shown where it would have been.

    `is_beside` says that other steps may run at the same time: then what is shown at once is whole lines. What is
    written over again and again, as bars are, stands in the log once, as it was last.
    """

    def __init__(
        self,
        *,
        echo: bool = True,
        on_entry: Callable[[LogEntry], None] | None = None,
        on_progress: Callable[[float | None, str], None] | None = None,
        is_beside: bool = False,
    ) -> None:
        self.echo = echo
        self.is_beside = is_beside
        self._begun: dict[str, str] = {}  # lines that are not shown yet, because they have no end
        self._entries: list[LogEntry | Printed] = []
        self._printed: dict[str, Printed] = {}  # the last text of each kind
        self._size = 0
        self._on_entry = on_entry
        self._on_progress = on_progress
        self._spared = 1.0  # how often it may tell at once how far it is
        self._told = 0.0
        self._is_below = False  # the next thing on stderr stands below a bar: it is a bar inside of that

    @property
    def entries(self) -> tuple[LogEntry, ...]:
        """The log so far; neighbouring text of one kind is one entry."""
        kept = [LogEntry(e.kind, e.text) if isinstance(e, Printed) else e for e in self._entries]
        found: list[LogEntry] = []
        for (kind, is_text), group in groupby(filter(_is_something, kept), lambda e: (e.kind, not e.data)):
            entries = list(group)
            found += [LogEntry(kind, "".join(entry.text for entry in entries))] if is_text else entries
        return tuple(found)

    def progress(self, fraction: float | None, text: str = "") -> None:
        """How far the step is, from 0 to 1 or None, and in words; told ten times a second at most."""
        if self._on_progress is None:
            return
        now = time.monotonic()
        self._spared, self._told = min(self._spared + (now - self._told) / PAUSE, 2.0), now
        if self._spared >= 1.0:
            self._spared -= 1.0
            self._on_progress(fraction, text)

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
        if entry.kind == "stderr" and self._on_progress is not None:
            self._look_for_a_bar(entry.text)
        if self._size > LIMIT:
            return
        room = LIMIT - self._size
        if len(entry.text) + sum(len(value) for _, value in entry.data) <= room:
            self._keep(entry)
            return
        self._size = LIMIT + 1
        if not entry.data:
            self._keep(LogEntry(entry.kind, entry.text[:room]))
        self._keep(LogEntry("stderr", f"\n[the log is cut here: it is longer than {LIMIT:,} characters]\n"))

    def replace(self, entry: LogEntry, now: LogEntry | None) -> None:
        """What was displayed looks otherwise by now, or is gone."""
        self._entries = [e for kept in self._entries if (e := now if kept is entry else kept) is not None]

    def _keep(self, entry: LogEntry) -> None:
        if entry.data:
            self._entries.append(entry)
            self._size += len(entry.text) + sum(len(value) for _, value in entry.data)
        else:
            self._size += self._place(entry).add(entry.text)
        if self._on_entry is not None:
            self._on_entry(entry)

    def _place(self, entry: LogEntry) -> Printed:
        """Where text goes: to the text before it, where that is of the same kind."""
        last = self._printed.get(entry.kind)
        if last is not None and last is self._entries[-1]:
            return last
        place = self._printed[entry.kind] = Printed(entry.kind)
        if last is not None and OVERWRITES.search(entry.text):
            last.hand_over(place)
        self._entries.append(place)
        return place

    def _look_for_a_bar(self, text: str) -> None:
        """What a bar of tqdm says is how far the step is; a bar inside of another one is not."""
        if "%" in text and not self._is_below and (bar := BAR.search(text)):
            words = " ".join(filter(None, (bar["what"].strip(), bar["count"].replace("/", " of "))))
            self.progress(min(int(bar["percent"]), 100) / 100, words)
        self._is_below = bool(text) and not text.strip("\n")


def _is_something(entry: LogEntry) -> bool:
    return bool(entry.text or entry.data)


def is_in_a_step() -> bool:
    """Whether this is a step's own code, also on a thread that carries its context."""
    return _recorder.get() is not None


def current_recorder() -> Recorder | None:
    """The log of the step whose code this is, if it is a step's."""
    return _recorder.get()


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
    """Inside, `sys.stdout` and `sys.stderr` look for a recorder first."""
    routers = [_Router("stdout", sys.stdout), _Router("stderr", sys.stderr)]
    sys.stdout, sys.stderr = routers
    try:
        yield
    finally:
        for router in routers:
            if getattr(sys, router.jo_kind) is router:
                setattr(sys, router.jo_kind, router.jo_stream)


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
