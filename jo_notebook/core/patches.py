"""What is loaded and is not what its text says: a module's function, class or value that was changed at run time.

Where the text tells what a name holds (a plain `def`, a literal) the loaded thing is compared with the text; anywhere
else with what the name held right after the module was loaded (`Held`). What is as it was has no digest, so that a
kernel which has not loaded the module says the same.
"""

from __future__ import annotations

import ast
import functools
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from jo_notebook.core import witness
from jo_notebook.core.fingerprint import digest_of
from jo_notebook.core.homes import Find, Kind, kind_of, names_of
from jo_notebook.core.kinds import is_a, is_named, members_of, module_of, mro_of, name_of
from jo_notebook.core.reaching import Bound, Name, Piece
from jo_notebook.core.slices import Chain, uses_of
from jo_notebook.core.texts import TEXTS, UNREADABLE, tree_of
from jo_notebook.core.told import Told, digest_of_code, functions_of, told_by
from jo_notebook.core.version import is_opaque, lenient_version, version_of

SLOW = 0.02  # seconds for one value of a module: from there on it is told as untracked
BUDGET = 1.0  # seconds for all values of a module, once when it is loaded
LARGE = 100_000  # elements
HEAVY = 100_000_000  # bytes
FIXED = frozenset({*witness.FIXED, BuiltinFunctionType, ModuleType})
SCALARS = (bool, int, float, complex, str, bytes, type(None))
DATA = ("builtins", "collections", "types", "numpy", "pandas", "polars", "pyarrow", "datetime", "decimal", "pathlib")
METHODS_OF = {
    "pandas": ("DataFrame", "Series", "Index"),
    "polars": ("DataFrame", "LazyFrame", "Series", "Expr"),
    "xarray": ("DataArray", "Dataset"),
}
"""Classes whose methods people add in their notebooks, and use on values that have no name in the text."""

ABSENT = object()
Live = Callable[[str], ModuleType | None]
State = tuple[object, ...]
"""What is compared within one process to see whether a value was changed."""


@dataclass(slots=True)
class Held:
    """What a loaded module held right after it was loaded, or as soon after that as it was seen.

    `settled` is what its own code made of a name while a step ran, with the digest that the name had before.
    `unseen` are the names that nothing is told of: their values take too long, or are another each time.
    `altered` are the names that other modules may change while they are imported: the text alone does not tell.
    """

    first: dict[str, State] = field(default_factory=dict)
    settled: dict[str, tuple[State, str]] = field(default_factory=dict)
    unseen: set[str] = field(default_factory=set)
    altered: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, module: ModuleType) -> Held:
        """What a module holds now."""
        held, began = cls(), time.perf_counter()
        for name, value in list(names_of(module).items()):
            if not name.startswith("__"):
                if time.perf_counter() - began > BUDGET:
                    held.unseen.add(name)
                    continue
                state = held.state(name, value)
                if state is not None and (_is_steady(value) or state == held.state(name, value)):
                    held.first[name] = state
                else:
                    held.unseen.add(name)
        return held

    def state(self, name: str, value: object) -> State | None:
        """The state of what a name holds now; None where that is not looked at."""
        if name in self.unseen:
            return None
        began = time.perf_counter()
        try:
            state = None if _is_large(value) or is_opaque(value) else _state(value)
        except Exception:  # noqa: BLE001 - a user's object may raise anything when it is looked at
            state = None
        if state is None or time.perf_counter() - began > SLOW:
            self.unseen.add(name)
        return state


HeldBy = Callable[[str], Held | None]


def patched(pieces: Iterable[Piece], find: Find, live: Live, held: HeldBy | None = None) -> dict[Name, str]:
    """Digests of the loaded things that are not what their module brought, by module and name.

    `find` gives the text that is loaded, `held` what a module held when it was loaded. Without that, compared are
    plain functions and methods, and names bound once to a literal that the module itself never changes in place.
    """
    found: dict[Name, str] = {}
    for piece in pieces:
        module = live(piece.module) if piece.name else None
        home = find(piece.module) if module is not None else None
        if module is None or home is None or home.kind is not Kind.LOCAL or not home.text:
            continue
        digest = other_digest(module, home.text, piece.name, held(piece.module) if held is not None else None)
        if digest:
            found[piece.module, piece.name] = digest
    return found


