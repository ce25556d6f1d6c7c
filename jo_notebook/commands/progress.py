"""How far a run is, on stderr: a bar on a terminal, plain lines elsewhere.

Plain lines begin once a run has taken a few seconds (then with what was done before): a quick run says all there is
to say in its last line.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

from jo_notebook.commands.streams import Stream
from jo_notebook.core.events import Event, EventKind
from jo_notebook.views.bar import ENDS, RunBar
from jo_notebook.views.words import duration, one_line

DELAY = 3.0
WIDTH = 80
TICK = 0.5
NAMES_WIDTH = 48
CHOICES = ("auto", "bar", "lines", "none")
FORMAT = "{n_fmt}/{total_fmt} |{bar:24}| {elapsed}{desc}"


class Progress(Protocol):
    """Hears what happens to steps, and shows it until it is closed."""

    def hear(self, event: Event) -> None:
        """One event of a run."""


class Lines:
    """A line for each step that came to an end: `[2/8] Clean … 1.2 s`."""

    def __init__(self, target: Stream, *, delay: float = DELAY) -> None:
        self._target = target
        self._delay = delay
        self._waiting: list[str] = []
        self._began = 0.0
        self._total = self._done = 0
        self._lock = threading.Lock()

    def hear(self, event: Event) -> None:
        """Counts, and says what came to an end."""
        with self._lock:
            self._began = self._began or time.monotonic()
            if event.kind is EventKind.QUEUED:
                self._total += 1
            elif event.kind in ENDS:
                self._done += 1
                self._total = max(self._total, self._done)
                self._waiting.append(f"[{self._done}/{self._total}] {one_line(event.step)} … {_ended(event)}\n")
            elif event.kind is EventKind.CLAIMED:
                self._waiting.append(f"{one_line(event.text)}\n")
            is_late = time.monotonic() - self._began >= self._delay
            if self._waiting and (is_late or event.kind is EventKind.CLAIMED):
                text, self._waiting = "".join(self._waiting), []
                self._target.write(text)
                self._target.flush()


class Bar:
    """A bar at the foot of a terminal: steps done, time so far, time that is left, what is running now."""

    def __init__(self, target: Any) -> None:
        self._target = target
        self._bar: Any = None
        self._run = RunBar()
        self._lock = threading.RLock()
        self._is_over = threading.Event()

    def hear(self, event: Event) -> None:
        """Draws the bar anew where something has changed; it appears with the first step."""
        with self._lock:
            self._run.hear(event)
            self._draw()

    @contextlib.contextmanager
    def above(self) -> Iterator[None]:
        """Inside there is room for other lines on the terminal."""
        with self._lock:
            if self._bar is not None:
                self._bar.clear(nolock=True)
            yield
            if self._bar is not None:
                self._bar.refresh(nolock=True)

    def close(self) -> None:
        """Takes the bar away."""
        self._is_over.set()
        with self._lock:
            if self._bar is not None:
                self._bar.close()
                self._bar = None

    def _draw(self) -> None:
        if self._bar is None:
            if not self._run.is_busy:
                return
            self._bar = _foot(total=self._run.total, file=self._target, ncols=self._width())
            threading.Thread(target=self._tick, name="jo_notebook_bar", daemon=True).start()
        run, left = self._run, self._run.left()
        self._bar.total, self._bar.n = run.total, run.done
        self._bar.ncols = self._width()
        doing = f"  {one_line(run.note) or run.running(NAMES_WIDTH)}"
        self._bar.set_description_str(f"{left and f', {left}'}{doing}", refresh=False)
        self._bar.refresh(nolock=True)

    def _width(self) -> int:
        """How wide the terminal is now; some do not say."""
        try:
            width = os.get_terminal_size(self._target.fileno()).columns
        except (OSError, ValueError):
            width = 0
        return (width or WIDTH) - 1

    def _tick(self) -> None:
        """Keeps the time going while a step runs for long."""
        while not self._is_over.wait(TICK):
            with self._lock:
                if self._bar is not None:
                    self._draw()


@contextlib.contextmanager
def shown(choice: str, out: Stream, err: Stream) -> Iterator[Callable[[Event], None]]:
    """Inside, the function that is given shows how far a run is, in the way that is chosen (a word of CHOICES)."""
    if choice == "auto":
        choice = "bar" if err.isatty() else "late lines"
    if choice == "none":
        yield lambda event: None
        return
    if choice != "bar":
        yield Lines(err, delay=0.0 if choice == "lines" else DELAY).hear
        return
    bar = Bar(err.jo_target)
    with contextlib.ExitStack() as stack:
        for stream in {id(s): s for s in (out, err)}.values():
            if stream.isatty():
                stack.enter_context(stream.under(bar.above))
        stack.callback(bar.close)
        yield bar.hear


def _foot(**settings: Any) -> Any:
    """A bar of tqdm that knows of no other: bars of the user's own have their places as if this one were not there."""
    from weakref import WeakSet

    from tqdm import tqdm

    foot: Any = type("Foot", (tqdm,), {"_instances": WeakSet(), "monitor_interval": 0})
    return foot(bar_format=FORMAT, leave=False, **settings)


def _ended(event: Event) -> str:
    """How a step came to an end."""
    took = duration(event.seconds)
    if event.kind is EventKind.FINISHED:
        return took
    if event.kind is EventKind.FAILED:
        return f"failed after {took}: {one_line(event.text)}"
    if event.kind is EventKind.BLOCKED:
        return f"not run: {one_line(event.text)}"
    return f"kept: {one_line(event.text)}"
