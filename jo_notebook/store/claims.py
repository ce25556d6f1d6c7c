"""Who is running which step: a claim that other kernels see, so that a step is run once between them.

    <place>/running/<slug>-<hash16>     one line on the owner, under an advisory lock

Nothing depends on it for correctness: results are numbered files that appear whole. The system lets go of a
lock when its process dies, however it dies, so nobody has to be asked whether a claim still holds; a disk
without locks has no claims. A file without a lock is left over, and no result is ever read from here.
"""

from __future__ import annotations

import contextlib
import os
import stat
import time
from collections.abc import Callable
from dataclasses import replace
from io import FileIO
from itertools import chain, repeat
from typing import BinaryIO

from jo_notebook.store.heartbeat import FRESH, heartbeat, may_be_shared
from jo_notebook.store.names import STEM, stem_of
from jo_notebook.store.numbering import listing
from jo_notebook.store.owners import LIMIT, UNKNOWN, Owner
from jo_notebook.store.publish import is_folder, make_folder, open_plain
from jo_notebook.store.scratch import Scratch

try:
    from fcntl import LOCK_EX, LOCK_NB, LOCK_SH, LOCK_UN, flock
except ImportError:  # Windows: no claims there
    HAS_LOCKS = False
else:
    HAS_LOCKS = True

ATTEMPTS = 100
GLANCES = (0.002, 0.005, 0.01)
"""Seconds between the first tries: somebody who only looks holds a lock no longer than this."""
PAUSE = 0.05
ORPHANED = 0.3
"""Seconds after which a lock is taken for a dead owner's, held by a child that it left behind."""
_FLAGS = os.O_RDWR | os.O_CREAT | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)


class Claims:
    """The claims of one store. `place` is its directory; nothing is written where that is not there."""

    def __init__(self, place: str, scratch: Scratch) -> None:
        self.folder = os.path.join(place, "running")
        self.scratch = scratch
        self._is_swept = False

    def owners(self) -> list[Owner]:
        """The other processes that are running a step now, each with its step. Never raises OSError."""
        if not HAS_LOCKS or not is_folder(self.folder):
            return []
        stems = sorted(name for name in listing(self.folder) if STEM.fullmatch(name))
        return [owner for stem in stems if (owner := self._owner(stem)) is not None]

    def sweep(self) -> None:
        """Removes, once, what dead owners left. Never raises OSError."""
        if self._is_swept:
            return
        self._is_swept = True
        for stem in listing(self.folder) if is_folder(self.folder) else []:
            path = os.path.join(self.folder, stem)
            with contextlib.suppress(OSError), open_plain(path) as file:
                owner, fd = _read(file), file.fileno()
                if (owner is None or owner.is_gone) and _locked(fd, LOCK_EX) and _is_at(path, fd):
                    os.unlink(path)

    def _owner(self, stem: str) -> Owner | None:
        with contextlib.suppress(OSError), open_plain(os.path.join(self.folder, stem)) as file:
            owner = _read(file)
            if owner is not None and stem_of(owner.step) == stem and not owner.is_me and not owner.is_gone:
                return None if _locked(file.fileno(), LOCK_SH) else owner
        return None


