"""Which part of a value cannot be read back, where the whole cannot: parts are tried alone, one level after another."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import islice

from jo_notebook.store.formats.unfit import path_to

DEEPEST, WIDEST = 12, 1_000


def path_to_unreadable(value: object, reads_back: Callable[[object], bool]) -> str:
    """The way to the smallest part that does not come back by itself, for instance `result['db'].conn`."""
    trail = [value]
    while len(trail) < DEEPEST:
        parts = islice(_parts(trail[-1]), WIDEST)
        part = next((p for p in parts if not any(p is t for t in trail) and not reads_back(p)), None)
        if part is None:
            break
        trail.append(part)
    return path_to(trail)


def _parts(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, (list, tuple)):
        yield from value
    else:
        fields = getattr(value, "__dict__", None)
        yield from fields.values() if isinstance(fields, dict) else ()
