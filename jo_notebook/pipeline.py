"""The one object a user holds: steps, their results, and the verbs over both."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.garbage import no_search
from jo_notebook.core.graph import Graph
from jo_notebook.core.plan import Decision, Known, Plan, make_plan
from jo_notebook.core.record import LogEntry
from jo_notebook.engine.executors import Executors, Wanted
from jo_notebook.engine.home import Home
from jo_notebook.engine.outcome import Outcome
from jo_notebook.engine.progress import Progress
from jo_notebook.engine.sharing import Sharing
from jo_notebook.engine.surroundings import (
    Around,
    executor_from,
    jobs_from,
    nothing_around,
)
from jo_notebook.engine.today import Today
from jo_notebook.errors import (
    UsageError,
)
from jo_notebook.running import Running
from jo_notebook.runs import Runs
from jo_notebook.store.context import Context

if TYPE_CHECKING:
    pass

Listener = Callable[[Event], None]

OVER = (EventKind.STARTED, EventKind.KEPT, EventKind.CANCELLED)  # then a step waits no longer for another kernel


class Pipeline(Running):
    """Holds graph, context and listeners; every verb is a few lines over the layers below.

    `namespace` is what step bodies have as their globals. A front end sets `around` (entered around each call
    of a step), `send` (where a request from a picture goes) and what `today` wants to know of the notebook. `jobs`
    is how many steps run at once where a verb does not say (JO_JOBS; 0 for as many as the executor has places for),
    `executor` where they run (JO_EXECUTOR; empty for inline, or threads with several jobs); `grace` is how many seconds
    a step on a thread has to stop when it is told to; then the run goes on without it.
    """

    def __init__(self, context: Context | None = None, *, namespace: dict[str, Any] | None = None) -> None:
        self.dag = Graph()
        self.context = Context() if context is None else context
        self.today = Today({"__name__": "__main__"} if namespace is None else namespace)
        self.around: Around = nothing_around
        self.jobs = jobs_from(os.environ)
        self.executor: Wanted = executor_from(os.environ)
        self.executors = Executors()
        self.show: Callable[[LogEntry], None] = lambda entry: None
        self.around_elsewhere = ""
        self.grace = 5.0
        self.send: Callable[[dict[str, Any]], None] = self._answer
        self.gone_cells: frozenset[str] = frozenset()
        self.problems: list[str] = []
        self.notice = ""
        self._waits_for = ""
        self.outcome: Outcome | None = None
        self._pins: frozenset[str] | None = None
        self._planned: tuple[Graph, tuple[Any, ...], Plan] | None = None
        self._progress = Progress()
        self._listeners: list[Listener] = []
        self._lock = threading.RLock()
        self._sharing = Sharing(self._lock)
        self._runs = Runs(self._lock)
        self.home = Home()
        self.is_ending: Callable[[], bool] = lambda: False
        self._run_lock = threading.Lock()
        self._runner = 0
        self.context.define = self._define

    @classmethod
    def open(cls, path: str | os.PathLike[str]) -> Pipeline:
        """The pipeline that a `.jo` directory remembers. Runs nothing and unpickles nothing.

        Raises UsageError where there is no such directory.
        """
        place = Path(path)
        if place.suffix == ".ipynb":
            place = place.with_suffix(".jo")
        if not os.path.isdir(place):
            raise UsageError(f"There is no context at {place}. Name a directory such as analysis.jo.")
        pipeline = cls(Context(place))
        pipeline.take_in()
        return pipeline

    # -- verbs ---------------------------------------------------------------------------------------

    def plan(self, *heads: str, force: bool = False, only: bool = False) -> Plan:
        """What materializing the heads would do, and why. Without heads, the whole graph."""
        return self._plan(heads, force=force, only=only, glance=False)

    def glance(self, *heads: str) -> Plan:
        """As `plan`, for pictures: large data that are the same objects as before are not read through again."""
        return self._plan(heads, force=False, only=False, glance=True)

    def _plan(self, heads: tuple[str, ...], *, force: bool, only: bool, glance: bool) -> Plan:
        with self._lock:
            if not self._is_waited_for:
                self.today.touch()
            asked = (heads, force, only, self.orphans)
            now = (*asked, self.context.version, self.today.stamp(glance=glance))
            if self._planned is not None and self._planned[0] is self.dag and self._planned[1] == now:
                return self._planned[2]
            with no_search():
                plan = make_plan(self.dag, self._known(heads, force=force, only=only), heads)
            if not self._is_waited_for:
                self._use_what_is_right(plan)
                now = (*asked, self.context.version, self.today.stamp(glance=glance))
                self._planned = (self.dag, now, plan)
            return plan

    def graph(self, *heads: str) -> Any:
        """The live picture of the pipeline; a click on a step materializes it."""
        from importlib.metadata import entry_points  # slow to import, and wanted only here

        face = next(iter(entry_points(group="jo_notebook.graph", name="widget")), None)
        if face is None:
            raise UsageError("No picture is installed for the graph: reinstall jo_notebook.")
        self.dag.check(heads)
        return face.load()(self, heads)

    def explain(self, name: str) -> Decision:
        """Why a step must run, as a decision whose reasons are empty when it need not."""
        return self.plan(name)[name]

    def steps(self) -> Plan:
        """All steps and their states."""
        return self.plan()

    # -- what views and fronts use -------------------------------------------------------------------

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls the listener with every event; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def tell(self, event: Event) -> None:
        """Gives an event to all listeners; one that raises does not stop the others."""
        with self._lock:
            self._progress.follow(event)
            news = self._progress.news(event.run_id)
            if event.kind is EventKind.CLAIMED and event.text:
                self.notice, self._waits_for = event.text, event.step
            elif event.step == self._waits_for and event.kind in OVER:
                self.notice = ""
        for told in (event,) if news is None else (event, news):
            for listener in list(self._listeners):
                try:
                    listener(told)
                except Exception as error:  # noqa: BLE001 - a broken picture must not break a run
                    self.problems.append(f"{type(error).__name__} in a listener: {error}")

    def request(self, message: dict[str, Any]) -> None:
        """A picture asks for a verb; the front end decides where and when it runs."""
        self.send(message)

    def message(self) -> str:
        """What pictures should say above themselves; empty where their own words will do."""
        return self.notice

    def touch(self) -> None:
        """Forgets what was worked out about the notebook's names: call it when a cell may have changed them."""
        with self._lock:
            self._sharing.look()
            self.today.touch()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keeps other threads from changing the graph."""
        with self._lock:
            yield

    # -- inside --------------------------------------------------------------------------------------

    def _known(self, heads: Iterable[str], *, force: bool, only: bool) -> Known:
        context = self.context
        return Known(
            parts=partial(self.today.parts, self.dag),
            records=context.records,
            failures=context.failures,
            held=context.held,
            others=context.others,
            used=context.in_use,
            digest_now=self.today.file_digest,
            pinned=frozenset(name for name, d in self.dag.definitions.items() if d.pinned),
            always=frozenset(name for name, d in self.dag.definitions.items() if d.always),
            problems=context.damaged,
            elsewhere=context.elsewhere,
            force=frozenset(heads or self.dag.leaves) if force else frozenset(),
            orphans=self.orphans,
            only=only,
        )

    def _define(self, step: str, name: str) -> bool:
        with self._lock:
            return self.today.define(self.dag, step, name)

    def _use_what_is_right(self, plan: Plan) -> None:
        """Where an earlier result is the one of today, it is what the context gives from now on."""
        others = [d for d in plan if self.context.in_use(d.step) != d.generation]
        used = [d.step for d in others if self.context.use(d.step, d.generation)]
        self._remember(used)

    def _answer(self, message: dict[str, Any]) -> None:
        """Where no front end takes requests: the one that makes sense is done at once."""
        if message.get("verb") != "materialize":
            raise UsageError(f"Without the notebook extension a picture can only materialize, not {message!r}.")
        self.materialize(*filter(None, [str(message.get("step", ""))]))
