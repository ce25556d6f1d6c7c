"""Portable snapshots: a new, complete store written beside its place, that appears there whole or not at all.

Nothing is unpickled on the way: files are copied section by section, each checked, and sealed for the new store. What
we signed is signed again; a stranger's result stays a stranger's.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from jo_notebook.core.record import LogEntry, Record
from jo_notebook.errors import (
    PlaceTaken,
    ResultDamaged,
    ResultMissing,
    ResultNotSaved,
    StepNameError,
    StoreError,
    did_you_mean,
)
from jo_notebook.store.committing import Fill
from jo_notebook.store.definitions import Definitions
from jo_notebook.store.disk import Disk, copied
from jo_notebook.store.generation import Footer
from jo_notebook.store.hiding import hidden_rest, without_hidden
from jo_notebook.store.known import Known
from jo_notebook.store.names import check_stored_name
from jo_notebook.store.publish import publish, publish_folder, sync_folder
from jo_notebook.store.reading import Found
from jo_notebook.store.saving import save_result
from jo_notebook.store.scratch import is_dead, me
from jo_notebook.store.trust import open_key
from jo_notebook.store.values import ATTEMPTS
from jo_notebook.store.zipped import ZIP, write_zip

DRAFT = ".jo-store-"
GONE = "its file has left the disk"


@dataclass(frozen=True, slots=True)
class Stored:
    """A snapshot that was written: where, which steps have their values in it, and why others have not."""

    path: Path
    stored: tuple[str, ...] = ()
    left: dict[str, str] = field(default_factory=dict)


def store(known: Known, disk: Disk | None, definitions: Definitions, path: str, names: Collection[str]) -> Stored:
    """Write the results that stand for their steps, with logs and definitions, as a new store or (`.zip`) one file.

    Names that begin with a dot are left out unless they are asked for. Raises PlaceTaken where something is at
    `path`, StoreError where the disk refuses; then nothing is there that was not. Raises ResultMissing for a name
    under which nothing is kept.
    """
    path = os.path.abspath(path)
    chosen = _chosen(known, names)
    parent = os.path.dirname(path)
    if os.path.lexists(path):
        raise PlaceTaken(f"{path} is there already: name another place, or remove it first.")
    try:
        with _parents(parent), _draft(parent) as draft:
            target = Disk(draft, disk.key if disk else open_key(), 1)
            left = {name: reason for name in chosen if (reason := _keep(known, disk, target, name))}
            _keep_definitions(definitions, target, {*chosen} if names else None)
            _appear(target, draft, path)
    except (OSError, ResultNotSaved) as error:
        cause = error.__cause__ if isinstance(error.__cause__, OSError) else error
        raise StoreError(f"Nothing is stored at {path}: {getattr(cause, 'strerror', None) or cause}.") from error
    return Stored(Path(path), tuple(name for name in chosen if name not in left), left)


def _chosen(known: Known, names: Collection[str]) -> list[str]:
    with known.lock:
        there = sorted({*known.disk_results, *known.held})
    for name in names:
        if name not in there:
            raise ResultMissing(f"Nothing is kept under {name!r}." + did_you_mean(name, there))
    return sorted(set(names)) or [name for name in there if not name.startswith(".")]


@contextlib.contextmanager
def _parents(parent: str) -> Iterator[None]:
    """Make the directories above a snapshot; those that were not there go again where the block raises."""
    made: list[str] = []
    while not os.path.lexists(parent):
        made.append(parent)
        parent = os.path.dirname(parent)
    try:
        for folder in reversed(made):
            os.mkdir(folder)
            sync_folder(os.path.dirname(folder))
        yield
    except BaseException:
        with contextlib.suppress(OSError):  # another process may have put something there meanwhile
            for folder in made:
                os.rmdir(folder)
        raise


@contextlib.contextmanager
def _draft(parent: str) -> Iterator[str]:
    """A directory to fill, gone when the block ends unless it was moved. Raises OSError."""
    _sweep(parent)
    draft = os.path.join(parent, f"{DRAFT}{me()}-{secrets.token_hex(6)}")
    os.mkdir(draft)
    try:
        yield draft
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _sweep(parent: str) -> None:
    """Remove what a store that was killed has left here."""
    with contextlib.suppress(OSError):
        for name in os.listdir(parent):
            if name.startswith(DRAFT) and is_dead(name.removeprefix(DRAFT).removesuffix(ZIP)):
                shutil.rmtree(os.path.join(parent, name), ignore_errors=True)
                with contextlib.suppress(OSError):
                    os.unlink(os.path.join(parent, name))


def _keep(known: Known, disk: Disk | None, target: Disk, name: str) -> str:
    """Put a step's result into the new store; why its value is not there, or nothing. Raises ResultNotSaved."""
    try:
        check_stored_name(name)
    except StepNameError as error:
        return str(error).rstrip(".")
    for _ in range(ATTEMPTS):
        with known.lock:
            held, found, record = known.held.get(name), known.current(name), known.record(name)
            is_memorys = held is not None and held.has_value and known.is_nowhere_else(name)
        if held is not None and held.pending and not held.has_value and record is not None:
            try:
                value = held.pending()
            except StoreError as error:
                return str(error).rstrip(".")
            return _save(target, *without_hidden(replace(record, unsaved=""), value), held.log)
        if is_memorys and held is not None and record is not None:
            log = held.log if held.record is not None else _log(disk, found)
            return _save(target, *without_hidden(replace(record, unsaved=""), held.value), log)
        if held is not None and held.record is not None:
            return held.record.unsaved or "its value was not kept"
        if disk is None or found is None or found.damage:
            return found.damage if found else GONE
        try:
            if found.ours and (rest := hidden_rest(disk, found)) is not None:
                return _save(target, *rest, _log(disk, found))
            copy_result(disk, found, target)
        except ResultDamaged as damage:
            return f"generation {found.seq}: {damage}"
        except FileNotFoundError:  # pruned by a newer result
            newest = disk.look(name)
            with known.lock:
                if known.in_use(name) == found.seq:
                    known.use(name, None)
                known.look_again(name, newest)
            continue
        return found.record.unsaved if found.record else ""
    return GONE


