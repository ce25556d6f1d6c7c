"""Runs steps on threads: each as soon as its own dependencies are there, so many at once, in the order of the plan.

The thread that asked for the run coordinates: it decides what is next, tells listeners what happens, and runs what
must run alone. Each other step has a thread of its own, which posts what it has to say. Everything but the steps' own
code and the reading and writing of values happens under one lock.
"""

from __future__ import annotations

import contextlib
import contextvars
import heapq
import signal
import sys
import threading
import time
from collections import deque
from collections.abc import Callable, Collection, Iterator
from queue import Empty, SimpleQueue
from types import FrameType
from typing import TYPE_CHECKING, Any

from jo_notebook.core.events import EventKind
from jo_notebook.core.execution import INLINE, THREADS
from jo_notebook.engine.lanes import NotNow, RunAlone
from jo_notebook.engine.sharing import Part
from jo_notebook.engine.state import State
from jo_notebook.engine.stopping import AGAIN, StepStopped, interrupt_main
from jo_notebook.engine.turn import Turn
from jo_notebook.engine.worker import Alone, Beside, Job
from jo_notebook.errors import StepTimeout

if TYPE_CHECKING:
    from jo_notebook.engine.away import Elsewhere, Executor

SOON = 0.05
"""Seconds until a step is looked at again that must run alone, and cannot now."""
HOMELY = 0.1
"""Seconds that the main thread listens at a time while another run may need it."""
LISTENING = 0.2 if sys.platform == "win32" else 1.0
"""Seconds that the coordinating thread listens at a time: a signal that another thread was given does not end that."""


