"""One walk over local modules: from the names that code uses to all that is behind them, across files.

A module is read as text and never imported here. What is reached is taken apart by names, so an edit of one
function of a module leaves alone whoever does not use it. Where names cannot be followed the module is taken whole.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass

from jo_notebook.core.homes import OURS, Find, Home, Kind
from jo_notebook.core.slices import Chain, Import, Outline, Statement, Uses, outline_of, problem_of
from jo_notebook.core.source import is_builtin

ABSENT = "not installed"
GONE = "its file is gone"
"""The problem of a loaded module that was there and is not any more."""

Name = tuple[str, str]
"""A module and a name in it."""

Bound = Mapping[str, tuple[str, str]]
"""Names of the notebook that imports bound: each to a module and an attribute, "" for the module itself."""


@dataclass(frozen=True, slots=True)
class Piece:
    """One thing of a local module that code reaches: a definition, or (name "") what runs when it is imported."""

    module: str
    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Reached:
    """All that code reaches outside of the notebook.

    `packages` are the (distribution, version) of installed ones that it, or a local module, imports itself.
    `problems` are (module, one line). `opaque` are the modules that were taken whole, because it cannot be
    told what of them is used.
    """

    pieces: tuple[Piece, ...] = ()
    packages: tuple[tuple[str, str], ...] = ()
    problems: tuple[tuple[str, str], ...] = ()
    opaque: tuple[str, ...] = ()


def absolute(imported: Import, module: str, is_package: bool) -> str:
    """The full name of the module of an import statement that stands in `module`; empty where there is none."""
    if not imported.level:
        return imported.module
    parts = module.split(".")
    parts = parts[: max(0, len(parts) - imported.level + is_package)]
    if not module or not parts:
        return ""
    return ".".join([*parts, imported.module] if imported.module else parts)


def is_import(statement: Statement) -> bool:
    """Whether a statement is an import and nothing else."""
    return bool(statement.imports) and statement.text.startswith(("import ", "from "))


class ReachWalk:
    """One walk. Iterative: what is still to do waits in a queue. `homes` are the modules it asked for."""

    def __init__(self, find: Find) -> None:
        self.homes: dict[str, Home] = {}
        self._find = find
        self._texts: dict[Name, str] = {}
        self._packages: set[tuple[str, str]] = set()
        self._problems: dict[str, str] = {}
        self._opaque: set[str] = set()
        self._loaded: set[str] = set()
        self._required: set[str] = set()
        self._queue: list[Callable[[], None]] = []
        self._seen: set[tuple[object, ...]] = set()
        self._altered: dict[tuple[str, int], frozenset[Name]] = {}

    def result(self) -> Reached:
        """Walks to the end."""
        while self._queue:
            while self._queue:
                self._queue.pop()()
            self._add_what_alters()
        return Reached(
            tuple(Piece(module, name, text) for (module, name), text in sorted(self._texts.items())),
            tuple(sorted(self._packages)),
            tuple(sorted(self._problems.items())),
            tuple(sorted(self._opaque)),
        )

    def follow(self, module: str, uses: Uses, bound: Bound | None = None) -> None:
        """What code reads that stands in `module`, or ("", with what is `bound` there) in the notebook."""
        for chain in uses.chains:
            if bound is None:
                self._global(module, chain)
            elif chain[0] in bound:
                where, attribute = bound[chain[0]]
                self._attribute(where, (*((attribute,) if attribute else ()), *chain[1:]))
        for imported, chains in uses.imports:
            self._import(module, imported, chains)
        if uses.dynamic and module:
            self._whole(module, opaque=True)

    # -- what is known of modules ---------------------------------------------------------------------

    def _home(self, module: str) -> Home:
        home = self.homes.get(module)
        if home is None:
            home = self.homes[module] = self._find(module)
        return home

    def _outline(self, module: str) -> Outline | None:
        """The top level of a local module that can be read."""
        home = self._home(module) if module else None
        if home is None or home.kind is not Kind.LOCAL or _problem(home):
            return None
        return outline_of(home.text)

    def _full_name(self, imported: Import, module: str) -> str:
        return absolute(imported, module, bool(module) and self._home(module).is_package)

    def _has_submodule(self, module: str, name: str) -> bool:
        return self._home(module).is_package and self._home(f"{module}.{name}").kind is not Kind.MISSING

    # -- following names ------------------------------------------------------------------------------

    def _later(self, do: Callable[..., None], *arguments: object) -> None:
        key = (do.__name__, *arguments)
        if key not in self._seen:
            self._seen.add(key)
            self._queue.append(lambda: do(*arguments))

    def _global(self, module: str, chain: Chain) -> None:
        outline = self._outline(module)
        if outline is None:
            return
        if chain[0] in outline.bindings:
            self._later(self._name, module, chain[0], chain[1:])
        elif outline.stars and not is_builtin(chain[0]):
            self._from_stars(module, chain)

    def _import(self, module: str, imported: Import, chains: Iterable[Chain]) -> None:
        """An import statement that runs with the code that is reached, and what is read of what it binds."""
        full = self._full_name(imported, module)
        if not full:
            return
        optional = imported.optional or (bool(module) and module not in self._required)
        if imported.name in ("*", ""):
            self._attribute(full, (), optional)
        elif not imported.attribute:
            self._attribute(full, None, optional)
            for chain in chains:
                self._attribute(full.partition(".")[0] if imported.chained else full, chain, optional)
                if imported.chained and not chain:
                    self._attribute(full, chain, optional)
        elif full == module:  # a package that imports from itself means its submodule
            for chain in chains or [()]:
                self._attribute(f"{full}.{imported.attribute}", chain, optional)
        else:
            for chain in chains or [()]:
                self._attribute(full, (imported.attribute, *chain), optional)

    def _attribute(self, module: str, chain: Chain | None, optional: bool = False) -> None:
        """Attributes of a module are read, one after another; () is the module itself, None its import alone."""
        self._later(self._read_attribute, module, chain, optional)

    def _read_attribute(self, module: str, chain: Chain | None, optional: bool) -> None:
        outline = self._outline(module) if self._load(module, optional) else None
        if outline is None or chain is None:
            return
        if not chain or chain[0] == "__dict__":
            self._whole(module)
        elif chain[0] in outline.bindings:
            self._later(self._name, module, chain[0], chain[1:])
        elif self._from_stars(module, chain):
            pass
        elif self._has_submodule(module, chain[0]):
            self._attribute(f"{module}.{chain[0]}", chain[1:])
        elif not chain[0].startswith("__"):
            self._whole(module, opaque=True)

    def _from_stars(self, module: str, chain: Chain) -> bool:
        """Whether a star import may have brought the name; if so, it is followed."""
        found = False
        waiting, seen = [module], {module}
        while waiting:
            here = waiting.pop()
            outline = self._outline(here)
            for full in self._stars(here, outline):
                other = self._outline(full)
                if other is None:
                    if self._home(full).kind is Kind.INSTALLED:
                        self._attribute(full, chain)
                        found = True
                elif other.offers(chain[0]):
                    if chain[0] in other.bindings or self._has_submodule(full, chain[0]):
                        self._attribute(full, chain)
                        found = True
                    elif full not in seen:
                        seen.add(full)
                        waiting.append(full)
        return found

    def _stars(self, module: str, outline: Outline | None) -> list[str]:
        """The modules that a module imports by a star."""
        names = [self._full_name(star, module) for star in outline.stars] if outline else []
        return [name for name in names if name]

    def _whole(self, module: str, *, opaque: bool = False) -> None:
        if opaque:
            self._opaque.add(module)
        self._later(self._all_names, module)

    def _all_names(self, module: str) -> None:
        outline = self._outline(module)
        for name, statements in outline.bindings.items() if outline else ():
            # a module that this one imports for itself is reached by what is used of it
            if not all(is_import(s) and all(not i.attribute for i in s.imports) for s in statements):
                self._later(self._name, module, name, ())
        for full in self._stars(module, outline):
            self._attribute(full, ())

    def _name(self, module: str, name: str, rest: Chain) -> None:
        """A name of a local module: the statements that bind it, and what they use."""
        outline = self._outline(module)
        rows: list[str] = []
        for statement in outline.bindings[name] if outline else ():
            named = [i for i in statement.imports if i.name == name]
            if is_import(statement):
                rows += [i.text for i in named]
            else:
                rows.append(statement.text)
                self._later(self._statement, module, statement)
            for imported in named:
                self._import(module, imported, [rest])
        self._texts[module, name] = "\n".join(dict.fromkeys(rows))

    def _statement(self, module: str, statement: Statement) -> None:
        self.follow(module, statement.uses)

    # -- importing ------------------------------------------------------------------------------------

    def _load(self, module: str, optional: bool) -> bool:
        """What happens when a module is imported, its packages first; False where there is nothing to read."""
        parts = module.split(".")
        for count in range(1, len(parts) + 1):
            name = ".".join(parts[:count])
            home = self._home(name)
            if home.kind is Kind.INSTALLED:
                self._installed(module, home)
            elif home.kind is Kind.MISSING:
                self._missing(name, home, optional)
            elif home.kind is Kind.LOCAL and _problem(home):
                self._problems[name] = _problem(home)
            elif home.kind is Kind.LOCAL:
                if not optional:
                    self._required.add(name)
                self._later(self._run_module, name, optional)
                continue
            return False
        return True

    def _installed(self, module: str, home: Home) -> None:
        if module.partition(".")[0] == OURS:
            return  # how steps are written and kept is no part of what they compute
        home = home if home.version else self._home(module)  # parts of a namespace are installed one by one
        self._packages.add((home.distribution or module.partition(".")[0], home.version))

    def _missing(self, name: str, home: Home, optional: bool) -> None:
        if optional and home.problem != GONE:
            self._packages.add((name, ABSENT))
        else:
            self._problems[name] = home.problem or f"no module named {name}"

    def _run_module(self, module: str, optional: bool) -> None:
        outline = self._outline(module)
        if outline is None:
            return
        self._loaded.add(module)
        acting = [s for s in outline.statements if s.acts]
        if acting:
            self._texts[module, ""] = "\n".join(s.text for s in acting)
        for statement in acting:
            self._later(self._statement, module, statement)
            for name in statement.binds:
                self._later(self._name, module, name, ())
        for imported in outline.imports:
            full = self._full_name(imported, module)
            if full:
                self._run_import(module, full, imported, optional or imported.optional)
        if outline.dynamic:
            self._whole(module, opaque=True)

    def _run_import(self, module: str, full: str, imported: Import, optional: bool) -> None:
        """A module that a reached one imports runs as well; a package counts only once something of it is used."""
        kind = self._home(full.partition(".")[0]).kind
        if kind is not Kind.LOCAL and (kind is not Kind.MISSING or optional):
            return
        self._attribute(full, None, optional)
        name, other = imported.attribute, self._outline(full)
        is_free = full == module or (other is not None and name not in other.bindings)
        if name and name != "*" and is_free and self._has_submodule(full, name):
            self._attribute(f"{full}.{name}", None, optional)

    # -- what changes a thing from outside of it: `@register`, a subclass that its base keeps ---------

    def _add_what_alters(self) -> None:
        for module in sorted(self._loaded):
            outline = self._outline(module)
            for place, statement in enumerate(outline.statements if outline else ()):
                if not (statement.runs or statement.alters):
                    continue  # most of them, in a module of many functions
                unread = [n for n in statement.binds if (module, n) not in self._texts]
                if unread and not self._altered_by(module, place, statement).isdisjoint(self._texts):
                    for name in unread:
                        self._later(self._name, module, name, ())

    def _altered_by(self, module: str, place: int, statement: Statement) -> frozenset[Name]:
        """The definitions that a statement may change in place while its module is imported."""
        known = self._altered.get((module, place))
        if known is not None:
            return known
        found = {name for chain in statement.alters for name in self._definitions(module, chain)}
        waiting = [name for chain in statement.runs for name in self._definitions(module, chain)]
        seen: set[Name] = set()
        while waiting:
            where, name = waiting.pop()
            if (where, name) in seen:
                continue
            seen.add((where, name))
            outline = self._outline(where)
            for binding in outline.bindings.get(name, ()) if outline else ():
                found.update(d for chain in binding.changes for d in self._definitions(where, chain))
                waiting += [d for chain in binding.uses.chains for d in self._definitions(where, chain)]
        self._altered[module, place] = frozenset(found)
        return self._altered[module, place]

    def _definitions(self, module: str, chain: Chain) -> Iterator[Name]:
        """Where a name of a local module is defined, through imports of local modules."""
        waiting = [(module, chain)]
        seen = set(waiting)
        while waiting:
            here, names = waiting.pop()
            outline = self._outline(here)
            if outline is None or not names:
                continue
            statements = outline.bindings.get(names[0], ())
            if any(not is_import(s) for s in statements):
                yield here, names[0]
            fresh = [n for n in self._nexts(here, outline, statements, names) if n not in seen]
            seen.update(fresh)
            waiting += fresh

    def _nexts(
        self, module: str, outline: Outline, statements: Iterable[Statement], names: Chain
    ) -> Iterator[tuple[str, Chain]]:
        """The modules that a name of this one may come from, and what is to be read there."""
        for imported in (i for s in statements for i in s.imports if i.name == names[0]):
            full = self._full_name(imported, module)
            if full and not imported.attribute:
                yield full.partition(".")[0] if imported.chained else full, names[1:]
            elif full == module:
                yield f"{full}.{imported.attribute}", names[1:]
            elif full:
                yield full, (imported.attribute, *names[1:])
        if not statements:
            yield from ((full, names) for full in self._stars(module, outline))
            if self._has_submodule(module, names[0]):
                yield f"{module}.{names[0]}", names[1:]


def _problem(home: Home) -> str:
    return home.problem or problem_of(home.text)
