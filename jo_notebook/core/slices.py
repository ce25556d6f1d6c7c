"""What a piece of Python uses, and what each statement of a module binds and does. Text is read, never run."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jo_notebook.core.source import canonical_text, free_names
from jo_notebook.core.texts import TEXTS, UNREADABLE, quietly, tree_of

Chain = tuple[str, ...]
"""A name and the attributes read on it, one after another: `ft.Model.fit` is ("ft", "Model", "fit")."""

FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
Functions = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
Defs = ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef
BINDING = (
    *(ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef, ast.Import, ast.ImportFrom, ast.Global),
    *(ast.Nonlocal, ast.ExceptHandler, ast.MatchAs, ast.MatchStar, ast.MatchMapping, ast.comprehension),
)
BLOCKS = (ast.Try, ast.TryStar, ast.If, ast.With, ast.Match)
NAMESPACES = frozenset({"globals", "locals", "exec", "eval", "__import__"})
CHANGING = frozenset(
    {
        *("append", "extend", "insert", "add", "update", "setdefault", "pop", "popitem", "remove", "discard"),
        *("clear", "sort", "reverse", "register", "appendleft", "extendleft", "subscribe", "connect"),
    }
)


@dataclass(frozen=True, slots=True)
class Import:
    """One name that an import statement binds.

    `name` is "*" for a star import and "" for `import_module("a.b")`. `attribute` is empty where the name is
    the module itself. `chained`: `import a.b.c` binds only `a`. `optional`: in a try, an if or a function.
    """

    name: str
    module: str
    attribute: str = ""
    level: int = 0
    chained: bool = False
    optional: bool = False

    @property
    def text(self) -> str:
        """The statement that imports this name alone."""
        as_name = f" as {self.name}"
        if not self.attribute:
            module = self.name if self.chained else self.module
            return f"import {module}" + ("" if self.name == module else as_name)
        where = "." * self.level + self.module
        return f"from {where} import {self.attribute}" + ("" if self.name in (self.attribute, "*") else as_name)


@dataclass(frozen=True, slots=True)
class Uses:
    """What code reads from outside of itself.

    `imports` are the imports inside it, each with the attributes that are read on the name it binds.
    `dynamic` says that it looks names up in a way that nobody can follow.
    """

    chains: tuple[Chain, ...] = ()
    imports: tuple[tuple[Import, tuple[Chain, ...]], ...] = ()
    dynamic: bool = False


@dataclass(frozen=True, slots=True)
class Statement:
    """One top-level statement of a module.

    `acts`: it does something besides binding names. `runs` is what it reads while the module is imported, where
    that may change something that others read (a decorator, a base class, a call); `alters` is what it is seen
    to change then, and `changes` what its code changes whenever it is called.
    """

    text: str
    binds: tuple[str, ...]
    uses: Uses
    acts: bool = False
    imports: tuple[Import, ...] = ()
    runs: tuple[Chain, ...] = ()
    alters: tuple[Chain, ...] = ()
    changes: tuple[Chain, ...] = ()


@dataclass(frozen=True, slots=True)
class Outline:
    """A module's top level. `exports` is its `__all__`, or None where there is none that can be read."""

    statements: tuple[Statement, ...]
    bindings: Mapping[str, tuple[Statement, ...]]
    imports: tuple[Import, ...]
    stars: tuple[Import, ...]
    exports: frozenset[str] | None
    dynamic: bool
    canonical: str

    def offers(self, name: str) -> bool:
        """Whether `from module import *` takes a name of this one."""
        if self.exports is None:
            return "__all__" in self.bindings or not name.startswith("_")
        return name in self.exports


@lru_cache(maxsize=1024)
def problem_of(text: str) -> str:
    """Why this is no valid Python, in one line; empty where it is."""
    try:
        with quietly():
            compile(text, "<module>", "exec", dont_inherit=True)
        _ = outline_of(text)
    except SyntaxError as error:
        return f"line {error.lineno or 1}: {error.msg}"
    except UNREADABLE as error:
        return f"Python cannot read it ({error})"
    return ""


