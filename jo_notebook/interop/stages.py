"""A stages file as a pipeline: each stage is an ordinary step whose code calls its function, or its shell command."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jo_notebook.core.definition import Definition, Dependency, Origin
from jo_notebook.core.source import parse_source
from jo_notebook.errors import UsageError, did_you_mean
from jo_notebook.interop.run_log import keep_run_log
from jo_notebook.interop.stage_file import Stage, StageFile, read_stages
from jo_notebook.interop.stage_functions import Functions, arguments_of, takes
from jo_notebook.interop.state_file import keep_state, state_beside
from jo_notebook.interop.state_file import take_state as take_successes
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context
from jo_notebook.store.formats import check_format

SUFFIXES = (".yaml", ".yml")


def open_stages(
    path: str | os.PathLike[str],
    *,
    module: str = "",
    place: str | os.PathLike[str] | None = None,
    sets: Mapping[str, object] | None = None,
    state: str | os.PathLike[str] | None = "",
    take_state: bool = False,
    log: bool = True,
) -> Pipeline:
    """The pipeline of a stages file. Its modules are imported, no stage is run.

    `module` is where functions are that name no module; it overrules the file's own. Results live in `place`, else
    where JO_CONTEXT says, else in `<stem>.jo` beside the file. `sets` gives parameters other values: `alpha` wherever
    a stage has it, `Train.alpha` in one. `state` is the file that tells other tools of each stage, in place of
    `state.yml` beside the stages file (None for none); with `take_state` stages that it calls SUCCESS now count as
    done; `log` says whether each run writes a log file into the place of results.
    Raises UsageError, StepNameError or CycleError, with file and line.
    """
    path = Path(path)
    place = Path(os.path.expanduser(place or os.environ.get("JO_CONTEXT") or path.with_suffix(".jo")))
    pipeline = Pipeline(Context(place))
    load_stages(pipeline, path, module=module, sets=sets)
    if state is not None:
        where = Path(state) if state else state_beside(path)
        if take_state:
            take_successes(pipeline, where)
        keep_state(pipeline, where)
    if log:
        keep_run_log(pipeline)
    return pipeline


def load_stages(
    pipeline: Pipeline,
    path: str | os.PathLike[str],
    *,
    module: str = "",
    sets: Mapping[str, object] | None = None,
    called: str = "",
) -> list[str]:
    """Registers the stages of a file in a pipeline, all or none; those it had before and has no more are taken out.

    `called` tells this file from others in one pipeline: its path as the user wrote it, else its name.
    Returns the names in the file's order. Raises as `open_stages` does, and DuplicateStepError where a cell or
    another file has a step of that name.
    """
    file = read_stages(path)
    mark = f"{os.path.normpath(called or file.path.name).replace(os.sep, '/')}:"
    definitions = define_stages(pipeline, file, mark, module=module, sets=sets or {})
    names = [definition.name for definition in definitions]
    before = {n: d.origin for n, d in pipeline.dag.definitions.items()} | _remembered(pipeline)
    gone = [n for n, origin in before.items() if origin.cell_id.startswith(mark) and n not in set(names)]
    pipeline.add_all(definitions, replacing=gone)
    return names


def define_stages(
    pipeline: Pipeline, file: StageFile, mark: str, *, module: str, sets: Mapping[str, object]
) -> list[Definition]:
    """The definitions of a file's stages. Raises UsageError where a function is missing or takes other arguments."""
    functions = Functions(file.path.absolute().parent, lambda names: _reload(pipeline, names))
    left = dict.fromkeys(sets)
    definitions = [
        _definition(file, stage, mark, functions, module or file.module, sets, left) for stage in file.stages
    ]
    if left:
        known = [parameter for stage in file.stages for parameter in stage.params]
        wrong = next(iter(left))
        every = [*known, *(f"{stage.name}.{parameter}" for stage in file.stages for parameter in stage.params)]
        hint = did_you_mean(wrong, every) or (f" There is {', '.join(dict.fromkeys(known))}." if known else "")
        raise UsageError(f"No stage of {file.path.name} has a parameter {wrong}.{hint}")
    return definitions


