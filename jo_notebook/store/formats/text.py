"""The format json: plain data as text that a person can read and any language, too."""

from __future__ import annotations

from collections.abc import Sequence

from jo_notebook.core.kinds import path_of
from jo_notebook.store.formats.contract import Written
from jo_notebook.store.formats.plain import NAMED, WRITERS, Writer
from jo_notebook.store.formats.plain_reading import READERS, Source, read


def takes(value: object) -> bool:
    """Whether the outermost type is plain."""
    kind = type(value)
    return kind in WRITERS or path_of(kind) in NAMED


def encode(value: object) -> Written:
    """The value as JSON. Raises Refused."""
    return Writer().stream(value), (), {}


def decode(stream: bytes, buffers: Sequence[memoryview]) -> object:
    """The reverse of `encode`. Raises Unreadable."""
    return read(stream, Source(()), READERS)
