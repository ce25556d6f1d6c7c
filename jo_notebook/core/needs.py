"""What a step wants from the notebook: imports, helper functions, constants, data.

Names are resolved when a fingerprint is made, not when a step is defined, so an edited helper is seen.
Each name becomes one `Need`: what kind of thing it is, a digest that changes when the thing does, and
(where there is one) the code that brings it back in a fresh kernel.
"""

from __future__ import annotations

import ast
import builtins
import functools
import itertools
import re
import sys
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from dataclasses import dataclass, replace
from types import CodeType, FunctionType, ModuleType
from typing import Any

from jo_notebook.core.bytecode import global_names
from jo_notebook.core.carried import Carried, carried, isinstance_of
from jo_notebook.core.fingerprint import Part, code_part, digest_of
from jo_notebook.core.homes import Find, Kind
from jo_notebook.core.modules import reach
from jo_notebook.core.patches import Held, patched, patched_attributes, unseen
from jo_notebook.core.reaching import GONE
from jo_notebook.core.slices import uses_of
from jo_notebook.core.source import canonical_text, free_names, is_builtin, mentioned_names
from jo_notebook.core.texts import TEXTS
from jo_notebook.core.version import (
    Version,
    can_be_taken_apart,
    code_digest,
    is_opaque,
    lenient_version,
    version_of,
)

SHOWN = 60
RESTORABLE = 20_000
MEMBERS = 1_000
LISTED = 20_000
REACHING = frozenset({"eval", "exec", "globals", "input", "__import__"})
OUTSIDE = ("module", "package")
READS_DOCS = re.compile(r"__doc__|\bgetdoc\b|\bhelp\(|\bgetsource\b|\bdoctest\b|\bdocopt\b")
PLAIN = (bool, int, float, complex, str, bytes, type(None), tuple, list, dict, set, frozenset)

Statement = Callable[[str], str | None]
"""Gives the text of the notebook's latest top-level statement that bound a name."""

Versions = Callable[[object], Version]


@dataclass(frozen=True, slots=True)
class Need:
    """One name a step reads from the notebook, or one thing of a module that its code reaches.

    `kind` is a kind of fingerprint part (helper, module, constant, global, package, import, untracked). `code` is
    what restores the name when it is executed, or empty. `shown` is the text for people. `reads` are the names
    that the thing reads itself; `texts` and `bound` what code inside it reaches in modules (see `core/carried.py`).
    """

    kind: str
    name: str
    digest: str
    shown: str = ""
    code: str = ""
    reads: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    bound: tuple[tuple[str, str, str], ...] = ()

    @property
    def part(self) -> Part:
        """This need as a part of a fingerprint."""
        return Part(self.kind, self.name, self.digest, self.shown)

    def to_json(self) -> list[Any]:
        """Plain data, for a file."""
        words = [self.kind, self.name, self.digest, self.shown, self.code]
        return [*words, list(self.reads), list(self.texts), [list(row) for row in self.bound]]

    @classmethod
    def from_json(cls, row: list[Any]) -> Need:
        """The reverse of `to_json`; an older release wrote the names that are read one after another."""
        kind, name, digest, shown, code = (str(word) for word in row[:5])
        rest = row[5:]
        if not rest or isinstance(rest[0], str):
            return cls(kind, name, digest, shown, code, tuple(map(str, rest)))
        reads, texts, bound = rest
        triples = tuple((str(alias), str(module), str(what)) for alias, module, what in bound)
        return cls(kind, name, digest, shown, code, tuple(map(str, reads)), tuple(map(str, texts)), triples)


