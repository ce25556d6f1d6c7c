"""Our own formats, best first: a row each. Its module is imported when a value or a file needs it.

All of them together take as long to import as the rest of the store; a kernel that only looks at its results need
not wait for that, and one that saves numbers needs nothing of frames.
"""

from __future__ import annotations

import functools
import importlib
from collections.abc import Sequence
from typing import Any

from jo_notebook.core.kinds import module_of
from jo_notebook.store.formats.contract import Format, Written

PLAIN = ("builtins", "jo_notebook", "collections", "datetime", "zoneinfo", "decimal", "fractions", "uuid", "pathlib")
TABLES = ("pyarrow", "polars")
LIBRARIES = ("numpy", "pandas", "scipy", "torch", *TABLES)
MODULES = {"json": "text", "pickle": "pickles", "dill": "pickles"}
"""Where a format is, if not in a module of its own name."""

SPARSE = tuple(f"{form}_{kind}" for form in ("csr", "csc", "coo") for kind in ("matrix", "array"))
INDEXES = (
    *("Index", "RangeIndex", "MultiIndex", "DatetimeIndex", "TimedeltaIndex", "PeriodIndex", "IntervalIndex"),
    "CategoricalIndex",
)
"""Classes that the format data knows: of scipy, and of pandas."""


@functools.cache
def part(module: str, name: str) -> Any:
    """Something out of one of our modules, which is imported if it has not been."""
    return getattr(importlib.import_module(f"{__package__}.{module}"), name)


def _row(
    name: str, homes: tuple[str, ...], summary: str, *, runs_code: bool = False, one_python: bool = False
) -> Format:
    """A format whose values are of classes that are at home in these packages; of any where none is named."""
    module = MODULES.get(name, name)
    suffix = f"_{name}" if module == "pickles" else ""

    def takes(value: object) -> bool:
        if not homes:
            return True
        return module_of(type(value)).partition(".")[0] in homes and bool(part(module, "takes")(value))

    def encode(value: object) -> Written:
        written: Written = part(module, f"encode{suffix}")(value)
        return written

    def decode(stream: bytes, buffers: Sequence[memoryview]) -> object:
        found: object = part(module, f"decode{suffix}")(stream, buffers)
        return found

    return Format(name, takes, encode, decode, runs_code, one_python, summary)


SAFE = (
    _row("json", PLAIN, "plain data as text: numbers, texts, lists, …"),
    _row("npy", ("numpy",), "one numpy array, as a .npy file"),
    _row("arrow", TABLES, "a table as an Arrow IPC file"),
    _row("data", (*PLAIN, *LIBRARIES), "plain data with arrays, frames and tables in it"),
)
ASKED = (_row("parquet", (*TABLES, "pandas"), "a table as a Parquet file"),)
LAST = (
    _row("pickle", (), "any Python value, by the standard library", runs_code=True),
    _row("dill", (), "any Python value, functions of the notebook too", runs_code=True, one_python=True),
)
FORMATS = {form.name: form for form in (*SAFE, *ASKED, *LAST)}
