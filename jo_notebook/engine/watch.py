"""What a step does beside its inputs and its result: files, environment variables and names, seen while it runs.

What is seen becomes a suggestion, never proof: readers written in other languages (pyarrow, polars, h5py) open
files without telling Python, and so does another process. A step is watched in its own thread, in what carries
its context, and in the threads that it starts; not in a pool of threads that was there before.
"""

from __future__ import annotations

import os
import site
import stat
import sys
import sysconfig
import threading
import tokenize
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from operator import is_
from types import FrameType
from typing import Any
from urllib.parse import unquote

from jo_notebook.core.files import is_left_out

IPYTHONS = frozenset({"In", "Out", "exit", "quit", "get_ipython"})
SYSTEM_PLACES = "/proc /dev /sys /etc /lib /lib64 /usr/lib /usr/lib64 /usr/share /var/cache /var/lib /System /Library"
PYTHONS_PLACES = "lib lib64 bin share etc include ssl Lib DLLs Scripts Library conda-meta"
CONFIGURED = "XDG_CACHE_HOME XDG_CONFIG_HOME MPLCONFIGDIR IPYTHONDIR JUPYTER_CONFIG_DIR JUPYTER_DATA_DIR"
NOBODYS_NAMES = frozenset({"matplotlibrc", "pyvenv.cfg"})
INSTALLED = frozenset({"site-packages", "dist-packages"})
IMPORTERS = ("<frozen importlib", "<frozen zipimport", "<frozen runpy", tokenize.__file__)
ACCESS = os.O_RDONLY | os.O_WRONLY | os.O_RDWR
PASSED_OVER = frozenset(  # between a read and who asked for it
    {
        *(os.getenv.__code__.co_filename, Mapping.get.__code__.co_filename, __file__),
        *("<frozen os>", "<frozen _collections_abc>"),
    }
)

FileMark = tuple[int, int, int]  # inode, size, mtime_ns
NO_FILE: FileMark = (0, 0, 0)  # something else is there: a directory, a device


@dataclass
class Seen:
    """What was seen, complete when the watching has ended. Paths below the working directory are relative to it.

    `opened` are files read that the step had not written itself, `written` those created or changed that are
    still there, `listed` directories and patterns by which the user's code looked for files. `env` are environment
    variables that the user's code read, `bound` the names bound, bound anew or deleted in the namespace.
    """

    opened: list[str] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    listed: list[str] = field(default_factory=list)
    env: list[str] = field(default_factory=list)
    bound: list[str] = field(default_factory=list)


class watching:
    """Inside, what this thread and what it starts does is seen.

    `own` says of a code's file name whether it is the user's (a cell, a local module); files below a directory of
    `ignored` are left out. A watch inside another one keeps what it sees for itself.
    """

    __slots__ = ("_before", "_ignored", "_namespace", "_seen", "_token", "_watch")

    def __init__(self, namespace: dict[str, Any], *, own: Callable[[str], bool], ignored: Iterable[str] = ()) -> None:
        self._namespace = namespace
        self._ignored = ignored
        self._seen = Seen()
        self._watch = _Watch(own)

    def __enter__(self) -> Seen:
        self._before = dict(self._namespace)
        _begin(self._watch)
        self._token = _watch.set(self._watch)
        return self._seen

    def __exit__(self, *failure: object) -> None:
        _watch.reset(self._token)
        _end(self._watch)
        self._watch.tell(self._seen, self._ignored)
        self._seen.bound = _bound(self._before, self._namespace)


@contextmanager
def ready_to_watch() -> Iterator[None]:
    """Inside, what watching takes is in place all the time: for a run of many steps, each of which is watched."""
    global _ready
    with _lock:
        _ready += 1
    try:
        yield
    finally:
        with _lock:
            _ready -= 1
            if not _active and not _ready:
                _restore()


