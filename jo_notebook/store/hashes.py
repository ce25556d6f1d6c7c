"""What the bytes of a section hash to: BLAKE3, at several GB/s; SHA-256 where that is not installed, and in format 1.

A file names the algorithm it was written with. Large blocks are hashed on a second thread while they are written.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable
from typing import Any

from jo_notebook.errors import StoreError

BESIDE = 4 << 20  # from this size on a thread pays
_MANY = 1 << 20  # from this size on BLAKE3 uses all cores


class HashMissing(StoreError):
    """A file was written with a hash that this Python cannot compute."""


def algorithm() -> str:
    """The one to write with."""
    try:
        import blake3  # noqa: F401 - only whether it is there
    except ImportError:
        return "sha256"
    return "blake3"


class Hash:
    """A running hash. Raises HashMissing where this Python lacks the algorithm."""

    def __init__(self, name: str) -> None:
        self._state = _make(name)
        self._update: Callable[[Any], Any] = self._state.update

    def update(self, block: bytes | memoryview) -> None:
        """Take in a block."""
        self._update(block)

    def hexdigest(self) -> str:
        """What has been taken in, in hexadecimal."""
        return str(self._state.hexdigest())

    def beside(self, block: memoryview, work: Callable[[], None]) -> None:
        """Take in a block on another thread while `work` is done here. Raises what `work` raises."""
        thread = threading.Thread(target=self._update, args=(block,), daemon=True)
        thread.start()
        try:
            work()
        finally:
            thread.join()


def digest(name: str, block: bytes | bytearray | memoryview) -> str:
    """The hash of one block, by all cores where it is large. Raises HashMissing."""
    if name == "blake3" and len(block) >= _MANY:
        blake3 = _blake3()
        return str(blake3(block, max_threads=blake3.AUTO).hexdigest())
    state = _make(name)
    state.update(block)
    return str(state.hexdigest())


def _make(name: str) -> Any:
    if name == "blake3":
        return _blake3()()
    if name == "sha256":
        return hashlib.sha256()
    raise HashMissing(f"it was written with the hash {name!r}, which this jo_notebook does not know: update it")


def _blake3() -> Any:
    try:
        from blake3 import blake3
    except ImportError:
        raise HashMissing("checking it needs the package blake3: pip install blake3") from None
    return blake3
