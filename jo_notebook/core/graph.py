"""The graph of steps: an immutable value, with every walk iterative."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from functools import cached_property

from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.source import is_builtin
from jo_notebook.errors import CycleError, UnknownStepError, did_you_mean


class Graph:
    """Definitions and the dependencies between them, in the order of registration.

    A dependency may be not yet defined. Dependencies that a definition leaves to be inferred are the
    steps whose names its body reads (but for names that Python itself has: a step called `sum` has to be
    asked for by name); they are found anew whenever the set of names changes.
    """

    def __init__(self, definitions: Iterable[Definition] = ()) -> None:
        """Raises CycleError, naming the path and the cells."""
        self.definitions: Mapping[str, Definition] = {d.name: d for d in definitions}
        names = self.definitions.keys()
        self.dependencies: Mapping[str, tuple[Dependency, ...]] = {
            name: _dependencies(definition, names) for name, definition in self.definitions.items()
        }
        self._parents = {name: tuple(dict.fromkeys(d.step for d in deps)) for name, deps in self.dependencies.items()}
        path = self._cycle()
        if path:
            raise CycleError(self._cycle_message(path), path)

    def __contains__(self, name: object) -> bool:
        return name in self.definitions

    def __iter__(self) -> Iterator[str]:
        return iter(self.definitions)

    def __len__(self) -> int:
        return len(self.definitions)

    def __getitem__(self, name: str) -> Definition:
        return self.definitions[name]

    def add(self, definition: Definition, *, replacing: Iterable[str] = ()) -> Graph:
        """A graph with this definition, in the place of its older self or of the first it replaces.

        Raises CycleError; this graph stays as it was.
        """
        gone = {definition.name, *replacing}
        placed = False
        rows: list[Definition] = []
        for name, old in self.definitions.items():
            if name not in gone:
                rows.append(old)
            elif not placed:
                rows.append(definition)
                placed = True
        return Graph(rows if placed else [*rows, definition])

    def add_all(self, definitions: Iterable[Definition], *, replacing: Iterable[str] = ()) -> Graph:
        """A graph with all these definitions, each in the place of its older self, and without those replaced.

        Raises CycleError; this graph stays as it was.
        """
        new = {definition.name: definition for definition in definitions}
        gone = set(replacing)
        kept = [new.get(name, old) for name, old in self.definitions.items() if name in new or name not in gone]
        return Graph([*kept, *(d for name, d in new.items() if name not in self.definitions)])

    def remove(self, *names: str) -> Graph:
        """A graph without these steps."""
        return Graph(d for name, d in self.definitions.items() if name not in names)

    def check(self, names: Iterable[str]) -> None:
        """Raises UnknownStepError, with near names, unless every name is a step."""
        for name in names:
            if name not in self.definitions:
                known = f" Steps are: {', '.join(list(self.definitions)[:12])}." if self.definitions else ""
                hint = did_you_mean(name, self.definitions) or known or " No step is registered yet."
                raise UnknownStepError(f"There is no step called {name!r}.{hint}", name)

    def parents(self, name: str) -> tuple[str, ...]:
        """The steps this one depends on, each once, in the order given."""
        return self._parents.get(name, ())

    def children(self, name: str) -> tuple[str, ...]:
        """The steps that depend on this one, in the order of registration."""
        return self._children.get(name, ())

    def ancestors(self, names: Iterable[str]) -> frozenset[str]:
        """Everything these steps depend on, directly or not, and the steps themselves."""
        return _reach(names, self.parents)

    def descendants(self, names: Iterable[str]) -> frozenset[str]:
        """Everything that depends on these steps, directly or not, and the steps themselves."""
        return _reach(names, self.children)

    @cached_property
    def leaves(self) -> tuple[str, ...]:
        """The steps nobody depends on."""
        return tuple(name for name in self.definitions if not self.children(name))

    @cached_property
    def undefined(self) -> tuple[str, ...]:
        """Names that steps depend on and nobody has registered."""
        wanted = (d.step for deps in self.dependencies.values() for d in deps)
        return tuple(dict.fromkeys(name for name in wanted if name not in self.definitions))

    @cached_property
    def order(self) -> tuple[str, ...]:
        """All steps, dependencies first; ties in the order of registration."""
        position = {name: i for i, name in enumerate(self.definitions)}
        names = list(self.definitions)
        waiting = {name: sum(p in position for p in self.parents(name)) for name in names}
        ready = [position[name] for name, count in waiting.items() if not count]
        heapq.heapify(ready)
        done: list[str] = []
        while ready:
            name = names[heapq.heappop(ready)]
            done.append(name)
            for child in self.children(name):
                waiting[child] -= 1
                if not waiting[child]:
                    heapq.heappush(ready, position[child])
        return tuple(done)

    @cached_property
    def _children(self) -> dict[str, tuple[str, ...]]:
        found: dict[str, list[str]] = {}
        for name in self.definitions:
            for parent in self.parents(name):
                found.setdefault(parent, []).append(name)
        return {name: tuple(children) for name, children in found.items()}

    def _cycle(self) -> list[str]:
        """A path that begins and ends with the same name, or an empty list."""
        if len(self.order) == len(self.definitions):
            return []
        stuck = set(self.definitions).difference(self.order)
        name = next(n for n in self.definitions if n in stuck)
        trail: dict[str, int] = {}
        while name not in trail:
            trail[name] = len(trail)
            name = next(p for p in self.parents(name) if p in stuck)
        return [*list(trail)[trail[name] :], name]

    def _cycle_message(self, path: list[str]) -> str:
        if len(path) == 2:
            step = self.definitions[path[0]]
            if step.depends_on is not None:
                return f"{step.name} would depend on itself ({step.origin}): take it out of what it depends on."
            return (
                f"{step.name} would depend on itself ({step.origin}): its body reads the name {step.name}. "
                "Use another name inside the step, or depend on the step you mean."
            )
        cells = ", ".join(f"{name} in {self.definitions[name].origin}" for name in path[:-1])
        return (
            f"These steps wait for each other: {' ← '.join(path)} ({cells}). "
            "Change what one of them depends on; nothing was registered."
        )


def levels(graph: Graph, names: Collection[str] | None = None) -> list[list[str]]:
    """The steps (or those of `names`) in levels: each needs only steps of levels before its own, and one of the last.

    Within a level the order is that of registration. A run does not wait for a level to be done.
    """
    place = {name: i for i, name in enumerate(graph)}
    rows = levels_of((n for n in graph.order if names is None or n in names), graph.parents)
    return [sorted(row, key=place.__getitem__) for row in rows]


def levels_of(order: Iterable[str], parents: Callable[[str], Iterable[str]]) -> list[list[str]]:
    """Names in levels, each as early as what it needs allows; they come dependencies first, and keep their order."""
    depth: dict[str, int] = {}
    rows: list[list[str]] = []
    for name in order:
        here = depth[name] = 1 + max((depth[p] for p in parents(name) if p in depth), default=-1)
        rows += [[]] if here == len(rows) else []
        rows[here].append(name)
    return rows


def _dependencies(definition: Definition, names: Collection[str]) -> tuple[Dependency, ...]:
    if definition.depends_on is not None:
        return definition.depends_on
    given = {name for name, _ in definition.params}
    read = (name for name in sorted(definition.source.reads - given) if not is_builtin(name))
    return tuple(Dependency(name, name) for name in read if name in names or name in definition.inferred)


def _reach(names: Iterable[str], step: Callable[[str], Iterable[str]]) -> frozenset[str]:
    seen = set(names)
    queue = list(seen)
    while queue:
        for name in step(queue.pop()):
            if name not in seen:
                seen.add(name)
                queue.append(name)
    return frozenset(seen)
