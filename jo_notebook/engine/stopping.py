"""Breaks off a step's code from outside: after a time, or because somebody interrupts the run.

On the main thread a signal does it, which also ends a sleep; elsewhere an exception is put into the thread, which
Python raises there as soon as it comes back from a call into C. Code that swallows `StepTimeout` with `except
Exception` meets `StepStopped` next, which that does not catch.
"""

from __future__ import annotations

import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any

from jo_notebook.errors import StepTimeout

AGAIN = 1.0
"""Seconds between one exception and the next, for code that swallows them."""
Work = Callable[[], Any]


class StepStopped(BaseException):
    """What code meets that went on after a StepTimeout. Never leaves a step."""


class LeftBehind(BaseException):
    """The run goes on without this thread: nothing that it made counts."""


def interrupt_main() -> None:
    """What a front end's *Interrupt* does: KeyboardInterrupt in the main thread, or what it has made of that."""
    main = threading.main_thread().ident
    if main is not None and hasattr(signal, "pthread_kill"):
        signal.pthread_kill(main, signal.SIGINT)
    else:
        signal.raise_signal(signal.SIGINT)


class Call:
    """One call on a thread that other threads can break off. `asked` is what they sent last."""

    def __init__(self) -> None:
        self.asked: type[BaseException] | None = None
        self.is_left = False
        self._lock = threading.Lock()
        self._thread = 0
        self._is_over = False

    def run(self, work: Work) -> Any:
        """Calls on this thread; what is sent afterwards never arrives. Raises LeftBehind where nobody waits."""
        try:
            try:
                with self._lock:
                    self._thread = threading.get_ident()
                    asked = self.asked
                if asked is not None:
                    raise asked
                return work()
            finally:
                self._is_over = True
        finally:
            self._is_over = True  # twice: what was sent may have arrived just before the first
            self._settle()
            if self.is_left:
                raise LeftBehind

    def stop(self, kind: type[BaseException]) -> None:
        """Raises the exception in the call, where it has not ended."""
        with self._held():
            self.asked = kind
            if self._thread and not self._is_over:
                _send(self._thread, kind)

    def leave(self) -> bool:
        """Waits for it no longer; False where it has just ended."""
        with self._held():
            if not self._is_over:
                self.is_left = True
        return self.is_left

    @contextlib.contextmanager
    def _held(self) -> Iterator[None]:
        """The lock, though not for ever: what arrives in the very moment when a thread takes it may keep it taken."""
        taken = self._lock.acquire(timeout=AGAIN)
        try:
            yield
        finally:
            if taken:
                self._lock.release()

    def _settle(self) -> None:
        """What was sent and has not arrived never will."""
        while True:
            try:
                with self._held():
                    if self.asked is not None:
                        _send(threading.get_ident(), None)
                    self._thread = 0
                return
            except (KeyboardInterrupt, StepTimeout, StepStopped):
                continue  # it arrived here


def _send(thread: int, kind: type[BaseException] | None) -> None:
    import ctypes  # slow to import, and wanted only here

    what = ctypes.py_object() if kind is None else ctypes.py_object(kind)
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), what)


def in_time(work: Work, seconds: float, step: str, breaking_off: Callable[[Work], Any] | None = None) -> Any:
    """What the call gives. Raises StepTimeout where it took longer, whatever it made of being told so.

    It is broken off by `breaking_off`, which calls it; without one, by a signal or by a watchdog thread.
    """
    if not seconds and breaking_off is None:
        return work()
    began, error = time.monotonic(), None
    try:
        value = breaking_off(work) if breaking_off is not None else _broken_off(work, seconds)
    except (KeyboardInterrupt, LeftBehind):
        raise
    except BaseException as raised:  # noqa: BLE001 - raised again below, or as what it comes from
        error = raised
    is_told = isinstance(error, StepStopped) or (isinstance(error, StepTimeout) and error.args == ())
    if not seconds or not (is_told or time.monotonic() - began >= seconds):
        if error is not None:
            raise error
        return value
    text = f"{step} took longer than its --timeout of {seconds:g} s"
    if isinstance(error, StepTimeout) and error.args in ((), (text,)):
        error.args = (text,)
        raise error.with_traceback(_without_ours(error.__traceback__))
    late = StepTimeout(text)
    if error is None:
        raise late
    late.__cause__ = None if isinstance(error, StepStopped) else error
    raise late.with_traceback(_without_ours(error.__traceback__))


def _broken_off(work: Work, seconds: float) -> Any:
    if threading.current_thread() is threading.main_thread() and hasattr(signal, "setitimer"):
        before = signal.getsignal(signal.SIGALRM)
        if before is not None:  # else somebody's C code has it
            return _Alarm(seconds, before).run(work)
    call, is_over = Call(), threading.Event()

    def watch() -> None:
        kind: type[BaseException] = StepTimeout
        pause = seconds
        while not is_over.wait(pause):
            call.stop(kind)
            kind, pause = StepStopped, AGAIN

    threading.Thread(target=watch, name="jo timeout", daemon=True).start()
    try:
        return call.run(work)
    finally:
        is_over.set()


class _Alarm:
    """Raises in the main thread after some seconds, and again. A timer of the user's waits as long."""

    def __init__(self, seconds: float, before: Any) -> None:
        self._seconds = seconds
        self._before = before
        self._is_on = True
        self._kind: type[BaseException] = StepTimeout
        self._timer = (0.0, 0.0)
        self._began = time.monotonic()

    def run(self, work: Work) -> Any:
        try:
            try:
                signal.signal(signal.SIGALRM, self._ring)
                self._timer = signal.setitimer(signal.ITIMER_REAL, self._seconds, AGAIN)
                return work()
            finally:
                self._is_on = False
        finally:
            self._is_on = False  # twice: it may have rung just before the first
            self._put_back()

    def _put_back(self) -> None:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, self._before)
        left, interval = self._timer
        if left:
            passed = time.monotonic() - self._began
            signal.setitimer(signal.ITIMER_REAL, max(left - passed, 0.001), interval)

    def _ring(self, number: int, frame: object) -> None:
        if self._is_on:
            kind, self._kind = self._kind, StepStopped
            raise kind


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """A traceback that ends at the user's line, not at ours that raised there."""
    at = trace
    while at is not None and at.tb_next is not None:
        if at.tb_next.tb_frame.f_code is _Alarm._ring.__code__:
            at.tb_next = None
        at = at.tb_next
    return trace