def resolve(
    names: Iterable[str],
    namespace: Mapping[str, Any],
    *,
    text: str = "",
    steps: Iterable[str] = (),
    remembered: Iterable[Need] = (),
    statement: Statement = lambda name: None,
    versions: Versions = version_of,
    looked: MutableMapping[str, list[Need]] | None = None,
    find: Find | None = None,
    loaded: Find | None = None,
    held: Callable[[str], Held | None] = lambda module: None,
) -> tuple[Need, ...]:
    """Everything that `names` stand for in the notebook, helpers of helpers included.

    A name that the namespace does not have is taken from `remembered` (a fresh kernel has not run the
    cells yet); one that nobody knows is left out. `steps` are not looked up: their values come in as
    inputs. `looked` keeps what was found in the namespace, for the next call over the same one. With `find`, what
    the step's `text` and its helpers reach in modules is told too; `loaded` gives modules as this process has them,
    and `held` what they held when they were loaded. Runs nothing of the user's, except what a value's own
    `__reduce__` does.
    """
    known: dict[str, list[Need]] = {}
    for need in remembered:
        if need.kind not in OUTSIDE:
            known.setdefault(need.name, []).append(need)
    skip = set(steps)
    looked = {} if looked is None else looked
    found: dict[str, list[Need]] = {}
    queue = sorted(set(names))
    while queue:
        name = queue.pop()
        if name in found or name in skip:
            continue
        if name in looked:
            needs = looked[name]
        elif name in namespace and not _is_wrapped_builtin(name, namespace[name]):
            needs = looked[name] = look_at(name, namespace[name], statement, versions, namespace)
        elif is_builtin(name):
            needs = of_python(name)
        else:
            needs = known.get(name, [])
        found[name] = needs
        queue += [n for need in needs for n in need.reads]
    needs = [need for name in sorted(found) for need in found[name]]
    texts = [text, *(need.code for need in needs if need.kind == "helper")]
    if any(map(reads_docs, texts)):
        needs = [_with_docs(need) for need in needs]
    if find is None:
        return tuple(needs)
    return (*needs, *_outside(needs, texts, find, loaded or find, held, namespace, statement))


def of_python(name: str) -> list[Need]:
    """What a name stands for that Python itself has and the notebook has not."""
    return [Need("untracked", name, "", f"what {name}() reaches")] if name in REACHING else []


@functools.lru_cache(maxsize=TEXTS)
def reads_docs(text: str) -> bool:
    """Whether code may read docstrings when it runs: then they count as code."""
    return READS_DOCS.search(text) is not None


def imports_bound(needs: Iterable[Need]) -> dict[str, tuple[str, str]]:
    """The names that are bound to imports: each with its module, and its name there or nothing."""
    rows = ((need.name, _import_of(need.name, need.code)) for need in needs if need.kind == "import")
    return {name: where for name, where in rows if where is not None}


DRAWS = (
    *("random", "randint", "randrange", "choice", "choices", "shuffle", "sample", "uniform", "gauss", "normalvariate"),
    *("rand", "randn", "random_sample", "permutation", "normal", "poisson", "binomial", "exponential", "bytes"),
)
SOURCES_OF_CHANCE = ("random", "numpy.random")


def uses_chance(texts: Iterable[str], bound: Mapping[str, tuple[str, str]]) -> bool:
    """Whether code draws from the random numbers that the whole process shares, as far as names tell."""
    chains = ((bound[c[0]], c[1:]) for text in texts for c in uses_of(text).chains if c[0] in bound)
    dotted = (".".join(filter(None, (*where, *rest))) for where, rest in chains)
    split = (name.rpartition(".") for name in dotted)
    return any(place in SOURCES_OF_CHANCE and name in DRAWS for place, _, name in split)


