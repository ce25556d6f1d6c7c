"""Formats of other packages, by the entry point group `jo_notebook.formats`.

A package offers one like this, in its `pyproject.toml`, where `zarr_format` is a `jo_notebook.store.formats.Format`:

    [project.entry-points."jo_notebook.formats"]
    zarr = "its_package.its_module:zarr_format"

They are looked up when a value is met that our own formats leave to pickle, or a name that we do not know: once in
a process, and again before a name is refused. A broken one is left out; `problems` says why.
"""

from __future__ import annotations

import functools
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jo_notebook.store.formats.contract import Format, Written, a
from jo_notebook.store.formats.ours import FORMATS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "jo_notebook.formats"

problems: list[str] = []
"""What is wrong with formats that were left out, or that failed when they were asked: sentences, each once."""


@functools.lru_cache(maxsize=1)
def formats() -> Mapping[str, Format]:
    """The formats of other packages, by name."""
    from importlib.metadata import entry_points  # slow to import, and most values need no format of others

    found: dict[str, Format] = {}
    for entry in entry_points(group=GROUP):
        try:
            form = _loaded(entry)
            if form.name in FORMATS or form.name in found:
                raise ValueError(f"there is a format {form.name} already")
        except Exception as error:  # noqa: BLE001 - code of others, which must not stop a save
            _note(f"The format {entry.name} ({entry.value}) is left out", error)
        else:
            found[form.name] = form
    return found


def look_again() -> Mapping[str, Format]:
    """As `formats`, after a package may have been installed under this process."""
    problems.clear()
    formats.cache_clear()
    return formats()


def takes(form: Format, value: object) -> bool:
    """Whether it says so; one that fails does not."""
    try:
        return form.takes(value)
    except Exception as error:  # noqa: BLE001 - as above
        _note(f"The format {form.name} could not say whether it takes {a(type(value))}", error)
        return False


def _note(what: str, error: Exception) -> None:
    text = f"{what}: {type(error).__name__}: {str(error).partition(chr(10))[0]}"
    if text not in problems:
        problems.append(text)


def _loaded(entry: EntryPoint) -> Format:
    form = entry.load()
    if not isinstance(form, Format) or not form.name.isidentifier():
        raise TypeError(f"it is no {Format.__qualname__} with a name")
    encode = form.encode
    return replace(form, encode=lambda value: _checked(*encode(value)))


def _checked(stream: bytes, buffers: Iterable[Any], versions: Mapping[str, str]) -> Written:
    """What another package wrote, as ours would. Raises TypeError where it cannot be."""
    if not isinstance(stream, bytes):
        raise TypeError(f"its stream is {a(type(stream))}, not bytes")
    views = [memoryview(buffer) for buffer in buffers]
    flat = tuple(view.cast("B") if view.nbytes else memoryview(b"") for view in views)
    return stream, flat, {str(name): str(version) for name, version in versions.items()}
