"""The rules of data versions for what Python itself holds values in: lists, dicts, sets, buffers, streams."""

from __future__ import annotations

import marshal
from types import MappingProxyType, ModuleType
from typing import Any

from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.plain import FLAT, FORMAT, flat
from jo_notebook.core.walk import Node, Rule


def _sequence(node: Node, value: Any) -> None:
    data = flat(value, type(value))
    if data is not None:
        node.pieces.append(data)
        return
    outline = [item if type(item) in FLAT else ... for item in value]
    _outline(node, tuple(outline) if type(value) is tuple else outline)
    for item in value:
        kind = type(item)
        if kind not in FLAT:
            node.inside(item, kind, node.lenient)


def _mapping(node: Node, value: dict[Any, Any]) -> None:
    data = flat(value, dict)
    if data is not None:
        node.pieces.append(data)
        return
    if not FLAT.issuperset(map(type, value)):
        node.put("dict")
        node.inside([part for pair in value.items() for part in pair], list, node.lenient)
        return
    _outline(node, {key: item if type(item) in FLAT else ... for key, item in value.items()})
    for item in list(value.values()):
        kind = type(item)
        if kind not in FLAT:
            node.inside(item, kind, node.lenient)


def _attributes(node: Node, value: AttrDict) -> None:
    """A dict, whichever way its keys are reached."""
    _mapping(node, dict(value))


def _outline(node: Node, outline: Any) -> None:
    """What `marshal` writes, an ellipsis for each value that follows as a digest."""
    node.pieces.append(marshal.dumps(outline, FORMAT))


def _set(node: Node, value: Any) -> None:
    plain = sorted(marshal.dumps(item, FORMAT) for item in value if type(item) in FLAT)
    others = [item for item in value if type(item) not in FLAT]
    node.put(type(value).__name__, b"%d" % len(plain), b"".join(plain))
    node.sorted_from = len(node.pieces)
    for item in others:
        node.inside(item, type(item), node.lenient)


def _module(node: Node, value: ModuleType) -> None:
    node.put("module", value.__name__.encode())


def _proxy(node: Node, value: Any) -> None:
    node.each("mappingproxy", (dict(value),), 1)


def _slice(node: Node, value: slice) -> None:
    node.each("slice", (value.start, value.stop, value.step), 3)


def _bytearray(node: Node, value: bytearray) -> None:
    node.put("bytearray")
    node.buffer((value,), len(value))


def _memoryview(node: Node, value: memoryview) -> None:
    node.put("memoryview", value.format.encode(), repr((value.shape, value.readonly)).encode())
    node.buffer((value if value.c_contiguous else value.tobytes(),), value.nbytes)


def _array(node: Node, value: Any) -> None:
    """array.array, which pickles as a list or as its bytes, as it likes."""
    node.put("array", value.typecode.encode())
    node.buffer((memoryview(value),), len(value) * value.itemsize)


def _stream(node: Node, value: Any) -> None:
    """What was written into memory, and the place where reading goes on."""
    content, *rest = value.__getstate__()
    node.put(type(value).__name__)
    node.feed(content)
    node.feed(rest)


def _cache(node: Node, value: Any) -> None:
    """A weak mapping comes and goes by itself."""
    node.opaque()


RULES: dict[type, Rule] = {
    list: _sequence,
    tuple: _sequence,
    dict: _mapping,
    AttrDict: _attributes,
    set: _set,
    frozenset: _set,
    slice: _slice,
    bytearray: _bytearray,
    memoryview: _memoryview,
    ModuleType: _module,
    MappingProxyType: _proxy,
}

NAMED: dict[str, Rule] = {
    "array.array": _array,
    "_io.BytesIO": _stream,
    "_io.StringIO": _stream,
    "weakref.WeakKeyDictionary": _cache,
    "weakref.WeakValueDictionary": _cache,
    "weakref.WeakSet": _cache,
    "_weakrefset.WeakSet": _cache,
}
