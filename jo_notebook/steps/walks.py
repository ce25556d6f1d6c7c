"""The walks over `Step` objects: who depends on whom, in which order, and as a graph of definitions. All iterative."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MemberDescriptorType
from typing import TYPE_CHECKING, Any

from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.definition import Definition, Dependency, Origin, check_shown_name
from jo_notebook.core.functions import Callee, alias_of, body_of, call_of, reads_itself, shown_place
from jo_notebook.core.graph import Graph
from jo_notebook.core.opaque import is_opaque
from jo_notebook.errors import CycleError, DuplicateStepError, UsageError

if TYPE_CHECKING:
    from jo_notebook.steps.classes import Step

OWN = frozenset({"dependencies", "ctx", "name_alias"})


def dependencies_of(step: Step) -> list[Step]:
    """What a step depends on, now. Raises UsageError for what is no step."""
    from jo_notebook.steps.classes import Step

    found = list(step.dependencies)
    for other in found:
        if not isinstance(other, Step):
            raise UsageError(
                f"{step} depends on {type(other).__name__} {str(other)[:40]!r}, which is no step: depends_on takes "
                "Step objects."
            )
    return found


def in_order(head: Step) -> list[Step]:
    """The head and all it depends on, each once: dependencies first, left to right, depth first.

    Raises CycleError with the path, and UsageError for a dependency that is no step.
    """
    done: dict[int, Step] = {}
    path: dict[int, Step] = {id(head): head}
    waiting: list[tuple[Step, Iterator[Step]]] = [(head, iter(dependencies_of(head)))]
    while waiting:
        step, rest = waiting[-1]
        for other in rest:
            if id(other) in path:
                names = [str(s) for s in path.values()]
                cycle = [*names[list(path).index(id(other)) :], str(other)]
                raise CycleError(
                    f"These steps wait for each other: {' ← '.join(cycle)}. Change what one of them depends on.", cycle
                )
            if id(other) not in done:
                path[id(other)] = other
                waiting.append((other, iter(dependencies_of(other))))
                break
        else:
            waiting.pop()
            path.pop(id(step), None)
            done[id(step)] = step
    return list(done.values())


def breadth_first(head: Step) -> list[Step]:
    """What the head depends on, each once: its own dependencies, then those of each of them in turn."""
    in_order(head)  # so that no cycle is walked for ever
    found: dict[int, Step] = {}
    entered: set[int] = set()
    waiting = [head]
    while waiting:
        step = waiting.pop()
        if id(step) in entered:
            continue
        entered.add(id(step))
        own = dependencies_of(step)
        for other in own:
            found.setdefault(id(other), other)
        waiting += reversed(own)
    return list(found.values())


def check_names(steps: Iterable[Step]) -> None:
    """Raises DuplicateStepError where two of them have one name."""
    owners: dict[str, Step] = {}
    doubled: set[str] = set()
    for step in steps:
        if owners.setdefault(str(step), step) is not step:
            doubled.add(str(step))
    if doubled:
        raise DuplicateStepError(
            f"Dependency(ies) {sorted(doubled)} appear more than once in the dependency graph but correspond to "
            "different objects. Each needs a name of its own, also to keep their results apart: remove the dependency "
            "that is wrong, or use Step(name_alias=...)."
        )


def graph_of(steps: Sequence[Step], names: dict[str, Any]) -> Graph:
    """The steps as definitions over a namespace, which takes in what no text tells. Raises DuplicateStepError."""
    check_names(steps)
    return Graph(definition_of(step, names) for step in steps)


def definition_of(step: Step, names: dict[str, Any]) -> Definition:
    """A step as a definition: the body of its `run` where that tells all, else a call of the object itself."""
    name, depends_on = check_shown_name(str(step)), dependencies_of(step)
    run = _run_of(step)
    parameters = _parameters(run, len(depends_on))
    source = None
    is_at_home = getattr(run, "__globals__", None) is names or getattr(run, "__module__", "") == names.get("__name__")
    if not state_of(step) and is_at_home and parameters == _plain_parameters(run):
        source = body_of(run, name=name, skip=1)
    if source is None and _is_plain(step):
        kind = type(step)
        named = f"name_alias={step.name_alias!r}" if step.name_alias and reads_itself(run) else ""
        made = f"{kind.__name__}({named}).run"
        source = call_of(made, parameters, module=kind.__module__)
    if source is None:
        alias = alias_of(name)
        names[alias] = Callee(step.run, lambda: (type(step), _comparable(state_of(step))))
        source = call_of(alias, parameters)
    pairs = (Dependency(str(other), parameter) for other, parameter in zip(depends_on, parameters, strict=True))
    origin = Origin(cell_id=f"object:{name}", label=shown_place(run) or "a Step object")
    return Definition(name, source, tuple(pairs), origin=origin, call=calling(step, parameters))


def _is_plain(step: Step) -> bool:
    """Whether another process makes the same object of a module, a class and a name alone."""
    from jo_notebook.steps.classes import Step

    kind, home = type(step), sys.modules.get(type(step).__module__)
    is_there = getattr(home, kind.__name__, None) is kind and kind.__module__ != "__main__"
    return is_there and kind.__init__ is Step.__init__ and not state_of(step)


def state_of(step: Step) -> dict[str, Any]:
    """What an object holds beside what makes it a step."""
    slots = {
        name
        for kind in type(step).__mro__
        for name, member in vars(kind).items()
        if isinstance(member, MemberDescriptorType)
    }
    found = {name: getattr(step, name) for name in slots if hasattr(step, name)}
    return found | {key: value for key, value in vars(step).items() if key not in OWN}


def _comparable(state: dict[str, Any]) -> dict[str, Any]:
    """What an object holds; a lock or a connection, which nobody can compare, hides nothing of what is beside it."""
    return {key: _kind_name(value) if is_opaque(value) else value for key, value in state.items()}


def _kind_name(value: object) -> str:
    """What stands for a thing that cannot be compared."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


