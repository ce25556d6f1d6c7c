"""What a format is: a way to write a value as a small stream beside buffers of the value's own memory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

PROBE_BELOW = 64 * 1024
"""Bytes up to which what was written is read back before it counts."""

PATH_LIMIT = 12


class Refused(Exception):
    """A value that cannot be written; the message is what is in the way, after the path to it."""

    def __init__(self, what: str = "") -> None:
        super().__init__(what)
        self.steps: list[str] = []

    def __str__(self) -> str:
        what = str(self.args[0])
        return f"result{shown_path(self.steps)}: {what}" if self.steps else what

    def within(self, step: str) -> None:
        """It lies one level further down, behind this step."""
        self.steps.insert(0, step)


class Unfit(Refused):
    """A value that holds what no format may write."""


class NotDefined(Exception):
    """A class or function of the notebook that this kernel does not have; the message is its name."""


class Unreadable(ValueError):
    """A stream that says something else than what this format writes."""


Buffers = tuple[memoryview, ...]
Written = tuple[bytes, Buffers, Mapping[str, str]]
"""The stream, the buffers, and the versions of the packages that the value is of."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as bytes, and what is worth knowing of how it was written.

    The buffers are contiguous, of single bytes, and of the value's own memory wherever they can be: so the
    value must not change before they are written.
    """

    format: str
    stream: bytes
    buffers: Buffers = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Bytes in all."""
        return len(self.stream) + sum(buffer.nbytes for buffer in self.buffers)


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write values.

    `takes` says at little cost whether the format is worth a try. `encode` raises Refused where the value cannot
    be written this way; `decode` is given the stream and the buffers, which it may keep and write to. `runs_code`
    marks formats whose reading can run code, `one_python` those that another minor version of Python must not read.
    """

    name: str
    takes: Callable[[object], bool]
    encode: Callable[[object], Written]
    decode: Callable[[bytes, Sequence[memoryview]], object]
    runs_code: bool = True
    one_python: bool = False
    summary: str = ""


def shown_path(steps: Sequence[str]) -> str:
    """The way down to a culprit, for instance `['db'].conn`."""
    return "".join(steps[:PATH_LIMIT]) + (" …" if len(steps) > PATH_LIMIT else "")


def a(kind: type) -> str:
    """A type in a sentence: `a list`, `an int`."""
    name = kind.__name__
    return f"{'an' if name[:1].lower() in 'aeio' else 'a'} {name}"
