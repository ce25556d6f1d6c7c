"""What goes to another process and comes back: code by value, errors with their tracebacks, news in between."""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import linecache
import math
import os
import pickle
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from types import CodeType, FunctionType, MethodType, TracebackType
from typing import Any

from jo_notebook.core.record import LogEntry
from jo_notebook.engine.by_value import reduced, with_home
from jo_notebook.engine.call import traceback_text, users_traceback
from jo_notebook.engine.request import Packed
from jo_notebook.errors import NotSendable, RaisedElsewhere
from jo_notebook.store.formats.unfit import path_to

LINKS = 8
SHELL = ("jo_notebook.notebook.elsewhere", "get_ipython")
DEEPEST, WIDEST = 12, 1_000
Row = tuple[str, str, int, int, str]


def packed(value: object) -> bytes:
    """Anything that can be pickled, and functions and classes of the notebook by value. Raises what pickling does."""
    buffer = io.BytesIO()
    _pickler()(buffer, protocol=pickle.HIGHEST_PROTOCOL).dump(value)
    return buffer.getvalue()


def in_pieces(value: object) -> tuple[bytes, list[pickle.PickleBuffer]]:
    """The same, with the value's plain memory beside it, where it lies. Raises what pickling does."""
    head, buffers = io.BytesIO(), list[pickle.PickleBuffer]()
    _pickler()(head, protocol=5, buffer_callback=buffers.append).dump(value)
    return head.getvalue(), buffers


@lru_cache(maxsize=1)
def _pickler() -> Any:
    import cloudpickle

    class Pickler(cloudpickle.Pickler):  # type: ignore[misc]
        """Sends IPython's `get_ipython` as that of the other process; its shell could not be sent."""

        def reducer_override(self, obj: Any) -> Any:
            if type(obj) is MethodType and obj.__name__ == "get_ipython" and _is_a_shell(obj.__self__):
                return _found, SHELL
            own = reduced(obj)
            theirs = super().reducer_override(obj) if own is NotImplemented else own
            return with_home(obj, theirs) if isinstance(obj, type) else theirs

    return Pickler


def _is_a_shell(obj: object) -> bool:
    kind = obj if isinstance(obj, type) else type(obj)
    return any(base.__name__ == "InteractiveShell" for base in kind.__mro__)


def _found(module: str, name: str) -> Any:
    return getattr(importlib.import_module(module), name)


def unpacked(data: bytes) -> Any:
    """The reverse of `packed`, which this process or one that it trusts has made."""
    return pickle.loads(data)


def put_together(step: str, data: bytes, what: str) -> Any:
    """The same for what a user's own code has a part in. Raises NotSendable, which says what failed."""
    try:
        return unpacked(data)
    except Exception as error:
        raise NotSendable(
            f"{step} cannot run in another process: {what} was sent and cannot be put together again "
            f"({type(error).__name__}: {error}). To run it in the kernel, say --executor inline on its line."
        ) from error


def packed_code(step: str, function: Callable[..., Any], params: Mapping[str, Any]) -> bytes:
    """A step's function and parameters. Raises NotSendable, which names what is in the way."""
    try:
        return packed((function, dict(params)))
    except Exception as error:
        read = dict(_read_by(function))
        what = next((f"{name}{_way(value)}" for name, value in read.items() if not _can_be_packed(value)), "its code")
        raise NotSendable(_refusal(step, f"it reads {what}", error)) from error


def packed_input(step: str, parameter: str, value: object, large: float = math.inf) -> bytes | None:
    """A value that a step is given; None where more than `large` bytes of it are plain memory.

    Raises NotSendable, which names what is in the way.
    """
    try:
        if large < math.inf and sum(buffer.raw().nbytes for buffer in in_pieces(value)[1]) > large:
            return None
        return packed(value)
    except Exception as error:
        raise refused_input(step, parameter, value, error) from error


def refused_input(step: str, parameter: str, value: object, error: BaseException) -> NotSendable:
    """An input that cannot be packed, with the way to what is in the way."""
    return NotSendable(_refusal(step, f"its input is {parameter}{_way(value)}", error))


def packed_value(step: str, value: object) -> bytes:
    """What a step returned. Raises NotSendable, which names what is in the way."""
    try:
        return packed(value)
    except Exception as error:
        raise refused_value(step, value, error) from error


def refused_value(step: str, value: object, error: BaseException) -> NotSendable:
    """A result that cannot be packed, with the way to what is in the way."""
    return NotSendable(_refusal(step, f"it returns result{_way(value)}", error))


def _refusal(step: str, what: str, error: BaseException) -> str:
    return (
        f"{step} cannot run in another process: {what}, which cannot be sent ({type(error).__name__}: {error}). "
        "To run it in the kernel, say --executor inline on its line."
    )


def _can_be_packed(value: object) -> bool:
    try:
        packed(value)
    except Exception:  # noqa: BLE001 - a value's own code runs here
        return False
    return True


def _way(value: object) -> str:
    """The way from a value to the smallest part of it that cannot be packed by itself, as `['db'].conn`."""
    trail = [value]
    while len(trail) < DEEPEST:
        inner = (p for p, _ in zip(_parts(trail[-1]), range(WIDEST), strict=False))
        part = next((p for p in inner if not any(p is t for t in trail) and not _can_be_packed(p)), None)
        if part is None:
            break
        trail.append(part)
    return path_to(trail).removeprefix("result") if len(trail) > 1 else ""


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value
    elif isinstance(value, FunctionType):
        for cell in value.__closure__ or ():
            yield cell.cell_contents
    else:
        fields = getattr(value, "__dict__", None)
        yield from fields.values() if isinstance(fields, dict) else ()


