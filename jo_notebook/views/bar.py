"""What the bar of a run says, in a terminal and in a notebook: steps done, what runs now, when it will end."""

from __future__ import annotations

import time
from collections.abc import Callable

from jo_notebook.core.events import Event, EventKind
from jo_notebook.views.words import far, left, one_line, shorten

ENDS = (EventKind.FINISHED, EventKind.KEPT, EventKind.FAILED, EventKind.BLOCKED)
LEAST = "at least"
NAMED = 3


class RunBar:
    """Follows the events of a run. Between two of them the time that is left goes down by itself.

    `note` is a sentence that goes before everything else: what the run waits for.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._running: dict[str, Event | None] = {}
        self._end: float | None = None
        self._is_least = False
        self.note = ""
        self.total = self.done = self.failed = 0

    @property
    def is_busy(self) -> bool:
        """Whether there is anything to say."""
        return bool(self._running or self.note)

    @property
    def share(self) -> float:
        """How much of the run is done, from 0 to 1, with what running steps say of themselves."""
        parts = sum(event.fraction or 0.0 for event in self._running.values() if event is not None)
        return min((self.done + parts) / self.total, 1.0) if self.total else 0.0

    def hear(self, event: Event) -> None:
        """One event of a run."""
        kind, step = event.kind, event.step
        if kind is EventKind.QUEUED:
            self.total += 1
        elif kind is EventKind.STARTED:
            self._running[step], self.note = None, ""
        elif kind in ENDS or kind is EventKind.CANCELLED:
            self._running.pop(step, None)
            self.done += kind is not EventKind.CANCELLED
            self.failed += kind is EventKind.FAILED
            self.total = max(self.total, self.done)
            self.note = ""
        elif kind is EventKind.CLAIMED:
            self.note = event.text
        elif kind is EventKind.PROGRESS and step in self._running:
            self._running[step] = event
        elif kind is EventKind.PROGRESS and not step:
            self._end, self._is_least = self._clock() + event.seconds, event.text == LEAST

    def left(self) -> str:
        """When the run will end: about 3 min left; empty where nobody knows, or where that time is over."""
        seconds = -1.0 if self._end is None else self._end - self._clock()
        return left(seconds, is_least=self._is_least) if seconds >= 0.0 else ""

    def running(self, width: int) -> str:
        """What runs now, in so many columns: Train 45 %, Load. One step alone also says in words how far it is."""
        rows = list(self._running.items())
        said = [f"{one_line(step)} {far(event.fraction) if event is not None else ''}".rstrip() for step, event in rows]
        if len(rows) == 1 and (event := rows[0][1]) is not None and event.text:
            said = [f"{said[0]} ({one_line(event.text)})"]
        more = f" and {len(said) - NAMED} more" if len(said) > NAMED else ""
        return shorten(", ".join(said[:NAMED]) + more, width)
