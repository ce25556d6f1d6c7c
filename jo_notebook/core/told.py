"""What the text of a module tells of what its names hold: code, constants, and what its code changes by itself."""

from __future__ import annotations

import ast
import dis
from collections import Counter
from collections.abc import Callable, Container, Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType

from jo_notebook.core.homes import Home
from jo_notebook.core.reaching import absolute
from jo_notebook.core.slices import Chain, Statement, outline_of, problem_of
from jo_notebook.core.texts import UNREADABLE, quietly
from jo_notebook.core.version import code_digest, version_of

DEF = ("def ", "async def ")
DEFS = (*DEF, "class ", "@")
WRAPPED = frozenset({"__new__", "__init_subclass__", "__class_getitem__"})
MAKERS: dict[str, Callable[..., object]] = {t.__name__: t for t in (dict, list, set, tuple, frozenset)}


@lru_cache(maxsize=4096)
def digest_of_code(code: CodeType) -> str:
    """`code_digest`, worked out once."""
    return code_digest(code)


@dataclass(frozen=True, slots=True)
class Told:
    """What names hold by a module's text.

    `functions` and `methods` are digests of code, `literals` of values. `written` are the names that its code
    changes when it is called, `altered` those of them that it may change while it is imported; `on_self` what the
    methods of a class change on their object.
    """

    functions: Mapping[str, frozenset[str]]
    methods: Mapping[str, Mapping[str, frozenset[str]]]
    literals: Mapping[str, str]
    written: frozenset[str]
    altered: frozenset[str]
    on_self: Mapping[str, frozenset[str]]


@lru_cache(maxsize=512)
def told_by(text: str) -> Told:
    """What a module's text tells; nothing where it is no Python."""
    if problem_of(text):
        return Told({}, {}, {}, frozenset(), frozenset(), {})
    outline = outline_of(text)
    written = {chain[0] for statement in outline.statements for chain in statement.changes}
    on_self = {
        s.binds[0]: frozenset(c[1] for c in s.changes if len(c) > 1 and c[0] in ("self", "cls"))
        for s in outline.statements
        if s.binds and _is_def(s)
    }
    return Told(functions_of(text), _methods(text), _literals(text), frozenset(written), _altered(text), on_self)


def _is_def(statement: Statement) -> bool:
    return statement.text.startswith(DEFS)


@lru_cache(maxsize=512)
def functions_of(text: str) -> Mapping[str, frozenset[str]]:
    """The digests of the functions that a module's text compiles to, of those that are one plain `def`."""
    if problem_of(text):
        return {}
    rows = ((n, _binding(n, rows)) for n, rows in outline_of(text).bindings.items())
    plain = {n for n, row in rows if row is not None and row.text.startswith(DEF)}
    return {name: frozenset(map(code_digest, codes)) for name, codes in _inner(_module_code(text), plain).items()}


def _binding(name: str, rows: Iterable[Statement]) -> Statement | None:
    """The one statement that binds a name when the module is imported; None where there is not just one."""
    rows = [row for row in rows if not (_is_def(row) and row.binds[0] != name)]  # a function that says `global`
    return rows[0] if len(rows) == 1 else None


@lru_cache(maxsize=512)
def _methods(text: str) -> Mapping[str, Mapping[str, frozenset[str]]]:
    """The same for the methods of its classes."""
    if problem_of(text):
        return {}
    rows = ((n, _binding(n, rows)) for n, rows in outline_of(text).bindings.items())
    classes = {n: row.text for n, row in rows if row is not None and row.text.startswith("class ")}
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
    """The versions of the literals that names of a module are bound to, and of what Python works out of such."""
    if problem_of(text):
        return {}
    outline = outline_of(text)
    rebound = frozenset(MAKERS) if outline.stars else frozenset(outline.bindings)
    found = {}
    for name, rows in outline.bindings.items():
        row = None if name.startswith("__") else _binding(name, rows)
        digest = _literal(row.text, name, rebound) if row is not None else ""
        if digest:
            found[name] = digest
    return found


def _literal(text: str, name: str, rebound: Container[str]) -> str:
    try:
        node = ast.parse(text).body[0]
        if not isinstance(node, ast.Assign | ast.AnnAssign) or node.value is None:
            return ""
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if [ast.unparse(target) for target in targets] != [name]:
            return ""
        return version_of(_worked_out(node.value, rebound)).digest
    except (*UNREADABLE, TypeError, OverflowError):
        return ""


def _worked_out(node: ast.expr, rebound: Container[str]) -> object:
    """What an expression gives that needs no name but those of Python's containers. Raises ValueError for others."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id not in rebound:
        make = MAKERS.get(node.func.id)
        if make is not None and all(keyword.arg for keyword in node.keywords):
            named = {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in node.keywords}
            return make(*map(ast.literal_eval, node.args), **named)
    try:
        return ast.literal_eval(node)
    except ValueError:
        code = compile(ast.Expression(node), "<module>", "eval", dont_inherit=True)
        steps = [i for i in dis.get_instructions(code) if i.opname not in ("RESUME", "NOP")]
        if [i.opname for i in steps] not in (["LOAD_CONST", "RETURN_VALUE"], ["RETURN_CONST"]):
            raise
        return steps[0].argval  # Python works `24 * 60 * 60` out when it compiles


@lru_cache(maxsize=512)
def _altered(text: str) -> frozenset[str]:
    """The names that what runs while a module is imported may change in place, in it or in what it calls."""
    found: set[str] = set()
    called: set[str] = set()
    for statement in outline_of(text).statements:
        runs = [*statement.runs, *statement.alters, *(() if _is_def(statement) else statement.uses.chains)]
        called.update(chain[0] for chain in runs)
        changes = statement.alters if _is_def(statement) else statement.changes
        found.update(chain[0] for chain in changes)
    return frozenset(found | _changed_by(text, called))


def _changed_by(text: str, called: Iterable[str]) -> set[str]:
    """The names of a module that the code of some of its names may change when it is called."""
    outline = outline_of(text)
    found: set[str] = set()
    waiting, seen = list(called), set()
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            for binding in outline.bindings.get(name, ()):
                found.update(chain[0] for chain in binding.changes)
                waiting += [chain[0] for chain in binding.uses.chains]
    return found


def altered_by_import(module: str, text: str, other: str, home: Home) -> set[str]:
    """The names of a module that another one may change while that one is imported: `@core.register`, `core.X = 1`."""
    if problem_of(home.text) or problem_of(text):
        return set()
    outline = outline_of(home.text)
    bound: dict[str, Chain] = {}
    for imported in outline.imports:
        full = absolute(imported, other, home.is_package)
        if full == module:
            bound[imported.name] = (imported.attribute,) if imported.attribute else ()
        elif f"{full}.{imported.attribute}" == module:
            bound[imported.name] = ()
    found: set[str] = set()
    for statement in outline.statements if bound else ():
        at_once = statement.acts or (statement.runs and not _is_def(statement))
        for chain in statement.uses.chains if at_once else (*statement.runs, *statement.alters):
            if chain[0] in bound:
                found.update((*bound[chain[0]], *chain[1:])[:1])
    return found | _changed_by(text, found)