class ReadyQueue:
    """One run with several jobs. Steps have numbers: their places in the plan."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.outside = state.outside
        self.outcome = state.outcome
        self._lock = state.outside.lock
        self._news: SimpleQueue[tuple[str, Any]] = SimpleQueue()
        self._sharing = state.outside.sharing
        self._calls = self._sharing.calls
        home = self._at_home if self.outside.in_background and self.outside.home else None
        self._is_exposed = self.outside.in_background
        self._coordinator = Alone(
            self._calls,
            self.outside.emit,
            self._interruptible,
            pause=self._pause,
            is_exposed=self._is_exposed and home is None,
            home=home,
        )
        self._turn = Turn(state, self._coordinator)
        self._decisions = list(state.plan)
        places = {decision.step: place for place, decision in enumerate(self._decisions)}
        above = [{places[p] for p in state.plan.parents[d.step] if p in places} for d in self._decisions]
        self._missing = [len(parents) for parents in above]
        self._below: list[list[int]] = [[] for _ in above]
        for place, parents in enumerate(above):
            for parent in parents:
                self._below[parent].append(place)
        self._free = dict(state.outside.pools)
        self._ready = [place for place, missing in enumerate(self._missing) if not missing]  # a heap: it is sorted
        self._alone: list[int] = []
        self._not_before = 0.0
        self._alone_now = ""
        self._is_away = False
        self._sent = 0  # signals of our own, to end the step that runs alone
        self._thread = 0
        self._left = set(range(len(self._decisions)))  # whose turn has not come
        self._jobs: set[Job] = set()
        self._running: set[Job] = set()
        self._back: deque[Job] = deque()
        self._may_be_interrupted = False
        self._interrupts = 0
        self._is_stopping = False
        self._is_called_off = False
        self._error: BaseException | None = None

    def go(self) -> None:
        """Runs everything. Raises KeyboardInterrupt, and what went wrong that is no step's failure."""
        to_run, in_background = set(self.state.plan.to_run), self.outside.in_background
        self._sharing.begin(Part(self.outcome.run_id, self.outside.graph, to_run, in_background, self.outcome.failed))
        self._thread = threading.get_ident()
        self.outside.begun(self)
        try:
            with self._heard_interrupts():
                self._work()
        finally:
            self._sharing.end(self.outcome.run_id)
            self.outcome.in_order(decision.step for decision in self._decisions)

    def cancel(self, names: Collection[str] | None = None) -> None:
        """From any thread: stops these steps, and drops what needs them; without names, the whole run."""
        if names is None:
            self._is_called_off = True
        self._news.put(("cancel", names))
        with self._lock_held():
            now = self._alone_now
            if not now or (names is not None and now not in names):
                return
            if names is not None:
                self.state.dropped.add(now)
            self._coordinator.stop()
            if self._is_away or self._thread == threading.main_thread().ident:
                self._sent += 1
                interrupt_main()

    # -- what is next ----------------------------------------------------------------------------------

    def _work(self) -> None:
        try:
            while self._start_what_can():
                self._hear()
            if not self._is_over():
                self._read_the_head()
        except BaseException:
            self._stop()
            raise
        finally:
            for place in sorted(self._left):
                self._turn.call_off(self._decisions[place])
        if self._error is not None:
            raise self._error

    def _is_over(self) -> bool:
        """Whether nothing new is to begin."""
        return self._error is not None or bool(self.outside.fail_fast and self.outcome.failed)

    def _start_what_can(self) -> bool:
        """Begins steps as long as there are places; what must run alone runs here. False where nothing runs then."""
        while True:
            if self._is_over():
                self._call_off()
                while self._back:
                    self._resume(self._back.popleft())
                return bool(self._jobs)
            if len(self._running) < self.outside.jobs and self._back:
                self._resume(self._back.popleft())
            elif len(self._running) < self.outside.jobs and (place := self._next(self._ready)) is not None:
                self._begin(place)
            elif self._can_run_alone() and (place := self._next(self._alone)) is not None:
                self._run_alone(place)
            else:
                return bool(self._jobs or self._alone)
            self._hear_what_is_there()

    def _can_run_alone(self) -> bool:
        """Whether nothing of this run is in this process's way; for other runs it is waited."""
        return time.monotonic() >= self._not_before and not any(job.is_here for job in self._running)

    def _next(self, waiting: list[int]) -> int | None:
        """The first of those that wait for which there is enough of everything; it is none of them any more."""
        if not self._free:
            return heapq.heappop(waiting) if waiting else None
        place = min((place for place in waiting if self._is_enough(place)), default=None)
        if place is not None:
            waiting.remove(place)
            heapq.heapify(waiting)
        return place

    def _is_enough(self, place: int) -> bool:
        return all(amount <= self._free.get(name, amount) for name, amount in self._resources(place))

    def _resources(self, place: int) -> tuple[tuple[str, float], ...]:
        step = self.outside.graph.definitions.get(self._decisions[place].step)
        return () if step is None else step.resources

    def _take_up(self, place: int, sign: int) -> None:
        """A step takes what it takes of the pools, or (with a sign of -1) gives it back."""
        for name, amount in self._resources(place) if self._free else ():
            if name in self._free:
                self._free[name] -= sign * amount

    def _begin(self, place: int) -> None:
        decision = self._decisions[place]
        with self._lock_held():
            is_settled = self._turn.settle(decision)
            where = INLINE if is_settled else self.outside.where(decision.step)
            if where == INLINE and self._calls.is_busy and not self.outside.in_background:
                where = THREADS  # beside another run's steps, which may take long
            must_be_alone = where == INLINE or (where == THREADS and self.outside.alone(decision.step))
        if is_settled:
            self._ended(place)
        elif must_be_alone or not self._start(place, decision.step, where):
            heapq.heappush(self._alone, place)

    def _start(self, place: int, name: str, where: str | Executor) -> bool:
        """Begins a step on a thread; False where the system has no more of them."""
        job = Job(place, name, lambda kind, what: self._news.put((kind, what)))
        lane = (
            Beside(job, self._calls, is_exposed=self._is_exposed)
            if isinstance(where, str)
            else self._elsewhere(job, where)
        )
        turn = Turn(self.state, lane)
        context = contextvars.copy_context()  # what a front end knows of the cell that asked
        thread = threading.Thread(target=context.run, args=(self._take, turn, job), name=f"jo {name}", daemon=True)
        try:
            thread.start()
        except RuntimeError:
            return False
        job.is_here = isinstance(where, str)
        self._left.discard(place)
        self._jobs.add(job)
        self._running.add(job)
        self._take_up(place, 1)
        return True

    def _elsewhere(self, job: Job, executor: Executor) -> Elsewhere:
        from jo_notebook.engine.away import Elsewhere  # wanted only here

        return Elsewhere(job, self._calls, executor, self.outside.show)

    def _take(self, turn: Turn, job: Job) -> None:
        """On the job's thread."""
        try:
            with self._lock_held():
                turn.run(job.name, is_turn=True)
        except BaseException as error:  # noqa: BLE001 - handed to the coordinating thread
            job.error = error
        finally:
            self._news.put(("done", job))

    def _resume(self, job: Job) -> None:
        self._running.add(job)
        job.go.set()

    def _run_alone(self, place: int) -> None:
        name = self._decisions[place].step
        self._left.discard(place)
        try:
            with self._lock_held():
                self._alone_now, self._coordinator.is_asked = name, False
                try:
                    self._turn.run(name, is_turn=True)
                finally:
                    self._alone_now = ""
        except NotNow:
            self._left.add(place)
            heapq.heappush(self._alone, place)
            self._not_before = time.monotonic() + SOON
            return
        except KeyboardInterrupt:
            is_alone_meant = name in self.state.dropped or self.outside.in_background
            if self._is_called_off or self._is_stopping or not is_alone_meant:
                raise
            self._drop([name])
        finally:
            if self.outside.in_background:
                self._interrupts = 0
        self._ended(place)

    def _ended(self, place: int) -> None:
        """What came of a step is known: what waits only for it is ready."""
        self._left.discard(place)
        self._sharing.settled(self.outcome.run_id, self._decisions[place].step)
        for below in self._below[place]:
            self._missing[below] -= 1
            if not self._missing[below]:
                heapq.heappush(self._ready, below)

    def _call_off(self) -> None:
        """Steps that wait for another kernel, and would begin only then, do not."""
        for job in self._jobs:
            attempt = job.attempt
            is_new = attempt is None or (attempt.number == 1 and not attempt.has_begun)
            if job.is_aside and is_new and not job.is_off:
                job.is_off = True
                job.stop()

    def _read_the_head(self) -> None:
        """The value that is wanted in memory, where its step did not run."""
        load, outcome = self.outside.load, self.outcome
        if load and not any(load in names for names in (outcome.finished, outcome.failed, outcome.blocked)):
            with self._lock_held():
                self._turn.read_head(load)

    # -- what is heard ---------------------------------------------------------------------------------

    def _hear(self) -> None:
        """Waits for the next news, or until somebody's time is up."""
        now = time.monotonic()
        due = min((job.due for job in self._jobs if job.due is not None), default=now + LISTENING)
        is_homely = self._serves_home()  # in any case: what is waited for here may wait for this thread
        longest = SOON if self._alone and not self._running else HOMELY if is_homely else LISTENING
        try:
            kind, what = self._news.get(timeout=min(max(due - now, 0.0), longest))
        except Empty:
            pass
        else:
            self._heard(kind, what)
        self._hurry()

    def _hear_what_is_there(self) -> None:
        with contextlib.suppress(Empty):
            while True:
                self._heard(*self._news.get_nowait())

    def _heard(self, kind: str, what: Any) -> None:
        if kind == "event":
            self.outside.emit(what)
        elif kind in ("interrupt", "cancel") and what is None:
            if not self._is_stopping:
                raise KeyboardInterrupt
        elif kind == "cancel":
            self._cancelled(what)
        elif kind == "aside":
            self._running.discard(what)
        elif kind == "back":
            self._back.append(what)
        elif kind == "done":
            self._done(what)

    def _done(self, job: Job) -> None:
        self._jobs.discard(job)
        self._running.discard(job)
        if job.is_left:
            return
        self._take_up(job.place, -1)
        error = job.error
        if error is None:
            self._ended(job.place)
        elif isinstance(error, RunAlone):
            if error.args:
                self._turn.emit(EventKind.WARNING, job.name, str(error))
            self._left.add(job.place)
            heapq.heappush(self._alone, job.place)
        elif isinstance(error, KeyboardInterrupt):
            if job.is_dropped:
                self._ended(job.place)
            elif not job.is_off and not self._is_stopping:
                raise error  # the step's own code raised it
        else:
            self._error = self._error or error

    def _hurry(self) -> None:
        """Whose time is up is told so, twice; who does not heed that is left behind, as failed."""
        now, grace = time.monotonic(), self.outside.grace
        for job in list(self._jobs):
            if job.due is None or now < job.due:
                continue
            if job.is_dropped:
                self._hurry_dropped(job, now)
                continue
            job.asked += 1
            job.due = now + grace / 2
            if job.asked < 3:
                job.tell(StepTimeout if job.asked == 1 else StepStopped)
            elif job.leave():
                self._fail_late(job)

    def _fail_late(self, job: Job) -> None:
        assert job.attempt is not None
        seconds = self.outside.graph[job.name].timeout
        what = f"{job.name} took longer than its --timeout of {seconds:g} s and does not stop"
        self._forget(job)
        with self._lock_held():
            self._turn.fail(job.attempt, StepTimeout(f"{what}: its thread was left behind"))
        self._ended(job.place)

    def _forget(self, job: Job) -> None:
        self._take_up(job.place, -1)
        self._jobs.discard(job)
        self._running.discard(job)
        self.outcome.left_behind.append(job.name)

    # -- one step cancelled, the others go on ----------------------------------------------------------

    def _cancelled(self, names: Collection[str]) -> None:
        """These steps are stopped where they run; those that wait are dropped, and what needs them."""
        now = time.monotonic()
        for job in self._jobs:
            if job.name in names and not job.is_dropped:
                job.is_dropped, job.asked, job.due = True, 0, now + AGAIN
                job.stop()
        self._drop(names)

    def _drop(self, names: Collection[str]) -> None:
        left = [self._decisions[place] for place in sorted(self._left)]
        with self._lock_held():
            new = self.state.drop(names, left)
        for name in new:
            self._sharing.settled(self.outcome.run_id, name)
            self._turn.emit(EventKind.CANCELLED, name)
        gone = {place for place in self._alone if self._decisions[place].step in new}
        self._alone = [place for place in self._alone if place not in gone]  # sorted: a heap still
        heapq.heapify(self._alone)
        for place in sorted(gone):
            self._ended(place)

    def _hurry_dropped(self, job: Job, now: float) -> None:
        job.asked += 1
        job.due = now + AGAIN
        if job.asked * AGAIN < self.outside.grace:
            job.stop()
        elif job.leave():
            self._leave(job)
            self._ended(job.place)

    # -- the main thread, for runs that go on beside its cells -----------------------------------------

    def _serves_home(self) -> bool:
        """Lets other runs have the main thread, where this run waits on it."""
        home = self.outside.home
        if not home or self.outside.in_background or self._thread != threading.main_thread().ident:
            return False
        if home.is_wanted:
            home.serve()
        return self.outside.beside

    def _at_home(self, work: Callable[[], Any]) -> Any:
        """Makes a call on the main thread; this thread gives the lock of the runs away for that time."""

        def there() -> Any:
            with self._heard_interrupts(), self._lock_held():
                self._is_away = True
                try:
                    return work()
                finally:
                    self._is_away = False

        assert self.outside.home is not None
        self._lock.release()
        try:
            while True:
                with contextlib.suppress(NotNow):  # somebody's code runs that it must not run beside
                    return self.outside.home.call(there, self._pause)
                self._pause(SOON)
        finally:
            self._lock.acquire()

    def _pause(self, seconds: float) -> None:
        """A moment without the lock, on the thread that coordinates. Raises KeyboardInterrupt where it is to stop."""
        name = self._alone_now
        if self._is_called_off or self._interrupts or (name and name in self.state.dropped):
            raise KeyboardInterrupt
        self._serves_home()
        time.sleep(seconds)

    # -- interrupts ------------------------------------------------------------------------------------

    def _stop(self) -> None:
        """Everything that runs is told to end; what does not is left behind after a while, or at the next interrupt."""
        self._is_stopping = True
        first, until, again = self._interrupts, time.monotonic() + self.outside.grace, 0.0
        try:
            while self._jobs and self._interrupts == first:
                now = time.monotonic()
                if now >= until:
                    for job in [job for job in self._jobs if job.leave()]:
                        self._leave(job)
                elif now >= again:
                    again = now + AGAIN
                    for job in self._jobs:
                        job.stop()
                try:
                    self._heard(*self._news.get(timeout=0.05))
                except Empty:
                    pass
                except KeyboardInterrupt:
                    self._interrupts += 1
        finally:
            for job in list(self._jobs):
                job.leave(whatever=True)
                self._leave(job)

    def _leave(self, job: Job) -> None:
        self._forget(job)
        if job.attempt is not None:
            with self._lock_held():
                self._turn.undo_changes(job.attempt)
        text = f"{job.name} does not stop: its thread was left behind, and what it makes is not kept"
        self._turn.emit(EventKind.WARNING, job.name, text)
        self._turn.emit(EventKind.CANCELLED, job.name)

    @contextlib.contextmanager
    def _heard_interrupts(self) -> Iterator[None]:
        """Inside, an interrupt of the main thread is news, unless this thread may be interrupted where it is."""
        is_main = threading.current_thread() is threading.main_thread()
        before = signal.getsignal(signal.SIGINT) if is_main else None
        is_ours = getattr(before, "__func__", None) is ReadyQueue._interrupted  # of a run that lets this one have it
        if not is_main or not (before is signal.default_int_handler or is_ours):
            yield
            return
        signal.signal(signal.SIGINT, self._interrupted)
        try:
            yield
        finally:
            if signal.getsignal(signal.SIGINT) == self._interrupted:  # else a step has put its own there
                signal.signal(signal.SIGINT, before)

    def _interrupted(self, number: int, frame: FrameType | None) -> None:
        if self._sent:
            self._sent -= 1
            if not self._is_called_off and self._alone_now not in self.state.dropped:
                return  # it has ended by itself
        self._interrupts += 1
        if self._may_be_interrupted:
            self._may_be_interrupted = False
            raise KeyboardInterrupt
        if self._alone_now not in self.state.dropped and not self.outside.in_background:
            self._news.put(("interrupt", None))

    @contextlib.contextmanager
    def _interruptible(self) -> Iterator[None]:
        try:
            self._may_be_interrupted = True
            if self._interrupts:
                raise KeyboardInterrupt
            yield
        finally:
            self._may_be_interrupted = False

    @contextlib.contextmanager
    def _lock_held(self) -> Iterator[None]:
        self._lock.acquire()
        try:
            yield
        finally:
            self._lock.release()
