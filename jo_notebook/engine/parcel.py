"""What lies on a cluster: a value in pieces, which each reader puts together for itself, and the reply with it."""

from __future__ import annotations

import pickle
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from jo_notebook.core.version import version_of
from jo_notebook.engine.elsewhere import Unread
from jo_notebook.engine.packing import in_pieces
from jo_notebook.engine.request import Input, Reply


class Pieces:
    """A value, pickled, beside its large buffers, which travel without being copied. Nothing changes it any more.

    `version` is its data version, where that is exact and was asked for.
    """

    def __init__(self, head: bytes, buffers: Iterable[Any], version: str = "") -> None:
        self._head = head
        self._buffers = [memoryview(buffer) for buffer in buffers]
        self.version = version

    @classmethod
    def of(cls, value: object, *, with_version: bool = False) -> Pieces:
        """Raises what pickling does."""
        head, buffers = in_pieces(value)
        version = version_of(value) if with_version else None
        copies = [bytearray(buffer.raw()) for buffer in buffers]  # others may have the value, too, and change it
        return cls(head, copies, version.digest if version is not None and version.exact else "")

    @property
    def nbytes(self) -> int:
        """How large it is."""
        return len(self._head) + sum(buffer.nbytes for buffer in self._buffers)

    def value(self) -> Any:
        """A copy that nobody else has."""
        return pickle.loads(self._head, buffers=[bytearray(buffer) for buffer in self._buffers])

    def taken(self) -> Any:
        """The value, which may keep what it is made of: nobody looks at these pieces again."""
        buffers = [bytearray(buffer) if buffer.readonly else buffer for buffer in self._buffers]
        return pickle.loads(self._head, buffers=buffers)

    def __reduce_ex__(self, protocol: Any) -> Any:
        if protocol < 5:
            return Pieces, (self._head, [bytes(buffer) for buffer in self._buffers], self.version)
        return Pieces, (self._head, [pickle.PickleBuffer(buffer) for buffer in self._buffers], self.version)


@dataclass(frozen=True)
class Parcel:
    """A value that was sent, or the reply to a request, with its value.

    With neither, the step did not run there: it `was_interrupted`, there is `trouble` with what was asked, or it had
    run before, and what came of it was lost.
    """

    pieces: Pieces | None = None
    reply: Reply | None = None
    was_interrupted: bool = False
    trouble: str = ""

    @property
    def nbytes(self) -> int:
        """How large it is, about."""
        pieces = self.pieces if self.reply is None else self.reply.value
        return 1000 + (pieces.nbytes if isinstance(pieces, Pieces) else 0)

    def __sizeof__(self) -> int:
        return self.nbytes  # what Dask goes by

    def read(self, given: Input) -> Any:
        """The value as an input. Raises Unread where that is not certainly the one that was asked for.

        Dask runs a step again whose result it has lost, without asking. So what was made on a cluster counts only
        where it is the value that is stored.
        """
        if self.reply is None and self.pieces is not None:
            return self.pieces.value()
        pieces = None if self.reply is None else self.reply.value
        if not isinstance(pieces, Pieces) or not given.exact:
            raise Unread(given.step)
        value = pieces.value()
        if version_of(value).digest != given.version:
            raise Unread(given.step)
        return value
