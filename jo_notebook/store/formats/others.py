"""Formats of other packages, by the entry point group `jo_notebook.formats`.

A package offers one like this, in its `pyproject.toml`, where `zarr_format` is a `jo_notebook.store.formats.Format`:

    [project.entry-points."jo_notebook.formats"]
    zarr = "its_package.its_module:zarr_format"

They are looked up once in a process, and only when a value is met that our own formats leave to pickle, or a name
that we do not know. A broken one is left out; `problems` says why.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from typing import TYPE_CHECKING

from jo_notebook.store.formats.contract import Format
from jo_notebook.store.formats.ours import FORMATS

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP = "jo_notebook.formats"

problems: list[str] = []
"""What is wrong with formats that were left out."""


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
            problems.append(f"{entry.name} ({entry.value}): {type(error).__name__}: {error}")
        else:
            found[form.name] = form
    return found


def takes(form: Format, value: object) -> bool:
    """Whether it says so; one that fails does not."""
    try:
        return form.takes(value)
    except Exception as error:  # noqa: BLE001 - as above
        problems.append(f"{form.name}: {type(error).__name__}: {error}")
        return False


def _loaded(entry: EntryPoint) -> Format:
    form = entry.load()
    if not isinstance(form, Format) or not form.name.isidentifier():
        raise TypeError(f"it is no {Format.__qualname__} with a name")
    return form
