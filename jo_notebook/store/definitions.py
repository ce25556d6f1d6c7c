"""The steps' definitions as they were last seen: small signed JSON files, for a fresh kernel to show."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from typing import Any

from jo_notebook.errors import StepNameError, StoreError
from jo_notebook.store.disk import Disk
from jo_notebook.store.generation import canonical
from jo_notebook.store.names import check_stored_name, stem_of
from jo_notebook.store.numbering import mark_of
from jo_notebook.store.publish import is_folder, make_folder, open_plain, sync_folder
from jo_notebook.store.trust import Key

SUFFIX = ".json"
Row = tuple[dict[str, Any], bool]
Seen = tuple[tuple[int, ...], str, Row, str]
"""A file's mark, its step, what it says, and the key that signed it."""


class Definitions:
    """One file per step under `definitions/`, or a dictionary where there is no disk.

    `problems` names the files that could not be read the last time.
    """

    def __init__(self, disk: Disk | None) -> None:
        self.problems: list[str] = []
        self._disk = disk
        self._memory: dict[str, Row] = {}
        self._seen: dict[str, Seen] | None = None

    def save(self, name: str, data: dict[str, Any]) -> None:
        """Keep a definition; nothing is written where it is there already. Raises StoreError."""
        if self._disk is None:
            self._memory[name] = (data, True)
            return
        path, text = _path(self._disk, name), _sealed(self._disk.key, name, data)
        with contextlib.suppress(OSError), open_plain(path) as handle:
            if handle.read() == text:
                return
        with self._disk.writing():
            if make_folder(_folder(self._disk)):
                sync_folder(self._disk.place)
            self._disk.scratch.replace(path, text)

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
            raise StoreError(f"Cannot remove the definition of {name}: {error.strerror or error}.") from error

    def read(self) -> dict[str, Row]:
        """Every whole definition with whether it is ours; the others go to `problems`."""
        if self._disk is None:
            return dict(self._memory)
        rows, problems, folder = {}, [], _folder(self._disk)
        before = self._recalled(self._disk) if self._seen is None else self._seen
        self._seen = {}
        for file in sorted(os.listdir(folder)) if is_folder(folder) else []:
            if file.endswith(SUFFIX):
                try:
                    mark = mark_of(0, os.path.join(folder, file))
                    if file not in before or before[file][0] != mark:
                        name, row, signer = _read(self._disk.key, folder, file)
                        before[file] = (mark, name, row, signer)
                    self._seen[file] = before[file]
                    rows[before[file][1]] = before[file][2]
                except FileNotFoundError:
                    continue
                except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError, StepNameError):
                    problems.append(f"definitions/{file} is damaged: run the cell of this step again.")
        self.problems = problems
        return rows

    def to_remember(self) -> dict[str, Any]:
        """For the index: what this very key has signed, as last read."""
        if self._disk is None or self._seen is None:
            return {}
        key = self._disk.key.id
        return {file: [mark, name, row[0]] for file, (mark, name, row, signer) in self._seen.items() if signer == key}

    def _recalled(self, disk: Disk) -> dict[str, Seen]:
        rows = disk.recalled.definitions.items()
        return {file: (tuple(mark), str(name), (data, True), disk.key.id) for file, (mark, name, data) in rows}

    def resign(self) -> list[str]:
        """Sign with our key what was made elsewhere; the steps concerned. Raises StoreError."""
        foreign = [(name, data) for name, (data, ours) in self.read().items() if not ours]
        for name, data in foreign:
            self.save(name, data)
        return [name for name, _ in foreign]


def _folder(disk: Disk) -> str:
    return os.path.join(disk.place, "definitions")


def _path(disk: Disk, name: str) -> str:
    return os.path.join(_folder(disk), stem_of(name) + SUFFIX)


def _sealed(key: Key, name: str, data: dict[str, Any]) -> bytes:
    body = {"kind": "definition", "step": name, "data": data, "key": key.id}
    raw = canonical(body)
    seal = {"sha256": hashlib.sha256(raw).hexdigest(), "mac": key.sign(raw).hex()}
    return json.dumps({**body, **seal}, indent=1, sort_keys=True).encode("ascii") + b"\n"


def _read(key: Key, folder: str, file: str) -> tuple[str, Row, str]:
    """One definition, and the key that signed it, if it is one of ours. Raises whatever a damaged file leads to."""
    with open_plain(os.path.join(folder, file)) as handle:
        body = json.loads(handle.read())
    digest, mac = body.pop("sha256"), bytes.fromhex(body.pop("mac"))
    raw, name = canonical(body), check_stored_name(body["step"])
    ours = key.verify(raw, mac)
    whole = hashlib.sha256(raw).hexdigest() == digest and (ours or body["key"] not in key.ids)
    if (
        not whole
        or body["kind"] != "definition"
        or stem_of(name) + SUFFIX != file
        or not isinstance(body["data"], dict)
    ):
        raise ValueError(file)
    return name, (body["data"], ours), str(body["key"]) if ours else ""
