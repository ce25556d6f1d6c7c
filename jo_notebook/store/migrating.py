"""Brings a store of an older format up to date: everything is written anew beside the old, then FORMAT is replaced.

    migrating/results  migrating/failures     being written; nobody reads here
    results/  failures/                       moved into place when all is durable
    FORMAT                                    the switch, one rename
    steps/  errors/                           removed

Killed before the switch it is a whole store of the old format, after it a whole one of today's; what is left over is
cleared by the next migration or the next write. Files keep their number, id, record and log; what a stranger signed
stays a stranger's; a damaged file goes to `damaged/`, and HEAD goes on telling that it was there. Definitions are the
same in all formats so far.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from jo_notebook.errors import ResultDamaged, ResultNotSaved, StoreError
from jo_notebook.store.aside import is_file, set_aside
from jo_notebook.store.disk import LAYOUTS, Disk
from jo_notebook.store.dropping import drop_shelf
from jo_notebook.store.generation import VERSION
from jo_notebook.store.hashes import HashMissing, algorithm
from jo_notebook.store.identity import FORMAT, Identity, new_id, read_identity
from jo_notebook.store.names import STEM
from jo_notebook.store.numbering import newest_number, read_hint
from jo_notebook.store.publish import is_folder, make_folder, sync_folder
from jo_notebook.store.reading import Found
from jo_notebook.store.sections import copy_sections
from jo_notebook.store.shelf import Shelf

BUILD = "migrating"
Pair = tuple[Shelf[Any], Shelf[Any]]


def migrate(disk: Disk) -> int:
    """How many results and failures were written anew; 0 where there is nothing to do.

    Raises StoreError for a store of a newer format, one that another kernel is migrating, and where the disk refuses;
    then the store is as it was.
    """
    if not is_folder(disk.place):
        return 0
    try:
        with _alone(disk):
            identity = read_identity(disk.place)  # another kernel may just have done it
            if identity is not None and identity.newer:
                raise StoreError(f"Cannot migrate {disk.name}: {disk.newer or 'a newer jo_notebook made it'}.")
            if identity is not None:
                disk.store_id, disk.format = identity.store_id, identity.format
            if disk.format == VERSION:
                if identity is not None:
                    _tidy(disk)
                return 0
            return _migrate(disk, disk.format)
    except (OSError, ResultNotSaved, HashMissing) as error:
        why = (getattr(error, "strerror", "") or str(error)).rstrip(".")
        raise StoreError(f"{disk.name} stays as it was: {why}.") from error


def _migrate(disk: Disk, old: int) -> int:
    """Raises OSError and StoreError; then the store is as it was."""
    names = LAYOUTS[VERSION]
    was: Pair = disk.of_format(old)
    now: Pair = disk.of_format(VERSION)
    build = os.path.join(disk.place, BUILD)
    _drop_build(build)
    _refuse_what_is_not_ours_to_clear(was, now)
    for name in names:
        drop_shelf(os.path.join(disk.place, name))
    disk.check_room(sum(os.lstat(path).st_size for shelf in was for _, _, path in shelf.generations()))
    try:
        make_folder(build)
        count = 0
        for source, target in zip(was, now, strict=True):
            fresh: Shelf[Any] = replace(target, root=os.path.join(build, os.path.basename(target.root)))
            make_folder(fresh.root)
            count += sum(_step(disk, source, fresh, stem) for stem in source.stems() if STEM.fullmatch(stem))
            sync_folder(fresh.root)
        sync_folder(build)
        for name in reversed(names):  # where there are results, all is there
            os.rename(os.path.join(build, name), os.path.join(disk.place, name))
        sync_folder(disk.place)
        disk.scratch.replace(os.path.join(disk.place, FORMAT), Identity(disk.store_id or new_id()).to_bytes())
    except BaseException as error:
        if (switched := read_identity(disk.place)) is not None and switched.format == VERSION:
            disk.format = VERSION  # only nothing may be removed: the switch may not be durable
            if isinstance(error, OSError):
                raise StoreError(f"{disk.name} is up to date, but its disk did not confirm it: {error}.") from error
            raise
        _drop_build(build)
        for name in names:
            drop_shelf(os.path.join(disk.place, name))
        raise
    disk.format = VERSION
    _tidy(disk)
    return count


def _step(disk: Disk, source: Shelf[Any], fresh: Shelf[Any], stem: str) -> int:
    """Write a step's files anew. Raises OSError."""
    folder = os.path.join(source.root, stem)
    step, number = read_hint(folder, stem)[1], newest_number(folder, stem)
    count = 0
    for found in source.all_of(stem):
        found = disk.checked(found)
        if not found.damage and _is_copied(disk, source, fresh, found):
            step, count = found.step, count + 1
        elif not is_file(found.path):
            continue  # HEAD tells that it was there, as far as anything can
        elif step or found.step != stem:
            set_aside(disk, found.path, f"{stem}-{found.seq}")
            step = step or found.step
        else:  # nobody knows whose it is: only the file itself can go on telling that it is damaged
            path = os.path.join(disk.place, set_aside(disk, found.path, f"{stem}-{found.seq}"))
            os.makedirs(os.path.join(fresh.root, stem), exist_ok=True)
            os.link(path, os.path.join(fresh.root, stem, str(found.seq)), follow_symlinks=False)
            sync_folder(os.path.join(fresh.root, stem))
    if step and number:
        fresh.hint(step, number)
    return count


def _is_copied(disk: Disk, source: Shelf[Any], fresh: Shelf[Any], found: Found[Any]) -> bool:
    """Write one file anew; False where it turns out to be damaged. Raises OSError."""
    wanted = algorithm()
    try:
        with disk.opened(source, found) as (handle, footer, ours), disk.scratch.file() as draft:
            fill = partial(copy_sections, handle, footer.sections, footer.hash, anew=wanted)
            fresh.draft(draft, replace(footer, hash=wanted), fill, ours=ours)
            fresh.place(draft, footer.step, footer.seq)
    except ResultDamaged:
        return False
    return True


def _refuse_what_is_not_ours_to_clear(was: Pair, now: Pair) -> None:
    """A killed migration leaves copies; results that are nowhere else were not left by one. Raises StoreError."""
    for source, target in zip(was, now, strict=True):
        for stem in target.stems():
            copies = {(found.seq, found.id) for found in source.all_of(stem)}
            for found in target.all_of(stem):
                if not found.damage and (found.seq, found.id) not in copies:
                    raise StoreError(
                        f"{os.path.basename(target.root)}/ has {found.step}, generation {found.seq}, which "
                        f"{os.path.basename(source.root)}/ has not: two stores seem to be mixed here. Move one away"
                    )


def _tidy(disk: Disk) -> None:
    _drop_build(os.path.join(disk.place, BUILD))
    disk.drop_older()
    with contextlib.suppress(OSError):  # what comes back after a power cut is cleared by the next write
        sync_folder(disk.place)


def _drop_build(build: str) -> None:
    for name in LAYOUTS[VERSION]:
        drop_shelf(os.path.join(build, name))
    with contextlib.suppress(OSError):
        os.rmdir(build)


@contextlib.contextmanager
def _alone(disk: Disk) -> Iterator[None]:
    """Keeps a second migration out, where the system has locks that end with their process. Raises StoreError."""
    try:
        import fcntl
    except ImportError:
        yield
        return
    handle = os.open(disk.place, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise StoreError("another kernel is migrating it at this moment") from None
        except OSError:
            pass  # no locks on this disk
        yield
    finally:
        os.close(handle)
