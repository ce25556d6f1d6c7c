"""A sign of life for hosts that locks do not reach: files held for longer than a few seconds are touched."""

from __future__ import annotations

import contextlib
import os
import threading
import weakref
from functools import cache
from io import FileIO

PERIOD = 5.0
FRESH = 30.0
"""How old a touched file may be, by its own disk's clock, for its owner to count as alive."""
LOCAL = frozenset({"ext2", "ext3", "ext4", "xfs", "btrfs", "f2fs", "zfs", "tmpfs", "overlay", "vfat", "exfat", "ntfs3"})
"""Disks that only one host has: there, locks reach everybody, and nobody asks for a sign of life."""


class Heartbeat:
    """Touches open files every `period` seconds, on one thread that lives while there are any."""

    def __init__(self, period: float = PERIOD) -> None:
        self._period = period
        self._lock = threading.Lock()
        self._is_over = threading.Condition(self._lock)
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
            if not self._files:
                self._is_over.notify()

    def _beat(self) -> None:
        with self._lock:  # nobody may close a file while it is touched: its number would be another's
            while self._files:
                if self._is_over.wait(self._period):
                    continue
                for file in self._files:
                    with contextlib.suppress(OSError, ValueError):
                        os.utime(file.fileno())
            self._thread = None


@cache
def may_be_shared(device: int) -> bool:
    """Whether other hosts may see this device; not where it is a local disk of a common kind."""
    number = f"{os.major(device)}:{os.minor(device)}"
    with contextlib.suppress(OSError, ValueError, IndexError), open("/proc/self/mountinfo", encoding="utf-8") as rows:
        for row in rows:
            mount, _, source = row.partition(" - ")
            if mount.split()[2] == number:
                return source.split()[0] not in LOCAL
    return True


_heartbeat = Heartbeat()


def heartbeat() -> Heartbeat:
    """The one of this process: after a fork a new one, for threads stay behind."""
    global _heartbeat
    if _heartbeat.pid != os.getpid():
        _heartbeat = Heartbeat()
    return _heartbeat
