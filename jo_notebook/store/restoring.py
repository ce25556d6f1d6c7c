"""Goes back to an older generation: it is committed once more, as the newest. Bytes are copied, nothing is decoded."""

from __future__ import annotations

import contextlib

from jo_notebook.core.record import Record
from jo_notebook.errors import ResultDamaged, ResultMissing, ResultNotSaved, StoreError, UntrustedError, UsageError
from jo_notebook.store.disk import Disk
from jo_notebook.store.known import Known
from jo_notebook.store.names import stem_of
from jo_notebook.store.reading import Found
from jo_notebook.store.refusals import refusal
from jo_notebook.store.saving import save_again

ATTEMPTS = 5


def restorable(disk: Disk | None, known: Known, name: str) -> tuple[int, Record] | None:
    """Which generation `restore` would take, as far as footers tell: its number and record. Never raises."""
    if disk is None or disk.newer:
        return None
    with contextlib.suppress(OSError):
        for found in _older(disk, known, name):
            if found.record is not None and found.ours:
                return found.seq, found.record
    return None


def restore(disk: Disk | None, known: Known, name: str, number: int, keep: int) -> Record:
    """Commit generation `number` as the newest, with its own record; 0 for the newest whole one before the current.

    Raises ResultMissing, ResultDamaged, UntrustedError, UsageError for the newest itself, and StoreError.
    """
    if disk is None:
        raise ResultMissing(f"{name} has no older result: this pipeline keeps its results in memory.")
    disk.check_writable()
    try:
        attempts = 0
        while attempts < ATTEMPTS:
            source = _at(disk, known, name, number) if number else _newest_whole(disk, known, name)
            try:
                return _commit(disk, known, source, keep)
            except FileNotFoundError:  # pruned by a newer result: look again
                attempts += 1
            except ResultDamaged:  # from now on it is known to be: the one before it
                if number:
                    raise
    except ResultNotSaved as refused:
        raise ResultNotSaved(f"{name}'s result stays as it was: {refused}.") from None
    except OSError as error:
        raise StoreError(f"Cannot restore {name}: {refusal(error, disk.place)}.") from error
    raise ResultMissing(f"{name} changes faster than it can be read: try again.")


def _newest_whole(disk: Disk, known: Known, name: str) -> Found[Record]:
    older = _older(disk, known, name)
    if not older:
        what = "has no older result that is whole" if known.disk_results.get(name) else "has no result"
        raise ResultMissing(f"{name} {what}: there is nothing to go back to. %materialize {name} runs it.")
    return _own(older[0])


def _at(disk: Disk, known: Known, name: str, number: int) -> Found[Record]:
    found = disk.results.at(stem_of(name), number, None, name)
    if found is None:
        there = ", ".join(str(n) for n in sorted(each.seq for each in disk.results.all_of(stem_of(name)))) or "none"
        raise ResultMissing(f"{name} has no generation {number}. There are: {there}.")
    found = disk.checked(found)
    if found.damage:
        raise ResultDamaged(f"{name}'s {found.damage}: it cannot be restored.")
    if found.seq == disk.results.newest(name) and not known.in_use(name):
        raise UsageError(f"Generation {number} of {name} is the newest already.")
    if not _has_value(found):
        raise ResultMissing(f"Generation {number} of {name} has no value: it could not be stored at that time.")
    return _own(found)


def _own(found: Found[Record]) -> Found[Record]:
    if not found.ours:
        raise UntrustedError(
            f"Generation {found.seq} of {found.step} was made elsewhere, and restoring it would sign it as yours. "
            "Say %context trust first, if you trust where it comes from."
        )
    return found


def _older(disk: Disk, known: Known, name: str) -> list[Found[Record]]:
    """The whole generations before the current one, newest first, as far as footers and earlier checks tell."""
    with known.lock:
        hurt = {found.mark for found in known.seen.get(name, {}).values() if found.damage}
        current = known.in_use(name) or known.seq(name) or disk.results.newest(name) + 1
    rows = [disk.checked(found) for found in disk.results.all_of(stem_of(name)) if found.seq < current]
    return [found for found in rows if not found.damage and found.mark not in hurt and _has_value(found)]


def _has_value(found: Found[Record]) -> bool:
    return found.footer is not None and "value" in found.footer.sections


def _commit(disk: Disk, known: Known, source: Found[Record], keep: int) -> Record:
    """Raises FileNotFoundError where the source is gone, ResultDamaged where it turns out not to be whole."""
    assert source.record is not None
    try:
        found = save_again(disk, source, source.record, keep=keep)
    except ResultDamaged as damage:
        with known.lock:
            known.seen.setdefault(source.step, {})[source.seq] = Found(
                source.step, source.seq, source.path, source.mark, damage=f"generation {source.seq}: {damage}"
            )
        raise ResultDamaged(
            f"{source.step}'s generation {source.seq} is damaged ({damage}): it cannot be restored."
        ) from None
    with known.lock:
        known.held.pop(source.step, None)
        known.bless(found, source)
        failed = known.drop_failure(source.step)
    if failed:
        with contextlib.suppress(OSError):  # its number says already that it is overtaken
            disk.failures.forget(source.step)
    return source.record
