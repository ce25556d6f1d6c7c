"""What the runs of one pipeline share: who runs which step, whose code runs now, which values are being read.

Runs go on side by side under one lock. A step is run once between them: whoever comes second waits and takes the
result, and a run leaves to an earlier one what that one is going to run. Nobody holds anything here while it waits
for something else, but for a step of its own that needs another one again; so no two runs wait for each other.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from typing import Protocol

from jo_notebook.core.definition import Definition
from jo_notebook.core.graph import Graph
from jo_notebook.engine.lanes import Holding, NotNow

PAUSE = 0.02
"""Seconds between two looks at whether there is room, or a step is free."""


class Beside(Protocol):
    """A call that may have others beside it."""

    was_beside: bool


class Lock(Protocol):
    """A reentrant lock."""

    def acquire(self) -> bool:
        """Waits until nobody else has it."""

    def release(self) -> None:
        """Lets go of it."""


class Calls:
    """Whose code is running now, and which values are being read, in all runs. Who calls it holds the runs' lock.

    What needs the process for itself enters `alone`: then nobody else is in, and nobody comes in until it leaves.
    """

    def __init__(self, lock: Lock) -> None:
        self.lock = lock
        self._running: set[Beside] = set()
        self._reading: dict[str, threading.Lock] = {}
        self._inside = 0
        self._is_alone = False

    @property
    def is_busy(self) -> bool:
        """Whether somebody is in."""
        return self._inside > 0

    def enter(self, *, alone: bool) -> bool:
        """Comes in, where there is room; False, and nothing happened, where there is none now."""
        if self._is_alone or (alone and self._inside):
            return False
        self._inside += 1
        self._is_alone = alone
        return True

    def leave(self) -> None:
        """Goes out again."""
        self._inside -= 1
        self._is_alone = False

    def begin(self, job: Beside) -> None:
        """The step's own code is called: it runs beside all others of which that is true."""
        job.was_beside = bool(self._running)
        for other in self._running:
            other.was_beside = True
        self._running.add(job)

    def end(self, job: Beside) -> None:
        """The call is over."""
        self._running.discard(job)

    def reading(self, name: str) -> threading.Lock:
        """The lock of whoever reads this value."""
        return self._reading.setdefault(name, threading.Lock())


@dataclass
class Part:
    """One run's part in what goes on: the steps that it still has to run, by its own graph, and those that failed."""

    run_id: str
    graph: Graph
    to_come: set[str] = field(default_factory=set)
    in_background: bool = False
    failed: Mapping[str, BaseException] = field(default_factory=dict)


class Sharing:
    """The runs that go on, in the order in which they began, and who has which step."""

    def __init__(self, lock: Lock | None = None) -> None:
        self.calls = Calls(threading.RLock() if lock is None else lock)
        self._lock = threading.Lock()  # for moments only; the runs' own lock may be held, and need not be
        self._parts: dict[str, Part] = {}
        self._held: dict[str, Share] = {}
        self._looks: dict[object, Callable[[], None]] = {}

    def begin(self, part: Part) -> None:
        """A run begins."""
        with self._lock:
            self._parts[part.run_id] = part

    def outdated(self, graph: Graph) -> frozenset[str]:
        """The steps that runs have, or are going to run, as they were, and that are others in this graph."""
        with self._lock:
            parts = [(part.graph, tuple(part.to_come)) for part in self._parts.values()]
        if all(theirs is graph for theirs, _ in parts):
            return frozenset()
        old: set[str] = set()
        as_it_is: set[str] = set()
        for theirs, names in parts:
            for name in names:
                same = theirs is graph or is_same(theirs[name], graph.definitions.get(name))
                (as_it_is if same else old).add(name)
        return frozenset(old - as_it_is)

    def settled(self, run_id: str, step: str) -> None:
        """A run has come to an end with a step, whatever came of it."""
        with self._lock:
            if run_id in self._parts:
                self._parts[run_id].to_come.discard(step)

    def end(self, run_id: str) -> None:
        """A run is over."""
        with self._lock:
            self._parts.pop(run_id, None)

    def share(
        self,
        claim: Holding,
        run_id: str,
        definition: Definition,
        *,
        waiting: Callable[[Part], None],
        pause: Callable[[float], object],
        waits: bool = True,
        yields: bool = True,
    ) -> Share:
        """A claim among the runs of this pipeline, around one among kernels. See `Share`."""
        return Share(self, claim, run_id, definition, waiting=waiting, pause=pause, waits=waits, yields=yields)

    def watch(self, key: object, look: Callable[[], None]) -> None:
        """Until `unwatch`, `look` is called whenever names of the notebook may have changed."""
        self._looks[key] = look

    def unwatch(self, key: object) -> None:
        """Ends that."""
        self._looks.pop(key, None)

    def look(self) -> None:
        """Names of the notebook may have changed. Who calls it holds the runs' lock."""
        for look in list(self._looks.values()):
            look()

    def take(self, share: Share) -> Part | None:
        """Gives the step to whoever asks; else the run that has it, or is going to run it."""
        name = share.definition.name
        with self._lock:
            held = self._held.get(name)
            if held is not None and held is not share:
                return self._parts.get(held.run_id) or Part(held.run_id, Graph())
            for part in self._parts.values() if share.yields else ():
                if part.run_id == share.run_id:
                    break
                if name in part.to_come and is_same(share.definition, part.graph.definitions.get(name)):
                    return part
            self._held[name] = share
            return None

    def give_back(self, share: Share) -> None:
        """The step is free again, if it was this one's."""
        with self._lock:
            if self._held.get(share.definition.name) is share:
                del self._held[share.definition.name]


class Share(AbstractContextManager[bool]):
    """A claim on a step among the runs of one pipeline, and inside of it the one among kernels.

    Entering waits while another run has the step or, unless it `yields` to nobody, while an earlier run is going to
    run it; `waiting` is called once with that run. Where it does not wait, NotNow is raised after that. What the inner
    claim says is what entering gives. Raises what the callables raise; then nothing is held.
    """

    def __init__(
        self,
        sharing: Sharing,
        claim: Holding,
        run_id: str,
        definition: Definition,
        *,
        waiting: Callable[[Part], None],
        pause: Callable[[float], object],
        waits: bool,
        yields: bool,
    ) -> None:
        self.run_id = run_id
        self.definition = definition
        self.yields = yields
        self._sharing = sharing
        self._claim = claim
        self._waiting = waiting
        self._pause = pause
        self._waits = waits

    def __enter__(self) -> bool:
        has_told = False
        while (other := self._sharing.take(self)) is not None:
            if not has_told:
                self._waiting(other)
                has_told = True
            if not self._waits:
                raise NotNow
            self._pause(PAUSE)
        try:
            return self._claim.__enter__()
        except BaseException:
            self._sharing.give_back(self)
            raise

    def __exit__(self, *failure: object) -> None:
        try:
            self._claim.__exit__(None, None, None)
        finally:
            self._sharing.give_back(self)


def is_same(one: Definition, other: Definition | None) -> bool:
    """Whether two definitions are of the same step, wherever they stand and whatever was found out about them."""
    if other is None:
        return False
    return one is other or replace(one, origin=other.origin, needs=other.needs, pinned=other.pinned) == other


def wait_for_room(calls: Calls, pause: Callable[[float], object], *, alone: bool) -> None:
    """Comes in as soon as there is room; `pause` lets go of the lock meanwhile."""
    while not calls.enter(alone=alone):
        pause(PAUSE)
