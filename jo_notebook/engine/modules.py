"""The modules that steps reach: found on disk without importing them, seen as they were loaded, loaded again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

from jo_notebook.core.homes import Home, Kind, kind_of_path, names_of, source_of
from jo_notebook.core.patches import comes_from_another_text
from jo_notebook.core.slices import UNREADABLE, outline_of, problem_of
from jo_notebook.engine import finding
from jo_notebook.engine.finding import Place
from jo_notebook.engine.reloading import Reload

RACY = 2_000_000_000
Stat = tuple[int, ...]
"""What a file looks like from outside; () where there is none."""


@dataclass(slots=True)
class _Found:
    """An answer of `find`: the file it stands on, what that looked like, and whether that can be relied on."""

    home: Home
    place: Place
    watched: str
    stat: Stat
    sure: bool
    policy: str


@dataclass(frozen=True, slots=True)
class _Noted:
    """A loaded local module: its spec tells whether it was loaded anew. `doubtful`: the text may be another one."""

    spec: object
    home: Home
    doubtful: bool = False


class Modules:
    """What is known of modules, on disk and loaded. Nothing is imported, and nothing runs but in `reload`.

    `packages` says what of an installed package's version counts: "exact", "minor" (the first two numbers) or
    "ignore".
    """

    def __init__(self, packages: str = "exact") -> None:
        self.packages = packages
        self._found: dict[str, _Found] = {}
        self._noted: dict[str, _Noted] = {}
        self._foreign: set[str] = set()
        self._path: list[str] = []
        self._changes = 0

    def find(self, name: str) -> Home:
        """The module as it is on disk now."""
        if self._path != sys.path:
            self._path = list(sys.path)
            for found in self._found.values():
                found.sure = False
        known = self._found.get(name)
        if known is not None and known.sure and known.policy == self.packages and _stat(known.watched) == known.stat:
            return known.home
        fresh = self._look_up(name)
        if known is not None and known.home == fresh.home:
            fresh.home = known.home
        elif known is not None:
            self._changes += 1
        self._found[name] = fresh
        return fresh.home

    def loaded(self, name: str) -> Home:
        """The module as this process has it loaded; as on disk where it is not loaded."""
        noted = self._note(name)
        return self.find(name) if noted is None else noted.home

    def look(self) -> None:
        """Notes the text of local modules that were loaded or reloaded since the last look."""
        for name in [name for name in sys.modules.copy() if name not in self._foreign]:
            self._note(name)

    def edited(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of `names` that are loaded, local, and have another text on disk than the one that is loaded."""
        return tuple(name for name in dict.fromkeys(names) if self._is_edited(name))

    def reload(
        self,
        names: Iterable[str],
        namespace: dict[str, Any],
        imported: Mapping[str, tuple[str, str]] | None = None,
    ) -> tuple[str, ...]:
        """Loads the edited ones of `names` again, and the local modules that import them; which ones those were.

        Names of `namespace` that hold a function or class of an old module get that of the new one. Other
        values follow where `imported` says that the name was bound to that attribute; without it, where the
        name is the same. Plain values are shared between names, and a module may hold the notebook's own data.
        Raises JoError where a module cannot be loaded; everything stays as it was then.
        """
        edited = self.edited(names)
        if not edited:
            return ()
        self.look()
        local = {n: self.loaded(n) for n in self._noted if self.live(n) is not None}
        fresh = {n: self.find(n) for n in local}
        reload = Reload(edited, local, fresh)
        reload.run()
        for name in reload.order:
            module = self.live(name)
            if module is not None:
                self._noted[name] = _Noted(names_of(module).get("__spec__") or module, fresh[name])
        reload.rebind(namespace, imported)
        return reload.order

    def live(self, name: str) -> ModuleType | None:
        """The loaded module, or None; never imports."""
        module = sys.modules.get(name)
        return module if isinstance(module, ModuleType) else None

    def stamp(self) -> object:
        """Something that is equal as long as `find` says the same of all modules that it was asked for."""
        for name in list(self._found):
            self.find(name)
        return (self._changes, self.packages)

    def _look_up(self, name: str) -> _Found:
        place = finding.place_of(name)
        now = time.time_ns()
        if place.kind is Kind.LOCAL:
            watched = _watched(place.path)
            stat = _stat(watched)
            home = self._local(name, place)
            sure = bool(stat) and now - max(stat[0], stat[3]) > RACY
            return _Found(home, place, watched, stat, sure, self.packages)
        if place.kind is Kind.INSTALLED:
            home = replace(finding.installed_home(name, place.path, self.packages), is_package=place.is_package)
            watched = finding.packages_place(place.path)
            return _Found(home, place, watched, _stat(watched), True, self.packages)
        problem = f"no module named {name}" if place.kind is Kind.MISSING else ""
        home = Home(place.kind, name, is_package=place.is_package, problem=problem)
        return _Found(home, place, "", (), place.kind is not Kind.MISSING, self.packages)

    def _local(self, name: str, place: Place) -> Home:
        known = Home(Kind.LOCAL, name, is_package=place.is_package, path=place.path)
        if os.path.isdir(place.path):
            return known  # a namespace package
        try:
            text = finding.read_source(place.path, name, place.loader)
        except (*UNREADABLE, OSError, ImportError) as error:
            why = getattr(error, "strerror", None) or type(error).__name__
            return replace(known, problem=f"it cannot be read ({why})")
        return replace(known, text=text, problem=problem_of(text))

    def _note(self, name: str) -> _Noted | None:
        """A loaded local module as it was when it was loaded; None for any other."""
        if name in self._foreign:
            return None
        module = self.live(name)
        if module is None:
            return None
        noted = self._noted.get(name)
        spec = names_of(module).get("__spec__") or module
        if noted is not None and noted.spec is spec:
            return noted
        if names_of(module).get("__name__") != name or name in ("__main__", "__mp_main__"):
            return None
        if finding.place_of(name).kind is not Kind.LOCAL or kind_of_path(source_of(module)) is not Kind.LOCAL:
            self._foreign.add(name)
            return None
        if getattr(spec, "_initializing", False):
            return None  # it is being imported right now
        if name in self._found:
            self._found[name].sure = False
        home = self.find(name)
        noted = self._noted[name] = _Noted(spec, home, _was_edited(module, home))
        return noted

    def _is_edited(self, name: str) -> bool:
        noted = self._note(name)
        if noted is None:
            return False
        return noted.doubtful or _canonical(noted.home) != _canonical(self.find(name))


def _canonical(home: Home) -> tuple[Kind, str, str]:
    if home.problem or not home.text:
        return (home.kind, home.problem, home.text)
    return (home.kind, "", outline_of(home.text).canonical)


def _was_edited(module: ModuleType, home: Home) -> bool:
    """Whether a module that is seen for the first time was loaded from another text than the one on disk."""
    stat = _stat(home.path)
    if not stat or max(stat[0], stat[3]) < finding.STARTED or os.path.isdir(home.path):
        return False
    if home.problem or comes_from_another_text(module, home.text, home.path):
        return True
    return not sys.dont_write_bytecode and finding.bytecode_fits(module, home.path) is False


def _watched(path: str) -> str:
    """The file that changes when a module does: itself, or the zip file it is in."""
    while path and not os.path.exists(path) and os.path.dirname(path) != path:
        path = os.path.dirname(path)
    return path


def _stat(path: str) -> Stat:
    if not path:
        return ()
    try:
        stat = os.stat(path)
    except OSError:
        return ()
    return stat.st_mtime_ns, stat.st_size, stat.st_ino, stat.st_ctime_ns
