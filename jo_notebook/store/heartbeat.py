"""A sign of life for hosts that locks do not reach: files held for longer than a few seconds are touched."""

from __future__ import annotations

import contextlib
import os
import threading
import time
import weakref
from io import FileIO

PERIOD = 5.0
FRESH = 30.0
"""How old a touched file may be, by its own disk's clock, for its owner to count as alive."""


class Heartbeat:
    """Touches open files every few seconds, on one thread that lives while there are any.

    The thread is no price of a single file: it sleeps first, serves all that come meanwhile, and ends when it
    finds none. Every `period` seconds at most one is started.
    """

    def __init__(self, period: float = PERIOD) -> None:
        self._period = period
        self._lock = threading.Lock()
        self._files: weakref.WeakSet[FileIO] = weakref.WeakSet()
        self._thread: threading.Thread | None = None
        self.pid = os.getpid()

    def add(self, file: FileIO) -> None:
        """Touches this file from now on."""
        with self._lock:
            self._files.add(file)
            if self._thread is None:
                thread = threading.Thread(target=self._beat, name="jo_notebook heartbeat", daemon=True)
                with contextlib.suppress(RuntimeError):  # no more threads: then without a sign of life
                    thread.start()
                    self._thread = thread

    def remove(self, file: FileIO) -> None:
        """No longer touches it; it may be closed when this returns."""
        with self._lock:
            self._files.discard(file)

    def _beat(self) -> None:
        while True:
            time.sleep(self._period)
            with self._lock:  # nobody may close a file while it is touched: its number would be another's
                if not self._files:
                    self._thread = None
                    return
                for file in self._files:
                    with contextlib.suppress(OSError, ValueError):
                        os.utime(file.fileno())


_heartbeat = Heartbeat()


def heartbeat() -> Heartbeat:
    """The one of this process: after a fork a new one, for threads stay behind."""
    global _heartbeat
    if _heartbeat.pid != os.getpid():
        _heartbeat = Heartbeat()
    return _heartbeat
