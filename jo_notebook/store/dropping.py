"""Removes a shelf that is not needed any more: the files a store puts there, and nothing else.

A place for results may be any directory, also one in which somebody has a `results/` or `steps/` of their own.
"""

from __future__ import annotations

import contextlib
import os

from jo_notebook.store.names import STEM
from jo_notebook.store.numbering import HEAD, is_number, listing
from jo_notebook.store.publish import CLAIM, is_folder


def is_shelf(root: str) -> bool:
    """Whether a directory of steps lies here."""
    return is_folder(root) and any(map(STEM.fullmatch, listing(root)))


def drop_shelf(root: str) -> None:
    """Remove the numbered files of steps and their directories, as far as the disk lets; none there is fine."""
    if not is_folder(root):
        return
    with contextlib.suppress(OSError):
        for stem in listing(root):
            folder = os.path.join(root, stem)
            if STEM.fullmatch(stem) and is_folder(folder):
                _drop_step(folder)
        os.rmdir(root)


def _drop_step(folder: str) -> None:
    with contextlib.suppress(OSError):
        for name in listing(folder):
            if is_number(name) or name == HEAD or name.endswith(CLAIM):
                os.unlink(os.path.join(folder, name))
        os.rmdir(folder)