class _Watch:
    """What has been seen of one step, by absolute paths and in order."""

    threads: weakref.WeakSet[threading.Thread] | tuple[()] = ()
    opened: dict[str, None]
    written: dict[str, None]
    marks: dict[str, FileMark | None]  # of files that were opened to be read and perhaps changed
    listed: dict[str, None]
    env: dict[str, None]
    set_env: set[str]
    all_env: deque[str]  # names that an iteration over the environment gave, not yet read
    _owned: dict[str, bool]
    _began = False

    def __init__(self, own: Callable[[str], bool]) -> None:
        self.cwd = _cwd()
        self._own = own

    def __getattr__(self, name: str) -> Any:
        """The first thing is seen. Most steps do nothing that is."""
        with _first:
            if not self._began:
                self.opened, self.written, self.marks, self.listed, self.env, self._owned = {}, {}, {}, {}, {}, {}
                self.set_env, self.all_env = set(), deque()
                self._began = True
        return object.__getattribute__(self, name)

    def is_own(self, frame: FrameType | None) -> bool:
        """Whether the user's code is what runs in the frame, looking over the shoulder of `os` and the like."""
        while frame is not None and frame.f_code.co_filename in PASSED_OVER:
            frame = frame.f_back
        if frame is None:
            return False
        name = frame.f_code.co_filename
        if name not in self._owned:
            self._owned[name] = bool(self._own(name))
        return self._owned[name]

    def read(self, path: str) -> None:
        if path not in self.written and path not in self.opened and os.path.exists(path):
            self.opened[path] = None

    def change(self, path: str) -> None:
        """A file that may be read and may be written: which of it, its mark will tell."""
        if path not in self.written and path not in self.marks:
            before = _mark(path)
            if before is None:
                self.written[path] = None
            elif before != NO_FILE:
                self.read(path)
                self.marks[path] = before

    def starts(self, thread: threading.Thread) -> None:
        """What this thread does is seen, too."""
        if isinstance(self.threads, tuple):
            self.threads = weakref.WeakSet()
        self.threads.add(thread)

    def rename(self, old: str, new: str) -> None:
        """What was written under the old name, or below it, is written under the new one."""
        for path in [p for p in self.written if p == old or p.startswith(old + os.sep)]:
            del self.written[path]
            self.written[new + path[len(old) :]] = None
        if not any(p == new or p.startswith(new + os.sep) for p in self.written):
            self.written[new] = None

    def tell(self, seen: Seen, ignored: Iterable[str]) -> None:
        """Fills in what is somebody's and still there."""
        if not self._began:
            return
        seen.env = list(self.env)
        if not (self.opened or self.written or self.marks or self.listed):
            return
        ignored = [os.path.abspath(place) for place in ignored]
        places = tuple(place.rstrip(os.sep) + os.sep for place in (*_places(self.cwd), *ignored))
        changed = [path for path, mark in self.marks.items() if _mark(path) != mark]

        def shown(paths: Iterable[str], test: Callable[[str], bool]) -> list[str]:
            kept = [p for p in dict.fromkeys(paths) if not _is_nobodys(p, self.cwd, places) and test(p)]
            return [_as_written(path, self.cwd) for path in kept]

        seen.opened = shown(self.opened, os.path.isfile)
        seen.written = shown([*self.written, *changed], lambda p: os.path.isfile(p) or os.path.isdir(p))
        seen.listed = shown(self.listed, lambda path: True)


# --- events of the interpreter


def _on_open(watch: _Watch, args: tuple[Any, ...], frame: FrameType) -> None:
    path, _, flags = args
    if isinstance(path, int) or frame.f_code.co_filename.startswith(IMPORTERS):
        return
    path = _absolute(path)
    if flags & ACCESS == os.O_RDONLY:
        watch.read(path)
    elif flags & ACCESS == os.O_RDWR and not flags & os.O_TRUNC:
        watch.change(path)
    elif not (flags & os.O_EXCL and os.path.lexists(path)) and not os.path.isdir(path):
        watch.written[path] = None


def _on_connect(watch: _Watch, args: tuple[Any, ...], frame: FrameType) -> None:
    path = os.fsdecode(args[0])
    if path.startswith("file:"):
        path = path.removeprefix("file:").partition("?")[0].partition("#")[0]
        path = unquote("/" + path[2:].partition("/")[2] if path.startswith("//") else path)
    if path and path != ":memory:":
        watch.change(_absolute(path))


def _on_rename(watch: _Watch, args: tuple[Any, ...], frame: FrameType) -> None:
    if not frame.f_code.co_filename.startswith(IMPORTERS):
        watch.rename(_absolute(args[0]), _absolute(args[1]))