def _save(target: Disk, record: Record, value: object, log: tuple[LogEntry, ...]) -> str:
    """Put a value from memory into the new store; why it cannot be, or nothing. Raises ResultNotSaved of the disk."""
    try:
        found = save_result(target, record, value, log)
    except ResultNotSaved as refusal:
        if isinstance(refusal.__cause__, OSError):
            raise
        return str(refusal)  # the value's own reason
    return found.record.unsaved if found.record else ""


def _log(disk: Disk | None, found: Found[Record] | None) -> tuple[LogEntry, ...]:
    with contextlib.suppress(OSError, ResultDamaged):
        return disk.log(disk.results, found) if disk and found and found.footer else ()
    return ()


def copy_result(source: Disk, found: Found[Record], target: Disk) -> None:
    """Add a file of one store to another as the newest of its step, ours as ours, a stranger's as theirs.

    Raises ResultDamaged, FileNotFoundError where the file has left, and ResultNotSaved of the target.
    """
    with source.opened(source.results, found) as (handle, footer, ours):
        if ours:
            target.commit(target.results, replace(footer, seq=0), copied(handle, footer))
        else:
            add_unsigned(target, footer, copied(handle, footer))


def add_unsigned(target: Disk, footer: Footer, fill: Fill) -> None:
    """Add a stranger's result as the newest of its step, and as a stranger's. Raises ResultNotSaved, and as `fill`."""
    shelf, step = target.results, footer.step
    with target.writing(), target.scratch.file() as draft:
        for _ in range(ATTEMPTS):
            fresh = replace(footer, seq=shelf.newest(step) + 1, store_id=target.store_id)
            shelf.draft(draft, fresh, fill, ours=False)
            with contextlib.suppress(FileExistsError):  # another kernel has just taken the number
                shelf.place(draft, step, fresh.seq)
                shelf.hint(step, fresh.seq)
                return
    raise ResultNotSaved(f"no free number for {step} after {ATTEMPTS} attempts")


def _keep_definitions(definitions: Definitions, target: Disk, wanted: set[str] | None) -> None:
    shelf = Definitions(target)
    for seen in definitions.seen():
        if seen.name in wanted if wanted is not None else not seen.name.startswith("."):
            shelf.take(seen)


def _appear(target: Disk, draft: str, path: str) -> None:
    """Make the finished store durable and let it appear. Raises OSError."""
    with target.writing():  # also an empty one has its FORMAT
        shutil.rmtree(target.scratch.folder, ignore_errors=True)
    sync_folder(draft)
    if path.endswith(ZIP):
        packed = draft + ZIP
        try:
            write_zip(draft, packed, os.path.basename(path).removesuffix(ZIP))
            publish(packed, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(packed)
    else:
        publish_folder(draft, path)
    try:
        sync_folder(os.path.dirname(path))
    except OSError:  # it may be gone after a power cut: then it had better not be there at all
        shutil.rmtree(path, ignore_errors=True)
        with contextlib.suppress(OSError):
            os.unlink(path)
        raise
