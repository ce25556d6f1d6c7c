"""The rules of data versions for pandas, which is recognised and never imported."""

from __future__ import annotations

from typing import Any

from jo_notebook.core.arrays import array_rule
from jo_notebook.core.columns import arrow_column
from jo_notebook.core.kinds import path_of
from jo_notebook.core.walk import Node, Rule


def _frame(node: Node, value: Any) -> None:
    """pandas.DataFrame: index, columns (names and order), and each column with its dtype."""
    node.put("DataFrame", str(value.shape).encode())
    _said_of(node, value)
    node.feed(value.index)
    node.feed(value.columns)
    for number in range(value.shape[1]):
        column_rule(node, value.iloc[:, number].array)


def _series(node: Node, value: Any) -> None:
    node.put("Series", str(value.shape).encode())
    _said_of(node, value)
    node.feed(value.name)
    node.feed(value.index)
    column_rule(node, value.array)


def _said_of(node: Node, value: Any) -> None:
    """The class, attributes and flags; of a subclass also what it says that it adds."""
    kind = type(value)
    node.feed(kind)
    node.feed(value.attrs)
    node.feed(bool(value.flags.allows_duplicate_labels))
    if not path_of(kind).startswith("pandas."):
        node.feed({name: vars(value).get(name) for name in kind._metadata})


def _index(node: Node, value: Any) -> None:
    node.put("Index", type(value).__name__.encode())
    node.feed(list(value.names))
    node.feed(str(getattr(value, "freq", None)))
    if type(value).__name__ == "RangeIndex":
        node.feed((value.start, value.stop, value.step))
    elif type(value).__name__ == "MultiIndex":
        node.feed(list(value.levels))
        for codes in value.codes:
            array_rule(node, codes)
    else:
        column_rule(node, value.array)


def column_rule(node: Node, array: Any) -> None:
    """A pandas column: its dtype and its elements."""
    kind = type(array).__name__
    node.put("column", kind.encode(), str(array.dtype).encode())
    if kind == "Categorical":
        node.feed(bool(array.ordered))
        node.feed(array.categories)
        array_rule(node, array.codes)
    elif kind in ("DatetimeArray", "TimedeltaArray", "PeriodArray"):
        node.feed(getattr(array.dtype, "tz", None))
        node.feed(str(getattr(array, "freq", None)))
        array_rule(node, array.asi8)
    elif kind in ("NumpyExtensionArray", "StringArray", "StringArrayNumpySemantics", "ObjectStringArray"):
        array_rule(node, array._ndarray)
    elif hasattr(array, "_pa_array"):
        arrow_column(node, array._pa_array)
    else:
        _other_column(node, array)


def _other_column(node: Node, array: Any) -> None:
    if hasattr(array, "_mask") and hasattr(array, "_data"):
        array_rule(node, array._mask)
        array_rule(node, array._data[~array._mask])  # below the mask lies whatever was there
    elif type(array).__name__ == "IntervalArray":
        node.feed(array.left)
        node.feed(array.right)
    elif type(array).__name__ == "SparseArray":
        node.put("sparse", type(array.sp_index).__name__.encode(), str(len(array)).encode())
        node.feed(array.fill_value)
        array_rule(node, array.sp_index.to_int_index().indices)
        array_rule(node, array.sp_values)
    else:
        node.sequence(list(array))


def _array(node: Node, value: Any) -> None:
    """A column that stands alone."""
    node.feed(type(value))
    column_rule(node, value)


NAMED: dict[str, Rule] = {}

BASES: dict[str, Rule] = {
    "pandas.core.frame.DataFrame": _frame,
    "pandas.DataFrame": _frame,
    "pandas.core.series.Series": _series,
    "pandas.Series": _series,
    "pandas.core.indexes.base.Index": _index,
    "pandas.Index": _index,
    "pandas.core.arrays.base.ExtensionArray": _array,
    "pandas.api.extensions.ExtensionArray": _array,
}
