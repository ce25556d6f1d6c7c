"""`@step` functions and `Step` objects in the cells of a notebook, found without running them."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

Function = ast.FunctionDef | ast.AsyncFunctionDef


class StepFunction(NamedTuple):
    """What a `@step` function plainly says: its own name, its step's, the names it waits for, its parameters."""

    variable: str
    step: str
    inputs: tuple[str, ...] = ()
    params: tuple[str, ...] = ()


ASKING = frozenset({"materialize", "execution_plan", "dependency_graph", "dependency_graph_js"})
"""What is asked of a `Step` object, by those who look at results."""


def spellings(pythons: Iterable[str], name: str = "step") -> frozenset[str]:
    """How `step` (or `Step`) is spelled in a notebook, by what its cells import: `step`, `jo.step`, …"""
    found = set()
    for node in (node for text in pythons if "jo_notebook" in text for node in _statements(text)):
        if isinstance(node, ast.ImportFrom) and node.module == "jo_notebook" and not node.level:
            found |= {alias.asname or alias.name for alias in node.names if alias.name == name}
        elif isinstance(node, ast.Import):
            found |= {f"{alias.asname or alias.name}.{name}" for alias in node.names if alias.name == "jo_notebook"}
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


class ObjectCells(NamedTuple):
    """Cells, by their place in a list: those that make `Step` objects, and those that ask something of one."""

    making: frozenset[int]
    asking: frozenset[int]


def object_cells(pythons: Sequence[str]) -> ObjectCells:
    """Which cells make `Step` objects: of a class that a cell defines, or under a name that is asked for its result."""
    trees = [_statements(text) for text in pythons]
    kinds = set(spellings(pythons, "Step"))
    classes = [node for tree in trees for node in tree if isinstance(node, ast.ClassDef)]
    while more := {c.name for c in classes if c.name not in kinds and kinds.intersection(map(ast.unparse, c.bases))}:
        kinds |= more
    asked = [set(_asked(tree)) for tree in trees]
    names = set().union(*asked)
    making = {i for i, tree in enumerate(trees) if any(_makes(node, kinds, names) for node in tree)}
    return ObjectCells(frozenset(making), frozenset(i for i, found in enumerate(asked) if found))


def _asked(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """The names, or what they begin with, of which a result, a plan or a picture is asked."""
    for node in (node for statement in statements for node in ast.walk(statement)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ASKING:
            yield ast.unparse(node.func.value).partition(".")[0]


def _makes(statement: ast.stmt, kinds: Collection[str], names: Collection[str]) -> bool:
    """Whether a statement makes an object of one of the kinds, or binds one of the names to what a call gives."""
    if isinstance(statement, Function | ast.ClassDef | ast.Import | ast.ImportFrom):
        return False
    calls = [node for node in ast.walk(statement) if isinstance(node, ast.Call)]
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    bound = {node.id for target in targets for node in ast.walk(target) if isinstance(node, ast.Name)}
    return any(ast.unparse(call.func) in kinds for call in calls) or bool(calls and bound.intersection(names))


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