@lru_cache(maxsize=TEXTS)
def uses_of(text: str) -> Uses:
    """What a step's body or a function of the notebook reads; nothing where it is no valid Python."""
    try:
        body = tree_of(text).body
        with quietly():
            try:
                return _uses(body, as_function=True)
            except SyntaxError:  # a star import, which no function may hold
                return _uses(body)
    except UNREADABLE:
        return Uses()


@lru_cache(maxsize=1024)
def imports_at_top(text: str) -> tuple[Import, ...]:
    """What a module imports when it is imported; nothing where it is no valid Python."""
    try:
        with quietly():
            return tuple(_imports(_running(ast.parse(text).body), inside=False))
    except UNREADABLE:
        return ()


@lru_cache(maxsize=512)
def outline_of(text: str) -> Outline:
    """The top level of a module. Raises what `ast.parse` raises."""
    with quietly():
        tree = ast.parse(text)
        statements = [_told(node, text) for node in _running(tree.body)]
    docstring = ast.get_docstring(tree, clean=False)
    bindings: dict[str, list[Statement]] = {}
    for statement in statements:
        for name in statement.binds:
            bindings.setdefault(name, []).append(statement)
    if docstring is not None:
        bindings.setdefault("__doc__", []).append(Statement(repr(docstring), ("__doc__",), Uses()))
    imports = tuple(i for s in statements for i in s.imports)
    return Outline(
        tuple(statements),
        {name: tuple(found) for name, found in bindings.items()},
        imports,
        tuple(i for i in imports if i.name == "*"),
        _exports(bindings.get("__all__", ())),
        "__getattr__" in bindings or any(s.uses.dynamic and not _is_def_text(s) for s in statements),
        "\n".join(s.text for s in statements),
    )


def _is_def_text(statement: Statement) -> bool:
    return statement.text.startswith(("def ", "async def ", "class ", "@"))


def _exports(statements: Iterable[Statement]) -> frozenset[str] | None:
    found: set[str] = set()
    seen = False
    for statement in statements:
        node = ast.parse(statement.text).body[0]
        try:
            found.update(ast.literal_eval(node.value))  # type: ignore[attr-defined]
            seen = True
        except (AttributeError, TypeError, *UNREADABLE):
            return None
    return frozenset(found) if seen else None


def _running(body: Iterable[ast.stmt]) -> Iterator[ast.stmt]:
    """The statements that run when a module is imported, and say something."""
    for node in body:
        if isinstance(node, ast.If) and _never_on_import(node.test):
            yield from _running(node.orelse)
        elif not (isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)) and not isinstance(
            node, ast.Pass
        ):
            yield node


def _never_on_import(test: ast.expr) -> bool:
    text = ast.unparse(test)
    plain = ("TYPE_CHECKING", "False", "0", "__name__ == '__main__'", "'__main__' == __name__")
    return text in plain or (isinstance(test, ast.Attribute) and test.attr == "TYPE_CHECKING")


def _told(node: ast.stmt, text: str) -> Statement:
    """What a statement says; as it stands, where it is too deep to be taken apart."""
    try:
        return _statement(node)
    except RecursionError:
        shown = ast.get_source_segment(text, node) or ""
        return Statement(shown, tuple(dict.fromkeys(_bound(node))), Uses(dynamic=True), acts=True)


def _statement(node: ast.stmt) -> Statement:
    text = canonical_text([node])
    uses = _uses([node])
    found = tuple(_imports([node], inside=False))
    if isinstance(node, ast.Import | ast.ImportFrom):
        future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        names = tuple(i.name for i in found if i.name != "*")
        return Statement(text, () if future else names, Uses(), acts=future, imports=() if future else found)
    runs, alters = _while_imported(node)
    return Statement(
        text, tuple(dict.fromkeys(_bound(node))), uses, _acts(node), found, runs, alters, tuple(_changes([node]))
    )


def _uses(body: list[ast.stmt], *, as_function: bool = False) -> Uses:
    chains = sorted(set(_chains(body)))
    imports = list(_imports(body, inside=True))
    free = _all_read(body)
    if free is None:
        free = free_names(_as_text(body, as_function))
    by_root: dict[str, list[Chain]] = {}
    for chain in chains:
        by_root.setdefault(chain[0], []).append(chain[1:])
    called = list(_called_modules(body))
    dynamic = not NAMESPACES.isdisjoint(free - {"__import__"}) or None in called or _reads_modules(chains, imports)
    imports += [Import("", module) for module in called if module is not None]
    return Uses(
        tuple(chain for chain in chains if chain[0] in free),
        tuple((i, tuple(by_root.get(i.name, ()))) for i in dict.fromkeys(imports)),
        dynamic or any(_asks_for_names(call) for call in _calls(body)),
    )


