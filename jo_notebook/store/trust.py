"""The key that says "made by me": 32 random bytes in Jupyter's data directory, never inside a project.

Beside it a team may have a key of its own, in the environment: see team.py.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
import secrets
import stat
import sys
import tempfile
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path

from jo_notebook.store.team import team_secret

KEY_BYTES = 32
SESSION = "results saved now will count as made elsewhere in the next session."
UNKNOWN = "what you signed before the team had its key counts as made elsewhere."


@dataclass(frozen=True)
class Key:
    """A secret to sign with. `problem` is not empty where it will be gone after this session.

    What `others` have signed counts as ours, too: before a team had a key, each member signed with their own.
    """

    secret: bytes = field(repr=False)
    problem: str = ""
    others: tuple[bytes, ...] = field(default=(), repr=False)

    @cached_property
    def id(self) -> str:
        """What names the key without telling it."""
        return _id_of(self.secret)

    @cached_property
    def ids(self) -> frozenset[str]:
        """The names of all keys whose signatures count."""
        return frozenset(map(_id_of, (self.secret, *self.others)))

    def sign(self, body: bytes) -> bytes:
        """32 bytes only the owner of the key can make for this body."""
        return hmac.digest(self.secret, body, "sha256")

    def verify(self, body: bytes, mac: bytes) -> bool:
        """Whether `mac` was made for this body with this key, or with one of the others."""
        return any(
            hmac.compare_digest(hmac.digest(secret, body, "sha256"), mac) for secret in (self.secret, *self.others)
        )


def _id_of(secret: bytes) -> str:
    return hashlib.sha256(b"jo_notebook key id\0" + secret).hexdigest()[:16]


def open_key() -> Key:
    """The key to sign with: the team's where `JO_NOTEBOOK_KEY` gives one, else this user's, made at the first call.

    Beside the team's, what this user's own key has signed still counts. Where the disk refuses, there is a key for
    this session alone. Never raises: `problem` says what is wrong and what to do.
    """
    own = _own_key()
    team = team_secret(os.environ)
    if not team.secret:
        return replace(own, problem=" ".join(filter(None, (team.problem, own.problem))))
    problem = own.problem and f"{own.problem.partition(': results saved')[0]}: {UNKNOWN}"
    return Key(team.secret, problem, (own.secret,))


def _own_key() -> Key:
    path = data_dir() / "jo_notebook" / "secret"
    try:
        if not os.path.lexists(path):
            _make_secret(path)
        return Key(_read_secret(path))
    except OSError as error:
        reason = error.strerror or str(error)
        return Key(_session_secret(), f"No lasting key ({reason}): {SESSION}")


def data_dir() -> Path:
    """Jupyter's data directory, as Jupyter itself finds it."""
    if place := os.environ.get("JUPYTER_DATA_DIR"):
        return Path(place)
    try:
        from jupyter_core.paths import jupyter_data_dir
    except ImportError:
        return _platform_data_dir()
    return Path(str(jupyter_data_dir()))


def _platform_data_dir() -> Path:
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Jupyter"
    if os.name == "nt":
        return Path(os.environ.get("APPDATA", str(Path.home()))) / "jupyter"
    return Path(os.environ.get("XDG_DATA_HOME", str(Path.home() / ".local" / "share"))) / "jupyter"


@cache
def _session_secret() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def _make_secret(path: Path) -> None:
    """Put a whole key at `path` unless somebody was first; of two processes at once, one wins."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    fd, draft = tempfile.mkstemp(dir=path.parent, prefix=".secret-")  # mode 0600
    try:
        with os.fdopen(fd, "wb") as out:
            out.write(secrets.token_bytes(KEY_BYTES))
            out.flush()
            os.fsync(out.fileno())
        _put_in_place(draft, path)
    finally:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(draft)


def _put_in_place(draft: str, path: Path) -> None:
    from jo_notebook.store.publish import publish

    with contextlib.suppress(FileExistsError):
        publish(draft, str(path))


def _read_secret(path: Path) -> bytes:
    """The key's bytes. Raises OSError, with what to do, where the file is not a plain, whole key file of this user."""
    name = f"{path.parent.name}/{path.name} in Jupyter's data directory"
    if path.is_symlink():
        raise OSError(f"{name} is a symbolic link; put the file itself there, or delete the link to get a new key")
    fd = _opened(path, name)
    with os.fdopen(fd, "rb") as handle:
        info = os.fstat(fd)
        if os.name == "posix" and info.st_uid != os.geteuid():
            raise OSError(f"{name} belongs to another user; delete it, or set JUPYTER_DATA_DIR to a directory of yours")
        secret = handle.read(KEY_BYTES + 1) if stat.S_ISREG(info.st_mode) else b""
        if len(secret) != KEY_BYTES:
            raise OSError(f"{name} is not a key; delete it to get a new one")
        if os.name == "posix" and info.st_mode & 0o077:
            os.fchmod(fd, 0o600)
    return secret


def _opened(path: Path, name: str) -> int:
    try:
        flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        return os.open(path, flags)
    except PermissionError as error:
        raise OSError(f"{name} cannot be read; say chmod 600 to that file, or delete it to get a new key") from error
