"""Reads everything a store has kept, and says what is not what was written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from jo_notebook.errors import ResultDamaged, StoreError
from jo_notebook.store.disk import Disk
from jo_notebook.store.known import Known
from jo_notebook.store.reading import Found
from jo_notebook.store.refusals import refusal
from jo_notebook.store.sections import copy_sections
from jo_notebook.store.shelf import Shelf


def verify(disk: Disk, known: Known) -> dict[str, str]:
    """What is wrong, by the words that name each file; `known` learns of results. Raises StoreError."""
    told = {}
    for name, hurt in injuries(disk):
        told[name] = hurt.damage.removeprefix(f"generation {hurt.seq}: ")
        if hurt.path.startswith(os.path.join(disk.results.root, "")):
            with known.lock:
                known.injure(hurt)
    return told


def injuries(disk: Disk) -> Iterator[tuple[str, Found[Any]]]:
    """Each damaged file with words that name it; `damage` says what is wrong. Raises StoreError.

    Files are read in blocks. One that leaves meanwhile, pruned by a newer one, is no damage.
    """
    if disk.newer:
        raise StoreError(f"Cannot check {disk.name}: {disk.newer}.")
    for shelf, word in ((disk.results, "generation"), (disk.failures, "failure")):
        try:
            for stem in shelf.stems():
                for found in _hurt(disk, shelf, stem):
                    yield (f"{found.step}, {word} {found.seq}" if found.seq else found.step), found
        except OSError as error:
            raise StoreError(f"Cannot check {disk.name}: {refusal(error, disk.place)}.") from error


def _hurt(disk: Disk, shelf: Shelf[Any], stem: str) -> Iterator[Found[Any]]:
    newest = shelf.look(stem)
    if newest is not None and newest.damage and not newest.mark:  # it is gone, or the directory cannot be read
        yield newest
        if newest.seq == 0:
            return
    for found in shelf.all_of(stem):
        if damage := damage_of(disk, shelf, found):
            yield replace(found, damage=f"generation {found.seq}: {damage}")


def damage_of(disk: Disk, shelf: Shelf[Any], found: Found[Any]) -> str:
    """What is wrong with a file, read as a whole; empty for one that is sound, or gone. Raises OSError."""
    found = disk.checked(found)
    if found.damage:
        return found.damage.removeprefix(f"generation {found.seq}: ")
    try:
        with disk.opened(shelf, found) as (handle, footer, _):
            copy_sections(handle, footer.sections, footer.hash)
    except ResultDamaged as damage:
        return str(damage)
    except FileNotFoundError:
        return ""
    return ""
