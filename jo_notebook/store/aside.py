"""Damaged files are set aside under `damaged/`, never deleted, and never over another one."""

from __future__ import annotations

import contextlib
import itertools
import os
import shutil
import stat

from jo_notebook.errors import StoreError
from jo_notebook.store.checking import injuries
from jo_notebook.store.disk import Disk
from jo_notebook.store.numbering import mark_of, read_hint
from jo_notebook.store.publish import make_folder, publish, sync_folder
from jo_notebook.store.refusals import refusal

DAMAGED = "damaged"


def quarantine(disk: Disk) -> dict[str, str]:
    """Move every damaged file to `damaged/`: where to, by the words that name it. Raises StoreError.

    HEAD stays, and is written where it was missing, so that the loss of a newest file goes on being told. A file of
    which nobody knows the step any more, and whose loss could not be told therefore, stays where it is.
    """
    disk.check_writable()
    moved = {}
    try:
        for label, hurt in list(injuries(disk)):
            folder, number = os.path.split(hurt.path)
            if not (hurt.mark and is_file(hurt.path) and _is_there(hurt.seq, hurt.path, hurt.mark)):
                continue  # it is gone, or another kernel has written since
            stem = os.path.basename(folder)
            if read_hint(folder, stem)[0] < hurt.seq:
                if hurt.step == stem:
                    continue
                shelf = disk.results if os.path.dirname(folder) == disk.results.root else disk.failures
                shelf.hint(hurt.step, hurt.seq)
            target = set_aside(disk, hurt.path, f"{stem}-{number}")
            with contextlib.suppress(FileNotFoundError):
                os.unlink(hurt.path)
            sync_folder(folder)
            moved[label] = target
    except OSError as error:
        raise StoreError(f"Cannot move damaged files of {disk.name}: {refusal(error, disk.place)}.") from error
    return moved


def set_aside(disk: Disk, path: str, name: str) -> str:
    """The same file under `damaged/` as well, durable; where it is from the store's directory. Raises OSError.

    A name that another file has gets a number behind it. Said again, it gives the same.
    """
    folder = os.path.join(disk.place, DAMAGED)
    if make_folder(folder):
        sync_folder(disk.place)
    for count in itertools.count(1):
        target = os.path.join(folder, name if count == 1 else f"{name}-{count}")
        try:
            if not _is_copy(path, target):
                _second_name(disk, path, target)
        except FileExistsError:
            continue
        sync_folder(folder)
        break
    return os.path.join(DAMAGED, os.path.basename(target))


def is_file(path: str) -> bool:
    """Whether a file or a link lies here, which can have a second name."""
    with contextlib.suppress(OSError):
        mode = os.lstat(path).st_mode
        return stat.S_ISREG(mode) or stat.S_ISLNK(mode)
    return False


def _second_name(disk: Disk, path: str, target: str) -> None:
    """Raises FileExistsError where the name is taken, and OSError."""
    try:
        os.link(path, target, follow_symlinks=False)
        return
    except FileExistsError:
        raise
    except (OSError, NotImplementedError):  # no links here
        if os.path.islink(path):
            raise
        with disk.scratch.file() as draft:
            shutil.copyfile(path, draft, follow_symlinks=False)
            publish(draft, target)


def _is_copy(path: str, target: str) -> bool:
    with contextlib.suppress(OSError):
        mine, theirs = os.lstat(path), os.lstat(target)
        if os.path.samestat(mine, theirs):
            return True
        return mine.st_size == theirs.st_size and _bytes(path) == _bytes(target)
    return False


def _bytes(path: str) -> bytes:
    with open(path, "rb") as handle:
        return handle.read()


def _is_there(seq: int, path: str, mark: tuple[int, ...]) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return mark_of(seq, path) == mark
    return False
