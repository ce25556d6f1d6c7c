"""What a step printed, as plain data: a log can be shown wherever it was made."""

from __future__ import annotations

import json

from jo_notebook.core.record import LogEntry
from jo_notebook.errors import ResultDamaged
from jo_notebook.store.generation import canonical


def log_to_bytes(log: tuple[LogEntry, ...]) -> bytes:
    """A log as JSON."""
    return canonical([[entry.kind, entry.text, entry.data] for entry in log])


def log_from_bytes(payload: bytes) -> tuple[LogEntry, ...]:
    """The reverse of `log_to_bytes`; nothing is unpickled. Raises ResultDamaged for anything else."""
    try:
        rows = json.loads(payload or b"[]")
        return tuple(LogEntry(str(k), str(t), tuple((str(m), str(d)) for m, d in data)) for k, t, data in rows)
    except (ValueError, TypeError, RecursionError) as error:
        raise ResultDamaged("its log makes no sense") from error
