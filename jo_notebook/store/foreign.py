"""What a store holds that was made elsewhere: told from what the files say of themselves, before anybody trusts it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from jo_notebook.errors import StoreError
from jo_notebook.store.definitions import Definitions
from jo_notebook.store.disk import Disk
from jo_notebook.store.formats import runs_code
from jo_notebook.store.reading import Found
from jo_notebook.store.refusals import refusal
from jo_notebook.store.shelf import Shelf


@dataclass(frozen=True, slots=True)
class Foreign:
    """One file from elsewhere. `kind` is result, definition or failure; a definition has no number and no time.

    `size` is measured; all else is a stranger's word, of the right type and no more. `runs_code` says whether using
    the file runs code of whoever made it.
    """

    step: str
    number: int
    kind: str
    format: str
    size: int
    when: float = 0.0
    python: str = ""
    key: str = ""
    runs_code: bool = False


def foreign(disk: Disk, definitions: Definitions) -> list[Foreign]:
    """Everything whole that our key has not signed, by step, the newest first. Raises StoreError of the disk."""
    if disk.newer:
        return []
    try:
        rows = [*_files(disk.results), *_files(disk.failures)]
    except OSError as error:
        raise StoreError(f"Cannot read {disk.name}: {refusal(error, disk.place)}.") from error
    rows += [
        Foreign(seen.name, 0, "definition", "source", seen.size, key=seen.key, runs_code=True)
        for seen in definitions.seen()
        if not seen.ours
    ]
    return sorted(rows, key=lambda row: (row.step, row.kind != "result", row.kind, -row.number))


def _files(shelf: Shelf[Any]) -> Iterator[Foreign]:
    for stem in shelf.stems():
        for found in shelf.all_of(stem):
            if found.footer is not None and not found.ours:
                yield _row(shelf.kind, found)


def _row(kind: str, found: Found[Any]) -> Foreign:
    assert found.footer is not None
    assert found.record is not None
    footer = found.footer
    return Foreign(
        step=found.step,
        number=found.seq,
        kind=kind,
        format=footer.codec if "value" in footer.sections else "",
        size=sum(section.size for section in footer.sections.values()),
        when=found.record.when,
        python=footer.python,
        key=footer.key,
        runs_code="value" in footer.sections and runs_code(footer.codec),
    )
