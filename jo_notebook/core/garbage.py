"""Many small values made in one go: Python's search for garbage would go through all of them again and again."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def no_search() -> Iterator[None]:
    """Inside, nobody looks for garbage that holds itself: for code of ours that makes none, and is soon done.

    It was two fifths of the time in which ten thousand steps are read and planned.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