def _on_listing(watch: _Watch, args: tuple[Any, ...], frame: FrameType | None) -> None:
    if frame is not None and frame.f_code.co_name == "iterdir" and _module(frame) == "pathlib":
        frame = frame.f_back
    if frame is not None and frame.f_code.co_filename not in PASSED_OVER and watch.is_own(frame):
        watch.listed[_absolute("." if args[0] is None else args[0])] = None


def _on_walk(watch: _Watch, args: tuple[Any, ...], frame: FrameType | None) -> None:
    if watch.is_own(frame):
        watch.listed[_absolute(args[0])] = None


def _on_glob(watch: _Watch, args: tuple[Any, ...], frame: FrameType | None) -> None:
    while frame is not None and _module(frame) in ("glob", "pathlib"):
        frame = frame.f_back
    if watch.is_own(frame):
        watch.listed[_absolute(os.path.join(*map(os.fsdecode, args)))] = None


def _module(frame: FrameType) -> str:
    return str(frame.f_globals.get("__name__")).partition(".")[0]


LISTENERS: dict[str, Callable[[_Watch, tuple[Any, ...], FrameType], object]] = {
    "open": _on_open,
    "sqlite3.connect": _on_connect,
    "os.rename": _on_rename,
    "os.link": lambda watch, args, frame: watch.written.setdefault(_absolute(args[1])),
    "os.listdir": _on_listing,
    "os.scandir": _on_listing,
    "os.walk": _on_walk,
    "glob.glob": lambda watch, args, frame: _on_glob(watch, args[:1], frame),
    "pathlib.Path.glob": _on_glob,
    "pathlib.Path.rglob": lambda watch, args, frame: _on_glob(watch, (args[0], "**", args[1]), frame),
    "os.putenv": lambda watch, args, frame: watch.set_env.add(os.fsdecode(args[0])),
}

_watch: ContextVar[_Watch | None] = ContextVar("jo_notebook_watch", default=None)
_active: list[_Watch] = []  # empty most of the time, and then the hook costs next to nothing
_ready = 0  # runs for which the environment is listened to all the time
_lock = threading.Lock()
_first = threading.RLock()
_is_hooked = False


def _hook(event: str, args: tuple[Any, ...]) -> None:
    if not _active or event not in LISTENERS:
        return
    try:
        watch = _current()
        if watch is not None:
            LISTENERS[event](watch, args, sys._getframe(1))
    except Exception:  # noqa: BLE001 - the user's `open` must not fail because of us
        pass


def _current() -> _Watch | None:
    """The watch of the step that is running here, by context or by the thread that it started."""
    if not _active:
        return None
    watch = _watch.get()
    if watch is None:
        # not current_thread(), which would put a stand-in for a thread that Python does not know
        thread = getattr(threading, "_active", {}).get(threading.get_ident())
        watch = next((w for w in tuple(_active) if thread is not None and thread in w.threads), None)
    return watch if watch in _active else None


def _begin(watch: _Watch) -> None:
    global _is_hooked
    with _lock:
        if not _is_hooked:
            sys.addaudithook(_hook)  # for good: Python has no way to take it back
            _is_hooked = True
        if not _active:
            _patch()
        _active.append(watch)


def _end(watch: _Watch) -> None:
    with _lock:
        _active.remove(watch)
        if not _active and not _ready:
            _restore()


# --- the environment and starting threads, for which there are no events (of a thread, since Python 3.12)


_Environ: Any = type(os.environ)


def _getitem(environ: Any, key: Any) -> Any:
    __tracebackhide__ = True  # a KeyError is between the user and os.environ
    try:
        if (watch := _current()) is not None:
            _saw_variable(watch, os.fsdecode(key), sys._getframe(1))
    except Exception:  # noqa: BLE001 - not ours to complain
        pass
    return _originals[_Environ, "__getitem__"](environ, key)


def _iter(environ: Any) -> Iterator[Any]:
    """Whoever copies the whole environment reads each name in order, and depends on none of them in particular."""
    watch = _current()
    if watch is not None:
        watch.all_env.clear()
    for key in _originals[_Environ, "__iter__"](environ):
        if watch is not None:
            watch.all_env.append(os.fsdecode(key))
        yield key