def unseen(pieces: Iterable[Piece], held: HeldBy) -> tuple[Name, ...]:
    """The pieces that hold values which nobody compares with what their module brought: to be told as untracked."""
    rows = ((piece.module, piece.name, held(piece.module)) for piece in pieces if piece.name)
    return tuple((module, name) for module, name, what in rows if what is not None and name in what.unseen)


def other_digest(module: ModuleType, text: str, name: str, held: Held | None) -> str:
    """A digest of what a name holds where the module did not bring it; empty where it did, or where nobody can tell."""
    names, told = names_of(module), told_by(text)
    if name not in names:
        return digest_of("patched", "gone") if held is not None and name in held.first else ""
    value = names[name]
    if name in told.literals:
        return _other_literal(value, told, name, held)
    odd: tuple[str, ...] = ()
    if name in told.functions:
        odd = _odd_codes({name: value}, {name: told.functions[name]})
    elif name in told.methods and is_a(value, type):
        odd = _odd_codes(members_of(value), told.methods[name])
    if held is None:
        return digest_of("patched", *odd) if odd else ""
    return _since_load(names, name, held, odd)


def can_settle(module: ModuleType, text: str, name: str) -> bool:
    """Whether what a name holds may be changed by the module's own code when that is called: a memo, a registry."""
    told, value = told_by(text), names_of(module).get(name)
    if name in told.written or type(value) in (FunctionType, functools.partial):
        return True
    if is_a(value, type):
        return type(value) is not type or _changes_itself(value, told, str(names_of(module).get("__name__")))
    return name not in told.literals and module_of(type(value)).partition(".")[0] not in DATA


def _changes_itself(kind: type, told: Told, module: str) -> bool:
    """Whether methods change what the class holds for all its objects: `self.memo[key] = value`."""
    bases = [base for base in mro_of(kind) if base is not object and not is_named(base)]
    inside = {member for base in bases for member in members_of(base)}
    return any(
        module_of(base) != module or not inside.isdisjoint(told.on_self.get(name_of(base), ())) for base in bases
    )


def state_of(value: Any) -> object | None:
    """What is cheap to compare of a value that may be changed in place; None where its identity tells all.

    Of a function the code, the defaults and the attributes; of a class its members; of anything else a version.
    What is too large for that has none either, nor has what its use changes (a stream, a random generator).
    """
    return None if type(value) in FIXED or _is_large(value) or is_opaque(value) else _state(value)


def comes_from_another_text(module: ModuleType, text: str, path: str) -> bool:
    """Whether a plain function of a loaded module was read from this file when it had another text."""
    names = names_of(module)
    functions = [(names.get(name), digests) for name, digests in functions_of(text).items()]
    return any(
        digest_of_code(value.__code__) not in digests
        for value, digests in functions
        if isinstance(value, FunctionType) and value.__code__.co_filename == path
    )


def fits(module: ModuleType, text: str) -> bool:
    """Whether functions, methods and constants of a loaded module are, as far as that can be told, those of a text."""
    names, told = names_of(module), told_by(text)
    there = {*told.functions, *told.methods, *told.literals}
    return there <= names.keys() and not any(other_digest(module, text, name, None) for name in there)


def has_changed(module: ModuleType, held: Held) -> bool:
    """Whether a module holds something else than when it was loaded."""
    names = names_of(module)
    return any(not same_state(held.state(name, names.get(name)), first) for name, first in held.first.items())


