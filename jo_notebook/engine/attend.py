"""What is looked at around one call of a step: its files, what it reads without saying so, what it changes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from jo_notebook.core.definition import Definition
from jo_notebook.core.files import as_option
from jo_notebook.core.fingerprint import digest_of
from jo_notebook.core.private import PRIVATE
from jo_notebook.engine.files import Files
from jo_notebook.engine.seeds import seeded
from jo_notebook.engine.watch import Seen, watching
from jo_notebook.errors import FileMissing

LARGEST_UNDECLARED = 200_000_000  # bytes of a file that nobody declared which are read to know it again
SHOWN = 4
MANY = 12  # files of one directory that are told apart
ENTRIES = 5_000  # of a directory that nobody declared
Row = tuple[str, ...]


@dataclass
class Attention:
    """What was noticed: rows for the record, sentences for the user, and which names it read were changed by it."""

    files: tuple[Row, ...] = ()
    writes: tuple[tuple[str, str], ...] = ()
    hidden: tuple[tuple[str, str, str], ...] = ()
    notes: list[str] = field(default_factory=list)
    changed: list[str] = field(default_factory=list)


class attending:
    """Around the call: checks what must be there first, seeds, watches, and tells afterwards what was noticed.

    `own` says whether a file of code is the user's, `ignored` are directories whose files are ours, `state` gives
    the digests of what the step reads from the notebook, of which `moving` are changed by mere use (random generators).
    `modules` are the modules its code imports, `placed` the names that were brought back meanwhile for another step.
    Hidden inputs in `told`, as (kind, name), are not told again. `ended` is called when the step's code has ended.
    Raises FileMissing where a declared file cannot be read, and where one it declares to write is not there afterwards.
    """

    def __init__(
        self,
        definition: Definition,
        namespace: dict[str, Any],
        files: Files,
        *,
        own: Callable[[str], bool],
        ignored: tuple[str, ...] = (),
        state: Callable[[], Mapping[str, str]] | None = None,
        moving: Collection[str] = (),
        told: Collection[tuple[str, str]] = (),
        modules: frozenset[str] = frozenset(),
        placed: Callable[[], Collection[str]] = frozenset,
        ended: Callable[[], object] = bool,
    ) -> None:
        self._definition = definition
        self._files = files
        self._state = state
        self._moving = moving
        self._told = told
        self._placed = placed
        self._ended = ended
        self._seeding = None if definition.seed is None else seeded(definition.seed, modules)
        self._watching = watching(namespace, own=own, ignored=ignored)
        self._attention = Attention()

    def __enter__(self) -> Attention:
        if self._definition.reads:
            self._look_first()
        self._globals = self._state() if self._state is not None else {}
        if self._seeding is None:
            self._seen = self._watching.__enter__()
            return self._attention
        self._seeding.__enter__()
        try:
            self._seen = self._watching.__enter__()
        except BaseException:
            self._seeding.__exit__(*sys.exc_info())
            raise
        return self._attention

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: Any) -> None:
        try:
            self._ended()
            self._watching.__exit__()
        finally:
            if self._seeding is not None:
                self._seeding.__exit__(None, None, None)
        if kind is None:
            self._tell()

    def _look_first(self) -> None:
        definition, files = self._definition, self._files
        self._before = {path: files.look(path) for path in definition.reads}
        for path, found in self._before.items():
            if found.problem:
                what = "is not there" if found.problem == "missing" else found.problem
                where = os.path.basename(os.getcwd())
                raise FileMissing(f"{definition.name} declares --reads {path}, which {what} (looked for in {where}/).")
        self._attention.files = files.witnesses(definition.reads)

    def _tell(self) -> None:
        """What was noticed, once the step has come to its end."""
        definition, files, seen, attention = self._definition, self._files, self._seen, self._attention
        name = definition.name
        if seen.bound:
            placed = self._placed()
            seen.bound = [bound for bound in seen.bound if bound not in placed]
        if definition.writes:
            attention.writes = tuple(_written(name, path, files) for path in definition.writes)
            attention.files = (*attention.files, *files.witnesses(definition.writes))
        for path, found in self._before.items() if definition.reads else ():
            if files.look(path).digest != found.digest:
                attention.notes.append(f"{path} was changed while {name}, which reads it, ran: {name} will be stale")
        if seen.opened or seen.written or seen.env or seen.bound:
            _suggest(definition, seen, files, attention, frozenset(self._told))
        before = self._globals
        for changed, digest in self._state().items() if self._state is not None else ():
            if changed in before and before[changed] != digest and changed not in seen.bound:
                attention.changed.append(changed)
                how = "make it in the step" if changed in self._moving else "work on a copy, or return it instead"
                attention.notes.append(f"{name} changed {changed}, which it reads from the notebook: {how}")


def _written(name: str, path: str, files: Files) -> tuple[str, str]:
    found = files.look(path)
    if found.problem:
        what = "did not leave" if found.problem == "missing" else f"left what {found.problem}:"
        raise FileMissing(f"{name} declares --writes {path} and {what} such a file. Write it, or drop the declaration.")
    return path, found.digest


def _suggest(
    definition: Definition, seen: Seen, files: Files, attention: Attention, told: Collection[tuple[str, str]]
) -> None:
    """Hidden inputs become rows for the record and suggestions with the option to paste."""
    name = definition.name
    opened = [path for path in seen.opened if not files.cover((*definition.reads, *definition.writes), path)]
    opened = _together(opened, seen.listed)
    variables = [variable for variable in seen.env if variable not in definition.env and variable not in PRIVATE]
    written = [path for path in seen.written if not files.cover(definition.writes, path)]
    attention.hidden = (
        *(("file", path, _digest(path, files)) for path in opened),
        *(("env", variable, _value(variable)) for variable in variables),
        *(("written", path, "") for path in written),
        *(("global", variable, "") for variable in seen.bound),
    )
    opened = [path for path in opened if ("file", path) not in told]
    variables = [variable for variable in variables if ("env", variable) not in told]
    bound = [variable for variable in seen.bound if ("global", variable) not in told]
    if opened:
        attention.notes.append(f"{name} opened {_some(opened)}: declare it with --reads {_option(opened)}")
    if variables:
        attention.notes.append(f"{name} read the environment: declare it with --env {_option(variables)}")
    if bound:
        attention.notes.append(
            f"{name} wrote the notebook's {_some(bound)}: other steps see what ran last; return it instead"
        )


def _together(opened: list[str], listed: list[str]) -> list[str]:
    """Files that were found by looking through a directory or a pattern are one input: that place."""
    found: dict[str, None] = {}
    for path in opened:
        place = next((place for place in listed if _is_in(path, place)), path)
        folder = os.path.dirname(path)
        if place == path and folder and sum(os.path.dirname(other) == folder for other in opened) > MANY:
            place = folder
        found[place] = None
    return list(found)


def _is_in(path: str, place: str) -> bool:
    """Whether a file lies below a directory or fits a pattern. The working directory itself is no place to declare."""
    if place in ("", "."):
        return False
    return path.startswith(place.rstrip(os.sep) + os.sep) or PurePath(path).match(place)


def _digest(path: str, files: Files) -> str:
    """What was read without being declared; empty where it is too much to be read again."""
    try:
        small = _size(path) <= LARGEST_UNDECLARED
    except OSError:
        return ""
    return files.look(path).digest if small else ""


def _size(path: str) -> float:
    """Bytes of a file, or of all that is below a directory or fits a pattern; infinite where there are too many."""
    if os.path.isfile(path):
        return os.path.getsize(path)
    top = path if os.path.isdir(path) else os.path.dirname(path.partition("*")[0]) or "."
    total, count = 0, 0
    for folder, folders, names in os.walk(top):
        count += len(names) + len(folders)
        if count > ENTRIES:
            return float("inf")
        total += sum(os.path.getsize(os.path.join(folder, n)) for n in names if os.path.isfile(os.path.join(folder, n)))
    return total


def _value(variable: str) -> str:
    value = os.environ.get(variable)
    return "unset" if value is None else digest_of(value)


def _some(words: list[str]) -> str:
    return ", ".join(words[:SHOWN]) + (f" and {len(words) - SHOWN} more" if len(words) > SHOWN else "")


def _option(words: list[str]) -> str:
    return " ".join(map(as_option, words))
