"""What a step printed, as plain data: a log can be shown wherever it was made."""

from __future__ import annotations

import json

from jo_notebook.core.record import LogEntry
from jo_notebook.errors import ResultDamaged
from jo_notebook.store.generation import canonical


def log_to_bytes(log: tuple[LogEntry, ...]) -> bytes:
    """A log as JSON. Which try an entry is from is written where it is not the first: older releases read the rest."""
    return canonical([[e.kind, e.text, e.data, *([e.attempt] if e.attempt != 1 else [])] for e in log])


def log_from_bytes(payload: bytes) -> tuple[LogEntry, ...]:
    """The reverse of `log_to_bytes`; nothing is unpickled. Raises ResultDamaged for anything else."""
    try:
        rows = json.loads(payload or b"[]")
        return tuple(
            LogEntry(str(kind), str(text), tuple((str(m), str(d)) for m, d in data), int(rest[0]) if rest else 1)
            for kind, text, data, *rest in rows
        )
    except (ValueError, TypeError, OverflowError, RecursionError) as error:
        raise ResultDamaged("its log makes no sense") from error
