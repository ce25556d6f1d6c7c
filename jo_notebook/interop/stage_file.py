"""A stages file: what it may say, read and checked before anything runs. Each error names the file and the line.

The plain form is a mapping of a stage's name to the list of stages it waits for. The form with `stages:` says more of
each stage; `stages.schema.json` beside this file describes both for editors.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from yaml.nodes import MappingNode, Node, ScalarNode

from jo_notebook.core.execution import Resources
from jo_notebook.errors import UsageError, did_you_mean
from jo_notebook.interop.stage_options import OPTIONS, Input, inputs_of, module_of, name_of
from jo_notebook.interop.yaml_nodes import Document, is_null, line_of

TOP = ("version", "module", "stages")
VERSION = 1


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage as the file has it. `is_plain`: its function is called without arguments."""

    name: str
    line: int
    inputs: tuple[Input, ...] = ()
    is_plain: bool = False
    function: str = ""
    shell: str = ""
    params: Mapping[str, Any] = field(default_factory=dict)
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    seed: int | None = None
    always: bool = False
    keep: int = 0
    format: str = ""
    retries: int = 0
    backoff: float = 0.0
    timeout: float = 0.0
    retry_on: tuple[str, ...] = ()
    executor: str = ""
    resources: Resources = ()
    no_store: bool = False


@dataclass(frozen=True, slots=True)
class StageFile:
    """What a stages file says: the module of its functions, empty where it names none, and its stages in order."""

    path: Path
    module: str
    stages: tuple[Stage, ...]

    def error(self, line: int, message: str) -> UsageError:
        """An error that says where in the file."""
        return UsageError(f"{self.path.name}, line {line}: {message}")


def read_stages(path: str | os.PathLike[str]) -> StageFile:
    """The file, checked as far as it can be without its functions.

    Raises UsageError (StepNameError for a name that no step can have) with file and line.
    """
    path = Path(path)
    document = Document(path)
    root = document.root
    if root is None:
        raise UsageError(f"{document.name} is empty: write a line for each stage, such as Lint: []")
    if not isinstance(root, MappingNode):
        raise document.error(root, "a stages file is a mapping, with a line for each stage, such as Lint: []")
    pairs = document.pairs(root)
    if _is_rich({key: value for key, _, value in pairs}):
        module, pairs = _top(document, pairs)
        stages = [_stage(document, *pair) for pair in pairs]
    else:
        module, stages = "", [_plain_stage(document, *pair) for pair in pairs]
    _check_names(document, stages)
    return StageFile(path, module, tuple(stages))


def _is_rich(top: Mapping[str, Node]) -> bool:
    """Whether stages stand below `stages:`. In the plain form every value is a list, so nothing can mean both."""
    if isinstance(top.get("stages"), MappingNode):
        return True
    told = (top.get("version"), top.get("module"))
    return "stages" in top and any(isinstance(node, ScalarNode) and not is_null(node) for node in told)


def _top(document: Document, pairs: list[tuple[str, Node, Node]]) -> tuple[str, list[tuple[str, Node, Node]]]:
    module = ""
    stages: Node | None = None
    for key, at, value in pairs:
        if key == "version":
            if document.plain(value) != VERSION or isinstance(document.plain(value), bool):
                raise document.error(value, f"this jo_notebook reads version {VERSION} of the form with stages:.")
        elif key == "module":
            module = module_of(document, value)
        elif key == "stages":
            stages = value
        else:
            raise document.error(at, f"there is no setting {key!r}.{did_you_mean(key, TOP)} Stages go below stages:.")
    if not isinstance(stages, MappingNode):
        raise document.error(
            stages or document.root or 1, "stages: takes a mapping, with a line for each stage, such as Lint: []"
        )
    return module, document.pairs(stages)


def _plain_stage(document: Document, name: str, at: Node, value: Node) -> Stage:
    if isinstance(value, MappingNode):
        raise document.error(
            at, f"in this form a stage has a list of stages. To say more of {name!r}, put all stages below stages:."
        )
    inputs = inputs_of(document, name, value)
    for given in inputs:
        if given.parameter:
            raise document.error(given.line, f"in this form {name} takes names of stages only: write [{given.stage}].")
    return Stage(name_of(document, at, name), line_of(at), inputs, is_plain=True)


def _stage(document: Document, name: str, at: Node, value: Node) -> Stage:
    own = name_of(document, at, name)
    if not isinstance(value, MappingNode):
        return Stage(own, line_of(at), inputs_of(document, name, value))
    told: dict[str, Any] = {}
    for key, key_at, node in document.pairs(value):
        if key not in OPTIONS:
            known = ", ".join(OPTIONS)
            raise document.error(key_at, f"a stage has no {key!r}.{did_you_mean(key, OPTIONS) or f' It has: {known}.'}")
        told["inputs" if key == "depends_on" else key] = OPTIONS[key](document, f"{key} of {own}", node)
    stage = Stage(own, line_of(at), **told)
    _refuse_contradictions(document, at, stage)
    return stage


def _refuse_contradictions(document: Document, at: Node, stage: Stage) -> None:
    if stage.shell and stage.function:
        raise document.error(at, f"{stage.name} has a function and a shell command: keep one of them.")
    handed = {i.parameter: i for i in stage.inputs if i.parameter}
    if stage.shell and handed:
        given = next(iter(handed.values()))
        raise document.error(
            given.line,
            f"a shell command takes no value: write - {given.stage} in depends_on, as a list, to wait for it.",
        )
    both = sorted(handed.keys() & stage.params.keys())
    if both:
        raise document.error(handed[both[0]].line, f"{both[0]} is a dependency and a parameter of {stage.name}.")
    same = {os.path.normpath(path) for path in stage.reads} & {os.path.normpath(path) for path in stage.writes}
    if same:
        raise document.error(
            at, f"{stage.name} would read and write {min(same)}: it would be stale as soon as it has run."
        )


def _check_names(document: Document, stages: Iterable[Stage]) -> None:
    """Raises UsageError for names that are the same to Python, and for a dependency that no stage has."""
    lines: dict[str, int] = {}
    stages = list(stages)
    for stage in stages:
        if stage.name in lines:
            raise document.error(
                stage.line, f"Python reads this name as {stage.name}, as that of line {lines[stage.name]}."
            )
        lines[stage.name] = stage.line
    for stage in stages:
        for given in stage.inputs:
            if given.stage not in lines:
                hint = did_you_mean(given.stage, lines) or f" Add {given.stage}: [] if it is one."
                raise document.error(
                    given.line, f"{stage.name} depends on {given.stage}, and there is no such stage.{hint}"
                )
    if not stages:
        raise document.error(document.root or 1, "there is no stage in this file: write one, such as Lint: []")
