"""What each step's code looks like today, over one namespace, and its function ready to be called."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Mapping
from typing import Any

from jo_notebook.core.definition import Definition
from jo_notebook.core.fingerprint import Part, digest_of
from jo_notebook.core.graph import Graph
from jo_notebook.core.needs import Need, resolve
from jo_notebook.core.source import compile_step
from jo_notebook.core.version import Version, version_of
from jo_notebook.engine.restore import restore
from jo_notebook.errors import JoError, UntrustedError


class Today:
    """Looks names up in a namespace, and remembers what it saw until `touch` says that a cell has run.

    A front end sets `statement` (the text of the notebook's statement that bound a name) and `filename` (what
    tracebacks call a step; None for a step that no cell of this kernel holds).
    """

    def __init__(self, namespace: dict[str, Any]) -> None:
        self.namespace = namespace
        self.statement: Callable[[str], str | None] = lambda name: None
        self.filename: Callable[[Definition], str | None] = lambda definition: None
        self._parts: dict[str, tuple[Part, ...]] = {}
        self._versions: dict[int, tuple[object, Version]] = {}
        self._looked: dict[str, list[Need]] = {}
        self._brought_back: dict[str, str] = {}

    def touch(self) -> None:
        """Forgets what was seen: names may mean something else now."""
        self._parts.clear()
        self._versions.clear()
        self._looked.clear()

    def parts(self, graph: Graph, name: str) -> tuple[Part, ...]:
        """The parts of a step's fingerprint, all but its inputs: its text, its parameters, what it needs."""
        parts = self._parts.get(name)
        if parts is None:
            definition = graph[name]
            code = definition.source.canonical
            params = [Part("param", n, self._version(v).digest, repr(v)) for n, v in definition.params]
            needs = [need.part for need in self.needs(graph, name)]
            parts = self._parts[name] = (Part("code", "", digest_of(code), code), *params, *needs)
        return parts

    def parts_now(self, graph: Graph, name: str) -> tuple[Part, ...]:
        """The parts looked at afresh: a step that ran before this one may have changed a global."""
        self._parts.pop(name, None)
        self._versions.clear()
        self._looked.clear()
        return self.parts(graph, name)

    def needs(self, graph: Graph, name: str) -> tuple[Need, ...]:
        """What the step wants from the notebook."""
        definition = graph[name]
        own = {d.parameter for d in graph.dependencies[name]} | {n for n, _ in definition.params}
        return resolve(
            definition.source.reads - own,
            self.namespace,
            steps=own,
            remembered=definition.needs,
            statement=lambda n: self.statement(n) or self._brought_back.get(n),
            versions=self._version,
            looked=self._looked,
        )

    def prepare(self, graph: Graph, name: str) -> tuple[Callable[..., Any], Mapping[str, Any]]:
        """The step's function and its parameters, with everything it needs brought back first.

        Raises UntrustedError for a step that was read from somebody else's context.
        """
        definition = graph[name]
        if not definition.trusted:
            raise UntrustedError(f"{name} was defined elsewhere: running it would run somebody else's code.")
        self._bring_back(name, self.needs(graph, name))
        params = dict(definition.params)
        inputs = [d.parameter for d in graph.dependencies[name]]
        filename = self.filename(definition) or _remembered_file(definition)
        function = compile_step(definition.source, name, [*inputs, *params], self.namespace, filename)
        return function, params

    def define(self, graph: Graph, step: str, name: str) -> bool:
        """Brings back one name of the notebook that a step's value needs; False where nobody remembers it."""
        upstream = [s for s in graph.order if s in graph.ancestors([step])] if step in graph else []
        for other in dict.fromkeys([*reversed(upstream), *graph]):
            definition = graph[other]
            if definition.trusted and any(need.name == name and need.code for need in definition.needs):
                needs = resolve([name], self.namespace, remembered=definition.needs)
                try:
                    self._bring_back(step, needs)
                except JoError:
                    continue
                return True
        return False

    def _bring_back(self, step: str, needs: tuple[Need, ...]) -> None:
        for back in restore(step, needs, self.namespace):
            self._brought_back[back] = next(need.code for need in needs if need.name == back)

    def _version(self, value: object) -> Version:
        """The data version of a value the notebook holds, worked out once between two cells."""
        known = self._versions.get(id(value))
        if known is None or known[0] is not value:
            known = self._versions[id(value)] = (value, version_of(value))
        return known[1]


def shown_text(definition: Definition) -> str:
    """The text behind a step's file name: the cell, with the lines above the body as comments."""
    header = "".join(f"# {row}" for row in definition.source.header.splitlines(keepends=True))
    return header + definition.source.python


def _remembered_file(definition: Definition) -> str:
    """A name for tracebacks of a step that no cell of this kernel holds, with its text behind it."""
    filename = f"<step {definition.name}>"
    text = shown_text(definition)
    linecache.cache[filename] = (len(text), None, text.splitlines(keepends=True), filename)
    return filename
