"""A log file for each run of a pipeline: `time | LEVEL | message`, with all that steps print and how they fail.

Nothing here uses Python's `logging`: what a user has set up there stays theirs, and no handler is left behind.
"""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TextIO

from jo_notebook.core.events import Event, EventKind
from jo_notebook.pipeline import Pipeline

FOLDER = "logs"
KEPT = 200  # runs; the oldest files leave
NAME = re.compile(r"\d{8}-\d{6}-[0-9a-f]+\.log")
LEVELS = {
    EventKind.OUTPUT: "DEBUG",
    EventKind.QUEUED: "DEBUG",
    EventKind.LOADED: "DEBUG",
    EventKind.BLOCKED: "WARNING",
    EventKind.CANCELLED: "WARNING",
    EventKind.UNSAVED: "WARNING",
    EventKind.WARNING: "WARNING",
    EventKind.FAILED: "ERROR",
}
PARTIAL = 100_000  # characters of a line that has not ended: then it is written as it is


def keep_run_log(
    pipeline: Pipeline, folder: str | os.PathLike[str] | None = None, *, clock: Callable[[], float] = time.time
) -> Callable[[], None]:
    """From now on every run of the pipeline writes a file of its own; the returned function ends that.

    The files are in `folder`, else in `logs` in the place where results live (a pipeline in memory has none), and are
    called `<date>-<time>-<run id>.log`. The newest 200 are kept. A disk that refuses is said once in the pipeline's
    `problems`; the run goes on.
    """
    log = _RunLog(pipeline, None if folder is None else Path(folder), clock)
    end = pipeline.listen(log.follow)

    def close() -> None:
        end()
        log.close()

    return close


def log_files(pipeline: Pipeline) -> list[Path]:
    """The log files of earlier runs in the place where results live, the oldest first."""
    place = pipeline.context.place
    return [] if place is None else _files(place / FOLDER)


class _RunLog:
    """The file of the run that is going on."""

    def __init__(self, pipeline: Pipeline, folder: Path | None, clock: Callable[[], float]) -> None:
        self._pipeline = pipeline
        self._folder = folder
        self._clock = clock
        self._lock = threading.Lock()
        self._run = ""
        self._file: TextIO | None = None
        self._lines: dict[str, str] = {}  # of each step, what it printed since its last end of line

    def follow(self, event: Event) -> None:
        """A listener of a pipeline: called from any thread."""
        if not event.run_id or event.kind is EventKind.PROGRESS:
            return
        with self._lock:
            try:
                self._write(event)
            except OSError as error:
                self._file = None
                self._pipeline.problems.append(f"the log of the run cannot be written: {error.strerror or error}.")

    def close(self) -> None:
        """The file is complete."""
        with self._lock:
            self._close()

    def _write(self, event: Event) -> None:
        if event.run_id != self._run:
            if event.kind is EventKind.ENDED:
                return  # a run in which nothing happened
            self._run = event.run_id
            self._close()
            self._open()
        if self._file is None:
            return
        if event.kind is EventKind.OUTPUT:
            self._output(event.step, event.text)
        else:
            self._output(event.step, "", is_over=True)
            self._line(LEVELS.get(event.kind, "INFO"), _message(event))
        self._file.flush()
        if event.kind is EventKind.ENDED:
            self._close()

    def _output(self, step: str, text: str, *, is_over: bool = False) -> None:
        """What a step prints, by whole lines."""
        *whole, rest = (self._lines.pop(step, "") + text).split("\n")
        if rest and (is_over or len(rest) > PARTIAL):
            whole, rest = [*whole, rest], ""
        for line in whole:
            self._line("DEBUG", f"{step} | {line}")
        if rest:
            self._lines[step] = rest

    def _line(self, level: str, message: str) -> None:
        now = self._clock()
        when = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(now)) + f",{int(now * 1000) % 1000:03d}"
        if self._file is not None:
            for row in message.split("\n"):
                self._file.write(f"{when} | {level} | {row.rstrip()}\n")

    def _open(self) -> None:
        place = self._pipeline.context.place
        folder = self._folder or (place / FOLDER if place is not None else None)
        if folder is None:
            return
        folder.mkdir(parents=self._folder is not None, exist_ok=True)
        for old in _files(folder)[: -KEPT + 1]:
            old.unlink(missing_ok=True)
        when = time.strftime("%Y%m%d-%H%M%S", time.localtime(self._clock()))
        path = folder / f"{when}-{self._run}.log"
        self._file = open(path, "a", encoding="utf-8", errors="backslashreplace", newline="\n")  # noqa: SIM115
        of = "" if place is None else f" of {place.name}"
        self._line("INFO", f"Run {self._run}{of} begins")

    def _close(self) -> None:
        if self._file is not None:
            file, self._file = self._file, None
            file.close()
        self._lines.clear()


def _message(event: Event) -> str:
    step, took = event.step, f" after {event.seconds:.3f} s"
    said = {
        EventKind.QUEUED: f"{step} waits for its turn",
        EventKind.STARTED: f"{step} starts",
        EventKind.LOADED: f"{step} is loaded",
        EventKind.KEPT: f"{step} need not run: {event.text}",
        EventKind.FINISHED: f"{step} is done{took}",
        EventKind.UNSAVED: f"{step} is kept in memory only: {event.text}",
        EventKind.FAILED: f"{step} failed{took}: {event.text}",
        EventKind.BLOCKED: f"{step} is not run: {event.text}",
        EventKind.CANCELLED: f"{step} is not run: the run ended before",
        EventKind.ENDED: f"The run is over{took}",
    }
    return said.get(event.kind) or ": ".join(filter(None, (step, event.text or str(event.kind))))


def _files(folder: Path) -> list[Path]:
    try:
        return sorted(path for path in folder.iterdir() if NAME.fullmatch(path.name))
    except OSError:
        return []
