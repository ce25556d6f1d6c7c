"""A context as a dict one can write into, with attribute access, as job_orchestra's users know it.

What is written is kept like any result, and is marked as put in by hand. `[]` reaches every name; an attribute is
first of all one of our own, then a name as it is spelt, then the only name that answers to it (`a b` to `a_b`).
"""

from __future__ import annotations

import copy
import platform
import time
from abc import abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, MutableMapping
from dataclasses import replace
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Never, Self

from jo_notebook.core.attributes import AttrDict, attributes_of, key_of
from jo_notebook.core.given import given_record
from jo_notebook.core.record import Record
from jo_notebook.errors import (
    AttributeMissing,
    NotAName,
    NotOffered,
    ResultMissing,
    StepNameError,
    UsageError,
    did_you_mean,
)
from jo_notebook.store.disk import Disk
from jo_notebook.store.facts import Log
from jo_notebook.store.names import check_stored_name

META = "context_meta"
"""A name under which job_orchestra keeps when and with what a context was made: told where nobody has written it."""


class Writable(MutableMapping[str, Any]):
    """The half of `Context` that is a dict."""

    OWN: ClassVar[Collection[str]] = frozenset()
    """The attributes of a context itself, which are no results."""

    keep: int
    quota: int
    _disk: Disk | None

    if TYPE_CHECKING:

        def __init__(self, place: Any = None, *, keep: int = 0, quota: int = 0, **values: Any) -> None: ...

    @property
    @abstractmethod
    def records(self) -> Mapping[str, Record]:
        """What is remembered of each result."""

    @abstractmethod
    def record(self, name: str) -> Record | None:
        """One of `records`."""

    @abstractmethod
    def log(self, name: str) -> Log:
        """What a step printed."""

    @abstractmethod
    def put_all(self, rows: Iterable[tuple[Record, object, Log]]) -> list[Record]:
        """Keep results, on disk where that is."""

    @abstractmethod
    def _hold(self, record: Record, value: object, log: Log) -> Record:
        """Keep a result in memory."""

    @abstractmethod
    def forget(self, *names: str) -> None:
        """Drop results."""

    # -- what is put in by hand ----------------------------------------------------------------------

    def give(self, values: Mapping[str, Any]) -> list[Record]:
        """Keep values as put in by hand: each counts as the result of its step until it is forced to run or forgotten.

        A name that begins with a dot, or that no file can have, is kept in memory only; so is a value that cannot be
        stored. The records come back, in this order. Raises NotAName for a name that is no text.
        """
        now = time.time()
        rows = [
            (given_record(name, value, when=now, before=self.record(name)), value)
            for name, value in items_of(values).items()
        ]
        aside = {record.step: self._why_in_memory(record.step) for record, _ in rows}
        stored = iter(self.put_all((record, value, ()) for record, value in rows if aside[record.step] is None))
        return [
            next(stored)
            if (why := aside[record.step]) is None
            else self._hold(replace(record, python=self.python_version(), unsaved=why), value, ())
            for record, value in rows
        ]

    def _why_in_memory(self, name: str) -> str | None:
        """Why a value put in under this name stays in memory, empty where all do; None where it goes to disk."""
        if self._disk is None:
            return ""
        if name.startswith("."):
            return "its name begins with a dot"
        try:
            check_stored_name(name)
        except StepNameError as error:
            return str(error).rstrip(".")
        return None

    # -- items ---------------------------------------------------------------------------------------

    def __setitem__(self, name: str, value: Any) -> None:
        """Keep a value as the result of this step, put in by hand. Raises NotAName for what is no text."""
        self.give({name: value})

    def __delitem__(self, name: str) -> None:
        """Forget a result, on disk too. Raises ResultMissing and StoreError."""
        if not isinstance(name, str) or (name not in self and name not in self.records):
            raise ResultMissing(f"Nothing is kept under {name!r}." + did_you_mean(str(name), self))
        self.forget(name)

    def update(self, *others: Any, **values: Any) -> None:
        """Put in the items of a mapping or of pairs, and those named, in one wave. Raises NotAName."""
        self.give(items_of(*others, **values))

    def popitem(self) -> tuple[str, Any]:
        """Take out the last name and its value. Raises ResultMissing where nothing is left."""
        names = list(self)
        if not names:
            raise ResultMissing("Nothing is kept here: there is nothing to take out.")
        return names[-1], self.pop(names[-1])

    def clear(self) -> None:
        """Forget everything, on disk too. Raises StoreError."""
        self.forget(*dict.fromkeys([*self, *self.records]))

    def to_dict(self) -> dict[str, Any]:
        """A dict of all results; each is read."""
        return dict(self)

    def to_list(self) -> list[tuple[str, Any]]:
        """The items of that dict."""
        return list(self.items())

    def __reversed__(self) -> Iterator[str]:
        return reversed(list(self))

    def __or__(self, other: Mapping[str, Any]) -> Any:
        return {**self, **other} if isinstance(other, Mapping) else NotImplemented

    def __ror__(self, other: Mapping[str, Any]) -> Any:
        return {**other, **self} if isinstance(other, Mapping) else NotImplemented

    def __ior__(self, other: Any) -> Self:  # type: ignore[misc]
        self.update(other)
        return self

    def __eq__(self, other: object) -> bool:
        """Two contexts are equal only where they are one; with any other mapping the contents are compared."""
        if isinstance(other, Writable) or not isinstance(other, Mapping):
            return self is other if isinstance(other, Writable) else NotImplemented
        return self.keys() == other.keys() and all(_are_equal(self[name], other[name]) for name in self)

    __hash__ = object.__hash__

    def copy(self) -> Self:
        """A context in memory with the same values and records; each value is read. Raises as reading does."""
        other = type(self)()
        for name in self:
            if (record := self.record(name)) is not None:
                other._hold(replace(record, unsaved=""), self[name], self.log(name))
        return other

    def __reduce__(self) -> tuple[Any, ...]:
        """A context with a place is opened again there; what only memory has goes along."""
        place = self._disk.place if self._disk and not self._disk.frozen else None
        rows = [(r, self[n], self.log(n)) for n, r in self.records.items() if n in self and (not place or r.unsaved)]
        return _again, (type(self), place, self.keep, self.quota, rows)

    def __copy__(self) -> Self:
        return self.copy()

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        other = self.copy()
        for name, record in other.records.items():
            other._hold(record, copy.deepcopy(other[name], memo), other.log(name))
        return other

    # -- attributes ----------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        """The result that an attribute means. Raises AttributeMissing, and what reading a result raises."""
        if name in self.OWN:  # on the way to being made
            raise AttributeError(name)
        if name == META:
            return self[META]
        return self[key_of(name, self, "the context")]

    def __setattr__(self, name: str, value: Any) -> None:
        """Keeps a value as put in by hand. Raises AttributeMissing for a name of ours."""
        if name in self.OWN:
            object.__setattr__(self, name, value)
        elif hasattr(type(self), name):
            raise AttributeMissing(f"{name} is an attribute of contexts: write ctx[{name!r}] = … to keep a result.")
        else:
            self[key_of(name, self, "the context", new=True)] = value

    def __delattr__(self, name: str) -> None:
        """Forgets a result. Raises AttributeMissing for a name of ours, and where there is none."""
        if name in self.OWN or hasattr(type(self), name):
            raise AttributeMissing(f"{name} is an attribute of contexts: write del ctx[{name!r}] to forget a result.")
        del self[key_of(name, self, "the context")]

    def _ipython_key_completions_(self) -> list[str]:
        return list(self)

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *attributes_of(self)]

    # -- what job_orchestra's contexts have beside ---------------------------------------------------------

    @staticmethod
    def python_version() -> str:
        """The Python of this process, for instance 3.11.9."""
        return platform.python_version()

    @staticmethod
    def sklearn_version() -> str:
        """The scikit-learn that is installed, which is not imported for it. Raises UsageError where there is none."""
        from importlib.metadata import PackageNotFoundError, version  # slow to import, and seldom asked for

        try:
            return version("scikit-learn")
        except PackageNotFoundError:
            raise UsageError("scikit-learn is not installed here, so it has no version: pip install it.") from None

    def to_json(self, *args: object, **options: object) -> Never:
        """Refused, as in job_orchestra. Raises NotOffered, which names `store`."""
        raise NotOffered("Use .store() instead: a context is written as a directory, with .store(path).")

    @classmethod
    def from_json(cls, *args: object, **options: object) -> Never:
        """Refused, as in job_orchestra. Raises NotOffered, which names `load`."""
        raise NotOffered("Use .load() instead: a stored context is opened with Context.load(path).")


