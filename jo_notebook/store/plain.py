"""Whether a record made elsewhere has the types its class declares: what a stranger writes is not believed."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any, get_args, get_origin, get_type_hints


def check_types(record: Any) -> None:
    """Raises TypeError where a field of a record, or of its fingerprint, is not what it is declared to be."""
    for owner in (record, record.fingerprint, *record.fingerprint.parts):
        for name, kind in _declared(owner.__class__).items():
            if not _fits(getattr(owner, name), kind):
                raise TypeError(f"{name} has the wrong type")


@cache
def _declared(owner: type) -> Mapping[str, Any]:
    return get_type_hints(owner)


def _fits(value: object, kind: Any) -> bool:
    """Whether a value is of a declared type; a list may stand for a tuple, a whole number for a float."""
    if kind is Any:
        return True
    if get_origin(kind) is tuple:
        return isinstance(value, (tuple, list)) and _all_fit(value, get_args(kind))
    if get_origin(kind) is not None:
        return any(_fits(value, each) for each in get_args(kind))  # one of several types
    return isinstance(value, (int, float) if kind is float else kind)


def _all_fit(values: tuple[Any, ...] | list[Any], kinds: tuple[Any, ...]) -> bool:
    if kinds[-1:] == (...,):
        return all(_fits(value, kinds[0]) for value in values)
    return len(values) == len(kinds) and all(map(_fits, values, kinds))
