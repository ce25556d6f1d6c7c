"""One step's turn in a run: kept, left, taken from another kernel, or run and stored; its attempts and its failure."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from typing import Any

from jo_notebook.core.definition import LONGEST
from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.execution import is_one_of
from jo_notebook.core.fingerprint import Fingerprint, Part
from jo_notebook.core.given import SAID
from jo_notebook.core.history import remembered
from jo_notebook.core.plan import Action, Decision, choose, input_parts
from jo_notebook.core.record import NO_STORE, Failure, LogEntry, Record, is_costly_to_keep
from jo_notebook.core.version import version_of, witness_of
from jo_notebook.engine.attend import Attention
from jo_notebook.engine.call import call_step, traceback_text, users_traceback
from jo_notebook.engine.capture import Recorder, recording
from jo_notebook.engine.inputs import Inputs
from jo_notebook.engine.lanes import Holding, Lane, Moved, RunAlone
from jo_notebook.engine.measure import Measured, measuring
from jo_notebook.engine.outcome import one_line
from jo_notebook.engine.sharing import Part as RunPart
from jo_notebook.engine.sharing import Share
from jo_notebook.engine.state import State
from jo_notebook.engine.stopping import LeftBehind
from jo_notebook.engine.surroundings import Told
from jo_notebook.errors import ExecutorRefused, JoError, SourceError, StoreError, UntrustedError, WorkerLost
from jo_notebook.store.formats import python_version
from jo_notebook.store.owners import Owner

UNSEEN = frozenset({"untracked", "file"})
"""What is not compared of the parts of a step that runs: what has no digest, and files, which are told of anyhow."""
SHELTER = "run it in the foreground, or with --executor processes, where cells do not reach it"
UNCHANGING = frozenset({bool, int, float, complex, str, bytes, type(None)})


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # it is gone
        return ""


@dataclass(eq=False)
class Attempt:
    """One call of a step: what it was given, and what came of it. It `has_begun` when all is in place for the call."""

    step: str
    number: int
    recorder: Recorder
    fingerprint: Fingerprint
    when: float
    cwd: str = field(default_factory=_here)
    began: float = field(default_factory=time.perf_counter)
    inputs: dict[str, Any] = field(default_factory=dict)
    records: dict[str, Record] = field(default_factory=dict)
    versions: dict[str, str | None] = field(default_factory=dict)
    has_begun: bool = False
    attention: Attention = field(default_factory=Attention)
    measured: Measured = field(default_factory=Measured)
    value: Any = None
    moved: list[str] = field(default_factory=list)
    stored: Record | None = None
    took: float = 0.0

    @property
    def seconds(self) -> float:
        """How long it took, or has taken so far."""
        return self.took or time.perf_counter() - self.began


class Turn:
    """Takes the turns of steps on one lane. Who calls it holds the lock of the run, if there is one."""

    def __init__(self, state: State, lane: Lane) -> None:
        self.state = state
        self.outside = state.outside
        self.outcome = state.outcome
        self.lane = lane
        self.inputs = Inputs(state, lane, self.emit, self.run)

    def emit(self, kind: EventKind, step: str = "", text: str = "", seconds: float = 0.0) -> None:
        """Tells what happened; a warning, and that a step was cancelled, stands in the outcome too."""
        if kind is EventKind.WARNING:
            self.outcome.warnings.append(text)
        elif kind is EventKind.CANCELLED:
            self.outcome.cancelled.append(step)
        self.lane.emit(Event(kind, step, self.outcome.run_id, text, seconds))

    def take(self, decision: Decision) -> None:
        """One step's turn: run it, keep it, load it or leave it, by the versions that are known by now."""
        if not self.settle(decision):
            self.run(decision.step)

    def settle(self, decision: Decision) -> bool:
        """The same where nothing has to run; False, and nothing has happened, where the step must run."""
        name = decision.step
        blocker = self.state.blocker(name, decision)
        if name in self.state.dropped:
            pass  # told when it was dropped
        elif blocker:
            self._block(name, blocker)
        elif self.state.must_run(name, decision):
            return False
        else:
            self._leave(name, decision)
        return True

    def read_head(self, name: str) -> None:
        """The value that is wanted in memory at the end."""
        if name == self.outside.load and self.outside.context.held(name):
            try:
                self.inputs.value(name)
            except BaseException:
                if name not in self.outcome.failed:  # it ran again and failed: told with the other failures
                    raise

    def run(self, name: str, *, may_take: bool = True, is_turn: bool = False) -> bool:
        """Runs a step, unless another kernel or run has made its result since the plan and that may be taken: True.

        In its own turn (not for another step that needs it again) a step is left to an earlier run that is going to
        run it; and a lane that is not beside others raises NotNow where it would have to wait for another run.
        """
        outside, has_claim = self.outside, False
        waiting = partial(self._wait_for, name)
        claim: Holding = outside.context.claim(name, partial(self._key, name), waiting=waiting, pause=self.lane.pause)
        if self.lane.is_shared:
            claim = self._shared(name, claim, is_turn=is_turn)
        try:
            with self.lane.holding(claim) as newer:
                has_claim = True
                newer = newer or (self.lane.is_shared and self._is_newer(name))
                is_taken = newer and may_take and self._take_newer(name)
                if not is_taken and not self._take_failure(name):
                    self._compute(name)
        except KeyboardInterrupt:
            if not has_claim:
                self.emit(EventKind.CANCELLED, name)
            raise
        if is_taken and self.lane.reads_heads:
            self.read_head(name)
        return is_taken

    def _key(self, name: str) -> str:
        """What tells other kernels which result of a step is being made."""
        parts = self.outside.known.parts(name), input_parts(self.outside.graph, name, self.state.versions)
        return Fingerprint.of([*parts[0], *parts[1]]).key

    # -- where nothing runs ----------------------------------------------------------------------------

    def call_off(self, decision: Decision) -> None:
        """The run stops before this step: it was not reached, or it could not have run anyhow."""
        if decision.action is not Action.RUN or decision.step in self.state.dropped:
            return
        if blocker := self.state.blocker(decision.step, decision):
            self._block(decision.step, blocker)
        else:
            self.emit(EventKind.CANCELLED, decision.step)

    def _block(self, name: str, blocker: str) -> None:
        self.outcome.blocked[name] = blocker
        self.emit(EventKind.BLOCKED, name, f"{blocker} failed")

    def _leave(self, name: str, decision: Decision) -> None:
        record = self.state.records.get(name)
        self.state.versions[name] = None if record is None else record.output
        if decision.action is Action.RUN:
            self.outcome.kept.append(name)
            self.emit(EventKind.KEPT, name, "its inputs came out the same")
        if self.lane.reads_heads:
            self.read_head(name)

    def _wait_for(self, name: str, owner: Owner) -> None:
        """Tells, at once, which other kernel runs a step, and what that means here."""
        text = f"{name} is being run by another kernel ({owner.who}); waiting for its result."
        if owner.is_unsure:
            text = (
                f"{name} may be run by another kernel ({owner.who}), which locks on this disk do not reach: it runs "
                "here too. Interrupt to leave it to the other kernel."
            )
        self.emit(EventKind.CLAIMED, name, text)
        if not owner.is_unsure:
            self.lane.waits()

    def _shared(self, name: str, claim: Holding, *, is_turn: bool) -> Share:
        """The claim with one around it among the runs of this pipeline."""
        lane, waiting = self.lane, partial(self._wait_for_run, name)
        waits = lane.is_beside or not is_turn
        return self.outside.sharing.share(
            claim,
            self.outcome.run_id,
            self.outside.graph[name],
            waiting=waiting,
            pause=lane.pause,
            waits=waits,
            yields=is_turn,
        )

    def _wait_for_run(self, name: str, other: RunPart) -> None:
        """Tells, once, that another run of this kernel has the step, and what that means here."""
        is_told = any(part is other for part in self.state.joined.values())
        self.state.joined[name] = other
        if name in self.outcome.joined:
            return
        self.outcome.joined.append(name)
        text = f"{name} is being run by another run of this kernel; waiting for its result."
        if other.in_background:
            text = f"{name} is being run in the background; waiting for its result."
        if not self.outside.in_background:
            text += " Interrupt to wait no longer; %cancel stops it."
        self.emit(EventKind.CLAIMED, name, "" if is_told else text)
        self.lane.waits()

    def _is_newer(self, name: str) -> bool:
        """Whether another run of this kernel has made a result since this one looked last."""
        record = self.outside.context.record(name)
        return record is not None and record != self.state.records.get(name)

    def _take_failure(self, name: str) -> bool:
        """A run that was waited for has just failed with this step, as it is here: it need not fail twice."""
        other = self.state.joined.get(name)
        error = None if other is None else other.failed.get(name)
        if other is None or error is None:
            return False
        failure = self.outside.context.failures.get(name)
        if failure is None or failure.run_id != other.run_id or failure.fingerprint.key != self._key(name):
            return False
        self.outcome.failed[name] = error
        self.emit(EventKind.FAILED, name, failure.error, failure.seconds)
        return True

    def _take_newer(self, name: str) -> bool:
        """Decides again, with a result that another kernel has made since the plan; whether that one is right."""
        state, context, known = self.state, self.outside.context, self.outside.known
        record = context.record(name)
        if record is None or name in context.untrusted:
            return False
        known = replace(known, records={**known.records, name: record}, problems=context.damaged)
        choice = choose(self.outside.graph, known, name, state.versions)
        if choice.reasons:
            return False
        if choice.generation != known.used(name):
            if not state.take_other(name, choice.generation):
                return False
        elif known.held(name):
            state.records[name] = record
        else:
            return False
        state.moved.add(name)
        state.versions[name] = state.records[name].output
        self.outcome.taken.append(name)
        whose = "another run made it" if name in self.outcome.joined else "another kernel made it"
        self.emit(EventKind.KEPT, name, whose)
        return True

    # -- where it runs ---------------------------------------------------------------------------------

    def _compute(self, name: str) -> None:
        """Runs a step, as often as it may be tried, and stores what comes of it."""
        outside, before = self.outside, self.state.records.get(name)
        echo, on_entry = outside.echo, lambda entry: self.emit(EventKind.OUTPUT, name, entry.text)
        far = partial(self._tell_how_far, name)
        recorder = Recorder(echo=echo, on_entry=on_entry, on_progress=far, is_beside=self.lane.is_beside)
        told = {(kind, what) for kind, what, _ in before.hidden} if before else ()
        self.state.moved.add(name)
        has_moved = False
        for number in count(1):
            fingerprint = Fingerprint.of(outside.known.parts(name))
            attempt = Attempt(name, number, recorder, fingerprint, outside.clock())
            try:
                self._begin(attempt)
                self._call(attempt, before, told)
                break
            except KeyboardInterrupt:
                self._tell_changed_inputs(attempt)
                self.emit(EventKind.CANCELLED, name, seconds=attempt.seconds)
                raise
            except (RunAlone, LeftBehind):
                self.undo_changes(attempt)  # it may not run again
                raise
            except ExecutorRefused:
                raise
            except Moved as moved:
                if has_moved:
                    self.fail(attempt, JoError(f"{moved}, twice: {SHELTER}"))
                    return
                has_moved = True
                self.state.announced.add(name)
                self.emit(EventKind.WARNING, name, f"{moved}: it runs again")
            except BaseException as error:
                if isinstance(error, WorkerLost) and outside.is_ending():
                    self.emit(EventKind.CANCELLED, name, seconds=attempt.seconds)
                    raise KeyboardInterrupt from error
                rerun = self.state.failed_parent(name)
                if rerun:  # an input had to run again and failed: this step did not begin
                    self._block(name, rerun)
                elif self._is_tried_again(attempt, error):
                    continue
                else:
                    self.fail(attempt, error)
                return
        self._store(attempt, before)

    def _tell_how_far(self, name: str, fraction: float | None, text: str) -> None:
        self.lane.emit(Event(EventKind.PROGRESS, name, self.outcome.run_id, text, fraction=fraction))

    def _begin(self, attempt: Attempt) -> None:
        self.lane.begin(attempt)
        if attempt.number == 1 and attempt.step not in self.state.announced:
            self.emit(EventKind.STARTED, attempt.step)
        self.state.announced.add(attempt.step)
        attempt.recorder.begin(attempt.number)

    def _call(self, attempt: Attempt, before: Record | None, told: Collection[Told]) -> None:
        """Gives the step its inputs, its code and its parameters as they are now, and calls it, here or elsewhere."""
        if hasattr(self.lane, "executor"):
            from jo_notebook.engine.departure import depart  # wanted only here

            depart(self, attempt, before, told)
            return
        state, outside, name = self.state, self.outside, attempt.step
        for d in outside.graph.dependencies[name]:
            attempt.inputs[d.parameter] = self.inputs.value(d.step)
            attempt.versions[d.step] = state.versions.get(d.step)
            if d.step in state.records:
                attempt.records[d.step] = state.records[d.step]
        if self.lane.is_beside and outside.alone(name):
            raise RunAlone
        self.lane.within(partial(self._call_there, attempt, told, time.perf_counter()))

    def _call_there(self, attempt: Attempt, told: Any, since: float) -> None:
        """The call, where it belongs; the time until there was room for it is not the step's."""
        state, outside, name = self.state, self.outside, attempt.step
        attempt.began += time.perf_counter() - since
        function, params = outside.prepare(name)
        # only now, with everything in place that was brought back: this is what the step runs with
        own = outside.parts_now(name)
        parts = [*own, *input_parts(outside.graph, name, attempt.versions)]
        attempt.fingerprint = Fingerprint.of(parts)
        attempt.has_begun = True
        state.announced.discard(name)
        work = partial(call_step, function, {**attempt.inputs, **params})
        look = partial(self.look_at_names, attempt, own)
        if self.lane.is_exposed:
            outside.sharing.watch(attempt, look)
        try:
            with (
                recording(attempt.recorder),
                outside.attend(name, told) as attempt.attention,
                outside.around(attempt.recorder),
                measuring(beside=self.lane.is_beside) as attempt.measured,
            ):
                attempt.value = self.lane.call(name, work, outside.graph[name].timeout)
        finally:
            if self.lane.is_exposed:
                outside.sharing.unwatch(attempt)
            if self.lane.was_beside():
                self._refuse_what_was_disturbed(attempt)
            if self.lane.is_exposed and not isinstance(sys.exc_info()[1], KeyboardInterrupt | LeftBehind):
                look()
                self.refuse_what_moved(attempt)

    def look_at_names(self, attempt: Attempt, before: Sequence[Part]) -> None:
        """Notes what a step that runs reads from the notebook and that is another by now than when it began."""
        now = {(part.kind, part.name): part.digest for part in self.outside.parts_now(attempt.step)}
        was = {(part.kind, part.name): part.digest for part in before}
        differ = {place for place in was.keys() | now.keys() if was.get(place) != now.get(place)}
        names = sorted(name or kind for kind, name in differ if kind not in UNSEEN)
        attempt.moved += [name for name in names if name not in attempt.moved]

    def refuse_what_moved(self, attempt: Attempt) -> None:
        """Nobody can tell what the step made of names that were others at its end than at its beginning."""
        if not self.lane.is_beside:  # beside others, that was looked at before
            attempt.moved += self._changed(attempt)
        if attempt.moved:
            raise Moved(f"{', '.join(attempt.moved)} was changed while {attempt.step}, which reads it, ran")

    def _refuse_what_was_disturbed(self, attempt: Attempt) -> None:
        """An input that was changed while several steps had it: nobody can tell by whom, or what it did to this one."""
        changed = self._changed(attempt)
        if changed:
            what = ", ".join(changed)
            raise RunAlone(f"{what} was changed while {attempt.step} and others ran; {attempt.step} runs again, alone")

    def _is_tried_again(self, attempt: Attempt, error: BaseException) -> bool:
        """Whether a step that failed may try again; then it is told, and the time until then has passed."""
        name, step, number = attempt.step, self.outside.graph[attempt.step], attempt.number
        retries = max(step.retries, 1) if isinstance(error, WorkerLost) else step.retries
        if number > retries or not attempt.has_begun or isinstance(error, UntrustedError | SourceError):
            return False
        if step.retry_on and not is_one_of(error, step.retry_on):
            return False
        pause = min(step.backoff * 2.0 ** (number - 1), LONGEST)
        when = f"in {pause:g} s" if pause else "now"
        text = f"{name} failed, try {number} of {retries + 1} ({one_line(error)}); again {when}."
        self.outcome.retried[name] = number
        attempt.recorder.add(LogEntry("error", traceback_text(error)))
        attempt.recorder.write("stderr", f"[{text}]\n")
        self.emit(EventKind.RETRY, name, text)
        if pause:
            try:
                self.lane.wait(pause)
            except KeyboardInterrupt:
                self._tell_changed_inputs(attempt)
                self.emit(EventKind.CANCELLED, name, seconds=attempt.seconds)
                raise
        return True

    def _store(self, attempt: Attempt, before: Record | None) -> None:
        outside, name, seconds = self.outside, attempt.step, attempt.seconds
        attention, value = attempt.attention, attempt.value
        for note in attention.notes:
            self.emit(EventKind.WARNING, name, note)
        if attempt.stored is not None:
            self._stored(attempt, attempt.stored, before)
            return
        with self.lane.apart():
            version = version_of(value)
            witness = "" if version.exact else witness_of(value)
        record = replace(
            self.begun(attempt, before),
            version=version.digest,
            exact=version.exact,
            witness=witness,
            seconds=seconds,
            writes=attention.writes,
            files=attention.files,
            history=remembered(before.history if before else (), (seconds, self.size_of_inputs(name))),
            hidden=attention.hidden,
            cpu=attempt.measured.cpu,
            memory=attempt.measured.memory,
        )
        step, entries = outside.graph[name], attempt.recorder.entries
        with self.lane.saving():
            options: dict[str, Any] = {"format": step.format, "keep": step.keep, "no_store": step.no_store}
            record = outside.context.put(record, value, entries, **options)
        self._stored(attempt, record, before)

    def begun(self, attempt: Attempt, before: Record | None) -> Record:
        """What is known of a record before its step has run; the history is that of the runs before."""
        return Record(
            step=attempt.step,
            fingerprint=attempt.fingerprint,
            version="",
            when=attempt.when,
            executor=self.lane.name,
            run_id=self.outcome.run_id,
            history=before.history if before else (),
            forced=attempt.step in self.outside.known.force,
            tries=attempt.number,
            python=python_version(),
        )

    def size_of_inputs(self, name: str) -> float:
        """The bytes that the inputs of a step have on disk."""
        records = self.state.records
        return float(sum(records[p].size for p in self.outside.graph.parents(name) if p in records))

    def _stored(self, attempt: Attempt, record: Record, before: Record | None) -> None:
        """The result is kept: what comes after it may begin."""
        state, name, seconds = self.state, attempt.step, attempt.seconds
        state.records[name] = record
        state.versions[name] = record.output
        self.outcome.finished.append(name)
        self._tell_changed_inputs(attempt)
        self.emit(EventKind.FINISHED, name, seconds=seconds)
        if record.unsaved and record.unsaved != NO_STORE:
            self.outcome.unsaved[name] = record.unsaved
            self.emit(EventKind.UNSAVED, name, record.unsaved)
        if is_costly_to_keep(record) and not (before and is_costly_to_keep(before)):
            self.outcome.costly[name] = (record.seconds, record.size)

    def fail(self, attempt: Attempt, error: BaseException) -> None:
        """This step failed; what it printed and raised is kept."""
        name, seconds, recorder = attempt.step, attempt.seconds, attempt.recorder
        error.__traceback__ = users_traceback(error)
        text = traceback_text(error)
        line = one_line(error)
        failure = Failure(name, attempt.fingerprint, line, text, attempt.when, seconds, self.outcome.run_id)
        took, where = attempt.measured, self.lane.name
        failure = replace(
            failure, cpu=took.cpu, memory=took.memory, tries=attempt.number, executor=where, cwd=attempt.cwd
        )
        recorder.add(LogEntry("error", text))
        self._tell_changed_inputs(attempt)
        self.outcome.failed[name] = error
        try:
            with self.lane.apart():
                self.outside.context.fail(failure, recorder.entries)
        except StoreError as trouble:
            self.emit(EventKind.WARNING, name, f"the failure of {name} could not be written down: {trouble}")
        self.emit(EventKind.FAILED, name, line, seconds)

    def _changed(self, attempt: Attempt) -> dict[str, str]:
        """The inputs that are no longer what they were when they were given, as parameter and step."""
        found = {}
        for d in self.outside.graph.dependencies[attempt.step]:
            given, record = attempt.inputs.get(d.parameter), attempt.records.get(d.step)
            if type(given) not in UNCHANGING and record is not None and self.inputs.is_changed(given, record):
                found[d.parameter] = d.step
        return found

    def _tell_changed_inputs(self, attempt: Attempt) -> None:
        """Tells on a step that changed what it was given; nobody else gets to see the change."""
        if self.lane.was_beside():
            return  # looked at before the result was stored
        name = attempt.step
        for parameter, kept in self.undo_changes(attempt).items():
            self.emit(
                EventKind.WARNING,
                name,
                f"{name} changed its input {parameter}; {kept}. Work on a copy, so that {name} gives the "
                "same whenever it runs",
            )

    def undo_changes(self, attempt: Attempt) -> dict[str, str]:
        """Inputs that are no longer what they were are given to nobody else; what becomes of them, by parameter."""
        context, undone = self.outside.context, {}
        for parameter, step in self._changed(attempt).items():
            at_hand = context.at_hand(step)
            undone[parameter] = "its stored result is as it was"
            if at_hand is not None and at_hand[0] is not attempt.inputs[parameter]:
                continue  # another run has made it anew meanwhile
            if self.inputs.is_in_memory_by_hand(step):
                self.inputs.give_again(step, context[step])
                undone[parameter] = f"what it is now counts as {SAID}"
                continue
            context.drop_memory(step)
            if not context.held(step):
                undone[parameter] = f"{step} will run again"
        return undone
