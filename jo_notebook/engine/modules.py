"""The modules that steps reach: found on disk without importing them, seen as they were loaded, loaded again."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import filterfalse
from types import ModuleType
from typing import Any

from jo_notebook.core.homes import Home, Kind, kind_of_path, names_of, source_of
from jo_notebook.core.patches import (
    Held,
    State,
    can_settle,
    comes_from_another_text,
    fits,
    has_changed,
    other_digest,
)
from jo_notebook.core.reaching import GONE, Name
from jo_notebook.core.slices import outline_of, problem_of
from jo_notebook.core.texts import UNREADABLE
from jo_notebook.core.told import altered_by_import
from jo_notebook.engine import finding
from jo_notebook.engine.finding import Place
from jo_notebook.engine.reloading import Reload, Reloaded

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


@dataclass(slots=True)
class _Noted:
    """A loaded local module: its spec tells whether it was loaded anew, `read` is its text as it was seen first.

    `doubtful`: what is loaded may come from another text. `home` is `read` with its problem, once that is asked for.
    `held` is what it held then; `asked` are the other modules whose
    import may have changed that, as far as they were looked at.
    """

    spec: object
    read: Home
    doubtful: bool = False
    home: Home | None = None
    held: Held = field(default_factory=Held)
    asked: set[str] = field(default_factory=set)


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
        path = [*sys.path, _here() if "" in sys.path else ""]
        if self._path != path:
            self._path = path
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
        noted = self._looked_at(name)
        return self.find(name) if noted is None or noted.home is None else noted.home

    def look(self) -> None:
        """Notes the text of local modules that were loaded or reloaded since the last look."""
        for name in list(filterfalse(self._foreign.__contains__, sys.modules.copy())):
            self._note(name)

    def local_files(self) -> set[str]:
        """The files of the local modules that anybody asked for, and of those that are loaded."""
        homes = [*(found.home for found in self._found.values()), *(noted.read for noted in self._noted.values())]
        return {home.path for home in homes if home.kind is Kind.LOCAL and home.path}

    def held(self, name: str) -> Held | None:
        """What a loaded local module held when it was loaded; None for any other."""
        noted, module = self._note(name), self.live(name)
        if noted is None or module is None:
            return None
        for other in self._noted.keys() - noted.asked - {name}:
            noted.asked.add(other)
            for changed in altered_by_import(name, noted.read.text, other, self._noted[other].read):
                noted.held.altered.add(changed)
                state = noted.held.state(changed, names_of(module).get(changed))
                if state is not None:
                    noted.held.first[changed] = state
        return noted.held

    @contextmanager
    def settling(self, pieces: Iterable[Name]) -> Iterator[None]:
        """Around one run of a step, with the names of modules that it reaches, as (module, name).

        What the modules' own code makes of them meanwhile (a memo that fills, a registry, a counter) counts as
        what was there before. What an ordinary cell changes does not.
        """
        pieces = tuple(dict.fromkeys(pieces))
        if not pieces:
            yield
            return
        self.look()
        before = {piece: self._seen_now(piece) for piece in pieces}
        try:
            yield
        finally:
            self.look()
            for piece, (held, state, digest) in before.items():
                after, now, _ = self._seen_now(piece)
                if after is not None and now is not None and (after is held or held is None) and now != state:
                    after.settled[piece[1]] = (now, digest)

    def is_patched(self, name: str, piece: str) -> bool:
        """Whether what a loaded module holds under a name was changed since, by somebody else's code."""
        return bool(self._seen_now((name, piece))[2])

    def _seen_now(self, piece: Name) -> tuple[Held | None, State | None, str]:
        """What is kept of a loaded module; the state of one of its names, if that may settle; its digest."""
        module, noted = self.live(piece[0]), self._looked_at(piece[0])
        text = noted.home.text if noted is not None and noted.home is not None else ""
        held = self.held(piece[0])
        if module is None or held is None or not text or not piece[1]:
            return held, None, ""
        names = names_of(module)
        if piece[1] not in names or not can_settle(module, text, piece[1]):
            return held, None, other_digest(module, text, piece[1], held)
        return held, held.state(piece[1], names[piece[1]]), other_digest(module, text, piece[1], held)

    def edited(self, names: Iterable[str]) -> tuple[str, ...]:
        """Those of `names` that are loaded, local, and have another text on disk than the one that is loaded."""
        return tuple(name for name in dict.fromkeys(names) if self._is_edited(name))

    def reload(
        self,
        names: Iterable[str],
        namespace: dict[str, Any],
        imported: Mapping[str, tuple[str, str]] | None = None,
    ) -> Reloaded:
        """Loads the edited ones of `names` again, and the local modules that import them; which ones those were.

        Names of `namespace` that hold a function or class of an old module get that of the new one, and so does
        what their values hold: containers, instances, defaults, closures, bases. Other values follow where
        `imported` says that the name was bound to that attribute; without it, where the name is the same. Plain
        values are shared between names, and a module may hold the notebook's own data. `left_over` of the answer
        are the names that still hold something old. Raises JoError where a module cannot be loaded; everything
        stays as it was then.
        """
        edited = self.edited(names)
        if not edited:
            return Reloaded()
        self.look()
        local = {n: noted.read for n, noted in self._noted.items() if self.live(n) is not None}
        reload = Reload(edited, local, self.find)
        reload.run()
        left_over = reload.rebind(namespace, imported)
        for name in reload.order:
            module = self.live(name)
            if module is not None:
                spec = names_of(module).get("__spec__") or module
                self._noted[name] = _Noted(spec, reload.fresh[name], held=Held.of(module))
        return Reloaded(reload.order, left_over)

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
            home = _checked(_read(name, place))
            sure = bool(stat) and now - max(stat[0], stat[3]) > RACY
            return _Found(home, place, watched, stat, sure, self.packages)
        if place.kind is Kind.INSTALLED:
            home = replace(finding.installed_home(name, place.path, self.packages), is_package=place.is_package)
            watched = finding.packages_place(place.path)
            return _Found(home, place, watched, _stat(watched), True, self.packages)
        problem = "" if place.kind is not Kind.MISSING else GONE if self._is_gone(name) else f"no module named {name}"
        home = Home(place.kind, name, is_package=place.is_package, problem=problem)
        return _Found(home, place, "", (), place.kind is not Kind.MISSING, self.packages)

    def _is_gone(self, name: str) -> bool:
        """Whether a module that is not found is loaded, from a file of the user's that was there."""
        module = self.live(name)
        return module is not None and bool(path := source_of(module)) and kind_of_path(path) is Kind.LOCAL

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
        read = _read(name, finding.place_of(name))
        fresh = _Noted(spec, read, _has_other_bytecode(module, read), held=Held.of(module))
        if noted is not None and noted.read.text == read.text:
            fresh.held = noted.held  # somebody loaded it again: what is new in it did not come from its text
        self._noted[name] = fresh
        return fresh

    def _looked_at(self, name: str) -> _Noted | None:
        """The same with what takes longer to tell: whether the text is valid, and whether functions come from it."""
        noted, module = self._note(name), self.live(name)
        if noted is not None and noted.home is None and module is not None:
            home = _checked(noted.read)
            known = self.find(name)
            noted.home = known if known == home else home
            text, path = noted.read.text, noted.read.path
            noted.doubtful = noted.doubtful or bool(home.problem) or comes_from_another_text(module, text, path)
        if noted is not None and module is not None and noted.home is not None:
            return self._unless_patched_in_place(name, module, noted)
        return noted

    def _unless_patched_in_place(self, name: str, module: ModuleType, noted: _Noted) -> _Noted:
        """IPython's autoreload changes what a module holds without loading it again: then its file is what counts."""
        now = self.find(name)
        if noted.home is None or now.problem or now.text == noted.home.text:
            return noted
        if not has_changed(module, noted.held) or not fits(module, now.text):
            return noted
        self._noted[name] = _Noted(noted.spec, _read(name, finding.place_of(name)), held=Held.of(module))
        return self._looked_at(name) or noted

    def _is_edited(self, name: str) -> bool:
        noted = self._looked_at(name)
        if noted is None or noted.home is None:
            return False
        return noted.doubtful or _canonical(noted.home) != _canonical(self.find(name))


