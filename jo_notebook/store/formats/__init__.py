"""How values are written: as a small stream beside buffers of the value's own memory.

`table` tries one format after the other: json, npy, arrow, data, those of other packages, pickle, dill. The first
four run no code when they are read. Other packages add a format by the entry point group `jo_notebook.formats`,
each entry naming an object of the class `Format`; see `others`.
"""

from jo_notebook.store.formats.contract import Encoded, Format, NotDefined, Refused, Unfit, Unreadable
from jo_notebook.store.formats.table import (
    check_format,
    decode,
    encode,
    format_names,
    format_problems,
    python_minor,
    python_version,
    runs_code,
)

__all__ = [
    "Encoded",
    "Format",
    "NotDefined",
    "Refused",
    "Unfit",
    "Unreadable",
    "check_format",
    "decode",
    "encode",
    "format_names",
    "format_problems",
    "python_minor",
    "python_version",
    "runs_code",
]
