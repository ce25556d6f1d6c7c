"""A value that somebody put in by hand, as a record: no code made it, so nothing that code reads can make it old."""

from __future__ import annotations

from jo_notebook.core.fingerprint import GIVEN, Fingerprint, Part
from jo_notebook.core.record import Record
from jo_notebook.core.version import version_of, witness_of

SAID = "put in by hand"


def given_record(step: str, value: object, *, when: float = 0.0, before: Record | None = None) -> Record:
    """What is remembered of a value given by hand. How long the step's runs took is remembered from `before`."""
    version = version_of(value)
    return Record(
        step=step,
        fingerprint=by_hand(version.digest),
        version=version.digest,
        exact=version.exact,
        witness="" if version.exact else witness_of(value),
        when=when,
        history=before.history if before is not None else (),
    )


def by_hand(version: str) -> Fingerprint:
    """The whole fingerprint of a value given by hand: that it was, and which one."""
    return Fingerprint.of([Part(GIVEN, "value", version, SAID)])
