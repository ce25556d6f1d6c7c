"""The results of a store that job_orchestra wrote, taken into one of ours.

What can be read without running code is read and kept as put in by hand. What is, or holds, a pickle is not read: it
becomes a stranger's result of ours, listed and not loaded before somebody trusts it.
"""

from __future__ import annotations

import pickle
import secrets
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from functools import partial
from typing import Any

from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.fingerprint import digest_of
from jo_notebook.core.given import by_hand, given_record
from jo_notebook.core.record import Record
from jo_notebook.errors import ResultNotSaved, StepNameError, StoreError
from jo_notebook.store.disk import Disk
from jo_notebook.store.facts import Log
from jo_notebook.store.generation import Footer
from jo_notebook.store.hashes import algorithm
from jo_notebook.store.known import Known
from jo_notebook.store.loading import Taken
from jo_notebook.store.names import check_stored_name
from jo_notebook.store.orchestra import LEVEL, OrchestraStore
from jo_notebook.store.sections import write_sections
from jo_notebook.store.sidefiles import PICKLE, Side, Unusable
from jo_notebook.store.snapshots import add_unsigned

HERE = "it is here already"
Put = Callable[[Iterable[tuple[Record, object, Log]]], list[Record]]


def adopt(known: Known, disk: Disk, path: str, names: Collection[str], put: Put) -> Taken:
    """Take in these results, or all; `put` keeps ours. Raises ResultMissing for an unknown name, StoreError."""
    store = OrchestraStore(path)
    store.check(names)
    taken: list[str] = []
    left: dict[str, str] = {}
    for name in sorted(set(names) or store.names()):
        try:
            why = _why_not(known, name) or _adopted(known, disk, store, name, put)
        except ResultNotSaved as error:
            raise StoreError(f"{name} cannot be taken in: {error}.") from error
        except (StoreError, Unusable) as error:
            why = store.failed.setdefault(name, str(error).rstrip("."))
        if why:
            left[name] = why
        else:
            taken.append(name)
    return Taken(tuple(taken), {**left, **_about(store.failed, names)})


def _adopted(known: Known, disk: Disk, store: OrchestraStore, name: str, put: Put) -> str:
    """Take in one result; why it was not, or nothing. Raises StoreError, Unusable, and ResultNotSaved of the disk."""
    is_meta = name not in store.names()
    if not is_meta and store.waits(name):
        return "" if _add_pickle(known, disk, store, name) else HERE
    value = store.meta if is_meta else store.value(name)
    record = given_record(name, value, when=store.when)
    if _is_here(known, record):
        return HERE
    (record,) = put([(record, value, ())])
    return f"{record.unsaved}; it is in memory only" if record.unsaved else ""


def _about(failed: dict[str, str], names: Collection[str]) -> dict[str, str]:
    """What concerns these names, or all, and parts of them."""
    return {name: why for name, why in failed.items() if not names or name.partition(LEVEL)[0] in names}


def _why_not(known: Known, name: str) -> str:
    try:
        check_stored_name(name)
    except StepNameError as error:
        return str(error).rstrip(".")
    with known.lock:
        held = known.held.get(name)
    if held is not None and held.record is not None:
        return "this kernel has a result in memory only"
    return ""


def _is_here(known: Known, record: Record) -> bool:
    with known.lock:
        mine = known.record(record.step)
    return mine is not None and mine.fingerprint == record.fingerprint and mine.exact


def _add_pickle(known: Known, disk: Disk, store: OrchestraStore, name: str) -> bool:
    """A result with pickles in it as one pickle, which nobody has signed and nothing here has read.

    False where it is here already. Raises Unusable, ResultNotSaved.
    """
    stream = _stream(store, name)
    version = digest_of(stream)
    record = Record(name, by_hand(version), version, exact=False, when=store.when, size=len(stream), format="pickle")
    record = replace(record, python=store.python)
    with known.lock:
        mine = known.record(name)
    if mine is not None and mine.fingerprint == record.fingerprint:
        return False
    minor, hashed = ".".join(store.python.split(".")[:2]), algorithm()
    footer = Footer("result", name, 0, secrets.token_hex(8), record.to_json(), codec="pickle", python=minor)
    footer = replace(footer, hash=hashed)
    payloads = {"value": [stream], "log": [b"[]"]}
    add_unsigned(disk, footer, partial(write_sections, payloads=payloads, algorithm=hashed))
    return True


class _Within:
    """A pickle inside of a pickle: read only when the whole is."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def __reduce__(self) -> tuple[Callable[[bytes], Any], tuple[bytes]]:
        return pickle.loads, (self._data,)


def _stream(store: OrchestraStore, name: str) -> bytes:
    """Raises Unusable where the result is one pickle whose file cannot be read."""
    tree = store.tree(name)
    if type(tree) is Side:
        with tree.open() as handle:
            return handle.read()
    return pickle.dumps(_with_pickles(store, tree, name), protocol=5)


def _with_pickles(store: OrchestraStore, value: Any, name: str) -> Any:
    """The dict as it will be, what runs code not read; what cannot be read is left out and told."""
    found = AttrDict()
    for key, item in value.items():
        path = f"{name}{LEVEL}{key}"
        try:
            if type(item) is AttrDict:
                found[key] = _with_pickles(store, item, path)
            elif type(item) is Side and item.kind == PICKLE:
                with item.open() as handle:
                    found[key] = _Within(handle.read())
            else:
                found[key] = item.read() if type(item) is Side else item
        except (StoreError, Unusable) as error:
            store.failed.setdefault(path, str(error).rstrip("."))
    return found
