"""What is loaded and is not what its text says: a module's function or constant that was replaced in the notebook."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from functools import lru_cache
from types import CodeType, FunctionType, ModuleType
from typing import Any

from jo_notebook.core.fingerprint import digest_of
from jo_notebook.core.homes import Find, Kind, names_of
from jo_notebook.core.reaching import Bound, Name, Piece
from jo_notebook.core.slices import UNREADABLE, Chain, outline_of, problem_of, quietly, uses_of
from jo_notebook.core.version import code_digest, lenient_version, version_of

DEF = ("def ", "async def ")
WRAPPED = frozenset({"__new__", "__init_subclass__", "__class_getitem__"})
Live = Callable[[str], ModuleType | None]


def patched(pieces: Iterable[Piece], find: Find, live: Live) -> dict[Name, str]:
    """Digests of the loaded things that are not what the text of their module says, by module and name.

    Compared are functions and methods without decorators, and names bound once to a literal that the module
    itself never changes in place. `find` gives the text that is loaded.
    """
    found: dict[Name, str] = {}
    for piece in pieces:
        module = live(piece.module) if piece.name else None
        home = find(piece.module) if module is not None else None
        if module is None or home is None or home.kind is not Kind.LOCAL or not home.text:
            continue
        names = names_of(module)
        if piece.name in names:
            digest = _other_digest(names[piece.name], home.text, piece.name)
            if digest:
                found[piece.module, piece.name] = digest
    return found


def comes_from_another_text(module: ModuleType, text: str, path: str) -> bool:
    """Whether a plain function of a loaded module was read from this file when it had another text."""
    names = names_of(module)
    functions = [(names.get(name), digests) for name, digests in _functions(text).items()]
    return any(
        _digest_of_code(value.__code__) not in digests
        for value, digests in functions
        if isinstance(value, FunctionType) and value.__code__.co_filename == path
    )


def patched_attributes(texts: Iterable[str], bound: Bound, live: Live) -> dict[Name, Any]:
    """The notebook's own functions and classes that sit in modules, of all that Python sources read there.

    `np.random.rand = fake` gives {("numpy.random", "rand"): fake} for a text that reads `np.random.rand`. Looks
    into the modules' own names only: no code of theirs runs.
    """
    found: dict[Name, Any] = {}
    for text in texts:
        uses = uses_of(text)
        for chain in uses.chains:
            if chain[0] in bound:
                where, attribute = bound[chain[0]]
                _follow(live(where), (*((attribute,) if attribute else ()), *chain[1:]), found)
        for imported, chains in uses.imports:
            if not imported.level:
                where = imported.name if imported.chained else imported.module
                first = (imported.attribute,) if imported.attribute else ()
                for chain in chains or [()]:
                    _follow(live(where), (*first, *chain), found)
    return found


def attributes_read(texts: Iterable[str], bound: Bound) -> set[Name]:
    """The attributes of modules that Python sources read, as far as names tell: what a replacement would change."""
    found: set[Name] = set()
    for text in texts:
        uses = uses_of(text)
        found.update((bound[c[0]][0], bound[c[0]][1] or c[1]) for c in uses.chains if c[0] in bound and len(c) > 1)
    return found


def _follow(module: ModuleType | None, chain: Chain, found: dict[Name, Any]) -> None:
    for attribute in chain:
        if not isinstance(module, ModuleType):
            return
        value = names_of(module).get(attribute)
        if _is_of_notebook(value):
            found[str(names_of(module).get("__name__", "")), attribute] = value
        module = value


def _is_of_notebook(value: Any) -> bool:
    if isinstance(value, FunctionType):
        return value.__module__ == "__main__"
    return isinstance(value, type) and type.__getattribute__(value, "__dict__").get("__module__") == "__main__"


def _other_digest(value: object, text: str, name: str) -> str:
    """A digest of the value where it is not what the text says; empty where it is, or where nobody can tell."""
    functions, literals, methods = _functions(text), _literals(text), _methods(text)
    if name in functions:
        return _other_code(value, functions[name])
    if name in methods and isinstance(value, type):
        members = type.__getattribute__(value, "__dict__")
        rows = [(m, _other_code(members.get(m), digests)) for m, digests in methods[name].items()]
        return (
            digest_of("patched", *(field for row in rows if row[1] for field in row)) if any(r[1] for r in rows) else ""
        )
    if name in literals:
        version = version_of(value)
        if version.digest == literals[name]:
            return ""
        return digest_of("patched", (version if version.exact else lenient_version(value)).digest)
    return ""


def _other_code(value: object, digests: frozenset[str]) -> str:
    if isinstance(value, FunctionType):
        code = _digest_of_code(value.__code__)
        return "" if code in digests else digest_of("patched", code, lenient_version(value).digest)
    return digest_of("patched", lenient_version(value).digest)


@lru_cache(maxsize=4096)
def _digest_of_code(code: CodeType) -> str:
    return code_digest(code)


@lru_cache(maxsize=512)
def _functions(text: str) -> Mapping[str, frozenset[str]]:
    """The digests of the functions that a module's text compiles to, of those that are one plain `def`."""
    if problem_of(text):
        return {}
    plain = {n for n, rows in outline_of(text).bindings.items() if len(rows) == 1 and rows[0].text.startswith(DEF)}
    return {name: frozenset(map(code_digest, codes)) for name, codes in _inner(_module_code(text), plain).items()}