def _read_by(function: Callable[..., Any]) -> Iterator[tuple[str, object]]:
    """What a function, and those that it calls, read from their globals, by name."""
    waiting, seen = [function], set()
    while waiting:
        one: Any = waiting.pop()
        one = one.__func__ if isinstance(one, MethodType) else one
        if not isinstance(one, FunctionType) or id(one) in seen:
            continue
        seen.add(id(one))
        for name in _names_in(one.__code__):
            if name in one.__globals__:
                value = one.__globals__[name]
                waiting.append(value)
                yield name, value


def _names_in(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names_in(constant)


def lines_of(function: Callable[..., Any]) -> dict[str, tuple[str, ...]]:
    """The texts of a function's code, and of what it calls, where they are in no file that another process has."""
    functions = [function, *(value for _, value in _read_by(function))]
    codes = [one.__code__ for one in functions if isinstance(one, FunctionType)]
    names = {code.co_filename for code in codes if not os.path.exists(code.co_filename)}
    return {name: tuple(linecache.getlines(name)) for name in names}


def remember_lines(lines: Mapping[str, Iterable[str]]) -> None:
    """The reverse of `lines_of`, for tracebacks."""
    for name, rows in lines.items():
        rows = list(rows)
        linecache.cache[name] = (sum(map(len, rows)), None, rows, name)


# -- errors -------------------------------------------------------------------------------------------


def pack_error(error: BaseException) -> Packed:
    """An error with its causes, their tracebacks from the user's code on. Never raises."""
    text = traceback_text(error)
    links: list[tuple[bytes, list[Row], bool, bool]] = []
    link: BaseException | None = error
    while link is not None and len(links) < LINKS:
        trace = users_traceback(link)
        links.append((_sendable(link), _rows(trace), link.__cause__ is not None, link.__suppress_context__))
        link = link.__cause__ or link.__context__
    return Packed(packed(links), text)


def unpack_error(packed_error: Packed) -> BaseException:
    """The error, as if it had been raised here."""
    found: BaseException | None = None
    for data, trace, is_cause, suppresses in reversed(unpacked(packed_error.error)):
        link: BaseException = unpacked(data)
        link = link.with_traceback(_traced(trace))
        if is_cause:
            link.__cause__ = found
        else:
            link.__context__ = found
        link.__suppress_context__ = suppresses
        found = link
    assert found is not None
    return found


def _rows(trace: TracebackType | None) -> list[Row]:
    """A traceback as plain data: where each frame's code stands, and where it was."""
    rows = []
    while trace is not None:
        code = trace.tb_frame.f_code
        module = str(trace.tb_frame.f_globals.get("__name__", ""))
        rows.append((code.co_filename, code.co_name, code.co_firstlineno, trace.tb_lineno or 0, module))
        trace = trace.tb_next
    return rows


def _traced(rows: Iterable[Row]) -> TracebackType | None:
    """A traceback that shows the same lines: of frames that do nothing but raise there.

    What tblib makes says that a function begins where it raised, which makes IPython show the wrong lines.
    """
    first = last = None
    for filename, name, begins, line, module in rows:
        text = "\n" * max(line - begins, 0) + "raise stand_in"
        code = compile(text, filename, "exec").replace(co_name=name, co_firstlineno=begins)
        try:
            exec(code, {"__name__": module, "stand_in": RaisedElsewhere()})
        except RaisedElsewhere as error:
            trace = error.__traceback__ and error.__traceback__.tb_next
            if last is None:
                first = trace
            else:
                last.tb_next = trace
            last = trace
    return first


def _sendable(error: BaseException) -> bytes:
    """An error that comes back as it was, or one that tells of it."""
    try:
        data = packed(error)
        if type(unpacked(data)) is type(error):
            return data
    except Exception:  # noqa: BLE001 - an error's own code runs here
        pass
    try:
        text = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 - an error's own code runs here
        text = type(error).__name__
    return packed(RaisedElsewhere(text))


# -- news ---------------------------------------------------------------------------------------------


class Sender:
    """Writes news to a file, a line each; whoever asked reads along. Without a file nothing is told."""

    def __init__(self, path: str) -> None:
        self._file: io.FileIO | None = None
        with contextlib.suppress(OSError):
            self._file = io.FileIO(path, "a") if path else None

    def send(self, **news: Any) -> None:
        """One line of news; nothing more where the disk is full, which is no failure of the step that prints."""
        if self._file is None:
            return
        line = json.dumps(news).encode() + b"\n"
        try:
            is_whole = self._file.write(line) == len(line)
        except OSError:
            is_whole = False
        if not is_whole:
            self.close()

    def entry(self, entry: LogEntry) -> None:
        """Something that was printed or displayed."""
        self.send(kind=entry.kind, text=entry.text, data=entry.data)

    def progress(self, fraction: float | None, text: str) -> None:
        """How far the step is."""
        self.send(fraction=fraction, text=text)

    def close(self) -> None:
        """Nothing more is told."""
        file, self._file = self._file, None
        if file is not None:
            with contextlib.suppress(OSError):  # the step may have closed it
                file.close()


class Receiver:
    """Reads such a file while it grows."""

    def __init__(self, path: str) -> None:
        self._path = path
        self._at = 0
        self._rest = b""

    def news(self) -> list[dict[str, Any]]:
        """The lines that are whole and new."""
        try:
            if os.stat(self._path).st_size == self._at:
                return []
            with open(self._path, "rb") as file:
                file.seek(self._at)
                data = file.read()
        except OSError:
            return []
        self._at += len(data)
        *lines, self._rest = (self._rest + data).split(b"\n")
        return [json.loads(line) for line in lines if line]
