"""One step, in another process: what that process does from the request to the reply."""

from __future__ import annotations

import contextlib
import functools
import importlib
import os
import platform
import signal
import sys
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import replace
from functools import partial
from types import FrameType
from typing import Any

from jo_notebook.core.fingerprint import digest_of
from jo_notebook.core.history import remembered
from jo_notebook.core.homes import is_users_code
from jo_notebook.core.record import Record
from jo_notebook.core.version import version_of, witness_of
from jo_notebook.engine.attend import Attention, attending
from jo_notebook.engine.call import call_step
from jo_notebook.engine.capture import Recorder, recording, routed_output
from jo_notebook.engine.carried_settings import apply_settings
from jo_notebook.engine.files import Files
from jo_notebook.engine.measure import Measured, measuring
from jo_notebook.engine.modules import Modules
from jo_notebook.engine.packing import Sender, pack_error, packed_value, put_together, remember_lines, unpacked
from jo_notebook.engine.request import Checks, Handle, Input, Reply, Request, this_process
from jo_notebook.engine.stopping import in_time
from jo_notebook.errors import JoError, StepTimeout, StoreError
from jo_notebook.store.context import Context

WATCHED_EVERY = 1.0
"""Seconds between two looks whether the process that asked is still there."""
_modules: dict[str, Modules] = {}
_is_in_a_step = False
_is_ours = False
_looking = threading.Lock()
_routing = threading.Lock()
_routed: list[AbstractContextManager[None]] = []
_writers = 0


class Unread(Exception):
    """An input that could not be read here."""


class Host:
    """What a process does in its own way when it runs a step: tell news, call the step's code, give its value back.

    `handed` are the inputs that the executor hands over itself, in order: each gives one, or raises Unread.
    """

    def __init__(self, channel: str = "", *handed: Callable[[Input], Any]) -> None:
        self.sender = Sender(channel)
        self.handed = list(handed)

    def call(self, work: Callable[[], Any]) -> Any:
        """Calls it. Raises KeyboardInterrupt where it is interrupted."""
        return work()

    def packed(self, step: str, value: Any) -> Any:
        """The value as it goes into the reply. Raises NotSendable."""
        return packed_value(step, value)


def run_request(request: Request, host: Host | None = None) -> Reply:
    """Calls the step. Whatever it raises is in the reply. Raises KeyboardInterrupt where it was interrupted."""
    host = host or Host(request.channel)
    try:
        host.sender.send(pid=os.getpid())
        with _as_there(request):
            return _answered(request, host)
    finally:
        host.sender.close()


def _answered(request: Request, host: Host) -> Reply:
    with _looking:
        differs, is_stale = what_differs(request.checks)
    if differs:
        return Reply(differs=differs, is_stale=is_stale)
    recorder = Recorder(echo=False, on_entry=host.sender.entry, on_progress=host.sender.progress)
    recorder.begin(request.record.tries)
    try:
        function, params = put_together(request.step, request.code, "its code")
        if changed := _changed_data(function, request.checks.data):
            return Reply(differs=f"{changed} was changed while it was sent", is_stale=True)
        with _looking:
            differs, is_stale = _loaded_otherwise(request.checks)  # what the code imports is loaded now
        if differs:
            return Reply(differs=differs, is_stale=is_stale)
        loaded = frozenset(sys.modules)
        inputs = {given.parameter: _read(request.step, given, host) for given in request.inputs}
    except Unread as error:
        return Reply(unread=str(error))
    except Exception as error:  # noqa: BLE001 - what was sent may need something that is not here
        return Reply(error=pack_error(error))
    return _called(request, partial(call_step, function, {**inputs, **params}), recorder, host, loaded)


def _called(
    request: Request, work: Callable[[], Any], recorder: Recorder, host: Host, loaded: Collection[str]
) -> Reply:
    """Calls the step's code. Of the modules those in `loaded` were there, and looked at, before."""
    definition, pid = request.definition, os.getpid()
    attention, measured, began = Attention(), Measured(), time.perf_counter()
    try:
        with (
            _own_output(request),
            recording(recorder),
            _around(request, recorder),
            _settling(request.checks),
            attending(
                definition,
                {},
                Files(),
                own=is_users_code,
                ignored=request.ignored,
                told=request.told,
                modules=request.modules,
            ) as attention,
            measuring() as measured,
            _interruptible(),
        ):
            value = host.call(partial(in_time, work, definition.timeout, definition.name))
            _end_a_copy(pid)
    except KeyboardInterrupt:
        _end_a_copy(pid)
        _end_children()
        raise
    except BaseException as error:  # noqa: BLE001 - SystemExit in a step is a failure of that step, too
        _end_a_copy(pid)
        if isinstance(error, StepTimeout):
            _end_children()
        return Reply(error=pack_error(error), notes=tuple(attention.notes))
    seconds = time.perf_counter() - began
    with _looking:
        differs = _imported_otherwise(request.checks, loaded)
    if differs:
        return Reply(differs=differs, is_stale=True)
    return _kept(request, value, attention, measured, seconds, recorder, host)


