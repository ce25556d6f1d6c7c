"""The log of one step while it runs: every try, in order, no larger than it may be."""

from __future__ import annotations

import re
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from itertools import groupby

from jo_notebook.core.record import LogEntry
from jo_notebook.engine.notices import warn_again
from jo_notebook.engine.screen import OVERWRITES, Printed

LIMIT = 1_000_000  # characters of text kept of one try, from its beginning
TAIL = 100_000  # and from its end
SHOWN = 20_000_000  # characters of figures and tables kept of one try
EARLIER = 3_000_000  # characters of the tries before it
UNFINISHED = 10_000  # characters of a line without an end that is shown at once nevertheless
ALONE = frozenset({"display", "error"})  # kinds of which each is an entry of its own
PAUSE = 0.1  # seconds between two times that a step tells how far it is
BAR = re.compile(r"\r(?P<what>[^\r\n|]*?)(?:: *)? *(?P<percent>\d{1,3})%(?:\|[^|\r\n]*\|)? *(?P<count>\d\S*/\d\S*) \[")
"""The state of a bar as tqdm prints it."""


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
        self.attempt = 1
        self._begun: dict[str, str] = {}  # lines that are not shown yet, because they have no end
        self._entries: list[LogEntry | Printed] = []
        self._printed: dict[str, Printed] = {}  # the last text of each kind
        self._size = self._shown = self._lost = 0
        self._is_full = False
        self._end: deque[tuple[str, str]] = deque()  # what came last, where it is too much
        self._end_size = 0
        self._on_entry = on_entry
        self._on_progress = on_progress
        self._spared = 1.0  # how often it may tell at once how far it is
        self._told = 0.0
        self._is_below = False  # the next thing on stderr stands below a bar: it is a bar inside of that

    @property
    def entries(self) -> tuple[LogEntry, ...]:
        """The log so far; neighbouring text of one kind is one entry."""
        kept = [LogEntry(e.kind, e.text, attempt=self.attempt) if isinstance(e, Printed) else e for e in self._entries]
        found: list[LogEntry] = []
        for (kind, attempt, is_text), group in groupby(filter(_is_something, (*kept, *self._ending())), _alike):
            entries = list(group)
            text = "".join(entry.text for entry in entries)
            found += [LogEntry(kind, text, attempt=attempt)] if is_text else entries
        return tuple(found)

    def begin(self, attempt: int) -> None:
        """From now on this is the log of another try; those before it stay, the older ones as far as there is room."""
        warn_again()
        if attempt == self.attempt:
            return
        self._entries[:] = self.entries
        self._end.clear()
        self._printed.clear()
        self.attempt, self._is_full = attempt, False
        self._size = self._shown = self._lost = self._end_size = 0
        sizes: dict[int, int] = {}
        for entry in self._entries:
            assert isinstance(entry, LogEntry)
            sizes[entry.attempt] = sizes.get(entry.attempt, 0) + size_of(entry)
        for number in sorted(sizes):
            if sum(sizes.values()) <= EARLIER:
                break
            sizes.pop(number)
            self._entries[:] = [e for e in self._entries if isinstance(e, Printed) or e.attempt != number]

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
        if self._is_full and not (kind == "stderr" and self._on_progress is not None):
            self._keep_end(kind, text)  # there may be a million more of them
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
        if entry.kind == "stderr" and self._on_progress is not None:
            self._look_for_a_bar(entry.text)
        if entry.data:
            self._shown += size_of(entry)
            if self._shown > SHOWN:
                entry = replace(entry, data=(), text=f"{entry.text[:LIMIT]}[not kept: too large for the log]\n")
            self._keep(entry)
            return
        room = 0 if self._is_full else LIMIT - self._size
        if not self._is_full and len(entry.text) <= room:
            self._keep(entry)
            return
        if room:
            self._keep(replace(entry, text=entry.text[:room]))
        if not self._is_full and self._on_entry is not None:
            self._on_entry(LogEntry("stderr", f"\n[the log is cut here: it is longer than {LIMIT:,} characters]\n"))
        self._is_full = True
        self._keep_end(entry.kind, entry.text[room:])

    def replace(self, entry: LogEntry, now: LogEntry | None) -> None:
        """What was displayed looks otherwise by now, or is gone."""
        now = now if now is None else replace(now, attempt=self.attempt)
        self._entries = [e for kept in self._entries if (e := now if _is_it(kept, entry) else kept) is not None]

    def change(self, entry: LogEntry, now: LogEntry | None) -> None:
        """What was displayed looks otherwise by now, or is gone."""
        for place, kept in enumerate(self._entries):
            if isinstance(kept, LogEntry) and kept.data and kept.data is entry.data:  # another try has its own number
                self._entries[place : place + 1] = [] if now is None else [replace(now, attempt=kept.attempt)]
                return

    def _keep(self, entry: LogEntry) -> None:
        if entry.data or entry.kind in ALONE:
            self._entries.append(entry)
            self._size += 0 if entry.data else len(entry.text)
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
        rows = list(self._end)
        if self._lost:
            rows.insert(0, ("stderr", f"\n[{self._lost:,} characters are left out here: the log is too long]\n"))
        return [LogEntry(kind, text, attempt=self.attempt) for kind, text in rows]


def size_of(entry: LogEntry) -> int:
    """How many characters an entry has."""
    return len(entry.text) + sum(len(value) for _, value in entry.data)


def _is_it(kept: LogEntry | Printed, entry: LogEntry) -> bool:
    """Whether this is the very display."""
    return isinstance(kept, LogEntry) and bool(entry.data) and kept.data is entry.data


def _is_something(entry: LogEntry) -> bool:
    return bool(entry.text or entry.data)


def _alike(entry: LogEntry) -> tuple[str, int, bool]:
    """Neighbours for which this is equal are one text, where its last part is true."""
    return entry.kind, entry.attempt, not entry.data and entry.kind not in ALONE
