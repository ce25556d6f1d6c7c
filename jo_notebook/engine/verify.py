"""Whether a step gives again what it gave: run in a clean process, with another hash seed, and compared."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from jo_notebook.core.graph import Graph
from jo_notebook.core.homes import OBJECT
from jo_notebook.core.plan import Availability, Plan
from jo_notebook.store.context import Context

AGAIN = "jo_notebook.interop.again"
"""The module that a clean process runs; it stands above this layer, so it is named and not imported."""


@contextmanager
def _kept(paths: tuple[str, ...], folder: Path) -> Iterator[None]:
    """Files and directories are afterwards as they are now."""
    copies = [(Path(path).expanduser(), folder / str(number)) for number, path in enumerate(paths)]
    for path, copy in copies:
        if path.is_dir():
            shutil.copytree(path, copy, symlinks=True)
        elif path.exists():
            shutil.copy2(path, copy)
    try:
        yield
    finally:
        for path, copy in copies:
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            elif copy.exists() or path.is_symlink() or path.is_file():
                path.unlink(missing_ok=True)
            if copy.is_dir():
                shutil.copytree(copy, path, symlinks=True)
            elif copy.exists():
                shutil.copy2(copy, path)


class Verdict(StrEnum):
    """What a second run says of a result."""

    SAME = "same"
    DIFFERENT = "different"
    UNSURE = "unsure"
    FAILED = "failed"
    NOT_RUN = "not run"


@dataclass(frozen=True, slots=True)
class Verified:
    """What came of running one step again.

    `text` is one sentence; `difference` says where the two values part; `hidden` are inputs the second run was
    seen to have and the step does not declare, as (kind, name).
    """

    step: str
    verdict: Verdict
    text: str
    difference: str = ""
    hidden: tuple[tuple[str, str], ...] = ()
    seconds: float = 0.0


def verify_step(graph: Graph, context: Context, plan: Plan, name: str) -> Verified:
    """Runs the step once more in a clean process over its stored inputs, and compares data versions.

    Nothing is stored. The context must have a place.
    """
    if plan[name].availability is not Availability.AVAILABLE:
        return _not_run(name, f"it is {plan[name].availability}: materialize it first")
    for step in (name, *graph.parents(name)):
        record = context.record(step)
        if record is None or not context.held(step):
            return _not_run(name, f"{step} is not kept: materialize {step} first")
        if record.unsaved:
            return _not_run(name, f"{step} is in memory only, where a clean process cannot read it")
    record = context.record(name)
    assert record is not None
    if record.is_given:
        return _not_run(name, "its result was put in by hand")
    if any(word.startswith(OBJECT) for word in graph[name].source.reads):
        return _not_run(name, "its code is an object with a state of its own, which a clean process does not have")
    numbers = {step: context.in_use(step) for step in (name, *graph.parents(name))}
    told = _again(context.place, name, numbers, graph[name].writes)
    hidden = tuple((kind, what) for kind, what in told.get("hidden", ()))
    seconds = float(told.get("seconds", 0.0))
    if told.get("error"):
        return Verified(name, Verdict.FAILED, f"{name} fails in a clean process: {told['error']}", "", hidden, seconds)
    if told["version"] == record.version and not told["written"]:
        return Verified(name, Verdict.SAME, f"{name} gives the same again", "", hidden, seconds)
    if not (told["exact"] and record.exact):
        if told["witness"] and told["witness"] == record.witness:
            text = f"{name} gives the same again, as far as its value can be compared"
            return Verified(name, Verdict.SAME, text, "", hidden, seconds)
        text = f"{name}'s value has no exact version, so two runs cannot be told apart from one"
        return Verified(name, Verdict.UNSURE, text, told["difference"], hidden, seconds)
    what = told["difference"] or "; ".join(f"{path} is written otherwise" for path in told["written"])
    return Verified(name, Verdict.DIFFERENT, f"{name} gives something else again", what, hidden, seconds)


def _not_run(name: str, why: str) -> Verified:
    return Verified(name, Verdict.NOT_RUN, f"{name} was not run again: {why}")


def _again(place: Path | None, name: str, numbers: dict[str, int], writes: tuple[str, ...]) -> dict[str, Any]:
    """What the clean process says. What the step declares to write is put back, however that process ends."""
    with tempfile.TemporaryDirectory(prefix="jo_verify_") as folder, _kept(writes, Path(folder)):
        answer = Path(folder, "answer.json")
        asked = {"place": str(place), "step": name, "use": numbers, "path": sys.path, "answer": str(answer)}
        env = {**os.environ, "PYTHONHASHSEED": "random", "PYDEVD_DISABLE_FILE_VALIDATION": "1"}
        done = subprocess.run(
            [sys.executable, "-m", AGAIN],
            input=json.dumps(asked),
            env=env,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
        try:
            told: dict[str, Any] = json.loads(answer.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            last = (done.stderr.strip().splitlines() or [f"it ended with code {done.returncode}"])[-1]
            return {"error": f"the clean process came to no end: {last}"}
        return told
