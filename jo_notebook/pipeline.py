"""The one object a user holds: steps, their results, and the verbs over both."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from jo_notebook.core.definition import Definition
from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.garbage import no_search
from jo_notebook.core.graph import Graph
from jo_notebook.core.homes import OBJECT
from jo_notebook.core.needs import Need
from jo_notebook.core.overrides import accepted
from jo_notebook.core.plan import Availability, Decision, Known, Plan, make_plan
from jo_notebook.core.record import LogEntry, Record
from jo_notebook.engine.call import users_traceback
from jo_notebook.engine.capture import is_in_a_step
from jo_notebook.engine.outcome import Outcome, one_line
from jo_notebook.engine.progress import Progress
from jo_notebook.engine.run import execute
from jo_notebook.engine.surroundings import Around, Surroundings, check_jobs, jobs_from, nothing_around
from jo_notebook.engine.today import Today
from jo_notebook.engine.verify import Verified, verify_step
from jo_notebook.errors import (
    DuplicateStepError,
    JoError,
    RunInProgress,
    StepFailed,
    UnknownStepError,
    UntrustedError,
    UsageError,
    did_you_mean,
)
from jo_notebook.store.context import Context
from jo_notebook.store.formats import check_format
from jo_notebook.store.plain import check_definition

Listener = Callable[[Event], None]

NOT_UNDERSTOOD = (LookupError, TypeError, ValueError, AttributeError, SyntaxError, RecursionError, MemoryError)
OVER = (EventKind.STARTED, EventKind.KEPT, EventKind.CANCELLED)  # then a step waits no longer for another kernel
SHOWN = 200
IN_PROGRESS = "A run is going on in this kernel: wait for it, or interrupt it first."
IN_A_STEP = (
    "A step cannot start a run. To use another step's result, read its name in the body: that makes it an input."
)


class Pipeline:
    """Holds graph, context and listeners; every verb is a few lines over the layers below.

    `namespace` is what step bodies have as their globals. A front end sets `around` (entered around each call
    of a step), `send` (where a request from a picture goes) and what `today` wants to know of the notebook. `jobs`
    is how many steps run at once where a verb does not say (JO_JOBS, or one); `grace` is how many seconds a step on a
    thread has to stop when it is told to; then the run goes on without it.
    """

    def __init__(self, context: Context | None = None, *, namespace: dict[str, Any] | None = None) -> None:
        self.dag = Graph()
        self.context = Context() if context is None else context
        self.today = Today({"__name__": "__main__"} if namespace is None else namespace)
        self.around: Around = nothing_around
        self.jobs = jobs_from(os.environ)
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

    # -- steps ---------------------------------------------------------------------------------------

    def add(self, definition: Definition, *, replacing: Iterable[str] = ()) -> Definition:
        """Registers a step, in the place of its older self and of the steps it replaces.

        Raises CycleError, DuplicateStepError or UsageError; then nothing changed.
        """
        _check(definition)
        with self._lock:
            self._refuse_second_claim(definition)
            definition = self._as_before(definition, replacing)
            self.dag = self.dag.add(definition, replacing=replacing)
            former = set(replacing) - {definition.name}
            self._drop_definitions(former)
            self.touch()
            self._take_over(definition.name, former)
            self._remember([definition.name])
        self.tell(Event(EventKind.CHANGED, definition.name))
        return definition

    def add_all(self, definitions: Iterable[Definition], *, replacing: Iterable[str] = ()) -> None:
        """Registers many steps at once, all or none, in the place of their older selves and of those they replace.

        Raises CycleError, DuplicateStepError or UsageError; then nothing changed.
        """
        definitions = list(definitions)
        for definition in definitions:
            _check(definition)
        with self._lock:
            for definition in definitions:
                self._refuse_second_claim(definition)
            new = [self._as_before(definition, ()) for definition in definitions]
            names = [definition.name for definition in new]
            former = set(replacing).difference(names)
            self.dag = self.dag.add_all(new, replacing=former)
            self._drop_definitions(former)
            self.touch()
            if not self.dag.definitions.keys() >= self.context.records.keys():
                for name in names:
                    self._take_over(name, former)
            self._remember(names)
        self.tell(Event(EventKind.CHANGED))

    def remove(self, *names: str) -> None:
        """Takes steps out of the graph; their results stay in the context."""
        with self._lock:
            self.dag = self.dag.remove(*names)
            self._drop_definitions(names)
            self.touch()
        self.tell(Event(EventKind.CHANGED))

    def resume(self) -> list[str]:
        """Looks at the context again, and takes in the steps it remembers and no cell has defined.

        Returns their names. Runs nothing and unpickles nothing. What cannot be understood is in `problems`.
        """
        self.context.refresh()
        return self.take_in()

    def take_in(self) -> list[str]:
        """As `resume`, for a context that has just been opened."""
        with self._lock, no_search():
            found = sorted(self.context.definitions().items(), key=lambda item: _order(item[1][0]))
            self.problems = list(self.context.problems)
            self._recall_files()
            new = [self._remembered(name, data, trusted) for name, (data, trusted) in found]
            fresh = [d for d in new if d is not None and d.name not in self.dag]
            try:
                self.dag = Graph([*self.dag.definitions.values(), *fresh])
            except JoError as error:
                self.problems.append(str(error))
                fresh = []
            self.touch()
        if fresh:
            self.tell(Event(EventKind.CHANGED))
        return [definition.name for definition in fresh]

    @property
    def is_running(self) -> bool:
        """Whether a run is going on."""
        return self._run_lock.locked()

    @property
    def running(self) -> frozenset[str]:
        """The steps that are running now."""
        with self._lock:
            return self._progress.running

    @property
    def queued(self) -> frozenset[str]:
        """The steps that wait for their turn."""
        with self._lock:
            return self._progress.queued

    @property
    def orphans(self) -> frozenset[str]:
        """Steps whose cell is gone from the notebook."""
        if not self.gone_cells:
            return frozenset()
        return frozenset(n for n, d in self.dag.definitions.items() if d.origin.cell_id in self.gone_cells)

    # -- verbs ---------------------------------------------------------------------------------------

    def plan(self, *heads: str, force: bool = False, only: bool = False) -> Plan:
        """What materializing the heads would do, and why. Without heads, the whole graph."""
        return self._plan(heads, force=force, only=only, glance=False)

    def glance(self, *heads: str) -> Plan:
        """As `plan`, for pictures: large data that are the same objects as before are not read through again."""
        return self._plan(heads, force=False, only=False, glance=True)

    def _plan(self, heads: tuple[str, ...], *, force: bool, only: bool, glance: bool) -> Plan:
        with self._lock:
            if not self.is_running:  # within a run, the run itself says when names may mean something else
                self.touch()
            asked = (heads, force, only, self.orphans)
            now = (*asked, self.context.version, self.today.stamp(glance=glance))
            if self._planned is not None and self._planned[0] is self.dag and self._planned[1] == now:
                return self._planned[2]
            with no_search():
                plan = make_plan(self.dag, self._known(heads, force=force, only=only), heads)
            if not self.is_running:
                self._use_what_is_right(plan)
                now = (*asked, self.context.version, self.today.stamp(glance=glance))
                self._planned = (self.dag, now, plan)
            return plan

    def materialize(
        self,
        *heads: str,
        force: bool = False,
        only: bool = False,
        fail_fast: bool = False,
        echo: bool = True,
        jobs: int = 1,
    ) -> Any:
        """Makes the heads' results exist, running only what is needed, and returns them.

        One head gives its value; several (or none: every step nobody depends on) give a mapping of values, each
        loaded when it is looked up.
        With `force` the heads run whatever is known; with `only` what they depend on is taken as it is. Up to `jobs`
        steps run at once, on threads, each as soon as its dependencies are there; what must run alone does.
        Raises UnknownStepError, UsageError, StepFailed (its cause is the user's exception) or RunInProgress.
        """
        check_jobs(jobs)
        if not self._run_lock.acquire(blocking=False):
            is_inside = self._runner == threading.get_ident() or is_in_a_step()
            raise RunInProgress(IN_A_STEP if is_inside else IN_PROGRESS)
        try:
            self._runner = threading.get_ident()
            self.notice = ""
            self.context.refresh()
            self._recall_files()
            self.touch()
            plan = self.plan(*heads, force=force, only=only)
            self._use_what_is_right(plan)
            self._refuse_the_impossible(plan)
            if self.context.place is not None:
                self._write_down([d.step for d in plan] if self._has_place() else self.dag if plan.to_run else ())
            known = self._known(heads, force=force, only=only)
            outcome = self.outcome = Outcome()
            load = heads[0] if len(heads) == 1 else ""
            execute(plan, self._surroundings(known, fail_fast=fail_fast, echo=echo, load=load, jobs=jobs), outcome)
            self.touch()
            self._remember(outcome.finished)
        finally:
            self.context.settle()
            self._progress.clear()
            self._run_lock.release()
            self.tell(Event(EventKind.CHANGED))
        self._raise_failure(plan)
        return self.context[heads[0]] if len(heads) == 1 else Results(self.context, plan.heads)

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

    def log(self, name: str) -> tuple[LogEntry, ...]:
        """What the step's last run printed, displayed and raised."""
        self.dag.check([name])
        return self.context.log(name)

    def forget(self, *names: str) -> None:
        """Drops the results of these steps, in memory and on disk; the steps stay."""
        if not names:
            raise UsageError("Say which steps to forget, for instance: forget Clean")
        self.dag.check([name for name in names if name not in self.context.records])
        self.context.forget(*names)
        self.tell(Event(EventKind.CHANGED))

    def accept(self, name: str) -> Decision:
        """Blesses the stored result of a step for today's code, inputs and files; it is recorded with the reasons.

        Raises UsageError where there is no result, UntrustedError for one made elsewhere, StoreError.
        """
        with self._lock:
            plan = self.plan(name)
            record = accepted(self.dag, self._known((), force=False, only=False), plan, name)
            if record is not None:
                self.context.bless(name, record, keep=self.dag[name].keep)
        self.tell(Event(EventKind.CHANGED))
        return self.explain(name)

    def pin(self, name: str, *, on: bool = True) -> Decision:
        """Keeps the step's result in force whatever changes, until it is let go (`on=False`) or forced to run.

        Raises UsageError where there is no result to keep.
        """
        with self._lock:
            decision = self.explain(name)
            if on and not decision.held:
                raise UsageError(f"{name} has no result to pin: run it first, with %materialize {name}.")
            self.dag = self.dag.add(replace(self.dag[name], pinned=on))
            self._remember([name])
        self.tell(Event(EventKind.CHANGED))
        return self.explain(name)

    def verify(self, *names: str) -> list[Verified]:
        """Runs steps again in a clean process, stores nothing, and compares what comes out with what is kept.

        Without names, every step that has a result of today. Raises UsageError where the results live in memory
        only, UnknownStepError.
        """
        self.dag.check(names)
        place = self.context.place
        if place is None:
            raise UsageError("Only results on disk can be verified: this pipeline keeps its results in memory.")
        self.context.refresh()
        with self._lock:
            self._remember(self.dag)
            plan = self.plan(*names)
        wanted = names or tuple(d.step for d in plan if d.availability is Availability.AVAILABLE)
        return [verify_step(self.dag, self.context, plan, name) for name in wanted]

    def restore(self, name: str, generation: int = 0) -> Record:
        """Makes an older result of a step the newest again, with its own record, which comes back.

        Without a number it is the newest whole one before the one that is damaged or in force. Raises
        UnknownStepError, ResultMissing, ResultDamaged, UntrustedError, UsageError and StoreError.
        """
        self.dag.check([name])
        with self._lock:
            record = self.context.restore(name, generation, keep=self.dag[name].keep)
        self.tell(Event(EventKind.CHANGED))
        return record

    def trust(self, *steps: str) -> list[str]:
        """Accepts what the context holds from elsewhere, of these steps or of all: it may be loaded, its code run."""
        names = self.context.trust(*steps)
        with self._lock:
            for name, (data, trusted) in self.context.definitions().items():
                mine = self.dag.definitions.get(name)
                if mine is not None and not mine.trusted and trusted:
                    known = self._remembered(name, data, trusted)
                    self.dag = self.dag if known is None else self.dag.add(known)
            self.touch()
        self.tell(Event(EventKind.CHANGED))
        return names

    def move_to(self, place: Path) -> None:
        """From now on results live in this directory; what is in it is taken in, what was before stays there.

        What only memory has comes along.
        """
        context = Context(place, keep=self.context.keep, quota=self.context.quota)
        with self._lock:
            context.bring(self.context)
            self.context, self._pins = context, None
            self.context.define = self._define
            self.take_in()
            self._remember(self.dag)
        self.tell(Event(EventKind.CHANGED))

    # -- what views and fronts use -------------------------------------------------------------------

    def listen(self, listener: Listener) -> Callable[[], None]:
        """Calls the listener with every event; the returned function ends that."""
        self._listeners.append(listener)
        return lambda: self._listeners.remove(listener) if listener in self._listeners else None

    def tell(self, event: Event) -> None:
        """Gives an event to all listeners; one that raises does not stop the others."""
        with self._lock:
            self._progress.follow(event)
            if event.kind is EventKind.CLAIMED:
                self.notice, self._waits_for = event.text, event.step
            elif event.step == self._waits_for and event.kind in OVER:
                self.notice = ""
        for listener in list(self._listeners):
            try:
                listener(event)
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

    def _as_before(self, definition: Definition, replacing: Iterable[str]) -> Definition:
        """What the user does not write again: what the step needed when last looked at, and that it is pinned."""
        known = self._definition_needs(definition.name)
        if known and not definition.needs:
            definition = replace(definition, needs=known)
        pinned = any(self._was_pinned(name) for name in (definition.name, *replacing))
        return replace(definition, pinned=True) if pinned else definition

    def _was_pinned(self, name: str) -> bool:
        """Whether a step is pinned here or, for one that nobody has taken in, in the context."""
        before = self.dag.definitions.get(name)
        if before is not None:
            return before.pinned and before.trusted
        if self._pins is None:
            stored = self.context.definitions().items()
            self._pins = frozenset(step for step, (data, trusted) in stored if trusted and data.get("pinned") is True)
        return name in self._pins

    def _take_over(self, name: str, former: Iterable[str]) -> None:
        """A step that was renamed keeps its result: what makes a result this one does not include the name."""
        if self.context.record(name) is not None:
            return
        former, known = set(former), self._known((), force=False, only=False)
        code = next(part for part in known.parts(name) if part.kind == "code")
        for old in sorted(former.union(known.records).difference(self.dag)):
            record = known.records.get(old)
            if record is None or old in self.context.untrusted:
                continue
            if self.dag[name].pinned and old in former and self.context.rename(old, name):
                return
            if code not in record.fingerprint.parts:
                continue
            under_new_name = {**known.records, name: replace(record, step=name)}
            held = partial(self._held_under, name, old)
            decision = make_plan(self.dag, replace(known, records=under_new_name, held=held), [name])[name]
            if decision.availability is Availability.AVAILABLE and self.context.rename(
                old, name, copy=old not in former
            ):
                return

    def _held_under(self, name: str, old: str, step: str) -> str:
        return self.context.held(old if step == name else step)

    def _definition_needs(self, name: str) -> tuple[Need, ...]:
        """What an older self of the step needed; nothing of a stranger's, for needs are code."""
        return self.dag[name].needs if name in self.dag and self.dag[name].trusted else ()

    def _drop_definitions(self, names: Iterable[str]) -> None:
        """Steps are gone for this kernel also where the disk refuses to forget them; then it is said."""
        for name in names:
            try:
                self.context.drop_definition(name)
            except JoError as error:
                self.problems.append(str(error))

    def _surroundings(self, known: Known, *, fail_fast: bool, echo: bool, load: str, jobs: int) -> Surroundings:
        return Surroundings(
            graph=self.dag,
            known=known,
            parts_now=partial(self.today.parts_now, self.dag),
            context=self.context,
            prepare=partial(self.today.prepare, self.dag),
            attend=partial(self.today.attend, self.dag, ignored=self._own_places()),
            emit=self.tell,
            around=self.around,
            echo=echo,
            fail_fast=fail_fast,
            load=load,
            jobs=jobs,
            alone=self._must_be_alone,
            lock=self._lock,
            grace=self.grace,
        )

    def _must_be_alone(self, name: str) -> bool:
        return self.today.must_be_alone(self.dag, name, self.context.record(name))

    def _recall_files(self) -> None:
        """What our own records know of declared files spares reading those that have not changed since."""
        foreign = self.context.untrusted
        for name, record in self.context.records.items():
            if record.files and name not in foreign:
                self.today.files.remember(record.files)

    def _own_places(self) -> tuple[str, ...]:
        return () if self.context.place is None else (str(self.context.place),)

    def _remember(self, names: Iterable[str]) -> None:
        """Writes definitions down once the context has a directory, which the first run makes."""
        if self._has_place():
            self._write_down(names)

    def _has_place(self) -> bool:
        return self.context.place is not None and os.path.isdir(self.context.place)

    def _write_down(self, names: Iterable[str]) -> None:
        """Writes definitions down, with what they need: then a run that is killed leaves steps, not only results."""
        names, rows = set(names), {}
        for order, (name, definition) in enumerate(self.dag.definitions.items()):
            if name in names and definition.trusted:  # a stranger's is not to be signed as ours
                needs, inferred = self.today.needs(self.dag, name), self.dag.parents(name)
                rows[name] = {**definition.to_json(), "needs": [n.to_json() for n in needs], "inferred": list(inferred)}
                rows[name]["order"] = order
        try:
            self.context.save_definitions(rows)
        except JoError as error:
            self.problems.append(str(error))

    def _remembered(self, name: str, data: dict[str, Any], trusted: bool) -> Definition | None:
        try:
            definition = Definition.from_json(data, trusted=trusted)
            if not trusted:
                check_definition(definition, name)
            return definition
        except (JoError, *NOT_UNDERSTOOD) as error:
            self.problems.append(f"the step {name} is not understood: {str(error)[:SHOWN]}")
            return None

    def _refuse_second_claim(self, definition: Definition) -> None:
        old = self.dag.definitions.get(definition.name)
        if old is None or old.origin.remembered or definition.name in self.orphans:
            return
        mine, theirs = definition.origin, old.origin
        if mine.cell_id != theirs.cell_id and not (mine.is_cell and theirs.is_cell):
            raise DuplicateStepError(
                f"{old.origin} has a step called {definition.name}, and {definition.origin} claims the name too. The "
                "first stays in force; give one of them another name."
            )
        if mine.cell_id and theirs.cell_id and mine.cell_id != theirs.cell_id:
            raise DuplicateStepError(
                f"Two cells define a step called {definition.name}: {old.origin} has it, and {definition.origin} "
                "claims it too. The first stays in force; give one of them another name."
            )

    def _refuse_the_impossible(self, plan: Plan) -> None:
        """Before anything runs: every step to run must have its dependencies and be ours to run."""
        foreign = sorted(name for name in plan.to_load if plan[name].elsewhere == "code")
        if foreign:
            raise UntrustedError(
                f"{', '.join(foreign)} was made elsewhere: loading it may run somebody else's code. %context trust "
                "lists what there is, and lets you trust it; --force runs it again here."
            )
        for name in plan.to_run:
            for step in self.dag.parents(name):
                if step not in self.dag:
                    where = "Define it first." if self.dag[name].call else "Run the cell that defines it first."
                    hint = did_you_mean(step, self.dag) or f" {where}"
                    raise UnknownStepError(f"{name} depends on {step}, which is not registered.{hint}", step)
            if not self.dag[name].trusted:
                raise UntrustedError(
                    f"{name} was defined elsewhere and read from {self.context.place}: running it would run "
                    "somebody else's code. Run its cell, or say %context trust."
                )

    def _raise_failure(self, plan: Plan) -> None:
        failed = self.outcome.failed if self.outcome is not None else {}
        if not failed:
            return
        name, cause = next(iter(failed.items()))
        cause.__traceback__ = users_traceback(cause)
        others = f" So did {', '.join(list(failed)[1:])}." if len(failed) > 1 else ""
        heads = [head for head in plan.heads if name in self.dag.ancestors([head])]
        needed = "" if name in heads else f", which {', '.join(heads)} {'needs' if len(heads) == 1 else 'need'},"
        step = self.dag.definitions.get(name)
        where = "" if step is None or step.origin.remembered else f" in {step.origin}"
        what = one_line(cause).rstrip(": .")
        raise StepFailed(f"{name}{needed} failed{where}: {what}.{_lost(step, cause)}{others}", name) from cause

    def _answer(self, message: dict[str, Any]) -> None:
        """Where no front end takes requests: the one that makes sense is done at once."""
        if message.get("verb") != "materialize":
            raise UsageError(f"Without the notebook extension a picture can only materialize, not {message!r}.")
        self.materialize(*filter(None, [str(message.get("step", ""))]), jobs=self.jobs)


def _check(definition: Definition) -> None:
    """Raises UsageError for a format that nobody knows, and for one name of two inputs."""
    if definition.format:
        check_format(definition.format, step=definition.name)
    both = {d.parameter for d in definition.depends_on or ()} & {name for name, _ in definition.params}
    if both:
        raise UsageError(f"{definition.name}: {', '.join(both)} is a dependency and a parameter; rename one.")


def _order(data: Mapping[str, Any]) -> int:
    """Where a definition stood among the others; a stranger may have written anything."""
    order = data.get("order", 0)
    return order if isinstance(order, int) else 0


def _lost(step: Definition | None, cause: BaseException) -> str:
    """What to do about a name that an earlier session had and that could not be remembered as code."""
    name = cause.name if isinstance(cause, NameError) else None
    if step is None or name not in {need.name for need in step.needs}:
        return ""
    name = str(name).removeprefix(OBJECT)
    return f" {name} could not be kept from the earlier session: run the cell that defines it."


class Results(Mapping[str, Any]):
    """The values of some steps, by name; each is read when it is looked up."""

    def __init__(self, context: Context, names: Iterable[str]) -> None:
        self._context = context
        self._names = tuple(names)

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._context[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def __repr__(self) -> str:
        return f"<Results of {', '.join(self._names)}>"
