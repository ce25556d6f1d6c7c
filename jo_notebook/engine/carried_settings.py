"""Settings of whole libraries that a notebook has changed, so that a step finds them in another process, too.

They are no part of what makes a result (docs/staleness.md says so); yet a step must give the same wherever it runs.
"""

from __future__ import annotations

import contextlib
import importlib
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from jo_notebook.engine.packing import packed

Settings = dict[str, Any]
AT_FIRST = object()
"""For a setting that is to be what the library begins with."""


@dataclass(frozen=True, slots=True)
class Library:
    """How one library's settings are read and written; `defaults` are those that it begins with."""

    read: Callable[[Any], Settings]
    write: Callable[[Any, Settings], object]
    defaults: Settings = field(default_factory=dict)


def settings_now() -> dict[str, Settings]:
    """The settings, of libraries that are loaded here, that are not what they are at first."""
    found = {}
    for name, library in LIBRARIES.items():
        module = sys.modules.get(name)
        if module is None:
            continue
        with contextlib.suppress(Exception), _quietly():  # another release of the library may have none of this
            now = library.read(module)
            changed = {key: now[key] for key in now if key not in library.defaults or now[key] != library.defaults[key]}
            if changed:
                found[name] = changed
    return found


def packed_settings() -> bytes:
    """The same as bytes, as far as they can be sent."""
    found: dict[str, Settings] = {}
    for name, settings in settings_now().items():
        with contextlib.suppress(Exception):
            packed(settings)
            found[name] = settings
    return packed(found)


def apply_settings(wanted: Mapping[str, Settings]) -> None:
    """From now on it is here as `settings_now` said of there, whatever a step before has left."""
    for name in LIBRARIES:
        if name in wanted or name in sys.modules:
            with contextlib.suppress(Exception), _quietly():  # a library that is not here: the step's import tells
                _apply(LIBRARIES[name], importlib.import_module(name), wanted.get(name, {}))


def _apply(library: Library, module: Any, wanted: Settings) -> None:
    now = library.read(module)
    target = {key: library.defaults.get(key, AT_FIRST) for key in now if key not in wanted} | wanted
    changed = {key: value for key, value in target.items() if key not in now or now[key] != value}
    if changed:
        library.write(module, changed)


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Settings on their way out warn when they are looked at."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def _pandas_options(pandas: Any) -> Settings:
    config = importlib.import_module("pandas._config.config")
    rows = ((key, pandas.get_option(key), row.defval) for key, row in config._registered_options.items())
    return {key: value for key, value, default in rows if value is not default and value != default}


def _set_pandas_options(pandas: Any, settings: Settings) -> None:
    for key, value in settings.items():
        if value is AT_FIRST:
            pandas.reset_option(f"^{key}$")
        else:
            pandas.set_option(key, value)


def _drawing(matplotlib: Any) -> Settings:
    ours, theirs = matplotlib.rcParams, matplotlib.rcParamsDefault
    kept = (key for key in theirs if not key.startswith(OF_THE_SCREEN))
    return {key: dict.__getitem__(ours, key) for key in kept if dict.__getitem__(ours, key) != theirs[key]}


def _draw_so(matplotlib: Any, settings: Settings) -> None:
    for key, value in settings.items():
        matplotlib.rcParams[key] = matplotlib.rcParamsDefault[key] if value is AT_FIRST else value


def _reckon_so(decimal: Any, settings: Settings) -> None:
    for key, value in settings.items():
        setattr(decimal.getcontext(), key, value)


def _of(names: Iterable[str], settings: Settings) -> Settings:
    return {name: settings[name] for name in names if name in settings}


OF_THE_SCREEN = ("backend", "interactive", "toolbar", "webagg", "figure.hooks")
SKLEARN = {
    "assume_finite": False,
    "transform_output": "default",
    "enable_metadata_routing": False,
    "array_api_dispatch": False,
    "skip_parameter_validation": False,
}

LIBRARIES: dict[str, Library] = {
    "sys": Library(
        lambda sys: {"limit": sys.getrecursionlimit()},
        lambda sys, new: sys.setrecursionlimit(new["limit"]),
        {"limit": 1000},
    ),
    "decimal": Library(
        lambda decimal: {"prec": decimal.getcontext().prec, "rounding": decimal.getcontext().rounding},
        _reckon_so,
        {"prec": 28, "rounding": "ROUND_HALF_EVEN"},
    ),
    "numpy": Library(
        lambda numpy: dict(numpy.geterr()),
        lambda numpy, new: numpy.seterr(**new),
        {"divide": "warn", "over": "warn", "under": "ignore", "invalid": "warn"},
    ),
    "pandas": Library(_pandas_options, _set_pandas_options),
    "sklearn": Library(
        lambda sklearn: _of(SKLEARN, sklearn.get_config()),
        lambda sklearn, new: sklearn.set_config(**new),
        SKLEARN,
    ),
    "torch": Library(
        lambda torch: {"dtype": str(torch.get_default_dtype()).partition(".")[2]},
        lambda torch, new: torch.set_default_dtype(getattr(torch, new["dtype"])),
        {"dtype": "float32"},
    ),
    "xarray": Library(
        lambda xarray: _of(("keep_attrs", "arithmetic_join"), xarray.get_options()),
        lambda xarray, new: xarray.set_options(**new),
        {"keep_attrs": "default", "arithmetic_join": "inner"},
    ),
    "matplotlib": Library(_drawing, _draw_so),
}
