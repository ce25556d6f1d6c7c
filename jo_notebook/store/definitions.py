"""The steps' definitions as they were last seen: small signed JSON files, for a fresh kernel to show."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from jo_notebook.errors import StepNameError, StoreError
from jo_notebook.store.disk import Disk
from jo_notebook.store.generation import canonical
from jo_notebook.store.names import check_stored_name, stem_of
from jo_notebook.store.numbering import mark_of
from jo_notebook.store.publish import is_folder, make_folder, open_plain, sync_folder
from jo_notebook.store.refusals import refusal
from jo_notebook.store.trust import Key

SUFFIX = ".json"
Row = tuple[dict[str, Any], bool]


@dataclass(frozen=True, slots=True)
class Seen:
    """One definition as its file has it; `key` names who signed it, `size` is that of the file."""

    name: str
    data: dict[str, Any]
    ours: bool
    key: str = ""
    size: int = 0


class Definitions:
    """One file per step under `definitions/`, or a dictionary where there is no disk.

    `problems` names the files that could not be read the last time.
    """

    def __init__(self, disk: Disk | None) -> None:
        self.problems: list[str] = []
        self._disk = disk
        self._memory: dict[str, Row] = {}
        self._read: dict[str, tuple[tuple[int, ...], Seen]] | None = None

    def save(self, name: str, data: dict[str, Any]) -> None:
        """Keep a definition; nothing is written where it is there already. Raises StoreError."""
        self.save_all({name: data})

    def save_all(self, rows: Mapping[str, dict[str, Any]]) -> None:
        """Keep definitions, durable when this returns; nothing is written of those that are there already.

        Raises StoreError; some of them may be kept then.
        """
        disk = self._disk
        if disk is None:
            self._memory.update({name: (data, True) for name, data in rows.items()})
            return
        new = [(name, data) for name, data in rows.items() if not self._is_known(disk, name, data)]
        sealed = [(name, data, _path(disk, name), _sealed(disk.key, name, data)) for name, data in new]
        sealed = [row for row in sealed if not _is_there(*row[2:])]
        if not sealed:
            return
        marks = self._put(disk, [row[2:] for row in sealed])
        for (name, data, path, text), mark in zip(sealed, marks, strict=True):
            if mark and self._read is not None:
                as_read = json.loads(canonical(data))  # nobody else holds on to that
                self._read[os.path.basename(path)] = (mark, Seen(name, as_read, True, disk.key.id, len(text)))

    def _is_known(self, disk: Disk, name: str, data: dict[str, Any]) -> bool:
        """Whether we have signed this definition, and its file is the one that we read or wrote."""
        path = _path(disk, name)
        mark, seen = (self._read or {}).get(os.path.basename(path), ((), None))
        if seen is None or not seen.ours or seen.key != disk.key.id or seen.data is data or seen.data != data:
            return False
        with contextlib.suppress(OSError):
            return mark_of(0, path) == mark
        return False

    def _put(self, disk: Disk, files: Sequence[tuple[str, bytes]]) -> list[tuple[int, ...]]:
        """Writes whole files; their marks, where those are certain."""
        with disk.writing():
            if make_folder(_folder(disk)):
                sync_folder(disk.place)
            return disk.scratch.replace_all(files)

    def drop(self, name: str) -> None:
        """Remove a definition; none there is fine. Raises StoreError."""
        self._memory.pop(name, None)
        if self._disk is None:
            return
        self._disk.check_writable()
        try:
            if is_folder(_folder(self._disk)):
                os.unlink(_path(self._disk, name))
        except FileNotFoundError:
            return
        except OSError as error:
            raise StoreError(f"Cannot remove the definition of {name}: {refusal(error, self._disk.place)}.") from error

    def read(self) -> dict[str, Row]:
        """Every whole definition with whether it is ours; the others go to `problems`."""
        if self._disk is None:
            return dict(self._memory)
        return {seen.name: (seen.data, seen.ours) for seen in self.seen()}

    def seen(self) -> list[Seen]:
        """As `read`, with what the files say of themselves; a file that is as before is not read again."""
        if self._disk is None:
            return [Seen(name, data, ours) for name, (data, ours) in self._memory.items()]
        problems, folder = [], _folder(self._disk)
        before = self._recalled(self._disk) if self._read is None else self._read
        self._read = {}
        for file in sorted(os.listdir(folder)) if is_folder(folder) else []:
            if file.endswith(SUFFIX):
                try:
                    mark = mark_of(0, os.path.join(folder, file))
                    row = before.get(file)
                    if row is None or row[0] != mark:
                        row = (mark, _read(self._disk.key, folder, file))
                    self._read[file] = row
                except FileNotFoundError:
                    continue
                except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, StepNameError):
                    problems.append(f"definitions/{file} is damaged: run the cell of this step again.")
        self.problems = problems
        return [seen for _, seen in self._read.values()]

    def to_remember(self) -> dict[str, Any]:
        """For the index: what this very key has signed, as last read."""
        if self._disk is None or self._read is None:
            return {}
        key = self._disk.key.id
        rows = {file: row for file, row in self._read.items() if row[1].ours and row[1].key == key}
        return {file: [mark, seen.name, seen.data, seen.size] for file, (mark, seen) in rows.items()}

    def _recalled(self, disk: Disk) -> dict[str, tuple[tuple[int, ...], Seen]]:
        rows = disk.index.remembered.definitions.items()
        return {
            file: (tuple(mark), Seen(str(name), data, True, disk.key.id, size))
            for file, (mark, name, data, size) in rows
        }

    def resign(self, names: Collection[str] = ()) -> list[str]:
        """Sign with our key what was made elsewhere, of these steps or of all; their names. Raises StoreError."""
        foreign = [seen for seen in self.seen() if not seen.ours and (not names or seen.name in names)]
        for seen in foreign:
            self.save(seen.name, seen.data)
        return [seen.name for seen in foreign]

    def take(self, seen: Seen) -> None:
        """Keep a definition of another store: ours as ours, a stranger's as theirs. Raises StoreError."""
        if self._disk is None or seen.ours:
            self.save(seen.name, seen.data)
        else:
            self._put(self._disk, [(_path(self._disk, seen.name), _unsigned(seen))])


