"""What came from elsewhere and what a snapshot did, as text. Every word in it may be a stranger's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from jo_notebook.views.words import count, day, file_size, one_line, shorten, table

MARKED = "runs code"
WORD_LIMIT = 40
NAMES_SHOWN = 8


class Foreign(Protocol):
    """One file from elsewhere; see `store/foreign.py`."""

    @property
    def step(self) -> str:
        """Whose it is."""

    @property
    def number(self) -> int:
        """Which generation, 0 for a definition."""

    @property
    def kind(self) -> str:
        """A result, a definition or a failure."""

    @property
    def format(self) -> str:
        """How the value is written."""

    @property
    def size(self) -> int:
        """In bytes."""

    @property
    def when(self) -> float:
        """Seconds since the epoch, as its maker says."""

    @property
    def python(self) -> str:
        """Which Python wrote it."""

    @property
    def key(self) -> str:
        """The name of the key that signed it."""

    @property
    def runs_code(self) -> bool:
        """Whether using it runs its maker's code."""


def foreign_text(rows: Sequence[Foreign]) -> str:
    """A table of what was made elsewhere, those marked whose loading runs code, and what trusting means."""
    lines = [("step", "what", "format", "size", "when", "key", "")]
    lines += [
        (
            _word(row.step),
            f"{row.kind} {row.number}" if row.number else row.kind,
            _word(" ".join(filter(None, (row.format, row.python and f"({row.python})")))),
            file_size(row.size),
            day(row.when) if row.when else "",
            _word(row.key) or "none",
            MARKED if row.runs_code else "",
        )
        for row in rows
    ]
    risky = sum(row.runs_code for row in rows)
    said = (
        f"Trusting signs {'it' if len(rows) == 1 else 'all of it'} with your key. {risky} of {len(rows)} "
        f'{"holds" if risky == 1 else "hold"} code, marked "{MARKED}": once trusted, that code runs in your kernel, '
        "with your rights, when the result is loaded or the step is run. A key's name does not prove who made a file."
    )
    if not risky:
        said = "None of it holds code: its values load without being trusted. Trusting signs it with your key."
    return f"{table(lines)}\n{said}"


def trusted_text(names: Sequence[str], rest: Sequence[Foreign]) -> str:
    """What was signed, and what was not although it was meant."""
    told = f"Trusted: {_names(names)}." if names else "Nothing was signed."
    left = sorted({_word(row.step) for row in rest})
    return told + (f" Not signed, because it is not whole: {', '.join(left)}." if left else "")


def stored_text(path: Path, stored: Sequence[str], left: Mapping[str, str]) -> str:
    """What a snapshot holds, and what it does not."""
    lines = [f"Stored {count(len(stored), 'result')} in {one_line(str(path))}" + _listed(stored)]
    return "\n".join([*lines, *_reasons("left out", left)])


def taken_text(
    taken: Sequence[str], left: Mapping[str, str], damaged: Mapping[str, str], definitions: Sequence[str]
) -> str:
    """What was taken from a snapshot, what was not and why."""
    lines = [f"Took in {count(len(taken), 'result')}" + _listed(taken)]
    lines += [f"Steps that no cell had defined: {_names(definitions)}."] if definitions else []
    return "\n".join([*lines, *_reasons("left where it was", left), *_reasons("damaged in the snapshot", damaged)])


def _listed(names: Sequence[str]) -> str:
    return f": {_names(names)}." if names else "."


def _reasons(word: str, rows: Mapping[str, str]) -> list[str]:
    return [f"{_word(name)} is {word}: {one_line(why)}." for name, why in rows.items()]


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(map(_word, names[:NAMES_SHOWN]))
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"


def _word(text: str) -> str:
    return shorten(one_line(text), WORD_LIMIT)
