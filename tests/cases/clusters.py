"""A real Dask scheduler and its workers, as processes of this machine that know nothing of each other's files."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

ROOT = str(Path(__file__).parents[2])


class Cluster:
    """A scheduler on loopback; `worker` adds a worker."""

    def __init__(self, *options: str, protocol: str = "tcp") -> None:
        self._home = tempfile.TemporaryDirectory(prefix="jo-cluster-", ignore_cleanup_errors=True)
        self.folder = Path(self._home.name)
        self.options = options
        self.workers: dict[str, subprocess.Popen[bytes]] = {}
        self._scheduler = self._start(
            *("dask_scheduler", "--host", "127.0.0.1", "--port", "0", "--protocol", protocol),
            *("--no-dashboard", "--dashboard-address", "127.0.0.1:0"),
        )
        self.address = self._first(self._scheduler, re.compile(rb"Scheduler at:\s+(\S+://127\.0\.0\.1:\d+)"))

    def worker(self, *options: str, threads: int = 1, env: Mapping[str, str] | None = None) -> str:
        """Starts a worker; its number."""
        process = self._start(
            *("dask_worker", self.address, "--host", "127.0.0.1", "--nthreads", str(threads), "--no-nanny"),
            *("--no-dashboard", "--local-directory", str(self.folder), *options),
            env=env,
        )
        self._first(process, re.compile(rb"Registered to:()"))
        self.workers = {pid: other for pid, other in self.workers.items() if other.poll() is None}
        self.workers[str(process.pid)] = process
        return str(process.pid)

    def kill(self, pid: int | str) -> None:
        """SIGKILL."""
        process = self.workers.pop(str(pid))
        process.kill()
        process.wait()

    def kill_scheduler(self) -> None:
        """SIGKILL."""
        self._scheduler.kill()
        self._scheduler.wait()

    def settle(self, number: int) -> None:
        """So many workers are there."""
        self.workers = {pid: process for pid, process in self.workers.items() if process.poll() is None}
        while len(self.workers) < number:
            self.worker()

    def close(self) -> None:
        """Nothing remains."""
        for process in [*self.workers.values(), self._scheduler]:
            process.kill()
            process.wait()
        self._home.cleanup()

    def _start(self, module: str, *options: str, env: Mapping[str, str] | None = None) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [sys.executable, "-W", "ignore", "-m", f"distributed.cli.{module}", *options, *self.options],
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            cwd=self.folder,
            env={
                **os.environ,
                "PYTHONPATH": os.pathsep.join([ROOT, os.environ.get("PYTHONPATH", "")]),
                "JO_ONLY_THERE": "yes",
                **(env or {}),
            },
        )

    def _first(self, process: subprocess.Popen[bytes], pattern: re.Pattern[bytes]) -> str:
        assert process.stderr is not None
        seen = []
        for line in process.stderr:
            seen.append(line)
            if match := pattern.search(line):
                threading.Thread(target=self._drain, args=(process,), daemon=True).start()
                return match[1].decode()
        raise AssertionError(b"".join(seen).decode())

    def _drain(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for _ in process.stderr:
                pass


def until(is_so: Callable[[], Any], seconds: float = 20.0) -> None:
    """Waits until something is so."""
    end = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < end, "it never was"
        time.sleep(0.02)
