"""What a context has in memory of one step, beside or ahead of the disk."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Protocol

from jo_notebook.core.record import LogEntry, Record
from jo_notebook.store.reading import Found

SAVING = "saving was interrupted"
"""Why a value is not stored yet while it is being saved; it stays so where that was interrupted."""


class Pending(Protocol):
    """A value that lies somewhere else than on our disk, and is read when it is asked for."""

    @property
    def runs_code(self) -> bool:
        """Whether it waits for trust."""

    def __call__(self) -> Any:
        """The value. Raises StoreError, UntrustedError."""


@dataclass(frozen=True, slots=True)
class Held:
    """A value in memory. `record` and `log` are set where the disk does not have this result.

    `base` is the id of the newest result on disk at that time: once it is another one, another kernel
    has a newer result and this value is out of date. `pending` gets the value where it lies elsewhere.
    """

    value: Any
    base: str = ""
    record: Record | None = None
    log: tuple[LogEntry, ...] = ()
    has_value: bool = True
    pending: Pending | None = None

    def without_value(self) -> Held | None:
        """What stays when the value leaves memory: the story of a result that is nowhere else."""
        return replace(self, value=None, has_value=False) if self.record else None

    def beside(self, old: Found[Record] | None, new: Found[Record] | None, *, gone: str) -> Held | None:
        """What stays when the disk has been read again; None where the value is out of date.

        `gone` is a reason where the whole directory has disappeared. A value whose file is damaged or
        gone with the directory stays, and is from then on unsaved.
        """
        if new is not None and new.id and not new.damage:
            return self if new.id == self.base else None
        if new is None and self.base and not gone:
            return None
        if self.record is not None or old is None or old.record is None:
            return self
        return replace(self, record=replace(old.record, unsaved=gone or (new.damage if new else "")))