def same_state(one: State | None, other: State | None) -> bool:
    """Whether two states are one: code that does the same is the same, wherever its lines stand."""
    if one is None or other is None or len(one) != len(other):
        return one is other
    return all(a == b or _same_code(a, b) for a, b in zip(one, other, strict=True))


def _same_code(one: object, other: object) -> bool:
    return isinstance(one, CodeType) and isinstance(other, CodeType) and digest_of_code(one) == digest_of_code(other)


# -- what the notebook put into modules that nobody edits ----------------------------------------------


def patched_attributes(
    texts: Iterable[str],
    bound: Bound,
    live: Live,
    notebook: Mapping[str, Any] | None = None,
    *,
    plain: bool = False,
) -> dict[Name, Any]:
    """What the notebook put into modules, of all that Python sources read there.

    `np.random.rand = fake` gives {("numpy.random", "rand"): fake} for a text that reads `np.random.rand`, and
    `pd.DataFrame.clean = f` gives {("pandas.DataFrame", "clean"): f} for one that reads `.clean`. With
    `plain`, the plain values of modules that nobody edits (`math.pi`) are told as they are: nothing says where those
    came from. In a process that has not loaded the module there is none, and what a record says of it still holds.
    `notebook` is the namespace of the cells. Looks into the modules' own names only: no code of theirs runs.
    """
    homes = [names for names in (notebook, _names_of_main(live)) if names is not None]
    found: dict[Name, Any] = {}
    for where, value, is_fixed in _places(texts, bound, live):
        if (plain and is_fixed and _is_scalar(value)) or _is_of_notebook(value, homes):
            found[where] = value
    return found


def given_methods(attributes: Iterable[str], live: Live, notebook: Mapping[str, Any]) -> set[str]:
    """Those of `attributes` that the notebook put into one of the classes whose methods people add: see METHODS_OF."""
    homes = [names for names in (notebook, _names_of_main(live)) if names is not None]
    members = [names for _, names in _classes(live)]
    return {a for a in attributes for names in members if a in names and _is_of_notebook(names[a], homes)}


def attributes_read(texts: Iterable[str], bound: Bound, live: Live | None = None) -> set[Name]:
    """The attributes of modules that Python sources read, as far as names tell: what a replacement would change.

    With `live` those inside of modules and classes too, where `value_at` finds them.
    """
    texts = list(texts)
    found: set[Name] = set()
    for text in texts:
        uses = uses_of(text)
        found.update((bound[c[0]][0], bound[c[0]][1] or c[1]) for c in uses.chains if c[0] in bound and len(c) > 1)
    if live is not None:
        found.update(where for where, _, _ in _places(texts, bound, live))
        for where, names in _classes(live):
            found.update((where, name) for text in texts for name in attributes_in(text) if name not in names)
    return found


def value_at(where: Name, live: Live) -> object:
    """What stands at a place that `attributes_read` told, in a module or a class; ABSENT where nothing does."""
    owner, name = where
    module = live(owner)
    if module is not None:
        return names_of(module).get(name, ABSENT)
    path, _, tail = owner.rpartition(".")
    module = live(path) if path else None
    kind: Any = names_of(module).get(tail) if module is not None else None
    return members_of(kind).get(name, ABSENT) if is_a(kind, type) else ABSENT


def _places(texts: Iterable[str], bound: Bound, live: Live) -> Iterator[tuple[Name, Any, bool]]:
    """Where sources read in modules, what stands there, and whether plain values count."""
    attributes: set[str] = set()
    for text in texts:
        uses = uses_of(text)
        attributes.update(attributes_in(text))
        for chain in uses.chains:
            if chain[0] in bound:
                where, attribute = bound[chain[0]]
                yield from _follow(live(where), (*((attribute,) if attribute else ()), *chain[1:]))
        for imported, chains in uses.imports:
            if not imported.level:
                where = imported.name if imported.chained else imported.module
                first = (imported.attribute,) if imported.attribute else ()
                for chain in chains or [()]:
                    yield from _follow(live(where), (*first, *chain))
    for where, names in _classes(live):
        yield from (((where, name), names[name], False) for name in sorted(attributes) if name in names)


