"""What a step's call takes: wall time, CPU time, and memory at its peak.

On Linux the system keeps the peak of a process's memory and sets it back when told to, which takes a microsecond;
reading it takes longer, so that is done, and children are counted, only for calls of some length: what takes less
cannot fill much memory.
Elsewhere only a peak above all that were before is seen.
"""

from __future__ import annotations

import contextlib
import os
import sys
import time
from typing import Any

resource: Any = None
with contextlib.suppress(ImportError):  # Windows has none
    import resource

LONG_ENOUGH = 0.005  # seconds from which on memory is looked at
PEAK_RESET = b"5"  # what /proc/self/clear_refs takes for that
UNIT = 1 if sys.platform == "darwin" else 1024  # bytes of ru_maxrss


class _Files:
    """Linux's own count of this process's memory, kept open; -1 where there is none. A forked child opens its own."""

    def __init__(self) -> None:
        self.statm = self.clear = -1
        self.is_open = False

    def open(self) -> None:
        """Opens it."""
        self.is_open = True
        with contextlib.suppress(OSError, AttributeError):
            self.statm = os.open("/proc/self/statm", os.O_RDONLY | os.O_CLOEXEC)
            self.clear = os.open("/proc/self/clear_refs", os.O_WRONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Closes it, in a child: what is open there is its parent's."""
        for fd in (self.statm, self.clear):
            if fd >= 0:
                os.close(fd)
        self.statm = self.clear = -1
        self.is_open = False


_files = _Files()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_files.close)
_page = os.sysconf("SC_PAGE_SIZE") if hasattr(os, "sysconf") else 4096


class Measured:
    """One call, between entering and leaving. `memory` is what the process took more than at the start, at its peak.

    Where `beside` others, only this thread's CPU time can be told from theirs, and memory cannot: it is 0.
    """

    __slots__ = ("_began", "_beside", "_children", "_memory", "cpu", "memory", "seconds")

    def __init__(self, *, beside: bool = False) -> None:
        self.seconds = self.cpu = 0.0
        self.memory = 0
        self._beside = beside

    def __enter__(self) -> Measured:
        self._memory = -1
        if self._beside:
            self.cpu = time.thread_time()
        else:
            self._memory = _memory_now()
            self._children = _cpu_of_children()
            self.cpu = time.process_time()
        self._began = time.perf_counter()
        return self

    def __exit__(self, *error: Any) -> None:
        self.seconds = time.perf_counter() - self._began
        if self._beside:
            self.cpu = time.thread_time() - self.cpu
            return
        self.cpu = time.process_time() - self.cpu
        if self.seconds >= LONG_ENOUGH:
            self.cpu += _cpu_of_children() - self._children
            self.memory = max(0, _peak() - self._memory) if self._memory >= 0 else 0


def measuring(*, beside: bool = False) -> Measured:
    """Measures what happens inside: `with measuring() as measured`; the figures stand in it afterwards.

    `beside` says that other steps may run in this process at the same time. Never raises.
    """
    return Measured(beside=beside)


def _memory_now() -> int:
    """Bytes in use, and the peak counts from here; elsewhere the peak so far. -1 where nothing is known."""
    if not _files.is_open:
        _files.open()
    if _files.clear >= 0:
        try:
            os.write(_files.clear, PEAK_RESET)
            return int(os.pread(_files.statm, 64, 0).split()[1]) * _page
        except (OSError, ValueError, IndexError):
            return -1
    return -1 if resource is None else _highest()


def _peak() -> int:
    """The peak since `_memory_now`."""
    if _files.clear < 0:
        return _highest()
    try:
        with open("/proc/self/status", "rb") as status:
            rows = (line.split() for line in status if line.startswith(b"VmHWM:"))
            return next((int(row[1]) * 1024 for row in rows), 0)
    except (OSError, ValueError):
        return 0


def _highest() -> int:
    return 0 if resource is None else int(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) * UNIT


def _cpu_of_children() -> float:
    """The CPU time of processes that this one has started and waited for: a step's `!cmd`."""
    if resource is None:
        return 0.0
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return float(usage.ru_utime + usage.ru_stime)
