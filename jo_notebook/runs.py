"""Runs that go on: one of the cell that asked, any number in the background; what each is doing, and its end."""

from __future__ import annotations

import contextlib
import contextvars
import threading
import time
import weakref
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

from jo_notebook.core.plan import Plan
from jo_notebook.engine.capture import is_in_a_step
from jo_notebook.engine.ending import at_the_end
from jo_notebook.engine.executors import Wanted
from jo_notebook.engine.home import Home
from jo_notebook.engine.outcome import Outcome
from jo_notebook.engine.surroundings import Runner
from jo_notebook.errors import RunInProgress

T = TypeVar("T")
TICK = 0.05
TIMES = 20
AT_THE_END = 3.0
"""Seconds that steps have to stop when the process ends: a kernel that is shut down is killed after five."""
WAITING_FOR_ITSELF = "A step cannot wait for a run: read the other step's name in the body, which makes it an input."


@dataclass(frozen=True)
class How:
    """How a run is to be: what its verb was told."""

    executor: Wanted
    jobs: int
    pools: Mapping[str, float]
    force: bool = False
    only: bool = False
    fail_fast: bool = False
    echo: bool = True


class Run:
    """One run: of `heads`, with what came of it so far in `outcome`.

    A run in the background has a thread of its own. `error` is what ended it, if it was no step's failure.
    """

    def __init__(
        self,
        heads: tuple[str, ...],
        home: Home,
        give: Callable[[Run], Any],
        stop: Callable[[Run, Collection[str] | None], list[str]],
        *,
        in_background: bool,
    ) -> None:
        self.heads = heads
        self.plan = Plan()
        self.outcome = Outcome()
        self.in_background = in_background
        self.error: BaseException | None = None
        self.runner: Runner | None = None
        self.is_stopped = False
        self.dropped: set[str] = set()
        self.is_over = threading.Event()
        self._home = home
        self._give = give
        self._stop = stop

    def __repr__(self) -> str:
        return f"<Run {self.id} of {', '.join(self.heads) or 'nothing'}: {'done' if self.done else 'going on'}>"

    @property
    def id(self) -> str:
        """What its events and records call it."""
        return self.outcome.run_id

    @property
    def done(self) -> bool:
        """Whether it is over, however it ended."""
        return self.is_over.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        """Waits until it is over, or so many seconds; whether it is. An interrupt ends the waiting, not the run.

        Raises RunInProgress in a step.
        """
        if is_in_a_step():
            raise RunInProgress(WAITING_FOR_ITSELF)
        until = None if timeout is None else time.monotonic() + timeout
        is_main = threading.current_thread() is threading.main_thread()
        while not self.done:
            left = TICK if until is None else min(TICK, until - time.monotonic())
            if left <= 0:
                break
            if is_main and self._home.is_wanted:
                self._home.serve()
            self.is_over.wait(left)
        return self.done

    def cancel(self, *names: str) -> list[str]:
        """Stops these steps of this run, and what needs them; without names, all of it. Gives those that were."""
        return self._stop(self, names or None)

    def result(self, timeout: float | None = None) -> Any:
        """What `materialize` gives, once the run is over. Raises what it raises, RunCancelled, and TimeoutError."""
        if not self.wait(timeout):
            raise TimeoutError(f"The run of {', '.join(self.heads)} still goes on after {timeout:g} s.")
        return self._give(self)

    def begun(self, runner: Runner) -> None:
        """It has begun, and this carries it out."""
        self.runner = runner
        if self.dropped:
            runner.cancel(frozenset(self.dropped))
        if self.is_stopped:
            runner.cancel()


class Runs:
    """The runs of one pipeline that go on. `lock` is the pipeline's; who begins a run holds it."""

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._going: dict[str, Run] = {}
        self._threads: dict[str, threading.Thread] = {}
        self._ended: list[Run] = []
        self._in_order = ""  # the run that nothing may go on beside

    @property
    def going(self) -> tuple[Run, ...]:
        """All that go on, in the order in which they began."""
        with self._lock:
            return tuple(self._going.values())

    @property
    def foreground(self) -> Run | None:
        """The one that a cell waits for."""
        return next((run for run in self.going if not run.in_background), None)

    @property
    def has_background(self) -> bool:
        """Whether one goes on in the background."""
        return any(run.in_background for run in self.going)

    def ended(self) -> list[Run]:
        """Those of the background that have ended since this was asked last."""
        with self._lock:
            ended, self._ended = self._ended, []
        return ended

    @property
    def is_in_order(self) -> bool:
        """Whether one goes on that nothing may go on beside."""
        return bool(self._in_order)

    def begin(self, run: Run, *, in_order: bool) -> None:
        """A run goes on from now on. With `in_order`, none in the background begins meanwhile."""
        with self._lock:
            self._going[run.id] = run
            self._in_order = run.id if in_order else self._in_order

    def over(self, run: Run) -> None:
        """A run is over."""
        with self._lock:
            self._going.pop(run.id, None)
            self._in_order = "" if self._in_order == run.id else self._in_order
            if run.in_background:
                self._ended.append(run)
        run.is_over.set()

    def start(self, run: Run, work: Callable[[Run], None], then: Callable[[], None]) -> None:
        """Lets a run go on in the background: calls `work` on a thread, once no run goes on that has to be by itself.

        `then` is called when it is over. Raises RuntimeError where there are no more threads.
        """
        context = contextvars.copy_context()  # what a front end knows of the cell that asked
        args = (self._go, run, work, then)
        thread = threading.Thread(target=context.run, args=args, name=f"jo run {run.id}", daemon=True)
        with self._lock:
            self._going[run.id] = run
            self._threads[run.id] = thread
        try:
            thread.start()
        except RuntimeError:
            self._threads.pop(run.id)
            self.over(run)
            raise
        _stop_at_the_end(self)

    def _go(self, run: Run, work: Callable[[Run], None], then: Callable[[], None]) -> None:
        try:
            while self._in_order and not run.is_stopped:
                time.sleep(TICK)
            if run.is_stopped:
                raise KeyboardInterrupt
            work(run)
        except KeyboardInterrupt:
            run.is_stopped = True
        except BaseException as error:  # noqa: BLE001 - raised where somebody asks for the result
            run.error = error
        finally:
            self.over(run)
            then()
            self._threads.pop(run.id, None)

    def close(self, seconds: float = AT_THE_END) -> None:
        """Stops what goes on in the background, and waits for its end, though not for ever."""
        threads = dict(self._threads)
        for run in self.going:
            if run.in_background:
                stop(run)
        until = time.monotonic() + seconds
        for thread in threads.values():
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))


def steadily(look: Callable[[str], T]) -> Callable[[str], T]:
    """The same question, asked again where a cell changes what it looks at in that very moment."""

    def again(name: str) -> T:
        for _ in range(TIMES):
            with contextlib.suppress(RuntimeError):  # a dict or a set changed its size
                return look(name)
            time.sleep(TICK)
        return look(name)

    return again


def stop(run: Run, names: Collection[str] | None = None) -> None:
    """Tells whoever carries a run out to stop it, or these steps of it."""
    if names is None:
        run.is_stopped = True
    else:
        run.dropped.update(names)  # for a runner that is not there yet
    if run.runner is not None:
        run.runner.cancel(names)


_all: weakref.WeakSet[Runs] = weakref.WeakSet()


def _stop_at_the_end(runs: Runs) -> None:
    """When the interpreter ends, what goes on in the background is stopped; what is finished is kept."""
    _all.add(runs)
    at_the_end(_close_all)


def _close_all() -> None:
    for runs in list(_all):
        runs.close()
