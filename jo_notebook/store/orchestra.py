"""A store that job_orchestra 1.1.4 wrote, read without running its code and without any of its packages.

    <store>/  master_record.json  <name>_-_pd.DataFrame.parquet  <name>_-_np.ndarray.npy  <name>_-_pickle.pickle  …

The record is one flat JSON object: `a;;b` is the key b of the dict a, a mark behind the name says what a side file
holds. A result is read when it is asked for; one that holds a pickle waits for trust. What cannot be read is told in
`problems` and is left out, and the rest is there.
"""

from __future__ import annotations

import ast
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from typing import Any

from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.fingerprint import digest_of
from jo_notebook.core.given import by_hand, given_record
from jo_notebook.core.record import Record
from jo_notebook.errors import ResultMissing, StoreError, UntrustedError, did_you_mean
from jo_notebook.store.foreign import Foreign
from jo_notebook.store.held import Held
from jo_notebook.store.loading import RECORD
from jo_notebook.store.mapping import META
from jo_notebook.store.refusals import shown
from jo_notebook.store.sidefiles import READERS, Side, Unusable, find

LEVEL = ";;"
DICT = "_-_Cleverdict"
FULL = {"_mapping_encoded", "_aliases", "_vars"}
DEEPEST = 100
LARGEST = 1 << 30
LONGEST_KEY = 10_000


class OrchestraStore:
    """Such a store, looked at: names and problems are known, side files are not read yet.

    Raises StoreError where the record itself makes no sense.
    """

    def __init__(self, path: str) -> None:
        self.place = path
        self.name = shown(os.path.basename(path))
        self.trusted: set[str] = set()
        self.failed: dict[str, str] = {}
        """What cannot be read and why, by the name it has in the record."""
        self.meta: dict[str, Any] | None = None
        self._tree: AttrDict = AttrDict()
        self._files: dict[str, str] = {}
        flat, self.when = _record_of(path)
        for name, value in flat.items():
            self._place(name, value)
        if type(self._tree.get(META)) is AttrDict and not any(_sides(self._tree[META])):
            self.meta = self._tree.pop(META)

    @property
    def problems(self) -> list[str]:
        """A sentence for each part that cannot be read, and for each that is waiting for trust."""
        told = [f"{self.name}: {shown(name)} cannot be read: {why}." for name, why in self.failed.items()]
        waiting = [name for name in self.names() if self.waits(name)]
        names = ", ".join(map(shown, waiting))
        return [*told, *([f"{self.name}: {names} may run code when read, and wait for trust."] if waiting else [])]

    def names(self) -> list[str]:
        """The results that can be had, now or after trust."""
        return [name for name, value in self._tree.items() if not (type(value) is Side and value.why)]

    def sides(self, name: str) -> list[Side]:
        """The side files of a result that can be had."""
        return [side for _, side in _sides(self._tree[name], name) if not side.why]

    def tree(self, name: str) -> Any:
        """A result with a `Side` in the place of each value that is a file of its own."""
        return self._tree[name]

    def waits(self, name: str) -> bool:
        """Whether a result is read only after trust."""
        return name not in self.trusted and any(side.runs_code for side in self.sides(name))

    def check(self, names: Collection[str]) -> None:
        """Raises ResultMissing for a name that is not in the store, or cannot be read."""
        there = [*self.names(), *([META] if self.meta else [])]
        for name in names:
            if name not in there:
                why = f": {self.failed[name]}" if name in self.failed else ""
                raise ResultMissing(f"{self.name} has nothing under {name!r}{why}." + did_you_mean(name, there))

    def trust(self, names: Collection[str] = ()) -> list[str]:
        """From now on these results, or all, may run their code; those that had to wait for it."""
        waiting = [name for name in self.names() if (not names or name in names) and self.waits(name)]
        self.trusted.update(waiting)
        return sorted(waiting)

    def value(self, name: str) -> Any:
        """A result, read now, without what cannot be read inside. Raises StoreError, UntrustedError, ResultMissing."""
        if self.waits(name):
            raise UntrustedError(
                f"{name} in {self.name} is, or holds, a pickle: reading it may run code of whoever made it. Say "
                f"ctx.trust({name!r}) if you trust where it comes from."
            )
        found = self._read(self._tree[name], name)
        if found is Side:
            raise StoreError(f"{name} in {self.name} cannot be read: {self.failed[name]}.")
        return found

    def held(self, name: str) -> Held:
        """A result as a context holds it: at once where it is in the record, else to be read when it is asked for."""
        if self.sides(name):
            return Held(None, record=self.record(name), has_value=False, pending=OrchestraValue(self, name))
        return Held(self.value(name), record=self.record(name))

    def record(self, name: str) -> Record:
        """What is known of a result: exactly, where it is in the record itself, else as far as its files tell."""
        sides = self.sides(name)
        if not sides:
            return given_record(name, self._read(self._tree[name], name), when=self.when)
        told = digest_of(name, *(word for side in sides for word in (os.path.basename(side.path), side.mark)))
        size, python = self.size(name), self.python
        return Record(name, by_hand(told), told, exact=False, when=self.when, size=size, python=python)

    def size(self, name: str) -> int:
        """Bytes of the side files of a result."""
        return sum(side.size for side in self.sides(name))

    @property
    def python(self) -> str:
        """Which Python wrote it, as far as the store tells."""
        found = (self.meta or {}).get("python", "")
        return found if isinstance(found, str) and found.replace(".", "").isalnum() else ""

    def foreign(self) -> list[Foreign]:
        """What waits for trust."""
        waiting = sorted(filter(self.waits, self.names()))
        return [
            Foreign(name, 0, "result", "pickle", self.size(name), self.when, self.python, runs_code=True)
            for name in waiting
        ]

    # -- inside --------------------------------------------------------------------------------------

    def _place(self, flat: str, value: Any) -> None:
        """Put one row of the record where it belongs in the tree."""
        mark = next((mark for mark in (*READERS, DICT) if flat.endswith(mark)), "")
        name = flat.removesuffix(mark)
        if mark == DICT and type(value) is dict:
            value = AttrDict(value)
        elif mark in READERS and type(value) is str:
            value = find(mark, self.place, value)
            self._note(name, value)
        else:
            name = flat  # a name of the user's that only looks so
        *outer, last = name.split(LEVEL)
        level = self._tree
        if len(outer) >= DEEPEST:
            self.failed[f"{name[:80]}…"] = "it is nested too deeply"
            return
        for key in outer:
            level = level.setdefault(key, AttrDict())
            if type(level) is not AttrDict:
                self.failed[name] = f"{key} is a value in the record, and a dict as well"
                return
        level[last] = value

    def _note(self, name: str, side: Side) -> None:
        """Of two names that share one file, the first was lost when the second was stored."""
        if side.why:
            self.failed[name] = side.why
            return
        if lost := self._files.get(side.path):
            self.failed[lost] = f"{name} has the same file, and was written over it"
            self._lose(lost.split(LEVEL), self.failed[lost])
        self._files[side.path] = name

    def _lose(self, path: list[str], why: str) -> None:
        level = self._tree
        for key in path[:-1]:
            level = level[key]
        level[path[-1]] = replace(level[path[-1]], why=why)

    def _read(self, value: Any, name: str) -> Any:
        """A part of the tree as a value; `Side` itself where it cannot be read, which is told."""
        if type(value) is Side:
            try:
                return value.read()
            except (Unusable, StoreError) as error:
                self.failed[name] = str(error).rstrip(".")
                return Side
        if type(value) is not AttrDict:
            return value
        read = ((key, self._read(item, f"{name}{LEVEL}{key}")) for key, item in value.items())
        return AttrDict((key, item) for key, item in read if item is not Side)


