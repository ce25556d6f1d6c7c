"""Where two values part, in a sentence for people. What decides is their versions; this only tells."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jo_notebook.core.version import version_of

SHOWN = 60
DEPTH = 20


def difference(before: Any, now: Any) -> str:
    """The first place where the values differ and what stands there; empty where none is found."""
    try:
        return next(_differences("", before, now, DEPTH), "")
    except (Exception, SystemExit):  # noqa: BLE001 - the user's objects may raise anything when they are compared
        return f"{_name(before)} → {_name(now)}"


def _differences(path: str, before: Any, now: Any, depth: int) -> Iterator[str]:
    if version_of(before) == version_of(now):
        return
    if type(before) is not type(now):
        yield f"{path or 'the value'}: {_name(before)} → {_name(now)}"
        return
    if depth > 0:
        yield from _inside(path, before, now, depth - 1)
    yield f"{path or 'the value'}: {_short(before)} → {_short(now)}"


def _inside(path: str, before: Any, now: Any, depth: int) -> Iterator[str]:
    kind = f"{type(before).__module__.partition('.')[0]}.{type(before).__name__}"
    if kind == "numpy.ndarray":
        yield from _arrays(path, before, now)
    elif kind == "pandas.DataFrame":
        yield from _frames(path, before, now, depth)
    elif isinstance(before, dict):
        if list(before) != list(now):
            yield f"{path or 'the value'}: its keys are others, or in another order"
        for key in before:
            if key in now:
                yield from _differences(f"{path}[{key!r}]", before[key], now[key], depth)
    elif isinstance(before, list | tuple):
        if len(before) != len(now):
            yield f"{path or 'the value'}: {len(before)} items → {len(now)} items"
        for number, (one, other) in enumerate(zip(before, now, strict=False)):
            yield from _differences(f"{path}[{number}]", one, other, depth)
    elif hasattr(before, "__dict__") and not isinstance(before, type):
        for name, value in vars(before).items():
            yield from _differences(f"{path}.{name}", value, vars(now).get(name), depth)


def _arrays(path: str, before: Any, now: Any) -> Iterator[str]:
    where = path or "the array"
    if (before.shape, before.dtype) != (now.shape, now.dtype):
        yield f"{where}: {before.dtype}{before.shape} → {now.dtype}{now.shape}"
        return
    other = (before != now) & ~((before != before) & (now != now))  # NaN is no difference
    yield f"{where}: {int(other.sum())} of {before.size} elements are others"


def _frames(path: str, before: Any, now: Any, depth: int) -> Iterator[str]:
    where = path or "the frame"
    if before.shape != now.shape:
        yield f"{where}: {before.shape[0]} rows × {before.shape[1]} columns → {now.shape[0]} × {now.shape[1]}"
    elif list(before.columns) != list(now.columns):
        yield f"{where}: its columns are others, or in another order"
    else:
        others = [name for name in before.columns if version_of(before[name]) != version_of(now[name])]
        named = ", ".join(map(str, others[:8]))
        yield f"{where}: columns {named} differ" if len(others) > 1 else f"{where}: column {named} differs"


def _name(value: object) -> str:
    return f"{_short(value)} ({type(value).__name__})"


def _short(value: object) -> str:
    try:
        text = " ".join(repr(value).split())
    except (Exception, SystemExit):  # noqa: BLE001 - the user's code
        text = f"a {type(value).__name__}"
    return text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
