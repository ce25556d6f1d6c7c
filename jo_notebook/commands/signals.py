"""Being asked to end is as being interrupted: what was finished is kept, and no kernel stays behind."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator

NAMES = ("SIGTERM", "SIGHUP")
_asked: list[int] = []


def was_asked_to_end() -> bool:
    """Whether one of the signals came: what is raised then may be another error, where C code was importing."""
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
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)