def _outside(
    needs: Iterable[Need],
    texts: list[str],
    find: Find,
    loaded: Find,
    holdings: Callable[[str], Held | None],
    namespace: Mapping[str, Any],
    statement: Statement,
) -> list[Need]:
    """What the code reaches in modules: definitions of local ones, versions of installed ones, what was patched."""
    needs = list(needs)
    bound = {**imports_bound(needs), **{alias: (module, name) for n in needs for alias, module, name in n.bound}}
    texts = [*texts, *dict.fromkeys(text for need in needs for text in need.texts)]
    reached = reach(texts, bound, find)
    chance = [_untracked("random numbers (--seed makes them the same)", "")] if uses_chance(texts, bound) else []
    patches = patched(reached.pieces, loaded, sys.modules.get, holdings)
    large = unseen(reached.pieces, holdings)
    chance += [_untracked(f"{module}.{name}", "too much to compare") for module, name in large]
    found = chance
    for piece in reached.pieces:
        held = patches.get((piece.module, piece.name), "")
        name = f"{_file_of(piece.module, find)}:{piece.name}"
        part = code_part("module", name, piece.text, held=held)
        found.append(Need("module", name, part.digest, part.text))
    for module, problem in reached.problems:
        home = find(module)
        if home.kind is Kind.LOCAL or home.problem == GONE:
            name = f"{_file_of(module, find)}:"
            found.append(Need("module", name, f"problem {digest_of(problem)}", problem))
        elif sys.modules.get(module) is None:
            found.append(Need("package", module, digest_of("not installed"), "not installed"))
        else:
            found.append(_untracked(module, "a module without a file"))
    found += [_untracked(f"{module}'s computed names", "what it looks up by name") for module in reached.opaque]
    for distribution, version in reached.packages:
        found.append(Need("package", distribution, digest_of(version), version or "of unknown version"))
    for (module, name), value in patched_attributes(texts, bound, sys.modules.get, namespace).items():
        (first, *_) = _helper(name, value, statement(name) or "", None)
        found.append(Need("helper", f"{module}.{name}", first.digest, first.shown))
    return found


def _file_of(module: str, find: Find) -> str:
    """What a message calls a local module: features.py, package/__init__.py."""
    return module.replace(".", "/") + ("/__init__.py" if find(module).is_package else ".py")


def look_at(
    name: str,
    value: object,
    statement: Statement,
    versions: Versions = version_of,
    home: Mapping[str, Any] | None = None,
) -> list[Need]:
    """What a name of the notebook (`home`) stands for, by the value it has. What cannot be looked at is untracked."""
    code = statement(name) or ""
    try:
        return _look(name, value, code, versions, home)
    except RecursionError:
        return _opaque(name, value, code)
    except Exception:  # noqa: BLE001 - a user's object may raise anything when it is asked what it is
        return _opaque(name, value, code)


def _look(name: str, value: Any, code: str, versions: Versions, home: Mapping[str, Any] | None) -> list[Need]:
    kind = type(value)
    if issubclass(kind, ModuleType):
        return [_module(name, value, code)]
    where = _import_of(name, code)
    if where is not None and _is_there(where, value):
        return [Need("import", name, digest_of(*where), f"{where[0]}.{where[1]}", code.strip())]
    if callable(value):
        where = _importable(value)
        if where:
            module, attribute = where
            code = f"from {module} import {attribute}" + (f" as {name}" if attribute != name else "")
            return [Need("import", name, digest_of(module, attribute), f"{module}.{attribute}", code)]
    if issubclass(kind, FunctionType | type) or type(_wrapped(value)) is FunctionType:
        return _helper(name, value, code, home)
    if is_opaque(value):
        return _opaque(name, value, code)
    return _data(name, value, versions)


def _is_wrapped_builtin(name: str, value: object) -> bool:
    """Whether this is a builtin with a wrapper of the shell around it, as IPython's `open`: elsewhere it is plain."""
    if type(value) is not FunctionType or value.__globals__.get("__name__", "").partition(".")[0] != "IPython":
        return False
    return vars(builtins).get(name, value) is _wrapped(value)


def _wrapped(value: Any) -> object:
    """The function that a decorator put a callable object around, or None."""
    return getattr(value, "__wrapped__", None) if callable(value) else None


def _untracked(name: str, what: str) -> Need:
    return Need("untracked", name, "", what)


def _opaque(name: str, value: object, code: str) -> list[Need]:
    """What cannot be compared (a connection, a random generator): the statement that made it counts instead."""
    kind = type(value)
    found = [_untracked(name, f"{name} ({kind.__name__})")]
    text = _canonical(code)
    if not text:
        return found
    reads = set(_names_of_code(code)) - {name}
    if kind.__module__ == "__main__":
        reads.add(kind.__name__)
    return [Need("global", name, digest_of("made by", text), text, reads=tuple(sorted(reads))), *found]