def _follow(module: Any, chain: Chain) -> Iterator[tuple[Name, Any, bool]]:
    for attribute in chain:
        if is_a(module, type):
            yield from _in_class(module, attribute)
            return
        if not isinstance(module, ModuleType):
            return
        names = names_of(module)
        if attribute not in names:
            return
        name = str(names.get("__name__", ""))
        value = names[attribute]
        is_fixed = not attribute.startswith("__") and kind_of(name) in (Kind.STANDARD, Kind.INSTALLED)
        yield (name, attribute), value, is_fixed
        module = value
    if is_a(module, type):
        yield from _in_class(module, "")


def _in_class(kind: type, attribute: str) -> Iterator[tuple[Name, Any, bool]]:
    """The members of a library's class; those of a local one are looked at with its module."""
    if kind_of(module_of(kind)) in (Kind.STANDARD, Kind.INSTALLED):
        for name, member in list(members_of(kind).items()):
            if name == attribute or isinstance(member, FunctionType | property | staticmethod | classmethod):
                yield (f"{module_of(kind)}.{name_of(kind)}", name), member, False


def _classes(live: Live) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for name, kinds in METHODS_OF.items():
        module = live(name)
        for kind in kinds if module is not None else ():
            found = names_of(module).get(kind) if module is not None else None
            if isinstance(found, type):
                yield f"{name}.{kind}", members_of(found)


@lru_cache(maxsize=TEXTS)
def attributes_in(text: str) -> frozenset[str]:
    """All attributes that a source names, on whatever."""
    try:
        tree = tree_of(text) if "." in text else None
    except UNREADABLE:
        return frozenset()
    if tree is None:
        return frozenset()
    return frozenset(node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute))


def _names_of_main(live: Live) -> dict[str, Any] | None:
    main = live("__main__")
    return None if main is None else names_of(main)


def _is_scalar(value: object) -> bool:
    if type(value) is tuple:
        return len(value) <= 100 and all(type(item) in SCALARS for item in value)
    return type(value) in SCALARS


def _is_of_notebook(value: Any, homes: list[Any], depth: int = 3) -> bool:
    """Whether it is the notebook's own code, or something that wraps that."""
    kind = type(value)
    if kind is FunctionType:
        return value.__module__ == "__main__" or any(value.__globals__ is home for home in homes)
    if is_a(value, type):
        return module_of(value) == "__main__"
    if module_of(kind) in ("__main__", "unittest.mock"):
        return True
    if kind in FIXED or depth == 0:
        return False
    inside: list[Any] = []
    if kind in (staticmethod, classmethod):
        inside = [value.__func__]
    elif kind is property:
        inside = [value.fget, value.fset, value.fdel]
    elif kind is functools.partial:
        inside = [value.func, *value.args, *value.keywords.values()]
    elif kind is MethodType:
        inside = [value.__func__, value.__self__]
    elif _is_wrapper(value):
        inside = list(object.__getattribute__(value, "__dict__").values())  # an accessor, a cache around a function
    return any(_is_of_notebook(item, homes, depth - 1) for item in inside)


def _is_wrapper(value: object) -> bool:
    """An object with a few attributes, of which one is code."""
    try:
        own = object.__getattribute__(value, "__dict__")
    except Exception:  # noqa: BLE001 - it has none, or a class that raises
        return False
    return type(own) is dict and len(own) <= 20 and any(isinstance(v, FunctionType | type) for v in own.values())


# -- states of values ----------------------------------------------------------------------------------


def _state(value: Any) -> State:
    kind = type(value)
    if kind is FunctionType:
        if not (value.__defaults__ or value.__kwdefaults__ or value.__dict__ or value.__closure__):
            return (value.__code__, "")
        return (value.__code__, lenient_version(value, told=(id(value),), reads=False).digest)
    if is_a(value, type) and not is_named(value):
        functions = _functions_in(value)
        rest = lenient_version(value, told=[id(f) for f in functions], reads=False)
        return (*(f.__code__ for f in functions), rest.digest)
    return (lenient_version(value, reads=False).digest,)


