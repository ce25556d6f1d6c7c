"""What code reaches in modules: definitions of local ones, versions of installed ones, what was replaced in them."""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

from jo_notebook.core.homes import Find, Home
from jo_notebook.core.patches import patched, patched_attributes
from jo_notebook.core.reaching import Bound, Name, Piece, Reached, ReachWalk
from jo_notebook.core.slices import Import, uses_of
from jo_notebook.core.texts import TEXTS

__all__ = ["Find", "Home", "Piece", "Reached", "imports_of", "patched", "patched_attributes", "reach"]

_Key = tuple[tuple[str, ...], tuple[tuple[str, Name], ...]]
_remembered: dict[_Key, list[tuple[tuple[tuple[str, Home], ...], Reached]]] = {}


def reach(texts: Iterable[str], bound: Bound, find: Find) -> Reached:
    """What Python sources reach, beginning at the names that the notebook has `bound` to imports.

    What was found for the same texts holds as long as `find` says the same of every module that was asked for.
    """
    texts = tuple(texts)
    key = (texts, tuple([(name, bound[name]) for name in _names(texts) if name in bound]))
    known = _remembered.get(key, [])
    for asked, reached in known:
        if all((now := find(name)) is home or now == home for name, home in asked):
            return reached
    walk = ReachWalk(find)
    for text in texts:
        walk.follow("", uses_of(text), dict(key[1]))
    reached = walk.result()
    if len(_remembered) >= TEXTS:
        _remembered.clear()
    _remembered[key] = [(tuple(walk.homes.items()), reached), *known[:2]]
    return reached


@lru_cache(maxsize=TEXTS)
def _names(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(sorted({chain[0] for text in texts for chain in uses_of(text).chains}))


def imports_of(text: str) -> tuple[Import, ...]:
    """All import statements of a source, one row for each name."""
    return tuple(i for i, _ in uses_of(text).imports)
