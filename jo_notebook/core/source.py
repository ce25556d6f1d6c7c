"""A cell's source becomes a function: dependency names are its parameters, its last expression its result."""

from __future__ import annotations

import ast
import builtins
import keyword
import re
import symtable
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any, TypeVar

from jo_notebook.core.texts import TEXTS, tree_of
from jo_notebook.errors import SourceError

Scope = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)
SIMPLE = (ast.Assign, ast.AugAssign, ast.AnnAssign, ast.Expr, ast.Return)
MENTION = re.compile(r"[{$]\s*\{?\s*([^\W\d]\w*)")
AT = re.compile(r"@([^\W\d]\w*)")
FROM = re.compile(r"\b(?:from|join)\s+([^\W\d]\w*)\b(?!\s*[.(])", re.IGNORECASE)
BRACES = re.compile(r"\{([^{}]*)\}")
Node = TypeVar("Node", bound=ast.AST)


@dataclass(frozen=True, slots=True)
class Source:
    """What a step's body says.

    `text` is the body as typed, `python` the same after the shell has replaced `!cmd` and `%magic`,
    `header` the lines of the cell above the body (so that tracebacks count the cell's own lines).
    `canonical` has no layout, no comments and no docstrings: it is what decides whether the code
    changed. `reads` are the names the body reads and does not bind itself.
    """

    text: str
    python: str
    header: str
    canonical: str
    reads: frozenset[str]
    has_result: bool


def parse_source(text: str, *, python: str | None = None, header: str = "", where: str = "") -> Source:
    """The body as a `Source`.

    Raises SourceError, with the line and a caret, where Python does not understand it; `where` names the
    step and the cell in that message.
    """
    python = text if python is None else python
    tree, _ = _function(python, "_jo_step_", (), header=header, where=where)
    shown = tree.body[0]
    assert isinstance(shown, ast.FunctionDef | ast.AsyncFunctionDef)
    body = [s for s in shown.body if not _is_bare_constant(s)] or [ast.Pass()]
    try:
        canonical = canonical_text(body)
        free = free_names(ast.unparse(tree)) | frozenset(_mentioned(tree)) | _read_before_bound(shown.body)
        reads = free - {"get_ipython"}
    except (RecursionError, ValueError) as error:
        raise SourceError(f"{where or 'The step'}: Python cannot read this body ({error}).") from error
    return Source(text, python, header, canonical, reads, _has_result(shown))


def compile_step(
    source: Source, name: str, parameters: Iterable[str], namespace: dict[str, Any], filename: str
) -> Callable[..., Any]:
    """The function of a step: its parameters by name, over `namespace` as its globals.

    `filename` is what tracebacks show; lines count from the top of the cell.
    """
    parameters = tuple(parameters)
    code = _shared_code(source.python, source.header, parameters)
    if code is None:
        code = _own_code(source.python, source.header, parameters, name, filename)
    # the text behind `filename` is a cell, not a `def`: tools that look for one would cut it short
    code = code.replace(co_name="<module>", co_qualname=name, co_filename=filename)
    namespace.setdefault("__builtins__", vars(builtins))
    function = FunctionType(code, namespace, name)
    function.__qualname__ = name
    return function


@lru_cache(maxsize=4096)
def _shared_code(python: str, header: str, parameters: tuple[str, ...]) -> CodeType | None:
    """The code that all steps of this text share; None where code inside of it, or an error, says whose it is."""
    try:
        code = _code_of(_function(python, "step", parameters, header=header, where="")[1])
    except SourceError:
        return None
    return None if any(isinstance(constant, CodeType) for constant in code.co_consts) else code


@lru_cache(maxsize=4096)
def _own_code(python: str, header: str, parameters: tuple[str, ...], name: str, filename: str) -> CodeType:
    called = name if name.isidentifier() and not keyword.iskeyword(name) else "step"  # "Pour pasta" is an object's name
    return _code_of(_function(python, called, parameters, header=header, where=name, filename=filename)[1])


def _code_of(module: CodeType) -> CodeType:
    """The code of the function that a module defines."""
    return next(constant for constant in module.co_consts if isinstance(constant, CodeType))


def canonical_text(body: Sequence[ast.stmt]) -> str:
    """Statements without layout, comments and docstrings that nothing can read."""
    module = ast.Module(body=list(body), type_ignores=[])
    return ast.unparse(_DropDocstrings().visit(ast.parse(ast.unparse(module))))


