"""`@step` functions and `Step` objects of a notebook, in the kernel's pipeline beside its `%%step` cells."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any

from jo_notebook.core.definition import Definition, Dependency, Origin
from jo_notebook.core.functions import place_of
from jo_notebook.errors import DuplicateStepError, JoError
from jo_notebook.notebook.cells import Cells
from jo_notebook.pipeline import Pipeline
from jo_notebook.registry import enter

CLASSES = "jo_notebook.steps.classes"
Shape = tuple[tuple[int, str, tuple[int, ...]], ...]


def is_step(value: object) -> bool:
    """Whether a value is a `Step` object or a class of them: such a name is never bound to a result."""
    module = sys.modules.get(CLASSES)
    if module is None:
        return False
    return isinstance(value, module.Step) or (isinstance(value, type) and issubclass(value, module.Step))


class StepObjects:
    """The front of a notebook for steps that are Python objects. `show` tells of a step that a cell has defined."""

    def __init__(self, pipeline: Pipeline, cells: Cells, notebook: str, show: Callable[[str], None]) -> None:
        self.pipeline = pipeline
        self._cells = cells
        self._notebook = notebook
        self._show = show
        self._joined: set[str] = set()
        self._heads: dict[str, tuple[object, Shape]] = {}
        self._before = enter(self)

    def close(self) -> None:
        """Leaves this process as it was."""
        enter(self._before)

    def origin_of(self, function: Callable[..., Any]) -> Origin:
        """The running cell, for what stands in the notebook; else the file and line."""
        if getattr(function, "__globals__", None) is self.pipeline.today.namespace:
            return Origin(self._notebook, self._cells.current.id, self._cells.label())
        file, line = place_of(function)
        return Origin(self._notebook, label=f"{file.replace(chr(92), '/').rpartition('/')[2]}, line {line}")

    def register(self, definition: Definition, function: Callable[..., Any]) -> None:
        """Registers a step that is a Python object. Raises DuplicateStepError where a cell has its name."""
        name, mine = definition.name, definition.origin.cell_id
        old = self.pipeline.dag.definitions.get(name)
        is_taken = old is not None and not old.origin.remembered and name not in self.pipeline.orphans
        if old is not None and is_taken and name not in self._joined and old.origin.cell_id != mine:
            raise DuplicateStepError(
                f"Two steps are called {name}: {old.origin} has it, and a Step object claims it too. "
                "The first stays in force; give one of them another name."
            )
        self.pipeline.add(definition)
        if mine:
            self._cells.current.defined.add(name)
            self._show(name)
        else:
            self._joined.add(name)

    def refuse(self, name: str) -> None:
        """Raises DuplicateStepError where a cell claims the name of a `Step` object."""
        if name in self._joined and name in self.pipeline.dag:
            raise DuplicateStepError(
                f"Two steps are called {name}: a Step object has it, and this cell claims it too. The first stays in "
                "force; give one of them another name."
            )

    def notice(self, name: str, value: Any) -> None:
        """From now on `follow` looks whether the notebook's name holds another object."""
        if self.pipeline.today.namespace.get(name) is value:
            self._heads[name] = (value, _shape_of(value))

    def joined(self, depends_on: Iterable[Dependency] | None) -> tuple[Dependency, ...] | None:
        """The dependencies of a cell, where a name that holds a `Step` object stands for that step, which is joined.

        Raises as registering does.
        """
        if depends_on is None or CLASSES not in sys.modules:
            return None if depends_on is None else tuple(depends_on)
        from jo_notebook.steps.registered import with_objects

        return with_objects(depends_on, self.pipeline.today.namespace, self)

    def follow(self) -> list[str]:
        """After a cell: names that hold another object now, or a changed one, are joined again; what went wrong."""
        if not self._heads:
            return []
        from jo_notebook.steps.classes import Step
        from jo_notebook.steps.registered import join

        problems = []
        for name, (value, shape) in list(self._heads.items()):
            now = self.pipeline.today.namespace.get(name)
            if not isinstance(now, Step):
                continue
            try:
                if now is not value or _shape_of(now) != shape:
                    self.notice(name, now)
                    join(now, self)
            except JoError as error:
                problems.append(str(error))
        return problems


def _shape_of(head: Any) -> Shape:
    """Which objects a step stands on, and what they are called: another shape is another graph."""
    from jo_notebook.steps.walks import dependencies_of, in_order

    return tuple((id(s), str(s), tuple(map(id, dependencies_of(s)))) for s in in_order(head))
