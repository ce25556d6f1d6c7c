"""Where a module is, and of which version, without importing or running anything of it."""

from __future__ import annotations

import functools
import importlib
import importlib.util
import os
import re
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import TYPE_CHECKING, Any

from jo_notebook.core.homes import INSTALLED_PLACES, OURS, Home, Kind, is_standard, kind_of_path, names_of, source_of

if TYPE_CHECKING:
    from importlib.metadata import Distribution

STARTED = time.time_ns()
"""About when this process began: what was installed since then is not what it has loaded."""

OTHERWISE = {
    "sklearn": "scikit-learn",
    "skimage": "scikit-image",
    "cv2": "opencv-python",
    "PIL": "pillow",
    "yaml": "PyYAML",
    "bs4": "beautifulsoup4",
    "dateutil": "python-dateutil",
    "umap": "umap-learn",
    "IPython": "ipython",
    "pkg_resources": "setuptools",
    "fitz": "PyMuPDF",
}
"""Distributions that are called otherwise than what they install: guesses, checked like any other. They spare a look at
every installed package."""

NUMBERS = re.compile(r"(?:\d+!)?\d+(?:\.\d+)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where a module is. `path` is its file, or a directory of a namespace package, or empty."""

    kind: Kind
    path: str = ""
    is_package: bool = False
    loader: Any = None


MISSING = Place(Kind.MISSING)


def place_of(name: str) -> Place:
    """Where Python would import a module from, or has imported it from as long as that file is there."""
    if name in ("__main__", "__mp_main__"):
        return Place(Kind.NOTEBOOK)
    loaded = sys.modules.get(name)
    if isinstance(loaded, ModuleType):
        path = source_of(loaded)
        if not path or os.path.exists(path) or kind_of_path(path) is not Kind.LOCAL:
            spec = names_of(loaded).get("__spec__")
            return _place(name, path, "__path__" in names_of(loaded), getattr(spec, "loader", None))
    spec = _find(name)
    if spec is None:
        return Place(Kind.STANDARD) if is_standard(name) and loaded is not None else MISSING
    path = spec.origin if isinstance(spec.origin, str) and spec.has_location else ""
    places = _places(spec)
    return _place(name, path or (places[0] if places else ""), places is not None, spec.loader)


def _place(name: str, path: str, is_package: bool, loader: Any) -> Place:
    if name.partition(".")[0] == OURS:
        return Place(Kind.INSTALLED, path, is_package)
    kind = kind_of_path(path)
    if is_standard(name) and (kind is not Kind.LOCAL or ".zip" in path):
        return Place(Kind.STANDARD)
    return Place(kind, path, is_package, loader)


def _find(name: str) -> ModuleSpec | None:
    """The spec of a module by asking the finders from its package down, which imports none of them."""
    path: Sequence[str] | None = None
    spec: ModuleSpec | None = None
    parts = name.split(".")
    for count in range(1, len(parts) + 1):
        full = ".".join(parts[:count])
        spec = _ask(full, path)
        if spec is None and _lies_in(parts[count - 1], sys.path if path is None else path):
            importlib.invalidate_caches()  # it came in the same tick of the clock as the finder's last look
            spec = _ask(full, path)
        if spec is None:
            return None
        path = _loaded_places(full) or _places(spec)
        if path is None and count < len(parts):
            return None
    return spec


def _ask(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    for finder in sys.meta_path:
        try:
            spec = finder.find_spec(name, path)
        except KeyError:  # a namespace package in one that is not imported
            spec = _namespace(name, path)
        except Exception:  # noqa: BLE001 - somebody else's finder may raise anything
            continue
        if spec is not None:
            return spec
    return None


def _namespace(name: str, path: Sequence[str] | None) -> ModuleSpec | None:
    tail = name.rpartition(".")[2]
    places = [os.path.join(entry, tail) for entry in path or () if os.path.isdir(os.path.join(entry, tail))]
    if not places:
        return None
    spec = ModuleSpec(name, None, is_package=True)
    spec.submodule_search_locations = places
    return spec


def _places(spec: ModuleSpec) -> list[str] | None:
    try:
        return None if spec.submodule_search_locations is None else [str(p) for p in spec.submodule_search_locations]
    except Exception:  # noqa: BLE001 - a namespace package whose parent is gone
        return []


def _loaded_places(name: str) -> list[str]:
    """The directories of a loaded package: it may have added some."""
    loaded = sys.modules.get(name)
    try:
        return [str(p) for p in names_of(loaded).get("__path__", ())] if isinstance(loaded, ModuleType) else []
    except Exception:  # noqa: BLE001 - a namespace package whose parent is gone
        return []


def _lies_in(tail: str, path: Iterable[str]) -> bool:
    entries = [entry for entry in path if isinstance(entry, str)]
    return any(os.path.exists(os.path.join(e, tail + end)) for e in entries for end in (".py", "/__init__.py"))


def read_source(path: str, name: str, loader: Any) -> str:
    """The source of a module. Raises OSError, SyntaxError or UnicodeDecodeError."""
    try:
        with open(path, "rb") as file:
            return importlib.util.decode_source(file.read())
    except (NotADirectoryError, FileNotFoundError):
        source = loader.get_source(name) if hasattr(loader, "get_source") else None  # inside a zip file
        if source is None:
            raise
        return str(source)


def bytecode_fits(module: ModuleType, path: str) -> bool | None:
    """Whether the bytecode beside a module says that it was made from this source; None if nothing can be told."""
    cached = names_of(module).get("__cached__")
    try:
        with open(cached if isinstance(cached, str) else "", "rb") as file:
            head = file.read(16)
        stat = os.stat(path)
        if len(head) < 16 or head[:4] != importlib.util.MAGIC_NUMBER:
            return None
        if int.from_bytes(head[4:8], "little") & 1:
            with open(path, "rb") as file:
                return importlib.util.source_hash(file.read()) == head[8:]
    except OSError:
        return None
    said = (int.from_bytes(head[8:12], "little"), int.from_bytes(head[12:16], "little"))
    return said == (int(stat.st_mtime) & 0xFFFFFFFF, stat.st_size & 0xFFFFFFFF)


def installed_home(name: str, path: str, policy: str) -> Home:
    """An installed module with its distribution and version; `policy` is exact, minor or ignore."""
    top = name.partition(".")[0]
    distribution, version = top, ""
    if top == OURS or any(piece in INSTALLED_PLACES for piece in path.replace("\\", "/").split("/")):
        distribution, version = _version(name, _stamp(packages_place(path)))
        version = _loaded_version(top, distribution, version)
    if policy == "minor":
        numbers = NUMBERS.match(version)
        version = numbers.group() if numbers else version
    return Home(Kind.INSTALLED, name, distribution=distribution, version="" if policy == "ignore" else version)


def packages_place(path: str) -> str:
    """The directory that packages are installed in, of a path of one of them."""
    pieces = path.replace("\\", "/").split("/")
    for place, piece in enumerate(pieces):
        if piece in INSTALLED_PLACES:
            return "/".join(pieces[: place + 1])
    return ""


def _stamp(path: str) -> int:
    try:
        return os.stat(path).st_mtime_ns if path else 0
    except OSError:
        return 0


@functools.lru_cache(maxsize=2048)
def _version(name: str, stamp: int) -> tuple[str, str]:
    """The distribution of an installed module and its version. `stamp` is new after each installation."""
    from importlib import metadata  # slow to import, and wanted only here and below

    top = name.partition(".")[0]
    for guess in dict.fromkeys([name.replace(".", "-"), top, OTHERWISE.get(top, top)]):
        try:
            found = metadata.distribution(guess)
            if _holds(found, top):
                return str(found.metadata["Name"] or guess), str(found.version or "")
        except Exception:  # noqa: BLE001 - damaged metadata may raise anything
            continue
    owners = _owners(stamp).get(top, [])
    for owner in dict.fromkeys(owners):
        if len(set(owners)) == 1 or name.lower().replace(".", "-").startswith(owner.lower().replace("_", "-")):
            try:
                return owner, str(metadata.version(owner) or "")
            except Exception:  # noqa: BLE001 - as above
                break
    return top, ""


def _holds(distribution: Distribution, top: str) -> bool:
    """Whether a distribution brings this module, as far as it says."""
    listed = (distribution.read_text("top_level.txt") or "").split()
    if listed or re.sub(r"[-.]+", "_", str(distribution.metadata["Name"] or "")).lower() == top.lower():
        return not listed or top in listed
    return any(file.parts and file.parts[0].partition(".")[0] == top for file in distribution.files or ())


@functools.lru_cache(maxsize=2)
def _owners(stamp: int) -> dict[str, list[str]]:
    from importlib import metadata

    try:
        return {top: list(owners) for top, owners in metadata.packages_distributions().items()}
    except Exception:  # noqa: BLE001 - damaged metadata may raise anything
        return {}


def _loaded_version(top: str, distribution: str, version: str) -> str:
    """What is loaded decides where a package was installed anew under a living process."""
    loaded = sys.modules.get(top)
    own = names_of(loaded).get("__version__") if isinstance(loaded, ModuleType) else None
    if not isinstance(own, str) or own == version:
        return version
    return own if not version or _installed_at(distribution, version) > STARTED else version


@functools.lru_cache(maxsize=1024)
def _installed_at(distribution: str, version: str) -> int:
    from importlib import metadata

    try:
        found = metadata.distribution(distribution)
        return _stamp(str(getattr(found, "_path", "")))
    except Exception:  # noqa: BLE001 - damaged metadata may raise anything
        return 0