def _end_a_copy(pid: int) -> None:
    """A step's code may fork; the copy, when it comes back here, has nothing to say."""
    if os.getpid() != pid:
        os._exit(0)


def _kept(
    request: Request,
    value: Any,
    attention: Attention,
    measured: Measured,
    seconds: float,
    recorder: Recorder,
    host: Host,
) -> Reply:
    record = replace(
        request.record,
        seconds=seconds,
        cpu=measured.cpu,
        memory=measured.memory,
        writes=attention.writes,
        files=attention.files,
        hidden=attention.hidden,
        history=remembered(request.record.history, (seconds, request.size)),
    )
    notes = tuple(attention.notes)
    stored = _stored(request, record, value, recorder) if request.place else None
    if stored is not None:
        return Reply(stored, is_stored=True, notes=notes)
    try:
        return Reply(record, value=host.packed(request.step, value), notes=notes)
    except JoError as error:
        return Reply(error=pack_error(error), notes=notes)


def _stored(request: Request, record: Record, value: Any, recorder: Recorder) -> Record | None:
    """The result, on disk and complete; None where it takes a pickle, or the disk refuses."""
    version = version_of(value)
    witness = "" if version.exact else witness_of(value)
    record = replace(record, version=version.digest, exact=version.exact, witness=witness)
    definition, context = request.definition, _context(request.place)
    try:
        return context.put_plain(
            record, value, (*request.log, *recorder.entries), format=definition.format, keep=definition.keep
        )
    finally:
        context.drop_memory(request.step)


# -- inputs -------------------------------------------------------------------------------------------


@functools.lru_cache(maxsize=8)
def _context(place: str) -> Context:
    return Context(place)


def _read(step: str, given: Input, host: Host) -> Any:
    if given.packed is not None:
        return put_together(step, given.packed, f"its input {given.parameter}")
    return _lying(given.handle) if given.handle is not None else host.handed.pop(0)(given)


def _lying(handle: Handle) -> Any:
    """A value from disk, certainly the one that is meant; nobody else gets to see this copy of it."""
    context = _context(handle.place)
    try:
        context.drop_memory(handle.step)
        context.look(handle.step)
        context.use(handle.step, handle.generation)
        record = context.record(handle.step)
        if record is None or record.version != handle.version:
            context.refresh()
            record = context.record(handle.step)
        if record is None or record.version != handle.version:
            raise Unread(handle.step)
        value = context[handle.step]
    except StoreError as error:
        raise Unread(handle.step) from error
    context.drop_memory(handle.step)
    return value


# -- whether things are here as they are there --------------------------------------------------------


def what_differs(checks: Checks) -> tuple[str, bool]:
    """What is not here as it is there, in a sentence, or nothing; and whether a new process would have it."""
    for mine, theirs, what in (
        (platform.python_version(), checks.python, "Python"),
        (_version("jo_notebook"), checks.jo_notebook, "jo_notebook"),
    ):
        if theirs and mine != theirs:
            return f"it has {what} {mine}, and here is {theirs}", False
    for name, theirs in checks.packages.items():
        mine = _as_told(_version(name), checks.policy)
        if mine != theirs:
            return f"it has {name} {mine or 'not installed'}, and here is {theirs}", False
    files = Files()
    for path, digest in checks.files.items():
        if files.look(path).digest != digest:
            return f"its {path}, in {os.getcwd()}, is not the one that is here", False
    return _loaded_otherwise(checks)


def _loaded_otherwise(checks: Checks) -> tuple[str, bool]:
    """A local module that is another one here, on disk or as it is loaded, or that a step has changed."""
    modules = _known(checks)
    is_near = not checks.python  # the same disk: it was edited just now, or another one of its name is loaded
    for name, theirs in checks.modules.items():
        if digest_of(modules.find(name).text) != theirs:
            return f"its module {name} is not the one that is here", is_near
        if digest_of(modules.loaded(name).text) != theirs:
            return f"its module {name} was loaded before an edit", True
    for name, piece in checks.pieces:
        if modules.is_patched(name, piece):
            return f"an earlier step has changed {name}.{piece} there", True
    return "", False


def _imported_otherwise(checks: Checks, loaded: Collection[str]) -> str:
    """A local module that the step itself has imported, and that is another one; what came before may be edited."""
    modules = _known(checks)
    for name, theirs in checks.modules.items():
        if name not in loaded and digest_of(modules.loaded(name).text) != theirs:
            return f"its module {name} was edited before it was imported"
    return ""


