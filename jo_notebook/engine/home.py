"""Calls for the main thread: what only the kernel itself can do for a run that goes on beside its cells."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Any

FIRST, LONGEST = 1.0, 30.0
"""Seconds until the main thread is asked again, at first and at most: a cell that fails takes what waits with it."""
TICK = 0.05


class Home:
    """Calls that wait for the main thread. A front end lends it: `ask` lets `serve` be called there, soon.

    Whoever waits on the main thread for a run calls `serve` meanwhile, or both would wait for each other.
    """

    def __init__(self) -> None:
        self.ask: Callable[[Callable[[], None]], None] | None = None
        self._waiting: deque[_Errand] = deque()

    def __bool__(self) -> bool:
        """Whether somebody lends it."""
        return self.ask is not None

    @property
    def is_wanted(self) -> bool:
        """Whether a call waits."""
        return bool(self._waiting)

    def call(self, work: Callable[[], Any], pause: Callable[[float], object]) -> Any:
        """What the call gives, made on the main thread. What `pause` raises ends the waiting, if it has not begun."""
        errand = _Errand(work)
        self._waiting.append(errand)
        due, wait = time.monotonic(), FIRST
        while not errand.is_over.wait(TICK):
            if not errand.has_begun and time.monotonic() >= due and self.ask is not None:
                self.ask(self.serve)
                due, wait = time.monotonic() + wait, min(2 * wait, LONGEST)
            try:
                pause(0)
            except BaseException:
                if errand.withdraw():
                    raise
        if errand.error is not None:
            raise errand.error
        return errand.value

    def serve(self) -> None:
        """On the main thread: makes all calls that wait."""
        while self._waiting:
            try:
                errand = self._waiting.popleft()
            except IndexError:
                return
            errand.run()


class _Errand:
    """One call. It is made once, or withdrawn before."""

    def __init__(self, work: Callable[[], Any]) -> None:
        self.is_over = threading.Event()
        self.has_begun = False
        self.value: Any = None
        self.error: BaseException | None = None
        self._work = work
        self._lock = threading.Lock()
        self._is_withdrawn = False

    def withdraw(self) -> bool:
        """It shall not be made; False where it has begun."""
        with self._lock:
            self._is_withdrawn = not self.has_begun
        return self._is_withdrawn

    def run(self) -> None:
        """Makes it here."""
        with self._lock:
            self.has_begun = not self._is_withdrawn
        if not self.has_begun:
            return
        try:
            self.value = self._work()
        except BaseException as error:  # noqa: BLE001 - raised where it was asked for
            self.error = error
        finally:
            self.is_over.set()
