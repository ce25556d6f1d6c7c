"""What a step says by `logging` and by `warnings`: in its log once, and shown as it would have been shown anyhow.

`Logger.callHandlers` and `warnings.showwarning` are replaced while runs go on. A handler on the root logger would not
do: with one there, a step's own `logging.basicConfig` does nothing, and loggers that do not propagate say nothing.
"""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Any, Protocol, TextIO

LOGGING, WARNING = "logging", "warning"
FORMAT = logging.Formatter("%(levelname)s %(name)s: %(message)s")

_is_told: ContextVar[bool] = ContextVar("jo_notebook_told", default=False)


class Log(Protocol):
    """Where what is said goes; see `engine/capture.py`."""

    def write(self, kind: str, text: str) -> None:
        """Adds text."""


def is_told() -> bool:
    """Whether what is printed now stands in the log already, in other words."""
    return _is_told.get()


@contextmanager
def _told() -> Iterator[None]:
    token = _is_told.set(True)
    try:
        yield
    finally:
        _is_told.reset(token)


class Notices:
    """Brings log records and warnings to the log of whoever says them; `log` finds it, or None."""

    def __init__(self, log: Callable[[], Log | None]) -> None:
        self._log = log
        self._call_handlers: Any = None
        self._show_warning: Any = None

    def listen(self) -> None:
        """From now on, until `close`."""
        self._call_handlers, self._show_warning = logging.Logger.callHandlers, warnings.showwarning
        self._ours = self._handlers_of(self._call_handlers), self._showing_of(self._show_warning)
        logging.Logger.callHandlers = self._ours[0]  # type: ignore[method-assign]
        warnings.showwarning = self._ours[1]

    def close(self) -> None:
        """Puts back what was there; what somebody else has put there meanwhile stays."""
        if logging.Logger.callHandlers is self._ours[0]:
            logging.Logger.callHandlers = self._call_handlers  # type: ignore[method-assign]
        if warnings.showwarning is self._ours[1]:
            warnings.showwarning = self._show_warning

    def _handlers_of(self, before: Callable[[Any, logging.LogRecord], None]) -> Callable[..., None]:
        def callHandlers(logger: logging.Logger, record: logging.LogRecord) -> None:
            log = None if _is_told.get() else self._log()
            text = None if log is None else _text_of(record)
            if log is None or text is None:
                return before(logger, record)
            log.write(LOGGING, text)
            with _told():
                return before(logger, record)

        return callHandlers

    def _showing_of(self, before: Callable[..., None]) -> Callable[..., None]:
        def showwarning(
            message: Warning | str,
            category: type[Warning],
            filename: str,
            lineno: int,
            file: TextIO | None = None,
            line: str | None = None,
        ) -> None:
            log = self._log() if file is None and not _is_told.get() else None
            if log is None:
                return before(message, category, filename, lineno, file, line)
            log.write(WARNING, warnings.formatwarning(message, category, filename, lineno, line))
            with _told():
                return before(message, category, filename, lineno, file, line)

        return showwarning


def _text_of(record: logging.LogRecord) -> str | None:
    """A record as a line; None where its own arguments do not fit, which its handlers tell."""
    before = record.exc_text
    try:
        return FORMAT.format(record) + "\n"
    except Exception:  # noqa: BLE001 - arguments are the user's objects
        return None
    finally:
        record.exc_text = before  # else a handler of the user's would show ours


def warn_again() -> None:
    """Python shows a warning once a place; from now on each place counts as new. Changes no filter."""
    with suppress(Exception):  # whatever the user has put there
        for action, message, category, module, lineno in warnings.filters:
            if message is None and module is None:  # said again, it stays as it is where it stands
                warnings.simplefilter(action, category, lineno, append=True)  # type: ignore[arg-type]
                return
        warnings.simplefilter("default", append=True)  # the last word of Python, too
