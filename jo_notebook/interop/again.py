"""A clean process that runs one step again, over stored inputs, and tells what came out. Stores nothing.

Started by `engine/verify.py`: reads what to do as JSON from its input, and writes its answer to the file named there.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import ModuleType
from typing import Any


def main() -> None:
    """Does what standard input asks for."""
    asked = json.load(sys.stdin)
    sys.path[:] = asked["path"]
    answer = Path(asked["answer"])
    told = _run(asked)
    answer.write_text(json.dumps(told), encoding="utf-8")


def _run(asked: dict[str, Any]) -> dict[str, Any]:
    from jo_notebook.engine.outcome import one_line

    try:
        return _compare(asked)
    except BaseException as error:  # noqa: BLE001 - whatever the user's code raises is the answer
        return {"error": one_line(error)}


def _compare(asked: dict[str, Any]) -> dict[str, Any]:
    from jo_notebook.core.difference import difference
    from jo_notebook.core.version import version_of, witness_of
    from jo_notebook.engine.call import call_step
    from jo_notebook.errors import StoreError
    from jo_notebook.pipeline import Pipeline
    from jo_notebook.store.context import Context

    name = asked["step"]
    pipeline = Pipeline(Context(asked["place"]), namespace=_namespace())
    pipeline.take_in()
    for step, number in asked["use"].items():
        pipeline.context.use(step, number)
    record = pipeline.context.record(name)
    graph, today = pipeline.dag, pipeline.today
    inputs = {d.parameter: pipeline.context[d.step] for d in graph.dependencies[name]}
    function, params = today.prepare(graph, name)
    _give_a_shell(graph[name].source.python, today.namespace)
    started = time.perf_counter()
    with today.attend(graph, name, ignored=(asked["place"],)) as attention:
        value = call_step(function, {**inputs, **params})
    seconds = time.perf_counter() - started
    version = version_of(value)
    before = dict(record.writes) if record is not None else {}
    told = {
        "version": version.digest,
        "exact": version.exact,
        "witness": "" if version.exact else witness_of(value),
        "seconds": seconds,
        "hidden": [[kind, what] for kind, what, _ in attention.hidden],
        "written": [path for path, digest in attention.writes if before.get(path) != digest],
        "difference": "",
    }
    if record is not None and version.digest != record.version:
        try:
            told["difference"] = difference(pipeline.context[name], value)
        except StoreError as error:
            told["difference"] = f"the stored value cannot be read: {error}"
    return told


def _namespace() -> dict[str, Any]:
    """An empty notebook: what is pickled as the notebook's own is looked up there."""
    main = sys.modules["__main__"] = ModuleType("__main__")
    return vars(main)


def _give_a_shell(python: str, namespace: dict[str, Any]) -> None:
    """`!cmd` and `%magic` lines need a shell; other steps run without."""
    if "get_ipython" not in python:
        return
    from IPython.core.interactiveshell import InteractiveShell

    shell = InteractiveShell.instance(user_module=sys.modules["__main__"], user_ns=namespace)
    namespace["get_ipython"] = lambda: shell


if __name__ == "__main__":
    main()
