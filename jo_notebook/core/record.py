"""What is remembered of a result, and of a failure, without the value itself."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from jo_notebook.core.fingerprint import GIVEN, Fingerprint, digest_of
from jo_notebook.core.version import version_of

NO_STORE = "--no-store"
"""Why a result is not stored, where its step says that it is not to be."""
LARGE = 100_000_000  # bytes from which on a result may not be worth keeping
QUICK = 10.0  # seconds of a run up to which that is so
RATE = 100_000_000  # bytes for each second of the run


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of one result.

    `version` is the data version of the value; `exact` is False where two equal values might get
    different versions (which can only cause extra runs), and then `witness` tells a changed value from
    this one as far as anything can. `when` is seconds since the epoch, `seconds`
    the wall time of the run, `size` the bytes on disk. `unsaved` is empty for a stored result and
    otherwise says why the value could not be stored.

    `writes` are the files the step declares to write, each with the digest of what it left there; `files` are
    the stats of declared files, which spare hashing them again. `history` holds seconds and bytes of input of
    this run and those before it. `hidden` are inputs the run was seen to have without declaring them, as
    (kind, name, digest). `accepted` are the reasons that a user overrode, `forced` says that the run was asked for.

    `cpu` is the CPU time in seconds, `memory` how many bytes the process took more than at the step's start, at its
    peak; 0 where that is not known. `tries` is how often it was called for this result.
    """

    step: str
    fingerprint: Fingerprint
    version: str
    exact: bool = True
    witness: str = ""
    when: float = 0.0
    seconds: float = 0.0
    size: int = 0
    format: str = ""
    unsaved: str = ""
    executor: str = "inline"
    run_id: str = ""
    python: str = ""
    writes: tuple[tuple[str, str], ...] = ()
    files: tuple[tuple[str, ...], ...] = ()
    history: tuple[tuple[float, float], ...] = ()
    hidden: tuple[tuple[str, str, str], ...] = ()
    accepted: tuple[str, ...] = ()
    forced: bool = False
    cpu: float = 0.0
    memory: int = 0
    tries: int = 1

    @property
    def output(self) -> str:
        """The version of all that the step made: its value, the files it writes and, where it returns None, its doing.

        A step that returns None is run for what it does, so that each run of it is another one.
        """
        words = [word for row in self.writes for word in row]
        if self.version == nothing() and self.run_id:
            words += ["done in run", self.run_id]
        return digest_of(self.version, *words) if words else self.version

    @property
    def is_given(self) -> bool:
        """Whether the value was put in by hand, and not made by a run."""
        parts = self.fingerprint.parts
        return len(parts) == 1 and parts[0].kind == GIVEN

    def to_json(self) -> dict[str, Any]:
        """Plain data, for a file."""
        data = {name: getattr(self, name) for name in self.__slots__ if name != "fingerprint"}
        return {**data, "fingerprint": self.fingerprint.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Record:
        """The reverse of `to_json`; keys from a newer release are ignored."""
        known = {name: _frozen(data[name]) for name in cls.__slots__ if name in data}
        return cls(**{**known, "fingerprint": Fingerprint.from_json(data["fingerprint"])})


def is_costly_to_keep(record: Record) -> bool:
    """Whether a stored result is large, and quickly made again: 100 MB or more, at least that for each second."""
    return record.size >= max(LARGE, RATE * record.seconds) and record.seconds <= QUICK and not record.unsaved


@lru_cache(maxsize=1)
def nothing() -> str:
    """The data version of None."""
    return version_of(None).digest


def _frozen(value: Any) -> Any:
    return tuple(_frozen(item) for item in value) if isinstance(value, list) else value


@dataclass(frozen=True, slots=True)
class Failure:
    """What is remembered of a run that raised. `error` is one line, `traceback` the whole text, `cwd` where it ran."""

    step: str
    fingerprint: Fingerprint
    error: str
    traceback: str = ""
    when: float = 0.0
    seconds: float = 0.0
    run_id: str = ""
    executor: str = "inline"
    cpu: float = 0.0
    memory: int = 0
    tries: int = 1
    cwd: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain data, for a file."""
        data = {name: getattr(self, name) for name in self.__slots__ if name != "fingerprint"}
        return {**data, "fingerprint": self.fingerprint.to_json()}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Failure:
        """The reverse of `to_json`; keys from a newer release are ignored."""
        known = {name: data[name] for name in cls.__slots__ if name in data}
        return cls(**{**known, "fingerprint": Fingerprint.from_json(data["fingerprint"])})


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One piece of a step's output: `kind` is stdout, stderr, logging, warning, display or error.

    `text` is what a terminal would show; `data` is the display's MIME bundle where there is one
    (text only: no value is ever unpickled to show a log). `attempt` is which try of the step it is from.
    """

    kind: str
    text: str = ""
    data: tuple[tuple[str, str], ...] = ()
    attempt: int = 1
