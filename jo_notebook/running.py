"""The verbs that run steps: here and in the background, side by side, and stopped again."""

from __future__ import annotations

import threading
from abc import abstractmethod
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from jo_notebook.core import fingerprint
from jo_notebook.core.definition import Definition
from jo_notebook.core.eta import Going
from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.execution import INLINE, PROCESSES
from jo_notebook.core.homes import OBJECT
from jo_notebook.core.plan import Known, Plan
from jo_notebook.core.record import LogEntry
from jo_notebook.engine.call import users_traceback
from jo_notebook.engine.capture import is_in_a_step
from jo_notebook.engine.carried_settings import packed_settings
from jo_notebook.engine.executors import Executors, Wanted, check_wanted, places_of
from jo_notebook.engine.home import Home
from jo_notebook.engine.outcome import Outcome, one_line
from jo_notebook.engine.progress import Progress, Status
from jo_notebook.engine.run import execute, is_in_order
from jo_notebook.engine.sharing import Part, Sharing
from jo_notebook.engine.shipping import checks_of
from jo_notebook.engine.surroundings import Around, Surroundings, check_jobs
from jo_notebook.errors import (
    RunCancelled,
    RunInProgress,
    StepFailed,
    UnknownStepError,
    UntrustedError,
    UsageError,
    did_you_mean,
)
from jo_notebook.keeping import Keeping
from jo_notebook.runs import How, Run, Runs, steadily, stop
from jo_notebook.store.context import Context

if TYPE_CHECKING:
    from jo_notebook.engine.away import Executor

IN_PROGRESS = "A run is going on in this kernel: wait for it, or interrupt it first."
IN_A_STEP = (
    "A step cannot start a run. To use another step's result, read its name in the body: that makes it an input."
)


