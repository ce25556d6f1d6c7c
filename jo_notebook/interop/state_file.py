"""`state.yml`: what became of each stage, for tools that read that. The store is the truth; this is told from it."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from yaml.nodes import MappingNode, ScalarNode

from jo_notebook.core.events import Event, EventKind
from jo_notebook.core.plan import Availability
from jo_notebook.errors import JoError, UsageError
from jo_notebook.interop.yaml_nodes import DOUBTFUL, Document
from jo_notebook.pipeline import Pipeline

RUNNING, SUCCESS, FAILED, NONE = "RUNNING", "SUCCESS", "FAILED", "null"
STATES = (RUNNING, SUCCESS, FAILED, NONE)
AFTER = {
    EventKind.STARTED: RUNNING,
    EventKind.FINISHED: SUCCESS,
    EventKind.KEPT: SUCCESS,
    EventKind.FAILED: FAILED,
    EventKind.BLOCKED: NONE,
    EventKind.CANCELLED: NONE,
}
WORDS = frozenset({"y", "n", "true", "false", "null"})


def state_beside(stages: str | os.PathLike[str]) -> Path:
    """Where the states of a stages file are told of, unless somebody says otherwise."""
    return Path(stages).with_name("state.yml")


def keep_state(pipeline: Pipeline, path: str | os.PathLike[str]) -> Callable[[], None]:
    """From now on every run tells in this file how its stages stand; the returned function ends that.

    Each change replaces the file as a whole. A file that is there and is no such file is left alone; that, and a disk
    that refuses, is said once in the pipeline's `problems` and costs nothing else.
    """
    return pipeline.listen(_Keeper(pipeline, Path(path)).follow)


def read_state(path: str | os.PathLike[str]) -> dict[str, str]:
    """What such a file says: for each stage RUNNING, SUCCESS, FAILED or null. Empty for an empty file.

    Raises UsageError where it is not there or says something else.
    """
    document = Document(Path(path))
    if document.root is None:
        return {}
    if not isinstance(document.root, MappingNode):
        raise document.error(
            document.root, "this is no file of states: it has no stages with RUNNING, SUCCESS, FAILED."
        )
    found = {}
    for name, _, node in document.pairs(document.root):
        word = "null" if isinstance(node, ScalarNode) and node.value in ("", "~") else getattr(node, "value", None)
        if word not in STATES:
            raise document.error(node, f"the state of {name} is none of {', '.join(STATES)}: is this another file?")
        found[name] = str(word)
    return found


def take_state(pipeline: Pipeline, path: str | os.PathLike[str]) -> list[str]:
    """Accepts the stages that a state file calls SUCCESS as done, without running them; returns their names.

    What the store has a result of already stays as it is. Raises UsageError where the file cannot be used.
    """
    taken = _unknown_successes(pipeline, read_state(path))
    for name in taken:
        pipeline.context[name] = None
    return taken


def state_hint(pipeline: Pipeline, path: str | os.PathLike[str]) -> str:
    """A sentence where a state file says SUCCESS of stages that the store knows nothing of; else empty."""
    try:
        unknown = _unknown_successes(pipeline, read_state(path))
    except UsageError:
        return ""
    if not unknown:
        return ""
    few = ", ".join(unknown[:8]) + (f" and {len(unknown) - 8} more" if len(unknown) > 8 else "")
    them, it = ("it", "it runs") if len(unknown) == 1 else ("them", "they run")
    return (
        f"{Path(path).name} says SUCCESS of {few}, but nothing is kept of {them} here, so {it} again. "
        f"--take-state accepts {them} as done without running."
    )


def _unknown_successes(pipeline: Pipeline, states: dict[str, str]) -> list[str]:
    known = pipeline.context.records
    return [name for name, word in states.items() if word == SUCCESS and name in pipeline.dag and name not in known]


class _Keeper:
    """Follows the events of runs, from any thread, and writes after each that changes something."""

    def __init__(self, pipeline: Pipeline, path: Path) -> None:
        self._pipeline = pipeline
        self._path = path
        self._lock = threading.Lock()
        self._run = ""
        self._keys: dict[str, str] = {}
        self._states: dict[str, str] = {}
        self._is_off = False

    def follow(self, event: Event) -> None:
        """A listener of a pipeline."""
        if event.kind is EventKind.FORGOTTEN and not self._is_off:
            with self._lock:
                self._forget(event.step)
        if self._is_off or not event.run_id:
            return
        with self._lock:
            if event.run_id != self._run:
                self._begin(event.run_id)
            if event.step in self._states and event.kind in AFTER:
                self._states[event.step] = AFTER[event.kind]
            elif event.kind is EventKind.ENDED:
                self._states = {n: NONE if word == RUNNING else word for n, word in self._states.items()}
            else:
                return
            self._write()

    def _begin(self, run_id: str) -> None:
        """How the stages stand when a run begins, by what the store knows."""
        self._run = run_id
        if os.path.lexists(self._path):
            try:
                read_state(self._path)
            except UsageError as error:
                self._give_up(f"{self._path.name} is left alone, for it is no file of states: {error}")
        self._states = dict(_states_of(self._pipeline))
        self._keys = {name: _key(name) for name in self._states}

    def _forget(self, name: str) -> None:
        """A stage without a result is neither done nor failed. Where no file of states is, none is made."""
        try:
            told = read_state(self._path)
        except UsageError:
            return
        if told.get(name, NONE) != NONE:
            self._states = {**told, name: NONE}
            self._keys = {name: _key(name) for name in self._states}
            self._write()

    def _write(self) -> None:
        if self._is_off:
            return
        text = "".join(f"{self._keys[name]}: {word}\n" for name, word in self._states.items()) or "{}\n"
        draft = self._path.with_name(f".{self._path.name}.{os.getpid()}")
        try:
            draft.write_text(text, encoding="utf-8", newline="\n")
            os.replace(draft, self._path)
        except OSError as error:
            with contextlib.suppress(OSError):
                draft.unlink()
            self._give_up(f"{self._path.name} cannot be written: {error.strerror}.")

    def _give_up(self, why: str) -> None:
        self._is_off = True
        self._pipeline.problems.append(why)


def _states_of(pipeline: Pipeline) -> Iterable[tuple[str, str]]:
    words = {Availability.AVAILABLE: SUCCESS, Availability.FAILED: FAILED}
    try:
        return [(d.step, words.get(d.availability, NONE)) for d in pipeline.glance()]
    except JoError:
        return [(name, NONE) for name in pipeline.dag]


def _key(name: str) -> str:
    """A stage's name as a key: in quotes where a reader of YAML may take it for something else."""
    is_doubtful = name.lower() in WORDS or any(pattern.fullmatch(name) for pattern, _ in DOUBTFUL)
    return f'"{name}"' if is_doubtful else name
