"""A shell command as a step: its output is the step's log, and nothing of it outlives the step."""

from __future__ import annotations

import codecs
import contextlib
import contextvars
import os
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import IO, Any

from jo_notebook.errors import CommandFailed

TURN = 0.05
CHUNK = 1 << 16
GRACE = 2.0  # seconds that a command gets to end by itself once it is asked to
DRAIN = 1.0  # seconds for what a command left running in the background to say something more
RAISING = [getattr(signal, name) for name in ("SIGINT", "SIGALRM") if hasattr(signal, name)]
IS_WINDOWS = os.name == "nt"


def run_command(command: str, /, **values: object) -> None:
    """Runs a command by the system's shell in the working directory; it has no input to read.

    `values` are variables of its environment. What it prints is printed here, as it comes. Raises CommandFailed where
    it ends with another exit code than 0. Whatever ends the wait (an interrupt, a time that is up) ends the command
    and all that it has started, too.
    """
    environ = {**os.environ, **{name: _as_text(value) for name, value in values.items()}}
    apart: dict[str, Any] = {"start_new_session": True}
    if IS_WINDOWS:
        apart = {"creationflags": getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0)}
    process: subprocess.Popen[bytes] | None = None
    try:
        with _held_back():
            process = subprocess.Popen(
                command,
                shell=True,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environ,
                bufsize=0,
                **apart,
            )
        code = _follow_by_threads(process) if IS_WINDOWS else _follow(process)
    except BaseException:
        if process is not None:
            _end(process)
        raise
    if code:
        raise CommandFailed(f"the command {_how_it_ended(code)}: {_first_line(command)}", code)


@contextmanager
def _held_back() -> Iterator[None]:
    """Inside, a signal that would raise waits: an interrupt must not come between a new process and its name."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    raising = {number: handler for number in RAISING if callable(handler := signal.getsignal(number))}
    try:
        for number in raising:
            signal.signal(number, lambda number, frame: caught.append(number))
        yield
    finally:
        for number, handler in raising.items():
            signal.signal(number, handler)
    for number in caught:
        raising[number](number, sys._getframe())


class _Stream:
    """One pipe of a command: what comes out of it is printed here, as text."""

    def __init__(self, pipe: IO[bytes], name: str) -> None:
        self.pipe = pipe
        self._name = name
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")

    def show(self) -> bool:
        """Prints what there is; False at the end, and then it is closed."""
        chunk = os.read(self.pipe.fileno(), CHUNK)
        text = self._decoder.decode(chunk, final=not chunk)
        if text:
            stream = getattr(sys, self._name)
            stream.write(text)
            stream.flush()
        if not chunk:
            self.pipe.close()
        return bool(chunk)


def _streams(process: subprocess.Popen[bytes]) -> list[_Stream]:
    assert process.stdout is not None
    assert process.stderr is not None
    return [_Stream(process.stdout, "stdout"), _Stream(process.stderr, "stderr")]


def _follow(process: subprocess.Popen[bytes]) -> int:
    """Prints until the command is over; its exit code. What is raised in this thread is seen within a turn.

    No thread is started: what is sent to a thread that is just starting another may hit that one.
    """
    with selectors.DefaultSelector() as selector:
        for stream in _streams(process):
            selector.register(stream.pipe, selectors.EVENT_READ, stream)
        deadline = None
        while selector.get_map():
            for key, _ in selector.select(TURN):
                if not key.data.show():
                    selector.unregister(key.fileobj)
            if process.poll() is not None:  # it may have left something running that has its output
                deadline = deadline or time.monotonic() + DRAIN
                if time.monotonic() > deadline:
                    break
        for key in list(selector.get_map().values()):
            key.data.pipe.close()
    return _wait(process)


def _follow_by_threads(process: subprocess.Popen[bytes]) -> int:
    """The same where pipes cannot be waited for."""
    threads = []
    for stream in _streams(process):
        pump = partial(contextvars.copy_context().run, _show_all, stream)
        threads.append(threading.Thread(target=pump, name="jo command", daemon=True))
        threads[-1].start()
    code = _wait(process)
    deadline = time.monotonic() + DRAIN
    for thread in threads:
        thread.join(max(0.0, deadline - time.monotonic()))
    return code


def _show_all(stream: _Stream) -> None:
    with contextlib.suppress(OSError, ValueError):  # whoever shows it may have gone
        while stream.show():
            pass


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The exit code, in short turns too."""
    while True:
        with contextlib.suppress(subprocess.TimeoutExpired):
            return process.wait(TURN)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the command and its children: asked first, then made to."""
    try:
        _signal(process, force=False)
        deadline = time.monotonic() + GRACE
        while time.monotonic() < deadline and _is_there(process):
            time.sleep(TURN)
    finally:
        _signal(process, force=True)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(GRACE)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None and not IS_WINDOWS:  # there a thread is reading it
                pipe.close()


def _signal(process: subprocess.Popen[bytes], *, force: bool) -> None:
    if IS_WINDOWS:
        if force:
            subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False)
        else:
            process.terminate()
        return
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL if force else signal.SIGTERM)


def _is_there(process: subprocess.Popen[bytes]) -> bool:
    """Whether the command or one of its children is still there."""
    if process.poll() is None:
        return True
    if IS_WINDOWS:
        return False
    try:
        os.killpg(process.pid, 0)
    except OSError:
        return False
    return not os.path.exists("/proc/self/stat") or any(_lives_in(process.pid, pid) for pid in os.listdir("/proc"))


def _lives_in(group: int, pid: str) -> bool:
    """Whether a process of Linux is one of this group, and not one that has ended and that nobody asks after."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as told:
            state, _, found = told.read().rpartition(")")[2].split()[:3]
    except (OSError, ValueError):
        return False
    return state not in "ZX" and int(found) == group


def _how_it_ended(code: int) -> str:
    if code > 0:
        return f"ended with exit code {code}"
    try:
        return f"was ended by {signal.Signals(-code).name}"
    except ValueError:
        return f"was ended by signal {-code}"


def _first_line(command: str) -> str:
    first, *more = command.strip().splitlines() or [""]
    return f"{first} …" if more else first


def _as_text(value: object) -> str:
    """A parameter as a variable: text as it is, anything else as JSON."""
    if isinstance(value, str):
        return value
    import json

    return json.dumps(value, ensure_ascii=False, default=str)
