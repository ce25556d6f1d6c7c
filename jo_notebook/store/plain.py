"""What a stranger writes in a record is not believed: types are checked, numbers are kept within reason."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import is_dataclass, replace
from functools import cache
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from jo_notebook.core.definition import Definition, check_shown_name
from jo_notebook.core.fingerprint import Fingerprint
from jo_notebook.core.record import Failure, Record

T = TypeVar("T")
LONGEST = 1e9  # seconds, some thirty years
LATEST = 1e11  # seconds since the epoch: a year that a calendar can still tell
LARGEST = 1e18  # bytes


def within_reason(record: T, size: int) -> T:
    """A stranger's record with its types checked, and nothing that is no time, no size or no plain word.

    `size` is what the sections of the file take, which nobody's word exceeds. Raises TypeError for a wrong type.
    """
    check_types(record)
    if isinstance(record, Record):
        return replace(
            record,
            when=_number(record.when, LATEST),
            seconds=_number(record.seconds, LONGEST),
            size=int(min(_number(record.size, LARGEST), size)),
            history=tuple((_number(seconds, LONGEST), _number(bytes_, LARGEST)) for seconds, bytes_ in record.history),
            format=_word(record.format),
            unsaved=_word(record.unsaved),
            executor=_word(record.executor),
            run_id=_word(record.run_id),
            python=_word(record.python),
            cpu=_number(record.cpu, LONGEST),
            memory=int(_number(record.memory, LARGEST)),
            tries=int(_number(record.tries, LARGEST)),
        )
    if isinstance(record, Failure):
        return replace(
            record,
            when=_number(record.when, LATEST),
            seconds=_number(record.seconds, LONGEST),
            error=_word(record.error),
            executor=_word(record.executor),
            run_id=_word(record.run_id),
            cpu=_number(record.cpu, LONGEST),
            memory=int(_number(record.memory, LARGEST)),
            tries=int(_number(record.tries, LARGEST)),
        )
    return record


def _number(value: float, largest: float) -> float:
    """Nought for what is below it or no number, and no more than the largest."""
    if value != value or value < 0:
        return 0.0
    return float(min(value, largest))


def _word(text: str) -> str:
    """One line without what a terminal would obey."""
    return text if text.isprintable() else "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)


def check_definition(definition: Definition, name: str) -> None:
    """Raises TypeError or ValueError where a stranger's definition is not what ours are, whatever its text says."""
    if not _fits(definition, Definition):
        raise TypeError("its fields have the wrong types")
    if definition.name != name:
        raise ValueError(f"it is written down as {name}")
    for dependency in definition.depends_on or ():
        check_shown_name(dependency.step)
    words = [*definition.env, *definition.reads, *definition.writes, *definition.inferred, *definition.ignore]
    words += [dependency.parameter for dependency in definition.depends_on or ()]
    if not all(word.isprintable() and word for word in words):
        raise ValueError("some of its words do not show")
    Fingerprint.of(need.part for need in definition.needs)


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
    if is_dataclass(kind) and isinstance(kind, type):
        return isinstance(value, kind) and all(_fits(getattr(value, n), k) for n, k in _declared(kind).items())
    if get_origin(kind) is frozenset:
        return isinstance(value, frozenset) and all(_fits(each, get_args(kind)[0]) for each in value)
    if get_origin(kind) is tuple:
        return isinstance(value, (tuple, list)) and _all_fit(value, get_args(kind))
    if get_origin(kind) is Callable:
        return False  # no file tells of one
    if get_origin(kind) is not None:
        return any(_fits(value, each) for each in get_args(kind))  # one of several types
    return isinstance(value, (int, float) if kind is float else kind)


def _all_fit(values: tuple[Any, ...] | list[Any], kinds: tuple[Any, ...]) -> bool:
    if kinds[-1:] == (...,):
        return all(_fits(value, kinds[0]) for value in values)
    return len(values) == len(kinds) and all(map(_fits, values, kinds))
