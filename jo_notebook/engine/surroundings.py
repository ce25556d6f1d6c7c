"""What a run needs from outside: how to call a step, and where things go."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from jo_notebook.core.events import Event
from jo_notebook.core.execution import INLINE, check_executor
from jo_notebook.core.fingerprint import Part
from jo_notebook.core.graph import Graph
from jo_notebook.core.plan import Known
from jo_notebook.core.record import LogEntry
from jo_notebook.engine.attend import Attention
from jo_notebook.engine.capture import Recorder
from jo_notebook.engine.home import Home
from jo_notebook.engine.request import Checks
from jo_notebook.engine.sharing import Lock as Lock
from jo_notebook.engine.sharing import Sharing
from jo_notebook.engine.spool import Spool
from jo_notebook.errors import UsageError
from jo_notebook.store.context import Context

if TYPE_CHECKING:
    from jo_notebook.engine.away import Executor

Told = tuple[str, str]
Around = Callable[[Recorder], AbstractContextManager[None]]
Attend = Callable[[str, Collection[Told]], AbstractContextManager[Attention]]


JOBS_LIMIT = 256


def check_jobs(number: int) -> int:
    """How many steps may run at once. Raises UsageError for a number that makes no sense."""
    if type(number) is not int or not 1 <= number <= JOBS_LIMIT:
        raise UsageError(f"{number!r} jobs make no sense: say a number from 1 to {JOBS_LIMIT}, as in --jobs 4.")
    return number


def jobs_from(environ: Mapping[str, str]) -> int:
    """How many steps run at once where nobody says: JO_JOBS, or 0 for whatever fits. Raises UsageError."""
    text = environ.get("JO_JOBS", "").strip()
    if text and not (text.isascii() and text.isdecimal()):
        raise UsageError(f"JO_JOBS={text} is not understood: say how many steps may run at once, for instance 4.")
    return check_jobs(int(text)) if text else 0


def executor_from(environ: Mapping[str, str]) -> str:
    """Where steps run where nobody says: JO_EXECUTOR, or nothing. Raises UsageError."""
    text = environ.get("JO_EXECUTOR", "").strip()
    try:
        return check_executor(text) if text else ""
    except UsageError as error:
        raise UsageError(f"JO_EXECUTOR={text} is not understood. {error}") from error


class Runner(Protocol):
    """What carries out a run, for whoever wants to stop it or a part of it. From any thread."""

    def cancel(self, names: Collection[str] | None = None) -> None:
        """Stops these steps, and drops what needs them; without names, the whole run, as an interrupt does."""


def nobody_asks(runner: Runner) -> None:
    """The default for `Surroundings.begun`: nobody wants to stop the run."""


NOTHING: AbstractContextManager[None] = nullcontext()


def nothing_around(recorder: Recorder) -> AbstractContextManager[None]:
    """The default for `Surroundings.around`: captures no displays."""
    return NOTHING


@dataclass(frozen=True)
class Surroundings:
    """What a run needs from outside: how to call a step, and where things go.

    `parts_now` looks at a step's code at the moment it starts (a step before it may have changed what it reads);
    `prepare` gives the function and the parameters of a step; `attend` looks at what a step does beside computing
    (files, hidden inputs; those it was told of before are not told again); `around` is entered around each call (a
    front end captures displays there); `echo` shows printed text at once as well as keeping it; `load` is a head
    whose value is wanted in memory at the end.

    Up to `jobs` steps run at once, on threads; `alone` says of a step that nothing may run beside it. `lock` is held
    by whoever calls any of these, and by nobody while a step's own code runs or a value is read or written. `grace`
    is how many seconds a step on a thread has to stop when it is told to. `where` says of a step what runs it: inline,
    threads, or an executor that takes it out of this process; of each resource in `pools` the steps that run take no
    more than there is. Where a step goes elsewhere, `checks` tells what has to be there as it is here, `show` is given
    what it displays, `around_elsewhere` names what is entered around its call, and `settings` are those
    of libraries, packed.

    `sharing` is what this run has in common with others of the same pipeline; `beside` says that some may go on at the
    same time, `in_background` that this one does not belong to the cell that is running: then what a step reads may be
    changed while it runs. `home` is the main thread's, where it is lent. `begun` gets what may be told to stop;
    `is_ending` says that this process is about to end, which is no failure of a step that ends with it.
    """

    graph: Graph
    known: Known
    parts_now: Callable[[str], Sequence[Part]]
    context: Context
    prepare: Callable[[str], tuple[Callable[..., Any], Mapping[str, Any]]]
    attend: Attend
    emit: Callable[[Event], None]
    around: Around = nothing_around
    echo: bool = True
    fail_fast: bool = False
    load: str = ""
    clock: Callable[[], float] = time.time
    jobs: int = 1
    alone: Callable[[str], bool] = lambda step: False
    grace: float = 5.0
    pools: Mapping[str, float] = field(default_factory=dict)
    where: Callable[[str], str | Executor] = lambda step: INLINE
    checks: Callable[[Sequence[Part], bool], Checks] = lambda parts, same_machine: Checks()
    show: Callable[[LogEntry], None] = lambda entry: None
    around_elsewhere: str = ""
    settings: bytes = b""
    spool: Spool = field(default_factory=Spool)
    sharing: Sharing = field(default_factory=Sharing)
    beside: bool = False
    in_background: bool = False
    home: Home | None = None
    is_ending: Callable[[], bool] = lambda: False
    begun: Callable[[Runner], None] = nobody_asks

    @property
    def lock(self) -> Lock:
        """What is held for everything but what takes long."""
        return self.sharing.calls.lock

    @property
    def ignored(self) -> tuple[str, ...]:
        """Directories whose files are ours."""
        return () if self.context.place is None else (str(self.context.place),)
