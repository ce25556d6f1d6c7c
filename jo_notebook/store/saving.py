"""From a value in memory to a file on disk: one commit for a result, one for a failure, one for a result blessed."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from jo_notebook.core.record import NO_STORE, Failure, LogEntry, Record
from jo_notebook.errors import ResultNotSaved, UntrustedError, UsageError
from jo_notebook.store.disk import Disk, copied
from jo_notebook.store.formats import encode, python_minor
from jo_notebook.store.generation import Footer, canonical
from jo_notebook.store.logs import log_to_bytes
from jo_notebook.store.reading import Found
from jo_notebook.store.refusals import refusal
from jo_notebook.store.sections import Block, places


@dataclass(frozen=True, slots=True)
class Draft:
    """A result as bytes, ready to be committed. `refusal` says why its value is not among them."""

    record: Record
    footer: Footer
    payloads: Mapping[str, Sequence[Block]]
    refusal: str = ""


def drafted(
    record: Record,
    value: object,
    log: tuple[LogEntry, ...],
    *,
    wanted: str = "",
    plain: bool = False,
    no_store: bool = False,
) -> Draft:
    """A result in the best format, or in the one that is wanted; its story alone where the value refuses.

    With `plain`, formats that run code when they are read do not count; with `no_store` the value is not even tried.
    """
    footer = Footer("result", record.step, 0, secrets.token_hex(8), {}, python=python_minor())
    payloads: dict[str, Sequence[Block]] = {"log": [log_to_bytes(log)]}
    try:
        if no_store:
            raise ResultNotSaved(NO_STORE)
        encoded = encode(value, wanted=wanted, plain=plain)
    except (ResultNotSaved, UsageError) as refusal:  # a format may be gone with its package
        record = replace(record, unsaved=str(refusal))
        return Draft(record, replace(footer, record=record.to_json()), payloads, str(refusal))
    record = replace(record, size=encoded.size, format=encoded.format)
    footer = replace(footer, record=record.to_json(), codec=encoded.format, versions=encoded.versions)
    payloads["value"] = [encoded.stream]
    if encoded.buffers:
        payloads["places"] = [canonical(places(encoded.buffers))]
        payloads["buffers"] = encoded.buffers
    return Draft(record, footer, payloads)


def save_results(
    disk: Disk, drafts: Sequence[Draft], *, keep: int = 0, spared: Sequence[int] = ()
) -> list[Found[Record] | ResultNotSaved]:
    """Commit results together. Where the disk refuses one, that is its answer, and nothing has changed for it.

    `keep` generations stay, 0 for the shelf's own number, among them the one that `spared` numbers.
    """
    rows = [(draft.footer, draft.payloads) for draft in drafts]
    answers = disk.save_all(disk.results, rows, keep=keep, spared=spared)
    return [
        ResultNotSaved(draft.refusal) if draft.refusal and isinstance(answer, ResultNotSaved) else answer
        for draft, answer in zip(drafts, answers, strict=True)  # of two reasons the value's own is told
    ]


def save_result(disk: Disk, record: Record, value: object, log: tuple[LogEntry, ...]) -> Found[Record]:
    """Commit one result, or its story alone where the value refuses. Raises ResultNotSaved of the disk."""
    (answer,) = save_results(disk, [drafted(record, value, log)])
    if isinstance(answer, ResultNotSaved):
        raise answer
    return answer


def save_failure(disk: Disk, failure: Failure, log: tuple[LogEntry, ...], *, after: int) -> Found[Failure]:
    """Commit a failure that happened when result number `after` was the newest. Raises ResultNotSaved."""
    try:
        after = max(after, disk.results.newest(failure.step))
    except OSError as error:
        raise ResultNotSaved(f"cannot read {disk.name}: {refusal(error, disk.place)}") from error
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
