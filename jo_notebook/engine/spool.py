"""Large inputs that lie in memory only, written once so that other processes can map them: gone after the run."""

from __future__ import annotations

import shutil
import tempfile
import threading

from jo_notebook.core.fingerprint import Fingerprint
from jo_notebook.core.record import Record
from jo_notebook.engine.request import Handle
from jo_notebook.errors import JoError
from jo_notebook.store.context import Context

LARGE = 1 << 20
"""Bytes of plain memory from which a value is worth a file."""


class Spool:
    """A context of its own, made when first wanted."""

    def __init__(self) -> None:
        self._context: Context | None = None
        self._folder = ""
        self._known: dict[tuple[str, str], Handle | None] = {}
        self._lock = threading.Lock()

    def handle(self, step: str, record: Record | None, value: object) -> Handle | None:
        """The value as another process can read it; None where it takes a pickle, or there is no room."""
        if record is None or not record.version or not record.exact:
            return None
        key = (step, record.version)
        with self._lock:
            if key not in self._known:
                self._known[key] = self._written(step, record.version, value)
            return self._known[key]

    def close(self) -> None:
        """Removes the files; what is mapped stays readable where the system has it so."""
        with self._lock:
            folder, self._folder = self._folder, ""
            self._context = None
            self._known.clear()
        if folder:
            shutil.rmtree(folder, ignore_errors=True)

    def _written(self, step: str, version: str, value: object) -> Handle | None:
        try:
            if self._context is None:
                self._folder = tempfile.mkdtemp(prefix="jo_spool_")
                self._context = Context(f"{self._folder}/inputs.jo")
            record = self._context.put_plain(Record(step, Fingerprint.of(()), version), value)
            self._context.drop_memory(step)
        except (OSError, JoError):
            return None
        return None if record is None else Handle(f"{self._folder}/inputs.jo", step, 0, version)