def calling(step: Step, parameters: Sequence[str]) -> Callable[..., Any]:
    """The step's `run` with its inputs by name; a plain dict that it returns gets attributes."""

    def call(**inputs: Any) -> Any:
        return promoted(step.run(*(promoted(inputs[parameter]) for parameter in parameters)))

    return call


def promoted(value: Any) -> Any:
    """A plain dict as one whose keys are attributes too; anything else as it is."""
    return AttrDict(value) if type(value) is dict else value


def _run_of(step: Step) -> Any:
    """The function behind `run`, without its object; one that was put on the object comes first."""
    return vars(step).get("run") or inspect.getattr_static(type(step), "run", None)


def _parameters(run: Any, count: int) -> tuple[str, ...]:
    """A name for each input, in order: as `run` calls them, as far as it does."""
    named = _plain_parameters(run) or ()
    return tuple(named[i] if i < len(named) else f"input_{i + 1}" for i in range(count))


def _plain_parameters(run: Any) -> tuple[str, ...] | None:
    """The inputs of a method that takes each by a name of its own, without default; else None."""
    try:
        parameters = list(inspect.signature(run).parameters.values())[1:]
    except (TypeError, ValueError):
        return None
    plain = all(p.kind is p.POSITIONAL_OR_KEYWORD and p.default is p.empty for p in parameters)
    return tuple(p.name for p in parameters) if plain else None


def edges_of(steps: Iterable[Step]) -> list[tuple[str, str]]:
    """(dependency, dependent) by name, each once."""
    return list(dict.fromkeys((str(other), str(step)) for step in steps for other in dependencies_of(step)))


def by_name(steps: Iterable[Step]) -> Mapping[str, Step]:
    """The steps by name."""
    return {str(step): step for step in steps}
