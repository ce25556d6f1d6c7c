"""What is done first when the interpreter ends, before executors wait for what still runs in their processes."""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Callable

_calls: list[Callable[[], None]] = []


def at_the_end(call: Callable[[], None]) -> None:
    """Calls it when the interpreter ends; it may be called more than once."""
    if call not in _calls:
        _calls.append(call)
    once_more()


def once_more() -> None:
    """Somebody else has registered what waits at the end: the last that registered is called first, so that is us."""
    with contextlib.suppress(RuntimeError):  # the interpreter ends already
        getattr(threading, "_register_atexit", atexit.register)(_end)


def _end() -> None:
    for call in list(_calls):
        call()
