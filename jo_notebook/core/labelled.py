"""The rules of data versions for xarray, which is recognised and never imported.

Dimensions, names, coordinates, attributes and values count; how a file encoded them does not.
"""

from __future__ import annotations

from typing import Any

from jo_notebook.core.kinds import module_of, path_of
from jo_notebook.core.walk import Node, Rule


def _variable(node: Node, value: Any) -> None:
    node.put("Variable", type(value).__name__.encode())
    node.feed((tuple(value.dims), tuple(value.shape)))
    node.feed(dict(value.attrs))
    held = value._data
    node.feed(held if module_of(type(held)).startswith("dask.") else value.values)


def _array(node: Node, value: Any) -> None:
    node.put("DataArray", path_of(type(value)).encode())
    node.feed(value.name)
    _variable(node, value.variable)
    _coordinates(node, value)


def _dataset(node: Node, value: Any) -> None:
    node.put("Dataset", path_of(type(value)).encode())
    node.feed(dict(value.attrs))
    node.feed(list(value.data_vars))
    for name in value.data_vars:
        _variable(node, value.variables[name])
    _coordinates(node, value)


def _coordinates(node: Node, value: Any) -> None:
    node.feed([(name, type(index).__name__) for name, index in value.xindexes.items()])
    node.feed(list(value.coords))
    for name in value.coords:
        _variable(node, value.coords[name].variable)


NAMED: dict[str, Rule] = {
    "xarray.core.variable.Variable": _variable,
    "xarray.core.variable.IndexVariable": _variable,
    "xarray.core.dataarray.DataArray": _array,
    "xarray.core.dataset.Dataset": _dataset,
}
