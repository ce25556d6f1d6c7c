"""What steps make of the names they read, a log they append to, a counter: it counts as what was there before.

Only for the step that does so, and for those that depend on it. To any other step that reads the name it has changed,
and so it has where somebody bound the name anew.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from textwrap import dedent
from types import FunctionType
from typing import TYPE_CHECKING, Any, NamedTuple
from weakref import WeakKeyDictionary, ref

from jo_notebook.core.fingerprint import Part
from jo_notebook.core.graph import Graph
from jo_notebook.core.homes import OBJECT
from jo_notebook.core.slices import outline_of
from jo_notebook.core.version import version_of
from jo_notebook.steps.walks import state_of

if TYPE_CHECKING:
    from jo_notebook.steps.classes import Step

DATA = ("constant", "global", "helper")
MANY = 100  # links of one name that are kept
Key = tuple[str, str]


class _Link(NamedTuple):
    """What a digest stands for: an earlier one, as long as `holds` says that it is still the same thing."""

    was: str
    holds: Callable[[object, object], bool]


_links: dict[Key, dict[str, _Link]] = {}
_changers: dict[str, set[str]] = {}
_written: WeakKeyDictionary[object, frozenset[str]] = WeakKeyDictionary()


class Settling:
    """The names that the steps of one run read and change. `names` is where they read them."""

    def __init__(self, graph: Graph, steps: Mapping[str, Step], names: Mapping[str, Any]) -> None:
        self.changed: set[str] = set()
        self._graph = graph
        self._steps = steps
        self._names = names
        self._written = {name: _written_by(step) for name, step in steps.items()}
        self._own: dict[str, frozenset[str]] = {}
        self._states: dict[str, str] = {}

    def settled(self, step: str, parts: Iterable[Part]) -> tuple[Part, ...]:
        """Parts of a fingerprint, as they were before the step, or one it depends on, changed them."""
        return tuple(self._settled(step, part) for part in parts)

    def _settled(self, step: str, part: Part) -> Part:
        link = _links.get((part.kind, part.name), {}).get(part.digest)
        if link is None or not link.holds(self._names.get(part.name), self._steps[step]):
            return part
        return replace(part, digest=link.was) if self.is_own(step, part.name) else part

    def is_own(self, step: str, name: str) -> bool:
        """Whether the step, or one it depends on, changes what the name holds."""
        name = OBJECT if name.startswith(OBJECT) else name
        if name not in self._own:
            self._own[name] = self._owners(name)
        return step in self._own[name]

    def _owners(self, name: str) -> frozenset[str]:
        """Those that change it, and all that depend on them; for objects those that change anything at all."""
        known = set().union(*_changers.values()) if name == OBJECT else _changers.get(name, set())
        found: set[str] = set()
        for step in self._graph.order:
            written = self._written[step]
            changes = step in known or (bool(written) if name == OBJECT else name in written)
            if changes or not found.isdisjoint(self._graph.parents(step)):
                found.add(step)
        return frozenset(found)

    def before(self, step: str) -> None:
        """A step is about to run."""
        self._states[step] = _digest_of_state(self._steps[step])

    def after(self, step: str, changed: Collection[str]) -> None:
        """It has run, and what these names hold has changed."""
        for name in changed:
            _changers.setdefault(name, set()).add(step)
        self.changed.update(changed)
        if not all(self.is_own(step, name) for name in (*changed, *([OBJECT] if changed else []))):
            self._own.clear()

    def seen_by(self, step: str, planned: Sequence[Part], now: Callable[[], Iterable[Part]]) -> tuple[Part, ...]:
        """The parts a step runs with: those of the plan, but for what steps it does not depend on have changed."""
        is_open = any(
            part.kind in DATA
            and (part.name in self.changed or part.name.startswith(OBJECT))
            and not self.is_own(step, part.name)
            for part in planned
        )
        if not self.changed or not is_open:
            return tuple(planned)
        found = {(part.kind, part.name): part for part in self.settled(step, now())}
        kept = {(p.kind, p.name): p for p in planned if p.kind not in DATA or self.is_own(step, p.name)}
        return tuple((found | kept).values())

    def link(self, step: str, before: Iterable[Part], after: Iterable[Part]) -> None:
        """From now on what a step's names hold stands for what they held before the run."""
        were = {(part.kind, part.name): part.digest for part in before}
        for part in after:
            key = part.kind, part.name
            was = were.get(key, part.digest)
            if part.kind in DATA and was != part.digest and self.is_own(step, part.name):
                links = _links.setdefault(key, {})
                links.pop(part.digest, None)
                links[part.digest] = _Link(was, self._holds(step, part.name))
                while len(links) > MANY:
                    links.pop(next(iter(links)))

    def _holds(self, step: str, name: str) -> Callable[[object, object], bool]:
        if not name.startswith(OBJECT):
            value = self._names.get(name)
            return lambda held, owner: held is value
        there = self._steps[step]
        if self._states.get(step, "") == _digest_of_state(there):
            return lambda held, owner: True
        known = ref(there)
        return lambda held, owner: known() is owner


def _digest_of_state(step: Step) -> str:
    state = state_of(step)
    return version_of(state).digest if state else ""


def _written_by(step: Step) -> frozenset[str]:
    """The names that a step's code changes in place or binds anew, as far as its text tells."""
    own = vars(step).get("run")
    pieces: list[Any] = [own] if isinstance(own, FunctionType) else []
    pieces += [kind for kind in type(step).__mro__ if not kind.__module__.startswith(("jo_notebook.", "builtins"))]
    return frozenset().union(*map(_written_in, pieces))


def _written_in(piece: Any) -> frozenset[str]:
    found = _written.get(piece)
    if found is None:
        try:
            statements = outline_of(dedent(inspect.getsource(piece))).statements
            found = frozenset(chain[0] for statement in statements for chain in statement.changes)
        except (OSError, TypeError, SyntaxError, ValueError, RecursionError):
            found = frozenset()
        _written[piece] = found
    return found
