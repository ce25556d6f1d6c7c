"""Files for people: written whole or not at all, and never over somebody's work."""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from jo_notebook.errors import UsageError


def write_whole(path: Path, text: str) -> None:
    """The text becomes the file in one step; until then the old file stays. Raises UsageError where that fails."""
    draft = ""
    try:
        handle, draft = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
            file.write(text)
        os.chmod(draft, _mode(path))
        os.replace(draft, path)
    except OSError as error:
        with contextlib.suppress(OSError):
            os.unlink(draft)
        raise UsageError(f"{path} cannot be written: {error.strerror or error}.") from error
    except UnicodeEncodeError as error:
        os.unlink(draft)
        raise UsageError(f"{path} cannot be written: it would have a character that no text file has.") from error


def check_place(path: Path, suffix: str, source: Path) -> None:
    """Raises UsageError for a file to write that is of another kind, or that is the one which is read."""
    if path.suffix != suffix:
        raise UsageError(f"The output is a {suffix} file; {path.name!r} is not the name of one.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no directory {path.parent} to write {path.name} to.")
    if path.exists() and source.exists() and os.path.samefile(path, source):
        raise UsageError(f"{path} is the file that is read: name another one for the output.")
    if path.is_dir():
        raise UsageError(f"{path} is a directory: name a file for the output.")


def _mode(path: Path) -> int:
    """The rights of the file that is replaced, or those that a new file gets."""
    try:
        return os.stat(path).st_mode & 0o777
    except OSError:
        mask = os.umask(0)
        os.umask(mask)
        return 0o666 & ~mask
