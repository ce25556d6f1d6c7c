"""What a `jo` command works on: a notebook, a stages file, a Python file, or a directory of results.

A notebook gets a kernel of its own (`interop/headless.py`); the other three are opened in this process, each as a
`Pipeline`. Whichever it is, its results live in one place, so a step that one of them made is there for the others.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jo_notebook.errors import UsageError

if TYPE_CHECKING:
    from jo_notebook.pipeline import Pipeline

FOUR = "a notebook (.ipynb), a stages file (.yaml, .yml), a Python file (.py) or a directory of results (.jo)"
TRACES = ("FORMAT", "definitions", "results", "failures", "steps", "errors")


class Kind(StrEnum):
    """What a source is."""

    NOTEBOOK = "notebook"
    STAGES = "stages file"
    SCRIPT = "Python file"
    STORE = "directory of results"


KINDS = {".ipynb": Kind.NOTEBOOK, ".yaml": Kind.STAGES, ".yml": Kind.STAGES, ".py": Kind.SCRIPT, ".jo": Kind.STORE}


@dataclass(frozen=True, slots=True)
class Source:
    """One source: where it is and what it is."""

    path: Path
    kind: Kind

    @property
    def place(self) -> Path:
        """The directory of its results, which may not be there yet."""
        if self.kind is Kind.STORE:
            return self.path
        named = os.path.expanduser(os.environ.get("JO_CONTEXT", ""))
        return Path(named) if named else self.path.with_suffix(".jo")


@dataclass(frozen=True, slots=True)
class Options:
    """What a source may be opened with: for stages the module of their functions and their `state.yml`; values set."""

    module: str = ""
    state: Path | None = None
    take_state: bool = False
    sets: Mapping[str, object] = field(default_factory=dict)


def source_of(text: str | os.PathLike[str]) -> Source:
    """The source that a word names. Raises UsageError for what is not there, or is none of the four kinds."""
    _check_here()
    path = Path(text)
    if os.path.isdir(path):
        _check_store(path)
        return Source(path, Kind.STORE)
    kind = KINDS.get(path.suffix.lower())
    if kind is None:
        there = "" if os.path.lexists(path) else f"There is nothing at {path}. "
        raise UsageError(f"{there}jo works on {FOUR}{'' if there else f', and {path} is none of them'}.")
    if kind is Kind.STORE:
        raise UsageError(f"There is no context at {path}. Name a directory such as analysis.jo.")
    if not os.path.isfile(path):
        raise UsageError(f"There is no {kind} at {path}.")
    return Source(path, kind)


@contextlib.contextmanager
def opened(source: Source, options: Options, note: Callable[[str], None] = lambda text: None) -> Iterator[Pipeline]:
    """The pipeline of a source other than a notebook, in this process, as long as the `with` lasts.

    A directory of results is opened as its notebook would be: from the directory beside it. The others are at home
    where the user stands, as scripts are. `note` is given what the user should know. Raises what `open_script`,
    `open_stages` and `Pipeline.open` raise: JoError, also where the source's own code raises or exits.
    """
    _check_options(source, options)
    if source.kind is Kind.SCRIPT:
        from jo_notebook.steps.script import open_script

        pipeline = open_script(source.path, sets=options.sets)
        from jo_notebook.interop.run_log import keep_run_log

        keep_run_log(pipeline)
        yield pipeline
        return
    if source.kind is Kind.STAGES:
        from jo_notebook.interop.stages import open_stages

        more: dict[str, Any] = {"state": options.state} if options.state is not None else {}
        more |= {"take_state": True} if options.take_state else {}
        more |= {"sets": options.sets} if options.sets else {}
        pipeline = open_stages(source.path, module=options.module, **more)
        from jo_notebook.interop.state_file import state_beside, state_hint

        if hint := state_hint(pipeline, options.state or state_beside(source.path)):
            note(hint)
        yield pipeline
        return
    from jo_notebook.pipeline import Pipeline

    place = source.path.absolute()
    with _at_home_in(place.parent):
        yield Pipeline.open(place)


def results_of(text: str, *, is_made: bool = False) -> Pipeline:
    """The pipeline of a source's results alone: nothing of the source itself is read or run.

    A source that is there may have no results yet. With `is_made` a source or a directory that is not there is one to
    be made. Raises UsageError.
    """
    from jo_notebook.pipeline import Pipeline
    from jo_notebook.store.context import Context

    _check_here()
    path = Path(text)
    kind = KINDS.get(path.suffix.lower())
    if is_made and kind is Kind.STORE and not os.path.exists(path):
        return Pipeline(Context(path))
    if kind is None or kind is Kind.STORE or os.path.isdir(path):
        return Pipeline.open(source_of(path).path)
    place = Source(path, kind).place
    if not (is_made or os.path.isfile(path) or os.path.isdir(place)):
        raise UsageError(f"There is no {kind} at {path}.")
    pipeline = Pipeline(Context(place))
    pipeline.take_in()
    return pipeline


def _check_here() -> None:
    """Raises UsageError where the working directory was removed."""
    try:
        os.getcwd()
    except OSError as error:
        raise UsageError(f"The working directory cannot be used ({error.strerror}): go to another one.") from error


def _check_store(path: Path) -> None:
    """Raises UsageError for a directory that holds something, and no results."""
    try:
        names = set(os.listdir(path))
    except OSError:
        return  # opening it tells what is wrong
    if names and not names.intersection(TRACES) and path.suffix.lower() != ".jo":
        raise UsageError(f"{path} is a directory without results: jo works on {FOUR}.")
    if names and not names.intersection(TRACES):
        raise UsageError(f"{path} holds no results, although its name says so: there is no FORMAT file in it.")


def _check_options(source: Source, options: Options) -> None:
    """Raises UsageError for an option that this kind of source does not know."""
    is_stages = source.kind is Kind.STAGES
    for flag, value in (
        ("--jobs-module", options.module),
        ("--state", options.state),
        ("--take-state", options.take_state),
    ):
        if value and not is_stages:
            raise UsageError(f"{flag} is for a stages file (.yaml, .yml); {source.path} is a {source.kind}.")
    if options.sets and source.kind is Kind.STORE:
        raise UsageError(f"--set needs the notebook or the file of the steps; {source.path} is a {source.kind}.")


def check_notebook(source: Source, options: Options) -> None:
    """As `opened` does for the others: options that a notebook does not know. Raises UsageError."""
    _check_options(source, options)


@contextlib.contextmanager
def _at_home_in(folder: Path) -> Iterator[None]:
    """Inside, files and local modules are found where the kernel of a notebook in this directory finds them."""
    sys.path.insert(0, str(folder))
    try:
        with contextlib.chdir(folder):
            yield
    finally:
        with contextlib.suppress(ValueError):
            sys.path.remove(str(folder))
