"""`@step`: a function of a plain script is a step of this process's pipeline."""

from __future__ import annotations

import functools
import inspect
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from types import NoneType
from typing import Any, overload

from jo_notebook.core.definition import Definition, Dependency, check_keep, check_name, check_retries, check_seconds
from jo_notebook.core.execution import Resources, amount_of, check_errors, check_executor
from jo_notebook.core.functions import Callee, Signature, alias_of, body_of, call_of, signature_of
from jo_notebook.core.source import Source
from jo_notebook.errors import UsageError, did_you_mean
from jo_notebook.pipeline import Pipeline
from jo_notebook.registry import front
from jo_notebook.steps.classes import Step
from jo_notebook.steps.registered import Registered, join, undone_on_error, with_objects

DependsOn = str | Step | Sequence[str | Step] | Mapping[str, str | Step] | None
Words = str | Iterable[str]


class FunctionStep(Registered):
    """A function that is a step. It is called like the function; `materialize` is the step's."""

    def __init__(self, function: Callable[..., Any], pipeline: Pipeline, name: str) -> None:
        super().__init__(pipeline, name)
        functools.update_wrapper(self, function)
        self.function = function

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Calls the function itself: nothing is remembered."""
        return self.function(*args, **kwargs)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        raise AttributeError(
            f"{self} is a step and has no {name!r}. For its result, make {self} a parameter of the step that reads it, "
            f"or say {self}.materialize()."
        )

    def run(self, *args: Any, **kwargs: Any) -> Any:
        """The function, with the results of what it depends on."""
        return self.function(*args, **kwargs)


@overload
def step(function: Callable[..., Any], /) -> FunctionStep: ...


@overload
def step(
    *,
    name: str | None = None,
    depends_on: DependsOn = None,
    params: Mapping[str, Any] | None = None,
    reads: Words = (),
    writes: Words = (),
    seed: int | None = None,
    env: Words = (),
    ignore: Words = (),
    always: bool = False,
    keep: int = 0,
    format: str = "",
    retries: int = 0,
    backoff: float = 0.0,
    timeout: float = 0.0,
    retry_on: Words = (),
    executor: str = "",
    resources: Mapping[str, Any] | None = None,
    no_store: bool = False,
) -> Callable[[Callable[..., Any]], FunctionStep]: ...


def step(function: Callable[..., Any] | None = None, /, **options: Any) -> Any:
    """Make a function a step: `@step`, or `@step(name=…, depends_on=…, …)` with the options of `%%step`.

    Its name is the step's; its parameters are the steps it depends on, by name, and parameters with a plain default
    value are its `params`. `depends_on` gives other steps, in the order of the parameters, or as {parameter: step}.
    Its body counts as a cell's with the same lines would. Raises UsageError, StepNameError, DuplicateStepError,
    CycleError; then the function is no step.
    """
    if function is None:
        checked = _checked(options)
        return lambda decorated: _made(decorated, **checked)
    return _made(function)


def _checked(options: dict[str, Any]) -> dict[str, Any]:
    """The options in their types. Raises UsageError for an unknown one or one that makes no sense."""
    for word in options:
        if word not in CHECKS:
            raise UsageError(f"@step has no option {word!r}.{did_you_mean(word, CHECKS)} Options: {', '.join(CHECKS)}.")
    return {word: CHECKS[word](value) for word, value in options.items()}


def _one(word: str, kinds: type | tuple[type, ...], what: str, value: Any) -> Any:
    """The value of an option that takes these kinds. Raises UsageError for another."""
    if not isinstance(value, kinds) or (isinstance(value, bool) and kinds is not bool):
        raise UsageError(f"@step({word}={value!r:.40}) makes no sense: {word} takes {what}.")
    return value


def _words(word: str, value: Any) -> tuple[str, ...]:
    words = (value,) if isinstance(value, str | os.PathLike) else value
    if not isinstance(words, Iterable) or isinstance(words, bytes | Mapping):
        _one(word, str, "a text, or several", value)
    return tuple(os.fspath(w) if isinstance(w, os.PathLike) else _one(word, str, "texts", w) for w in words)


def _resources(amounts: Mapping[str, Any]) -> Resources:
    return tuple((name, amount_of(name, amount, "resources")) for name, amount in amounts.items())


CHECKS: dict[str, Callable[[Any], Any]] = {
    "name": partial(_one, "name", (str, NoneType), "the name of a step"),
    "depends_on": partial(_one, "depends_on", (Iterable, Step, NoneType), "names of steps or Step objects"),
    "params": partial(_one, "params", (Mapping, NoneType), "a dict of values"),
    **{word: partial(_words, word) for word in ("reads", "writes")},
    "seed": partial(_one, "seed", (int, NoneType), "a whole number"),
    **{word: partial(_words, word) for word in ("env", "ignore")},
    "always": partial(_one, "always", bool, "True or False"),
    "keep": lambda value: check_keep(value) if value != 0 else 0,
    "format": partial(_one, "format", str, "the name of a format"),
    "retries": check_retries,
    "backoff": partial(check_seconds, "backoff"),
    "timeout": partial(check_seconds, "timeout"),
    "retry_on": lambda value: check_errors(_words("retry_on", value)),
    "executor": lambda value: check_executor(_one("executor", str, "the name of an executor", value)) if value else "",
    "resources": lambda value: _resources(_one("resources", (Mapping, NoneType), "a dict of amounts", value) or {}),
    "no_store": partial(_one, "no_store", bool, "True or False"),
}
"""The options of `@step`, and what each makes of what it is given. Raises UsageError."""


def _made(
    function: Callable[..., Any],
    *,
    name: str | None = None,
    depends_on: DependsOn = None,
    params: Mapping[str, Any] | None = None,
    **fields: Any,
) -> FunctionStep:
    if isinstance(function, type) or not callable(function):
        what = f"the class {function.__name__}" if isinstance(function, type) else repr(function)[:40]
        raise UsageError(f"@step is for functions, not for {what}. A class becomes a step as a subclass of Step.")
    here = front()
    name = check_name(name or str(getattr(function, "__name__", "")))
    _refuse_methods(function, name)
    asked = signature_of(function, name)
    dependencies = _dependencies(name, depends_on, asked)
    if depends_on is None:
        dependencies = with_objects(dependencies, getattr(function, "__globals__", {}), here)
    values = {**dict(asked.params), **_known_params(name, params or {}, asked)}
    for other in _objects(depends_on):
        join(other, here)
    names = here.pipeline.today.namespace
    with undone_on_error(names, [name]):
        source, is_live = _source(function, name, asked, names)
        call, where = calling(function, asked) if is_live else None, here.origin_of(function, name)
        made = Definition(name, source, dependencies, tuple(values.items()), where, call=call, **fields)
        here.register([(made, function)])
    return FunctionStep(function, here.pipeline, name)


def _refuse_methods(function: Callable[..., Any], name: str) -> None:
    """Raises UsageError for a function in the body of a class, which nobody calls with an object."""
    owner = str(getattr(function, "__qualname__", "")).rpartition(".")[0]
    first = next(iter(inspect.signature(function).parameters), "")
    if first in ("self", "cls") and owner and not owner.endswith("<locals>"):
        raise UsageError(
            f"{name} is a method of {owner.rpartition('.')[2]}, and @step is for functions. A class becomes a step as "
            "a subclass of Step."
        )


def _objects(depends_on: DependsOn) -> list[Step]:
    """The `Step` objects among what a function depends on."""
    if isinstance(depends_on, str | Step | None):
        depends_on = [] if depends_on is None else [depends_on]
    given = depends_on.values() if isinstance(depends_on, Mapping) else depends_on
    return [other for other in given if isinstance(other, Step)]


def calling(function: Callable[..., Any], asked: Signature) -> Callable[..., Any]:
    """The function, called with all its arguments by name."""
    if not asked.by_position:
        return function

    def call(**inputs: Any) -> Any:
        first = [inputs.pop(word) for word in asked.by_position]
        return function(*first, **inputs)

    return call


def _source(function: Callable[..., Any], name: str, asked: Signature, names: dict[str, Any]) -> tuple[Source, bool]:
    """The body, where the function stands in the namespace itself; else a call, of its module or of the object.

    And whether this very object is what runs: what a module has is looked up anew each time.
    """
    if getattr(function, "__globals__", None) is names:
        source = body_of(function, name=name)
        if source is not None:
            return source, True
    module, words = str(getattr(function, "__module__", "")), [word for word, _ in asked.params]
    if _is_importable(function, module, names):
        return call_of(function.__name__, asked.inputs, module=module, by_name=words), False
    alias = alias_of(name)
    names[alias] = Callee(function, lambda: function)
    return call_of(alias, asked.inputs, by_name=words), True


def _is_importable(function: Any, module: str, names: dict[str, Any]) -> bool:
    """Whether another process finds the function by its module and its name."""
    home = sys.modules.get(module)
    is_at_top = getattr(function, "__qualname__", "<") == getattr(function, "__name__", "")
    return home is not None and module != names.get("__name__") and is_at_top and "<" not in function.__name__


def _dependencies(name: str, depends_on: DependsOn, asked: Signature) -> tuple[Dependency, ...]:
    """Which step each parameter stands for. Raises UsageError where that does not fit."""
    if depends_on is None:
        return tuple(Dependency(check_name(word), word) for word in asked.inputs)
    if isinstance(depends_on, str | Step):
        depends_on = [depends_on]
    if isinstance(depends_on, Mapping):
        unknown = [word for word in depends_on if word not in asked.inputs]
        if unknown:
            raise UsageError(f"{name} has no parameter {unknown[0]!r}; it has: {', '.join(asked.inputs) or 'none'}.")
        return tuple(Dependency(_name_of(depends_on.get(word, word), name), word) for word in asked.inputs)
    steps = [_name_of(other, name) for other in depends_on]
    if len(steps) != len(asked.inputs):
        raise UsageError(
            f"{name} takes {len(asked.inputs)} inputs ({', '.join(asked.inputs) or 'none'}), and depends_on names "
            f"{len(steps)}: {', '.join(steps) or 'none'}."
        )
    return tuple(Dependency(other, word) for other, word in zip(steps, asked.inputs, strict=True))


def _name_of(other: object, name: str) -> str:
    if isinstance(other, Step):
        return str(other)
    if isinstance(other, str):
        return other
    raise UsageError(f"{name}: depends_on takes names of steps or Step objects, not {str(other)[:40]!r}.")


def _known_params(name: str, params: Mapping[str, Any], asked: Signature) -> Mapping[str, Any]:
    for word in params:
        if word not in dict(asked.params):
            raise UsageError(f"{name} has no parameter {word!r} with a default value.")
    return params
