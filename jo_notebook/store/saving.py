"""From a value in memory to a file on disk: one commit for a result, one for a failure, one for a result blessed."""

from __future__ import annotations

import contextlib
import secrets
from collections.abc import Sequence
from dataclasses import replace

from jo_notebook.core.record import Failure, LogEntry, Record
from jo_notebook.errors import ResultNotSaved, UntrustedError
from jo_notebook.store.disk import Disk, copied
from jo_notebook.store.formats import encode, python_minor
from jo_notebook.store.generation import Footer, canonical
from jo_notebook.store.logs import log_to_bytes
from jo_notebook.store.reading import Found
from jo_notebook.store.sections import Block, places


def save_result(
    disk: Disk,
    record: Record,
    value: object,
    log: tuple[LogEntry, ...],
    *,
    wanted: str = "",
    keep: int = 0,
    spare: int = 0,
) -> Found[Record]:
    """Commit a result, or its story alone where the value refuses: then the record says why.

    `keep` generations stay, 0 for the shelf's own number, among them the one numbered `spare`.
    Raises ResultNotSaved where the disk refuses; then the disk is as it was.
    """
    footer = Footer("result", record.step, 0, secrets.token_hex(8), {}, python=python_minor())
    payloads: dict[str, Sequence[Block]] = {"log": [log_to_bytes(log)]}
    try:
        encoded = encode(value, wanted=wanted)
    except ResultNotSaved as refusal:
        story = replace(record, unsaved=str(refusal))
        with contextlib.suppress(ResultNotSaved):  # of two reasons the value's own is told
            footer = replace(footer, record=story.to_json())
            return disk.save(disk.results, footer, payloads, keep=keep, spare=spare)
        raise
    record = replace(record, size=encoded.size, format=encoded.format)
    footer = replace(footer, record=record.to_json(), codec=encoded.format, versions=encoded.versions)
    payloads["value"] = [encoded.stream]
    if encoded.buffers:
        payloads["places"] = [canonical(places(encoded.buffers))]
        payloads["buffers"] = encoded.buffers
    return disk.save(disk.results, footer, payloads, keep=keep, spare=spare)


def save_failure(disk: Disk, failure: Failure, log: tuple[LogEntry, ...], *, after: int) -> Found[Failure]:
    """Commit a failure that happened when result number `after` was the newest. Raises ResultNotSaved."""
    try:
        after = max(after, disk.results.newest(failure.step))
    except OSError as error:
        raise ResultNotSaved(f"cannot read {disk.name}: {error.strerror or error}") from error
    identity = secrets.token_hex(8)
    footer = Footer("failure", failure.step, 0, identity, failure.to_json(), after=after, python=python_minor())
    return disk.save(disk.failures, footer, {"log": [log_to_bytes(log)]})


def save_again(disk: Disk, source: Found[Record], record: Record, *, keep: int = 0) -> Found[Record]:
    """Commit the value and the log of one of our results once more, with another record; nothing is decoded.

    Raises ResultDamaged, UntrustedError, ResultNotSaved, and FileNotFoundError where the source is gone.
    """
    with disk.opened(disk.results, source) as (handle, footer, ours):
        if not ours:
            raise UntrustedError(f"{source.step}'s result was made elsewhere.")
        fresh = replace(footer, seq=0, id=secrets.token_hex(8), record=record.to_json())
        return disk.commit(disk.results, fresh, copied(handle, footer), keep=keep)
