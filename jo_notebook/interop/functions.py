"""A step as the text of a function: the cell's own text, moved right, with `return` before its last expression."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from typing import Any

from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.margin import edited, indented, plain_lines, span_of
from jo_notebook.core.source import canonical_text, is_asynchronous, is_generating, parse_source
from jo_notebook.core.stepline import SETTINGS
from jo_notebook.errors import SourceError

MARGINS = ("    ", " " * 8)  # the second one keeps tab stops where they were
WIDTH = 100


def function_of(
    definition: Definition, dependencies: Sequence[Dependency], python: str, decorator: str, where: str
) -> str:
    """The decorated function of a step whose body, as plain Python, is `python`.

    The function's body has the canonical text of that. Raises SourceError where no function can have this body.
    """
    names = [d.parameter for d in dependencies]
    keyword = "async def" if is_asynchronous(ast.parse(python).body) else "def"
    parameters = [*names, *(f"{name}={literal(value)}" for name, value in definition.params)]
    head = _wrapped(f"{keyword} {definition.name}(", parameters, "):")
    wanted = parse_source(python, where=where).canonical
    for margin in MARGINS:
        text = f"{head}\n{as_body(python, margin)}"
        if _says(text, wanted, where):
            options = [f"{key}={value}" for key, value in _options(definition, dependencies).items()]
            above = _wrapped(f"@{decorator}(", options, ")") if options else f"@{decorator}"
            return f"{above}\n{text}"
    raise SourceError(f"{where}: this body cannot be moved into a function as it is: mixed tabs and blanks, perhaps.")


def as_body(python: str, margin: str) -> str:
    """The text of a cell as the body of a function. The text has been parsed before."""
    text = plain_lines(python).strip("\n")
    body = ast.parse(text).body
    last = body[-1]
    if isinstance(last, ast.Expr) and not (is_asynchronous(body) and is_generating(body)):
        lines = text.split("\n")
        start, end = span_of(lines, last)
        bare = isinstance(last.value, ast.Yield | ast.YieldFrom) and not text.startswith("(", start)
        text = edited(text, [(start, start, "return (" if bare else "return "), *([(end, end, ")")] if bare else [])])
    return indented(text, margin)


def literal(value: Any) -> str:
    """A plain value as Python writes it; an infinite number as the literal that is one."""
    text = repr(value)
    return ast.unparse(_Infinite().visit(ast.parse(text, mode="eval"))) if "inf" in text else text


class _Infinite(ast.NodeTransformer):
    """`repr` writes a name where there is no literal."""

    def visit_Name(self, node: ast.Name) -> ast.AST:
        return ast.Constant(float(node.id)) if node.id == "inf" else node


def _options(definition: Definition, dependencies: Sequence[Dependency]) -> Mapping[str, str]:
    """What the decorator is told, in the order of the options."""
    told = {}
    if any(d.parameter != d.step for d in dependencies):
        told["depends_on"] = repr({d.parameter: d.step for d in dependencies if d.parameter != d.step})
    unsaid = Definition("", definition.source)
    for name in SETTINGS:
        value = getattr(definition, name)
        if name not in ("depends_on", "params") and value != getattr(unsaid, name):
            told[name] = literal(list(value) if isinstance(value, tuple) else value)
    return told


def _wrapped(opening: str, words: Sequence[str], closing: str) -> str:
    """A call or a signature in a line, or one word a line where it would be long."""
    line = f"{opening}{', '.join(words)}{closing}"
    if len(line) <= WIDTH or not words:
        return line
    return "\n".join([opening, *(f"    {word}," for word in words), closing])


def _says(text: str, wanted: str, where: str) -> bool:
    """Whether a function's body has this canonical text. Raises SourceError for what no function may say."""
    try:
        (function,) = ast.parse(text).body
        assert isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        body = [s for s in function.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
        compile(text, "<step>", "exec", dont_inherit=True)
    except IndentationError:
        return False
    except SyntaxError as error:
        raise SourceError(f"{where}: {error.msg}.") from error
    return canonical_text(body or [ast.Pass()]) == wanted
