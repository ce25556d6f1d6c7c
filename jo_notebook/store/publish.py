"""Making a finished file appear under its final name, without ever replacing another one.

`link` is atomic and fails where the name is taken, on local disks and on NFS alike. Where a disk has
no links, an exclusive rename does the same; where it has neither, a claim file decides who may rename.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from typing import BinaryIO

CLAIM = ".claim"
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.EOPNOTSUPP, errno.ENOTSUP, errno.EMLINK, errno.EINVAL}
_AT_FDCWD, _RENAME_NOREPLACE = -100, 1


def publish(draft: str, target: str, *, keep: bool = False) -> None:
    """Move `draft` to `target`; with `keep` it may stay there, too.

    Raises FileExistsError where the name is taken, and OSError of the disk.
    """
    try:
        os.link(draft, target)
    except FileExistsError:
        if not _is_same(draft, target):  # NFS can answer so to the repetition of a call that worked
            raise
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        _publish_without_links(draft, target)
        return
    if not keep:
        with contextlib.suppress(OSError):  # done already; the draft's owner tries again
            os.unlink(draft)


def _is_same(draft: str, target: str) -> bool:
    try:
        return os.path.samestat(os.lstat(draft), os.lstat(target))
    except FileNotFoundError:
        return False


def _publish_without_links(draft: str, target: str) -> None:
    if os.name == "nt":
        os.rename(draft, target)
    elif not _rename_exclusively(draft, target):
        _rename_with_claim(draft, target)


def _rename_exclusively(draft: str, target: str) -> bool:
    """Linux's renameat2; False where the system or the disk does not know it."""
    import ctypes

    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    if rename(_AT_FDCWD, os.fsencode(draft), _AT_FDCWD, os.fsencode(target), _RENAME_NOREPLACE) == 0:
        return True
    code = ctypes.get_errno()
    if code in {errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP}:
        return False
    raise OSError(code, os.strerror(code), target)


def _rename_with_claim(draft: str, target: str) -> None:
    """Whoever makes the claim file may rename. A claim left by a killed process only costs its number."""
    claim = target + CLAIM
    os.close(os.open(claim, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    try:
        if os.path.lexists(target):
            raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), target)
        os.rename(draft, target)
    finally:
        os.unlink(claim)


def publish_folder(draft: str, target: str) -> None:
    """Move a whole directory to where nothing is yet. Raises FileExistsError, and OSError of the disk."""
    _publish_without_links(draft, target)


def sync_folder(path: str) -> None:
    """Make the names in a directory durable, where directories can be synced at all."""
    if os.name == "nt":
        return
    fd = os.open(path, os.O_RDONLY | getattr(os, "O_DIRECTORY", 0))
    try:
        os.fsync(fd)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP}:
            raise
    finally:
        os.close(fd)


def open_plain(path: str) -> BinaryIO:
    """A file to read, never through a symbolic link, never a pipe or a device. Raises OSError."""
    return os.fdopen(_open_fd(path), "rb")


def _open_fd(path: str) -> int:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
    fd = os.open(path, flags)
    if not stat.S_ISREG(os.fstat(fd).st_mode):
        os.close(fd)
        raise OSError(errno.EINVAL, "Not a plain file", path)
    return fd


def read_small(path: str, limit: int = 4096) -> bytes:
    """The beginning of a plain file, in one read. Raises OSError."""
    fd = _open_fd(path)
    try:
        return os.read(fd, limit)
    finally:
        os.close(fd)


def is_folder(path: str) -> bool:
    """Whether a real directory is here, not a link to one."""
    with contextlib.suppress(OSError):
        return stat.S_ISDIR(os.lstat(path).st_mode)
    return False


def make_folder(path: str) -> bool:
    """A directory at `path`; True if it was not there. Raises OSError, also for a link to a directory."""
    try:
        os.mkdir(path)
    except FileExistsError:
        if is_folder(path):
            return False
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), path) from None
    return True
