"""Where a step is run, with what, and after which errors once more. None of it is part of what makes a result."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from typing import Any

from jo_notebook.errors import UsageError, did_you_mean

INLINE, THREADS, PROCESSES, DASK = EXECUTORS = ("inline", "threads", "processes", "dask")
"""The executors that have a name; dask may be followed by a colon and the address of a scheduler."""

Resources = tuple[tuple[str, float], ...]
UNITS: dict[str, int] = {"": 1, "B": 1} | {
    f"{letter}{infix}B": base**power
    for infix, base in (("", 1000), ("i", 1024))
    for power, letter in enumerate("KMGTP", start=1)
}
AMOUNT = re.compile(r"\s*([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*([KMGTP]?i?B?)\s*", re.IGNORECASE)
PIECES = re.compile(r"[,;]")
LARGEST = 1e18


def check_executor(text: str) -> str:
    """An executor by its name, `dask:tcp://host:8786` also by its address. Raises UsageError for any other."""
    name, colon, address = text.strip().partition(":")
    if name not in EXECUTORS:
        raise UsageError(
            f"There is no executor {text!r}.{did_you_mean(name, EXECUTORS)} Say inline, threads, processes, dask, or "
            "dask:ADDRESS with the address of a scheduler, as in --executor dask:tcp://localhost:8786."
        )
    if colon and (name != DASK or not address.strip()):
        raise UsageError(f"{text!r} is not understood: only dask takes an address, as in dask:tcp://localhost:8786.")
    return f"{name}:{address.strip()}" if colon else name


def parse_resources(words: Iterable[str], option: str = "--resources") -> Resources:
    """`memory=4GB, gpu=1` as names and amounts; sizes are in bytes. Raises UsageError for what is not understood."""
    pieces = [piece for piece in PIECES.split(", ".join(words).strip().strip("\"'")) if piece.strip()]
    found: dict[str, float] = {}
    for piece in pieces:
        name, equals, amount = (part.strip() for part in piece.partition("="))
        if not equals or not name.replace("-", "_").isidentifier():
            raise UsageError(
                f'{piece.strip()!r} is no resource: write NAME=AMOUNT, as in {option} "memory=4GB, gpu=1".'
            )
        if name in found:
            raise UsageError(f"{option} says {name} twice.")
        found[name] = amount_of(name, amount, option)
    return tuple(found.items())


def amount_of(name: str, amount: object, option: str = "--resources") -> float:
    """How much of a resource: a number, or a size such as 4GB. Raises UsageError."""
    text = str(amount) if type(amount) in (int, float, str) else ""
    match = AMOUNT.fullmatch(text)
    unit = "" if match is None else match[2][:1].upper() + match[2][1:].lower().replace("b", "B")
    if match is None or unit not in UNITS or not 0 < float(match[1]) * UNITS[unit] <= LARGEST:
        raise UsageError(f"{option}: {amount!r} of {name} makes no sense: say a number above 0, or a size such as 4GB.")
    return float(match[1]) * UNITS[unit]


def resources_of(data: Any) -> Resources:
    """Resources as plain data have them; none where they are nonsense."""
    rows = data if isinstance(data, list | tuple) else ()
    return tuple(
        (str(row[0]), float(row[1]))
        for row in rows
        if isinstance(row, list | tuple) and len(row) == 2 and type(row[1]) in (int, float) and math.isfinite(row[1])
    )


def check_errors(words: Iterable[str]) -> tuple[str, ...]:
    """The names of errors, `ConnectionError` or `requests.Timeout`. Raises UsageError for what is no name."""
    names = tuple(dict.fromkeys(piece.strip() for word in words for piece in word.split(",") if piece.strip()))
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise UsageError(f"{name!r} names no error: say classes, as in --retry-on ConnectionError,TimeoutError.")
    return names


def is_one_of(error: BaseException, names: Iterable[str]) -> bool:
    """Whether an error is of one of these classes or of one below them, by its name, with its module or without."""
    known = {name for kind in type(error).__mro__ for name in (kind.__name__, f"{kind.__module__}.{kind.__qualname__}")}
    return any(name in known or any(k.endswith(f".{name}") for k in known) for name in names)
