"""pandas' columns as parts of a tree: each kind of array by what it is made of, so that nothing is copied."""

from __future__ import annotations

from typing import Any

from jo_notebook.store.formats import arrays
from jo_notebook.store.formats.arrow import part_of as arrow_part
from jo_notebook.store.formats.contract import Refused, Unreadable, a
from jo_notebook.store.formats.plain import Leaf, Writer
from jo_notebook.store.formats.plain_reading import Reader, Source, as_dict, as_list, as_text

UNITS = ("s", "ms", "us", "ns")
NUMPY_KINDS = "biufcO"
MASKED = ("IntegerArray", "FloatingArray", "BooleanArray")


def write_column(writer: Writer, array: Any) -> Any:
    """A pandas array of one or, inside a frame, two dimensions, or numpy's. Raises Refused."""
    import numpy
    import pandas

    kind = type(array)
    if kind is numpy.ndarray:
        if array.dtype.kind not in NUMPY_KINDS:
            raise Refused(f"a column of {array.dtype}")
        return arrays.part_of(writer, array)
    name = kind.__name__
    if name == "NumpyExtensionArray":
        return write_column(writer, array.to_numpy())
    write = COLUMNS.get(name)
    if write is None or (getattr(pandas.arrays, name, None) is not kind and not kind.__module__.startswith("pandas.")):
        raise Refused(f"a column that is {a(kind)}")
    writer.spend(6)
    return write(writer, array)


def is_column(value: object) -> bool:
    """Whether pandas can hold this as a column."""
    import numpy
    from pandas.api.extensions import ExtensionArray

    if type(value) is numpy.ndarray:
        return value.dtype.kind in NUMPY_KINDS
    return isinstance(value, ExtensionArray)


def offset_name(freq: Any) -> str | None:
    """A frequency as text. Raises Refused where the text does not say it wholly."""
    from pandas.tseries.frequencies import to_offset

    if freq is None:
        return None
    text = str(freq.freqstr)
    again = to_offset(text)
    if type(again) is not type(freq) or again != freq:
        raise Refused(f"a frequency of {text}")
    return text


def offset_of(text: object) -> Any:
    """The reverse of `offset_name`."""
    from pandas.tseries.frequencies import to_offset

    return None if text is None else to_offset(as_text(text))


# -- times --------------------------------------------------------------------------------------------


def _times(writer: Writer, array: Any) -> Any:
    node: dict[str, Any] = {"values": arrays.part_of(writer, array._ndarray)}
    if getattr(array.dtype, "tz", None) is not None:
        node["zone"] = writer.node(array.dtype.tz)
    if (freq := offset_name(getattr(array, "freq", None))) is not None:  # since pandas 3.1 an index's alone
        node["freq"] = freq
    return {f"${type(array).__name__}": node}


def _read_times(content: Any, source: Source) -> Any:
    import numpy
    import pandas

    about = as_dict(content, "values")
    values, zone = about["values"], about.get("zone")
    if type(values) is not numpy.ndarray or values.dtype.kind not in "mM" or not values.dtype.isnative:
        raise Unreadable("times were expected")
    unit, count = numpy.datetime_data(values.dtype)
    if unit not in UNITS or count != 1:
        raise Unreadable("times of another unit")
    dtype = values.dtype if zone is None else pandas.DatetimeTZDtype(unit, zone)
    kind = pandas.arrays.DatetimeArray if values.dtype.kind == "M" else pandas.arrays.TimedeltaArray
    found = kind._simple_new(values, dtype=dtype)
    return found if about.get("freq") is None else with_freq(pandas.Index(found), about["freq"]).array


def with_freq(index: Any, freq: object) -> Any:
    """The same times, known to follow one another so. Raises ValueError where they do not."""
    return type(index)(index, freq=offset_of(freq), name=index.name)


def _periods(writer: Writer, array: Any) -> Any:
    import pandas

    freq = array.dtype.name.removeprefix("period[").removesuffix("]")
    if pandas.PeriodDtype(freq) != array.dtype:
        raise Refused(f"a column of {array.dtype}")
    return {"$PeriodArray": [arrays.part_of(writer, array.asi8), freq]}


def _read_periods(content: Any, source: Source) -> Any:
    import numpy
    import pandas

    values, freq = as_list(content, 2)
    if type(values) is not numpy.ndarray or values.dtype != "i8" or values.ndim not in (1, 2):
        raise Unreadable("periods were expected")
    return pandas.arrays.PeriodArray(values, dtype=pandas.PeriodDtype(as_text(freq)))


# -- the others ---------------------------------------------------------------------------------------


def _intervals(writer: Writer, array: Any) -> Any:
    from jo_notebook.store.formats.indexes import part_of as index_part

    return {"$IntervalArray": [index_part(writer, array.left), index_part(writer, array.right), array.closed]}


