"""Tracebacks as a user wants them: the step's own frames in the shell's style, and none of ours."""

from __future__ import annotations

import sys
from types import TracebackType
from typing import Any

from jo_notebook.engine.call import PACKAGE, users_traceback
from jo_notebook.errors import JoError, StepFailed


def failure_lines(shell: Any, error: StepFailed) -> list[str]:
    """The traceback of what a step raised, with the step named above it; `%debug` opens in the step's frame."""
    cause = error.__cause__
    assert cause is not None
    if isinstance(cause, JoError):
        if _is_ours_alone(cause.__traceback__):
            return [f"StepFailed: {error}"]
        _cut_ours(cause.__traceback__)
    sys.last_type, sys.last_value, sys.last_traceback = type(cause), cause, cause.__traceback__
    if sys.version_info >= (3, 12):
        sys.last_exc = cause
    return [f"StepFailed: {error}", *_lines(shell, cause, cause.__traceback__)]


def interrupt_lines(shell: Any, interrupt: KeyboardInterrupt) -> list[str]:
    """Where the step was when it was interrupted; one line when no step's code was running."""
    trace = users_traceback(interrupt)
    if trace is interrupt.__traceback__:
        return ["KeyboardInterrupt"]
    return _lines(shell, interrupt, trace)


def _lines(shell: Any, error: BaseException, trace: TracebackType | None) -> list[str]:
    return list(shell.InteractiveTB.structured_traceback(type(error), error, trace))


def _is_ours_alone(trace: TracebackType | None) -> bool:
    """Whether no line of the user's was running: then the message says it all."""
    plumbing = (PACKAGE, "contextlib", "importlib", "threading")
    while trace is not None:
        if str(trace.tb_frame.f_globals.get("__name__", "")).partition(".")[0] not in plumbing:
            return False
        trace = trace.tb_next
    return True


def _cut_ours(trace: TracebackType | None) -> None:
    """Ends a traceback at the user's line that called us: what we raise on purpose is no matter of our lines."""
    while trace is not None and trace.tb_next is not None:
        if str(trace.tb_next.tb_frame.f_globals.get("__name__", "")).partition(".")[0] == PACKAGE:
            trace.tb_next = None
        trace = trace.tb_next
