"""The formats a value can be written in, best first. Reading never guesses: a file names its format."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import cache, partial

from jo_notebook.core.version import version_of
from jo_notebook.errors import ResultNotSaved, StoreError, UsageError, did_you_mean
from jo_notebook.store.formats import others
from jo_notebook.store.formats.contract import PROBE_BELOW, Encoded, Format, NotDefined, Refused
from jo_notebook.store.formats.ours import FORMATS, LAST, SAFE


def encode(value: object, *, wanted: str = "", plain: bool = False) -> Encoded:
    """The value in the first format that takes it, or in the one that is wanted; with `plain` in none that runs code.

    Raises ResultNotSaved with the path to what is in the way, as told by the last format tried, and UsageError
    where there is no such format.
    """
    if plain and wanted and runs_code(wanted):
        raise ResultNotSaved(f"the format {wanted} runs code when it is read")
    if wanted:
        try:
            return _written(_format(check_format(wanted)), value)
        except Refused as refusal:
            raise ResultNotSaved(
                f"the value cannot be written as {wanted}: {refusal}; leave --format out"
            ) from refusal.__cause__
    reason = "no format takes it"
    for form in _formats_for(value):
        if plain and form.runs_code:
            continue
        try:
            return _written(form, value)
        except Refused as refusal:
            reason = str(refusal)
    raise ResultNotSaved(reason)


def decode(name: str, stream: bytes, buffers: Sequence[memoryview] = (), *, python: str, step: str) -> object:
    """The value again. Raises StoreError where this kernel lacks what the value needs."""
    form = _format(name) or others.look_again().get(name)
    if form is None:
        raise StoreError(
            f"{step} was saved as {name}, a format that is not here: install the package that brings it, update "
            f"jo_notebook, or run {step} again.{_trouble(name)}"
        )
    if form.one_python and python != python_minor():
        raise StoreError(f"{step} was saved by Python {python}, this is {python_minor()}: run it again.")
    try:
        return form.decode(stream, buffers)
    except NotDefined as missing:
        raise StoreError(
            f"{step}'s value needs {missing}, which is not defined here: "
            f"run the cell that defines it, or run {step} again."
        ) from missing
    except ModuleNotFoundError as missing:
        raise StoreError(f"{step}'s value needs the module {missing.name}, which is not installed here.") from missing
    except BaseException as error:  # a value's own code runs here and may raise anything
        _pass_on(error)
        text = f"{type(error).__name__}: {error}"
        raise StoreError(f"{step}'s value is whole but cannot be made again ({text}): run {step} again.") from error


def runs_code(name: str) -> bool:
    """Whether reading this format can run code; unknown formats can."""
    form = _format(name)
    return form is None or form.runs_code


def check_format(name: str, *, step: str = "") -> str:
    """The name of a format. Raises UsageError for any other; it names the step that wants it."""
    if _format(name) is None and name not in others.look_again():
        known = format_names()
        wanted = f"{step} wants the format {name!r}, which is not here" if step else f"There is no format {name!r}"
        raise UsageError(f"{wanted}: say {', '.join(known)}.{did_you_mean(name, known)}{_trouble(name)}")
    return name


def format_names() -> list[str]:
    """All formats, in the order in which they are tried."""
    return [*FORMATS, *others.formats()]


def format_problems() -> list[str]:
    """What is wrong with the formats of other packages, as far as they have been looked at."""
    return list(others.problems)


def python_minor() -> str:
    """The version that decides whether code objects can be read, for instance 3.12."""
    return f"{sys.version_info.major}.{sys.version_info.minor}"


@cache
def python_version() -> str:
    """The whole version, for people."""
    return platform.python_version()


def _trouble(name: str) -> str:
    """What is wrong with a format of that name which was left out, as another sentence."""
    return "".join(f" {text}" for text in others.problems if text.startswith(f"The format {name} "))


def _format(name: str) -> Format | None:
    return FORMATS.get(name) or others.formats().get(name)


def _formats_for(value: object) -> Iterator[Format]:
    yield from (form for form in SAFE if form.takes(value))
    if type(value).__module__ != "builtins":
        for form in others.formats().values():
            if others.takes(form, value):
                yield form
    yield from LAST


def _written(form: Format | None, value: object) -> Encoded:
    """The value in this format, read back once if it is small. Raises Refused, and nothing else."""
    assert form is not None
    try:
        encoded = Encoded(form.name, *form.encode(value))
    except Refused:
        raise
    except BaseException as error:
        _pass_on(error)
        raise Refused(f"{type(error).__name__}: {error}") from error
    if encoded.size < PROBE_BELOW:
        _probe(form, encoded, value)
    elif form.runs_code and len(encoded.stream) < PROBE_BELOW:
        _probe(form, replace(encoded, buffers=tuple(buffer.toreadonly() for buffer in encoded.buffers)), value)
    return encoded


def _probe(form: Format, encoded: Encoded, value: object) -> None:
    """Raises Refused where what was written cannot be read back or, where no code runs, is another value."""
    try:
        small = encoded.size < PROBE_BELOW
        copies = [memoryview(bytearray(buffer)) if small else buffer for buffer in encoded.buffers]
        found = form.decode(encoded.stream, copies)
        same = form.runs_code or version_of(found).digest == version_of(value).digest
    except BaseException as error:  # a value's own code runs here and may raise anything
        _pass_on(error)
        from jo_notebook.store.formats.blame import path_to_unreadable  # seldom wanted

        way = path_to_unreadable(value, partial(_reads_back, form))
        raise Refused(f"{way}: cannot be read back ({type(error).__name__}: {error})") from error
    if not same:
        raise Refused("it would not come back the same")


def _reads_back(form: Format, value: object) -> bool:
    """Whether a part of a value, written alone, can be read; one that cannot even be written is not looked for."""
    try:
        stream, buffers, _ = form.encode(value)
    except BaseException as error:  # noqa: BLE001 - a value's own code runs here
        _pass_on(error)
        return True
    try:
        form.decode(stream, tuple(buffer.toreadonly() for buffer in buffers))
    except BaseException as error:  # noqa: BLE001 - a value's own code runs here
        _pass_on(error)
        return False
    return True


def _pass_on(error: BaseException) -> None:
    """What is meant for others is theirs; the rest, SystemExit and panics of extensions too, is the value's."""
    if isinstance(error, (KeyboardInterrupt, GeneratorExit)):
        raise error
