"""Keys that begin with a dot, inside of dicts: a snapshot leaves them out, as job_orchestra does.

To see whether a stored value has any, it is made again only where its stream holds what such a key looks like.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.record import Record
from jo_notebook.errors import StoreError
from jo_notebook.store.disk import Disk
from jo_notebook.store.generation import section_of
from jo_notebook.store.reading import Found

DICTS = (dict, AttrDict)
MARK = "."
_A_DICT = re.compile(rb"\{|\x80.(\x95.{8})?(\}|\x8c\x1bjo_notebook\.core\.attributes)", re.DOTALL)
_A_DOT = re.compile(rb'"\.|\x8c[\x01-\xff]\.|X....\.', re.DOTALL)
"""How a dict begins in JSON and in a pickle, and a text that begins with a dot."""


def without_hidden(record: Record, value: Any) -> tuple[Record, Any]:
    """A value without such keys, at any level of dicts, and its record; both as they are where there is none.

    The value's own version stays the one of the record, so that what was made from it is not stale for this; it is
    marked as one that cannot be compared.
    """
    if not _has_hidden(value):
        return record, value
    return replace(record, exact=False, witness=""), _rest(value)


def hidden_rest(disk: Disk, found: Found[Record]) -> tuple[Record, Any] | None:
    """The same for one of our own results on disk; None where it is to be copied as it is. Raises as reading does."""
    if found.record is None or not _may_have_hidden(disk, found):
        return None
    try:
        value = disk.load(found)
    except StoreError:  # a class of a notebook that is not here, for instance: whatever it is, it is no plain dict
        return None
    return without_hidden(found.record, value) if _has_hidden(value) else None


def _may_have_hidden(disk: Disk, found: Found[Record]) -> bool:
    with disk.opened(disk.results, found) as (handle, footer, _):
        if "value" not in footer.sections:
            return False
        stream = bytes(section_of(handle, footer, "value"))
    return bool(_A_DICT.match(stream) and _A_DOT.search(stream))


def _is_hidden(key: object) -> bool:
    return type(key) is str and key.startswith(MARK)


def _has_hidden(value: Any) -> bool:
    waiting, seen = [value], set()
    while waiting:
        each = waiting.pop()
        if type(each) in DICTS and id(each) not in seen:
            seen.add(id(each))
            if any(map(_is_hidden, each)):
                return True
            waiting.extend(each.values())
    return False


def _rest(value: Any) -> Any:
    """Another dict, with other dicts inside, and everything else as it is."""
    made = {id(value): type(value)()}
    waiting = [value]
    while waiting:
        each = waiting.pop()
        for key, item in each.items():
            if _is_hidden(key):
                continue
            if type(item) in DICTS and id(item) not in made:
                made[id(item)] = type(item)()
                waiting.append(item)
            made[id(each)][key] = made[id(item)] if type(item) in DICTS else item
    return made[id(value)]
