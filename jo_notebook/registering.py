"""How steps come into a pipeline and leave it, and what the context remembers of them."""

from __future__ import annotations

import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

from jo_notebook.core.definition import Definition
from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.garbage import no_search
from jo_notebook.core.graph import Graph
from jo_notebook.core.needs import Need
from jo_notebook.core.plan import Availability, Known, make_plan
from jo_notebook.engine.today import Today
from jo_notebook.errors import DuplicateStepError, JoError, UsageError
from jo_notebook.store.context import Context
from jo_notebook.store.formats import check_format
from jo_notebook.store.plain import check_definition

NOT_UNDERSTOOD = (LookupError, TypeError, ValueError, AttributeError, SyntaxError, RecursionError, MemoryError)
SHOWN = 200


class Registering(ABC):
    """The part of `Pipeline` that knows the graph, and writes its steps down in the context."""

    dag: Graph
    context: Context
    today: Today
    gone_cells: frozenset[str]
    problems: list[str]
    _pins: frozenset[str] | None
    _lock: threading.RLock

    @abstractmethod
    def tell(self, event: Event) -> None:
        """Give an event to all listeners."""

    @abstractmethod
    def touch(self) -> None:
        """Forget what was worked out about the notebook's names."""

    @abstractmethod
    def _known(self, heads: Iterable[str], *, force: bool, only: bool) -> Known:
        """All that a plan looks at."""

    def add(self, definition: Definition, *, replacing: Iterable[str] = (), moved: bool = False) -> Definition:
        """Registers a step, in the place of its older self and of the steps it replaces.

        With `moved` it may come from another cell than before.

        Raises CycleError, DuplicateStepError or UsageError; then nothing changed.
        """
        _check(definition)
        with self._lock:
            if not moved:
                self._refuse_second_claim(definition)
            definition = self._as_before(definition, replacing)
            self.dag = self.dag.add(definition, replacing=replacing)
            former = set(replacing) - {definition.name}
            self._drop_definitions(former)
            self.touch()
            self._take_over(definition.name, former)
            self._remember([definition.name])
        self.tell(Event(EventKind.CHANGED, definition.name))
        return definition

    def add_all(self, definitions: Iterable[Definition], *, replacing: Iterable[str] = ()) -> None:
        """Registers many steps at once, all or none, in the place of their older selves and of those they replace.

        Raises CycleError, DuplicateStepError or UsageError; then nothing changed.
        """
        definitions = list(definitions)
        for definition in definitions:
            _check(definition)
        with self._lock:
            for definition in definitions:
                self._refuse_second_claim(definition)
            new = [self._as_before(definition, ()) for definition in definitions]
            names = [definition.name for definition in new]
            former = set(replacing).difference(names)
            self.dag = self.dag.add_all(new, replacing=former)
            self._drop_definitions(former)
            self.touch()
            if not self.dag.definitions.keys() >= self.context.records.keys():
                for name in names:
                    self._take_over(name, former)
            self._remember(names)
        self.tell(Event(EventKind.CHANGED))

    def remove(self, *names: str) -> None:
        """Takes steps out of the graph; their results stay in the context."""
        with self._lock:
            self.dag = self.dag.remove(*names)
            self._drop_definitions(names)
            self.touch()
        self.tell(Event(EventKind.CHANGED))

    def resume(self) -> list[str]:
        """Looks at the context again, and takes in the steps it remembers and no cell has defined.

        Returns their names. Runs nothing and unpickles nothing. What cannot be understood is in `problems`.
        """
        self.context.refresh()
        return self.take_in()

    def take_in(self) -> list[str]:
        """As `resume`, for a context that has just been opened."""
        with self._lock, no_search():
            found = sorted(self.context.definitions().items(), key=lambda item: _order(item[1][0]))
            self.problems = list(self.context.problems)
            self._recall_files()
            new = [self._remembered(name, data, trusted) for name, (data, trusted) in found]
            fresh = [d for d in new if d is not None and d.name not in self.dag]
            try:
                self.dag = Graph([*self.dag.definitions.values(), *fresh])
            except JoError as error:
                self.problems.append(str(error))
                fresh = []
            self.touch()
        if fresh:
            self.tell(Event(EventKind.CHANGED))
        return [definition.name for definition in fresh]

    @property
    def orphans(self) -> frozenset[str]:
        """Steps whose cell is gone from the notebook."""
        if not self.gone_cells:
            return frozenset()
        return frozenset(n for n, d in self.dag.definitions.items() if d.origin.cell_id in self.gone_cells)

    def _as_before(self, definition: Definition, replacing: Iterable[str]) -> Definition:
        """What the user does not write again: what the step needed when last looked at, and that it is pinned."""
        known = self._definition_needs(definition.name)
        if known and not definition.needs:
            definition = replace(definition, needs=known)
        pinned = any(self._was_pinned(name) for name in (definition.name, *replacing))
        return replace(definition, pinned=True) if pinned else definition

    def _was_pinned(self, name: str) -> bool:
        """Whether a step is pinned here or, for one that nobody has taken in, in the context."""
        before = self.dag.definitions.get(name)
        if before is not None:
            return before.pinned and before.trusted
        if self._pins is None:
            stored = self.context.definitions().items()
            self._pins = frozenset(step for step, (data, trusted) in stored if trusted and data.get("pinned") is True)
        return name in self._pins

    def _take_over(self, name: str, former: Iterable[str]) -> None:
        """A step that was renamed keeps its result: what makes a result this one does not include the name."""
        if self.context.record(name) is not None:
            return
        former, known = set(former), self._known((), force=False, only=False)
        code = next(part for part in known.parts(name) if part.kind == "code")
        for old in sorted(former.union(known.records).difference(self.dag)):
            record = known.records.get(old)
            if record is None or old in self.context.untrusted:
                continue
            if self.dag[name].pinned and old in former and self.context.rename(old, name):
                return
            if code not in record.fingerprint.parts:
                continue
            under_new_name = {**known.records, name: replace(record, step=name)}
            held = partial(self._held_under, name, old)
            decision = make_plan(self.dag, replace(known, records=under_new_name, held=held), [name])[name]
            if decision.availability is Availability.AVAILABLE and self.context.rename(
                old, name, copy=old not in former
            ):
                return

    def _held_under(self, name: str, old: str, step: str) -> str:
        return self.context.held(old if step == name else step)

    def _definition_needs(self, name: str) -> tuple[Need, ...]:
        """What an older self of the step needed; nothing of a stranger's, for needs are code."""
        return self.dag[name].needs if name in self.dag and self.dag[name].trusted else ()

    def _drop_definitions(self, names: Iterable[str]) -> None:
        """Steps are gone for this kernel also where the disk refuses to forget them; then it is said."""
        for name in names:
            try:
                self.context.drop_definition(name)
            except JoError as error:
                self.problems.append(str(error))

    def _recall_files(self) -> None:
        """What our own records know of declared files spares reading those that have not changed since."""
        foreign = self.context.untrusted
        for name, record in self.context.records.items():
            if record.files and name not in foreign:
                self.today.files.remember(record.files)

    def _remember(self, names: Iterable[str]) -> None:
        """Writes definitions down once the context has a directory, which the first run makes."""
        if self._has_place():
            self._write_down(names)

    def _has_place(self) -> bool:
        return self.context.place is not None and os.path.isdir(self.context.place)

    def _write_down(self, names: Iterable[str]) -> None:
        """Writes definitions down, with what they need: then a run that is killed leaves steps, not only results."""
        names, rows = set(names), {}
        for order, (name, definition) in enumerate(self.dag.definitions.items()):
            if name in names and definition.trusted:  # a stranger's is not to be signed as ours
                needs, inferred = self.today.needs(self.dag, name), self.dag.parents(name)
                rows[name] = {**definition.to_json(), "needs": [n.to_json() for n in needs], "inferred": list(inferred)}
                rows[name]["order"] = order
        try:
            self.context.save_definitions(rows)
        except JoError as error:
            self.problems.append(str(error))

    def _remembered(self, name: str, data: dict[str, Any], trusted: bool) -> Definition | None:
        try:
            definition = Definition.from_json(data, trusted=trusted)
            if not trusted:
                check_definition(definition, name)
            return definition
        except (JoError, *NOT_UNDERSTOOD) as error:
            self.problems.append(f"the step {name} is not understood: {str(error)[:SHOWN]}")
            return None

    def _refuse_second_claim(self, definition: Definition) -> None:
        old = self.dag.definitions.get(definition.name)
        if old is None or old.origin.remembered or definition.name in self.orphans:
            return
        mine, theirs = definition.origin, old.origin
        are_cells = mine.is_cell and theirs.is_cell
        if mine.cell_id != theirs.cell_id and not (are_cells and "" in (mine.cell_id, theirs.cell_id)):
            raise second_claim(definition, old)


def second_claim(new: Definition, old: Definition) -> DuplicateStepError:
    """What to say of two steps of one name, of which the older one is registered."""
    return DuplicateStepError(
        f"Two steps are called {new.name}: {old.origin} has it, and {new.origin} claims the name too. The first stays "
        "in force; give one of them another name."
    )


def _check(definition: Definition) -> None:
    """Raises UsageError for a format that nobody knows, and for one name of two inputs."""
    if definition.format:
        check_format(definition.format, step=definition.name)
    both = {d.parameter for d in definition.depends_on or ()} & {name for name, _ in definition.params}
    if both:
        raise UsageError(f"{definition.name}: {', '.join(both)} is a dependency and a parameter; rename one.")


def _order(data: Mapping[str, Any]) -> int:
    """Where a definition stood among the others; a stranger may have written anything."""
    order = data.get("order", 0)
    return order if isinstance(order, int) else 0
