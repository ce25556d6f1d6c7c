"""Magics inside a step: `%time y = f(Load)`, `%%time` and `%%capture out` see the step's own names.

IPython runs a magic's code over the notebook's globals; the names of a step are not among them. What a
`%%magic` binds (`out` here) stays inside the step, as every name does.
"""

from __future__ import annotations

import ast
import re
import symtable
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

TIMED = re.compile(r"^(?P<indent>[ \t]*)get_ipython\(\)\.run_line_magic\('time', (?P<text>.+)\)$", re.MULTILINE)
ASSIGNING = (ast.Assign, ast.AugAssign, ast.AnnAssign)
WORD = re.compile(r"\w+")
ABSENT = object()


def assign_outside(python: str) -> str:
    """`%time y = f(x)` as `y = %time f(x)`, so that Python sees that the step's body binds `y`."""
    return TIMED.sub(_assigned, python)


@contextmanager
def magics_see_the_step(shell: Any) -> Iterator[None]:
    """Inside, a magic that a function calls finds that function's names among the notebook's."""
    kinds = {"run_line_magic": _line_magic(shell), "run_cell_magic": _cell_magic(shell)}
    before = {name: vars(shell).get(name, ABSENT) for name in kinds}
    vars(shell).update(kinds)
    try:
        yield
    finally:
        _put_back(vars(shell), before)


def _line_magic(shell: Any) -> Callable[..., Any]:
    run = shell.run_line_magic

    def run_line_magic(magic_name: str, line: str, _stack_depth: int = 1) -> Any:
        __tracebackhide__ = True
        with _lent(shell.user_ns, sys._getframe(_stack_depth).f_locals):
            return run(magic_name, line, _stack_depth=_stack_depth + 1)

    return run_line_magic


def _cell_magic(shell: Any) -> Callable[..., Any]:
    run = shell.run_cell_magic

    def run_cell_magic(magic_name: str, line: str, cell: str) -> Any:
        __tracebackhide__ = True
        inside = [*WORD.findall(line), *_bound_by(shell.transform_cell(cell))]
        with _lent(shell.user_ns, sys._getframe(1).f_locals, inside):
            return run(magic_name, line, cell)

    return run_cell_magic


@contextmanager
def _lent(namespace: dict[str, Any], names: Mapping[str, Any], inside: Iterable[str] = ()) -> Iterator[None]:
    """Names are in the namespace for a while; what had them before has them afterwards, as with those bound inside."""
    if names is namespace:
        yield
        return
    lent = dict(names)
    before = {name: namespace.get(name, ABSENT) for name in (*lent, *inside)}
    namespace.update(lent)
    try:
        yield
    finally:
        _put_back(namespace, before)


def _put_back(namespace: dict[str, Any], before: Mapping[str, Any]) -> None:
    for name, value in before.items():
        if value is ABSENT:
            namespace.pop(name, None)
        else:
            namespace[name] = value


def _bound_by(python: str) -> list[str]:
    """The names that Python text binds at its top level; none for text that is not Python."""
    try:
        symbols = symtable.symtable(python, "<cell>", "exec").get_symbols()
    except (SyntaxError, ValueError, RecursionError):
        return []
    return [symbol.get_name() for symbol in symbols if symbol.is_assigned() or symbol.is_imported()]


def _assigned(found: re.Match[str]) -> str:
    try:
        text = ast.literal_eval(found["text"])
        (statement,) = ast.parse(text).body
    except (SyntaxError, ValueError):
        return found[0]
    if not isinstance(statement, ASSIGNING) or statement.value is None:
        return found[0]
    timed = f"get_ipython().run_line_magic('time', {ast.get_source_segment(text, statement.value)!r})"
    statement.value = ast.parse(timed, mode="eval").body
    return found["indent"] + ast.unparse(statement)
