"""A shell command as a step: its output is the step's log, and nothing of it outlives the step."""

from __future__ import annotations

import codecs
import contextlib
import contextvars
import os
import signal
import subprocess
import sys
import threading
import time
from typing import IO, Any

from jo_notebook.errors import CommandFailed

TURN = 0.05
GRACE = 2.0  # seconds that a command gets to end by itself once it is asked to
DRAIN = 1.0  # seconds for what a command left running in the background to say something more
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
    try:
        pumps = _pumps(process)
        code = _wait(process)
        deadline = time.monotonic() + DRAIN
        for pump in pumps:
            pump.join(max(0.0, deadline - time.monotonic()))
    except BaseException:
        _end(process)
        raise
    if code:
        raise CommandFailed(f"the command {_how_it_ended(code)}: {_first_line(command)}", code)


def _pumps(process: subprocess.Popen[bytes]) -> list[threading.Thread]:
    """Threads that print what the command prints, as this step."""
    lock = threading.Lock()
    threads = []
    for pipe, name in ((process.stdout, "stdout"), (process.stderr, "stderr")):
        work = contextvars.copy_context().run
        threads.append(threading.Thread(target=work, args=(_pump, pipe, name, lock), name="jo command", daemon=True))
        threads[-1].start()
    return threads


def _pump(pipe: IO[bytes], name: str, lock: threading.Lock) -> None:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    with pipe, contextlib.suppress(OSError, ValueError):  # whoever shows it may have gone
        while chunk := pipe.read(1 << 16):
            _show(name, decoder.decode(chunk), lock)
        _show(name, decoder.decode(b"", final=True), lock)


def _show(name: str, text: str, lock: threading.Lock) -> None:
    if text:
        with lock:
            stream = getattr(sys, name)
            stream.write(text)
            stream.flush()


def _wait(process: subprocess.Popen[bytes]) -> int:
    """The exit code. In short turns: what is raised in this thread from outside is seen between two of them."""
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
    return True


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
