"""`@step` functions and `Step` objects of a notebook, in the kernel's pipeline beside its `%%step` cells."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from jo_notebook.core.definition import Dependency, Origin
from jo_notebook.core.functions import shown_place
from jo_notebook.errors import JoError
from jo_notebook.notebook.cells import Cells
from jo_notebook.pipeline import Pipeline
from jo_notebook.registry import Written, enter

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
        self._heads: dict[str, tuple[object, Shape]] = {}
        self._before = enter(self)

    def close(self) -> None:
        """Leaves this process as it was."""
        enter(self._before)

    def origin_of(self, function: Callable[..., Any], name: str) -> Origin:
        """The running cell, for what stands in the notebook; else the module, with file and line."""
        if getattr(function, "__globals__", None) is self.pipeline.today.namespace:
            return Origin(self._notebook, self._cells.current.id, self._cells.label())
        module = getattr(function, "__module__", None) or "object"
        return Origin(self._notebook, f"{module}:{name}", shown_place(function) or "a @step function")

    def register(self, steps: Sequence[Written]) -> None:
        """Registers steps that are Python objects. Raises DuplicateStepError where another one has a name of theirs."""
        self.pipeline.add_all(definition for definition, _ in steps)
        for definition, _ in steps:
            if definition.origin.is_cell:
                self._cells.current.defined.add(definition.name)
                self._show(definition.name)

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
