"""A step as the text of a cell: the `%%step` line that says its settings, and its body as code that runs by itself."""

from __future__ import annotations

import ast
import re
import shlex
from typing import Any

from jo_notebook.core.definition import Definition
from jo_notebook.core.margin import offset_of
from jo_notebook.core.stepline import SETTINGS, UNSAID

PLAIN = re.compile(r"[\w@%+=:,./*?\[\]-]+")
CHOSEN = frozenset({"params", "retries", "backoff", "timeout"})
INNER = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)


def line_of(definition: Definition) -> str:
    """The line that defines this step, with all that its settings say and nothing that they do not."""
    words = [f"%%step {definition.name}"]
    for name in SETTINGS:
        value = getattr(definition, name)
        if name == "depends_on":
            words += [] if value is None else ["--depends-on", _quoted(",".join(map(str, value)) or "none")]
        elif value if name in CHOSEN else value != UNSAID.get(name):
            words += [f"--{name.replace('_', '-')}", *_said(name, value)]
    return " ".join(words)


def _said(name: str, value: Any) -> list[str]:
    """The words behind an option."""
    if value is True:
        return []
    if name == "params":
        return [_quoted(", ".join(f"{key}={plain!r}" for key, plain in value))]
    if name == "resources":
        return [_quoted(", ".join(f"{key}={_number(amount)}" for key, amount in value))]
    if isinstance(value, float):
        return [_number(value)]
    return [_quoted(str(word)) for word in (value if isinstance(value, tuple) else (value,))]


def _number(amount: float) -> str:
    return str(int(amount)) if amount == int(amount) else repr(amount)


def _quoted(word: str) -> str:
    if PLAIN.fullmatch(word):
        return word
    return shlex.quote(word) if set(word) & set('"\\') else f'"{word}"'


def body_of_cell(definition: Definition) -> str:
    """The body as a cell of its own has it: a `return x` at its end is `x`."""
    text = definition.source.text.strip("\n")
    python = definition.source.python.strip("\n")
    last = _tree(python).body[-1:] if python else []
    if not last or not isinstance(last[0], ast.Return):
        return text
    lines, where = text.split("\n"), last[0].lineno
    try:
        start = offset_of(lines, where, last[0].col_offset)
    except IndexError:
        return text  # magics of several lines above it: it stands elsewhere
    if not text.startswith("return", start):
        return text
    value = text[start + len("return") :].lstrip(" \t")
    return text[:start] + (value if last[0].value is not None else f"None{value}")


def leaves_early(definition: Definition) -> bool:
    """Whether the body returns or yields before its end, which only a function can do."""
    body = _tree(definition.source.python).body
    kinds = (ast.Return, ast.Yield, ast.YieldFrom)
    open_nodes: list[ast.AST] = list(body[:-1])
    if body and not isinstance(body[-1], ast.Return):
        open_nodes.append(body[-1])
    while open_nodes:
        node = open_nodes.pop()
        if isinstance(node, kinds):
            return True
        if not isinstance(node, INNER):
            open_nodes += ast.iter_child_nodes(node)
    return False


def _tree(python: str) -> ast.Module:
    """The body as Python; it was parsed before."""
    return ast.parse(python)
