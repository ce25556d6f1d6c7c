"""`@step` functions in the cells of a notebook, found without running them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable
from itertools import islice
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef


class StepFunction(NamedTuple):
    """What a `@step` function plainly says: its own name, its step's, the names it waits for, its parameters."""

    variable: str
    step: str
    inputs: tuple[str, ...] = ()
    params: tuple[str, ...] = ()


def spellings(pythons: Iterable[str]) -> frozenset[str]:
    """How `step` is spelled in a notebook, by what its cells import: `step`, `jo.step`, …"""
    found = set()
    for node in (node for text in pythons if "jo_notebook" in text for node in _statements(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "jo_notebook" and not node.level:
            found |= {alias.asname or alias.name for alias in node.names if alias.name == "step"}
        elif isinstance(node, ast.Import):
            found |= {f"{alias.asname or alias.name}.step" for alias in node.names if alias.name == "jo_notebook"}
    return frozenset(found)


def step_functions(python: str, spelled: Collection[str]) -> list[StepFunction]:
    """The `@step` functions at the top level of a cell."""
    if not spelled or "@" not in python:
        return []
    found = []
    for node in _statements(python):
        if isinstance(node, Function):
            decorators = (told for told in node.decorator_list if _spelling(told) in spelled)
            found += [_function(node, told) for told in islice(decorators, 1)]
    return found


def _spelling(told: ast.expr) -> str:
    """What a decorator is called, without its parentheses."""
    return ast.unparse(told.func if isinstance(told, ast.Call) else told)


def _function(node: Function, told: ast.expr) -> StepFunction:
    given = {k.arg: k.value for k in told.keywords} if isinstance(told, ast.Call) else {}
    name = given.get("name")
    ordered = [*node.args.posonlyargs, *node.args.args]
    with_default = ordered[len(ordered) - len(node.args.defaults) :]
    with_default += [a for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None]
    params = tuple(a.arg for a in with_default)
    inputs = [a.arg for a in (*ordered, *node.args.kwonlyargs) if a.arg not in params]
    inputs += _names_in(given["depends_on"]) if "depends_on" in given else []
    step = name.value if isinstance(name, ast.Constant) and isinstance(name.value, str) else node.name
    return StepFunction(node.name, step, tuple(inputs), params)


def _names_in(node: ast.expr) -> list[str]:
    texts = [n.value for n in ast.walk(node) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
    return [*texts, *(n.id for n in ast.walk(node) if isinstance(n, ast.Name))]


def _statements(python: str) -> list[ast.stmt]:
    try:
        return ast.parse(python).body
    except (SyntaxError, ValueError, RecursionError):
        return []
