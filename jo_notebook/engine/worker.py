"""One step on a thread of its own, beside others: how it shares the lock, gives its place away, and is stopped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol

from jo_notebook.core.events import Event
from jo_notebook.core.execution import INLINE, THREADS
from jo_notebook.engine.lanes import Holding, NotNow
from jo_notebook.engine.sharing import Calls, wait_for_room
from jo_notebook.engine.stopping import Call, LeftBehind, in_time
from jo_notebook.engine.turn import Attempt

OVERDUE = 2.0
"""Seconds after its time that a process may take to stop its step by itself."""


class Stoppable(Protocol):
    """A call that can be broken off from another thread."""

    def stop(self, kind: type[BaseException]) -> None:
        """Raises the exception in it, or ends it."""

    def leave(self) -> bool:
        """Waits for it no longer; False where it has just ended, or is about to."""


class Job:
    """One step that is taken its turn on a thread, as the coordinating thread sees it.

    It `is_aside` while it waits for another kernel or for its next attempt and needs no place; `go` gives it one
    again. `due` is when the coordinating thread has to look after its call. `is_off` says that it was told not to
    begin any more because another step failed; `is_dropped` that somebody has cancelled this step alone.
    """

    def __init__(self, place: int, name: str, post: Callable[[str, Any], None]) -> None:
        self.place = place
        self.name = name
        self.post = post
        self.go = threading.Event()
        self.stopped = threading.Event()
        self.is_here = True
        self.is_aside = False
        self.is_off = False
        self.is_dropped = False
        self.is_left = False
        self.was_beside = False
        self.due: float | None = None
        self.asked = 0
        self.error: BaseException | None = None
        self.attempt: Attempt | None = None
        self.claim: Holding | None = None
        self._call: Stoppable | None = None

    def call(self, work: Callable[[], Any], seconds: float) -> Any:
        """Calls the step's code here. Raises StepTimeout, KeyboardInterrupt or LeftBehind where it is stopped."""
        call = self._call = Call()
        if self.stopped.is_set():
            raise KeyboardInterrupt
        self.asked = 0
        if seconds:
            self.due = time.monotonic() + seconds
            self.post("timed", self)
        try:
            return in_time(work, seconds, self.name, call.run)
        except LeftBehind:
            raise
        except BaseException as error:
            if self.stopped.is_set() and not isinstance(error, KeyboardInterrupt):
                raise KeyboardInterrupt from error
            raise
        finally:
            if not self.is_dropped:
                self.due = None

    def watch(self, call: Stoppable | None, seconds: float) -> None:
        """This call is what is told to stop, and looked after when so many seconds have passed and some."""
        self._call = call
        if not self.is_dropped:
            self.asked = 0
            self.due = time.monotonic() + seconds + OVERDUE if call is not None and seconds else None
        if self.due is not None:
            self.post("timed", self)
        if call is not None and self.stopped.is_set():
            call.stop(KeyboardInterrupt)

    def tell(self, kind: type[BaseException]) -> None:
        """Raises something in the step's code, if that runs."""
        if self._call is not None:
            self._call.stop(kind)

    def stop(self) -> None:
        """It is to end: as KeyboardInterrupt, in the step's code or where it waits."""
        self.stopped.set()
        self.go.set()
        self.tell(KeyboardInterrupt)

    def leave(self, *, whatever: bool = False) -> bool:
        """Waits for it no longer, where the step's own code does not stop; with `whatever`, in any case."""
        self.is_left = whatever or (self._call is not None and self._call.leave())
        if self.is_left and self.claim is not None:
            self.claim.__exit__(None, None, None)  # another kernel, or the next run, may have the step
        return self.is_left

    def check(self) -> None:
        """Raises LeftBehind where nobody waits for it any more."""
        if self.is_left:
            raise LeftBehind