def _functions_in(kind: type) -> list[FunctionType]:
    """The functions right inside of a class and its bases, through what methods are wrapped in."""
    found: list[FunctionType] = []
    for base in mro_of(kind):
        if base is not object and not is_named(base):
            for member in members_of(base).values():
                found += [f for f in _unwrapped(member) if type(f) is FunctionType]
    return found


def _unwrapped(member: Any) -> tuple[object, ...]:
    if type(member) in (staticmethod, classmethod):
        return (member.__func__,)
    if type(member) is property:
        return (member.fget, member.fset, member.fdel)
    return (member,)


def _is_steady(value: Any) -> bool:
    """Whether it is of a kind that says the same of itself each time it is asked."""
    return type(value) in FIXED or is_a(value, FunctionType, type)


def _is_large(value: Any) -> bool:
    kind = type(value)
    if kind in (list, dict, set, frozenset, tuple):
        return len(value) > LARGE
    if kind in (str, bytes, bytearray):
        return len(value) > HEAVY
    size = getattr(value, "nbytes", 0) if module_of(kind) == "numpy" else 0
    return type(size) is int and size > HEAVY


def _since_load(names: Mapping[str, Any], name: str, held: Held, odd: tuple[str, ...]) -> str:
    """The digest of what differs from what the module held when it was loaded, and (`odd`) from its text."""
    value = names[name]
    state = held.state(name, value)
    if name in held.settled and held.settled[name][0] == state:
        return held.settled[name][1]
    if state is None or same_state(held.first.get(name), state):
        return digest_of("patched", *odd) if odd else ""
    if is_a(value, FunctionType, type):
        same = {digest_of_code(code) for code in held.first.get(name, ()) if isinstance(code, CodeType)}
        functions = [value] if isinstance(value, FunctionType) else _functions_in(value)
        told = [id(f) for f in functions if digest_of_code(f.__code__) in same]
    else:
        told = list(map(id, _own_functions(names)))
    return digest_of("patched", *odd, lenient_version(value, told=told).digest)


def _own_functions(names: Mapping[str, Any]) -> list[FunctionType]:
    """The functions and methods of a module. What their text reads is reached without them."""
    home = str(names.get("__name__", ""))
    found: list[FunctionType] = []
    for value in list(names.values()):
        if is_a(value, type):
            found += _functions_in(value) if module_of(value) == home else []
        elif isinstance(value, FunctionType):
            found.append(value)
    return [function for function in found if function.__globals__ is names]


def _other_literal(value: object, told: Told, name: str, held: Held | None) -> str:
    """The same for a name that the text binds to a literal."""
    version = version_of(value)
    if version.digest == told.literals[name]:
        return ""
    written = name in told.written
    if held is not None:
        if name in held.settled and held.settled[name][0] == held.state(name, value):
            return held.settled[name][1]
        if (name in held.altered or name in told.altered) and (
            name in held.unseen or held.first.get(name) == _state(value)
        ):
            return ""
    elif written:
        return ""
    return digest_of("patched", (version if version.exact else lenient_version(value)).digest)


def _odd_codes(names: Mapping[str, Any], told: Mapping[str, frozenset[str]]) -> tuple[str, ...]:
    """The names that do not hold the functions of the text, and digests of what they hold."""
    rows = ((name, _other_code(names.get(name), digests)) for name, digests in told.items())
    return tuple(field for name, digest in rows if digest for field in (name, digest))


def _other_code(value: object, digests: frozenset[str]) -> str:
    if isinstance(value, FunctionType):
        code = digest_of_code(value.__code__)
        return "" if code in digests else digest_of("patched", code, lenient_version(value).digest)
    return digest_of("patched", lenient_version(value).digest)
