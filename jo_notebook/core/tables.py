"""Typed data versions of arrays and tables, for libraries that are recognised and never imported."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol


class Hasher(Protocol):
    """What a rule writes to; see `core/version.py`."""

    def put(self, tag: str, *fields: bytes | memoryview) -> None:
        """A tag and its bytes."""

    def feed(self, value: Any) -> None:
        """A value of any kind."""

    def sequence(self, values: Sequence[Any]) -> None:
        """The elements of a sequence that nobody else holds on to."""


def _array(hasher: Hasher, value: Any) -> None:
    """numpy.ndarray: dtype, shape and elements in C order."""
    dtype = value.dtype
    hasher.put("ndarray", str(dtype.descr if dtype.names else dtype.str).encode(), str(value.shape).encode())
    if dtype.hasobject or dtype.kind == "T":
        hasher.sequence(value.ravel().tolist())
        return
    flat = value if value.flags.c_contiguous else value.copy(order="C")
    hasher.put("buffer", memoryview(flat.reshape(-1).view("u1")) if flat.size and dtype.itemsize else b"")


def _scalar(hasher: Hasher, value: Any) -> None:
    hasher.put("numpy scalar", value.dtype.str.encode(), value.tobytes())


def _frame(hasher: Hasher, value: Any) -> None:
    """pandas.DataFrame: index, columns (names and order), and each column with its dtype."""
    hasher.put("DataFrame", str(value.shape).encode())
    hasher.feed(value.attrs)
    hasher.feed(value.index)
    hasher.feed(value.columns)
    for number in range(value.shape[1]):
        _column(hasher, value.iloc[:, number].array)


def _series(hasher: Hasher, value: Any) -> None:
    hasher.put("Series", str(value.shape).encode())
    hasher.feed(value.name)
    hasher.feed(value.index)
    _column(hasher, value.array)


def _index(hasher: Hasher, value: Any) -> None:
    hasher.put("Index", type(value).__name__.encode())
    hasher.feed(list(value.names))
    hasher.feed(str(getattr(value, "freq", None)))
    if type(value).__name__ == "RangeIndex":
        hasher.feed((value.start, value.stop, value.step))
    elif type(value).__name__ == "MultiIndex":
        hasher.feed(list(value.levels))
        hasher.feed([codes.tolist() for codes in value.codes])
    else:
        _column(hasher, value.array)


def _column(hasher: Hasher, array: Any) -> None:
    """A pandas column: its dtype and its elements."""
    kind = type(array).__name__
    hasher.put("column", kind.encode(), str(array.dtype).encode())
    if kind == "Categorical":
        hasher.feed(bool(array.ordered))
        hasher.feed(array.categories)
        hasher.feed(array.codes)
    elif kind in ("DatetimeArray", "TimedeltaArray", "PeriodArray"):
        hasher.feed(array.asi8)
    elif kind == "NumpyExtensionArray":
        hasher.feed(array.to_numpy())
    else:
        hasher.sequence(list(array))


NAMED: dict[str, Callable[[Hasher, Any], None]] = {
    "numpy.ndarray": _array,
    "pandas.core.frame.DataFrame": _frame,
    "pandas.DataFrame": _frame,
    "pandas.core.series.Series": _series,
    "pandas.Series": _series,
}

BASES: dict[str, Callable[[Hasher, Any], None]] = {
    "numpy.generic": _scalar,
    "pandas.core.indexes.base.Index": _index,
    "pandas.Index": _index,
}
