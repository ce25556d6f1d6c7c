"""Steps on a Dask cluster: one of our own on this machine, or the one at an address."""

from __future__ import annotations

import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from typing import Any

from jo_notebook.engine.away import Executor
from jo_notebook.engine.executors import processors
from jo_notebook.engine.on_cluster import Link, OnCluster
from jo_notebook.engine.request import Request
from jo_notebook.errors import ExecutorRefused

PATIENCE = 10
"""Seconds in which somebody has to answer at an address."""
BEGINNING = 60
"""Seconds in which a cluster of our own has to be there."""

CLOSED = "The Dask cluster of this pipeline is closed: the next run opens it again."


def open_cluster(address: str) -> Executor:
    """The cluster at this address; without one, a cluster of our own. Raises ExecutorRefused."""
    try:
        import distributed  # noqa: F401 - heavy, and wanted only here
    except ImportError as error:
        raise ExecutorRefused(
            f"The executor dask takes the package distributed ({error}): pip install 'jo_notebook[dask]'."
        ) from error
    return Theirs(address) if address else Ours()


class Theirs:
    """The cluster at an address: on machines of its own, and used by others, too."""

    name = "dask"
    is_here = False
    hands_over = True

    def __init__(self, address: str) -> None:
        self._address = address
        self._is_closed = False
        self._lock = threading.Lock()
        self._link = self._connected()

    def start(self, request: Request, get: Callable[[str], Any]) -> OnCluster:
        """Begins a step as soon as a worker is free. Raises ExecutorRefused and NotSendable."""
        return self._linked().start(request, get)

    def check(self, step: str, resources: Mapping[str, float]) -> None:
        """Raises ExecutorRefused where no worker offers so much of these for one step."""
        if resources:
            self._linked().check(step, resources)

    def renew(self) -> None:
        """Its workers are somebody else's."""

    def close(self) -> None:
        """Tells what still runs there to end, and lets everything go."""
        with self._lock:
            self._is_closed = True
            self._link.close()

    def _linked(self) -> Link:
        """The connection, made anew where the scheduler has been away."""
        with self._lock:
            if self._is_closed:
                raise ExecutorRefused(CLOSED)
            if not self._link.is_open:
                self._link.close()
                self._link = self._connected()
            return self._link

    def _connected(self) -> Link:
        from distributed import Client

        try:
            client = Client(self._address, timeout=PATIENCE, set_as_default=False, name="jo_notebook")
        except Exception as error:
            raise ExecutorRefused(
                f"No Dask scheduler answers at {self._address} ({type(error).__name__}: {error}). Start one with "
                "`dask scheduler`, or say --executor dask for a cluster of this machine's own."
            ) from error
        link = Link(client, self._address)
        try:
            link.compare()
        except BaseException:
            link.close()
            raise
        return link


class Ours:
    """A cluster of our own on this machine: a process for each processor, one step each, gone with the pipeline."""

    name = "dask"
    is_here = True
    hands_over = False

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._is_closed = False
        self._now: _Local | None = None
        self._all: list[_Local] = []
        self._close = weakref.finalize(self, _close_all, self._all)
        self._local()

    def start(self, request: Request, get: Callable[[str], Any]) -> OnCluster:
        """Begins a step as soon as a worker is free. Raises ExecutorRefused and NotSendable."""
        with self._lock:
            local = self._local()
            local.running += 1
        try:
            return local.link.start(request, get, lambda: self._ended(local))
        except BaseException:
            self._ended(local)
            raise

    def check(self, step: str, resources: Mapping[str, float]) -> None:
        """Raises ExecutorRefused where a worker has not so much of these for one step."""
        if resources:
            with self._lock:
                local = self._local()
            local.link.check(step, resources)

    def renew(self) -> None:
        """What begins from now on begins in new processes; the old ones end with what runs there."""
        with self._lock:
            old, self._now = self._now, None
        if old is not None:
            self._tidy(old)

    def close(self) -> None:
        """Ends what still runs, and lets everything go."""
        with self._lock:
            self._is_closed, self._now = True, None
        _close_all(self._all)

    @property
    def pids(self) -> list[int]:
        """The processes that there are now."""
        with self._lock:
            return [pid for local in self._all for pid in local.pids]

    @property
    def client(self) -> Any:
        """The client of the cluster, for tests and the curious."""
        with self._lock:
            return self._local().link.client

    def _local(self) -> _Local:
        if self._is_closed:
            raise ExecutorRefused(CLOSED)
        if self._now is None or not self._now.link.is_open:
            self._now = _Local()
            self._all.append(self._now)
        return self._now

    def _ended(self, local: _Local) -> None:
        with self._lock:
            local.running -= 1
        self._tidy(local)

    def _tidy(self, local: _Local) -> None:
        with self._lock:
            if local is self._now or local.running or local not in self._all:
                return
            self._all.remove(local)
        threading.Thread(target=local.close, name="jo cluster", daemon=True).start()


def _close_all(clusters: list[_Local]) -> None:
    while clusters:
        clusters.pop().close()


class _Local:
    """One LocalCluster, how many steps it has, and its end."""

    def __init__(self) -> None:
        from distributed import Client, LocalCluster

        places = processors()
        dashboard = os.environ.get("JO_DASK_DASHBOARD", "")
        self.running = 0
        self._cluster: Any = None
        try:
            self._cluster = LocalCluster(
                n_workers=places,
                threads_per_worker=1,
                host="127.0.0.1",
                dashboard_address=dashboard or "127.0.0.1:0",
                silence_logs=logging.CRITICAL,
                scheduler_kwargs={"allowed_failures": 0, "dashboard": bool(dashboard)},
                preload=["jo_notebook.engine.on_worker"],
                resources={"memory": _memory() // places},
                worker_dashboard_address=None,
            )
            client = Client(self._cluster, timeout=BEGINNING, set_as_default=False, name="jo_notebook")
        except Exception as error:
            if self._cluster is not None:
                self._cluster.close()
            raise ExecutorRefused(
                f"A Dask cluster on this machine could not be started ({type(error).__name__}: {error}). In a script "
                "it has to be wanted below `if __name__ == '__main__':`."
            ) from error
        self.link = Link(client, "this machine", is_ours=True)

    @property
    def pids(self) -> list[int]:
        """The processes of its workers."""
        found = [getattr(nanny, "pid", None) for nanny in self._cluster.workers.values()]
        return [pid for pid in found if pid]

    def close(self) -> None:
        """Ends it, whatever runs. Never raises."""
        self.link.close()
        with contextlib.suppress(Exception):
            self._cluster.close(timeout=PATIENCE)


def _memory() -> int:
    from distributed.system import MEMORY_LIMIT

    return int(MEMORY_LIMIT)