def _folder(disk: Disk) -> str:
    return os.path.join(disk.place, "definitions")


def _path(disk: Disk, name: str) -> str:
    return os.path.join(_folder(disk), stem_of(name) + SUFFIX)


def _is_there(path: str, text: bytes) -> bool:
    with contextlib.suppress(OSError), open_plain(path) as handle:
        return handle.read() == text
    return False


def _sealed(key: Key, name: str, data: dict[str, Any]) -> bytes:
    body = {"kind": "definition", "step": name, "data": data, "key": key.id}
    return _file(body, key.sign(canonical(body)))


def _unsigned(seen: Seen) -> bytes:
    return _file({"kind": "definition", "step": seen.name, "data": seen.data, "key": seen.key}, bytes(32))


def _file(body: dict[str, Any], mac: bytes) -> bytes:
    seal = {"sha256": hashlib.sha256(canonical(body)).hexdigest(), "mac": mac.hex()}
    return json.dumps({**body, **seal}, indent=1, sort_keys=True).encode("ascii") + b"\n"


def _read(key: Key, folder: str, file: str) -> Seen:
    """One definition. Raises whatever a damaged file leads to."""
    with open_plain(os.path.join(folder, file)) as handle:
        text = handle.read()
    body = json.loads(text)
    digest, mac = body.pop("sha256"), bytes.fromhex(body.pop("mac"))
    raw, name = canonical(body), check_stored_name(body["step"])
    ours = key.verify(raw, mac)
    whole = hashlib.sha256(raw).hexdigest() == digest and (ours or body["key"] not in key.ids)
    if (
        not whole
        or body["kind"] != "definition"
        or stem_of(name) + SUFFIX != file
        or not isinstance(body["data"], dict)
        or not isinstance(body["key"], str)
    ):
        raise ValueError(file)
    return Seen(name, body["data"], ours, body["key"], len(text))
