"""What became of a run, step by step."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from jo_notebook.core.texts import writable
from jo_notebook.errors import JoError

T = TypeVar("T")


@dataclass
class Outcome:
    """What a run did, step by step, in order. `taken` are the steps that another kernel ran meanwhile.

    `retried` tells how often a step was tried in vain before; `left_behind` are steps whose code did not stop
    when it was told to, and goes on in a thread that nobody waits for; `cancelled` are those that were to run and did
    not come to an end: the run stopped before, or was interrupted; `joined` are those that it waited for because
    another run of the same kernel had them; `costly` are results that are made quickly and large to keep, each with its
    seconds and bytes.
    """

    run_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    finished: list[str] = field(default_factory=list)
    loaded: list[str] = field(default_factory=list)
    kept: list[str] = field(default_factory=list)
    taken: list[str] = field(default_factory=list)
    unsaved: dict[str, str] = field(default_factory=dict)
    failed: dict[str, BaseException] = field(default_factory=dict)
    blocked: dict[str, str] = field(default_factory=dict)
    cancelled: list[str] = field(default_factory=list)
    retried: dict[str, int] = field(default_factory=dict)
    left_behind: list[str] = field(default_factory=list)
    joined: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    costly: dict[str, tuple[float, int]] = field(default_factory=dict)
    seconds: float = 0.0

    def in_order(self, order: Iterable[str]) -> None:
        """Puts what steps on several threads did in one order, each step once."""
        place = {name: number for number, name in enumerate(order)}
        for names in (self.finished, self.loaded, self.kept, self.taken, self.cancelled, self.left_behind):
            names[:] = sorted(dict.fromkeys(names), key=lambda name: place.get(name, -1))
        self.unsaved = _sorted(self.unsaved, place)
        self.failed = _sorted(self.failed, place)
        self.blocked = _sorted(self.blocked, place)
        self.retried = _sorted(self.retried, place)
        self.costly = _sorted(self.costly, place)


def _sorted(table: dict[str, T], place: dict[str, int]) -> dict[str, T]:
    return dict(sorted(table.items(), key=lambda row: place.get(row[0], -1)))


def one_line(error: BaseException) -> str:
    """An error's type and the first line of its text; of an error of ours the text says it all."""
    try:
        first = str(error).strip().splitlines()
    except BaseException:  # noqa: BLE001 - an error's own text is the user's code, and may raise anything
        first = []
    if first and isinstance(error, JoError):
        return writable(first[0])
    text = f"{type(error).__name__}: {writable(first[0])}" if first else type(error).__name__
    return text if len(text) <= 300 else text[:299] + "…"
