"""What steps make of the names they read, a list they append to: it counts as what was there before.

In job_orchestra a result is known by its step's name, and steps that note their runs in a list are common. In a
fresh process that list is empty again; in this one it is told here that it is the list that was empty. What anybody
else makes of it is a change: another object, another content.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from jo_notebook.core.fingerprint import Part
from jo_notebook.core.homes import OBJECT
from jo_notebook.core.version import version_of
from jo_notebook.steps.walks import state_of

if TYPE_CHECKING:
    from jo_notebook.steps.classes import Step

DATA = ("constant", "global", "helper")
Owner = tuple[Any, ...]
Key = tuple[str, str, str, Owner]

_were: dict[Key, str] = {}
_alive: dict[int, object] = {}  # what keys tell by identity


def settled(parts: Iterable[Part], step: Step, names: Mapping[str, Any]) -> tuple[Part, ...]:
    """Parts of a step's fingerprint, as they were before steps of this process changed them."""
    return tuple(_before(part, step, names) if _were and part.kind in DATA else part for part in parts)


def settle(before: Iterable[Part], after: Iterable[Part], step: Step, names: Mapping[str, Any], state: str) -> None:
    """From now on what is there after a run stands for what was there before it.

    `state` is the data version of what the object held before.
    """
    were = {(part.kind, part.name): part.digest for part in before}
    for part in after:
        was = were.get((part.kind, part.name), part.digest)
        if part.kind in DATA and was != part.digest:
            owner = _owners(part, step, names)[0 if state_version(step) == state else -1]
            _were[part.kind, part.name, part.digest, owner] = was
            _alive.update((id(thing), thing) for thing in (names.get(part.name), type(step), step))


def state_version(step: Step) -> str:
    """The data version of what an object holds; empty where that is nothing."""
    state = state_of(step)
    return version_of(state).digest if state else ""


def _before(part: Part, step: Step, names: Mapping[str, Any]) -> Part:
    for owner in _owners(part, step, names):
        was = _were.get((part.kind, part.name, part.digest, owner))
        if was is not None:
            return replace(part, digest=was)
    return part


def _owners(part: Part, step: Step, names: Mapping[str, Any]) -> list[Owner]:
    """Whose content it is: the value of a name; of an object its class and state, or where that changed, itself."""
    if not part.name.startswith(OBJECT):
        return [("value", id(names.get(part.name)))]
    return [("class", id(type(step)), state_version(step)), ("object", id(step))]
