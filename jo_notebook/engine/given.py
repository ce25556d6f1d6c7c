"""Steps on an executor that somebody else has made: any of `concurrent.futures`."""

from __future__ import annotations

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Future
from concurrent.futures import Executor as TheirExecutor
from dataclasses import replace
from typing import Any

from jo_notebook.engine.elsewhere import run_request
from jo_notebook.engine.packing import Receiver, put_together
from jo_notebook.engine.request import Reply, Request
from jo_notebook.errors import ExecutorRefused, WorkerLost


class Given:
    """An executor of somebody else's, taken to have the same files. Its workers are not ours to end."""

    is_here = True
    hands_over = False

    def __init__(self, executor: TheirExecutor) -> None:
        self.name = type(executor).__name__
        self._executor = executor

    def start(self, request: Request, get: Callable[[str], Any]) -> _Running:
        """Begins a step. Raises ExecutorRefused."""
        handle, channel = tempfile.mkstemp(prefix="jo_run_")
        os.close(handle)
        try:
            future = self._executor.submit(run_request, replace(request, channel=channel))
        except Exception as error:
            os.unlink(channel)
            raise ExecutorRefused(f"{self.name} does not take {request.step}: {error}") from error
        return _Running(future, channel, request.step)

    def check(self, step: str, resources: Mapping[str, float]) -> None:
        """What there is, nobody knows; pools limit it."""

    def renew(self) -> None:
        """Its processes are somebody else's."""

    def close(self) -> None:
        """It is somebody else's."""


class _Running:
    waits = False

    def __init__(self, future: Future[Reply], channel: str, step: str) -> None:
        self._future = future
        self._receiver = Receiver(channel)
        self._channel = channel
        self._step = step
        self._is_over = threading.Event()
        future.add_done_callback(lambda _: self._is_over.set())

    def wait(self, seconds: float) -> bool:
        return self._is_over.wait(seconds)

    def news(self) -> list[dict[str, Any]]:
        return [row for row in self._receiver.news() if "pid" not in row]

    def reply(self) -> Reply:
        try:
            return self._future.result()
        except (BrokenExecutor, CancelledError) as error:
            raise WorkerLost(f"what ran {self._step} was lost ({error or type(error).__name__})") from None
        finally:
            with contextlib.suppress(OSError):
                os.unlink(self._channel)

    def value(self, reply: Reply) -> Any:
        assert reply.value is not None
        return put_together(self._step, reply.value, "its result")

    def interrupt(self) -> None:
        self._future.cancel()

    def end(self) -> None:
        """Nobody waits any more; what runs goes on to its end, and is not kept."""
        self._future.cancel()
        if not self._future.done():
            self._future = Future()
            self._future.set_exception(CancelledError())
        self._is_over.set()
