"""A context that travels: written as a snapshot, opened from one, or from a store that job_orchestra wrote."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Self

from jo_notebook.core.record import Record
from jo_notebook.errors import StoreError, UsageError
from jo_notebook.store.definitions import Definitions
from jo_notebook.store.disk import Disk
from jo_notebook.store.facts import Log
from jo_notebook.store.known import Known
from jo_notebook.store.loading import FROZEN, Snapshot, Taken, is_orchestras, take
from jo_notebook.store.snapshots import Stored, store
from jo_notebook.store.trust import open_key

if TYPE_CHECKING:
    from jo_notebook.store.orchestra import OrchestraStore


class Portable(ABC):
    """The part of `Context` that knows other places."""

    _disk: Disk | None
    _known: Known
    _definitions: Definitions
    _snapshot: Snapshot | None
    _orchestra: OrchestraStore | None

    if TYPE_CHECKING:

        def __init__(self, place: Any = None, *, keep: int = 0, quota: int = 0, **values: Any) -> None: ...

    @abstractmethod
    def put_all(self, rows: Iterable[tuple[Record, object, Log]]) -> list[Record]:
        """Keep results."""

    @abstractmethod
    def refresh(self) -> None:
        """See what is on disk."""

    def store(self, dir_path: str | os.PathLike[str] = "", *names: str | bool, fullcopy: bool = False) -> Stored:
        """Write a snapshot: a new, complete store at `dir_path`, or one file where that ends in `.zip`.

        It has the result that stands for each step (of these, or of all whose names do not begin with a dot), with
        logs and definitions; what is in memory only is written, too, and what cannot be is told. It appears whole
        or not at all; directories above it are made. Inside of dicts, too, keys that begin with a dot are left out.
        Raises StoreError (PlaceTaken where something is there), and ResultMissing for an unknown name. `fullcopy` is
        job_orchestra's, and changes nothing.
        """
        if not os.fspath(dir_path):
            raise UsageError("Say where to store, for instance: ctx.store('results')")
        chosen = [name for name in names if not isinstance(name, bool)]  # job_orchestra's second argument
        return store(self._known, self._disk, self._definitions, os.fspath(dir_path), chosen)

    @classmethod
    def load(cls, dir_path: str | os.PathLike[str] = "") -> Self:
        """A new context on a snapshot, a directory or a zip file; `ctx.load(path)` gives a new one, too.

        The snapshot stays as it is: what is put goes to memory alone. No value is read before it is asked for. Raises
        StoreError where there is no snapshot (SnapshotMissing where there is nothing).

        A directory that job_orchestra stored is opened, too: what it holds counts as put in by hand.
        """
        if not os.fspath(dir_path):
            raise UsageError("Say which snapshot to load, for instance: Context.load('results')")
        if is_orchestras(os.path.abspath(dir_path)):
            return cls._on_orchestras(os.path.abspath(dir_path))
        snapshot = Snapshot(os.path.abspath(dir_path), open_key())
        context = cls(snapshot.place)
        context._snapshot = snapshot
        if context._disk is not None:
            context._disk.frozen = FROZEN
        return context

    @classmethod
    def _on_orchestras(cls, path: str) -> Self:
        from jo_notebook.store.orchestra import OrchestraStore  # seldom wanted

        context, store = cls(), OrchestraStore(path)
        context._orchestra = store
        context._known.held.update((name, store.held(name)) for name in store.names())
        context._known.touch()
        return context

    def take(self, path: str | os.PathLike[str], *names: str) -> Taken:
        """Copy the results of a snapshot (of these steps, or all) into this context, as the newest of their steps.

        Nothing is decoded; what a stranger made stays a stranger's. A run that is here already is left out. Definitions
        of steps that are not here come along. The results of a store of job_orchestra are read and put in by hand, but
        for pickles, which wait for trust. Raises StoreError, also where this context has no place.
        """
        if self._disk is None:
            raise StoreError("This context lives in memory: give it a place, or open the snapshot with Context.load.")
        self._disk.check_writable()
        try:
            if is_orchestras(os.path.abspath(path)):
                from jo_notebook.store.adopting import adopt  # seldom wanted

                return adopt(self._known, self._disk, os.path.abspath(path), names, self.put_all)
            return take(
                self._known, self._disk, self._definitions, Snapshot(os.path.abspath(path), self._disk.key), names
            )
        finally:
            self.refresh()