def _known(checks: Checks) -> Modules:
    modules = _modules.setdefault(checks.policy, Modules(checks.policy))
    modules.look()
    return modules


@contextmanager
def _settling(checks: Checks) -> Iterator[None]:
    """Around the call: what modules themselves make of what they hold (a memo) is no change by the step."""
    with _looking:
        around = _known(checks).settling(checks.pieces)
        around.__enter__()
    try:
        yield
    finally:
        with _looking:
            around.__exit__(None, None, None)


def _changed_data(function: Any, versions: Mapping[str, str]) -> str:
    """A name whose value, as it came here, is not the one that was meant; or nothing."""
    names = getattr(function, "__globals__", {})
    found = ((name, names[name]) for name in versions if name in names)
    return next((name for name, value in found if version_of(value).digest != versions[name]), "")


def _version(distribution: str) -> str:
    from importlib.metadata import PackageNotFoundError, version

    try:
        return version(distribution)
    except PackageNotFoundError:
        return ""


def _as_told(version: str, policy: str) -> str:
    return ".".join(version.split(".")[:2]) if policy == "minor" else version


# -- the process --------------------------------------------------------------------------------------


@contextmanager
def _as_there(request: Request) -> Iterator[None]:
    """Inside, directory, path and environment are those of the process that asked, where this is another one."""
    remember_lines(request.lines)
    if request.asker == this_process():
        yield
        return
    if request.path:
        sys.path[:] = request.path
    if request.cwd:
        os.chdir(request.cwd)
    if request.environ is not None:
        _become(request.environ)
    for name, value in request.variables.items():
        if value is None:
            os.environ.pop(name, None)
        else:
            os.environ[name] = value
    _hear_interrupts()
    if request.settings:
        apply_settings(unpacked(request.settings))
    yield


def _become(environ: Mapping[str, str]) -> None:
    for name in os.environ.keys() - environ.keys():
        del os.environ[name]
    for name, value in environ.items():
        if os.environ.get(name) != value:
            os.environ[name] = value


def _own_output(request: Request) -> AbstractContextManager[None]:
    """In the process that asked, output is routed already."""
    return nullcontext() if request.asker == this_process() else _output_of_all()


@contextmanager
def _output_of_all() -> Iterator[None]:
    """Inside, output goes to who writes it; several threads may run steps here."""
    global _writers
    with _routing:
        if not _writers:
            _routed.append(routed_output())
            _routed[-1].__enter__()
        _writers += 1
    try:
        yield
    finally:
        with _routing:
            _writers -= 1
            if not _writers:
                _routed.pop().__exit__(None, None, None)


def _around(request: Request, recorder: Recorder) -> AbstractContextManager[None]:
    """What a front end wants around the call."""
    module, _, name = request.around.partition(":")
    if not module or request.asker == this_process():
        return nullcontext()
    around: AbstractContextManager[None] = getattr(importlib.import_module(module), name)(recorder, request.modules)
    return around


def _hear_interrupts() -> None:
    """An interrupt reaches a step, and nothing else that this process does."""
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGINT, _interrupted)


def _interrupted(number: int, frame: FrameType | None) -> None:
    if _is_in_a_step:
        raise KeyboardInterrupt


@contextmanager
def _interruptible() -> Iterator[None]:
    global _is_in_a_step
    _is_in_a_step = True
    try:
        yield
    finally:
        _is_in_a_step = False


def begin_process(asker: int) -> None:
    """What a process of our own does first: it ends, with all it has started, as soon as nobody waits for it."""
    global _is_ours
    _is_ours = True
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})  # who started it keeps interrupts away until now
    if hasattr(os, "setpgid"):  # an interrupt of the kernel, or of a terminal, is for who coordinates: it tells whom
        with contextlib.suppress(OSError):
            os.setpgid(0, 0)
    threading.Thread(target=_watch, args=(asker,), name="jo watch", daemon=True).start()


def _watch(asker: int) -> None:
    while os.getppid() == asker:
        time.sleep(WATCHED_EVERY)
    end_tree(os.getpid())


def _end_children() -> None:
    """A step that was broken off leaves nothing behind that it has started."""
    if _is_ours:
        end_tree(os.getpid(), itself=False)


def end_tree(pid: int, *, itself: bool = True) -> None:
    """Ends a process and all that it has started, for certain. Never raises."""
    import psutil

    try:
        process = psutil.Process(pid)
        family = [*process.children(recursive=True), *([process] if itself else [])]
    except psutil.Error:
        return
    for one in family:
        try:
            one.kill()
        except psutil.Error:
            continue
