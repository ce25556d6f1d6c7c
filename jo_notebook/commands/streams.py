"""Where a command's words go: answers to stdout, complaints to stderr, and what steps print beside a bar.

With `--json` stdout carries the answer and nothing else: whatever prints there, in this process or in one that it
starts, comes out on stderr. A reader that has gone away (`jo plan x | head -1`) stops no run and is no error.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any, TextIO

ANSI = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
Above = Callable[[], contextlib.AbstractContextManager[object]]


class Stream:
    """A text stream that outlives its reader, and that makes room for itself above whatever is drawn on a terminal."""

    def __init__(self, target: TextIO) -> None:
        self.jo_target = target
        self._line = ""
        self._above: Above | None = None
        self._lock = threading.RLock()

    def write(self, text: str) -> int:
        """Writes text; under a bar whole lines only."""
        with self._lock:
            if self._above is None:
                self._put(text)
                return len(text)
            whole, newline, self._line = (self._line + text).rpartition("\n")
            if newline:
                with self._above():
                    self._put(whole + newline)
                    self.flush()
        return len(text)

    def writelines(self, lines: Any) -> None:
        """Writes each of them."""
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Hands on what was written."""
        with self._lock:
            try:
                self.jo_target.flush()
            except BrokenPipeError:
                self._go_nowhere()

    @contextlib.contextmanager
    def under(self, above: Above) -> Iterator[None]:
        """Inside, what is written makes room first: `above` is entered around it."""
        self._above = above
        try:
            yield
        finally:
            with self._lock:
                self._above, rest, self._line = None, self._line, ""
                self._put(rest)
                self.flush()

    def _put(self, text: str) -> None:
        try:
            self.jo_target.write(text)
        except BrokenPipeError:
            self._go_nowhere()
        except UnicodeEncodeError as error:
            self.jo_target.write(text.encode(error.encoding, "backslashreplace").decode(error.encoding))

    def _go_nowhere(self) -> None:
        """Nobody reads any more: from now on, and at the end of Python, what is written goes to no place."""
        nowhere = os.open(os.devnull, os.O_WRONLY)
        with contextlib.suppress(OSError, ValueError):
            os.dup2(nowhere, self.jo_target.fileno())
        os.close(nowhere)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.jo_target, name)


class Streams:
    """The two streams of one command. `wants_data` is `--json`: then `answer` is what counts, and `say` is silent."""

    def __init__(self, out: Stream, err: Stream, *, wants_data: bool = False, steps: Stream | None = None) -> None:
        self.out = out
        self.err = err
        self.wants_data = wants_data
        self.source = ""
        self._steps = steps or out

    def say(self, text: str, *, is_ours: bool = True) -> None:
        """An answer for people, on stdout; our own sentences as the command line says them."""
        if text and not self.wants_data:
            text = self.worded(text) if is_ours else text
            self.out.write(text if text.endswith("\n") else text + "\n")
            self.out.flush()

    def worded(self, text: str) -> str:
        """A sentence of ours, in which `jo` commands over this source stand for magics; a traceback stays as it is."""
        if "%" not in text or "Traceback" in text:
            return text
        from jo_notebook.wording import as_commands

        return as_commands(text, self.source)

    def show(self, text: str) -> None:
        """What was asked for in so many words (help, a version), on stdout."""
        self.out.write(text + "\n")
        self.out.flush()

    def answer(self, data: dict[str, Any]) -> None:
        """An answer for programs, on stdout."""
        self.out.write(json.dumps(data, indent=2, ensure_ascii=True, default=str) + "\n")
        self.out.flush()

    def complain(self, text: str) -> None:
        """A message on stderr; one line has the name of the program in front."""
        shown = text if self.err.isatty() else ANSI.sub("", text)
        self.err.write(f"{shown}\n" if "\n" in shown or shown.startswith("jo ") else f"jo: {shown}\n")
        self.err.flush()

    def write(self, stream: str, text: str) -> None:
        """What a step or a cell printed in a kernel."""
        target = self.err if stream == "stderr" else self._steps
        target.write(text if target.isatty() else ANSI.sub("", text))
        target.flush()


@contextlib.contextmanager
def streams(*, wants_data: bool) -> Iterator[Streams]:
    """Inside, `sys.stdout` and `sys.stderr` are ours; with `wants_data` stdout is kept for the answer."""
    stdout, stderr = sys.stdout or _nowhere(), sys.stderr or _nowhere()
    err = Stream(stderr)
    with contextlib.ExitStack() as stack:
        kept = stack.enter_context(_kept_apart(stdout)) if wants_data else stdout
        out = Stream(kept)
        steps = err if wants_data else out
        sys.stdout, sys.stderr = steps, err
        try:
            yield Streams(out, err, wants_data=wants_data, steps=steps)
        finally:
            out.flush()
            err.flush()
            sys.stdout, sys.stderr = stdout, stderr


@contextlib.contextmanager
def _kept_apart(stdout: TextIO) -> Iterator[TextIO]:
    """Another way to stdout, which itself leads to stderr meanwhile, for child processes too."""
    try:
        is_ours = stdout is sys.__stdout__ and stdout.fileno() == 1
    except (OSError, ValueError):
        is_ours = False
    if not is_ours:
        yield stdout
        return
    stdout.flush()
    number = os.dup(1)
    os.dup2(2, 1)
    kept = os.fdopen(number, "w", encoding="utf-8", closefd=False)
    try:
        yield kept
    finally:
        with contextlib.suppress(BrokenPipeError):
            kept.flush()
        os.dup2(number, 1)
        os.close(number)


def open_what_is_closed() -> None:
    """Gives a process that was started with a standard stream closed one that leads nowhere.

    Else the next file to be opened would take its number, and be written to.
    """
    for number in (0, 1, 2):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)


def _nowhere() -> TextIO:
    return open(os.devnull, "w", encoding="utf-8")
