"""The frozen value that is a step, and the rules for a name."""

from __future__ import annotations

import keyword
import sys
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from jo_notebook.core.execution import EXECUTORS, Resources, resources_of
from jo_notebook.core.fingerprint import SCHEMA
from jo_notebook.core.needs import Need
from jo_notebook.core.source import Source, parse_source
from jo_notebook.errors import StepNameError, UsageError

NAME_LIMIT = 128
KEEP_LIMIT = 1000
FORMAT_LIMIT = 64
RETRIES_LIMIT = 1000
LONGEST = 1e9  # seconds, some thirty years
READ_BY = f"{sys.version_info[0]}.{sys.version_info[1]} {SCHEMA}"


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a step was written. `cell_id` is empty where the front end does not tell it.

    `label` is what a message calls the cell, for instance "cell [3]". `remembered` marks a step that
    was read from a context and whose cell has not run in this kernel.
    """

    notebook: str = ""
    cell_id: str = ""
    label: str = ""
    remembered: bool = False

    @property
    def is_cell(self) -> bool:
        """Whether it is a cell: what stands in another file has an id with a colon, such as `stages.yaml:Lint`."""
        return ":" not in self.cell_id

    def __str__(self) -> str:
        if self.remembered:
            return "an earlier session"
        return self.label or (f"cell {self.cell_id[:8]}" if self.cell_id else "a cell")


@dataclass(frozen=True, slots=True)
class Dependency:
    """One input of a step: the step it comes from and the name the body knows it by."""

    step: str
    parameter: str

    def __str__(self) -> str:
        return self.step if self.step == self.parameter else f"{self.parameter}={self.step}"


@dataclass(frozen=True, slots=True)
class Definition:
    """A step. `depends_on` is None where the dependencies are inferred from what the body reads.

    `params` are plain values handed to the body by name. `needs` is what the body wants from the
    notebook, as far as it was known when the step was last looked at. `inferred` are dependencies that an
    earlier session inferred: they hold although their steps may not be registered now. `trusted` is False for a
    definition that was read from somebody else's context: it can be looked at, not run.

    `reads` and `writes` are declared files and directories, `seed` is what random numbers start from, `env` are
    declared environment variables, `ignore` names whose changes do not count. `always` runs the step every time,
    `pinned` keeps its result in force whatever changes. `keep` is how many generations of its result stay, 0 for as
    many as of any other step; `format` is the one its value is written in, empty for the best. `retries` is how often a
    failing run is tried again, after `backoff` seconds the first time and twice as long each time after that; `timeout`
    is how many seconds one try may take, 0 for as long as it wants; `retry_on` names the errors after which it is tried
    again, any where there are none. `executor` is where it runs, empty for wherever the run does; `resources` are what
    it takes of what there is a limited amount of. With `no_store` its result stays in memory. None of these, from
    `keep` on, is part of what makes a result this one. `call` is the function itself, for a step that is no cell and
    lives in this process.
    """

    name: str
    source: Source
    depends_on: tuple[Dependency, ...] | None = None
    params: tuple[tuple[str, Any], ...] = ()
    origin: Origin = Origin()
    needs: tuple[Need, ...] = ()
    inferred: tuple[str, ...] = ()
    trusted: bool = True
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    seed: int | None = None
    env: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    always: bool = False
    pinned: bool = False
    keep: int = 0
    format: str = ""
    retries: int = 0
    backoff: float = 0.0
    timeout: float = 0.0
    retry_on: tuple[str, ...] = ()
    executor: str = ""
    resources: Resources = ()
    no_store: bool = False
    call: Callable[..., Any] | None = field(default=None, compare=False, repr=False)

    def to_json(self) -> dict[str, Any]:
        """Plain data, for a file; enough to show, load and run the step in a fresh kernel."""
        deps = None if self.depends_on is None else [[d.step, d.parameter] for d in self.depends_on]
        return {
            "name": self.name,
            "text": self.source.text,
            "python": self.source.python,
            "header": self.source.header,
            "read_by": READ_BY,
            "canonical": self.source.canonical,
            "reads": sorted(self.source.reads),
            "has_result": self.source.has_result,
            "depends_on": deps,
            "params": [[name, repr(value)] for name, value in self.params],
            "notebook": self.origin.notebook,
            "cell_id": self.origin.cell_id,
            "needs": [need.to_json() for need in self.needs],
            "inferred": list(self.inferred),
            "files": list(self.reads),
            "writes": list(self.writes),
            "seed": self.seed,
            "env": list(self.env),
            "ignore": list(self.ignore),
            "always": self.always,
            "pinned": self.pinned,
            "keep": self.keep,
            "format": self.format,
            "retries": self.retries,
            "backoff": self.backoff,
            "timeout": self.timeout,
            "retry_on": list(self.retry_on),
            "executor": self.executor,
            "resources": [list(row) for row in self.resources],
            "no_store": self.no_store,
        }

    @classmethod
    def from_json(cls, data: dict[str, Any], *, trusted: bool) -> Definition:
        """The reverse of `to_json`, marked as remembered. Runs nothing.

        Raises SourceError or StepNameError where the text is no longer understood.
        """
        import ast

        deps = data["depends_on"]
        return cls(
            name=check_shown_name(data["name"]),
            source=_source_from_json(data, trusted=trusted),
            depends_on=None if deps is None else tuple(Dependency(*pair) for pair in deps),
            params=tuple((name, ast.literal_eval(value)) for name, value in data["params"]),
            origin=Origin(data["notebook"], data["cell_id"], remembered=True),
            needs=tuple(Need.from_json(row) for row in data["needs"]),
            inferred=tuple(data["inferred"]),
            trusted=trusted,
            reads=_words(data, "files"),
            writes=_words(data, "writes"),
            seed=None if data.get("seed") is None else int(data["seed"]),
            env=_words(data, "env"),
            ignore=_words(data, "ignore"),
            always=data.get("always") is True,
            pinned=data.get("pinned") is True,
            keep=kept_of(data),
            format=_format_of(data),
            retries=_retries_of(data),
            backoff=_seconds_of(data, "backoff"),
            timeout=_seconds_of(data, "timeout"),
            retry_on=_words(data, "retry_on"),
            executor=_executor_of(data),
            resources=resources_of(data.get("resources")),
            no_store=data.get("no_store") is True,
        )

    def under(self, name: str, origin: Origin) -> Definition:
        """The same code under another name."""
        return replace(self, name=name, origin=origin)


def _source_from_json(data: dict[str, Any], *, trusted: bool) -> Source:
    """What was found in the text before, where this very Python found it and we wrote it down; else found anew."""
    if trusted and data["read_by"] == READ_BY:
        found = data["canonical"], frozenset(data["reads"]), data["has_result"]
        return Source(data["text"], data["python"], data["header"], *found)
    return parse_source(data["text"], python=data["python"], header=data["header"])


def _words(data: dict[str, Any], key: str) -> tuple[str, ...]:
    """A list of words, empty where an older release wrote none. Raises TypeError for anything else."""
    words = data.get(key, ())
    if not isinstance(words, list | tuple) or not all(isinstance(word, str) for word in words):
        raise TypeError(f"{key} is no list of words")
    return tuple(words)


def kept_of(data: Mapping[str, Any]) -> int:
    """How many generations a definition, as plain data, wants to be kept; 0 where it does not say, or nonsense."""
    keep = data.get("keep")
    return keep if type(keep) is int and 1 <= keep <= KEEP_LIMIT else 0


def _format_of(data: Mapping[str, Any]) -> str:
    """The format a definition, as plain data, names; empty where it does not, or says nonsense."""
    name = data.get("format")
    return name if isinstance(name, str) and name.isidentifier() and len(name) <= FORMAT_LIMIT else ""


def _executor_of(data: Mapping[str, Any]) -> str:
    """The executor a definition, as plain data, names; empty where it names none that there is."""
    name = data.get("executor")
    return name if isinstance(name, str) and name.partition(":")[0] in EXECUTORS else ""


def _retries_of(data: Mapping[str, Any]) -> int:
    """How often a definition, as plain data, wants to be tried again; 0 where it does not say, or says nonsense."""
    retries = data.get("retries")
    return retries if type(retries) is int and 0 <= retries <= RETRIES_LIMIT else 0


def _seconds_of(data: Mapping[str, Any], key: str) -> float:
    """A number of seconds in plain data; 0 where there is none, or nonsense."""
    seconds = data.get(key)
    return float(seconds) if isinstance(seconds, int | float) and is_time(seconds) else 0.0


def is_time(seconds: float) -> bool:
    """Whether it is a number of seconds within reason."""
    return type(seconds) in (int, float) and 0 <= seconds <= LONGEST


def check_retries(number: int) -> int:
    """A number of times to try again. Raises UsageError for one that makes no sense."""
    if type(number) is not int or not 0 <= number <= RETRIES_LIMIT:
        raise UsageError(f"{number} retries make no sense: say a number from 0 to {RETRIES_LIMIT}, as in --retries 3.")
    return number


def check_seconds(option: str, seconds: float) -> float:
    """A time that an option says. Raises UsageError for one that makes no sense."""
    if not is_time(seconds):
        raise UsageError(f"{option} {seconds} makes no sense: say seconds, 0 or more, as in {option} 2.5.")
    return float(seconds)


def check_keep(number: int) -> int:
    """A number of generations to keep. Raises UsageError for one that makes no sense."""
    if type(number) is not int or not 1 <= number <= KEEP_LIMIT:
        raise UsageError(f"{number} generations cannot be kept: say a number from 1 to {KEEP_LIMIT}, as in --keep 5.")
    return number


def check_name(name: str) -> str:
    """The name in the form Python would give it, or StepNameError with what is wrong and an example."""
    normal = unicodedata.normalize("NFKC", name)
    if not normal.isidentifier():
        hint = "".join(c if c.isalnum() or c == "_" else "_" for c in normal).strip("_")
        hint = hint if hint.isidentifier() and not keyword.iskeyword(hint) else "MyStep"
        raise StepNameError(
            f"{name!r} cannot name a step: a step's name is also a variable, so it needs letters, "
            f"digits and underscores only, for instance {hint}."
        )
    if keyword.iskeyword(normal):
        raise StepNameError(f"{name!r} cannot name a step: it is a word of Python. Try {name.title()}Step.")
    if normal.startswith("_jo_") or (normal.startswith("__") and normal.endswith("__")):
        raise StepNameError(f"{name!r} cannot name a step: such names are reserved. Try {normal.strip('_')}.")
    if len(normal) > NAME_LIMIT:
        raise StepNameError(f"A step's name has at most {NAME_LIMIT} characters; this one has {len(normal)}.")
    return normal


def check_shown_name(name: object) -> str:
    """The name of any step, also of a Step object, which need not be a variable. Raises StepNameError."""
    if not isinstance(name, str) or not name.strip(". ") or not name.isprintable() or len(name) > NAME_LIMIT:
        raise StepNameError(f"{str(name)[:40]!r} cannot name a step: it takes 1 to {NAME_LIMIT} characters that show.")
    if unicodedata.normalize("NFC", name) != name:
        raise StepNameError(f"{name!r} cannot name a step: write it in its composed form (NFC).")
    return name


def parse_dependencies(words: Iterable[str]) -> tuple[Dependency, ...] | None:
    """What `--depends-on` was given, as dependencies.

    `["A,B", "x=Load"]` gives A, B and Load under the name x; `["none"]` gives no dependencies. Empty
    pieces (a comma at the end) are ignored, a dependency given twice counts once.
    Raises StepNameError for a name no step can have and UsageError for one parameter used twice.
    """
    pieces = [piece.strip() for word in words for piece in word.split(",")]
    pieces = [piece for piece in pieces if piece]
    if [piece.lower() for piece in pieces] == ["none"]:
        return ()
    if "none" in pieces:
        raise UsageError("--depends-on says none and names steps as well: leave one of them out.")
    found: dict[str, Dependency] = {}
    for piece in pieces:
        parameter, equals, step = piece.partition("=")
        dependency = Dependency(check_name((step if equals else piece).strip()), check_name(parameter.strip()))
        if found.setdefault(dependency.parameter, dependency) != dependency:
            raise UsageError(
                f"Two dependencies are called {dependency.parameter}: {found[dependency.parameter].step} and "
                f"{dependency.step}. Give one of them another name, for instance "
                f"--depends-on other={dependency.step}."
            )
    return tuple(found.values())
