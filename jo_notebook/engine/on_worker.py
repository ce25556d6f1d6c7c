"""A step on a Dask worker: it begins once at most, tells what happens, and can be interrupted."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from functools import partial
from typing import Any

from jo_notebook.core.record import LogEntry
from jo_notebook.engine.elsewhere import Host, begin_process, end_tree, run_request
from jo_notebook.engine.packing import Sender, refused_value, unpacked
from jo_notebook.engine.parcel import Parcel, Pieces
from jo_notebook.engine.stopping import Call, LeftBehind

PAUSE = 0.1
"""Seconds in which what a step tells is gathered into one message."""
MUCH = 16_000
"""Characters of news that are told at once."""
_calls: dict[str, Call] = {}


def answer(ticket: str, topic: str, asked: bytes, *handed: Parcel | bytes) -> Parcel:
    """Runs the step, if nobody has begun it before. Never raises.

    Dask runs a task again whose worker it has lost, or whose result it has lost; but there is one ticket, and it is
    gone with the first one that begins, or when nobody waits for it any more.
    """
    from distributed import get_worker

    worker = get_worker()
    try:
        request = unpacked(asked)
        parcels = [unpacked(one) if isinstance(one, bytes) else one for one in handed]
    except Exception as error:  # noqa: BLE001 - another release of ours may ask
        return Parcel(trouble=f"what it is asked cannot be read there ({type(error).__name__}: {error})")
    with _together.entered(request.is_alone):
        host = _Host(worker, ticket, topic, parcels)
        _calls[ticket] = host.breaking_off  # first: who takes the ticket away tells this one, too
        try:
            if not _has_taken(worker, ticket):
                return Parcel()
            host.sender.send(begun=worker.address, pid=os.getpid())
            return Parcel(reply=run_request(request, host))
        except (KeyboardInterrupt, LeftBehind):
            return Parcel(was_interrupted=True)
        finally:
            _calls.pop(ticket, None)


def interrupt(ticket: str) -> None:
    """Raises KeyboardInterrupt in the step's code, where it runs in this process. Called on the worker's own loop."""
    if (call := _calls.get(ticket)) is not None:
        threading.Thread(target=call.stop, args=(KeyboardInterrupt,), name="jo interrupt", daemon=True).start()


def _has_taken(worker: Any, ticket: str) -> bool:
    from distributed.utils import sync

    async def take() -> bool:
        if not await worker.scheduler.event_is_set(name=ticket):
            return False
        await worker.scheduler.event_clear(name=ticket)
        return True

    return bool(sync(worker.loop, take))


class _Host(Host):
    """The worker, for one step."""

    def __init__(self, worker: Any, ticket: str, topic: str, handed: Sequence[Parcel]) -> None:
        super().__init__("", *(parcel.read for parcel in handed))
        self.sender = _Teller(worker, ticket, topic)
        self.breaking_off = Call()

    def call(self, work: Callable[[], Any]) -> Any:
        """Calls it, on this thread of many."""
        return self.breaking_off.run(work)

    def packed(self, step: str, value: Any) -> Any:
        """The value, in pieces."""
        try:
            return Pieces.of(value, with_version=True)
        except Exception as error:
            raise refused_value(step, value, error) from error


class _Teller(Sender):
    """Gathers news for a moment; they go to whoever listens to the topic."""

    def __init__(self, worker: Any, ticket: str, topic: str) -> None:
        super().__init__("")
        self._worker, self._ticket, self._topic = worker, ticket, topic
        self._rows: list[dict[str, Any]] = []
        self._size = 0
        self._told = 0.0
        self._lock = threading.Lock()

    def send(self, **news: Any) -> None:
        """Tells it at once, or soon."""
        with self._lock:
            last = self._rows[-1] if self._rows else {}
            if news.get("kind") in ("stdout", "stderr") and last.get("kind") == news["kind"]:
                last["text"] += news["text"]
            else:
                self._rows.append(news)
            self._size += len(news.get("text", "")) + 20
            if self._size >= MUCH or time.monotonic() - self._told >= PAUSE or "begun" in news:
                self._tell()
            elif len(self._rows) == 1:
                self._worker.loop.add_callback(self._worker.loop.call_later, PAUSE, self._later)

    def entry(self, entry: LogEntry) -> None:
        """Something that was printed or displayed."""
        self.send(kind=entry.kind, text=entry.text, data=[list(pair) for pair in entry.data])

    def close(self) -> None:
        """The rest."""
        self._later()

    def _later(self) -> None:
        with self._lock:
            self._tell()

    def _tell(self) -> None:
        if self._rows:
            self._worker.log_event(self._topic, {"ticket": self._ticket, "rows": self._rows})
            self._rows, self._size, self._told = [], 0, time.monotonic()


class _Together:
    """Steps of one process: beside each other, or one alone, which leaves the process as it was."""

    def __init__(self) -> None:
        self._free = threading.Condition()
        self._inside = 0
        self._waiting = 0

    @contextmanager
    def entered(self, is_alone: bool) -> Iterator[None]:
        with self._free:
            self._waiting += is_alone
            self._free.wait_for(partial(self._may_enter, is_alone))
            self._waiting -= is_alone
            self._inside += -1 if is_alone else 1
        try:
            with _as_before() if is_alone else nullcontext():
                yield
        finally:
            with self._free:
                self._inside -= -1 if is_alone else 1
                self._free.notify_all()

    def _may_enter(self, is_alone: bool) -> bool:
        return self._inside == 0 if is_alone else self._inside >= 0 and not self._waiting


_together = _Together()


@contextmanager
def _as_before() -> Iterator[None]:
    """Afterwards directory, path and environment are what they were."""
    cwd, path, environ = os.getcwd(), list(sys.path), dict(os.environ)
    try:
        yield
    finally:
        sys.path[:] = path
        with suppress(OSError):
            os.chdir(cwd)
        for name in os.environ.keys() - environ.keys():
            del os.environ[name]
        os.environ.update(environ)


def dask_setup(worker: Any) -> None:
    """A worker of a cluster of our own begins: it ends with the kernel, and with it all that it has started.

    Dask ends it at once when the kernel is gone, by `os._exit`, which leaves what steps have started behind.
    """
    begin_process(os.getppid())
    leave, mine = os._exit, os.getpid()

    def end(code: int) -> None:
        if os.getpid() == mine:
            end_tree(mine, itself=False)
        leave(code)

    os._exit = end  # type: ignore[assignment]


def dask_teardown(worker: Any) -> None:
    """The same, where it ends in peace."""
    end_tree(os.getpid(), itself=False)
