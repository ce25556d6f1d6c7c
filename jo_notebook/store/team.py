"""A key that a team shares, by the environment variable `JO_NOTEBOOK_KEY`.

Its value is a random string of at least 32 characters, or `file:PATH`, a file with such a line that nobody but its
owner may read. One is made by `python -c "import secrets; print(secrets.token_hex(32))"`.

The secret is PBKDF2-HMAC-SHA256 of the string's UTF-8 bytes, without white space around them, with the salt
`jo_notebook team key 1` and 200,000 rounds: 32 bytes, the same on every machine. The string itself is kept nowhere.
"""

from __future__ import annotations

import hashlib
import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

from jo_notebook.core.private import KEY_VARIABLE

SHORTEST = 32
LARGEST = 4096
FILE = "file:"
SALT, ROUNDS = b"jo_notebook team key 1", 200_000
OWN = "Your own key is used."
HOW = 'python -c "import secrets; print(secrets.token_hex(32))" makes one.'


@dataclass(frozen=True, slots=True)
class Team:
    """The team's secret, empty where there is none; `problem` says why one that was meant is not used."""

    secret: bytes = field(default=b"", repr=False)
    problem: str = ""


def team_secret(environ: Mapping[str, str]) -> Team:
    """What `JO_NOTEBOOK_KEY` gives. Never raises, and no message holds the key's text."""
    text = environ.get(KEY_VARIABLE, "").strip()
    if not text:
        return Team()
    where = KEY_VARIABLE
    if text.startswith(FILE):
        where = f"the file that {KEY_VARIABLE} names"
        try:
            text = _line(Path(text.removeprefix(FILE)).expanduser())
        except OSError as error:
            return Team(problem=f"The file that {KEY_VARIABLE} names {error.strerror or error}. {OWN}")
    if len(text) < SHORTEST:
        short = f"The key in {where} is too short: it needs {SHORTEST} characters or more"
        return Team(problem=f"{short}; {HOW} {OWN}")
    return Team(_derived(text.encode("utf-8", "surrogateescape")))


@lru_cache(maxsize=4)  # the rounds take a tenth of a second
def _derived(text: bytes) -> bytes:
    return hashlib.pbkdf2_hmac("sha256", text, SALT, ROUNDS, 32)


def _line(path: Path) -> str:
    """The first line of a private file. Raises OSError with what to do."""
    try:
        fd = os.open(path, os.O_RDONLY | getattr(os, "O_NONBLOCK", 0))
    except FileNotFoundError as error:
        raise OSError("is not there") from error
    except OSError as error:
        raise OSError(f"cannot be read ({error.strerror})") from error
    with os.fdopen(fd, "rb") as handle:
        info = os.fstat(fd)
        if not stat.S_ISREG(info.st_mode):
            raise OSError("is not a plain file")
        if os.name == "posix" and info.st_mode & 0o077:
            raise OSError("can be read by others: say chmod 600 to it")
        return handle.read(LARGEST).decode("utf-8", "surrogateescape").strip().partition("\n")[0].strip()