def meta_of(records: Iterable[Record]) -> AttrDict:
    """What job_orchestra tells of a context: the day of the oldest result, or today; Python and scikit-learn."""
    times = [record.when for record in records if record.when]
    try:
        day = datetime.fromtimestamp(min(times)).date() if times else date.today()
    except (ValueError, OverflowError, OSError):
        day = date.today()
    try:
        sklearn = Writable.sklearn_version()
    except UsageError:
        sklearn = ""
    return AttrDict(created_on=str(day), python=Writable.python_version(), sklearn=sklearn)


def items_of(*others: Any, **values: Any) -> dict[str, Any]:
    """The items of a mapping or of pairs, and those named. Raises NotAName for a name that is no text, UsageError."""
    found: dict[Any, Any] = {}
    if len(others) > 1:
        raise UsageError(f"Give one mapping, or one list of pairs, not {len(others)}.")
    try:
        for other in others:
            found.update({} if other is None else other)
    except (TypeError, ValueError):
        what = type(others[0]).__name__
        raise UsageError(f"Give a mapping of names to values, or pairs of both, not {what}.") from None
    found.update(values)
    for name in found:
        if not isinstance(name, str):
            raise NotAName(f"{name!r} is no name for a result, because it is no text: say {str(name)!r}.")
    return found


def _are_equal(one: Any, other: Any) -> bool:
    """As a dict compares; values that give no plain answer, such as frames, are equal where their versions are."""
    if one is other:
        return True
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 - the user's objects may raise anything when they are compared
        from jo_notebook.core.version import version_of

        return version_of(one).digest == version_of(other).digest


def _again(kind: type[Writable], place: str | None, keep: int, quota: int, rows: Iterable[Any]) -> Writable:
    """A context out of a pickle."""
    context = kind(place, keep=keep, quota=quota)
    for record, value, log in rows:
        context._hold(record, value, log)
    return context
