"""The code of a step that is no cell: a function of a script, or the `run` of a `Step` object.

Where the text of a function tells all of it, its body is the step's source, the very one that a cell with the same
lines would have. Otherwise the step's source is one call, of a name that stands for the object (`Callee`).
"""

from __future__ import annotations

import ast
import dis
import inspect
import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from jo_notebook.core.fingerprint import digest_of
from jo_notebook.core.homes import OBJECT
from jo_notebook.core.margin import at_the_margin
from jo_notebook.core.needs import literal
from jo_notebook.core.source import Source, parse_source
from jo_notebook.core.version import code_digest
from jo_notebook.errors import SourceError, UsageError

Def = ast.FunctionDef | ast.AsyncFunctionDef
SIMPLE = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)


@dataclass(frozen=True, slots=True)
class Signature:
    """What a function asks for: inputs, parameters with a plain default value, and which it takes by place only."""

    inputs: tuple[str, ...]
    params: tuple[tuple[str, Any], ...]
    by_position: tuple[str, ...] = ()


class Callee:
    """A callable object under a name of its own, so that a step's source can call it.

    What it is made of counts: what `parts` gives, each time it is asked (a function; a class and an instance's state).
    """

    __slots__ = ("_call", "_parts")

    def __init__(self, call: Callable[..., Any], parts: Callable[[], object]) -> None:
        self._call = call
        self._parts = parts

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls it."""
        return self._call(*args, **kwargs)

    @property
    def __wrapped__(self) -> object:
        return self._parts()

    def __reduce__(self) -> tuple[Any, ...]:
        return Callee, (None, self._parts())


def signature_of(function: Callable[..., Any], name: str) -> Signature:
    """What a function asks for. Raises UsageError for `*args`, `**kwargs`, and a default that is no plain data."""
    inputs, params = [], []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind not in SIMPLE:
            raise UsageError(
                f"{name} takes {parameter}: a step's parameters are the steps it depends on, each by its name, for "
                f"instance def {name}(Load, Clean)."
            )
        if parameter.default is parameter.empty:
            inputs.append(parameter.name)
        elif not literal(parameter.default):
            raise UsageError(
                f"{name}: the default of {parameter.name} is no plain value, so it cannot be kept as a parameter. Make "
                "it in the body, or in a step of its own."
            )
        else:
            params.append((parameter.name, parameter.default))
    by_position = (p.name for p in inspect.signature(function).parameters.values() if p.kind is p.POSITIONAL_ONLY)
    return Signature(tuple(inputs), tuple(params), tuple(by_position))


def body_of(function: object, *, name: str, skip: int = 0) -> Source | None:
    """The body of a function as a step's source; None where its text is not known, or does not tell all of it.

    With `skip`, that many parameters at the front (`self`) are none of the step's: a body that reads them has no
    source of its own.
    """
    if type(function) is not FunctionType or function.__code__.co_freevars or hasattr(function, "__wrapped__"):
        return None
    definition = _definition_of(function)
    if definition is None:
        return None
    tree, lines = definition
    try:
        source = parse_source(
            _body_text(tree, lines), header=f"def {tree.name}({ast.unparse(tree.args)}):\n", where=name
        )
    except SourceError:
        return None
    own = {parameter.arg for parameter in [*tree.args.posonlyargs, *tree.args.args][:skip]}
    return None if own & source.reads else source


def call_of(target: str, inputs: Iterable[str], *, module: str = "", by_name: Iterable[str] = ()) -> Source:
    """A source that calls something with its inputs in order (and `by_name`): `target`, or that of a module."""
    words = ", ".join([*inputs, *(f"{word}={word}" for word in by_name)])
    return _call(f"import {module}\n{module}.{target}({words})" if module else f"{target}({words})")


@lru_cache(maxsize=4096)
def _call(text: str) -> Source:
    return parse_source(text)


def reads_itself(function: object) -> bool:
    """Whether a method reads the object it is called on; True where that cannot be told."""
    code = getattr(inspect.unwrap(function) if callable(function) else None, "__code__", None)
    return code is None or _reads_first(code)


@lru_cache(maxsize=1024)
def _reads_first(code: CodeType) -> bool:
    first = code.co_varnames[0] if code.co_argcount else ""
    is_read = any(
        step.opname.startswith("LOAD_") and first in _names(step.argval) for step in dis.get_instructions(code)
    )
    return not first or first in code.co_cellvars or "__class__" in code.co_freevars or is_read


def _names(argument: object) -> tuple[object, ...]:
    """What an instruction is about: a name, or two of them."""
    return argument if isinstance(argument, tuple) else (argument,)


def alias_of(step: str) -> str:
    """The name under which a `Callee` stands in a namespace, for the step of this name."""
    return OBJECT + (step if step.isidentifier() else digest_of(step)[:12])


def place_of(function: Callable[..., Any]) -> tuple[str, int]:
    """The file and the line of a function; an empty name where there is none."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return (code.co_filename, code.co_firstlineno) if code is not None else ("", 0)


