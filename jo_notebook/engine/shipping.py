"""From a step to the request that another process can answer, and from its reply to what an attempt needs."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache
from typing import Any

from jo_notebook.core.definition import Definition
from jo_notebook.core.fingerprint import Part, digest_of
from jo_notebook.core.record import Record
from jo_notebook.core.version import version_of
from jo_notebook.engine.modules import Modules
from jo_notebook.engine.packing import lines_of, packed_code
from jo_notebook.engine.request import Checks, Handle, Input, Request, this_process
from jo_notebook.errors import NotSendable
from jo_notebook.store.context import Context
from jo_notebook.store.formats import runs_code

PLAIN = frozenset({"builtins", "numpy", "pandas", "datetime", "decimal"})
"""Packages whose values have the same data version in every process."""


def only_here(parts: Sequence[Part]) -> str:
    """Why a step can run in this process only, as far as what it is made of tells; or nothing."""
    for part in parts:
        if part.kind == "module" and "+" in part.digest:
            return f"{part.name.partition(':')[2] or part.name} was changed since its module was loaded"
        if part.kind == "helper" and "." in part.name:
            return f"{part.name} was changed in the notebook"
    return ""


def checks_of(modules: Modules, namespace: Mapping[str, Any], parts: Sequence[Part], same_machine: bool) -> Checks:
    """What must be in another process as it is in this one."""
    places = [part.name.partition(":") for part in parts if part.kind == "module"]
    pieces = tuple(dict.fromkeys((_module_of(file), piece) for file, _, piece in places))
    local = {module for module, _ in pieces}
    packages = {} if modules.packages == "ignore" else {p.name: p.text for p in parts if p.kind == "package"}
    data = {p.name: p.digest for p in parts if p.kind in ("constant", "global") and _is_plain(p, namespace)}
    return Checks(
        modules={name: digest_of(modules.loaded(name).text) for name in sorted(local)},
        pieces=tuple(one for one in pieces if one[1]),
        packages={} if same_machine else {name: version for name, version in packages.items() if version[:1].isdigit()},
        policy=modules.packages,
        data=data,
        files={} if same_machine else {part.name: part.digest for part in parts if part.kind == "file"},
        python="" if same_machine else platform.python_version(),
        jo_notebook="" if same_machine else _own_version(),
    )


def _module_of(file: str) -> str:
    return file.removesuffix(".py").removesuffix("/__init__").replace("/", ".")


def _is_plain(part: Part, namespace: Mapping[str, Any]) -> bool:
    """Whether a name's value is told by its data version, and by the same one in every process."""
    if part.name not in namespace:
        return False
    value = namespace[part.name]
    if type(value).__module__.partition(".")[0] not in PLAIN:
        return False
    version = version_of(value)
    return version.exact and version.digest == part.digest


@lru_cache(maxsize=1)
def _own_version() -> str:
    from importlib.metadata import version

    return version("jo_notebook")


def handle_of(context: Context, step: str, record: Record) -> Handle | None:
    """A result as another process on this machine can read it; None where it must be sent."""
    if context.place is None or not context.is_stored(step) or runs_code(record.format) or not context.held(step):
        return None
    if step in context.untrusted or step in context.damaged or context.elsewhere(step, context.in_use(step)):
        return None
    return Handle(str(context.place), step, context.in_use(step), record.version)


def request_for(
    definition: Definition,
    function: Callable[..., Any],
    params: Mapping[str, Any],
    inputs: Sequence[Input],
    checks: Checks,
    record: Record,
    *,
    same_machine: bool,
    **more: Any,
) -> Request:
    """The request; `more` are fields of it. Raises NotSendable."""
    plain = replace(definition, call=None, needs=())
    environ = dict(os.environ) if same_machine else None
    variables = {name: os.environ.get(name) for name in definition.env}
    return Request(
        plain,
        packed_code(definition.name, function, params),
        tuple(inputs),
        record,
        checks,
        cwd=_here(definition.name) if same_machine else "",
        path=tuple(sys.path) if same_machine else (),
        environ=environ,
        variables=variables,
        lines=lines_of(function),
        asker=this_process(),
        **more,
    )


def _here(step: str) -> str:
    try:
        return os.getcwd()
    except OSError:
        raise NotSendable(
            f"{step} cannot run in another process: the working directory of this one is gone. "
            "Go to one that is there (%cd, os.chdir), or say --executor inline on its line."
        ) from None
