"""Carries out a plan: the ready loop, its failure and interruption rules, its events."""

from __future__ import annotations

import time
import traceback
import uuid
from collections import deque
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.fingerprint import Fingerprint, Part
from jo_notebook.core.graph import Graph
from jo_notebook.core.history import remembered
from jo_notebook.core.plan import Action, Decision, Known, Plan, choose, input_parts
from jo_notebook.core.record import Failure, LogEntry, Record
from jo_notebook.core.version import version_of, witness_of
from jo_notebook.engine.attend import Attention
from jo_notebook.engine.call import call_step, users_traceback
from jo_notebook.engine.capture import Recorder, recording, routed_output
from jo_notebook.errors import JoError, StoreError, UntrustedError
from jo_notebook.store.context import Context
from jo_notebook.store.owners import Owner

Told = tuple[str, str]
UNCHANGING = frozenset({bool, int, float, complex, str, bytes, type(None)})
Around = Callable[[Recorder], AbstractContextManager[None]]


Attend = Callable[[str, Collection[Told]], AbstractContextManager[Attention]]


@contextmanager
def nothing_around(recorder: Recorder) -> Iterator[None]:
    """The default for `Surroundings.around`: captures no displays."""
    yield


@dataclass(frozen=True)
class Surroundings:
    """What a run needs from outside: how to call a step, and where things go.

    `parts_now` looks at a step's code at the moment it starts (a step before it may have changed what it reads);
    `prepare` gives the function and the parameters of a step; `attend` looks at what a step does beside computing
    (files, hidden inputs; those it was told of before are not told again); `around` is entered around each call (a
    front end captures displays there); `echo` shows printed text at once as well as keeping it; `load` is a head
    whose value is wanted in memory at the end.
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


@dataclass
class Outcome:
    """What a run did, step by step, in order. `taken` are the steps that another kernel ran meanwhile.

    `cancelled` are those that were to run and did not come to an end: it stopped before, or was interrupted.
    """

    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    finished: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    unsaved: dict[str, str] = field(default_factory=dict)
    failed: dict[str, BaseException] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    seconds: float = 0.0


def execute(plan: Plan, outside: Surroundings, outcome: Outcome) -> None:
    """Runs what the plan says, dependencies first, and stores each result as it is finished.

    A step whose inputs came out the same after all is kept, not run. A step that another kernel is running is
    waited for, and its result taken where it is right for this run too. A failed step blocks what needs it and
    nothing else, unless `fail_fast`. KeyboardInterrupt passes through after everything finished is stored; what
    was done until then stands in `outcome` too.
    """
    run = _Run(plan, outside, outcome)
    for name in plan.to_run:
        run.emit(EventKind.QUEUED, name)
    started = time.perf_counter()
    waiting = deque(plan)
    try:
        with routed_output():
            while waiting and not (outside.fail_fast and run.outcome.failed):
                run.turn(waiting.popleft())
    finally:
        for decision in waiting:
            if decision.action is Action.RUN:
                run.emit(EventKind.CANCELLED, decision.step)
        run.outcome.seconds = time.perf_counter() - started
        run.emit(EventKind.ENDED, seconds=run.outcome.seconds)


class _Run:
    """The state of one execution: versions known so far, and what became of each step."""

    def __init__(self, plan: Plan, outside: Surroundings, outcome: Outcome) -> None:
        self.outside = outside
        self.outcome = outcome
        self.records = dict(outside.known.records)
        self.versions: dict[str, str | None] = {}
        self.moved = set(plan.to_run)
        self.heads = frozenset(plan.heads)
        self.needed = {*plan.heads, *(p for name in plan.to_run for p in plan.parents[name])}

    def emit(self, kind: EventKind, step: str = "", text: str = "", seconds: float = 0.0) -> None:
        if kind is EventKind.WARNING:
            self.outcome.warnings.append(text)
        elif kind is EventKind.CANCELLED:
            self.outcome.cancelled.append(step)
        self.outside.emit(Event(kind, step, self.outcome.run_id, text, seconds))

    def turn(self, decision: Decision) -> None:
        """One step's turn: run it, keep it, load it or leave it, by the versions that are known by now."""
        name = decision.step
        blocker = self._blocker(name, decision)
        if blocker:
            self._block(name, blocker)
        elif self._must_run(name, decision):
            self._run(name)
        else:
            self._leave(name, decision)

    def _block(self, name: str, blocker: str) -> None:
        self.outcome.blocked[name] = blocker
        self.emit(EventKind.BLOCKED, name, f"{blocker} failed")

    def _blocker(self, name: str, decision: Decision) -> str:
        if decision.action is Action.RUN:
            for parent in self.outside.graph.parents(name):
                if parent in self.outcome.failed:
                    return parent
                if parent in self.outcome.blocked:
                    return self.outcome.blocked[parent]
        return ""

    def _must_run(self, name: str, decision: Decision) -> bool:
        """Decides again where something upstream was to run and its version is known by now."""
        graph, known = self.outside.graph, self.outside.known
        affected = any(parent in self.moved and parent in self.versions for parent in graph.parents(name))
        if not affected or (known.only and name not in self.heads):
            return decision.action is Action.RUN
        if name not in self.needed:
            return False
        choice = choose(graph, known, name, self.versions)
        if choice.generation != known.used(name):
            return not self._take_other(name, choice.generation)
        return bool(choice.reasons) or not known.held(name)

    def _take_other(self, name: str, generation: int) -> bool:
        """Another result is the right one after all; False where it is not there any more."""
        there = self.outside.context.use(name, generation)
        record = self.outside.context.record(name)
        if there and record is not None:
            self.records[name] = record
        return there

    def _leave(self, name: str, decision: Decision) -> None:
        record = self.records.get(name)
        self.versions[name] = None if record is None else record.output
        if decision.action is Action.RUN:
            self.outcome.kept.append(name)
            self.emit(EventKind.KEPT, name, "its inputs came out the same")
        self._read_head(name)

    def _read_head(self, name: str) -> None:
        """The value that is wanted in memory at the end."""
        if name == self.outside.load and self.outside.context.held(name):
            try:
                self._input(name)
            except BaseException:
                if name not in self.outcome.failed:  # it ran again and failed: told with the other failures
                    raise

    def _run(self, name: str, *, may_take: bool = True) -> bool:
        """Runs a step, unless another kernel has made its result since the plan and that may be taken: then True."""
        outside, has_claim = self.outside, False
        parts = [*outside.known.parts(name), *input_parts(outside.graph, name, self.versions)]
        try:
            with outside.context.claim(name, Fingerprint.of(parts).key, waiting=partial(self._wait_for, name)) as newer:
                has_claim = True
                is_taken = newer and may_take and self._take(name)
                if not is_taken:
                    self._compute(name)
        except KeyboardInterrupt:
            if not has_claim:
                self.emit(EventKind.CANCELLED, name)
            raise
        if is_taken:
            self._read_head(name)
        return is_taken

    def _wait_for(self, name: str, owner: Owner) -> None:
        """Tells, at once, which other kernel runs a step, and what that means here."""
        text = f"{name} is being run by another kernel ({owner.who}); waiting for its result."
        if owner.is_unsure:
            text = (
                f"{name} may be run by another kernel ({owner.who}), which locks on this disk do not reach: it runs "
                "here too. Interrupt to leave it to the other kernel."
            )
        self.emit(EventKind.CLAIMED, name, text)

    def _take(self, name: str) -> bool:
        """Decides again, with a result that another kernel has made since the plan; whether that one is right."""
        context, known = self.outside.context, self.outside.known
        record = context.record(name)
        if record is None or name in context.untrusted:
            return False
        known = replace(known, records={**known.records, name: record}, problems=context.damaged)
        choice = choose(self.outside.graph, known, name, self.versions)
        if choice.reasons:
            return False
        if choice.generation != known.used(name):
            if not self._take_other(name, choice.generation):
                return False
        elif known.held(name):
            self.records[name] = record
        else:
            return False
        self.moved.add(name)
        self.versions[name] = self.records[name].output
        self.outcome.taken.append(name)
        self.emit(EventKind.KEPT, name, "another kernel made it")
        return True

    def _compute(self, name: str) -> None:
        """Runs a step and stores what comes of it."""
        outside = self.outside
        started, when = time.perf_counter(), outside.clock()
        recorder = Recorder(echo=outside.echo, on_entry=lambda entry: self.emit(EventKind.OUTPUT, name, entry.text))
        fingerprint = Fingerprint.of(outside.known.parts(name))
        before = self.records.get(name)
        told = {(kind, what) for kind, what, _ in before.hidden} if before else ()
        self.moved.add(name)
        self.emit(EventKind.STARTED, name)
        try:
            inputs = {d.parameter: self._input(d.step) for d in outside.graph.dependencies[name]}
            function, params = outside.prepare(name)
            # only now, with everything in place that was brought back: this is what the step runs with
            fingerprint = Fingerprint.of([*outside.parts_now(name), *input_parts(outside.graph, name, self.versions)])
            with recording(recorder), outside.attend(name, told) as attention, outside.around(recorder):
                value = call_step(function, {**inputs, **params})
        except KeyboardInterrupt:
            self.emit(EventKind.CANCELLED, name, seconds=time.perf_counter() - started)
            raise
        except BaseException as error:  # noqa: BLE001 - SystemExit in a step is a failure of that step too
            rerun = next((p for p in outside.graph.parents(name) if p in self.outcome.failed), "")
            if rerun:  # an input had to run again and failed: this step did not begin
                self._block(name, rerun)
            else:
                self._failed(name, error, fingerprint, recorder, when, time.perf_counter() - started)
            return
        seconds = time.perf_counter() - started
        for note in attention.notes:
            self.emit(EventKind.WARNING, name, note)
        version = version_of(value)
        size = sum(self.records[p].size for p in outside.graph.parents(name) if p in self.records)
        record = Record(
            step=name,
            fingerprint=fingerprint,
            version=version.digest,
            exact=version.exact,
            witness="" if version.exact else witness_of(value),
            when=when,
            seconds=seconds,
            run_id=self.outcome.run_id,
            writes=attention.writes,
            files=attention.files,
            history=remembered(before.history if before else (), (seconds, float(size))),
            hidden=attention.hidden,
            forced=name in outside.known.force,
        )
        step = outside.graph[name]
        record = self.records[name] = outside.context.put(
            record, value, recorder.entries, format=step.format, keep=step.keep
        )
        self.versions[name] = record.output
        self.outcome.finished.append(name)
        self._check_inputs(name, inputs)
        self.emit(EventKind.FINISHED, name, seconds=seconds)
        if record.unsaved:
            self.outcome.unsaved[name] = record.unsaved
            self.emit(EventKind.UNSAVED, name, record.unsaved)

    def _input(self, name: str) -> Any:
        """The upstream value, certainly the one its step returned: a changed one is read again."""
        context = self.outside.context
        from_disk = context.held(name) == "disk"
        try:
            value = context[name]
        except UntrustedError:
            raise
        except StoreError as error:
            return self._again(name, str(error).rstrip("."))
        if from_disk:
            self._note_record(name)
            if context.elsewhere(name, context.in_use(name)) and _has_changed(value, self.records[name]):
                return self._again(name, f"{name}, from elsewhere, is not what its file says of it")
            self.outcome.loaded.append(name)
            self.emit(EventKind.LOADED, name)
        elif (record := self.records.get(name)) and _has_changed(value, record):
            value = self._restored(name)
        if name in self.records:
            self.versions[name] = self.records[name].output
        return value

    def _check_inputs(self, name: str, inputs: Mapping[str, Any]) -> None:
        """Tells on a step that changed what it was given; nobody else gets to see the change."""
        for dependency in self.outside.graph.dependencies[name]:
            given, step = inputs[dependency.parameter], dependency.step
            record = self.records.get(step)
            if type(given) in UNCHANGING or record is None or not _has_changed(given, record):
                continue
            self.outside.context.drop_memory(step)
            kept = "its stored result is as it was" if self.outside.context.held(step) else f"{step} will run again"
            self.emit(
                EventKind.WARNING,
                name,
                f"{name} changed its input {dependency.parameter}; {kept}. Work on a copy, so that {name} gives the "
                "same whenever it runs",
            )

    def _note_record(self, name: str) -> None:
        """What was read from disk may be newer than what the plan saw: another kernel writes there too."""
        record = self.outside.context.record(name)
        if record is not None:
            self.records[name] = record

    def _restored(self, name: str) -> Any:
        """After something changed a value in memory: the stored one, or a new run of its step."""
        context = self.outside.context
        context.drop_memory(name)
        if context.held(name):
            what = "the stored result is used instead"
            self.emit(EventKind.WARNING, name, f"{name} was changed after its step returned it; {what}")
            value = context[name]
            self.outcome.loaded.append(name)
            self._note_record(name)
            return value
        return self._again(name, f"{name} was changed after its step returned it")

    def _again(self, name: str, why: str, *, may_take: bool = True) -> Any:
        """The value of a step that has to run once more because its result cannot be had."""
        self.emit(EventKind.WARNING, name, f"{why}; it runs again")
        is_taken = self._run(name, may_take=may_take)
        if name in self.outcome.failed:
            raise self.outcome.failed[name]
        try:
            return self.outside.context[name]
        except StoreError as error:
            if not is_taken:
                raise
            return self._again(name, str(error).rstrip("."), may_take=False)

    def _failed(
        self,
        name: str,
        error: BaseException,
        fingerprint: Fingerprint,
        recorder: Recorder,
        when: float,
        seconds: float,
    ) -> None:
        error.__traceback__ = users_traceback(error)
        text = "".join(traceback.format_exception(error))
        line = one_line(error)
        failure = Failure(name, fingerprint, line, text, when, seconds, self.outcome.run_id)
        recorder.add(LogEntry("error", text))
        self.outcome.failed[name] = error
        try:
            self.outside.context.fail(failure, recorder.entries)
        except StoreError as trouble:
            self.emit(EventKind.WARNING, name, f"the failure of {name} could not be written down: {trouble}")
        self.emit(EventKind.FAILED, name, line, seconds)


def one_line(error: BaseException) -> str:
    """An error's type and the first line of its text; of an error of ours the text says it all."""
    try:
        first = str(error).strip().splitlines()
    except Exception:  # noqa: BLE001 - an error's own text is the user's code
        first = []
    if first and isinstance(error, JoError):
        return first[0]
    text = f"{type(error).__name__}: {first[0]}" if first else type(error).__name__
    return text if len(text) <= 300 else text[:299] + "…"


def _has_changed(value: object, record: Record) -> bool:
    """Whether a value in memory is no longer the one its step returned."""
    if record.exact:
        return version_of(value).digest != record.version
    return bool(record.witness) and witness_of(value) != record.witness
