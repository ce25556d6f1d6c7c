"""The FORMAT file: which layout a store has and which store it is. Two hashed copies of one line."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

from jo_notebook.store.generation import VERSION, canonical
from jo_notebook.store.publish import publish, read_small, sync_folder
from jo_notebook.store.scratch import Scratch

FORMAT = "FORMAT"


@dataclass(frozen=True, slots=True)
class Identity:
    """What FORMAT says. A store of a higher format may be looked at, never written."""

    store_id: str
    format: int = VERSION

    @property
    def newer(self) -> bool:
        """Whether a newer release made this store."""
        return self.format > VERSION

    @property
    def older(self) -> bool:
        """Whether an older release made this store, and nobody has asked to migrate it."""
        return self.format < VERSION

    def to_bytes(self) -> bytes:
        """The file's contents."""
        line = canonical({"format": self.format, "store_id": self.store_id})
        return 2 * (line + b" " + hashlib.sha256(line).hexdigest().encode() + b"\n")


def read_identity(place: str) -> Identity | None:
    """What a store says it is; None where neither copy is whole."""
    with contextlib.suppress(OSError):
        return _said(read_small(os.path.join(place, FORMAT)))
    return None


@lru_cache(maxsize=32)
def _said(text: bytes) -> Identity | None:
    for row in text.split(b"\n"):
        line, _, digest = row.rpartition(b" ")
        if digest and hashlib.sha256(line).hexdigest().encode() == digest:
            with contextlib.suppress(ValueError, KeyError, TypeError):
                data = json.loads(line)
                return Identity(str(data["store_id"]), int(data["format"]))
    return None


def new_id() -> str:
    """What tells a new store from all others."""
    return secrets.token_hex(16)


def ensure_identity(place: str, scratch: Scratch, store_id: str, layout: Callable[[], int]) -> Identity:
    """What the store is, written if it is missing or damaged; of two kernels at once, one decides.

    `store_id` is what signed results say, or empty, `layout` tells the format by what lies there. Raises OSError.
    """
    if (identity := read_identity(place)) is not None:
        return identity
    wanted = Identity(store_id or new_id(), layout())
    path = os.path.join(place, FORMAT)
    if os.path.lexists(path):
        scratch.replace(path, wanted.to_bytes())
    else:
        _write_first(path, scratch, wanted)
    return read_identity(place) or wanted


def _write_first(path: str, scratch: Scratch, identity: Identity) -> None:
    with scratch.file() as draft:
        with open(draft, "wb") as out:
            out.write(identity.to_bytes())
            out.flush()
            os.fsync(out.fileno())
        with contextlib.suppress(FileExistsError):
            publish(draft, path)
    sync_folder(os.path.dirname(path))
