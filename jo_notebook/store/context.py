"""Where results live: in memory first, and on disk when the context has a place."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.garbage import no_search
from jo_notebook.core.record import NO_STORE, Failure, Record
from jo_notebook.errors import ResultMissing, ResultNotSaved, UsageError
from jo_notebook.store.claims import Claim, Claims
from jo_notebook.store.definitions import Definitions
from jo_notebook.store.disk import Disk
from jo_notebook.store.facts import Log
from jo_notebook.store.foreign import Foreign, foreign
from jo_notebook.store.formats import format_problems, python_version
from jo_notebook.store.held import SAVING
from jo_notebook.store.kept import Kept, runs_of
from jo_notebook.store.known import Known
from jo_notebook.store.loading import Snapshot, is_orchestras
from jo_notebook.store.mapping import META, Writable, items_of, meta_of
from jo_notebook.store.names import check_stored_name, stem_of
from jo_notebook.store.older import Older
from jo_notebook.store.owners import Owner
from jo_notebook.store.portable import Portable
from jo_notebook.store.quota import Sizes, keep_from, quota_from
from jo_notebook.store.reading import Found
from jo_notebook.store.refusals import advised, refusal, shown
from jo_notebook.store.renaming import rename
from jo_notebook.store.saving import drafted, save_failure, save_results
from jo_notebook.store.trust import open_key
from jo_notebook.store.upkeep import Upkeep
from jo_notebook.store.values import Values

if TYPE_CHECKING:
    from jo_notebook.store.orchestra import OrchestraStore


UNCLAIMED: AbstractContextManager[bool] = contextlib.nullcontext(False)


class Context(Writable, Portable, Upkeep):
    """A mapping of step name to result, lazy: a value is read when it is asked for.

    `Context()`, `Context("analysis.jo")`, and with values put in by hand `Context({"a": 1})`, `Context([("a", 1)])`,
    `Context(a=1)`. The names place, keep and quota are never values there; `Context({"keep": 1})` makes them so.

    `place` is the directory `<notebook>.jo`, made at the first write; without one nothing outlives the
    kernel. `keep` generations of each result stay on disk: what is said here, or JO_KEEP, or two; from `quota` bytes
    on (or JO_QUOTA, or never) `crowding` says that it is too much. Opening and looking read what the files say
    of themselves: no value is read, no code runs, damage is told in `damaged` and never raised.
    Threads may share a context, kernels may share a place. `define` is asked, with a step and a name, for
    what a value needs from the notebook and does not find there; it says whether the name is defined now.
    """

    OWN: ClassVar[frozenset[str]] = frozenset(
        {
            *("define", "keep", "quota"),
            *("_known", "_lock", "_disk", "_snapshot", "_trouble", "_key_trouble", "_sizes", "_claims"),
            *("_definitions", "_values", "_older", "_orchestra"),
        }
    )

    def __init__(
        self,
        place: str | os.PathLike[str] | Mapping[str, Any] | Iterable[tuple[str, Any]] | None = None,
        *,
        keep: int = 0,
        quota: int = 0,
        **values: Any,
    ) -> None:
        """Raises UsageError for a number that is none and for a store of job_orchestra, and as `update` for values."""
        if type(keep) is not int or type(quota) is not int:
            raise UsageError("keep and quota are numbers of a context: write Context({'keep': …}) for values.")
        where = place if isinstance(place, (str, os.PathLike)) else None
        given = items_of(*([] if place is where else [place]), **values)
        self.define: Callable[[str, str], bool] = lambda step, name: False
        self._known = Known()
        self._lock = self._known.lock
        self._disk: Disk | None = None
        self._snapshot: Snapshot | None = None
        self._trouble = ""
        self._key_trouble = ""
        self.keep = keep or keep_from(os.environ)
        self.quota = quota or quota_from(os.environ)
        self._sizes = Sizes()
        self._orchestra: OrchestraStore | None = None
        if where is not None and is_orchestras(os.path.abspath(where)):
            raise UsageError(f"{shown(os.fspath(where))} is a store of job_orchestra: open it with Context.load(path).")
        if where is not None:
            key = open_key()
            self._key_trouble = key.problem
            self._disk = Disk(os.path.abspath(where), key, self.keep)
        self._claims = Claims(self._disk.place, self._disk.scratch) if self._disk else None
        self._definitions = Definitions(self._disk)
        self._values = Values(self._known, self._disk)
        self._older = Older(self._known, self._disk, self._values)
        self.refresh()
        if given:
            self.give(given)

    def __repr__(self) -> str:
        return f"<Context of {len(self)} results in {self._disk.name if self._disk else 'memory'}>"

    def __getitem__(self, name: str) -> Any:
        """The value. Raises ResultMissing, ResultDamaged, UntrustedError or StoreError."""
        if not isinstance(name, str):
            raise ResultMissing(f"Nothing is kept under {name!r}: names are text.")
        if self._orchestra is not None and name != META and self.record(name) is None:
            self._orchestra.check([name])
        if name == META and self.record(META) is None:
            told = self._orchestra.meta if self._orchestra else None
            return AttrDict(told) if told is not None else meta_of(self.records.values())
        return self._values.read(name, self.define)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and self.held(name) != ""

    def __iter__(self) -> Iterator[str]:
        with self._lock:
            return iter(self._known.names())

    def __len__(self) -> int:
        with self._lock:
            return len(self._known.names())

    @property
    def place(self) -> Path | None:
        """The directory, or None."""
        return Path(self._disk.place) if self._disk else None

    @property
    def records(self) -> Mapping[str, Record]:
        """What is remembered of the result of each step: the newest, stored or not, or the generation in use."""
        with self._lock:
            return self._known.records()

    def record(self, name: str) -> Record | None:
        """One of `records`, at once."""
        with self._lock:
            return self._known.record(name)

    def at_hand(self, name: str) -> tuple[Any, Record] | None:
        """The value in memory and the record of just that value; None where there is none. Reads nothing."""
        with self._lock:
            held, record = self._known.held.get(name), self._known.record(name)
            return None if held is None or not held.has_value or record is None else (held.value, record)

    @property
    def version(self) -> int:
        """A number that grows with every change a plan could see; no two contexts share one."""
        return self._known.version

    @property
    def failures(self) -> Mapping[str, Failure]:
        """The last run of each step where that run raised."""
        with self._lock:
            return self._known.failures()

    @property
    def damaged(self) -> Mapping[str, str]:
        """What is wrong with the result of a step, the newest or the one in use, where it is not what was written."""
        with self._lock:
            return {name: found.damage for name, found in self._known.behind_none().items() if found.damage}

    @property
    def untrusted(self) -> frozenset[str]:
        """The steps whose result, the newest or the one in use, was made elsewhere."""
        with self._lock:
            waiting = (n for n, held in self._known.held.items() if held.pending and held.pending.runs_code)
            theirs = (n for n, found in self._known.behind_none().items() if found.footer and not found.ours)
            return frozenset((*waiting, *theirs))

    @property
    def problems(self) -> list[str]:
        """What is wrong with the store as a whole, with definitions when they were last read, with others' formats."""
        theirs = self._orchestra.problems if self._orchestra else ()
        told = (self._key_trouble, self._trouble, *theirs, *self._definitions.problems, *format_problems())
        return [text for text in told if text]

    def held(self, name: str) -> str:
        """Where the value is: "memory", "disk", or "" for nowhere."""
        with self._lock:
            return self._known.where(name)

    def is_stored(self, name: str) -> bool:
        """Whether the result that stands for a step is on disk, so that memory may let go of it."""
        record = self.record(name)
        return self._disk is not None and record is not None and not record.unsaved

    @property
    def only_in_memory(self) -> frozenset[str]:
        """The steps whose results the disk has not taken: they end with this process. Empty without a place."""
        with self._lock:
            alone = {name for name, held in self._known.held.items() if held.record is not None and held.record.unsaved}
        return frozenset(alone) if self._disk is not None else frozenset()

    def size(self) -> int:
        """Bytes on disk."""
        return self._disk.size() if self._disk else 0

    def put(
        self,
        record: Record,
        value: object,
        log: Log = (),
        *,
        format: str = "",
        keep: int = 0,
        no_store: bool = False,
    ) -> Record:
        """Keep a result; on disk it is durable when this returns. The record comes back completed.

        `format` is the one it is to be written in, empty for the best; `keep` is this step's own number of
        generations, 0 for that of the context; one that is in use stays. With `no_store` the value stays in memory.
        A value or a disk that refuses costs only this: the value stays in memory and `unsaved` says why.
        Raises StepNameError.
        """
        if self._disk is None:
            return self._hold(self._fresh(record), value, log)
        (done,) = self.put_all([(record, value, log)], format=format, keep=keep, no_store=no_store)
        return done

    def put_all(
        self, rows: Iterable[tuple[Record, object, Log]], *, format: str = "", keep: int = 0, no_store: bool = False
    ) -> list[Record]:
        """As `put`, for several results in one wave, which the disk takes in far less time than one by one."""
        rows = list(rows)
        if self._disk is None:
            return [self.put(*row) for row in rows]
        spared = [self.in_use(record.step) for record, _, _ in rows]
        held = [(self._begun(record, value, log), value, log) for record, value, log in rows]
        drafts = [drafted(record, value, log, wanted=format, no_store=no_store) for record, value, log in held]
        answers = save_results(self._disk, drafts, keep=keep or self.keep, spared=spared)
        return [
            self._hold(replace(record, unsaved=str(answer)), value, log)
            if isinstance(answer, ResultNotSaved)
            else self._stored(answer, value)
            for (record, value, log), answer in zip(held, answers, strict=True)
        ]

    def _begun(self, record: Record, value: object, log: Log) -> Record:
        """Whatever happens from now on, the value is in memory. Raises StepNameError."""
        record = self._fresh(record)
        self._hold(replace(record, unsaved=SAVING), value, log)
        return record

    def _fresh(self, record: Record) -> Record:
        """The record of a value that is not stored yet. Raises StepNameError."""
        check_stored_name(record.step)
        python = python_version()
        if record.python == python and not (record.size or record.format or record.unsaved):
            return record
        return replace(record, python=python, size=0, format="", unsaved="")

    def _stored(self, found: Found[Record], value: object) -> Record:
        """The disk has a result: from now on it is told of, and a failure before it is not."""
        assert self._disk is not None
        assert found.record is not None
        with self._lock:
            self._known.store(found, value)
            failed = self._known.drop_failure(found.step)
        if failed:
            with contextlib.suppress(OSError):  # its number says already that it is overtaken
                self._disk.failures.forget(found.step)
        return found.record

    def bring(self, other: Context) -> None:
        """Keep what another context could not store, or was given and has no place for, where nothing is here."""
        alone = [row for row in other.records.items() if row[1].unsaved or (other.place is None and row[1].is_given)]
        held = [(name, r) for name, r in alone if name not in self.records and other.held(name) == "memory"]
        aside = {name for name, record in held if record.is_given and self._why_in_memory(name)}
        for no_store in (False, True):
            rows = [row for row in held if row[0] not in aside and (row[1].unsaved == NO_STORE) is no_store]
            self.put_all(((record, other[name], other.log(name)) for name, record in rows), no_store=no_store)
        for name in aside:
            self._hold(other.records[name], other[name], other.log(name))

    def fail(self, failure: Failure, log: Log = ()) -> None:
        """Keep the story of a run that raised, on disk where it takes it. Raises StepNameError."""
        name = check_stored_name(failure.step)
        with self._lock:
            self._known.fail(failure, log)
            after = self._known.seq(name)
        if self._disk is None:
            return
        with contextlib.suppress(ResultNotSaved):
            found = save_failure(self._disk, failure, log, after=after)
            with self._lock:
                self._known.store_failure(found)

    def log(self, name: str) -> Log:
        """What the step's last run printed if it failed, else what made the result. Raises ResultDamaged."""
        return self._values.log(name)

    def runs(self, name: str) -> list[Kept]:
        """The runs of which something is kept: what `log` is of, then the others, newest first. Reads no value."""
        return runs_of(self._known, self._disk, self._older, name)

    def forget(self, *names: str) -> None:
        """Drop results, failures and logs of these steps, all generations. Raises StoreError."""
        for name in names:
            if self._disk is not None:
                self._disk.forget(name)
            with self._lock:
                self._known.forget(name)

    def older(self, name: str) -> list[tuple[int, Record]]:
        """The whole generations on disk before the newest, newest first, whichever is in use; strangers' too.

        Only their footers are read, once. A record may say that its value is `unsaved`.
        """
        return self._older.rows(name)

    def others(self, name: str) -> list[tuple[int, Record]]:
        """Number and record of every whole result on disk other than the one that stands for the step, newest first.

        The newest has the number 0; results whose value could not be stored are left out.
        """
        used = self.in_use(name)
        rows = [(n, record) for n, record in self.older(name) if n != used and not record.unsaved]
        if used:
            with self._lock:
                newest = self._known.disk_results.get(name)
            if newest is not None and newest.record is not None and not newest.damage and not newest.record.unsaved:
                rows.insert(0, (0, newest.record))
        return rows

    def use(self, name: str, number: int) -> bool:
        """Let an older generation stand for its step, until a newer result is there; 0 for the newest again.

        False, and nothing changes, where this generation is not there or the only copy of a result is in
        memory. Never raises. Should another kernel prune it, reading its value raises ResultMissing once.
        """
        return self._older.use(name, number)

    def in_use(self, name: str) -> int:
        """The number of the older generation that stands for a step; 0 where the newest does."""
        if not self._known.used:  # as nearly always
            return 0
        with self._lock:
            return self._known.in_use(name)

    def bless(self, name: str, record: Record, *, keep: int = 0) -> Record:
        """Commit the result in use, value and log untouched, as the newest one with this record; it comes back.

        Size, format and Python stay. Raises ResultMissing, ResultDamaged, UntrustedError or ResultNotSaved.
        """
        return self._older.bless(name, record, keep=keep or self.keep)

    def rename(self, old: str, new: str, *, copy: bool = False) -> bool:
        """Give `new` all that is kept under `old`, which loses it unless `copy`; numbers and logs stay.

        False, and nothing changes, where `new` has something, `old` has nothing that is whole, or something was
        made elsewhere. What is damaged stays under `old`. After a kill both may have all: say it again.
        Raises StepNameError, and StoreError of the disk.
        """
        check_stored_name(new)
        return rename(self._known, self._disk, old, new, copy=copy, then=self.refresh)

    def drop_memory(self, name: str) -> None:
        """Let go of the copy in memory; the next read comes from disk."""
        with self._lock:
            self._known.let_go(name)

    def refresh(self) -> None:
        """See what other kernels have written; values in memory that are older than that are let go."""
        if self._disk is None:
            return
        with self._lock, no_search():
            self._values.drop_torn()
            try:
                fresh = self._disk.scan(self._known.index)
            except OSError as error:
                self._trouble = f"Cannot read {self._disk.name}: {refusal(error, self._disk.place)}."
                return
            used = self._older.reread()
            other, found = self._disk.newer or self._disk.older, self._disk.obstacle()
            self._trouble = f"{self._disk.name}: {other}." if other else ""
            gone = "" if os.path.isdir(self._disk.place) else f"{self._disk.name} is gone"
            if found:
                gone = f"cannot use {self._disk.name}: {advised(found)}"
                self._trouble = f"C{gone[1:]}."
            self._known.reread(fresh, used, gone=gone)

    def claim(
        self,
        name: str,
        digest: str | Callable[[], str],
        *,
        waiting: Callable[[Owner], None],
        pause: Callable[[float], object] | None = None,
    ) -> AbstractContextManager[bool]:
        """Run a step in this block, and nobody else meanwhile; `digest` is of the fingerprint it runs for, or gives it.

        Waits while another kernel runs it, and tells `waiting` once who that is; where the owner `is_unsure`, nobody
        waits. Entering gives whether a newer result than before is known then. Where nobody can lock, or there is
        no disk, the block simply runs. KeyboardInterrupt ends the wait. Raises what `waiting` does, and `pause`, which
        waits so many seconds where it is given.
        """
        if self._claims is None or self._disk is None or self._disk.newer:
            return UNCLAIMED
        digest = digest if isinstance(digest, str) else digest()
        return Claim(self._claims, name, digest, waiting, lambda: self._look(name), pause)

    def look(self, name: str) -> bool:
        """See what the disk has of one step now; whether that is a newer, whole result than was known."""
        return self._disk is not None and self._look(name)

    def put_plain(
        self, record: Record, value: object, log: Log = (), *, format: str = "", keep: int = 0
    ) -> Record | None:
        """As `put`, and only where the value can be written without a pickle and the disk takes it; else None.

        Then nothing has changed.
        """
        check_stored_name(record.step)
        if self._disk is None:
            return None
        record = replace(record, python=python_version(), size=0, format="", unsaved="")
        draft = drafted(record, value, log, wanted=format, plain=True)
        spared = [self.in_use(record.step)]
        if draft.refusal:
            return None
        (answer,) = save_results(self._disk, [draft], keep=keep or self.keep, spared=spared)
        return None if isinstance(answer, ResultNotSaved) else self._stored(answer, value)

    def running_elsewhere(self) -> list[Owner]:
        """Which steps other kernels are running now, and who they are; what killed ones left does not count."""
        return self._claims.owners() if self._claims else []

    def settle(self) -> None:
        """After a run: write down what the files say of themselves, where that makes the next opening quicker.

        Never raises.
        """
        if self._disk is None:
            return
        with self._lock:
            self._disk.settle(self._known.index, self._definitions.to_remember())

    def foreign(self) -> list[Foreign]:
        """All that is whole and was made elsewhere, as it tells of itself; no value is read. Raises StoreError."""
        theirs = self._orchestra.foreign() if self._orchestra else []
        return [*theirs, *(foreign(self._disk, self._definitions) if self._disk else [])]

    def elsewhere(self, name: str, number: int) -> str:
        """Whether a generation of a step (0: the newest) was made elsewhere: "data" loads as it is, "code" waits for
        trust, "" is ours. Of older ones it is known once `older` has looked.
        """
        with self._lock:
            return self._known.elsewhere(name, number)

    def trust(self, *names: str) -> list[str]:
        """Take what was made elsewhere as one's own, so that loading it may run its code; see `foreign` before.

        Everything that is whole is read through, checked and signed, of these steps or of all; the names concerned
        come back. What lies in a store of job_orchestra is not signed: this context may read it. Raises StoreError.
        """
        if self._orchestra is not None:
            with self._lock:
                self._known.touch()
                return self._orchestra.trust(names)
        if self._disk is None:
            return []
        signed = {*self._disk.resign(names), *self._definitions.resign(names)}
        self.refresh()
        with self._lock:
            self._known.touch()
        return sorted(signed)

    def save_definition(self, name: str, data: dict[str, Any]) -> None:
        """Remember a step's definition, plain data; nothing is written if it is there. Raises StoreError."""
        self._definitions.save(check_stored_name(name), data)

    def save_definitions(self, rows: Mapping[str, dict[str, Any]]) -> None:
        """As `save_definition`, for many at once, which the disk takes in far less time. Some may be kept even so."""
        self._definitions.save_all({check_stored_name(name): data for name, data in rows.items()})

    def drop_definition(self, name: str) -> None:
        """Remove a step's definition. Raises StoreError."""
        self._definitions.drop(name)

    def definitions(self) -> dict[str, tuple[dict[str, Any], bool]]:
        """The remembered definitions, each with whether it is ours; damaged ones are in `problems`."""
        return self._definitions.read()

    def _look(self, name: str) -> bool:
        """See what the disk has of one step now; whether that is a newer, whole result."""
        assert self._disk is not None
        with self._lock:
            before, seq = self._known.disk_results.get(name), self._known.seq(name)
            found = self._disk.results.look(stem_of(name), before)
            found = found if found is None else self._disk.checked(found)
            if found == before:
                return False
            self._known.reread_one(name, found, self._older.reread())
            return found is not None and found.seq > seq and not found.damage

    def _hold(self, record: Record, value: object, log: Log) -> Record:
        with self._lock:
            self._known.hold(record.step, value, record, log)
        return record