def _here() -> str:
    try:
        return os.getcwd()
    except OSError:  # it was removed
        return ""


def _canonical(home: Home) -> tuple[Kind, str, str]:
    if home.problem or not home.text:
        return (home.kind, home.problem, home.text)
    return (home.kind, "", outline_of(home.text).canonical)


def _read(name: str, place: Place) -> Home:
    """A local module with its text, or with what is in the way of reading that."""
    home = Home(Kind.LOCAL, name, is_package=place.is_package, path=place.path)
    if os.path.isdir(place.path):
        return home  # a namespace package
    try:
        return replace(home, text=finding.read_source(place.path, name, place.loader))
    except (*UNREADABLE, OSError, ImportError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        return replace(home, problem=f"it cannot be read ({why})")


def _checked(home: Home) -> Home:
    problem = home.problem or problem_of(home.text)
    return replace(home, problem=problem) if problem else home


def _has_other_bytecode(module: ModuleType, home: Home) -> bool:
    """Whether the bytecode that was written when the module was loaded is of another text than the one on disk."""
    cached = names_of(module).get("__cached__")
    if sys.dont_write_bytecode or not isinstance(cached, str) or not os.access(os.path.dirname(cached), os.W_OK):
        return False
    return finding.bytecode_fits(module, home.path) is False


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
