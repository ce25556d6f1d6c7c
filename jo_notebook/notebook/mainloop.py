"""A callable on the kernel's main thread, in order with cells, interruptible.

The only file that touches the kernel's internals. A click arrives on whatever thread the kernel chose; the
work it asks for is sent to the kernel as an execute request through its own connection, so it waits for the
running cell, shows the kernel as busy, and *Interrupt* stops it.
"""

from __future__ import annotations

import itertools
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

DELAY = 0.05  # seconds: sent at once, the click's own "idle" would overwrite the run's "busy" in the front end
CODE = "__import__('sys').modules['jo_notebook.notebook.mainloop'].run_queued({token!r})"

OURS = "__import__('sys').modules['jo_notebook.notebook.mainloop']"
"""How the text of every request of ours begins: no cell of the user's."""

_numbers = itertools.count()
_queued: dict[str, Callable[[], None]] = {}


def run_queued(token: str) -> None:
    """Runs a queued call; one that was dropped in the meantime is nothing."""
    call = _queued.pop(token, None)
    if call is not None:
        call()


class MainLoop:
    """Queues calls for the main thread of this process's kernel."""

    def __init__(self) -> None:
        self._client: Any = None
        self._lock = threading.Lock()
        self._mine: list[str] = []
        self._others: list[str] = []

    def submit(self, call: Callable[[], None], *, is_click: bool = True) -> None:
        """Queues a call; it runs when the cells before it are done. Without a kernel it runs at once.

        What is no click is not dropped with those.
        """
        client = self._connect()
        if client is None:
            call()
            return
        token = f"{os.getpid()}-{next(_numbers)}"
        _queued[token] = call
        (self._mine if is_click else self._others).append(token)
        timer = threading.Timer(DELAY, self._send, (client, token))
        timer.daemon = True
        timer.start()

    def drop_queued(self) -> int:
        """Forgets every click that has not begun; returns how many."""
        with self._lock:
            dropped = [_queued.pop(token, None) for token in self._mine]
            self._mine.clear()
        return sum(call is not None for call in dropped)

    def close(self) -> None:
        """Drops what is queued and hangs up."""
        self.drop_queued()
        with self._lock:
            for token in self._others:
                _queued.pop(token, None)
            if self._client is not None:
                self._client.stop_channels()
            self._client = None

    def _send(self, client: Any, token: str) -> None:
        with self._lock:
            if token in _queued:
                code = CODE.format(token=token)
                client.execute(code, silent=False, store_history=False, allow_stdin=False)

    def _connect(self) -> Any:
        """A client of our own kernel, or None where there is no kernel to talk to."""
        with self._lock:
            if self._client is not None or "ipykernel" not in sys.modules:
                return self._client
            try:
                from ipykernel.connect import get_connection_file
                from jupyter_client.blocking.client import BlockingKernelClient

                client = BlockingKernelClient(connection_file=get_connection_file())
                client.load_connection_file()
            except (RuntimeError, OSError, ValueError, ImportError):
                return None  # in-process kernels and terminals have no connection file
            client.start_channels(shell=True, iopub=False, stdin=False, hb=False, control=False)
            self._client = client
            return client
