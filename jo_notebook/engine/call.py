"""Calls one step's function: plain, asynchronous or generating."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import os
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Coroutine, Mapping
from types import AsyncGeneratorType, GeneratorType, TracebackType
from typing import Any

from jo_notebook.errors import CommandFailed, JoError, StepTimeout

PACKAGE = __name__.partition(".")[0]
PATIENCE = 5  # seconds


def call_step(function: Callable[..., Any], inputs: Mapping[str, Any]) -> Any:
    """The step's result. Whatever the step raises comes out as it is.

    A coroutine runs to its end on a loop of its own, so it works whether or not this thread's loop is
    running (a notebook's is). A generator can be read only once, so its items are kept, as a list.
    A child process that the step forked and that comes back from its code ends here.
    """
    process, error = os.getpid(), None
    try:
        result = function(**inputs)
        if inspect.iscoroutine(result):
            result = _run_coroutine(result)
        if isinstance(result, AsyncGeneratorType):
            return _run_coroutine(_drain(result))
        if isinstance(result, GeneratorType):
            return list(result)
        return result
    except BaseException as raised:
        error = raised
        raise
    finally:
        if os.getpid() != process:
            _end_child(error)
        error = None  # no cycle


def _end_child(error: BaseException | None) -> None:
    """Ends a process that is a copy of this one: it must not store, answer or run on. What it raised it says itself."""
    code = 0
    try:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(PATIENCE)  # what is flushed below may wait for a thread that is not here
        if isinstance(error, SystemExit):
            code = error.code if isinstance(error.code, int) else int(error.code is not None)
        elif error is not None:
            code = 1
            os.write(2, traceback_text(error).encode(errors="replace"))
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(code & 0xFF)


async def _drain(generator: Any) -> list[Any]:
    return [item async for item in generator]


def _run_coroutine(coroutine: Coroutine[Any, Any, Any]) -> Any:
    """Runs on a helper thread; an interrupt of this thread, or an end of its time, cancels it."""
    outcome: dict[str, Any] = {}
    process, ended = os.getpid(), threading.Event()
    loop = asyncio.new_event_loop()
    task = loop.create_task(coroutine)

    def work() -> None:
        try:
            outcome["result"] = loop.run_until_complete(task)
        except BaseException as error:  # noqa: BLE001 - handed to the caller below
            outcome["error"] = error
        finally:
            if os.getpid() != process:
                _end_child(outcome.get("error"))
            loop.run_until_complete(loop.shutdown_asyncgens())
            loop.close()
            ended.set()

    thread = threading.Thread(target=contextvars.copy_context().run, args=(work,), name="jo step", daemon=True)
    thread.start()
    try:
        # in turns: an interrupt that is no signal (Windows) does not end a wait. Not `join`: Python 3.11 takes a
        # thread for ended whose join was interrupted
        while not ended.wait(0.2):
            pass
    except BaseException as stopped:  # an interrupt, or its time is up
        with contextlib.suppress(RuntimeError):  # it has just ended
            loop.call_soon_threadsafe(task.cancel)
        while not ended.wait(0.2):
            pass
        inside = outcome.get("error")
        if isinstance(stopped, StepTimeout) and inside is not None:
            raise stopped.with_traceback(inside.__traceback__) from None  # where the coroutine was
        raise
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]


def users_traceback(error: BaseException) -> TracebackType | None:
    """The error's traceback without the frames above the step's own code."""
    trace = error.__traceback__
    while trace is not None and _is_plumbing(trace):
        trace = trace.tb_next
    return trace if trace is not None else error.__traceback__


def traceback_text(error: BaseException) -> str:
    """The error with the user's lines, as text; what happened while none of them ran is told in one line."""
    if isinstance(error, CommandFailed):
        return f"{error}\n"
    trace = users_traceback(error)
    if isinstance(error, StepTimeout) and trace is not None and _is_plumbing(trace):
        return "".join(traceback.format_exception_only(error))
    told = traceback.TracebackException(type(error), error, trace)
    if isinstance(error, JoError):  # then it ends at the user's line, not at ours that raised there
        modules = [str(frame.f_globals.get("__name__", "")) for frame, _ in traceback.walk_tb(trace)]
        ours = next((i for i, name in enumerate(modules) if i and name.partition(".")[0] == PACKAGE), len(modules))
        del told.stack[ours:]
    return "".join(told.format())


def _is_plumbing(trace: TracebackType) -> bool:
    module = str(trace.tb_frame.f_globals.get("__name__", ""))
    return module.partition(".")[0] in (PACKAGE, "asyncio", "threading", "contextvars", "concurrent")
