"""pandas' frames and series as parts of a tree, block by block: columns of one dtype lie in memory together.

So neither saving nor loading copies them. Where pandas does not let us build a frame of blocks, it is built of
their columns.
"""

from __future__ import annotations

from typing import Any

from jo_notebook.store.formats.columns import is_column, write_column
from jo_notebook.store.formats.contract import Refused, Unreadable
from jo_notebook.store.formats.indexes import part_of as index_part
from jo_notebook.store.formats.plain import Writer
from jo_notebook.store.formats.plain_reading import Reader, Source, as_dict, as_ints, as_list

MOST_COLUMNS = 10_000_000


def write_index(writer: Writer, value: Any) -> Any:
    """An index that stands alone."""
    _note_version(writer)
    return index_part(writer, value)


def write_series(writer: Writer, value: Any) -> Any:
    """A column with its name and its index."""
    writer.once(value)
    _note_version(writer)
    node = _said_of(writer, value)
    node["name"] = writer.node(value.name)
    node["values"] = write_column(writer, value.array)
    node["index"] = index_part(writer, value.index)
    return {"$Series": node}


def write_frame(writer: Writer, value: Any) -> Any:
    """The blocks of a frame, its index and its columns."""
    writer.once(value)
    _note_version(writer)
    node = _said_of(writer, value)
    node["columns"] = index_part(writer, value.columns)
    node["index"] = index_part(writer, value.index)
    node["blocks"] = [[_place(writer, place), write_column(writer, held)] for place, held in _blocks(value)]
    return {"$DataFrame": node}


def _note_version(writer: Writer) -> None:
    import pandas

    writer.versions["pandas"] = pandas.__version__


def _said_of(writer: Writer, value: Any) -> dict[str, Any]:
    node: dict[str, Any] = {}
    if type(value.attrs) is not dict:
        raise Refused("attributes that are no dict")
    if value.attrs:
        node["attrs"] = writer.node(value.attrs)
    if not value.flags.allows_duplicate_labels:
        node["unique"] = True
    return node


def _blocks(value: Any) -> list[tuple[Any, Any]]:
    """Where the columns of each block stand, and the block."""
    import numpy

    try:
        return [(block.mgr_locs.as_array, block.values) for block in value._mgr.blocks]
    except AttributeError:  # another pandas: its columns, each copied where it must be
        return [(numpy.array([n]), _column(value.iloc[:, n].array)) for n in range(value.shape[1])]


def _column(array: Any) -> Any:
    return array.to_numpy()[None, :] if type(array).__name__ == "NumpyExtensionArray" else array


def _place(writer: Writer, place: Any) -> list[Any]:
    """Numbers of columns: where they begin, how many there are and how far apart, or all of them."""
    first, count = int(place[0]) if len(place) else 0, len(place)
    step = int(place[1]) - first if count > 1 else 1
    if all(place == range(first, first + step * count, step) if step else [False]):
        return [first, count, step]
    writer.spend(count)
    return [place.tolist()]


def _read_place(content: Any, most: int) -> list[int]:
    found = as_list(content)
    if len(found) == 1:
        return as_ints(found[0])
    first, count, step = as_ints(found, 3)
    if not 0 <= count <= most:
        raise Unreadable("more columns than there are")
    return [first + step * n for n in range(count)]


def _read_frame(content: Any, source: Source) -> Any:
    import pandas

    about = as_dict(content, "columns", "index", "blocks")
    columns, index = about["columns"], about["index"]
    if not isinstance(columns, pandas.Index) or not isinstance(index, pandas.Index) or len(columns) > MOST_COLUMNS:
        raise Unreadable("an index was expected")
    blocks, places = [], []
    for block in as_list(about["blocks"]):
        place, held = as_list(block, 2)
        place = _read_place(place, len(columns))
        if not is_column(held) or not _fits(held, len(place), len(index)):
            raise Unreadable("a block that does not fit its frame")
        blocks.append((held, place))
        places += place
    if len(places) != len(columns) or sorted(places) != list(range(len(columns))):
        raise Unreadable("columns that are missing, or there twice")
    return _say(about, _built(blocks, index, columns))


def _fits(held: Any, columns: int, rows: int) -> bool:
    """Whether a block has this shape; of arrays that pandas made itself a single column may be flat."""
    import numpy

    if held.ndim == 2:
        return bool(held.shape == (columns, rows))
    return type(held) is not numpy.ndarray and columns == 1 and held.ndim == 1 and len(held) == rows


def _built(blocks: list[tuple[Any, list[int]]], index: Any, columns: Any) -> Any:
    import numpy

    try:
        from pandas.api.internals import create_dataframe_from_blocks as make
    except ImportError:
        return built_of_columns(blocks, index, columns)
    return make([(held, numpy.array(place, "i8")) for held, place in blocks], index=index, columns=columns)


def built_of_columns(blocks: list[tuple[Any, list[int]]], index: Any, columns: Any) -> Any:
    """A frame of the columns of some blocks, for a pandas that does not take blocks."""
    import pandas

    parts = {}
    for held, place in blocks:
        for row, number in enumerate(place):
            values = held[row] if held.ndim == 2 else held
            parts[number] = pandas.Series(values, index=index, dtype=values.dtype, copy=False)
    found = pandas.DataFrame(dict(sorted(parts.items())), index=index, copy=False)
    found.columns = columns
    return found


def _read_series(content: Any, source: Source) -> Any:
    import pandas

    about = as_dict(content, "name", "values", "index")
    values, index = about["values"], about["index"]
    if not is_column(values) or values.ndim != 1 or not isinstance(index, pandas.Index) or len(index) != len(values):
        raise Unreadable("a column with its index was expected")
    return _say(about, pandas.Series(values, index=index, name=about["name"], dtype=values.dtype, copy=False))


def _say(about: dict[str, Any], found: Any) -> Any:
    if "attrs" in about:
        found.attrs.update(as_dict(about["attrs"]))
    if about.get("unique"):
        found.flags.allows_duplicate_labels = False
    return found


READERS: dict[str, Reader] = {"$DataFrame": _read_frame, "$Series": _read_series}
