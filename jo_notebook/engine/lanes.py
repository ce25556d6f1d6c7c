"""Where a step's turn is taken: on this thread, one after another; others may go on meanwhile, or not."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from jo_notebook.core.events import Event
from jo_notebook.core.execution import INLINE
from jo_notebook.engine.stopping import in_time

Call = Callable[[], Any]
Holding = AbstractContextManager[bool]
NOTHING: AbstractContextManager[None] = nullcontext()


class RunAlone(BaseException):
    """This step's turn has to be taken once more, with nothing beside it. The message says why, or nothing."""


class NotNow(BaseException):
    """Another run has this step, and this lane does not wait for that: its turn comes later."""


class Moved(BaseException):
    """What a step reads from the notebook was changed while it ran. The message names it."""


class Lane(Protocol):
    """What a turn asks of the thread that it is taken on."""

    name: str
    """What records call it."""
    is_beside: bool
    """Whether other steps may run at the same time."""
    reads_heads: bool
    """Whether the value of a head is read when its turn comes; else it is when nothing runs any more."""
    is_shared: bool
    """Whether other runs of the same pipeline may go on beside this one."""
    is_exposed: bool
    """Whether a cell may change, while the step runs, what it reads from the notebook."""

    def emit(self, event: Event) -> None:
        """Tells listeners, now or soon, in order."""

    def begin(self, attempt: Any) -> None:
        """An attempt at a step begins; waits for a free place where this lane gave its own away."""

    def apart(self) -> AbstractContextManager[None]:
        """Inside, others may go on: what takes long and concerns nobody else."""

    def reading(self, name: str) -> AbstractContextManager[None]:
        """Inside, a value is read; nobody else reads the same one meanwhile."""

    def saving(self) -> AbstractContextManager[None]:
        """Inside, a result is written; that is not broken off."""

    def holding(self, claim: Holding) -> Holding:
        """The claim, waited for while others go on."""

    def waits(self) -> None:
        """The claim is somebody else's: whoever else wants to run may have this lane's place."""

    def pause(self, seconds: float) -> object:
        """Waits a moment for a claim; interruptible."""

    def wait(self, seconds: float) -> None:
        """Waits before another attempt; interruptible."""

    def within(self, work: Call) -> Any:
        """Calls `work`, around the step's own code, where it belongs and as soon as there is room beside others."""

    def call(self, step: str, work: Call, seconds: float) -> Any:
        """Calls the step's own code; no longer than so many seconds, if that is not 0. Raises StepTimeout."""

    def was_beside(self) -> bool:
        """Whether another step's code ran during the call."""


class Inline:
    """One step at a time on this thread, and nothing beside it."""

    name = INLINE
    is_beside = False
    reads_heads = True
    is_shared = False
    is_exposed = False

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self.emit = emit
        self.pause = time.sleep
        self.wait = time.sleep

    def begin(self, attempt: Any) -> None:
        """Nothing to wait for."""

    def apart(self) -> AbstractContextManager[None]:
        """There is nobody else."""
        return NOTHING

    def reading(self, name: str) -> AbstractContextManager[None]:
        """There is nobody else."""
        return NOTHING

    def saving(self) -> AbstractContextManager[None]:
        """There is nobody else."""
        return NOTHING

    def holding(self, claim: Holding) -> Holding:
        """The claim itself."""
        return claim

    def waits(self) -> None:
        """Nobody wants its place."""

    def within(self, work: Call) -> Any:
        """Here and now."""
        return work()

    def call(self, step: str, work: Call, seconds: float) -> Any:
        """Calls it here; a signal or a watchdog breaks it off. Raises StepTimeout."""
        return in_time(work, seconds, step) if seconds else work()

    def was_beside(self) -> bool:
        """Never."""
        return False
