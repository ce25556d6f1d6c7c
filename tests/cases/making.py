"""Small pipelines out of text, as the rows of the tests write them."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

from jo_notebook.core.definition import Definition, Origin, parse_dependencies
from jo_notebook.core.events import Event
from jo_notebook.core.graph import Graph
from jo_notebook.core.source import parse_source
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context


def step(name: str, text: str = "1", after: str | None = None, *, cell: str = "", **params: Any) -> Definition:
    """A step; `after` is what stands behind --depends-on, None leaves the dependencies to be inferred."""
    depends_on = None if after is None else parse_dependencies([after or "none"])
    return Definition(name, parse_source(text, where=name), depends_on, tuple(params.items()), Origin("", cell))


def graph_of(**after: str) -> Graph:
    """A graph of steps that say what they depend on: `graph_of(A="", B="A")`."""
    return Graph(step(name, "1", parents) for name, parents in after.items())


def texts_of(code: str) -> dict[str, str]:
    """The text of each statement that binds a name, as the notebook's front end keeps it."""
    found: dict[str, str] = {}
    for statement in ast.parse(code).body:
        targets = getattr(statement, "targets", [])
        names = [getattr(statement, "name", None), *(getattr(target, "id", None) for target in targets)]
        rows = [statement.lineno, *(d.lineno for d in getattr(statement, "decorator_list", []))]
        text = "\n".join(code.splitlines()[min(rows) - 1 : statement.end_lineno])
        found.update((name, text) for name in names if name)
    return found


class Watched(Pipeline):
    """A pipeline that notes which steps start."""

    def __init__(self, context: Context, namespace: dict[str, Any]) -> None:
        super().__init__(context, namespace=namespace)
        self.started: list[str] = []
        self.listen(self._note)

    def _note(self, event: Event) -> None:
        if event.kind == "started":
            self.started.append(event.step)

    def ran(self) -> list[str]:
        """The steps that have run since this was asked last."""
        names, self.started = self.started, []
        return names


def notebook(code: str = "", place: Path | None = None) -> Watched:
    """A pipeline over a namespace that looks like a notebook's, in which `code` has run."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(code, namespace)
    pipeline = Watched(Context(place), namespace)
    pipeline.today.statement = texts_of(code).get
    return pipeline


class Heard:
    """Listens to a pipeline, and tells what it heard as short words."""

    def __init__(self, pipeline: Pipeline) -> None:
        self.events: list[Event] = []
        pipeline.listen(self.events.append)

    def words(self, *kinds: str) -> list[str]:
        return [f"{e.kind} {e.step}".strip() for e in self.events if not kinds or e.kind in kinds]
