"""The verbs over results that are there: they make no new one, and run nothing in this process."""

from __future__ import annotations

import time
from abc import abstractmethod
from dataclasses import replace
from pathlib import Path

from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.overrides import accepted
from jo_notebook.core.plan import Availability, Decision, Plan
from jo_notebook.core.record import Failure, LogEntry, Record
from jo_notebook.engine.verify import Verified, verify_step
from jo_notebook.errors import RunInProgress, UsageError
from jo_notebook.registering import Registering
from jo_notebook.store.context import Context
from jo_notebook.store.kept import Kept


class Keeping(Registering):
    """The part of `Pipeline` that says which results stay in force, and where they live."""

    @abstractmethod
    def plan(self, *heads: str, force: bool = False, only: bool = False) -> Plan:
        """What materializing the heads would do, and why."""

    @property
    @abstractmethod
    def is_running(self) -> bool:
        """Whether a run is going on."""

    @abstractmethod
    def explain(self, name: str) -> Decision:
        """Why a step must run."""

    @abstractmethod
    def _define(self, step: str, name: str) -> bool:
        """Define what a value needs from the notebook."""

    def log(self, name: str, *, run: str = "", attempt: int = 0) -> tuple[LogEntry, ...]:
        """What the step's last run printed, displayed and raised; or an earlier run, by its id or the beginning of it.

        With `attempt` only that try of it. Raises UnknownStepError, UsageError for a run or a try that is not kept,
        and ResultDamaged.
        """
        return self.logged(name, run=run, attempt=attempt)[1]

    def logged(
        self, name: str, *, run: str = "", attempt: int = 0
    ) -> tuple[Record | Failure | None, tuple[LogEntry, ...]]:
        """As `log`, with what is remembered of that run; None where there was none."""
        self.dag.check([name])
        kept = self.context.runs(name)
        found = [row for row in kept if row.story.run_id.startswith(run)] if run else kept
        if run and len({row.story.run_id for row in found}) != 1:
            what = f"Several runs of {name} begin with {run!r}" if found else f"No run {run!r} of {name} is kept"
            raise UsageError(f"{what}. {_listed(found or kept)}")
        record = self.context.record(name)
        by_hand = record is not None and record.is_given and name not in self.context.failures
        if not found or (by_hand and not run):
            return None, self.context.log(name)
        story, entries = found[0].story, found[0].log()
        tries = max(story.tries, *(entry.attempt for entry in entries)) if entries else story.tries
        if attempt and not 1 <= attempt <= tries:
            said = "was tried once" if tries == 1 else f"was tried {tries} times"
            raise UsageError(f"There is no try {attempt}: {name} {said} in run {story.run_id}.")
        return story, tuple(entry for entry in entries if attempt in (0, entry.attempt))

    def forget(self, *names: str) -> None:
        """Drops the results of these steps, in memory and on disk; the steps stay."""
        if not names:
            raise UsageError("Say which steps to forget, for instance: forget Clean")
        self.dag.check([name for name in names if name not in self.context.records])
        self.context.forget(*names)
        for name in names:
            self.tell(Event(EventKind.FORGOTTEN, name))
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

        What only memory has comes along. Raises RunInProgress where a run goes on, whose results would stay behind.
        """
        if self.is_running:
            raise RunInProgress("A run is going on, and keeps its results where they are: wait for it, or %cancel it.")
        context = Context(place, keep=self.context.keep, quota=self.context.quota)
        with self._lock:
            context.bring(self.context)
            self.context, self._pins = context, None
            self.context.define = self._define
            self.take_in()
            self._remember(self.dag)
        self.tell(Event(EventKind.CHANGED))


def _listed(rows: list[Kept]) -> str:
    """The runs that can be asked for."""
    if not rows:
        return "It has not run, or its results were forgotten."
    said = [f"{row.story.run_id} of {_when(row.story.when)}{_failed(row)}" for row in rows]
    return f"Kept {'is' if len(said) == 1 else 'are'} {', '.join(said)}."


def _failed(row: Kept) -> str:
    return " (failed)" if isinstance(row.story, Failure) else ""


def _when(when: float) -> str:
    try:
        return time.strftime("%Y-%m-%d %H:%M", time.localtime(when))
    except (ValueError, OverflowError, OSError):
        return "an unknown time"
