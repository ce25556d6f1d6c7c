"""A store's directory: who it is, its shelves, and every way in and out of it.

    <notebook>.jo/  FORMAT  results/  failures/  definitions/  running/  tmp/     (format 1: steps/, errors/)

No absolute path is written, so the directory can be moved, copied, zipped and deleted at will.
"""

from __future__ import annotations

import contextlib
import errno
import os
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, BinaryIO, TypeVar

from jo_notebook.core.files import size_text
from jo_notebook.core.record import Failure, LogEntry, Record
from jo_notebook.errors import ResultDamaged, ResultNotSaved, StoreError, UntrustedError
from jo_notebook.store.buffers import Buffers
from jo_notebook.store.committing import Fill, Order, commit_all
from jo_notebook.store.dropping import drop_shelf, is_shelf
from jo_notebook.store.formats import decode, runs_code
from jo_notebook.store.generation import VERSION, Footer, section_of
from jo_notebook.store.hashes import algorithm
from jo_notebook.store.identity import Identity, ensure_identity, read_identity
from jo_notebook.store.index import IndexFile, shelf_rows
from jo_notebook.store.logs import log_from_bytes
from jo_notebook.store.names import stem_of
from jo_notebook.store.publish import make_folder, sync_folder
from jo_notebook.store.reading import Found
from jo_notebook.store.refusals import VANISHED, obstacle, obstacle_inside, refusal, shown
from jo_notebook.store.scratch import Scratch
from jo_notebook.store.sections import MAPPED_FROM, Block, copy_sections, unreadable, write_sections
from jo_notebook.store.shelf import Shelf
from jo_notebook.store.trust import Key

T = TypeVar("T", Record, Failure)

Payloads = Mapping[str, Sequence[Block]]

LAYOUTS = {1: ("steps", "errors"), 2: ("results", "failures")}
ROOM_CHECKED_FROM = 1 << 20


@dataclass(frozen=True, slots=True)
class Index:
    """What is on disk: the newest result and failure of every step."""

    results: Mapping[str, Found[Record]]
    failures: Mapping[str, Found[Failure]]


