"""What a store's files say of themselves, gathered in one signed file: opening reads one file and not thousands.

It can be lost, out of date or damaged at any time: whatever it tells is used only where the file it tells of still
has the same mark, and only where our own key signed it. Nothing else depends on it.
"""

from __future__ import annotations

import contextlib
import hmac
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from jo_notebook.core.record import Failure, Record
from jo_notebook.store.generation import Footer
from jo_notebook.store.publish import open_plain
from jo_notebook.store.reading import Found, Reader
from jo_notebook.store.scratch import Scratch
from jo_notebook.store.seals import Seals
from jo_notebook.store.trust import Key

NAME = "index"
VERSION = 1
MANY = 32
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Remembered:
    """The contents: rows of each shelf by its kind, of definitions by file, and seals by path below the store."""

    shelves: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    definitions: Mapping[str, Any] = field(default_factory=dict)
    seals: Mapping[str, Any] = field(default_factory=dict)

    def differs_much(self, former: Remembered) -> bool:
        """Whether writing this down pays: a large file is newly known to be whole, or many small ones are new."""
        rows = [(self.definitions, former.definitions)]
        rows += [(now, former.shelves.get(kind, {})) for kind, now in self.shelves.items()]
        new = sum(_number(row) != _number(old.get(name)) for now, old in rows for name, row in now.items())
        return bool(set(self.seals) - set(former.seals)) or new >= max(MANY, sum(len(now) for now, _ in rows) // 10)


def _number(row: Any) -> Any:
    """What tells one row from a later one: the mark of its file, and whether its directory need not be listed."""
    return None if row is None else [bool(row[0]), *row[2]] if isinstance(row[1], int) else list(row[0])


NOTHING = Remembered()


class IndexFile:
    """The file of one store, and what it told when it was last read or written."""

    def __init__(self, place: str, key: Key, scratch: Scratch, seals: Seals) -> None:
        self.remembered = NOTHING
        self._place, self._key, self._scratch, self._seals = place, key, scratch, seals

    def recall(
        self, results: Reader[Record], failures: Reader[Failure], checked: Callable[[Found[Any]], Found[Any]]
    ) -> tuple[dict[str, Found[Record]], dict[str, Found[Failure]]]:
        """Read it: results and failures as they were then, each to be used only where its mark is still the same."""
        self.remembered = _read(self._place, self._key)
        rows = {os.path.join(self._place, path): row for path, row in self.remembered.seals.items()}
        self._seals.recall({path: (tuple(mark), float(when)) for path, (mark, when) in rows.items()})
        shelves = self.remembered.shelves
        return (
            _recalled(results, shelves.get("result", {}), checked),
            _recalled(failures, shelves.get("failure", {}), checked),
        )

    def settle(self, shelves: Mapping[str, Mapping[str, Any]], definitions: Mapping[str, Any]) -> None:
        """Write it, if enough has changed since; a disk that refuses costs only time. Never raises."""
        sealed = self._seals.rows().items()
        seals = {os.path.relpath(path, self._place): row for path, row in sealed if os.path.lexists(path)}
        now = Remembered(shelves, definitions, seals)
        if now.differs_much(self.remembered):
            with contextlib.suppress(OSError):
                _write(self._place, self._key, self._scratch, now)
                self.remembered = now


def shelf_rows(shelf: Reader[T], found: Mapping[str, Found[T]]) -> dict[str, Any]:
    """What to remember of a shelf: the whole files that this very key has signed, by directory."""
    rows = {}
    for each in found.values():
        if each.footer is not None and each.ours and not each.damage and each.footer.key == shelf.key.id:
            stem = os.path.basename(os.path.dirname(each.path))
            rows[stem] = [shelf.folders.get(stem, 0), each.seq, each.mark, each.footer.to_json()]
    return rows


def _read(place: str, key: Key) -> Remembered:
    """What was gathered; nothing where the file is missing, damaged, another version's or somebody else's."""
    with contextlib.suppress(OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError):
        with open_plain(os.path.join(place, NAME)) as handle:
            mac, _, body = handle.read().partition(b"\n")
        if hmac.compare_digest(key.sign(body), bytes.fromhex(mac.decode("ascii"))):
            data = json.loads(body)
            if data["v"] == VERSION:
                return Remembered(data["shelves"], data["definitions"], data["seals"])
    return NOTHING


def _write(place: str, key: Key, scratch: Scratch, remembered: Remembered) -> None:
    """Put it in the place of the former one. Raises OSError."""
    rows = {"shelves": remembered.shelves, "definitions": remembered.definitions, "seals": remembered.seals}
    body = json.dumps({"v": VERSION, **rows}, separators=(",", ":")).encode("ascii")
    scratch.replace(os.path.join(place, NAME), key.sign(body).hex().encode() + b"\n" + body, durable=False)


def _recalled(
    shelf: Reader[T], rows: Mapping[str, Any], checked: Callable[[Found[T]], Found[T]]
) -> dict[str, Found[T]]:
    """The reverse: files as they were then, by step; each is used only where its mark is still the same."""
    found = {}
    for stem, (folder, seq, mark, data) in rows.items():
        with contextlib.suppress(KeyError, TypeError, ValueError, AttributeError):
            footer = Footer.of(data)
            path = os.path.join(shelf.root, stem, str(seq))
            record = shelf.parse(dict(footer.record))
            found[footer.step] = checked(Found(footer.step, seq, path, tuple(mark), footer, record, ours=True))
            if folder:
                shelf.folders[stem] = folder
    return found
