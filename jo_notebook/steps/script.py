"""A Python file as a pipeline: its `@step` functions and `Step` objects, without what it does as a program."""

from __future__ import annotations

import ast
import contextlib
import linecache
import os
import sys
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

from jo_notebook.core.statements import bindings
from jo_notebook.errors import JoError, SourceError, UsageError, did_you_mean
from jo_notebook.pipeline import Pipeline
from jo_notebook.registry import Script, enter
from jo_notebook.steps.classes import Step
from jo_notebook.steps.registered import Registered, join_held
from jo_notebook.steps.walks import in_order
from jo_notebook.store.context import Context

OURS = str(Path(__file__).resolve().parents[1]) + os.sep


class ScriptFailed(JoError):
    """A file that defines steps raised while it was read; `cause` is the error's name.

    The message holds the user's traceback.
    """

    def __init__(self, message: str, cause: str = "") -> None:
        super().__init__(message, cause)
        self.cause = cause

    def __str__(self) -> str:
        return str(self.args[0])


def open_script(path: str | os.PathLike[str], *, sets: Mapping[str, object] | None = None) -> Pipeline:
    """The pipeline of a Python file, with results in `<stem>.jo` beside it (or where JO_CONTEXT says). No step runs.

    Where its `Step` objects all keep their results in one directory of their own, that is the place. The file is
    executed as the main module of this process, which it stays, but for what stands under
    `if __name__ == "__main__":`. `sets` are values for names that it binds at its top level, and for parameters of its
    steps. Raises UsageError, SourceError, ScriptFailed, DuplicateStepError, CycleError.
    """
    path = os.path.abspath(path)
    tree = _read(path)
    sets = dict(sets or {})
    module = ModuleType("__main__")
    module.__file__ = path
    script = Script(path, vars(module))
    sys.modules["__main__"] = module
    if os.path.dirname(path) not in sys.path:
        sys.path.insert(0, os.path.dirname(path))
    enter(script)
    with _users_errors(os.path.basename(path)):
        _execute(_with_values(tree, sets), path, vars(module))
        objects = [v for v in list(vars(module).values()) if isinstance(v, Step) and not isinstance(v, Registered)]
        _keep_where_they_do(objects, script)
        join_held(vars(module), script)
    if not len(script.pipeline.dag):
        raise UsageError(
            f"{os.path.basename(path)} has no steps. A function becomes one with @step above it: from jo_notebook "
            "import step."
        )
    _set_params(script.pipeline, sets, {name for statement in tree.body for name in _assigned(statement)})
    return script.pipeline


def _keep_where_they_do(objects: list[Step], script: Script) -> None:
    """Where all contexts of `Step` objects are one directory, and nobody has said another one, results live there."""
    steps = [step for head in objects for step in in_order(head)]
    kept = [step.ctx for step in steps if isinstance(step.ctx, Context)]
    places = {context.place for context in kept if context.place is not None}
    if len(places) == 1 and not script.is_told and not len(script.pipeline.dag):
        script.keep_in(next(context for context in kept if context.place is not None))


def _read(path: str) -> ast.Module:
    name = os.path.basename(path)
    try:
        text = Path(path).read_bytes()
    except FileNotFoundError:
        raise UsageError(f"There is no file {name} in {os.path.dirname(path)}.") from None
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}.") from error
    try:
        tree = ast.parse(text, name)
    except SyntaxError as error:
        shown = f"\n    {(error.text or '').strip()}" if error.text else ""
        raise SourceError(f"{name}, line {error.lineno}: {error.msg}.{shown}") from error
    except (ValueError, RecursionError, MemoryError) as error:
        raise SourceError(f"{name}: Python cannot read it ({error}).") from error
    tree.body = [statement for statement in tree.body if not _is_for_the_program(statement)]
    return tree


def _is_for_the_program(statement: ast.stmt) -> bool:
    """`if __name__ == "__main__":`, without an `else`."""
    if not isinstance(statement, ast.If) or statement.orelse:
        return False
    return ast.unparse(statement.test) in ("__name__ == '__main__'", "'__main__' == __name__")


def _with_values(tree: ast.Module, sets: Mapping[str, object]) -> ast.Module:
    """After each statement at the top level that binds one of the names, it is bound to its new value."""
    body: list[ast.stmt] = []
    for statement in tree.body:
        body.append(statement)
        for name in (name for name in _assigned(statement) if name in sets):
            new = ast.parse(f"{name} = {sets[name]!r}").body[0]
            body.append(ast.copy_location(new, statement))
    return ast.fix_missing_locations(ast.Module(body=body, type_ignores=[]))


def _assigned(statement: ast.stmt) -> list[str]:
    """The names that an assignment binds; a function, a class or an import is no value that can be set."""
    is_assignment = isinstance(statement, ast.Assign | ast.AnnAssign)
    return [name for name, _ in bindings(ast.unparse(statement))] if is_assignment else []


def _execute(tree: ast.Module, path: str, names: dict[str, Any]) -> None:
    """Runs the file's own code."""
    linecache.checkcache(path)
    try:
        code = compile(tree, path, "exec", dont_inherit=True)
    except SyntaxError as error:
        raise SourceError(f"{os.path.basename(path)}, line {error.lineno}: {error.msg}.") from error
    exec(code, names)


@contextlib.contextmanager
def _users_errors(name: str) -> Iterator[None]:
    """What the user's own code raises inside, and its attempts to exit, become ScriptFailed."""
    try:
        yield
    except (JoError, KeyboardInterrupt):
        raise
    except BaseException as error:
        told = traceback.TracebackException.from_exception(error)
        frames = [frame for frame in told.stack if not frame.filename.startswith((OURS, "<frozen "))]
        told.stack = traceback.StackSummary.from_list(frames)
        shown = "".join(told.format()).rstrip()
        message = f"{name} failed while its steps were read.\n{shown}"
        raise ScriptFailed(message, type(error).__name__) from error


def _set_params(pipeline: Pipeline, sets: Mapping[str, object], bound: set[str]) -> None:
    """New values for parameters of steps, `alpha` or `Train.alpha`. Raises UsageError for a name that nobody has."""
    pairs = [(d.name, name) for d in pipeline.dag.definitions.values() for name, _ in d.params]
    known = bound.union(told for step, name in pairs for told in (name, f"{step}.{name}"))
    for name in sets:
        if name in pipeline.dag:
            raise UsageError(f"{name} is a step, and not a value that can be set: --set is for parameters.")
        if name not in known:
            raise UsageError(f"Nothing is called {name!r} here.{did_you_mean(name, known)}")
    for definition in list(pipeline.dag.definitions.values()):
        own = definition.name
        new = tuple((name, sets.get(f"{own}.{name}", sets.get(name, value))) for name, value in definition.params)
        if new != definition.params:
            pipeline.add(replace(definition, params=new))
