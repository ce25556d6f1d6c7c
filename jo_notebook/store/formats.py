"""The formats a value can be written in, best first. Reading never guesses: a file names its format."""

from __future__ import annotations

import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from jo_notebook.errors import ResultNotSaved, StoreError
from jo_notebook.store import pickles


@dataclass(frozen=True, slots=True)
class Encoded:
    """A value as bytes, and what is worth knowing of how it was written."""

    format: str
    stream: bytes
    buffers: tuple[memoryview, ...] = ()
    versions: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """In bytes."""
        return len(self.stream) + sum(len(buffer) for buffer in self.buffers)


@dataclass(frozen=True, slots=True)
class Format:
    """A way to write values.

    `encode` raises pickles.Refused where the value cannot be written this way. `runs_code` marks formats
    whose reading can run code, `one_python` those that another minor version of Python must not read.
    """

    name: str
    encode: Callable[[object], tuple[bytes, Mapping[str, str]]]
    decode: Callable[[bytes], object]
    runs_code: bool = True
    one_python: bool = False


FORMATS = {
    form.name: form
    for form in (
        Format("pickle", pickles.encode_plain, pickles.decode_plain),
        Format("dill", pickles.encode_dill, pickles.decode_dill, one_python=True),
    )
}


def encode(value: object, *, wanted: str = "") -> Encoded:
    """The value in the first format that takes it.

    Raises ResultNotSaved with the path to what is in the way, as told by the last format tried.
    """
    reason = "no format takes it"
    for form in FORMATS.values():
        try:
            payload, versions = form.encode(value)
        except pickles.Refused as refusal:
            reason = str(refusal)
        else:
            return Encoded(form.name, payload, (), versions)
    raise ResultNotSaved(reason)


def runs_code(name: str) -> bool:
    """Whether reading this format can run code; unknown formats can."""
    return name not in FORMATS or FORMATS[name].runs_code


def decode(name: str, stream: bytes, buffers: Sequence[memoryview], *, python: str, step: str) -> object:
    """The value again. Raises StoreError where this kernel lacks what the value needs."""
    if name not in FORMATS:
        raise StoreError(f"{step} was saved as {name}, which this jo_notebook cannot read: update it or run it again.")
    if FORMATS[name].one_python and python != python_minor():
        raise StoreError(f"{step} was saved by Python {python}, this is {python_minor()}: run it again.")
    try:
        return FORMATS[name].decode(stream)
    except pickles.NotDefined as missing:
        raise StoreError(
            f"{step}'s value needs {missing}, which is not defined here: "
            f"run the cell that defines it, or run {step} again."
        ) from missing
    except ModuleNotFoundError as missing:
        raise StoreError(f"{step}'s value needs the module {missing.name}, which is not installed here.") from missing
    except Exception as error:  # a value's own code runs here and may raise anything
        text = f"{type(error).__name__}: {error}"
        raise StoreError(f"{step}'s value is whole but cannot be made again ({text}): run {step} again.") from error


def python_minor() -> str:
    """The version that decides whether code objects can be read, for instance 3.12."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


def python_version() -> str:
    """The whole version, for people."""
    return platform.python_version()
