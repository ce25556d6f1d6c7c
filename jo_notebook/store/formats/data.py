"""The format data: a tree of plain data whose leaves may be arrays, frames, tables and tensors.

The tree is JSON that names buffers by number; the buffers are the leaves' own memory. Reading runs no code: all
that the tree says is checked against what it is made of. Libraries are recognised by the names of their classes
and imported only where a value of theirs is there, or is read.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.kinds import comes_from, module_of, name_of, path_of
from jo_notebook.store.formats.contract import Written
from jo_notebook.store.formats.ours import INDEXES, SPARSE, part
from jo_notebook.store.formats.plain import NAMED, Leaf, Writer
from jo_notebook.store.formats.plain_reading import READERS, Reader, Source, read

CONTAINERS = (list, tuple, dict, AttrDict, bytes, bytearray)
HOMES: dict[str, tuple[str, str, str]] = {
    "numpy.ndarray": ("numpy", "arrays", "write_array"),
    "pandas.DataFrame": ("pandas", "frames", "write_frame"),
    "pandas.Series": ("pandas", "frames", "write_series"),
    **{f"pandas.{name}": ("pandas", "frames", "write_index") for name in INDEXES},
    **{f"pyarrow.{name}": ("pyarrow", "arrow", "write_arrow") for name in ("Table", "RecordBatch", "ChunkedArray")},
    **{f"polars.{name}": ("polars", "arrow", "write_polars") for name in ("DataFrame", "Series")},
    "torch.Tensor": ("torch", "tensors", "write_tensor"),
    "torch.Parameter": ("torch.nn", "tensors", "write_tensor"),
    **{f"scipy.{name}": ("scipy.sparse", "arrays", "write_sparse") for name in SPARSE},
}
"""By library and class: where the class itself is found, and what writes its values: a function of ours."""


def leaf_of(kind: type) -> Leaf | None:
    """What writes values of this very class, or None where it is of no library that we know."""
    library, name = module_of(kind).partition(".")[0], name_of(kind)
    home, *writer = HOMES.get(f"{library}.{name}", (library,))
    module = sys.modules.get(home)
    if module is None or getattr(module, name, None) is not kind:
        return None
    if not writer and library == "numpy" and comes_from(kind, module.generic):
        writer = ["arrays", "write_scalar"]
    if not writer and library == "pyarrow" and comes_from(kind, module.Array):
        writer = ["arrow", "write_arrow"]
    leaf: Leaf | None = part(*writer) if writer else None
    return leaf


class Readers(dict[str, Reader]):
    """What reads each tag. Those of libraries' values are imported when a tag is met that plain data do not have."""

    def __missing__(self, tag: str) -> Reader:
        for module in ("arrays", "tensors", "arrow", "columns", "indexes", "frames"):
            self.update(part(module, "READERS"))
            if tag in self:
                return self[tag]
        raise KeyError(tag)


_readers = Readers(READERS)


def takes(value: object) -> bool:
    """Whether the outermost type is a container or of a library that we know."""
    kind = type(value)
    return (
        kind in (list, tuple, dict, AttrDict, bytes, bytearray) or path_of(kind) in NAMED or leaf_of(kind) is not None
    )


def encode(value: object) -> Written:
    """The tree, the buffers and the versions of the libraries. Raises Refused."""
    writer = Writer(leaf_of)
    stream = writer.stream(value)
    return stream, tuple(writer.buffers), dict(writer.versions)


def decode(stream: bytes, buffers: Sequence[memoryview]) -> object:
    """The reverse of `encode`. Raises Unreadable, and ImportError where a library is not installed."""
    return read(stream, Source(buffers), _readers)
