"""The pipeline of this process: the kernel's one where the extension is loaded, else that of the script.

Steps that are Python objects (`@step` functions, `Step` objects beside `%%step` cells) are registered there. A front
end says where they stand (`Front`); without one, a step stands in its file, at its line.
"""

from __future__ import annotations

import ast
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Protocol

from jo_notebook.core.definition import Definition, Origin
from jo_notebook.core.functions import place_of, shown_place
from jo_notebook.core.homes import Kind, kind_of_path
from jo_notebook.core.statements import bindings
from jo_notebook.pipeline import Pipeline
from jo_notebook.registering import second_claim
from jo_notebook.store.context import Context

Written = tuple[Definition, Callable[..., Any]]
"""A step, and the function in which it is written."""


class Front(Protocol):
    """Where the steps of this process are registered, and how."""

    pipeline: Pipeline

    def origin_of(self, function: Callable[..., Any], name: str) -> Origin:
        """Where the function of a step is written."""

    def register(self, steps: Sequence[Written]) -> None:
        """Registers steps, all or none; raises what `Pipeline.add_all` raises."""

    def notice(self, name: str, value: Any) -> None:
        """A step depends on a `Step` object by the name that holds it."""


class Script:
    """The front of a plain script: one pipeline, with the script's names and results beside its file."""

    def __init__(self, path: str = "", names: dict[str, Any] | None = None) -> None:
        self.is_told = bool(os.environ.get("JO_CONTEXT"))
        asked = os.path.expanduser(os.environ.get("JO_CONTEXT", ""))
        self._path = path
        self._names = vars(sys.modules["__main__"]) if names is None else names
        self._places: dict[str, tuple[str, int]] = {}
        self.keep_in(Context(asked or (Path(path).with_suffix(".jo") if path else None)))

    def keep_in(self, context: Context) -> None:
        """A pipeline without steps, whose results live in this context."""
        self.pipeline = Pipeline(context, namespace=self._names)
        self.pipeline.today.statement = _statements_of(self._path).get
        self.pipeline.today.follows_edits = False

    def origin_of(self, function: Callable[..., Any], name: str) -> Origin:
        """Its file and line."""
        return Origin(os.path.basename(place_of(function)[0]), label=shown_place(function) or "a @step function")

    def register(self, steps: Sequence[Written]) -> None:
        """Registers steps. Raises DuplicateStepError where another one of this process has the name of one."""
        definitions, places = self.pipeline.dag.definitions, {d.name: place_of(function) for d, function in steps}
        for new, _ in steps:
            old, place = definitions.get(new.name), places[new.name]
            if old is not None and _are_two(new.name, self._places.get(new.name, place), place):
                raise second_claim(new, old)
        self.pipeline.add_all(definition for definition, _ in steps)
        self._places |= places

    def notice(self, name: str, value: Any) -> None:
        """A script is read once: no name will hold another object."""


_front: Front | None = None


def current() -> Pipeline:
    """The pipeline of this process."""
    return front().pipeline


def front() -> Front:
    """Where steps are registered; a script's own where nobody has said."""
    global _front
    if _front is None:
        _front = Script(_script())
    return _front


def current_statement() -> Callable[[str], str | None]:
    """Gives the text of the statement that bound a name of the running notebook or script."""
    return _front.pipeline.today.statement if _front is not None else _statements_of(_script()).get


def enter(new: Front | None) -> Front | None:
    """From now on steps are registered there; gives what was in force before."""
    global _front
    before, _front = _front, new
    return before


def _script() -> str:
    """The file of the script that is running; empty where it is no file of the user's (a prompt, a test runner)."""
    path = getattr(sys.modules["__main__"], "__file__", None) or ""
    is_users = path.endswith(".py") and os.path.isfile(path) and kind_of_path(os.path.abspath(path)) is Kind.LOCAL
    return os.path.abspath(path) if is_users else ""


def _statements_of(path: str) -> dict[str, str]:
    """The statement that binds each name of a file, as text; of several the last."""
    try:
        return dict(bindings(Path(path).read_text("utf-8-sig"))) if path else {}
    except (OSError, ValueError):
        return {}


def _are_two(name: str, old: tuple[str, int], new: tuple[str, int]) -> bool:
    """Whether both are there; a step that has moved in its file, or comes again at a prompt, is one."""
    return old != new and os.path.exists(old[0]) and (old[0] != new[0] or _times_defined(new[0], name) > 1)


def _times_defined(file: str, name: str) -> int:
    """How often a file, as it is now, defines a function of this name: at its top level, or decorated anywhere."""
    try:
        tree = ast.parse(Path(file).read_bytes())
    except (OSError, SyntaxError, ValueError):
        return 1
    found = [s for s in ast.walk(tree) if isinstance(s, ast.FunctionDef | ast.AsyncFunctionDef) and s.name == name]
    return sum(bool(s.decorator_list) or s in tree.body for s in found)