@lru_cache(maxsize=512)
def _methods(text: str) -> Mapping[str, Mapping[str, frozenset[str]]]:
    """The same for the methods of its classes."""
    if problem_of(text):
        return {}
    rows = outline_of(text).bindings
    classes = {n: row[0].text for n, row in rows.items() if len(row) == 1 and row[0].text.startswith("class ")}
    found = {}
    for name, codes in _inner(_module_code(text), classes).items():
        plain = _plain_methods(classes[name])
        found[name] = {m: frozenset(map(code_digest, c)) for m, c in _inner(codes[0], plain).items()}
    return found


def _plain_methods(text: str) -> set[str]:
    """The methods of a class that are one `def` and stay what they are."""
    node = ast.parse(text).body[0]
    if not isinstance(node, ast.ClassDef) or node.keywords:
        return set()
    counts = Counter(inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name))
    methods = [inner for inner in node.body if isinstance(inner, ast.FunctionDef | ast.AsyncFunctionDef)]
    counts.update(method.name for method in methods)
    plain = [m.name for m in methods if not m.decorator_list and m.name not in WRAPPED]
    return {name for name in plain if counts[name] == 1}


def _module_code(text: str) -> CodeType:
    with quietly():
        return compile(text, "<module>", "exec", dont_inherit=True)


def _inner(code: CodeType, names: Container[str]) -> dict[str, list[CodeType]]:
    """The code of functions and classes right inside of a module or class."""
    found: dict[str, list[CodeType]] = {}
    for inner in code.co_consts:
        if isinstance(inner, CodeType) and inner.co_name in names:
            found.setdefault(inner.co_name, []).append(inner)
    return found


@lru_cache(maxsize=512)
def _literals(text: str) -> Mapping[str, str]:
    """The versions of the literals that names of a module are bound to, where nothing in it changes them."""
    if problem_of(text):
        return {}
    outline = outline_of(text)
    changed = {chain[0] for statement in outline.statements for chain in statement.changes}
    found = {}
    for name, rows in outline.bindings.items():
        if len(rows) == 1 and name not in changed and not name.startswith("__"):
            digest = _literal(rows[0].text, name)
            if digest:
                found[name] = digest
    return found


def _literal(text: str, name: str) -> str:
    try:
        node = ast.parse(text).body[0]
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            return ""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if [ast.unparse(target) for target in targets] != [name]:
            return ""
        return version_of(ast.literal_eval(node.value)).digest
    except UNREADABLE:
        return ""
