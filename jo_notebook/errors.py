"""Every error a user can meet, in one tree.

    JoError
    ├── UsageError              a command line, magic line or argument that cannot be understood
    ├── StepNameError           a name no step can have
    ├── UnknownStepError        a step was asked for that nobody registered
    ├── DuplicateStepError      two cells claim one name (also an AssertionError, as in job_orchestra)
    ├── CycleError              steps that wait for each other; carries the path
    ├── SourceError             a cell's body that cannot become a function
    ├── StepFailed              a step's own code raised; the cause is the user's exception
    ├── StepTimeout             a step took longer than its --timeout
    ├── WorkerLost              the process that ran a step died
    ├── ExecutorRefused         an executor does not take steps
    ├── NotSendable             what a step needs, or gives, cannot leave its process
    ├── RaisedElsewhere         a step's error that cannot leave its process, as text
    ├── CommandFailed           a shell command of a stage ended with another exit code than 0
    ├── FileMissing             a file that a step declares is not there, or cannot be read
    ├── NotTheSame              a check on the command line found results that are not what they were
    ├── RunInProgress           a run was asked for from inside a run
    ├── RunCancelled            what was asked for was cancelled before it was there
    ├── AttributeMissing        no key answers to an attribute (also an AttributeError)
    ├── NotOffered              a method of job_orchestra that another one replaces (also a NotImplementedError)
    ├── NotAName                a result is to be kept under what is no text (also a TypeError)
    └── StoreError              the place where results live cannot do what was asked
        ├── PlaceTaken          a snapshot is to be written where something is (also a FileExistsError)
        ├── SnapshotMissing     a snapshot is to be read where nothing is (also a FileNotFoundError)
        ├── ResultMissing       nothing is kept under this name
        ├── ResultNotSaved      a value or a disk refuses; the value is still in memory
        ├── ResultDamaged       what is on disk is not what was written
        └── UntrustedError      made elsewhere: loading would run somebody else's code

Each message says what is wrong, where (step, cell) and what to do next. Each error can be pickled.
In IPython an error shows as its message alone: a traceback of ours is shown for our own bugs only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any


class JoError(Exception):
    """The base of every error raised on purpose."""

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback (its protocol for exceptions)."""
        return [f"{type(self).__name__}: {self}"]


class UsageError(JoError):
    """A command that cannot be understood."""


class StepNameError(UsageError):
    """A name that no step can have."""


class UnknownStepError(JoError, KeyError):
    """A step was asked for that nobody registered."""

    def __init__(self, message: str, name: str = "") -> None:
        super().__init__(message, name)
        self.name = name

    def __str__(self) -> str:
        return str(self.args[0])


class DuplicateStepError(JoError, AssertionError):
    """Two cells claim one name; the first stays in force."""


class CycleError(JoError):
    """Steps that wait for each other. `path` begins and ends with the same name."""

    def __init__(self, message: str, path: Sequence[str] = ()) -> None:
        super().__init__(message, tuple(path))
        self.path = tuple(path)

    def __str__(self) -> str:
        return str(self.args[0])


class SourceError(JoError):
    """A cell's body that cannot become a function; `__cause__` may be the SyntaxError."""


class StepFailed(JoError):
    """A step's own code raised. `step` names it, `__cause__` is the user's exception.

    `render` may be set by a front end to show the user's traceback in its own style.
    """

    render: Callable[[StepFailed], list[str]] | None = None

    def __init__(self, message: str, step: str = "") -> None:
        super().__init__(message, step)
        self.step = step

    def __str__(self) -> str:
        return str(self.args[0])

    def _render_traceback_(self) -> list[str]:
        if self.render is not None and self.__cause__ is not None:
            return self.render(self)
        return super()._render_traceback_()


class StepTimeout(JoError):
    """A step took longer than its --timeout; raised in the step's own code."""


class WorkerLost(JoError):
    """The process that ran a step died; `how` says how, as far as anybody knows."""

    def __init__(self, message: str, how: str = "") -> None:
        super().__init__(message, how)
        self.how = how

    def __str__(self) -> str:
        return str(self.args[0])


class ExecutorRefused(JoError):
    """An executor does not take steps: it is shut down, or there is nobody at its address."""


class NotSendable(JoError):
    """What a step needs, or gives, cannot leave its process; the message names the way to it."""


class RaisedElsewhere(JoError):
    """A step's error that cannot leave its process: its type and its text."""


class CommandFailed(JoError):
    """A shell command of a stage ended badly: `code` is its exit code, negative for the signal that ended it."""

    def __init__(self, message: str, code: int = 1) -> None:
        super().__init__(message, code)
        self.code = code

    def __str__(self) -> str:
        return str(self.args[0])


class FileMissing(JoError):
    """A file that a step declares to read or to write is not there, or cannot be read."""


class NotTheSame(JoError):
    """A check found results that are damaged, or that do not come out the same again; `data` says which, plainly."""

    def __init__(self, message: str, data: dict[str, Any] | None = None) -> None:
        super().__init__(message, data)
        self.data = data

    def __str__(self) -> str:
        return str(self.args[0])


class RunInProgress(JoError):
    """A run was asked for from inside a run."""


class RunCancelled(JoError):
    """What was asked for was cancelled before it was there; what was finished is kept."""


class AttributeMissing(JoError, AttributeError):
    """No key answers to this attribute, or several do."""


class NotOffered(JoError, NotImplementedError):
    """A method that job_orchestra has by inheritance and refuses, too; the message names what to say instead."""


class NotAName(JoError, TypeError):
    """A result is to be kept under something that is no text."""


class StoreError(JoError):
    """The place where results live cannot do what was asked."""


class PlaceTaken(StoreError, FileExistsError):
    """Something is there already where a snapshot is to be written."""


class SnapshotMissing(StoreError, FileNotFoundError):
    """Nothing is there where a snapshot is to be read."""


class ResultMissing(StoreError, KeyError):
    """Nothing is kept under this name."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class ResultNotSaved(StoreError):
    """A value or a disk refuses to be saved; the value itself is untouched, in memory."""


class ResultDamaged(StoreError):
    """What is on disk is not what was written."""


class UntrustedError(StoreError):
    """Made elsewhere: loading it would run somebody else's code."""


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """A sentence that offers the nearest known names, or an empty string."""
    import difflib

    lowered: dict[str, str] = {}
    for other in known:
        lowered.setdefault(other.lower(), other)
    near = difflib.get_close_matches(name.lower(), list(lowered), n=2, cutoff=0.6)
    if not near:
        return ""
    return " Did you mean " + " or ".join(lowered[n] for n in near) + "?"