def _all_read(body: list[ast.stmt]) -> frozenset[str] | None:
    """The names that code reads, where it binds none of its own: then all of them come from outside."""
    nodes = [node for statement in body for node in ast.walk(statement)]
    if any(isinstance(node, BINDING) or (type(node) is ast.Name and type(node.ctx) is not ast.Load) for node in nodes):
        return None
    return frozenset(node.id for node in nodes if isinstance(node, ast.Name))


def _as_text(body: list[ast.stmt], as_function: bool) -> str:
    text = ast.unparse(ast.Module(body=body, type_ignores=[]))
    if not as_function:
        return text
    wrapped = ast.parse("async def _jo_(): pass")
    function = wrapped.body[0]
    assert isinstance(function, ast.AsyncFunctionDef)
    function.body = body or function.body
    return ast.unparse(wrapped)


def _reads_modules(chains: list[Chain], imports: list[Import]) -> bool:
    return any(chain[:2] == ("sys", "modules") for chain in chains) or any(
        (i.module, i.attribute) == ("sys", "modules") for i in imports
    )


def _calls(body: Iterable[ast.AST]) -> Iterator[ast.Call]:
    for node in body:
        yield from (inner for inner in ast.walk(node) if isinstance(inner, ast.Call))


def _asks_for_names(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id in ("vars", "dir") and not call.args


def _called_modules(body: Iterable[ast.AST]) -> Iterator[str | None]:
    """What `import_module("a.b")` names; None where that is worked out."""
    for call in _calls(body):
        function = call.func
        name = function.attr if isinstance(function, ast.Attribute) else getattr(function, "id", "")
        if name in ("import_module", "__import__") and call.args:
            first = call.args[0]
            plain = isinstance(first, ast.Constant) and isinstance(first.value, str) and first.value[:1] != "."
            yield first.value if plain else None  # type: ignore[attr-defined]


def _chains(nodes: Iterable[ast.AST]) -> Iterator[Chain]:
    queue = list(nodes)
    while queue:
        node = queue.pop()
        attributes: list[str] = []
        while isinstance(node, ast.Attribute):
            attributes.append(node.attr)
            node = node.value
        if isinstance(node, ast.Name):
            yield (node.id, *reversed(attributes))
        elif isinstance(node, ast.Global | ast.Nonlocal):
            yield from ((name,) for name in node.names)
        else:
            queue.extend(ast.iter_child_nodes(node))


def _imports(body: Iterable[ast.AST], *, inside: bool) -> Iterator[Import]:
    """The imports among statements; with `inside`, those in functions and classes too."""
    queue: list[tuple[ast.AST, bool]] = [(node, False) for node in reversed(list(body))]
    while queue:
        node, optional = queue.pop()
        if isinstance(node, ast.Import):
            for alias in node.names:
                chained = alias.asname is None and "." in alias.name
                bound = alias.asname or alias.name.partition(".")[0]
                yield Import(bound, alias.name, chained=chained, optional=optional)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                yield Import(alias.asname or alias.name, node.module or "", alias.name, node.level, optional=optional)
        elif inside or not isinstance(node, Defs | Functions):
            here = optional or isinstance(node, (*BLOCKS, *FUNCTIONS))
            queue += [(child, here) for child in reversed(list(ast.iter_child_nodes(node)))]


def _here(nodes: Iterable[ast.AST]) -> Iterator[ast.AST]:
    """What runs at once: all nodes but the insides of functions; of those, decorators and defaults."""
    queue = list(nodes)
    while queue:
        node = queue.pop()
        yield node
        if isinstance(node, Functions):
            queue += [*getattr(node, "decorator_list", ()), *node.args.defaults]
            queue += [default for default in node.args.kw_defaults if default is not None]
        else:
            queue.extend(ast.iter_child_nodes(node))


def _bound(node: ast.AST) -> Iterator[str]:
    """The names that a statement binds in its module, `global` ones of its functions included."""
    queue = [node]
    while queue:
        node = queue.pop()
        if isinstance(node, Defs):
            yield node.name
            yield from (name for inner in ast.walk(node) if isinstance(inner, ast.Global) for name in inner.names)
            continue
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.Import | ast.ImportFrom):
            yield from (i.name for i in _imports([node], inside=False) if i.name != "*")
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar) and node.name:
            yield node.name
        elif isinstance(node, ast.MatchMapping) and node.rest:
            yield node.rest
        elif type(node).__name__ == "TypeAlias":
            yield node.name.id  # type: ignore[attr-defined]
        if not isinstance(node, ast.Lambda):
            queue += [child for child in ast.iter_child_nodes(node) if not _is_inner_target(node, child)]


