"""pandas' indexes as parts of a tree."""

from __future__ import annotations

from typing import Any

from jo_notebook.store.formats import arrays
from jo_notebook.store.formats.columns import is_column, offset_name, with_freq, write_column
from jo_notebook.store.formats.contract import Refused, Unreadable, a
from jo_notebook.store.formats.ours import INDEXES
from jo_notebook.store.formats.plain import Writer
from jo_notebook.store.formats.plain_reading import Reader, Source, as_dict, as_ints, as_list


def part_of(writer: Writer, index: Any) -> Any:
    """An index. Raises Refused."""
    import pandas

    name = type(index).__name__
    if name not in INDEXES or getattr(pandas, name) is not type(index):
        raise Refused(f"an index that is {a(type(index))}")
    names = writer.items(list(index.names))
    if name == "RangeIndex":
        return {"$RangeIndex": [index.start, index.stop, index.step, names]}
    if name == "MultiIndex":
        return {"$MultiIndex": _levels(writer, index, names)}
    freq = offset_name(index.freq) if name in ("DatetimeIndex", "TimedeltaIndex") else None
    values = index.to_numpy() if type(index.array).__name__ == "NumpyExtensionArray" else index.array
    if getattr(values, "freq", None) is not None and freq is not None:
        values = values._with_freq(None)
    return {"$Index": {"class": name, "values": write_column(writer, values), "names": names, "freq": freq}}


def _levels(writer: Writer, index: Any, names: Any) -> Any:
    import pandas

    shortest = pandas.MultiIndex(list(index.levels), [codes[:0] for codes in index.codes], verify_integrity=False)
    if [codes.dtype for codes in shortest.codes] != [codes.dtype for codes in index.codes]:
        raise Refused("an index with wide codes")
    return {
        "levels": [part_of(writer, level) for level in index.levels],
        "codes": [arrays.part_of(writer, codes) for codes in index.codes],
        "names": names,
        "sortorder": index.sortorder,
    }


def _read_range(content: Any, source: Source) -> Any:
    import pandas

    *bounds, names = as_list(content, 4)
    (name,) = as_list(names, 1)
    return pandas.RangeIndex(*as_ints(bounds), name=name)


def _read_levels(content: Any, source: Source) -> Any:
    import numpy
    import pandas

    about = as_dict(content, "levels", "codes", "names", "sortorder")
    levels, codes = as_list(about["levels"]), as_list(about["codes"])
    if not all(isinstance(level, pandas.Index) for level in levels):
        raise Unreadable("levels were expected")
    if not all(type(each) is numpy.ndarray and each.dtype.kind == "i" and each.ndim == 1 for each in codes):
        raise Unreadable("codes were expected")
    return pandas.MultiIndex(levels, codes, sortorder=about["sortorder"], names=as_list(about["names"]))


def _read_index(content: Any, source: Source) -> Any:
    import pandas

    about = as_dict(content, "class", "values", "names")
    values = about["values"]
    (name,) = as_list(about["names"], 1)
    if not is_column(values) or values.ndim != 1:
        raise Unreadable("a column was expected")
    found = pandas.Index(values, dtype=values.dtype, name=name, copy=False)
    if about.get("freq") is not None:
        found = with_freq(found, about["freq"])
    if type(found).__name__ != about["class"]:
        raise Unreadable("an index of another class")
    return found


READERS: dict[str, Reader] = {"$RangeIndex": _read_range, "$MultiIndex": _read_levels, "$Index": _read_index}
