"""What a text says by itself is worked out once: how much of that is remembered, and the tree all questions share."""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

TEXTS = 1 << 15
"""Texts of which one answer is remembered, for each question: a pipeline of ten thousand steps fits in."""

UNREADABLE = (SyntaxError, ValueError, RecursionError, MemoryError)


@contextmanager
def quietly() -> Iterator[None]:
    """Python warns about odd escapes and comparisons when it parses; whoever runs the code will see that."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


@lru_cache(maxsize=32)
def tree_of(text: str) -> ast.Module:
    """The tree of a text, to be read and not to be changed. Raises what `ast.parse` raises."""
    with quietly():
        return ast.parse(text)


def writable(text: str) -> str:
    """The text with half characters escaped, as in names of files that no encoding fits: nobody can write them."""
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode("utf-8")