def _read_intervals(content: Any, source: Source) -> Any:
    import pandas

    left, right, closed = as_list(content, 3)
    bounds = (left, right)
    if not all(isinstance(bound, pandas.Index) and not isinstance(bound, pandas.RangeIndex) for bound in bounds):
        raise Unreadable("bounds were expected")
    return pandas.arrays.IntervalArray.from_arrays(left, right, closed=as_text(closed), copy=False)


def _categories(writer: Writer, array: Any) -> Any:
    import pandas

    from jo_notebook.store.formats.indexes import part_of as index_part

    if pandas.Categorical.from_codes(array.codes[:0], dtype=array.dtype).codes.dtype != array.codes.dtype:
        raise Refused("a categorical with wide codes")
    ordered = None if array.ordered is None else bool(array.ordered)
    return {
        "$Categorical": {
            "codes": arrays.part_of(writer, array.codes),
            "categories": index_part(writer, array.categories),
            "ordered": ordered,
        }
    }


def _read_categories(content: Any, source: Source) -> Any:
    import numpy
    import pandas

    about = as_dict(content, "codes", "categories", "ordered")
    codes, categories = about["codes"], about["categories"]
    if type(codes) is not numpy.ndarray or codes.ndim != 1 or codes.dtype.kind != "i":
        raise Unreadable("codes were expected")
    if not isinstance(categories, pandas.Index) or about["ordered"] not in (None, False, True):
        raise Unreadable("categories were expected")
    return pandas.Categorical.from_codes(codes, dtype=pandas.CategoricalDtype(categories, about["ordered"]))


def _masked(writer: Writer, array: Any) -> Any:
    return {f"${type(array).__name__}": [arrays.part_of(writer, array._data), arrays.part_of(writer, array._mask)]}


def _read_masked(name: str) -> Reader:
    def read_masked(content: Any, source: Source) -> Any:
        import numpy
        import pandas

        data, mask = as_list(content, 2)
        if type(data) is not numpy.ndarray or type(mask) is not numpy.ndarray:
            raise Unreadable("numbers and a mask were expected")
        if mask.dtype != bool or data.ndim != 1 or data.shape != mask.shape or not data.dtype.isnative:
            raise Unreadable("numbers and a mask were expected")
        return getattr(pandas.arrays, name)(data, mask, copy=False)

    return read_masked


def _texts(writer: Writer, array: Any) -> Any:
    """Texts in Python's own objects or in Arrow's memory, and what stands for a missing one."""
    import pandas

    dtype = array.dtype
    missing = "NA" if dtype.na_value is pandas.NA else "nan"
    if hasattr(array, "_pa_array"):
        return {"$strings": [dtype.storage, missing, arrow_part(writer, array._pa_array)]}
    return {"$strings": [dtype.storage, missing, arrays.part_of(writer, array._ndarray)]}


def _read_texts(content: Any, source: Source) -> Any:
    import numpy
    import pandas

    storage, missing, held = as_list(content, 3)
    if missing == "nan":
        dtype = pandas.StringDtype(as_text(storage), na_value=numpy.nan)
    else:
        dtype = pandas.StringDtype(as_text(storage))
    if type(held) is numpy.ndarray:
        return pandas.array(held, dtype=dtype, copy=False)
    return dtype.__from_arrow__(_chunks(held))


def _arrow(writer: Writer, array: Any) -> Any:
    return {"$ArrowExtensionArray": arrow_part(writer, array._pa_array)}


def _read_arrow(content: Any, source: Source) -> Any:
    import pandas

    return pandas.arrays.ArrowExtensionArray(_chunks(content))


def _chunks(held: object) -> Any:
    import pyarrow

    if not isinstance(held, pyarrow.ChunkedArray):
        raise Unreadable("Arrow's memory was expected")
    return held


COLUMNS: dict[str, Leaf] = {
    **dict.fromkeys(("DatetimeArray", "TimedeltaArray"), _times),
    "PeriodArray": _periods,
    "IntervalArray": _intervals,
    "Categorical": _categories,
    **dict.fromkeys(MASKED, _masked),
    **dict.fromkeys(("StringArray", "StringArrayNumpySemantics", "ObjectStringArray"), _texts),
    **dict.fromkeys(("ArrowStringArray", "ArrowStringArrayNumpySemantics"), _texts),
    "ArrowExtensionArray": _arrow,
}

READERS: dict[str, Reader] = {
    "$DatetimeArray": _read_times,
    "$TimedeltaArray": _read_times,
    "$PeriodArray": _read_periods,
    "$IntervalArray": _read_intervals,
    "$Categorical": _read_categories,
    **{f"${name}": _read_masked(name) for name in MASKED},
    "$strings": _read_texts,
    "$ArrowExtensionArray": _read_arrow,
}
