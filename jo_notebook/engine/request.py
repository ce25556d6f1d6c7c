"""One call of a step as a message to another process, and the answer to it. Plain data beside packed bytes."""

from __future__ import annotations

import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from jo_notebook.core.definition import Definition
from jo_notebook.core.record import LogEntry, Record

_TOKEN = uuid.uuid4().hex


def this_process() -> str:
    """Tells this process from any other, on whatever machine."""
    return f"{os.getpid()} {_TOKEN}"


@dataclass(frozen=True, slots=True)
class Handle:
    """A result that is read where it lies: `generation` 0 is the newest of its step, which has this version."""

    place: str
    step: str
    generation: int
    version: str


@dataclass(frozen=True, slots=True)
class Input:
    """What a step is given as one parameter: a handle, or the value itself, packed.

    Where both are missing, the executor hands it over in its own way.
    """

    parameter: str
    step: str
    version: str
    exact: bool
    handle: Handle | None = None
    packed: bytes | None = None


@dataclass(frozen=True, slots=True)
class Checks:
    """What must be in another process as it is here: digests of local modules, versions of packages.

    `pieces` are the names of those modules that the step reaches, and that nobody must have changed since they were
    loaded. `policy` says what of a package's version counts, `data` are the data versions of what the code brings
    along, `files` the digests of the files that the step reads, where those are not certainly the same.
    """

    modules: Mapping[str, str] = field(default_factory=dict)
    packages: Mapping[str, str] = field(default_factory=dict)
    pieces: tuple[tuple[str, str], ...] = ()
    policy: str = "exact"
    data: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    python: str = ""
    jo_notebook: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """A step to be called. `code` is its function and its parameters, packed.

    `record` has what is known of its record before it runs, `size` the bytes of its inputs. With a `place` a result
    that needs no pickle is stored from there, with `log` and what comes after it. `told` are hidden inputs that were
    told before, `ignored` directories whose files are ours. `environ` is None where the other process keeps its own
    environment but for `variables` (None: unset). `lines` are texts of code that is in no file, for tracebacks.
    `settings` are those of libraries, packed.
    `around` names a function that is entered around the call, `channel` is where news go meanwhile, `asker` the process
    that asks.
    `resources` are those that the executor has to see to; `is_alone` says that nothing may run beside it in a process.
    """

    definition: Definition
    code: bytes
    inputs: tuple[Input, ...]
    record: Record
    checks: Checks
    size: float = 0.0
    place: str = ""
    log: tuple[LogEntry, ...] = ()
    told: tuple[tuple[str, str], ...] = ()
    ignored: tuple[str, ...] = ()
    modules: frozenset[str] = frozenset()
    cwd: str = ""
    path: tuple[str, ...] = ()
    environ: Mapping[str, str] | None = None
    variables: Mapping[str, str | None] = field(default_factory=dict)
    lines: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    settings: bytes = b""
    around: str = ""
    channel: str = ""
    asker: str = ""
    resources: Mapping[str, float] = field(default_factory=dict)
    is_alone: bool = False

    @property
    def step(self) -> str:
        """The name of the step."""
        return self.definition.name


@dataclass(frozen=True, slots=True)
class Packed:
    """An error as bytes, with its tracebacks as plain data, and as text."""

    error: bytes
    text: str


@dataclass(frozen=True, slots=True)
class Reply:
    """What came of a request: a record, or an error, or why nothing ran.

    `is_stored`: the record and its value are on disk. Else `value` is the value, as the executor packs
    it, and the record tells nothing of it. `differs` says what is not there as it is here, `is_stale` that a process
    begun anew would have it; `unread` names an input that could not be read.
    """

    record: Record | None = None
    is_stored: bool = False
    value: Any = None
    error: Packed | None = None
    differs: str = ""
    is_stale: bool = False
    unread: str = ""
    notes: tuple[str, ...] = ()
