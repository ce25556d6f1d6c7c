"""The rule of data versions for any object: by the way it says it can be rebuilt, as `pickle` would ask it."""

from __future__ import annotations

import copyreg
import itertools
from typing import Any

from jo_notebook.core.code_rules import by_name
from jo_notebook.core.kinds import module_of, name_of
from jo_notebook.core.walk import Node

DEEPEST = 200_000
"""Levels after which an object is opaque: one may make a new one of itself whenever it is asked."""

MOST = 50_000_000
"""Items after which an iterator is taken to have no end."""

NEW = copyreg.__newobj__  # type: ignore[attr-defined]


def object_rule(node: Node, value: Any) -> None:
    """In a lenient walk a library's object is taken whole or not at all."""
    kind = type(value)
    if node.depth > DEEPEST:
        node.opaque()
    elif node.lenient and node.walk.is_named(kind):
        node.pieces.append(b"w")
        node.inside(value, kind, False, whole=True)
    else:
        _rebuilt(node, value, kind)


def reduced(value: Any) -> Any:
    """What an object answers when it is asked how it can be rebuilt. May raise anything."""
    reducer = copyreg.dispatch_table.get(type(value))
    return reducer(value) if reducer else value.__reduce_ex__(4)


def _rebuilt(node: Node, value: Any, kind: type) -> None:
    try:
        found = reduced(value)
        parts = found if isinstance(found, str) else _parts(*found)
    except (Exception, SystemExit):  # noqa: BLE001 - a user's object may raise anything here
        node.opaque()
        return
    if isinstance(parts, str):
        by_name(node, value, parts)
        return
    if parts[0] is NEW and len(parts) == 5 and type(parts[1]) is tuple and parts[1][:1] == (kind,):
        node.pieces.append(b"o")  # the usual: a class, its state and items, what it is made with
        node.inside(kind, type(kind), node.lenient)
        parts = [*parts[2:], parts[1][1:]] if len(parts[1]) > 1 else parts[2:]
    else:
        node.put("object", module_of(kind).encode(), name_of(kind).encode())
    for part in parts:
        node.feed(part)


def _parts(make: Any, arguments: Any, state: Any = None, items: Any = None, pairs: Any = None, *rest: Any) -> list[Any]:
    """What `__reduce_ex__` gave, with its iterators read."""
    listed = None if items is None else _read(items)
    if type(state) is tuple and state and type(state[-1]) is dict and not state[-1]:
        state = (*state[:-1], None)  # a partial whose empty `__dict__` somebody has looked at
    return [make, arguments, state, listed, None if pairs is None else [list(p) for p in _read(pairs)], *rest]


def _read(items: Any) -> list[Any]:
    found = list(itertools.islice(items, MOST))
    if len(found) == MOST:
        raise ValueError("endless")
    return found
