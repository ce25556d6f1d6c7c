"""Where code lives: in the notebook, in a local module, in an installed package, in Python itself.

Told from what the process has loaded and from names of directories alone; nothing is read.
"""

from __future__ import annotations

import functools
import os
import sys
import sysconfig
from enum import StrEnum
from types import ModuleType

OURS = "jo_notebook"
INSTALLED_PLACES = ("site-packages", "dist-packages")


class Kind(StrEnum):
    """What a module is, as far as staleness goes."""

    NOTEBOOK = "notebook"
    STANDARD = "standard"
    INSTALLED = "installed"
    LOCAL = "local"
    MISSING = "missing"


def kind_of(module: str) -> Kind:
    """What the module of this dotted name is, by what this process has loaded.

    LOCAL is one whose Python source lies outside the directories where packages are installed: beside the
    notebook, elsewhere on the path, or an editable install. MISSING is one that is not loaded.
    """
    if module in ("__main__", "__mp_main__"):
        return Kind.NOTEBOOK
    top = module.partition(".")[0]
    if top in sys.stdlib_module_names or top in sys.builtin_module_names:
        return Kind.STANDARD
    if top == OURS:
        return Kind.INSTALLED
    loaded = sys.modules.get(module)
    return Kind.MISSING if loaded is None else kind_of_path(_source_of(loaded))


def kind_of_path(path: str) -> Kind:
    """The same by the path of a module's file or, for a namespace package, one of its directories."""
    if not path:
        return Kind.INSTALLED  # built in, frozen, or made by hand: nothing that a user edits on disk
    if any(piece in INSTALLED_PLACES for piece in path.replace("\\", "/").split("/")):
        return Kind.INSTALLED
    if path.startswith(_standard_places()):
        return Kind.STANDARD
    return Kind.INSTALLED if path.endswith((".so", ".pyd", ".pyc")) else Kind.LOCAL


def _source_of(module: ModuleType) -> str:
    spec = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None) or getattr(module, "__file__", None)
    if isinstance(origin, str) and origin not in ("built-in", "frozen"):
        return origin
    places = list(getattr(module, "__path__", ()))
    return str(places[0]) if places else ""


@functools.lru_cache(maxsize=1)
def _standard_places() -> tuple[str, ...]:
    paths = sysconfig.get_paths()
    return tuple({paths[key].rstrip(os.sep) + os.sep for key in ("stdlib", "platstdlib") if paths.get(key)})