def _is_inner_target(node: ast.AST, child: ast.AST) -> bool:
    """The loop names of a comprehension stay inside of it."""
    return isinstance(node, ast.comprehension) and child is node.target


def _acts(node: ast.stmt) -> bool:
    """Whether a statement does something besides binding names."""
    if isinstance(node, Defs):
        return False
    return any(_is_act(inner) for inner in _here([node]))


def _is_act(node: ast.AST) -> bool:
    if isinstance(node, ast.Expr):
        return not isinstance(node.value, ast.Constant)
    if isinstance(node, ast.Attribute | ast.Subscript):
        return not isinstance(node.ctx, ast.Load)
    return isinstance(node, ast.Delete | ast.Raise | ast.Assert | ast.With | ast.While)


def _while_imported(node: ast.stmt) -> tuple[tuple[Chain, ...], tuple[Chain, ...]]:
    """What a binding statement reads while its module is imported, and what it is seen to change."""
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        parts: list[ast.AST] = list(node.decorator_list)
    elif isinstance(node, ast.ClassDef):
        parts = [*node.decorator_list, *node.bases, *node.keywords]
    elif any(isinstance(inner, ast.Call) for inner in _here([node])):
        parts = [node]
    else:
        parts = []
    decorators = node.decorator_list if isinstance(node, Defs) else []
    roots = {chain[:-1] for chain in _chains([getattr(d, "func", d) for d in decorators]) if len(chain) > 1}
    return tuple(sorted(set(_chains(parts)))), tuple(sorted(roots.union(_changes(parts))))


def _is_own_class(node: ast.AST | None) -> bool:
    """`type(self)` or `self.__class__`."""
    if isinstance(node, ast.Call):
        return ast.unparse(node) == "type(self)"
    return isinstance(node, ast.Attribute) and node.attr == "__class__" and ast.unparse(node) == "self.__class__"


def _on_own_class(node: ast.AST, target: ast.AST | None) -> str:
    """The attribute of its own class that a method changes: `type(self).count += 1`, `type(self).rows.append(row)`."""
    if _is_own_class(target):
        return node.attr if isinstance(node, ast.Attribute) else ""
    while isinstance(target, ast.Attribute):
        if _is_own_class(target.value):
            return target.attr
        target = target.value
    return ""


def _changes(nodes: Iterable[ast.AST]) -> Iterator[Chain]:
    """The names whose things are changed in place: `R[k] = f`, `R.x = 1`, `R.append(f)`, `global R`.

    What a class keeps for all (`cls.kinds[name] = cls`) counts as the class itself.
    """
    found: set[Chain] = set()
    for top in nodes:
        owner = (top.name,) if isinstance(top, ast.ClassDef) else ()
        for node in ast.walk(top):
            target: ast.AST | None = None
            if isinstance(node, ast.Attribute | ast.Subscript) and not isinstance(node.ctx, ast.Load):
                target = node.value
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in CHANGING:
                target = node.func.value
            elif isinstance(node, ast.Global):
                found.update((name,) for name in node.names)
            while isinstance(target, ast.Subscript) or (isinstance(target, ast.Call) and not _is_own_class(target)):
                target = target.value if isinstance(target, ast.Subscript) else target.func
            shared = _on_own_class(node, target)
            if shared and owner:
                found.update([owner, ("self", shared)])
                continue
            for chain in _chains([target]) if target is not None else ():
                found.add(owner if owner and chain[0] == "cls" else chain)
    yield from sorted(found)
