"""Steps of the process's pipeline as `Step` objects, and `Step` objects as steps of that pipeline."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any
from weakref import WeakKeyDictionary

from jo_notebook.core.definition import Dependency
from jo_notebook.core.functions import alias_of
from jo_notebook.core.plan import Plan
from jo_notebook.errors import UsageError
from jo_notebook.pipeline import Pipeline
from jo_notebook.registry import Front, front
from jo_notebook.steps.classes import Step
from jo_notebook.steps.walks import check_names, definition_of, in_order


class Registered(Step):
    """A step of a pipeline, by name: a cell, a stage, a function. Everything about it is the pipeline's to say."""

    def __init__(self, pipeline: Pipeline, name: str) -> None:
        self.pipeline = pipeline
        self.name_alias = name
        _objects.setdefault(pipeline, {})[name] = self

    def __repr__(self) -> str:
        return f"<step {self}>"

    def __deepcopy__(self, memo: object) -> Registered:
        return self

    def __copy__(self) -> Registered:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        """The step of that name, wherever it is read again. Raises UsageError there where there is none."""
        return named, (str(self),)

    @property
    def dependencies(self) -> list[Step]:  # type: ignore[override]
        """What it depends on now."""
        return [registered(self.pipeline, name) for name in self.pipeline.dag.parents(str(self))]

    @property
    def ctx(self) -> Any:  # type: ignore[override]
        """The context of its pipeline."""
        return self.pipeline.context

    def materialize(self, *, force: bool = False, only: bool = False) -> Any:
        """The result: from the store where it is there and right, else run, with all it needs.

        Raises StepFailed (its cause is the user's exception), UnknownStepError, RunInProgress.
        """
        return self.pipeline.materialize(str(self), force=force, only=only)

    def plan(self) -> Plan:
        """What `materialize` would do, and why, as data."""
        return self.pipeline.plan(str(self))


_objects: WeakKeyDictionary[Pipeline, dict[str, Registered]] = WeakKeyDictionary()


def registered(pipeline: Pipeline, name: str) -> Registered:
    """The object that stands for a step of a pipeline; the same one each time."""
    known = _objects.get(pipeline, {}).get(name)
    return known if known is not None else Registered(pipeline, name)


def named(name: str) -> Registered:
    """The step of this process's pipeline of that name. Raises UsageError where there is none."""
    pipeline = front().pipeline
    if name not in pipeline.dag:
        raise UsageError(f"depends_on takes Step objects, or names of steps that are registered; {name!r} is neither.")
    return registered(pipeline, name)


def join(head: Step, here: Front | None = None) -> list[str]:
    """Registers a `Step` object and all it depends on in a pipeline; the names that came, in order.

    Raises DuplicateStepError, CycleError, UsageError; then none of them is registered that was not before.
    """
    here = here or front()
    steps = in_order(head)
    check_names(steps)
    new = [step for step in steps if not isinstance(step, Registered)]
    for step in steps:
        if isinstance(step, Registered) and step.pipeline is not here.pipeline:
            raise UsageError(f"{step} is a step of another pipeline than the one that {head} is joined to.")
    names, called = here.pipeline.today.namespace, [str(step) for step in new]
    with undone_on_error(names, called):
        here.register([(definition_of(step, names), type(step).run) for step in new])
    for step in new:
        _bring(step, here.pipeline)
    return called


def join_held(names: Mapping[str, Any], here: Front | None = None) -> None:
    """Registers the `Step` objects that these names hold, each with all it depends on. Raises as `join` does."""
    here = here or front()
    for value in list(names.values()):
        if isinstance(value, Step) and not isinstance(value, Registered) and str(value) not in here.pipeline.dag:
            join(value, here)


@contextmanager
def undone_on_error(names: dict[str, Any], steps: Iterable[str]) -> Iterator[None]:
    """Where steps are not registered after all, what stands for objects of their names is what stood there before."""
    aliases = [alias_of(step) for step in steps]
    before = {alias: names[alias] for alias in aliases if alias in names}
    try:
        yield
    except BaseException:
        for alias in aliases:
            names.pop(alias, None)
        names.update(before)
        raise


def with_objects(dependencies: Iterable[Dependency], names: Mapping[str, Any], here: Front) -> tuple[Dependency, ...]:
    """The dependencies, where a name that holds a `Step` object stands for its step, which is joined with its own.

    A name that a step has already is that step. Raises as `join` does.
    """
    found = []
    for dependency in dependencies:
        value = names.get(dependency.step)
        if dependency.step in here.pipeline.dag or not isinstance(value, Step):
            found.append(dependency)
            continue
        here.notice(dependency.step, value)
        join(value, here)
        found.append(replace(dependency, step=str(value)))
    return tuple(found)


def is_joined(steps: Iterable[Step]) -> bool:
    """Whether some of the steps are of a pipeline already."""
    return any(isinstance(step, Registered) for step in steps)


def _bring(step: Step, pipeline: Pipeline) -> None:
    """What the step's own context was given by hand, or from an older store, comes along where nothing is there."""
    name, own = str(step), step.ctx
    if own is None or own is pipeline.context or name not in own or name in pipeline.context.records:
        return
    record = getattr(own, "record", lambda name: None)(name)
    if record is None or record.is_given:
        pipeline.context[name] = own[name]
