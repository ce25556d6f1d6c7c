"""Steps in processes of this machine: a process for each place, started when first wanted and used again."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import signal
import tempfile
import threading
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import BrokenExecutor, CancelledError, Future
from dataclasses import replace
from itertools import count
from typing import TYPE_CHECKING, Any

from jo_notebook.engine.elsewhere import begin_process, end_tree, run_request
from jo_notebook.engine.ending import at_the_end, once_more
from jo_notebook.engine.packing import Receiver, put_together
from jo_notebook.engine.request import Reply, Request
from jo_notebook.errors import ExecutorRefused, WorkerLost

if TYPE_CHECKING:
    import psutil

LEAVING = 2.0
"""Seconds that a process has to end by itself: a thread or an exit function of a step's may never do."""
IDLE = 300
"""Seconds after which a process that has nothing to do ends."""
EXIT_CODE = re.compile(r"\{([^}]*)\}")


class Processes:
    """The executor `processes`. A process that dies, or is ended, takes nothing with it but its own step."""

    name = "processes"
    is_here = True
    hands_over = False

    def __init__(self) -> None:
        self._idle: list[_Place] = []
        self._busy: set[_Place] = set()
        self._leaving: list[_Place] = []
        self._lock = threading.Lock()
        self._folder = ""
        self._numbers = count()
        self._age = 0
        self._asker = os.getpid()
        _open.add(self)
        at_the_end(_close_all, is_last=True)

    def start(self, request: Request, get: Callable[[str], Any]) -> _Running:
        """Begins a step in a process that is free, or in a new one. Raises ExecutorRefused."""
        with self._lock:
            try:
                self._folder = self._folder or tempfile.mkdtemp(prefix="jo_run_")
                place = self._idle.pop() if self._idle else _Place(self._age)
            except OSError as error:
                raise _refused(error) from error
            self._busy.add(place)
            channel = os.path.join(self._folder, str(next(self._numbers)))
        try:
            return place.start(request, channel, self._ended)
        except BaseException:
            with self._lock:
                self._busy.discard(place)
            raise

    def check(self, step: str, resources: Mapping[str, float]) -> None:
        """Its processes have what this machine has; pools limit it."""

    def renew(self) -> None:
        """What begins from now on begins in a new process."""
        with self._lock:
            self._age += 1
            old, self._idle = self._idle, []
        self._leave(old)

    def close(self) -> None:
        """Ends what still runs, and lets everything go."""
        self.renew()
        with self._lock:
            busy, self._busy = self._busy, set()
            folder, self._folder = self._folder, ""
        for place in busy:
            place.end()
        with self._lock:
            leaving, self._leaving = self._leaving, []
        until = time.monotonic() + LEAVING
        for place in leaving:
            while place.is_there and time.monotonic() < until:
                time.sleep(0.02)
            if place.is_there:
                place.end()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def is_ours(self) -> bool:
        """Whether this is the process that has started them, and not a copy of it."""
        return self._asker == os.getpid()

    @property
    def pids(self) -> list[int]:
        """The processes that there are now."""
        with self._lock:
            places = [*self._idle, *self._busy]
        return [place.pid for place in places if place.pid]

    def _ended(self, place: _Place) -> None:
        with self._lock:
            self._busy.discard(place)
            is_kept = place.is_whole and place.age == self._age
            if is_kept:
                self._idle.append(place)
        if not is_kept:
            self._leave([place])

    def _leave(self, places: Iterable[_Place]) -> None:
        with self._lock:
            self._leaving = [place for place in self._leaving if place.is_there]
            self._leaving.extend(places)
        for place in places:
            place.close()


_open: weakref.WeakSet[Processes] = weakref.WeakSet()


def _close_all() -> None:
    """The interpreter ends, which would wait for what a step has left in a process."""
    for processes in [one for one in _open if one.is_ours]:
        processes.close()