class Beside:
    """The lane of a job: the lock of the run is held for everything but what takes long."""

    name = THREADS
    is_beside = True
    reads_heads = False
    is_shared = True

    def __init__(self, job: Job, calls: Calls, *, is_exposed: bool = False) -> None:
        self.is_exposed = is_exposed
        self._job = job
        self._calls = calls

    def emit(self, event: Event) -> None:
        """The coordinating thread tells it."""
        if not self._job.is_left:
            self._job.post("event", event)

    def begin(self, attempt: Attempt) -> None:
        """Waits for a place where it gave its own away."""
        self._job.attempt = attempt
        if not self._job.is_aside:
            return
        with self.apart():
            self._job.post("back", self._job)
            self._job.go.wait()
            self._job.is_aside = False
            if self._job.stopped.is_set():
                raise KeyboardInterrupt

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Inside, this thread does not hold the lock of the run."""
        self._calls.lock.release()
        try:
            yield
        finally:
            self._calls.lock.acquire()

    @contextmanager
    def reading(self, name: str) -> Iterator[None]:
        """Inside, this thread alone reads this value."""
        lock = self._calls.reading(name)
        with self.apart(), lock:
            yield

    @contextmanager
    def saving(self) -> Iterator[None]:
        """Inside, a result is written, unless nobody waits for it."""
        self._job.check()
        with self.apart():
            yield

    @contextmanager
    def holding(self, claim: Holding) -> Iterator[bool]:
        """The claim, waited for while others go on."""
        with self.apart():
            newer = claim.__enter__()
        self._job.claim = claim
        try:
            yield newer
        finally:
            claim.__exit__(None, None, None)

    def waits(self) -> None:
        """Gives its place away until the next attempt begins."""
        self._job.go.clear()
        self._job.is_aside = True
        self._job.post("aside", self._job)

    def pause(self, seconds: float) -> None:
        """A moment; ends with KeyboardInterrupt as soon as the run is stopped."""
        if self._job.stopped.wait(seconds):
            raise KeyboardInterrupt

    def wait(self, seconds: float) -> None:
        """The time before another attempt, in which others may have its place."""
        self.waits()
        with self.apart():
            self.pause(seconds)

    def within(self, work: Callable[[], Any]) -> Any:
        """Here, as soon as nothing runs that must be alone."""
        wait_for_room(self._calls, self._pause_apart, alone=False)
        try:
            return work()
        finally:
            self._calls.leave()

    def _pause_apart(self, seconds: float) -> None:
        with self.apart():
            self.pause(seconds)

    def call(self, step: str, work: Callable[[], Any], seconds: float) -> Any:
        """Calls the step's code without the lock."""
        self._calls.begin(self._job)
        try:
            with self.apart():
                return self._job.call(work, seconds)
        finally:
            self._calls.end(self._job)

    def was_beside(self) -> bool:
        """Whether another step's code, or a cell, ran during the call."""
        return (self._job.was_beside or self.is_exposed) and not self._job.is_left and not self._job.stopped.is_set()


class Alone:
    """The lane of the coordinating thread: it runs what must have the process for itself; nobody holds a place then.

    `interruptible` is entered for what a KeyboardInterrupt may end at once; `home` makes a call on the main thread, for
    a run whose coordinating thread is another one.
    """

    name = INLINE
    is_beside = False
    reads_heads = False
    is_shared = True

    def __init__(
        self,
        calls: Calls,
        emit: Callable[[Event], None],
        interruptible: Callable[[], AbstractContextManager[None]],
        *,
        pause: Callable[[float], object] = time.sleep,
        is_exposed: bool = False,
        home: Callable[[Callable[[], Any]], Any] | None = None,
    ) -> None:
        self.emit = emit
        self.pause = pause
        self.is_exposed = is_exposed
        self._calls = calls
        self._interruptible = interruptible
        self.is_asked = False
        self._home = home
        self._call: Call | None = None

    def begin(self, attempt: Attempt) -> None:
        """Nobody has its place."""

    @contextmanager
    def apart(self) -> Iterator[None]:
        """Inside, this thread does not hold the lock of the run, and may be interrupted."""
        self._calls.lock.release()
        try:
            with self._interruptible():
                yield
        finally:
            self._calls.lock.acquire()

    def reading(self, name: str) -> AbstractContextManager[None]:
        """Nobody else reads."""
        return self.apart()

    def saving(self) -> AbstractContextManager[None]:
        """Nobody waits for the lock longer than need be."""
        return self.apart()

    @contextmanager
    def holding(self, claim: Holding) -> Iterator[bool]:
        """The claim, waited for without the lock."""
        with self.apart():
            newer = claim.__enter__()
        try:
            yield newer
        finally:
            claim.__exit__(None, None, None)

    def waits(self) -> None:
        """It keeps its place: what runs alone runs alone."""

    def wait(self, seconds: float) -> None:
        """The time before another attempt."""
        until = time.monotonic() + seconds
        while (left := until - time.monotonic()) > 0:
            self._pause_apart(min(left, 0.2))

    def within(self, work: Callable[[], Any]) -> Any:
        """As soon as no step's code runs, in any run; on the main thread, where that is lent."""
        if self._home is not None:
            return self._home(lambda: self.alone(work, wait=False))
        return self.alone(work)

    def alone(self, work: Callable[[], Any], *, wait: bool = True) -> Any:
        """The call with nothing beside it. Raises NotNow where there is no room now and it is not to wait."""
        if wait:
            wait_for_room(self._calls, self._pause_apart, alone=True)
        elif not self._calls.enter(alone=True):
            raise NotNow
        try:
            return work()
        finally:
            self._calls.leave()

    def _pause_apart(self, seconds: float) -> None:
        with self.apart():
            self.pause(seconds)

    def call(self, step: str, work: Callable[[], Any], seconds: float) -> Any:
        """Calls the step's code on this thread."""
        if self.is_asked:
            raise KeyboardInterrupt
        if threading.current_thread() is threading.main_thread():
            with self.apart():
                return in_time(work, seconds, step)
        call = self._call = Call()
        try:
            with self.apart():
                return call.run(lambda: in_time(work, seconds, step))
        finally:
            self._call = None

    def stop(self) -> None:
        """From another thread, with the lock: breaks off the step's code, on a thread that no signal reaches."""
        self.is_asked = True
        if self._call is not None:
            self._call.stop(KeyboardInterrupt)

    def was_beside(self) -> bool:
        """Nothing runs beside it."""
        return False
