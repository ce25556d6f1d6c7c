"""What the tests of the command line share: commands as a user runs them, on pipes and on a terminal."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tests.test_cli import kernels

COMMAND = [sys.executable, "-m", "jo_notebook.cli"]
HOME = Path(__file__).parents[2]
MARK = f"{os.getpid()}-{time.time_ns()}"


def environment(more: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """This process's environment, with ours found from any directory; None takes a variable away."""
    found = {**os.environ, "PYTHONPATH": str(HOME), "TESTED_BY": MARK, **(more or {})}
    return {name: value for name, value in found.items() if value is not None}


def data_of(*words: str, cwd: Path, code: int = 0) -> dict[str, Any]:
    """What a command with --json answers; stdout holds nothing else."""
    done = subprocess.run(
        [*COMMAND, *words, "--json"], cwd=cwd, capture_output=True, text=True, timeout=120, env=environment()
    )
    assert done.returncode == code, done.stdout + done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


class Terminal:
    """A command on a terminal of its own; what it shows is read as it comes. Without a `width` it does not say."""

    def __init__(self, *words: str, cwd: Path, env: Mapping[str, str] | None = None, width: int = 0) -> None:
        ours, theirs = pty.openpty()
        if width:
            termios.tcsetwinsize(theirs, (24, width))
        self.shown = ""
        self._end = ours
        self.process = subprocess.Popen(
            [*COMMAND, *words], cwd=cwd, stdin=theirs, stdout=theirs, stderr=theirs, env=environment(env)
        )
        os.close(theirs)

    def read_to_end(self, timeout: float = 90) -> int:
        """Reads until the command has ended; its exit code."""
        self.wait_for(lambda: False, timeout)
        code = self.process.wait(timeout=10)
        os.close(self._end)
        return code

    def wait_for(self, is_there: Callable[[], bool], timeout: float = 60) -> None:
        """Reads until something is shown, or the command has ended."""
        deadline = time.monotonic() + timeout
        while not is_there():
            assert time.monotonic() < deadline, self.shown
            if select.select([self._end], [], [], 0.2)[0]:
                try:
                    piece = os.read(self._end, 65536)
                except OSError:
                    return
                if not piece:
                    return
                self.shown += piece.decode("utf-8", "replace")


@contextlib.contextmanager
def no_kernel_left() -> Iterator[None]:
    """Afterwards no kernel is left of those that commands of this process have started."""
    yield
    deadline = time.monotonic() + 15
    while _ours() and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not _ours()


def _ours() -> list[str]:
    found = []
    for number in kernels():
        with contextlib.suppress(OSError):
            if f"TESTED_BY={MARK}".encode() in (Path("/proc") / number / "environ").read_bytes():
                found.append(number)
    return found


class Watch:
    """`jo watch` in the background, line by line."""

    def __init__(self, *words: str, cwd: Path) -> None:
        self._out = (cwd / "said.txt").open("w")
        self._path = cwd / "said.txt"
        self.process = subprocess.Popen(
            [*COMMAND, "watch", *words], cwd=cwd, stdout=self._out, stderr=subprocess.STDOUT, env=environment()
        )

    @property
    def rounds(self) -> list[str]:
        """The lines of the rounds so far."""
        lines = self._path.read_text().splitlines()
        return [line.split("  ", 1)[1] for line in lines if line[2:3] == ":" and line[5:6] == ":"]

    def wait_for(self, count: int, timeout: float = 60) -> str:
        """The last line, once there are that many rounds."""
        deadline = time.monotonic() + timeout
        while len(self.rounds) < count:
            assert time.monotonic() < deadline, self._path.read_text()
            assert self.process.poll() is None, self._path.read_text()
            time.sleep(0.05)
        return self.rounds[count - 1]

    def end(self, number: int = signal.SIGINT) -> int:
        """Interrupts it; the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(timeout=40)
        self._out.close()
        return code