def free_names(text: str) -> frozenset[str]:
    """The names that Python source reads and does not bind at its top level.

    Nested functions, classes and comprehensions are included.
    """
    found: set[str] = set()
    module = symtable.symtable(text, "<step>", "exec")
    tables = [module]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            # a class body looks outside for a name that it binds only later: `class A: K = K`
            outside = symbol.is_global() or table is module or table.get_type() == "class"
            if symbol.is_referenced() and outside and not symbol.is_free():
                found.add(symbol.get_name())
    return frozenset(found).difference(s.get_name() for s in module.get_symbols() if s.is_assigned())


def is_builtin(name: str) -> bool:
    """Whether Python knows the name without the notebook."""
    return hasattr(builtins, name)


def is_asynchronous(body: Sequence[ast.stmt]) -> bool:
    """Whether statements need an `async def` around them."""
    return any(_scope_nodes(body, (ast.Await, ast.AsyncFor, ast.AsyncWith))) or any(
        node.is_async for node in _scope_nodes(body, (ast.comprehension,))
    )


def is_generating(body: Sequence[ast.stmt]) -> bool:
    """Whether statements make a generator of the function around them."""
    return any(_scope_nodes(body, (ast.Yield, ast.YieldFrom)))


def _function(
    python: str, name: str, parameters: Sequence[str], *, header: str, where: str, filename: str = "<step>"
) -> tuple[ast.Module, CodeType]:
    """A module that defines the step's function, as a tree and compiled. Raises SourceError."""
    offset = header.count("\n")
    try:
        body = ast.parse(python).body
        if not body:
            raise SourceError(f"{where or name} has no body: write what it computes below its first line.")
        last = body[-1]
        # a text without these words is neither, and most are
        is_async = ("await" in python or "async" in python) and is_asynchronous(body)
        yields = "yield" in python and is_generating(body)
        if isinstance(last, ast.Expr) and not (is_async and yields):
            body[-1] = ast.copy_location(ast.Return(value=last.value), last)
        kind = "async def" if is_async else "def"
        tree = ast.parse(f"{kind} {name}({', '.join(parameters)}): pass")
        function = tree.body[0]
        assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        function.body = body
        for statement in body if offset else ():
            ast.increment_lineno(statement, offset)
        code = compile(tree, filename, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SourceError(_syntax_message(error, python, offset, where or name)) from error
    except (RecursionError, MemoryError, ValueError) as error:
        raise SourceError(f"{where or name}: Python cannot read this body ({error}).") from error
    return tree, code


def _syntax_message(error: SyntaxError, python: str, offset: int, where: str) -> str:
    line = error.lineno or 1
    lines = python.splitlines()
    in_body = line if error.filename == "<unknown>" else line - offset  # as it was parsed, or compiled as a function
    shown = lines[in_body - 1] if 0 < in_body <= len(lines) else ""
    caret = f"\n    {shown}\n    {' ' * ((error.offset or 1) - 1)}^" if shown.strip() else ""
    return f"{where}, line {in_body + offset}: {error.msg}.{caret}"


def _scope_nodes(body: Sequence[ast.AST], kinds: tuple[type[Node], ...]) -> Iterator[Node]:
    """Nodes of the given kinds in this scope: functions and classes inside are not entered."""
    queue: list[ast.AST] = list(body)
    while queue:
        node = queue.pop()
        if isinstance(node, kinds):
            yield node
        if isinstance(node, ast.GeneratorExp):
            queue.append(node.generators[0].iter)
        elif not isinstance(node, Scope):
            queue.extend(ast.iter_child_nodes(node))


def _read_before_bound(body: Sequence[ast.stmt]) -> frozenset[str]:
    """Names that plain statements read before anything binds them: `Load = Load.dropna()` means the input."""
    found: set[str] = set()
    bound: set[str] = set()
    for statement in body:
        binds = set(_bound_in(statement))
        if isinstance(statement, SIMPLE):
            names = list(_scope_nodes([statement], (ast.Name,)))
            own = {
                node.id for c in _scope_nodes([statement], (ast.comprehension, ast.NamedExpr)) for node in _stores(c)
            }
            found |= {node.id for node in names if isinstance(node.ctx, ast.Load)} - own - bound
        if isinstance(statement, ast.AugAssign) and isinstance(statement.target, ast.Name):
            found |= {statement.target.id} - bound
        bound |= binds
    return frozenset(found)


def _stores(node: ast.AST) -> Iterator[ast.Name]:
    target = getattr(node, "target", node)
    return (n for n in ast.walk(target) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))


