"""What a context does to look after its place: check it, clean it up, go back to a result, bring it up to date."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from jo_notebook.core.definition import kept_of
from jo_notebook.core.record import Record
from jo_notebook.store.aside import quarantine
from jo_notebook.store.checking import verify
from jo_notebook.store.cleaning import Removable, clean, removable
from jo_notebook.store.disk import Disk
from jo_notebook.store.known import Known
from jo_notebook.store.migrating import migrate
from jo_notebook.store.names import check_stored_name
from jo_notebook.store.quota import Sizes, crowding
from jo_notebook.store.restoring import restorable, restore


class Upkeep:
    """The half of `Context` that no run needs."""

    keep: int
    quota: int
    _disk: Disk | None
    _known: Known
    _sizes: Sizes

    def refresh(self) -> None:
        """See what other kernels have written."""
        raise NotImplementedError

    def definitions(self) -> dict[str, tuple[dict[str, Any], bool]]:
        """The remembered definitions, each with whether it is ours."""
        raise NotImplementedError

    def crowding(self) -> str:
        """A line where results take more than the quota, or much of a disk that is nearly full; else empty.

        Cheap: only directories that have changed since are listed. Nothing is ever deleted for it.
        """
        return crowding(self._disk, self._sizes.usage(self._disk), self.quota) if self._disk else ""

    def verify(self) -> dict[str, str]:
        """Read everything on disk: what is not as it was written, by step and number. Raises StoreError."""
        return verify(self._disk, self._known) if self._disk else {}

    def quarantine(self) -> dict[str, str]:
        """Move damaged files to `damaged/`: where to, by step and number. Their loss goes on being told.

        Nothing is deleted and no file takes another's place. Raises StoreError.
        """
        moved = quarantine(self._disk) if self._disk else {}
        self.refresh()
        return moved

    def gc(self, keep: int | None = None, *, orphans: Collection[str] = (), dry_run: bool = False) -> list[Removable]:
        """Remove what nobody needs, and say what that was; with `dry_run` only say it.

        Of each step `keep` whole generations stay (without it, its own number); failures go that a success has
        overtaken, and what killed writers left; of `orphans` everything. Never the newest result, the one in use
        here, a damaged file, one of another store, or a stranger's newest. Raises StoreError.
        """
        if self._disk is None:
            return []
        self.refresh()
        rows = () if keep else self.definitions().items()
        own = {name: kept for name, (data, ours) in rows if ours and (kept := kept_of(data))}
        if dry_run:
            return removable(self._disk, self._known, own, keep or self.keep, orphans)
        gone = clean(self._disk, self._known, own, keep or self.keep, orphans)
        self.refresh()
        return gone

    def restorable(self, name: str) -> tuple[int, Record] | None:
        """Number and record of the generation that `restore` would take; None where there is none. Never raises."""
        return restorable(self._disk, self._known, name)

    def restore(self, name: str, number: int = 0, *, keep: int = 0) -> Record:
        """Commit an older generation once more, as the newest, with its own record, which comes back.

        Without a number it is the newest whole one before the one that is damaged or in force. Bytes are copied,
        nothing is decoded. `keep` is as for `put`. Raises ResultMissing, ResultDamaged, UntrustedError, UsageError
        for the newest itself, and StoreError of the disk.
        """
        self.refresh()
        return restore(self._disk, self._known, check_stored_name(name), number, keep or self.keep)

    def migrate(self) -> int:
        """Bring a store of an older format up to date: how many files were written anew, 0 for nothing to do.

        Old or new, whenever it stops. Raises StoreError; then the store is as it was.
        """
        self.refresh()
        count = migrate(self._disk) if self._disk else 0
        self.refresh()
        return count
