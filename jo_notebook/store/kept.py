"""The runs of a step of which something is kept, in memory and on disk: what is remembered of them, and their logs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from jo_notebook.core.record import Failure, Record
from jo_notebook.errors import ResultDamaged
from jo_notebook.store.disk import Disk
from jo_notebook.store.facts import Log
from jo_notebook.store.known import Known
from jo_notebook.store.older import Older


@dataclass(frozen=True, slots=True)
class Kept:
    """One run; `story` is its record, or its failure."""

    story: Record | Failure
    _read: Callable[[], Log]

    def log(self) -> Log:
        """What it printed, displayed and raised; nothing where its file has left. Raises ResultDamaged."""
        try:
            return self._read()
        except FileNotFoundError:
            return ()
        except ResultDamaged as damage:
            raise ResultDamaged(f"The log of {self.story.step} is damaged: {damage}.") from None


def runs_of(known: Known, disk: Disk | None, older: Older, name: str) -> list[Kept]:
    """The runs that made what is kept of a step: first the failure or the result that counts, then newest first."""
    with known.lock:
        rows = list(_all(known, disk, older, name))
    found: dict[str, Kept] = {}
    for row in rows:
        found.setdefault(row.story.run_id, row)  # an accepted result has the run of what it was made from
    runs = list(found.values())
    return [*runs[:1], *sorted(runs[1:], key=lambda run: -run.story.when)]


def _all(known: Known, disk: Disk | None, older: Older, name: str) -> Iterator[Kept]:
    """All of them; what was put in by hand was made by no run. The caller holds the lock."""
    if name in known.failed:
        failure, log = known.failed[name]
        yield Kept(failure, lambda: log)
    failed, counts = known.disk_failures.get(name), known.failure(name)
    if disk and counts is not None and counts.record is not None:
        yield Kept(counts.record, partial(disk.log, disk.failures, counts))
    held = known.held.get(name)
    if held is not None and held.record is not None and not held.record.is_given:
        yield Kept(held.record, lambda: held.log)
    if disk is None:
        return
    newest, others = known.disk_results.get(name), older.found(name)
    for found in filter(None, (known.current(name), newest, *others.values())):
        if found.footer is not None and found.record is not None and not found.record.is_given:
            yield Kept(found.record, partial(disk.log, disk.results, found))
    if counts is None and failed is not None and failed.record is not None:
        yield Kept(failed.record, partial(disk.log, disk.failures, failed))