@dataclass(frozen=True, slots=True)
class OrchestraValue:
    """One result, to be read when it is asked for."""

    store: OrchestraStore
    name: str

    @property
    def runs_code(self) -> bool:
        """Whether it waits for trust."""
        return self.store.waits(self.name)

    def __call__(self) -> Any:
        """The value. Raises StoreError, UntrustedError."""
        return self.store.value(self.name)


def _sides(value: Any, name: str = "") -> Iterator[tuple[str, Side]]:
    if type(value) is Side:
        yield name, value
    elif type(value) is AttrDict:
        for key, item in value.items():
            yield from _sides(item, f"{name}{LEVEL}{key}")


def _record_of(path: str) -> tuple[dict[str, Any], float]:
    """The flat record, and when it was written. Raises StoreError."""
    file = os.path.join(path, RECORD)
    try:
        info = os.stat(file)
        if info.st_size > LARGEST:
            raise StoreError(f"{shown(file)} is larger than any that is read.")
        with open(file, encoding="utf-8") as handle:
            found = json.load(handle)
    except OSError as error:
        raise StoreError(f"Cannot read {shown(file)}: {error.strerror or error}.") from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise StoreError(f"{shown(file)} is no record of job_orchestra ({type(error).__name__}: {error}).") from None
    if type(found) is dict and set(found) == FULL and type(found["_mapping_encoded"]) is dict:
        found = {_unquoted(key): value for key, value in found["_mapping_encoded"].items()}
    if type(found) is not dict:
        raise StoreError(f"{shown(file)} is no record of job_orchestra: an object was expected.")
    return found, info.st_mtime


def _unquoted(key: str) -> str:
    """A key as `fullcopy` writes it, the text of a Python literal; whatever else it is stays as it is."""
    try:
        found = ast.literal_eval(key) if len(key) <= LONGEST_KEY else key
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return key
    return found if type(found) is str else key
