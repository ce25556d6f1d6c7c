"""How a line of words is read: split as a shell splits, parsed with errors that say what was meant."""

from __future__ import annotations

import argparse
import shlex
from collections.abc import Sequence
from typing import Any, NoReturn

from jo_notebook.errors import UsageError, did_you_mean


class Help(Exception):
    """`--help` was asked for."""


class Parser(argparse.ArgumentParser):
    """argparse that raises UsageError with near options, and never exits."""

    def error(self, message: str) -> NoReturn:
        """Raises UsageError."""
        flags = [flag for action in self._actions for flag in action.option_strings]
        known = [flag.removeprefix("--") for flag in flags if flag.startswith("--")]
        wrong = message.rpartition(": ")[2].split() if message.startswith("unrecognized") else []
        hint = next((h for w in wrong if (h := did_you_mean(w.lstrip("-"), known))), "")
        hint = hint.replace("mean ", "mean --").replace(" or ", " or --")
        raise UsageError(f"{self.prog}: {message}.{hint} Try {self.prog} --help.")

    def print_help(self, file: Any = None) -> NoReturn:
        """Raises Help with the text."""
        raise Help(self.format_help())


def split(line: str | Sequence[str]) -> list[str]:
    """The words of a magic line, quotes respected. A comment or a semicolon at the end is left out."""
    if not isinstance(line, str):
        return list(line)
    try:
        return shlex.split(line.rstrip().rstrip(";"), comments=True)
    except ValueError as error:
        raise UsageError(f"The line {line!r} cannot be read: {error}.") from error