class Running(Keeping):
    """The part of `Pipeline` that carries out plans."""

    around: Around
    jobs: int
    executor: Wanted
    executors: Executors
    show: Callable[[LogEntry], None]
    around_elsewhere: str
    grace: float
    is_ending: Callable[[], bool]
    notice: str
    outcome: Outcome | None
    home: Home
    _progress: Progress
    _sharing: Sharing
    _runs: Runs
    _run_lock: threading.Lock
    _runner: int

    @abstractmethod
    def _use_what_is_right(self, plan: Plan) -> None:
        """Let earlier results stand for their steps where they are the ones of today."""

    @property
    def is_running(self) -> bool:
        """Whether a run is going on, here or in the background."""
        return self._is_waited_for or self._runs.has_background

    @property
    def runs(self) -> tuple[Run, ...]:
        """The runs that go on, in the order in which they began."""
        return self._runs.going

    @property
    def _is_waited_for(self) -> bool:
        """Whether somebody waits for a run: it says itself when names may mean something else."""
        return self._run_lock.locked()

    @property
    def running(self) -> frozenset[str]:
        """The steps that are running now, as they are now: one that was edited since does not count."""
        with self._lock:
            return self._progress.running - self._sharing.outdated(self.dag)

    @property
    def queued(self) -> frozenset[str]:
        """The steps that wait for their turn."""
        with self._lock:
            return self._progress.queued - self._sharing.outdated(self.dag)

    @property
    def going(self) -> Mapping[str, Going]:
        """The steps that are running now, each with how far it says it is and how long it is expected to need."""
        with self._lock:
            old = self._sharing.outdated(self.dag)
            return {name: going for name, going in self._progress.going.items() if name not in old}

    def status(self, run_id: str = "") -> Status | None:
        """How far a run is, by default the one that began last; None where it is over or has not begun."""
        with self._lock:
            return self._progress.status(run_id or next(reversed(self._progress.runs), ""))

    # -- what runs ------------------------------------------------------------------------------------

    def materialize(
        self,
        *heads: str,
        force: bool = False,
        only: bool = False,
        fail_fast: bool = False,
        echo: bool = True,
        jobs: int | None = None,
        executor: Wanted = "",
        pools: Mapping[str, float] | None = None,
        background: bool = False,
    ) -> Any:
        """Makes the heads' results exist, running only what is needed, and returns them.

        One head gives its value; several (or none: every step nobody depends on) give a mapping of values, each
        loaded when it is looked up.
        With `force` the heads run whatever is known; with `only` what they depend on is taken as it is. Up to `jobs`
        steps run at once, each as soon as its dependencies are there, where `executor` says: inline, threads,
        processes, dask, dask:ADDRESS, or any `concurrent.futures.Executor`. Without one it is threads for several jobs
        and inline for one; without jobs, as many as the executor has places for. What must run alone, or in this
        process, does.
        Of each resource in `pools` the steps that run take no more than there is.
        A step that a run in the background has is waited for. In the `background`, this is `start`.
        Raises UnknownStepError, UsageError, StepFailed (its cause is the user's exception), ExecutorRefused,
        RunCancelled or RunInProgress.
        """
        if background:
            return self.start(
                *heads,
                force=force,
                only=only,
                fail_fast=fail_fast,
                echo=echo,
                jobs=jobs,
                executor=executor,
                pools=pools,
            )
        executor = check_wanted(executor or self.executor)
        jobs = self._jobs_for(executor, jobs)
        how = How(executor, jobs, dict(pools or {}), force=force, only=only, fail_fast=fail_fast, echo=echo)
        if not self._run_lock.acquire(blocking=False):
            is_inside = self._runner == threading.get_ident() or is_in_a_step()
            raise RunInProgress(IN_A_STEP if is_inside else IN_PROGRESS)
        run = Run(heads, self.home, self._given_by, self._stop, in_background=False)
        try:
            self._runner = threading.get_ident()
            self.notice = ""
            with self._lock:
                outside = self._prepared(run, how)
                in_order = is_in_order(run.plan, jobs, outside.where, beside=outside.beside)
                self._runs.begin(run, in_order=in_order)
            self.outcome = run.outcome
            self._carry_out(run, outside)
        finally:
            self._runs.over(run)
            self._progress.clear(run.id)
            self._run_lock.release()
            self.tell(Event(EventKind.CHANGED))
        return self._given_by(run)

    def start(
        self,
        *heads: str,
        force: bool = False,
        only: bool = False,
        fail_fast: bool = False,
        echo: bool = True,
        jobs: int | None = None,
        executor: Wanted = "",
        pools: Mapping[str, float] | None = None,
    ) -> Run:
        """Makes the heads' results exist in the background, and returns at once, with the run to wait for.

        It is planned at once, with what the notebook's names mean now, and runs in processes unless somebody says
        otherwise. What is asked for while it goes on runs beside it; a step is run once between them. When the process
        ends, it is stopped, and what is finished is kept.
        Raises what a plan raises: UnknownStepError, UsageError, UntrustedError; ExecutorRefused; RunInProgress in a
        step.
        """
        executor = check_wanted(executor or self.executor or PROCESSES)
        jobs = self._jobs_for(executor, jobs)
        how = How(executor, jobs, dict(pools or {}), force=force, only=only, fail_fast=fail_fast, echo=echo)
        if is_in_a_step():
            raise RunInProgress(IN_A_STEP)
        run = Run(heads, self.home, self._given_by, self._stop, in_background=True)
        with self._lock:
            begun: Surroundings | None = None
            if self._runs.is_in_order:  # it has the names for itself until it is over: planned anew then
                run.plan = self.plan(*heads, force=force, only=only)
                self._refuse_the_impossible(run.plan)
            else:
                begun = self._prepared(run, how)
                # from now on its turn comes before that of whoever asks later
                self._sharing.begin(Part(run.id, self.dag, set(run.plan.to_run), True, run.outcome.failed))

            def work(run: Run) -> None:
                try:
                    self._carry_out(run, self._prepared(run, how) if begun is None else begun)
                finally:
                    self._progress.clear(run.id)

            self._runs.start(run, work, partial(self._over, run))
        return run

    def cancel(self, *names: str) -> list[str]:
        """Stops these steps where they run, drops them where they wait, and what needs them; gives those concerned.

        Everything else goes on. Without names, everything that runs or waits, in all runs. What is finished is kept.
        Steps on threads are asked to stop: their runs may take a moment to end. Raises UnknownStepError.
        """
        runs = self.runs
        self.dag.check([name for name in names if not any(name in run.plan for run in runs)])
        found = [name for run in runs for name in run.cancel(*names)]
        return list(dict.fromkeys(found))

    def ended(self) -> list[Run]:
        """The runs in the background that have ended since this was asked last: for a front end that tells of them."""
        return self._runs.ended()

    def close(self) -> None:
        """Stops what goes on in the background; what is finished is kept."""
        self._runs.close()

    # -- inside --------------------------------------------------------------------------------------

    def _jobs_for(self, executor: Wanted, jobs: int | None) -> int:
        """How many steps run at once; what is set for all runs is not for an executor with one place."""
        if jobs is None:
            jobs = 0 if executor == INLINE else self.jobs
        else:
            check_jobs(jobs)
        return check_jobs(places_of(executor, jobs))

    def _prepared(self, run: Run, how: How) -> Surroundings:
        """Plans a run, with the graph and the names as they are now."""
        with self._lock:
            self.context.refresh()
            self._recall_files()
            self.today.touch()
            plan = run.plan = self.plan(*run.heads, force=how.force, only=how.only)
            self._use_what_is_right(plan)
            self._refuse_the_impossible(plan)
            self._refuse_too_much(plan, how.pools)
            if self.context.place is not None:
                self._write_down([d.step for d in plan] if self._has_place() else self.dag if plan.to_run else ())
            known = self._known(run.heads, force=how.force, only=how.only)
            where = self._places(plan, how.executor, how.jobs, how.pools)
            self._progress.begin(run.id, plan, how.jobs)
            return self._surroundings(run, known, how, where)

    def _carry_out(self, run: Run, outside: Surroundings) -> None:
        """Runs what was planned, on this thread."""
        try:
            execute(run.plan, outside, run.outcome)
            with self._lock:
                self.today.touch()
                self._remember(run.outcome.finished)
        finally:
            outside.context.settle()

    def _over(self, run: Run) -> None:
        self._sharing.end(run.id)
        self.tell(Event(EventKind.CHANGED))

    def _given_by(self, run: Run) -> Any:
        """What a run that is over gives: what `materialize` returns, or raises."""
        if run.error is not None:
            raise run.error
        self._raise_failure(run)
        gone = [head for head in run.plan.heads if head in run.outcome.cancelled]
        if run.is_stopped or gone:
            what = f"{', '.join(gone or run.heads) or 'The run'} was cancelled"
            raise RunCancelled(f"{what}; what was finished is kept, and the next run goes on from there.")
        return self.context[run.heads[0]] if len(run.heads) == 1 else Results(self.context, run.plan.heads)

    def _stop(self, run: Run, names: Collection[str] | None) -> list[str]:
        """Stops a run, or steps of it; gives those that were going on or waiting."""
        status = self.status(run.id)
        doing = (set(status.running) | status.queued) if status is not None else set()
        concerned = set(run.plan.to_run if names is None else names)
        for decision in run.plan:
            if not concerned.isdisjoint(run.plan.parents[decision.step]):
                concerned.add(decision.step)
        stop(run, names)
        return [decision.step for decision in run.plan if decision.step in concerned & doing]

    def _places(self, plan: Plan, wanted: Wanted, jobs: int, pools: Collection[str]) -> Callable[[str], str | Executor]:
        """What runs each step: what its own line says, else what the run says; here what cannot run elsewhere.

        Raises ExecutorRefused for an executor that cannot be had, or never has the resources that a step takes besides
        `pools`, before anything has run.
        """
        default, dag = self.executors.get(wanted, jobs), self.dag
        found: dict[str, str | Executor] = {}

        def where(name: str) -> str | Executor:
            if name not in found:
                own = dag[name].executor
                place = self.executors.get(own) if own else default
                if not isinstance(place, str) and self.today.must_be_here(dag, name):
                    place = INLINE
                if not isinstance(place, str):
                    place.check(name, {what: n for what, n in dag[name].resources if what not in pools})
                found[name] = place
            return found[name]

        for name in plan.to_run:
            where(name)
        return where

    def _surroundings(self, run: Run, known: Known, how: How, where: Callable[[str], str | Executor]) -> Surroundings:
        parts_now: Callable[[str], Sequence[fingerprint.Part]] = partial(self.today.parts_now, self.dag)
        if run.in_background:  # a cell may change what is looked at
            parts_now, known = steadily(parts_now), replace(known, parts=steadily(known.parts))
        is_away = any(not isinstance(where(name), str) for name in run.plan.to_run)
        return Surroundings(
            graph=self.dag,
            known=known,
            parts_now=parts_now,
            context=self.context,
            prepare=partial(self.today.prepare, self.dag),
            attend=partial(self.today.attend, self.dag, ignored=self._own_places(), beside_cells=run.in_background),
            emit=self.tell,
            around=self.around,
            echo=how.echo,
            fail_fast=how.fail_fast,
            load=run.heads[0] if len(run.heads) == 1 else "",
            jobs=how.jobs,
            alone=self._must_be_alone,
            grace=self.grace,
            where=where,
            pools=how.pools,
            checks=partial(checks_of, self.today.modules, self.today.namespace),
            show=self.show,
            around_elsewhere=self.around_elsewhere,
            settings=packed_settings() if is_away else b"",
            sharing=self._sharing,
            beside=run.in_background or self._runs.has_background,
            in_background=run.in_background,
            home=self.home,
            is_ending=self.is_ending,
            begun=run.begun,
        )

    def _must_be_alone(self, name: str) -> bool:
        return self.today.must_be_alone(self.dag, name, self.context.record(name))

    def _own_places(self) -> tuple[str, ...]:
        return () if self.context.place is None else (str(self.context.place),)

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

    def _refuse_too_much(self, plan: Plan, pools: Mapping[str, float]) -> None:
        """Before anything runs: no step may take more of a resource than there is."""
        for name in plan.to_run:
            for resource, amount in self.dag[name].resources:
                if amount > pools.get(resource, amount):
                    raise UsageError(
                        f"{name} takes {resource}={amount:g}, and the pool has {pools[resource]:g}: it could never run."
                    )

    def _raise_failure(self, run: Run) -> None:
        failed, plan = run.outcome.failed, run.plan
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
