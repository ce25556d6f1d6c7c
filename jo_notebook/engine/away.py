"""Steps that run in another process: what an executor is, and the lane of a job that waits for one."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from jo_notebook.core.record import LogEntry
from jo_notebook.engine.capture import Recorder
from jo_notebook.engine.request import Reply, Request
from jo_notebook.engine.sharing import Calls
from jo_notebook.engine.stopping import AGAIN
from jo_notebook.engine.worker import Beside, Job
from jo_notebook.errors import StepTimeout, WorkerLost

LISTENING = 0.1
"""Seconds between two looks at what a step prints meanwhile."""
Show = Callable[[LogEntry], None]


class Running(Protocol):
    """A step that runs elsewhere. `waits` says that it may have to wait for a place: news tell when it has begun."""

    waits: bool

    def wait(self, seconds: float) -> bool:
        """Waits so long at most; whether it has ended."""

    def news(self) -> list[dict[str, Any]]:
        """What it has told since the last time: that it has begun, what it printed and displayed, how far it is."""

    def reply(self) -> Reply:
        """What came of it, once it has ended. Raises WorkerLost, ExecutorRefused, KeyboardInterrupt."""

    def value(self, reply: Reply) -> Any:
        """The value that a reply tells of and that is not stored."""

    def interrupt(self) -> None:
        """Raises KeyboardInterrupt in the step's code, where the executor can."""

    def end(self) -> None:
        """Ends it for certain, with all it has started, where the executor can."""


class Executor(Protocol):
    """Takes steps out of this process. `name` is what records call it."""

    name: str
    is_here: bool
    """Whether its processes are on this machine, with the same files."""
    hands_over: bool
    """Whether it hands inputs over itself: `get` gives one of a step and a version, where it does not have it."""

    def start(self, request: Request, get: Callable[[str], Any]) -> Running:
        """Begins a step. Raises ExecutorRefused."""

    def check(self, step: str, resources: Mapping[str, float]) -> None:
        """Raises ExecutorRefused where no process there has so much of these for one step."""

    def renew(self) -> None:
        """What begins from now on begins in a new process, where it can."""

    def close(self) -> None:
        """Ends what still runs, and lets everything go."""


class Elsewhere(Beside):
    """The lane of a job whose step runs on an executor; its thread only waits.

    `show` is given what a step displays, where somebody looks on.
    """

    def __init__(self, job: Job, calls: Calls, executor: Executor, show: Show) -> None:
        super().__init__(job, calls)
        self.name = executor.name
        self.executor = executor
        self._show = show

    def was_beside(self) -> bool:
        """Nothing that others do reaches it."""
        return False

    def send(self, request: Request, recorder: Recorder, get: Callable[[str], Any]) -> tuple[Reply, Any]:
        """Has the step run; its reply, and its value where that is not stored.

        Who calls it does not hold the lock of the run. Raises what ended it: StepTimeout, WorkerLost,
        KeyboardInterrupt, LeftBehind.
        """
        running = self.executor.start(request, get)
        call = _AwayCall(running)
        seconds = request.definition.timeout
        self._job.watch(call, 0.0 if running.waits else seconds)
        try:
            while not running.wait(LISTENING):
                self._hear(running, recorder, call, seconds)
            self._hear(running, recorder, call, seconds)
            self._job.check()
            reply = running.reply()
            value = None if reply.record is None or reply.is_stored else running.value(reply)
        except WorkerLost:
            self._job.check()
            if self._job.stopped.is_set():
                raise KeyboardInterrupt from None
            if call.is_late:
                how = "its process was ended" if self.executor.is_here else "nobody waits for its worker any more"
                raise StepTimeout(f"{request.step} took longer than its --timeout of {seconds:g} s: {how}") from None
            raise
        finally:
            self._job.watch(None, 0.0)
        if self._job.stopped.is_set() and reply.record is None:
            raise KeyboardInterrupt
        return reply, value

    def _hear(self, running: Running, recorder: Recorder, call: _AwayCall, seconds: float) -> None:
        for news in running.news():
            if "begun" in news:
                self._job.watch(call, seconds)  # its time begins now
            elif "kind" in news:
                self._heard(LogEntry(news["kind"], news["text"], tuple(map(tuple, news["data"]))), recorder)
            elif "fraction" in news:
                recorder.progress(news["fraction"], news["text"])

    def _heard(self, entry: LogEntry, recorder: Recorder) -> None:
        if entry.kind in ("stdout", "stderr"):
            stream = getattr(sys, entry.kind)
            with contextlib.suppress(OSError, ValueError):  # whatever the user has put there
                stream.write(entry.text)
            return
        recorder.add(entry)
        if recorder.echo and entry.data:
            self._show(entry)
        elif recorder.echo:
            getattr(sys.stderr, "jo_stream", sys.stderr).write(entry.text)


class _AwayCall:
    """What the coordinating thread sees of the call: asked once to end, it is interrupted; asked again, ended."""

    def __init__(self, running: Running) -> None:
        self._running = running
        self._asked_at = 0.0
        self.is_late = False

    def stop(self, kind: type[BaseException]) -> None:
        """It is to end: for its time is up, or because the run is stopped."""
        if kind is not KeyboardInterrupt:
            self.is_late = True
            self._running.end()
        elif not self._asked_at:
            self._asked_at = time.monotonic()
            self._running.interrupt()
        elif time.monotonic() - self._asked_at >= AGAIN:
            self._running.end()

    def leave(self) -> bool:
        """Nobody waits for it: it is ended, and its thread comes back by itself."""
        self._running.end()
        return False