class _Place:
    """One process, behind a pool of its own: ending it leaves the others alone."""

    def __init__(self, age: int) -> None:
        import loky

        self.age = age
        self.pid = 0
        self.is_whole = True
        self._process: psutil.Process | None = None
        self._pool = loky.ProcessPoolExecutor(
            max_workers=1, timeout=IDLE, initializer=begin_process, initargs=(os.getpid(),)
        )

    def start(self, request: Request, channel: str, ended: Callable[[_Place], None]) -> _Running:
        try:
            with _deaf():
                future = self._pool.submit(run_request, replace(request, channel=channel))
        except Exception as error:  # the system has no room for one more, or the interpreter ends
            self.close()
            raise _refused(error) from error
        if not self.pid:  # a new pool, which would wait for its step when the interpreter ends
            once_more()
        return _Running(self, future, channel, request.step, ended)

    def told(self, pid: int) -> None:
        """The number of its process, which is running now."""
        import psutil

        if pid != self.pid:
            self.pid = pid
            with contextlib.suppress(psutil.Error):
                self._process = psutil.Process(pid)

    @property
    def is_there(self) -> bool:
        """Whether its process has not ended."""
        import psutil

        try:
            return self._process is not None and self._process.status() != psutil.STATUS_ZOMBIE
        except psutil.Error:
            return False

    def interrupt(self) -> None:
        if self.pid and hasattr(os, "kill"):
            with contextlib.suppress(OSError):
                os.kill(self.pid, signal.SIGINT)

    def end(self) -> None:
        """Kills the process and what it has started."""
        self.is_whole = False
        if self.pid:
            end_tree(self.pid)
        self._pool.shutdown(wait=False, kill_workers=True)

    def close(self) -> None:
        """Lets the process end by itself, when it has nothing to do."""
        self.is_whole = False
        self._pool.shutdown(wait=False)


class _Running:
    waits = False

    def __init__(
        self, place: _Place, future: Future[Reply], channel: str, step: str, ended: Callable[[_Place], None]
    ) -> None:
        self._place = place
        self._future = future
        self._receiver = Receiver(channel)
        self._channel = channel
        self._step = step
        self._ended = ended
        self._is_over = threading.Event()
        self._lock = threading.Lock()
        self._heard: list[dict[str, Any]] = []
        self._has_place = True  # until the process may have another step
        future.add_done_callback(lambda _: self._is_over.set())

    def wait(self, seconds: float) -> bool:
        return self._is_over.wait(seconds)

    def news(self) -> list[dict[str, Any]]:
        with self._lock:
            self._look()
            found, self._heard = self._heard, []
        return found

    def _look(self) -> None:
        """Reads what there is; whoever asks for news gets it, whoever else has looked meanwhile."""
        for row in self._receiver.news():
            if "pid" in row:
                self._place.told(row["pid"])
            else:
                self._heard.append(row)

    def reply(self) -> Reply:
        try:
            reply = self._future.result()
        except KeyboardInterrupt:
            raise
        except BaseException as error:  # noqa: BLE001 - whatever the pool says of it
            self._place.is_whole = False
            how = _how(error)
            text = f"the process that ran {self._step} died ({how})"
            if not isinstance(error, BrokenExecutor | CancelledError):
                text = f"the process that was to run {self._step} could not: {how}: {error}"
            raise WorkerLost(text, how) from None
        finally:
            with self._lock:
                self._look()
                self._has_place = False
            self._ended(self._place)
            with contextlib.suppress(OSError):
                os.unlink(self._channel)
        return reply

    def value(self, reply: Reply) -> Any:
        assert reply.value is not None
        return put_together(self._step, reply.value, "its result")

    def interrupt(self) -> None:
        with self._lock:
            if self._has_place:
                self._look()  # it tells its number first
                self._place.interrupt()

    def end(self) -> None:
        with self._lock:
            if self._has_place:
                self._look()
                self._place.end()


def _refused(error: BaseException) -> ExecutorRefused:
    why = error if isinstance(error, OSError | RuntimeError) else error.__context__ or error  # loky stumbles over it
    return ExecutorRefused(f"No process can be started: {why}. Say fewer --jobs, or --executor threads.")


@contextlib.contextmanager
def _deaf() -> Iterator[None]:
    """Inside, a process that is started hears no interrupt until it says so: Python dies of one while it starts."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # loky starts it, too; some releases let interrupts in again when it has begun
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _how(error: BaseException) -> str:
    """The signal or the exit code of which a process died, as far as the pool tells."""
    found = EXIT_CODE.search(str(error))
    return found[1].strip() if found else type(error).__name__
