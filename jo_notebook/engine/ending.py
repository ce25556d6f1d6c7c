"""What is done first when the interpreter ends, before executors wait for what still runs in their processes."""

from __future__ import annotations

import atexit
import contextlib
import threading
from collections.abc import Callable

_calls: list[Callable[[], None]] = []
_last: list[Callable[[], None]] = []


def at_the_end(call: Callable[[], None], *, is_last: bool = False) -> None:
    """Calls it when the interpreter ends, or after all others; it may be called more than once."""
    calls = _last if is_last else _calls
    if call not in calls:
        calls.append(call)
    once_more()


def once_more() -> None:
    """Somebody else has registered what waits at the end: the last that registered is called first, so that is us."""
    with contextlib.suppress(RuntimeError):  # the interpreter ends already
        getattr(threading, "_register_atexit", atexit.register)(_end)


def _end() -> None:
    for call in [*_calls, *_last]:
        call()