def _module(name: str, module: ModuleType, statement: str) -> Need:
    full = module.__name__
    where = _import_of(name, statement)
    code = statement.strip() if where is not None and sys.modules.get(where[0]) is not None else ""
    code = code or (f"import {full}" if full == name else f"import {full} as {name}")
    return Need("import", name, digest_of("module", full), full, code)


def _is_there(where: tuple[str, str], value: object) -> bool:
    """Whether this very object is what the module has under that name."""
    module, name = sys.modules.get(where[0]), where[1]
    return isinstance(module, ModuleType) and bool(name) and vars(module).get(name) is value


@functools.lru_cache(maxsize=2048)
def _import_of(name: str, code: str) -> tuple[str, str] | None:
    """What an import statement binds to the name: the module, and the name there or nothing."""
    try:
        body = ast.parse(code.strip()).body if "import" in code else []
    except (SyntaxError, ValueError, RecursionError):
        return None
    for statement in body:
        if isinstance(statement, ast.Import):
            for alias in statement.names:
                if (alias.asname or alias.name.partition(".")[0]) == name:
                    return (alias.name if alias.asname else name), ""
        elif isinstance(statement, ast.ImportFrom) and statement.module and not statement.level:
            for alias in statement.names:
                if (alias.asname or alias.name) == name:
                    return statement.module, alias.name
    return None


