"""Where code lives: in the notebook, in a local module, in an installed package, in Python itself.

Told from what the process has loaded and from names of directories alone; nothing is read.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from types import ModuleType
from typing import Any

OURS = "jo_notebook"
OBJECT = "_jo_object_"  # before the name of a step: the name of an object that is its code
INSTALLED_PLACES = ("site-packages", "dist-packages")


class Kind(StrEnum):
    """What a module is, as far as staleness goes."""

    NOTEBOOK = "notebook"
    STANDARD = "standard"
    INSTALLED = "installed"
    LOCAL = "local"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class Home:
    """What is known of a module without importing it.

    `text` is the source of a LOCAL one, and `problem` says in one line why there is none that Python reads.
    `distribution` and `version` are of an INSTALLED one. `path` is for messages and never stored.
    """

    kind: Kind
    name: str
    text: str = ""
    is_package: bool = False
    distribution: str = ""
    version: str = ""
    problem: str = ""
    path: str = ""


Find = Callable[[str], Home]
"""Says what is known of a module, by its full name."""


def kind_of(module: str) -> Kind:
    """What the module of this dotted name is, by what this process has loaded.

    LOCAL is one whose Python source lies outside the directories where packages are installed: beside the
    notebook, elsewhere on the path, or an editable install. MISSING is one that is not loaded.
    """
    if module in ("__main__", "__mp_main__"):
        return Kind.NOTEBOOK
    loaded = sys.modules.get(module)
    if is_standard(module):
        # a user's own `statistics.py` beside the notebook comes before Python's
        path = "" if loaded is None else source_of(loaded)
        return Kind.LOCAL if kind_of_path(path) is Kind.LOCAL and ".zip" not in path else Kind.STANDARD
    if module.partition(".")[0] == OURS:
        return Kind.INSTALLED
    return Kind.MISSING if loaded is None else kind_of_path(source_of(loaded))


def is_standard(module: str) -> bool:
    """Whether a module of Python itself has this name."""
    top = module.partition(".")[0]
    return top in sys.stdlib_module_names or top in sys.builtin_module_names


def kind_of_path(path: str) -> Kind:
    """The same by the path of a module's file or, for a namespace package, one of its directories."""
    if not path:
        return Kind.INSTALLED  # built in, frozen, or made by hand: nothing that a user edits on disk
    if any(piece in INSTALLED_PLACES for piece in path.replace("\\", "/").split("/")):
        return Kind.INSTALLED
    if path.startswith(_standard_places()):
        return Kind.STANDARD
    return Kind.INSTALLED if path.endswith((".so", ".pyd", ".pyc")) else Kind.LOCAL


def is_users_code(filename: str) -> bool:
    """Whether code of this file is the user's: a cell, or a local module."""
    return not os.path.exists(filename) or "ipykernel" in filename or kind_of_path(filename) is Kind.LOCAL


def names_of(module: ModuleType) -> dict[str, Any]:
    """What a module holds, by name. A module that loads itself at the first look (a lazy one) is left alone."""
    names: dict[str, Any] = ModuleType.__getattribute__(module, "__dict__")
    return names


def source_of(module: ModuleType) -> str:
    """The path of a loaded module's file or, for a namespace package, one of its directories; else empty.

    Reads what the module itself holds: a `__getattr__` of the user's is not called.
    """
    names = names_of(module)
    origin = getattr(names.get("__spec__"), "origin", None) or names.get("__file__")
    if isinstance(origin, str) and origin not in ("built-in", "frozen"):
        return origin
    try:
        places = list(names.get("__path__") or ())
    except Exception:  # noqa: BLE001 - a namespace package whose parent is gone
        places = []
    return str(places[0]) if places else ""


@functools.lru_cache(maxsize=1)
def _standard_places() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({paths[key].rstrip(os.sep) + os.sep for key in ("stdlib", "platstdlib") if paths.get(key)})
