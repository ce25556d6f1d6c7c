"""What a verb is: a name, a sentence, arguments, and a function `(pipeline, arguments) → Answer`."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from jo_notebook.core.record import LogEntry
    from jo_notebook.pipeline import Pipeline

Call = Callable[["Pipeline", argparse.Namespace], "Answer"]
STORE_TRUE = (("action", "store_true"),)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a verb gives back: text for everybody, and a value or a picture for those who can show it.

    `data` makes plain data of it, for machines; see `views/machine.py`. `rows` are the text in pieces, where some of
    them are figures and tables that a front end can show.
    """

    text: str = ""
    value: Any = None
    has_value: bool = False
    picture: Any = None
    data: Callable[[], dict[str, Any]] | None = None
    rows: Sequence[str | LogEntry] = ()


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument: flags as argparse takes them, a sentence, and argparse's other settings.

    What `needs_a_session` makes sense only where one goes on afterwards: the command line does not offer it.
    """

    flags: tuple[str, ...]
    help: str
    settings: tuple[tuple[str, Any], ...] = ()
    needs_a_session: bool = False


@dataclass(frozen=True, slots=True)
class Verb:
    """One row of the table. `command` is what the command line calls it."""

    name: str
    summary: str
    call: Call
    arguments: tuple[Argument, ...] = ()
    command: str = ""
