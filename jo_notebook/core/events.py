"""The values a run emits; listeners turn them into pictures, lines and logs."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class EventKind(StrEnum):
    """What happened to a step, or (with an empty step) to the run or the pipeline."""

    CHANGED = "changed"  # definitions or results changed outside a run
    FORGOTTEN = "forgotten"  # outside of a run: what was kept of a step is dropped
    QUEUED = "queued"
    CLAIMED = "claimed"  # another kernel runs it now, and it waits for that; text says which kernel
    STARTED = "started"
    OUTPUT = "output"
    PROGRESS = "progress"  # how far a step says it is, in its own words; without a step, how far the run is
    LOADED = "loaded"
    KEPT = "kept"  # nothing to run after all: its inputs came out the same, or another kernel made it
    FINISHED = "finished"
    UNSAVED = "unsaved"  # finished, but kept in memory only; text says why
    FAILED = "failed"
    BLOCKED = "blocked"  # something it needs failed
    CANCELLED = "cancelled"
    RETRY = "retry"  # a run of it failed and it is tried again; text says which time, why, and when
    WARNING = "warning"  # the user should know; text says what
    ENDED = "ended"  # the run is over

    __hash__ = str.__hash__  # in C: an event is looked up several times for each step


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened. `seconds` is the wall time of a step that ended.

    `fraction` is how far a step that runs says it is, from 0 to 1; None where it does not know. How far a run is
    comes now and then: `fraction` of its steps are done, and it takes "about" or "at least" (the text) so many
    `seconds` more.
    """

    kind: EventKind
    step: str = ""
    run_id: str = ""
    text: str = ""
    seconds: float = 0.0
    fraction: float | None = None