class Disk:
    """The directory of one store. Nothing is made before the first write."""

    def __init__(self, place: str, key: Key, keep: int) -> None:
        self.place = place
        self.name = shown(os.path.basename(place))
        self.scratch = Scratch(os.path.join(place, "tmp"))
        self.key = key
        self.store_id = ""
        self.newer = ""
        self.frozen = ""
        self.format = VERSION
        self._is_tidy = False
        self.device: int | None = None
        self.buffers = Buffers()
        self.index = IndexFile(place, key, self.scratch, self.buffers.seals)
        self._shelves = {number: self._shelves_of(number, max(keep, 1)) for number in LAYOUTS}
        identity = read_identity(place)
        if identity is not None and not (identity.newer or identity.older):  # elsewhere nothing may change
            self.scratch.sweep()

    @property
    def older(self) -> str:
        """Why an older store cannot be written; empty for one of today."""
        return _older(self.format) if self.format < VERSION else ""

    @property
    def results(self) -> Shelf[Record]:
        """The results, where this store's format has them."""
        return self._shelves[self.format][0]

    @property
    def failures(self) -> Shelf[Failure]:
        """The failures, where this store's format has them."""
        return self._shelves[self.format][1]

    def of_format(self, number: int) -> tuple[Shelf[Record], Shelf[Failure]]:
        """The shelves of an older format, or of today's."""
        return self._shelves[number]

    def obstacle(self) -> str:
        """What is in the way of the directory or of its results; empty where nothing is. Never raises."""
        if self._has_vanished():
            return VANISHED
        return obstacle(self.place) or ("" if self.frozen else obstacle_inside(self.results.root, self.place))

    def scan(self, known: Index) -> Index:
        """What is on disk now; files that `known` tells of are not read again."""
        identity = read_identity(self.place)
        self.newer = _newer(identity.format) if identity and identity.newer else ""
        self.format = self._format(identity)
        if self.newer:
            return Index({n: Found(n, 0, "", damage=self.newer) for n in self.results.names()}, {})
        known = self._recalled(identity, known)
        results, failures = self.results.scan(known.results), self.failures.scan(known.failures)
        self.store_id = identity.store_id if identity else self._recovered(results)
        return Index(
            {name: self.checked(found) for name, found in results.items()},
            {name: self.checked(found) for name, found in failures.items()},
        )

    def _recalled(self, identity: Identity | None, known: Index) -> Index:
        """What the index remembers, the first time that something is there."""
        if identity is None or self.store_id == identity.store_id:
            return known
        self.store_id = identity.store_id
        self.device = os.stat(self.place).st_dev
        results, failures = self.index.recall(self.results, self.failures, self.checked)
        return Index({**results, **known.results}, {**failures, **known.failures})

    def settle(self, known: Index, definitions: Mapping[str, Any]) -> None:
        """Write the index, if enough has changed since; a disk that refuses costs only time. Never raises."""
        if self.newer or self.format < VERSION or not os.path.isdir(self.place):
            return
        self.index.settle(
            {
                "result": shelf_rows(self.results, known.results),
                "failure": shelf_rows(self.failures, known.failures),
            },
            definitions,
        )

    def look(self, step: str) -> Found[Record] | None:
        """The newest result of one step now."""
        found = self.results.look(stem_of(step))
        return found if found is None else self.checked(found)

    def at(self, found: Found[Record]) -> Found[Record] | None:
        """A generation as it is now, None where it is gone. Raises OSError."""
        now = self.results.at(os.path.basename(os.path.dirname(found.path)), found.seq, found, found.step)
        return now if now is None else self.checked(now)

    def save(self, shelf: Shelf[T], footer: Footer, payloads: Payloads) -> Found[T]:
        """Add a file, durable when this returns. Raises ResultNotSaved; then the disk is as it was."""
        (answer,) = self.save_all(shelf, [(footer, payloads)])
        if isinstance(answer, ResultNotSaved):
            raise answer
        return answer

    def save_all(
        self,
        shelf: Shelf[T],
        rows: Sequence[tuple[Footer, Payloads]],
        *,
        keep: int = 0,
        spared: Sequence[int] = (),
    ) -> list[Found[T] | ResultNotSaved]:
        """Add files together, durable when this returns; where one is refused, the disk is as it was for it."""
        sizes = [sum(len(block) for blocks in payloads.values() for block in blocks) for _, payloads in rows]
        name = algorithm()
        try:
            with self.writing():
                self.check_room(sum(sizes))
                orders = [
                    Order(
                        footer,
                        partial(write_sections, payloads=payloads, algorithm=name),
                        keep,
                        spare,
                        {"hash": name, "store_id": self.store_id},
                    )
                    for (footer, payloads), spare in zip(rows, spared or [0] * len(rows), strict=True)
                ]
                answers = commit_all(shelf, orders)
        except ResultNotSaved as refusal:
            return [refusal for _ in rows]
        return [self._sealed(answer, size) for answer, size in zip(answers, sizes, strict=True)]

    def _sealed(self, answer: Found[T] | OSError, size: int) -> Found[T] | ResultNotSaved:
        if isinstance(answer, OSError):
            refusal = self._refusal(answer)
            refusal.__cause__ = answer
            return refusal
        if size >= MAPPED_FROM:
            self.buffers.seals.add(answer.path, answer.mark)
        return answer

    def commit(
        self, shelf: Shelf[T], footer: Footer, fill: Fill, *, needed: int = 0, keep: int = 0, spare: int = 0
    ) -> Found[T]:
        """As `save`, for a file whose sections come from elsewhere. Raises what `fill` does, too."""
        with self.writing():
            self.check_room(needed)
            return shelf.commit(replace(footer, store_id=self.store_id), fill, keep=keep, spare=spare)

    def checked(self, found: Found[T]) -> Found[T]:
        """A signed file that somebody carried here from another store is damage."""
        if found.footer is None or not found.ours or found.footer.store_id == self.store_id:
            return found
        return Found(found.step, found.seq, found.path, damage=f"generation {found.seq}: it is of another store")

    @contextlib.contextmanager
    def writing(self) -> Iterator[None]:
        """Make the directory ready, and turn an OSError of the block into ResultNotSaved."""
        if self.frozen:
            raise ResultNotSaved(f"cannot write to {self.name}: {self.frozen}")
        try:
            if self._has_vanished():
                raise OSError(errno.ENODEV, VANISHED)
            if not os.path.isdir(self.place) and make_folder(self.place):
                sync_folder(os.path.dirname(self.place))
            identity = ensure_identity(self.place, self.scratch, self.store_id, lambda: self._format(None))
            if identity.newer:
                raise ResultNotSaved(f"cannot write to {self.name}: {_newer(identity.format)}")
            if identity.older:
                raise ResultNotSaved(f"cannot write to {self.name}: {_older(identity.format)}")
            self.store_id, self.format = identity.store_id, identity.format
            self.device = os.stat(self.place).st_dev
            if not self._is_tidy:
                self.drop_older()
                self._is_tidy = True
            yield
        except OSError as error:
            raise self._refusal(error) from error

    def _has_vanished(self) -> bool:
        """Whether this store was on a disk that is not there now: anew, it would be made where that was mounted."""
        if self.device is None or read_identity(self.place) is not None:
            return False
        there = self.place if os.path.isdir(self.place) else os.path.dirname(self.place)
        try:
            return os.stat(there).st_dev != self.device
        except OSError:
            return False

    def _refusal(self, error: OSError) -> ResultNotSaved:
        return ResultNotSaved(f"cannot write to {self.name}: {refusal(error, self.place)}")

    def drop_older(self) -> None:
        """Remove what a migration that was killed after its switch has left behind."""
        for name in (name for number, names in LAYOUTS.items() if number < self.format for name in names):
            drop_shelf(self._in(name))

    def check_writable(self) -> None:
        """Raises StoreError for a snapshot or a store of another format, of which nothing may be changed."""
        if self.frozen or self.newer or self.format < VERSION:
            raise StoreError(f"Cannot change {self.name}: {self.frozen or self.newer or self.older}.")

    @contextlib.contextmanager
    def opened(self, shelf: Shelf[T], found: Found[T]) -> Iterator[tuple[BinaryIO, Footer, bool]]:
        """The file of a result, its footer and whether it is ours.

        Raises ResultDamaged, and FileNotFoundError where the file is another or gone.
        """
        handle, footer, ours = shelf.open(os.path.basename(os.path.dirname(found.path)), found.seq, found.path)
        with handle:
            if footer.id != found.id:
                raise FileNotFoundError(found.path)
            yield handle, footer, ours

    def load(self, found: Found[Record]) -> object:
        """The value of a result, decoded from the very bytes that were checked.

        Large buffers are mapped, not read; where the file is untouched since we wrote or checked it, they are not
        hashed again. Raises ResultDamaged, UntrustedError, StoreError, and FileNotFoundError where the file is another.
        """
        with self.opened(self.results, found) as (handle, footer, ours):
            if not ours and runs_code(footer.codec):
                raise UntrustedError(
                    f"{found.step}'s result was made elsewhere, and loading it would run code from there. "
                    "Run the step again, or say %context trust if you trust where it comes from."
                )
            try:
                stream = bytes(section_of(handle, footer, "value"))
                buffers = self.buffers.read(handle, footer, found)
            except (OSError, MemoryError) as error:
                raise unreadable(error) from error
        return decode(footer.codec, stream, buffers, python=footer.python, step=found.step)

    def log(self, shelf: Shelf[T], found: Found[T]) -> tuple[LogEntry, ...]:
        """What the run printed; plain data, also from a stranger. Raises as `load` does."""
        with self.opened(shelf, found) as (handle, footer, _):
            try:
                return log_from_bytes(bytes(section_of(handle, footer, "log")))
            except (OSError, MemoryError) as error:
                raise unreadable(error) from error

    def forget(self, step: str) -> None:
        """Remove a step's results and failures. Raises StoreError where the disk or the format refuses."""
        self.check_writable()
        try:
            self.results.forget(step)
            self.failures.forget(step)
        except OSError as error:
            raise StoreError(f"Cannot remove {step} from {self.name}: {refusal(error, self.place)}.") from error

    def resign(self, names: Collection[str] = ()) -> list[str]:
        """Sign with our key every whole file made elsewhere, of these steps or of all; the steps concerned.

        Raises ResultNotSaved.
        """
        with self.writing():
            return sorted({*self._resign(self.results, names), *self._resign(self.failures, names)})

    def size(self) -> int:
        """Bytes on disk."""
        total = 0
        for folder, _, names in os.walk(self.place):
            for name in names:
                with contextlib.suppress(FileNotFoundError):
                    total += os.lstat(os.path.join(folder, name)).st_size
        return total

    def _in(self, name: str) -> str:
        return os.path.join(self.place, name)

    def _recovered(self, results: Mapping[str, Found[Record]]) -> str:
        """Which store this is, by its own signed results, where FORMAT cannot tell."""
        told = Counter(f.footer.store_id for f in results.values() if f.footer and f.ours)
        return told.most_common(1)[0][0] if told else self.store_id

    def _shelves_of(self, number: int, keep: int) -> tuple[Shelf[Record], Shelf[Failure]]:
        results, failures = map(self._in, LAYOUTS[number])
        return (
            Shelf(results, "result", self.key, Record.from_json, self.scratch, keep),
            Shelf(failures, "failure", self.key, Failure.from_json, self.scratch),
        )

    def _format(self, identity: Identity | None) -> int:
        """The layout of this store; where FORMAT cannot tell, its directories do."""
        if identity is not None:
            return min(identity.format, VERSION)
        found = [number for number, (results, _) in LAYOUTS.items() if is_shelf(self._in(results))]
        return max(found, default=VERSION)

    def check_room(self, needed: int) -> None:
        """Raises OSError where a large value does not fit, before anything is written."""
        if needed < ROOM_CHECKED_FROM or not hasattr(os, "statvfs"):
            return
        info = os.statvfs(self.place)
        if (free := info.f_bavail * info.f_frsize) < needed:
            raise OSError(errno.ENOSPC, f"{size_text(needed)} are needed and {size_text(free)} are free on this disk")

    def _resign(self, shelf: Shelf[Any], names: Collection[str]) -> Iterator[str]:
        for stem, seq, path in shelf.generations():
            with contextlib.suppress(ResultDamaged, FileNotFoundError):
                handle, footer, ours = shelf.open(stem, seq, path)
                with handle:
                    if ours or (names and footer.step not in names):
                        continue
                    story = {
                        **footer.record,
                        **shelf.story(footer, ours=False).to_json(),
                    }  # nothing that makes no sense
                    shelf.rewrite(path, replace(footer, store_id=self.store_id, record=story), copied(handle, footer))
                yield footer.step


def copied(handle: BinaryIO, footer: Footer) -> Fill:
    """Begins a file with another one's sections, checked on the way."""
    return partial(copy_sections, handle, footer.sections, footer.hash)


def _older(version: int) -> str:
    return f"it has the older format {version}; say %context migrate to bring it up to date"


def _newer(version: int) -> str:
    return f"a newer jo_notebook made it (format {version}); update to use it"
