"""Which statement of a text binds which name at its top level."""

from __future__ import annotations

import ast
from collections.abc import Iterator

IMPORTS = (ast.Import, ast.ImportFrom)
BINDING = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Assign, ast.AnnAssign, *IMPORTS)


def bindings(text: str) -> Iterator[tuple[str, str]]:
    """Each name with the statement that binds it, in order; for `from module import *` the name `*` and the module.

    Nothing of a text that Python does not read.
    """
    try:
        body = ast.parse(text).body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return
    lines = text.splitlines(keepends=True)
    for statement in _statements(body):
        for name in _bound_by(statement):
            if name == "*" and isinstance(statement, ast.ImportFrom):
                yield name, str(statement.module)
            else:
                yield name, _text_of(statement, lines)


def _statements(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements that bind at the top level, also under `if`, `try` and `with`."""
    for statement in body:
        if isinstance(statement, BINDING):
            yield statement
        elif isinstance(statement, ast.If | ast.Try | ast.With):
            for inner in ("body", "handlers", "orelse", "finalbody"):
                blocks = getattr(statement, inner, [])
                for block in blocks:
                    yield from _statements(block.body if isinstance(block, ast.ExceptHandler) else [block])


def _bound_by(statement: ast.stmt) -> list[str]:
    if isinstance(statement, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
        return [statement.name]
    if isinstance(statement, ast.Import):
        return [alias.asname or alias.name.partition(".")[0] for alias in statement.names]
    if isinstance(statement, ast.ImportFrom):
        return [alias.asname or alias.name for alias in statement.names]
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    return [target.id for target in targets if isinstance(target, ast.Name)]


def _text_of(statement: ast.stmt, lines: list[str]) -> str:
    """The statement's own lines, decorators included, moved to the left margin."""
    decorators = getattr(statement, "decorator_list", [])
    first = min([statement.lineno, *(d.lineno for d in decorators)]) - 1
    indent = statement.col_offset
    if not indent:
        return "".join(lines[first : statement.end_lineno])
    return ast.unparse(statement)