class Claim:
    """A claim on running one step: entered when nobody else runs it, given back at the end of the block.

    Entering waits as long as somebody else holds it; `waiting` is called once, with the owner, as soon as that is
    sure, and also with an owner that may be at work out of reach of locks, for whom nobody waits. What `look` says
    is what entering gives. Where there can be no lock, the block runs without one. Raises what the callables raise,
    and KeyboardInterrupt at once; then the claim is not held.
    """

    def __init__(
        self,
        claims: Claims,
        step: str,
        digest: str,
        waiting: Callable[[Owner], None],
        look: Callable[[], bool],
        pause: Callable[[float], object] = time.sleep,
    ) -> None:
        self._claims = claims
        self._step = step
        self._digest = digest
        self._waiting = waiting
        self._look = look
        self._pause = pause
        self._path = os.path.join(claims.folder, stem_of(step))
        self._file: FileIO | None = None
        self._pid = 0
        self._is_written = False

    def __enter__(self) -> bool:
        try:
            if HAS_LOCKS:
                self._claims.sweep()
                self._wait()
            return self._look()
        except BaseException:
            self._release()
            raise

    def __exit__(self, *failure: object) -> None:
        self._release()

    def _wait(self) -> None:
        pauses = chain(GLANCES, repeat(PAUSE))
        tries, has_told, since = 0, False, 0.0
        while (owner := self._try()) is not None:
            tries += 1
            if owner.is_gone:
                since = since or time.monotonic()
                if time.monotonic() - since > ORPHANED:
                    self._leave_behind(owner)
                    since = 0.0
            else:
                since = 0.0
                if tries > len(GLANCES) and not has_told:
                    has_told = True
                    self._waiting(owner)
            self._pause(next(pauses))

    def _try(self) -> Owner | None:
        """Who holds the claim; None where it is ours now, or where there can be none."""
        for _ in range(ATTEMPTS):
            try:
                file = self._file = self._opened()
                is_ours = _locked(file.fileno(), LOCK_EX)
                is_there = is_ours and _is_at(self._path, file.fileno())
            except OSError:
                self._give_up()
                return None
            if is_there:
                self._write(file)
                return None
            owner = None if is_ours else _read(file)
            self._release()
            if not is_ours:
                return owner or UNKNOWN
            # its owner has just removed it: the claim is another file by now
        return None

    def _opened(self) -> FileIO:
        """The claim's file, made where it is not there. Raises OSError, also for anything but a plain file."""
        if not is_folder(self._claims.folder):
            make_folder(self._claims.folder)
        file = FileIO(self._path, "r+", opener=lambda path, flags: os.open(path, _FLAGS | flags, 0o666))
        info = os.fstat(file.fileno())
        if not stat.S_ISREG(info.st_mode) or info.st_nlink > 1:
            file.close()
            raise OSError("not a file of the store's own")
        return file

    def _write(self, file: FileIO) -> None:
        """Say in the file who has it."""
        fd, size = file.fileno(), os.fstat(file.fileno()).st_size
        if size and (before := _read(file)) is not None and self._is_out_of_reach(before, fd):
            self._waiting(replace(before, is_unsure=True))
        self._pid = os.getpid()
        self._is_written = True
        with contextlib.suppress(OSError):  # a full disk: held all the same, by nobody knows whom
            written = os.pwrite(fd, Owner.me(self._step, self._digest).to_bytes(), 0)
            if size > written:
                os.ftruncate(fd, written)
        if may_be_shared(os.fstat(fd).st_dev):
            heartbeat().add(file)

    def _is_out_of_reach(self, before: Owner, fd: int) -> bool:
        """Whether this lock does not reach the machine of the owner before, and its sign of life is fresh."""
        if before.is_here:
            return False
        with contextlib.suppress(OSError):
            with self._claims.scratch.file() as fresh:  # this disk's idea of now, whatever our clock says
                now = os.lstat(fresh).st_mtime
            return now - os.fstat(fd).st_mtime < FRESH
        return False

    def _leave_behind(self, owner: Owner) -> None:
        """Let a dead owner's children keep the lock of a file that is no longer the claim's."""
        with contextlib.suppress(OSError), open_plain(self._path) as file:
            if _read(file) == owner and _is_at(self._path, file.fileno()):
                os.unlink(self._path)

    def _give_up(self) -> None:
        """No lock can be had here; an empty file is not left behind."""
        if self._file is not None:
            with contextlib.suppress(OSError):
                fd = self._file.fileno()
                if os.fstat(fd).st_size == 0 and _is_at(self._path, fd):
                    os.unlink(self._path)
        self._release()

    def _release(self) -> None:
        """Give the claim back. A process that was forked off in the block only closes what it shares."""
        file, self._file = self._file, None
        if file is None:
            return
        try:
            if self._is_written:
                self._is_written = False
                heartbeat().remove(file)
                if self._pid == os.getpid():
                    self._remove(file.fileno())
        finally:
            file.close()

    def _remove(self, fd: int) -> None:
        with contextlib.suppress(OSError):
            if _is_at(self._path, fd):
                os.unlink(self._path)
        with contextlib.suppress(OSError):  # said aloud: children that share the descriptor share the lock
            flock(fd, LOCK_UN)


def _read(file: FileIO | BinaryIO) -> Owner | None:
    """What stands in a claim's file. Raises OSError."""
    return Owner.read(os.pread(file.fileno(), LIMIT, 0))


def _locked(fd: int, how: int) -> bool:
    """Whether a lock can be had, until the file is closed. Raises OSError where there are no locks."""
    try:
        flock(fd, how | LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_at(path: str, fd: int) -> bool:
    """Whether an open file is the one of this path. Raises OSError."""
    try:
        return os.path.samestat(os.lstat(path), os.fstat(fd))
    except FileNotFoundError:
        return False
