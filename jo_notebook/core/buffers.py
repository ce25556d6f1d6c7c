"""The hashes under data versions: blake2b for what is small, xxh3-128 for what is large.

`xxhash` is imported when the first large buffer is met, so importing this costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b
from typing import Any

LARGE = 1 << 16


def digest_of_bytes(data: bytes | bytearray | memoryview) -> bytes:
    """Sixteen bytes. What begins with `L` and is small must not be handed in: so begin the large ones."""
    if len(data) > LARGE:
        data = b"L%d:" % len(data) + _fast([data])
    return blake2b(data, digest_size=16).digest()


def digest_of_blocks(blocks: Iterable[Any], size: int) -> bytes:
    """Of contiguous buffers that follow one another and have `size` bytes in all."""
    if size > LARGE:
        return blake2b(b"L%d:" % size + _fast(blocks), digest_size=16).digest()
    return blake2b(b"S" + b"".join(blocks), digest_size=16).digest()


def _fast(blocks: Iterable[Any]) -> bytes:
    from xxhash import xxh3_128

    state = xxh3_128()
    for block in blocks:
        state.update(block)
    return state.digest()
