"""The executors of a pipeline: by name, or any of `concurrent.futures`; each opened when it is first wanted."""

from __future__ import annotations

import concurrent.futures
import os
import threading
import weakref
from typing import TYPE_CHECKING

from jo_notebook.core.execution import DASK, INLINE, PROCESSES, THREADS, check_executor
from jo_notebook.errors import UsageError

if TYPE_CHECKING:
    from jo_notebook.engine.away import Executor

Wanted = str | concurrent.futures.Executor
"""What a user may say: a name, or an executor of the standard library's kind."""


def processors() -> int:
    """How many steps this machine computes at once."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_wanted(wanted: Wanted) -> Wanted:
    """Raises UsageError for anything that is no executor; nothing stays nothing."""
    if isinstance(wanted, concurrent.futures.Executor) or wanted == "":
        return wanted
    if not isinstance(wanted, str):
        raise UsageError(
            f"{wanted!r:.60} is no executor: say inline, threads, processes, dask or dask:ADDRESS, or give a "
            "concurrent.futures.Executor."
        )
    return check_executor(wanted)


def places_of(wanted: Wanted, jobs: int) -> int:
    """How many steps run at once where `jobs` may be 0 for nobody having said. Raises UsageError."""
    if isinstance(wanted, concurrent.futures.Executor):
        return jobs or int(getattr(wanted, "_max_workers", 0) or processors())
    if wanted == INLINE and jobs > 1:
        raise UsageError(f"The executor inline runs one step at a time: leave --jobs {jobs} out, or say another one.")
    if wanted in ("", INLINE):
        return jobs or 1
    return jobs or (256 if wanted.startswith(f"{DASK}:") else processors())


class Executors:
    """Opens executors, and closes those it has opened."""

    def __init__(self) -> None:
        self._open: dict[str, Executor] = {}
        self._given: weakref.WeakKeyDictionary[concurrent.futures.Executor, Executor] = weakref.WeakKeyDictionary()
        self._lock = threading.Lock()

    def get(self, wanted: Wanted, jobs: int = 1) -> str | Executor:
        """What runs a step: inline, threads, or an executor. Raises ExecutorRefused and UsageError."""
        if isinstance(wanted, concurrent.futures.ThreadPoolExecutor):
            return THREADS
        if not isinstance(wanted, str):
            with self._lock:
                if wanted not in self._given:
                    from jo_notebook.engine.given import Given

                    self._given[wanted] = Given(wanted)
                return self._given[wanted]
        if wanted in ("", INLINE, THREADS):
            return wanted or (THREADS if jobs > 1 else INLINE)
        with self._lock:
            if wanted not in self._open:
                self._open[wanted] = _opened(wanted)
            return self._open[wanted]

    def close(self) -> None:
        """Closes what is open: what still runs there ends."""
        with self._lock:
            executors, self._open = list(self._open.values()), {}
        for executor in executors:
            executor.close()


def _opened(wanted: str) -> Executor:
    if wanted == PROCESSES:
        from jo_notebook.engine.processes import Processes

        return Processes()
    from jo_notebook.engine.cluster import open_cluster

    executor: Executor = open_cluster(wanted.partition(":")[2])
    return executor
