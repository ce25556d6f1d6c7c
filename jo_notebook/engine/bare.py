"""Bare steps: those that read nothing but their inputs and what Python itself has. Their text tells all of them."""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from jo_notebook.core.definition import Definition, Dependency
from jo_notebook.core.fingerprint import Part, code_part, digest_of
from jo_notebook.core.graph import Graph
from jo_notebook.core.needs import OUTSIDE, Need, of_python, reads_docs
from jo_notebook.core.patches import METHODS_OF, attributes_in, given_methods
from jo_notebook.core.plain import FLAT
from jo_notebook.core.slices import uses_of
from jo_notebook.core.source import is_builtin, shell_calls
from jo_notebook.core.version import Version, version_of


@dataclass(frozen=True, slots=True)
class Bare:
    """What is known of a step by its definition alone, as long as no name of `asked` is bound in the notebook.

    None of its `attributes` may be a method either that the notebook gave to a library's class. `is_bare` is False for
    a step that may look at more than that.
    """

    definition: Definition
    given: tuple[Dependency, ...]
    is_bare: bool
    asked: frozenset[str] = frozenset()
    attributes: frozenset[str] = frozenset()
    needs: tuple[Need, ...] = ()
    parts: tuple[Part, ...] = ()


class BareSteps:
    """Knows which steps are bare, over one namespace. What a definition tells is kept as long as it is that one."""

    def __init__(self, namespace: Mapping[str, Any]) -> None:
        self._namespace = namespace
        self._known: dict[str, Bare] = {}
        self._asked: set[str] = set()
        self._attributes: set[str] = set()

    def find(self, graph: Graph, name: str) -> Bare | None:
        """All there is to know of a step, where its text tells that and nothing in this process adds to it now."""
        definition, given = graph.definitions[name], graph.dependencies[name]
        known = self._known.get(name)
        if known is None or known.definition is not definition or known.given != given:
            known = self._known[name] = told(definition, given)
        if not known.is_bare:
            return None
        if known.asked:
            if not self._namespace.keys().isdisjoint(known.asked):
                return None
            self._asked |= known.asked
        if known.attributes:
            if self._methods(known.attributes):
                return None
            self._attributes |= known.attributes
        return known

    def has_changed(self) -> bool:
        """Whether a step that was bare when it was asked for may not be so any more; the next time, since now."""
        bound, methods = self._namespace.keys() & self._asked, self._methods(self._attributes)
        self._asked -= bound
        self._attributes -= methods
        return bool(bound or methods)

    def _methods(self, attributes: Collection[str]) -> set[str]:
        """The attributes that are methods which the notebook gave to a library's class."""
        if not attributes or METHODS_OF.keys().isdisjoint(sys.modules):
            return set()
        return given_methods(attributes, sys.modules.get, self._namespace)


def told(definition: Definition, given: tuple[Dependency, ...]) -> Bare:
    """What a definition alone tells of a step."""
    asked = definition.source.reads.difference([d.parameter for d in given], [name for name, _ in definition.params])
    text = definition.source.canonical
    if (
        definition.call is not None
        or definition.ignore
        or definition.reads
        or definition.env
        or any(type(value) not in FLAT for _, value in definition.params)
        or any(need.kind not in OUTSIDE and need.name in asked for need in definition.needs)
        or ("import" in text and uses_of(text).imports)
    ):
        return Bare(definition, given, False)
    needs = [need for name in sorted(asked) if is_builtin(name) for need in of_python(name)]
    calls = [Part("untracked", call, "", "what it does") for call in shell_calls(text)]
    parts = (*own_parts(definition, version_of), *(need.part for need in needs), *calls)
    return Bare(definition, given, True, asked, attributes_in(text), tuple(needs), parts)


def own_parts(definition: Definition, versions: Callable[[object], Version]) -> Iterator[Part]:
    """The parts that stand in a definition: its code, its parameters, its seed."""
    source = definition.source
    text = ast.unparse(ast.parse(source.python)) if reads_docs(source.canonical) else source.canonical
    yield code_part("code", "", text)  # where code reads docstrings, the text with them
    for parameter, value in definition.params:
        yield Part("param", parameter, versions(value).digest, repr(value))
    if definition.seed is not None:
        yield Part("seed", "", digest_of(str(definition.seed)), str(definition.seed))
