"""What a step is given: the values of the steps above it, certainly as those returned them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from jo_notebook.core.events import EventKind
from jo_notebook.core.given import SAID
from jo_notebook.core.plain import FLAT
from jo_notebook.core.record import Record
from jo_notebook.core.version import version_of, witness_of
from jo_notebook.engine.lanes import Lane, RunAlone
from jo_notebook.engine.state import State
from jo_notebook.errors import ResultMissing, StoreError, UntrustedError

ATTEMPTS = 5
"""Readings of a value that other runs replace meanwhile."""


class Run(Protocol):
    """Runs a step; True where another kernel's result was taken instead, if that may be."""

    def __call__(self, name: str, *, may_take: bool) -> bool:
        """Runs it now."""


class Inputs:
    """Reads values for the turns of one lane. `run` runs a step whose value cannot be had."""

    def __init__(self, state: State, lane: Lane, emit: Callable[..., None], run: Run) -> None:
        self._state = state
        self._lane = lane
        self._emit = emit
        self._run = run

    def value(self, name: str) -> Any:
        """The upstream value, certainly the one its step returned: a changed one is read again."""
        state, context = self._state, self._state.outside.context
        try:
            from_disk, value, record = self._read(name)
        except UntrustedError:
            raise
        except StoreError as error:
            return self._again(name, str(error).rstrip("."))
        if from_disk:
            if context.elsewhere(name, context.in_use(name)) and (record is None or self.is_changed(value, record)):
                return self._again(name, f"{name}, from elsewhere, is not what its file says of it")
            self._state.outcome.loaded.append(name)
            self._emit(EventKind.LOADED, name)
        elif type(value) not in FLAT and record is not None and self.is_changed(value, record):
            value = self._restored(name)
            record = state.records.get(name)
        if record is not None:  # of this very value, whatever other runs have made of the step meanwhile
            state.records[name] = record
            state.versions[name] = record.output
        return value

    def _read(self, name: str) -> tuple[bool, Any, Record | None]:
        """Whether a value is from disk, the value, and the record of just this value.

        Another run may make a new result at any time: what is given stays told of as what it is.
        """
        state, context = self._state, self._state.outside.context
        for _ in range(ATTEMPTS):
            with self._lane.reading(name):
                from_disk = context.held(name) == "disk"
                value = context[name]
            if not self._lane.is_shared:
                if from_disk:
                    state.note_record(name)
                return from_disk, value, state.records.get(name)
            at_hand = context.at_hand(name)
            if at_hand is not None and at_hand[0] is value:
                return from_disk, value, at_hand[1]
        raise ResultMissing(f"{name} changes faster than it can be read: try again.")

    def is_changed(self, value: object, record: Record) -> bool:
        """Whether a value in memory is no longer the one its step returned."""
        with self._lane.apart():
            try:
                return has_changed(value, record)
            except Exception:
                if not self._lane.is_beside:
                    raise
                return True  # somebody is changing it right now

    def is_in_memory_by_hand(self, name: str) -> bool:
        """Whether a value was put in by hand and is nowhere on disk: then no run can bring back what it was."""
        context = self._state.outside.context
        record = context.record(name)
        return record is not None and record.is_given and not context.is_stored(name)

    def give_again(self, name: str, value: object) -> None:
        """What a value put in by hand is now counts as put in by hand."""
        (self._state.records[name],) = self._state.outside.context.give({name: value})

    def _restored(self, name: str) -> Any:
        """After something changed a value in memory: the stored one, or a new run of its step."""
        context = self._state.outside.context
        if self.is_in_memory_by_hand(name):
            value = context[name]
            self.give_again(name, value)
            self._emit(EventKind.WARNING, name, f"{name} was changed after it was {SAID}; what it is now counts")
            return value
        context.drop_memory(name)
        if context.held(name):
            what = "the stored result is used instead"
            self._emit(EventKind.WARNING, name, f"{name} was changed after its step returned it; {what}")
            _, value, record = self._read(name)
            self._state.outcome.loaded.append(name)
            if record is not None:
                self._state.records[name] = record
            return value
        return self._again(name, f"{name} was changed after its step returned it")

    def _again(self, name: str, why: str, *, may_take: bool = True) -> Any:
        """The value of a step that has to run once more because its result cannot be had."""
        if self._lane.is_beside:
            raise RunAlone  # with whoever needs the value, by the very code that runs one step at a time
        self._emit(EventKind.WARNING, name, f"{why}; it runs again")
        is_taken = self._run(name, may_take=may_take)
        if name in self._state.outcome.failed:
            raise self._state.outcome.failed[name]
        try:
            with self._lane.reading(name):
                return self._state.outside.context[name]
        except StoreError as error:
            if not is_taken:
                raise
            return self._again(name, str(error).rstrip("."), may_take=False)


def has_changed(value: object, record: Record) -> bool:
    """Whether a value in memory is no longer the one its step returned."""
    if record.exact:
        return version_of(value).digest != record.version
    return bool(record.witness) and witness_of(value) != record.witness
