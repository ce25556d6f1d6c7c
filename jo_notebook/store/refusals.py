"""Why a disk refuses, in plain English: what is wrong, where, and what to do next."""

from __future__ import annotations

import errno
import os
import stat

ELSEWHERE = "let results live elsewhere: %context at PATH"
VANISHED = "the disk it was on is not there"
SHOWN = 120
FOLDER = "a directory"
IN_THE_WAY = frozenset({errno.ENOENT, errno.ENOTDIR, errno.EEXIST, errno.EISDIR, errno.ELOOP, errno.ENAMETOOLONG})
TO_DO = {
    errno.EROFS: "make it writable",
    errno.EACCES: "ask for the right to use it",
    errno.EPERM: "ask for the right to use it",
    errno.ENOSPC: "make room on it",
    errno.EDQUOT: "make room on it",
    errno.ENODEV: "mount it again",
}


def refusal(error: OSError, place: str) -> str:
    """What an error of the disk means for a store at `place`, and what to do. Never raises."""
    told, advice = error.strerror or str(error), TO_DO.get(error.errno or 0, "")
    if error.errno in IN_THE_WAY:
        found = obstacle(place) or _inside(error, place)
        told, advice = found or told, _removal(found)
    elif error.errno in {errno.EACCES, errno.EPERM} and _is_foreign(place):
        told += ", it belongs to another user"
    return f"{told}; {advice}, or {ELSEWHERE}" if advice else f"{told}; {ELSEWHERE}"


def obstacle(place: str) -> str:
    """What keeps a store from being read or made here; empty where nothing does. Never raises."""
    try:
        if stat.S_ISDIR(os.stat(place).st_mode):
            return "" if os.access(place, os.R_OK | os.X_OK) else os.strerror(errno.EACCES)
        return f"it is {_kind(place)}"
    except FileNotFoundError:
        if os.path.islink(place):
            return f"it is a link to {shown(os.path.realpath(place))}, which is not there"
    except NotADirectoryError:
        pass
    except (OSError, ValueError) as error:
        return getattr(error, "strerror", None) or str(error)
    folder = there = os.path.dirname(place)
    if os.path.isdir(folder):
        return ""
    while not os.path.lexists(there) and there != os.path.dirname(there):
        there = os.path.dirname(there)
    return f"there is no directory {shown(folder)}" if os.path.isdir(there) else f"{shown(there)} is {_kind(there)}"


def obstacle_inside(path: str, place: str, *, is_folder: bool = True) -> str:
    """What stands in the place of a part of the store; empty for nothing, and for a directory if it `is_folder`."""
    name = os.path.relpath(path, place)
    if name.startswith(os.path.join("tmp", "")) or not os.path.lexists(path):
        return ""
    kind = _kind(path)
    return "" if is_folder and kind == FOLDER else f"{shown(name)} in it is {kind}"


def advised(found: str) -> str:
    """An obstacle, and what to do about it."""
    return f"{found}; {', or '.join(filter(None, (_removal(found), ELSEWHERE)))}"


def shown(path: str) -> str:
    """A path or a name for a message, in one line and not too long; of a long one the end."""
    text = "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in path)
    return text if len(text) <= SHOWN else "…" + text[1 - SHOWN :]


def _removal(found: str) -> str:
    if found == VANISHED:
        return TO_DO[errno.ENODEV]
    if found.startswith("there is no directory"):
        return "make it"
    if found.endswith("which is not there"):
        return "make that directory or remove the link"
    return "move it away" if " is " in found else ""


def _inside(error: OSError, place: str) -> str:
    """Which part of the store is something else; empty where the error names none that stays."""
    path = os.fsdecode(error.filename2 or error.filename or "")
    return obstacle_inside(path, place, is_folder=False) if path.startswith(os.path.join(place, "")) else ""


def _kind(path: str) -> str:
    try:
        mode = os.lstat(path).st_mode
    except OSError:
        return "out of reach"
    kinds = {stat.S_IFREG: "a file", stat.S_IFDIR: FOLDER, stat.S_IFLNK: "a link", stat.S_IFIFO: "a pipe"}
    return kinds.get(stat.S_IFMT(mode), "no directory")


def _is_foreign(place: str) -> bool:
    try:
        return os.name == "posix" and os.stat(place).st_uid != os.geteuid()
    except OSError:
        return False