def _saw_variable(watch: _Watch, name: str, frame: FrameType) -> None:
    if watch.all_env and watch.all_env[0] == name:
        watch.all_env.popleft()
        return
    watch.all_env.clear()
    if name not in watch.env and name not in watch.set_env and watch.is_own(frame):
        watch.env[name] = None


def _start(thread: threading.Thread, *args: Any, **options: Any) -> Any:
    __tracebackhide__ = True
    watch = _current()
    if watch is not None:
        watch.starts(thread)
    return _originals[threading.Thread, "start"](thread, *args, **options)


_OURS = {
    (_Environ, "__getitem__"): _getitem,
    (_Environ, "__iter__"): _iter,
    (threading.Thread, "start"): _start,
}
_PLACES = [(*place, ours) for place, ours in _OURS.items()]
_pristine = {(kind, name): getattr(kind, name) for kind, name in _OURS}
_originals = dict(_pristine)  # what ours call: Python's own, or that of somebody who was there before us
_patched: set[tuple[Any, str]] = set()


def _is_in_place(row: tuple[Any, str, Any]) -> bool:
    return getattr(row[0], row[1]) is row[2]


def _patch() -> None:
    if all(map(_is_in_place, _PLACES)):
        return
    for place, ours in _OURS.items():
        current = getattr(*place)
        if place not in _patched or current is _pristine[place]:
            _originals[place] = current
            setattr(*place, ours)
            _patched.add(place)


def _restore() -> None:
    """Takes ours back; where somebody has wrapped it since, it stays in that chain and passes everything on."""
    for place, ours in _OURS.items():
        if getattr(*place) is ours:
            setattr(*place, _originals[place])
            _patched.discard(place)


# --- which files are somebody's, and how they are called


def _places(cwd: str) -> list[str]:
    """Where the system, Python and libraries keep what is theirs; not what the working directory lies in."""
    configured = tuple(value for name in CONFIGURED.split() if (value := os.environ.get(name)))
    return [place for place in _all_places(configured) if not _is_below(cwd, place)]


@lru_cache(maxsize=4)
def _all_places(configured: tuple[str, ...]) -> frozenset[str]:
    prefixes = {sys.prefix, sys.exec_prefix, sys.base_prefix, sys.base_exec_prefix}
    places = {os.path.join(prefix, name) for prefix in prefixes for name in PYTHONS_PLACES.split()}
    places |= {path for key, path in sysconfig.get_paths().items() if key not in ("data", "scripts")}
    places |= {*configured, *SYSTEM_PLACES.split(), site.getuserbase(), os.path.dirname(os.path.dirname(__file__))}
    return frozenset(places | {os.path.realpath(place) for place in places})


def _is_nobodys(path: str, cwd: str, places: tuple[str, ...]) -> bool:
    """`places` end with a separator."""
    *directories, name = _as_written(path, cwd).split(os.sep)
    if name in NOBODYS_NAMES or name.endswith(".pyc") or is_left_out(name, False):
        return True
    if not INSTALLED.isdisjoint(directories) or any(is_left_out(piece, True) for piece in directories):
        return True
    home = os.path.expanduser("~") + os.sep
    hidden = home + path.removeprefix(home).partition(os.sep)[0]
    if path.startswith(home + ".") and not _is_below(cwd, hidden):
        return True
    return (path + os.sep).startswith(places)


def _is_below(path: str, place: str) -> bool:
    return path == place or path.startswith(place.rstrip(os.sep) + os.sep)


def _absolute(path: Any) -> str:
    return os.path.abspath(os.fsdecode(path))


def _as_written(path: str, cwd: str) -> str:
    return os.path.relpath(path, cwd) if cwd and _is_below(path, cwd) else path


def _cwd() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _mark(path: str) -> FileMark | None:
    try:
        at = os.stat(path)
    except (OSError, ValueError):
        return None
    return (at.st_ino, at.st_size, at.st_mtime_ns) if stat.S_ISREG(at.st_mode) else NO_FILE


def _bound(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    """The names whose value is another object than before, or gone."""
    if len(before) == len(now) and all(map(is_, before, now)) and all(map(is_, before.values(), now.values())):
        return []
    absent = object()
    names = {**before, **now}
    changed = [name for name in names if before.get(name, absent) is not now.get(name, absent)]
    return [name for name in changed if not name.startswith("_") and name not in IPYTHONS]
