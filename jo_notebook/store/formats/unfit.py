"""What no format may write, and the way to it. A handle would come back as another, or as none."""

from __future__ import annotations

import io
import socket
import threading
import types
from collections.abc import Iterator

from jo_notebook.core.kinds import mro_of, path_of
from jo_notebook.store.formats.contract import shown_path

FILE = "file handle"
LOCK = "thread lock"
THREAD = "running thread"
_FILES = (io.FileIO, io.BufferedReader, io.BufferedWriter, io.BufferedRandom, io.BufferedRWPair, io.TextIOWrapper)

KINDS: dict[type, str] = {
    **dict.fromkeys(_FILES, FILE),
    type(threading.Lock()): LOCK,
    type(threading.RLock()): LOCK,
    threading.Thread: THREAD,
    socket.socket: "socket",
    types.GeneratorType: "generator",
    types.CoroutineType: "coroutine",
    types.AsyncGeneratorType: "generator",
    memoryview: "memoryview (keep the bytes it shows)",
}

NAMES = {
    "mmap.mmap": "mapped file",
    "subprocess.Popen": "process",
    "sqlite3.Connection": "database connection",
    "sqlite3.Cursor": "database cursor",
    "sqlite3.Blob": "database handle",
    "psycopg2.extensions.connection": "database connection",
    "psycopg.Connection": "database connection",
    "_duckdb.DuckDBPyConnection": "database connection",
    "duckdb.duckdb.DuckDBPyConnection": "database connection",
    "multiprocessing.process.BaseProcess": "process",
    "multiprocessing.synchronize.SemLock": "lock between processes",
    "multiprocessing.queues.Queue": "queue between processes",
    "multiprocessing.queues.SimpleQueue": "queue between processes",
    "multiprocessing.pool.Pool": "pool of processes",
    "concurrent.futures._base.Executor": "pool of workers",
    "asyncio.events.AbstractEventLoop": "asyncio loop",
    "_asyncio.Future": "asyncio task",
    "asyncio.futures.Future": "asyncio task",
}


class Culprits:
    """Says of one object after another what makes it unfit; of each class it asks once."""

    def __init__(self) -> None:
        self._words: dict[type, str] = {}

    def __call__(self, obj: object) -> str:
        """What makes this object unfit for any file, or an empty string."""
        kind = type(obj)
        try:
            word = self._words[kind]
        except KeyError:
            word = self._words[kind] = word_of(kind)
        return _exactly(obj, word) if word else ""


def culprit(obj: object) -> str:
    """What makes this object unfit for any file, or an empty string."""
    return Culprits()(obj)


def word_of(kind: type) -> str:
    """What objects of this class are, if they are unfit."""
    found = (KINDS.get(base) or NAMES.get(path_of(base)) for base in mro_of(kind))
    return next((word for word in found if word), "")


def _exactly(obj: object, word: str) -> str:
    if word == FILE and not getattr(obj, "closed", True):
        return f"open file {getattr(obj, 'name', '')!r}"
    if word == THREAD and isinstance(obj, threading.Thread) and not obj.is_alive():
        return ""
    return word


def path_to(trail: list[object]) -> str:
    """The way from a result to the last object of a trail, for instance `result['db'].conn`."""
    return "result" + shown_path(list(_steps_of(trail)))


def _steps_of(trail: list[object]) -> Iterator[str]:
    holder = trail[0] if trail else None
    for obj in trail[1:]:
        if obj is getattr(holder, "__dict__", None):
            continue
        if step := _step(holder, obj):
            yield step
            holder = obj
        elif not isinstance(obj, (str, int, type, tuple)) and holder is not None and obj is trail[-1]:
            yield f" … {type(obj).__name__}"


def _step(holder: object, obj: object) -> str:
    """How `obj` is reached from `holder`, or an empty string."""
    if isinstance(holder, dict):
        found = next((key for key, value in holder.items() if value is obj), None)
        return "" if found is None else f"[{found!r:.40}]"
    if isinstance(holder, (list, tuple)):
        return next((f"[{n}]" for n, value in enumerate(holder) if value is obj), "")
    fields = getattr(holder, "__dict__", None) or {}
    return next((f".{name}" for name, value in fields.items() if value is obj), "")