def _definition(
    file: StageFile,
    stage: Stage,
    mark: str,
    functions: Functions,
    module: str,
    sets: Mapping[str, object],
    left: dict[str, Any],
) -> Definition:
    def fail(message: str) -> UsageError:
        return file.error(stage.line, f"{stage.name}: {message}")

    offered = [given.stage for given in stage.inputs if not given.parameter]
    named = [given.parameter for given in stage.inputs if given.parameter]
    if stage.shell:
        params = _set(stage, dict(stage.params), lambda name: False, sets, left)
        text, given = shell_text(stage.shell, list(params)), []
    else:
        where, name = _function_of(file, stage, module)
        function = functions.find(where, name, fail)
        params = _set(stage, dict(stage.params), lambda name: takes(function, name), sets, left)
        named = [*named, *params]
        given = arguments_of(function, named, [] if stage.is_plain else offered, fail)
        text = call_text(where, name, given, {*named, *offered})
    dependencies = tuple(
        dict.fromkeys(Dependency(given.stage, given.parameter or given.stage) for given in stage.inputs)
    )
    _refuse_second_use(dependencies, params, fail)
    if stage.format:
        try:
            check_format(stage.format, step=stage.name)
        except UsageError as error:
            raise file.error(stage.line, str(error)) from error
    origin = Origin(file.path.name, f"{mark}{stage.name}", f"{file.path.name}, line {stage.line}")
    return Definition(
        stage.name,
        parse_source(text, where=f"{stage.name}, {origin}"),
        dependencies,
        tuple(params.items()),
        origin,
        reads=stage.reads,
        writes=stage.writes,
        seed=stage.seed,
        env=stage.env,
        ignore=stage.ignore,
        always=stage.always,
        keep=stage.keep,
        format=stage.format,
        retries=stage.retries,
        backoff=stage.backoff,
        timeout=stage.timeout,
        retry_on=stage.retry_on,
        executor=stage.executor,
        resources=stage.resources,
        no_store=stage.no_store,
    )


def call_text(module: str, name: str, arguments: Sequence[str], taken: set[str]) -> str:
    """The code of a stage: its module's function, called with names that the stage has."""
    given = ", ".join(f"{argument}={argument}" for argument in arguments)
    if module.partition(".")[0] not in taken:
        return f"import {module}\n{module}.{name}({given})"
    alias = "module"
    while alias in taken:
        alias += "_"
    return f"import {module} as {alias}\n{alias}.{name}({given})"


def shell_text(command: str, parameters: Sequence[str]) -> str:
    """The code of a stage that runs a command: its parameters are variables of the command's environment."""
    given = "".join(f", {name}={name}" for name in parameters)
    return f"from jo_notebook.interop.shell import run_command\nrun_command({command!r}{given})"


def _function_of(file: StageFile, stage: Stage, module: str) -> tuple[str, str]:
    where, _, name = stage.function.rpartition(":")
    where = where or module
    if not where:
        raise file.error(
            stage.line,
            f"{stage.name}: say in which module its function is, with --jobs-module foo_jobs "
            "(in a notebook --module), or with module: in the form with stages:.",
        )
    return where, name or stage.name


def _set(
    stage: Stage, params: dict[str, Any], takes_it: Any, sets: Mapping[str, object], left: dict[str, Any]
) -> dict[str, Any]:
    """The stage's parameters with the values of `sets`; what was used is no longer `left`."""
    for key, value in sets.items():
        step, _, parameter = key.rpartition(".")
        if step not in ("", stage.name) or not (parameter in params or takes_it(parameter)):
            continue
        if any(parameter == (given.parameter or given.stage) for given in stage.inputs):
            continue
        params[parameter] = value
        left.pop(key, None)
    return params


def _refuse_second_use(dependencies: Sequence[Dependency], params: Mapping[str, Any], fail: Any) -> None:
    """Raises where two inputs would have one name in the step's code: `[Load, {Load: Other}]`."""
    seen: dict[str, str] = {}
    for dependency in dependencies:
        name = dependency.parameter
        if seen.setdefault(name, dependency.step) != dependency.step:
            raise fail(f"{name} is the name of two inputs, {seen[name]} and {dependency.step}: rename one.")
        if name in params:
            raise fail(f"{name} is a dependency and a parameter: rename one.")


def _remembered(pipeline: Pipeline) -> dict[str, Origin]:
    """Where the steps come from that the place of results has written down."""
    stored = pipeline.context.definitions().items()
    return {name: Origin(cell_id=str(data.get("cell_id", ""))) for name, (data, trusted) in stored if trusted}


def _reload(pipeline: Pipeline, modules: Iterable[str]) -> None:
    pipeline.today.modules.look()
    pipeline.today.modules.reload(modules, pipeline.today.namespace)