def shown_place(function: object) -> str:
    """Where a function stands, as messages say it: `birds.py, line 3`; empty where it stands in no file."""
    file, line = place_of(function) if callable(function) else ("", 0)
    return f"{os.path.basename(file)}, line {line}" if os.path.isfile(file) else ""


def _definition_of(function: FunctionType) -> tuple[Def, list[str]] | None:
    """The `def` statement and the lines of its text, where it compiles to this very function."""
    try:
        text = at_the_margin("".join(inspect.getsourcelines(function)[0]))
        tree = ast.parse(text)
        made = compile(tree, "<step>", "exec", dont_inherit=True)
    except (OSError, TypeError, SyntaxError, ValueError, RecursionError):
        return None
    found = tree.body[0] if len(tree.body) == 1 else None
    codes = [code for code in made.co_consts if isinstance(code, CodeType) and code.co_name == function.__name__]
    if (
        not isinstance(found, Def)
        or found.name != function.__code__.co_name
        or len(codes) != 1
        or code_digest(codes[0]) != code_digest(function.__code__)
    ):
        return None
    return found, text.split("\n")


def _body_text(tree: Def, lines: Sequence[str]) -> str:
    """The body's own lines at the left margin. One that ends with an expression returns None, so that is added."""
    first, last = tree.body[0], tree.body[-1]
    start = min([first.lineno, *(d.lineno for d in getattr(first, "decorator_list", []))])
    if start == tree.lineno or first.lineno == _end_of_head(tree):
        text = ast.unparse(ast.Module(body=tree.body, type_ignores=[]))
    else:
        text = at_the_margin("\n".join(lines[start - 1 : last.end_lineno]))
        if not _is_the_same(text, tree.body):
            text = ast.unparse(ast.Module(body=tree.body, type_ignores=[]))
    return f"{text.rstrip()}\nreturn None\n" if isinstance(last, ast.Expr) and not _yields(tree) else text


def _end_of_head(tree: Def) -> int:
    """The line on which the signature ends, as far as its pieces tell."""
    pieces = [tree.returns, *ast.walk(tree.args)]
    return max([tree.lineno, *(getattr(piece, "end_lineno", 0) or 0 for piece in pieces if piece is not None)])


def _is_the_same(text: str, body: list[ast.stmt]) -> bool:
    """Whether text at the left margin reads as the body does: what was moved may have been inside of a string."""
    try:
        found = ast.parse(text).body
    except (SyntaxError, ValueError):
        return False
    return [ast.dump(statement) for statement in found] == [ast.dump(statement) for statement in body]


def _yields(tree: Def) -> bool:
    """Whether the function is a generator: what it gives are its items."""
    queue: list[ast.AST] = list(tree.body)
    while queue:
        node = queue.pop()
        if isinstance(node, ast.Yield | ast.YieldFrom):
            return True
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef):
            queue += ast.iter_child_nodes(node)
    return False