def _bound_in(statement: ast.stmt) -> Iterator[str]:
    """Every name that a statement may bind, inside of what it holds too."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Name) and not isinstance(node.ctx, ast.Load):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
        elif isinstance(node, ast.ExceptHandler | ast.MatchAs | ast.MatchStar | ast.FunctionDef | ast.AsyncFunctionDef):
            yield from filter(None, [node.name])
        elif isinstance(node, ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.MatchMapping):
            yield from filter(None, [node.rest])


def _has_result(function: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    if any(node.value is not None for node in _scope_nodes(function.body, (ast.Return,))):
        return True
    return any(_scope_nodes(function.body, (ast.Yield, ast.YieldFrom)))


def _is_bare_constant(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


@lru_cache(maxsize=TEXTS)
def mentioned_names(text: str) -> frozenset[str]:
    """Names that Python text reads inside of strings: `!cmd {name}`, `df.query("a > @name")`, `eval("name + 1")`."""
    return frozenset(_mentioned(tree_of(text)))


def _mentioned(tree: ast.AST) -> Iterator[str]:
    for call in ast.walk(tree):
        if isinstance(call, ast.Call):
            if _is_shell_method(call.func):
                yield from _said_to_the_shell(call)
            else:
                yield from _said_to_a_library(call)


def _said_to_the_shell(call: ast.Call) -> Iterator[str]:
    """Names inside `!cmd {name}`, `%magic $name` and the Python text of a nested `%%magic`."""
    names_a_magic = isinstance(call.func, ast.Attribute) and call.func.attr.startswith("run_")
    for text in _strings(call.args[1 if names_a_magic else 0 :]):
        yield from MENTION.findall(text)
        for expression in BRACES.findall(text):
            yield from _names_of_text(expression.strip())
        yield from _names_of_text(text)


def _said_to_a_library(call: ast.Call) -> Iterator[str]:
    """`frame.query("a > @name")`, `pd.eval("name + 1")`, `eval("name")`, `duckdb.sql("select * from name")`."""
    method = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    of_pandas = isinstance(call.func, ast.Attribute) and getattr(call.func.value, "id", "") in ("pd", "pandas", "ne")
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    for text in _strings(arguments):
        if method in ("query", "eval"):
            yield from AT.findall(text)
        if method in ("exec", "evaluate") or (method == "eval" and (of_pandas or isinstance(call.func, ast.Name))):
            yield from _names_of_text(text.replace("@", ""))
        if method in ("sql", "query", "execute"):
            yield from FROM.findall(text)


def _strings(nodes: Iterable[ast.expr]) -> Iterator[str]:
    """The text of string arguments, also of f-strings as far as it is there."""
    for node in nodes:
        for part in ast.walk(node) if isinstance(node, ast.JoinedStr) else [node]:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                yield part.value


QUIET_MAGICS = frozenset({"time", "timeit", "capture", "matplotlib", "config", "load_ext", "precision"})


@lru_cache(maxsize=TEXTS)
def shell_calls(text: str) -> tuple[str, ...]:
    """What a body asks the shell to do (`!ls`, `%run x.py`), as typed: what that depends on cannot be told."""
    if "get_ipython" not in text:
        return ()
    found: dict[str, None] = {}
    for node in ast.walk(tree_of(text)):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Call) and _is_shell_method(node):
            found[f"get_ipython().{node.attr}"] = None
    for call in ast.walk(tree_of(text)):
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and _is_shell_method(call.func):
            found.pop(f"get_ipython().{call.func.attr}", None)
            words = [a.value if isinstance(a, ast.Constant) else "…" for a in call.args]
            said = _as_typed(call.func.attr, [str(word) for word in words])
            if said:
                found[said] = None
    return tuple(found)


def _as_typed(method: str, words: list[str]) -> str:
    """`run_line_magic('run', 'x.py')` as %run x.py; empty for magics that reach nothing."""
    if method in ("system", "getoutput"):
        return f"!{' '.join(words)}"
    if method in ("run_line_magic", "run_cell_magic") and words:
        mark = "%" if method == "run_line_magic" else "%%"
        return "" if words[0] in QUIET_MAGICS else f"{mark}{words[0]} {words[1] if len(words) > 1 else ''}".rstrip()
    return f"get_ipython().{method}"


def _is_shell_method(node: ast.expr) -> bool:
    inner = node.value if isinstance(node, ast.Attribute) else None
    return isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "get_ipython"


def _names_of_text(text: str) -> frozenset[str]:
    try:
        return free_names(text)
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()


class _DropDocstrings(ast.NodeTransformer):
    """Drops a docstring where nothing can read it: in a function without decorators."""

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> ast.AST:
        self.generic_visit(node)
        if not node.decorator_list and _is_bare_constant(node.body[0]) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        return node

    visit_FunctionDef = _function
    visit_AsyncFunctionDef = _function