def _importable(value: Any) -> tuple[str, str] | None:
    """The module and the name under which a fresh process finds this very object, if it does."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__" or "." in name:
        return None
    for place in dict.fromkeys([_public(module), module]):
        if place and getattr(sys.modules.get(place), name, None) is value:
            return place, name
    return None


def _public(module: str) -> str:
    """The part of a module's name in front of its first private piece: `pathlib` for `pathlib._local`.

    Where a library keeps a thing privately changes from release to release; where it offers it does not.
    """
    return ".".join(itertools.takewhile(lambda piece: not piece.startswith("_"), module.split(".")))


def _helper(name: str, value: Any, code: str, home: Mapping[str, Any] | None) -> list[Need]:
    """A function or class of the notebook: its text, and whatever that text does not tell.

    A function counts as told by the text when it compiles to the same code; else its code counts too
    (a decorator's wrapper, a method that was patched in). One with globals of its own counts with their values.
    """
    functions = _functions_of(value)
    known = _code_digests(code)
    told = [id(f) for f in functions if known.get(f.__qualname__) == code_digest(f.__code__)]
    is_elsewhere = any(f.__globals__ is not home and not _has_home(f) for f in functions) and home is not None
    version = lenient_version(value, told=told, reads=is_elsewhere)
    text = _canonical(code)
    shown = text or f"{'class' if isinstance(value, type) else 'def'} {name} (compiled)"
    inside = carried(value)
    reads = {n for f in functions for n in global_names(f.__code__) if n in f.__globals__} | inside.reads
    reads.update(_names_of_code(code))
    part = code_part("helper", name, text, held=version.digest, shown=shown)
    need = _carrying(Need("helper", name, part.digest, part.text, code, tuple(sorted(reads - {name}))), inside)
    return [need, *([_untracked(name, f"what {name} holds")] if version.left_out else [])]


def _has_home(function: FunctionType) -> bool:
    """Whether the globals of a function are those of a module that is loaded."""
    home = sys.modules.get(str(function.__globals__.get("__name__", "")))
    return isinstance(home, ModuleType) and vars(home) is function.__globals__


def _carrying(need: Need, inside: Carried) -> Need:
    bound = tuple((alias, module, name) for alias, (module, name) in inside.bound.items())
    return replace(need, texts=tuple(dict.fromkeys(inside.texts)), bound=bound)


def _with_docs(need: Need) -> Need:
    """A helper whose docstrings somebody reads: they count as what its text does not tell."""
    if need.kind != "helper":
        return need
    docs = _docstrings(need.code)
    return replace(need, digest=f"{need.digest}{digest_of(docs)}") if docs else need


@functools.lru_cache(maxsize=1024)
def _docstrings(code: str) -> str:
    try:
        tree = ast.parse(code)
    except (SyntaxError, ValueError, RecursionError):
        return code
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return "\0".join(ast.get_docstring(node) or "" for node in ast.walk(tree) if isinstance(node, kinds))


def _functions_of(value: Any) -> list[FunctionType]:
    """The functions that make up a function or class: methods, and what decorators closed over."""
    found: dict[int, FunctionType] = {}
    seen: set[int] = set()
    queue: list[object] = [value]
    while queue:
        item = queue.pop()
        if id(item) in seen:
            continue
        seen.add(id(item))
        if isinstance(item, FunctionType):
            found[id(item)] = item
            queue += _held_by(item)
        elif isinstance(item, type):
            queue += [*vars(item).values(), *item.__bases__] if _importable(item) is None else []
        elif isinstance(item, property):
            queue += [item.fget, item.fset, item.fdel]
        elif isinstance(item, list | tuple | set | frozenset):
            queue += item if len(item) <= MEMBERS else []
        elif isinstance(item, dict):
            queue += item.values() if len(item) <= MEMBERS else []
        else:
            queue += [getattr(item, a, None) for a in ("__func__", "__wrapped__", "func") if _is_wrapper(item)]
    return list(found.values())


def _is_wrapper(item: object) -> bool:
    if isinstance(item, staticmethod | classmethod | functools.cached_property | functools.partial):
        return True
    return callable(item) and isinstance(getattr(item, "__wrapped__", None), FunctionType)


def _held_by(function: FunctionType) -> list[object]:
    """Defaults, closed-over values and attributes."""
    found: list[object] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    found += function.__dict__.values()
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # a name that is not bound yet
            continue
    return found


@functools.lru_cache(maxsize=1024)
def _code_digests(text: str) -> Mapping[str, str]:
    """The digests of all functions that a `def`, `class` or lambda statement compiles to, by qualified name.

    A name that stands for two of them (both branches of an `if`, two lambdas of a class) tells neither.
    """
    try:
        queue: list[CodeType] = [compile(text, "<helper>", "exec", dont_inherit=True)] if text else []
    except (SyntaxError, ValueError, RecursionError):
        return {}
    found: dict[str, set[str]] = {}
    while queue:
        code = queue.pop()
        found.setdefault(code.co_qualname, set()).add(code_digest(code))
        queue += [c for c in code.co_consts if isinstance(c, CodeType)]
    return {name: next(iter(digests)) for name, digests in found.items() if len(digests) == 1}


def _data(name: str, value: object, versions: Versions) -> list[Need]:
    version = versions(value)
    untracked = [_untracked(name, f"{name} ({type(value).__name__})")]
    if not version.exact:
        if not can_be_taken_apart(value):
            return untracked
        version = lenient_version(value)
    if not version.digest:
        return untracked
    text = literal(value)
    kind = "constant" if isinstance_of(value, PLAIN) and text else "global"
    shown = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    code = f"{name} = {text}" if text and len(text) <= RESTORABLE else ""
    need = Need(kind, name, version.digest, shown or f"a {type(value).__name__}", code)
    if not text:
        inside = carried(value)
        need = _carrying(replace(need, reads=tuple(sorted(inside.reads - {name}))), inside)
    return [need, *(untracked if version.left_out else [])]


def literal(value: object) -> str:
    """The value as Python source that gives it back, or an empty string."""
    if not isinstance_of(value, PLAIN) or (isinstance(value, list | tuple | dict | set) and len(value) > LISTED):
        return ""
    try:
        text = repr(value)
        back = ast.literal_eval(text) if len(text) <= 10 * RESTORABLE else None
        same = len(text) <= 10 * RESTORABLE and version_of(back) == version_of(value)
        return text if same else ""
    except Exception:  # noqa: BLE001 - an element's repr is the user's code, and numbers can be too long for text
        return ""


@functools.lru_cache(maxsize=1024)
def _canonical(code: str) -> str:
    try:
        return canonical_text(ast.parse(code).body) if code else ""
    except (SyntaxError, ValueError, RecursionError):
        return code


@functools.lru_cache(maxsize=1024)
def _names_of_code(code: str) -> tuple[str, ...]:
    try:
        return tuple(sorted(free_names(code) | mentioned_names(code))) if code else ()
    except (SyntaxError, ValueError, RecursionError):
        return ()
