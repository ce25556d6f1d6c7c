"""Being asked to end is as being interrupted: what was finished is kept, and no kernel stays behind."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator

NAMES = ("SIGTERM", "SIGHUP")
_asked: list[int] = []
_heard: list[int] = []


def was_asked_to_end() -> bool:
    """Whether one of the signals came, or Ctrl-C: what is raised then may be another error, where C code was importing.

    Asked inside of `ending_interrupts`.
    """
    for number in _heard:
        with contextlib.suppress(BlockingIOError):
            _asked.extend(n for n in os.read(number, 1024) if n == signal.SIGINT)
    return bool(_asked)


@contextlib.contextmanager
def ending_interrupts() -> Iterator[None]:
    """Inside, SIGTERM and SIGHUP raise KeyboardInterrupt; one that was ignored (nohup) still is."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: object) -> None:
        _asked.append(number)
        raise KeyboardInterrupt

    numbers = [getattr(signal, name) for name in NAMES if hasattr(signal, name)]
    former = {n: signal.getsignal(n) for n in numbers if signal.getsignal(n) == signal.SIG_DFL}
    _asked.clear()
    for number in former:
        signal.signal(number, interrupt)
    try:
        with _noted():
            yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def _noted() -> Iterator[None]:
    """Inside, signals leave a note beside what their handlers do; that of SIGINT stays Python's own, as runs expect."""
    if os.name != "posix":
        yield
        return
    ends = os.pipe()
    for end in ends:
        os.set_blocking(end, False)
    before = signal.set_wakeup_fd(ends[1], warn_on_full_buffer=False)
    _heard.append(ends[0])
    try:
        yield
    finally:
        _heard.clear()
        signal.set_wakeup_fd(before)
        for end in ends:
            os.close(end)
