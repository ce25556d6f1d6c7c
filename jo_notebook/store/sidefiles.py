"""The files beside the record of a store that job_orchestra wrote: found, and read without running their code.

The record names them by the path they had when they were written. Whatever it says, nothing outside of the store's
own directory is read: a store that was moved has them beside its record, and one that names another place has not.
"""

from __future__ import annotations

import math
import os
import re
import stat
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, BinaryIO

from jo_notebook.errors import StoreError

FIRST_SAFE_PYARROW = 15
"""Older ones may run code that a file names."""


class Unusable(Exception):
    """A side file that cannot be had or makes no sense; the message says why, without its name."""


@dataclass(frozen=True, slots=True)
class Side:
    """One side file: what it holds, and where it is; `why` says why it cannot be had."""

    kind: str
    path: str
    why: str = ""
    size: int = 0
    mark: str = ""

    @property
    def runs_code(self) -> bool:
        """Whether reading it runs code of whoever made it."""
        return self.kind == PICKLE and not self.why

    def open(self) -> BinaryIO:
        """The file. Raises Unusable where it has gone or was replaced by what is no file."""
        try:
            return os.fdopen(os.open(self.path, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0)), "rb")
        except OSError as error:
            raise Unusable(f"its file cannot be read: {error.strerror or error}") from None

    def read(self) -> Any:
        """The value. Raises Unusable, and StoreError where a library is missing."""
        if self.why:
            raise Unusable(self.why)
        try:
            with self.open() as handle:
                return READERS[self.kind](handle)
        except ImportError as missing:
            what = missing.name or "a library"
            raise StoreError(f"{os.path.basename(self.path)} needs {what}, which is not installed here.") from None
        except (Unusable, StoreError, KeyboardInterrupt):
            raise
        except BaseException as error:
            first = (str(error).splitlines() or [""])[0]
            raise Unusable(f"its file makes no sense ({type(error).__name__}: {first})") from error


def find(kind: str, folder: str, recorded: str) -> Side:
    """The side file that a record means: at the path it names if that is in the store's directory, else beside it."""
    home = os.path.realpath(folder)
    names = dict.fromkeys((recorded.rpartition("/")[2], re.split(r"[\\/]", recorded)[-1]))
    beside = [os.path.join(home, name) for name in names if name]
    for path in (recorded, *beside):
        found, info = _file_at(path)
        if info is not None and os.path.dirname(found) == home:  # job_orchestra makes no directories in a store
            return Side(kind, found, size=info.st_size, mark=f"{info.st_size} {info.st_mtime_ns}")
    if any(_file_at(path)[1] for path in beside):
        return Side(kind, "", "its file is a link that leads out of the store, which is not followed")
    if _file_at(recorded)[1]:
        return Side(kind, "", "its file is outside of the store, where nothing is read: move it beside the record")
    return Side(kind, "", "its file is not there")


def _file_at(path: str) -> tuple[str, os.stat_result | None]:
    """Where a path leads to, and what is known of the file there; nothing where there is none."""
    try:
        found = os.path.realpath(path)
        info = os.lstat(found)
    except (OSError, ValueError):  # no such file, or a name that none can have
        return "", None
    return found, info if stat.S_ISREG(info.st_mode) else None


def _frame(handle: BinaryIO) -> Any:
    import pandas
    import pyarrow

    if int(pyarrow.__version__.partition(".")[0]) < FIRST_SAFE_PYARROW:
        raise StoreError(f"pyarrow {pyarrow.__version__} may run code that a file names: update it to read this store.")
    return pandas.read_parquet(handle, engine="pyarrow")


def _series(handle: BinaryIO) -> Any:
    frame = _frame(handle)
    if len(frame.columns) != 1:
        raise Unusable(f"its file has {len(frame.columns)} columns, and a series has one")
    return frame[frame.columns[0]]


def _array(handle: BinaryIO) -> Any:
    import numpy

    form = numpy.lib.format
    headers = {(1, 0): form.read_array_header_1_0, (2, 0): form.read_array_header_2_0}
    if (version := form.read_magic(handle)) not in headers:
        raise Unusable(f"its file is of version {version[0]} of npy, which is not read here")
    shape, _, dtype = headers[version](handle)
    size = os.fstat(handle.fileno()).st_size - handle.tell()
    if math.prod(shape) * dtype.itemsize != size and not dtype.hasobject:
        raise Unusable("its file has another size than its array")  # found before room is made for the array
    handle.seek(0)
    return form.read_array(handle, allow_pickle=False)


def _pickled(handle: BinaryIO) -> Any:
    from jo_notebook.store.formats.pickles import decode_pickle

    return decode_pickle(handle.read(), ())


PICKLE = "_-_pickle"
READERS: dict[str, Callable[[BinaryIO], Any]] = {
    "_-_pd.DataFrame": _frame,
    "_-_pd.Series": _series,
    "_-_np.ndarray": _array,
    PICKLE: _pickled,
}
"""By the mark that job_orchestra puts behind a name."""
