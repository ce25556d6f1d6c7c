"""What may be said of a stage, one function for each kind of thing. Each error names the file and the line."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from jo_notebook.core.definition import FORMAT_LIMIT, KEEP_LIMIT, RETRIES_LIMIT, check_name, is_time
from jo_notebook.core.execution import Resources, check_errors, check_executor, parse_resources
from jo_notebook.errors import StepNameError, UsageError
from jo_notebook.interop.yaml_nodes import Document, is_null, line_of

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Input:
    """A stage that another one waits for. `parameter` is what its value is handed over as.

    Empty: under the stage's own name where the function takes that, else not at all.
    """

    stage: str
    parameter: str = ""
    line: int = 0


def inputs_of(document: Document, name: str, value: Node) -> tuple[Input, ...]:
    """What a stage waits for: `[A, B]`, `{parameter: A}` or `[A, {parameter: B}]`. Raises UsageError with the line."""
    if isinstance(value, MappingNode):
        rows = _handed(document, value)
    elif isinstance(value, SequenceNode):
        rows = [row for item in value.value for row in _item(document, name, item)]
    elif is_null(value):
        raise document.error(value, f"{name} has nothing behind it: write [] for a stage that depends on none.")
    else:
        raise document.error(value, f"{name} takes a list: write [{value.value}], with brackets.")
    found: dict[tuple[str, str], Input] = {}
    parameters: dict[str, Input] = {}
    for row in rows:
        if row.parameter and parameters.setdefault(row.parameter, row) is not row:
            raise document.error(
                row.line, f"{row.parameter} is given twice: as {parameters[row.parameter].stage} and {row.stage}."
            )
        found.setdefault((row.stage, row.parameter), row)
    return tuple(found.values())


def _item(document: Document, name: str, item: Node) -> list[Input]:
    if isinstance(item, MappingNode):
        return _handed(document, item)
    if not isinstance(item, ScalarNode):
        raise document.error(item, f"{name} takes a list of stages, not a list of lists.")
    return [Input(name_of(document, item, item.value), line=line_of(item))]


def _handed(document: Document, value: MappingNode) -> list[Input]:
    rows = []
    for parameter, at, stage in document.pairs(value):
        if not isinstance(stage, ScalarNode) or is_null(stage):
            raise document.error(stage, f"{parameter} takes the name of one stage.")
        rows.append(Input(name_of(document, stage, stage.value), name_of(document, at, parameter), line_of(stage)))
    return rows


def _params(document: Document, what: str, value: Node) -> dict[str, Any]:
    if not isinstance(value, MappingNode):
        raise document.error(value, f"{what} takes a mapping, such as {{alpha: 0.1}}.")
    return {name_of(document, at, name): document.plain(node) for name, at, node in document.pairs(value)}


def _words(document: Document, what: str, value: Node) -> tuple[str, ...]:
    if not isinstance(value, SequenceNode):
        shown = f": write [{value.value}], with brackets" if isinstance(value, ScalarNode) and value.value else ""
        raise document.error(value, f"{what} takes a list{shown}.")
    words = [_text(document, f"each of {what}", item) for item in value.value]
    return tuple(dict.fromkeys(words))


def _text(document: Document, what: str, value: Node) -> str:
    """Some text, but no number or such thing: those want quotes."""
    text = document.plain(value)
    if isinstance(text, str) and text.strip() and "\0" not in text:
        return text
    shown = f', such as "{value.value}" in quotes' if isinstance(value, ScalarNode) and value.value.strip() else ""
    raise document.error(value, f"{what} takes some text{shown}.")


def _whole(lowest: float = -math.inf, highest: float = math.inf) -> Callable[[Document, str, Node], int]:
    def read(document: Document, what: str, value: Node) -> int:
        number = document.plain(value)
        if isinstance(number, float) and number.is_integer():
            number = int(number)
        if type(number) is not int or not lowest <= number <= highest:
            limit = f", {lowest} or more" if lowest > -math.inf else ""
            limit = f" from {lowest} to {highest}" if highest < math.inf else limit
            raise document.error(value, f"{what} takes a whole number{limit}.")
        return number

    return read


def _seconds(document: Document, what: str, value: Node) -> float:
    number = document.plain(value)
    if not isinstance(number, int | float) or not is_time(number):
        raise document.error(value, f"{what} takes seconds, such as 90 or 0.5.")
    return float(number)


def _truth(document: Document, what: str, value: Node) -> bool:
    answer = document.plain(value)
    if not isinstance(answer, bool):
        raise document.error(value, f"{what} takes true or false.")
    return answer


def _function(document: Document, what: str, value: Node) -> str:
    text = _text(document, what, value)
    module, _, name = text.rpartition(":")
    if not _is_dotted(name) or (":" in text and not _is_dotted(module)):
        raise document.error(value, f"{what} takes the name of a function, or module:function; {text!r} is neither.")
    return text


def _executor(document: Document, what: str, value: Node) -> str:
    return _checked(document, value, lambda: check_executor(_text(document, what, value)))


def _errors(document: Document, what: str, value: Node) -> tuple[str, ...]:
    return _checked(document, value, lambda: check_errors(_words(document, what, value)))


def _resources(document: Document, what: str, value: Node) -> Resources:
    if not isinstance(value, MappingNode):
        raise document.error(value, f"{what} takes a mapping, such as {{memory: 4GB, gpu: 1}}.")
    rows = [(f"{name}={document.plain(node)}", node) for name, _, node in document.pairs(value)]
    return tuple(row for text, node in rows for row in _checked(document, node, partial(parse_resources, [text], what)))


def _checked(document: Document, value: Node, check: Callable[[], T]) -> T:
    """What a check of the core makes of it. Raises UsageError with the line."""
    try:
        return check()
    except UsageError as error:
        if str(error).startswith(document.name):
            raise
        raise document.error(value, str(error)) from error


def _format(document: Document, what: str, value: Node) -> str:
    text = _text(document, what, value)
    if not text.isidentifier() or len(text) > FORMAT_LIMIT:
        raise document.error(value, f"{what} takes the name of a format, such as json or parquet.")
    return text


def module_of(document: Document, value: Node) -> str:
    """A module's name. Raises UsageError with the line."""
    text = _text(document, "module", value)
    if not _is_dotted(text):
        raise document.error(value, f"module takes a module's name, such as foo_jobs; {text!r} cannot be one.")
    return text


def _is_dotted(text: str) -> bool:
    return all(piece.isidentifier() for piece in text.split("."))


def name_of(document: Document, at: Node, name: str) -> str:
    """A name as Python has it. Raises StepNameError with the line for one that no step can have."""
    try:
        return check_name(name)
    except StepNameError as error:
        raise StepNameError(f"{document.name}, line {line_of(at)}: {error}") from error


OPTIONS: dict[str, Callable[[Document, str, Node], Any]] = {
    "depends_on": inputs_of,
    "function": _function,
    "shell": _text,
    "params": _params,
    "reads": _words,
    "writes": _words,
    "env": _words,
    "ignore": _words,
    "seed": _whole(),
    "always": _truth,
    "keep": _whole(1, KEEP_LIMIT),
    "format": _format,
    "retries": _whole(0, RETRIES_LIMIT),
    "backoff": _seconds,
    "timeout": _seconds,
    "retry_on": _errors,
    "executor": _executor,
    "resources": _resources,
    "no_store": _truth,
}
"""What a stage may say in the form with `stages:`, and how that is read."""
