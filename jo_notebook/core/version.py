"""Data versions: a typed hash of a value, equal when type, structure and content are equal.

Every piece is tagged with its type and prefixed with its length, so `1`, `1.0`, `True` and `"1"` differ,
as do a list and a tuple, and no two structures run together. Libraries are recognised by the names of
their classes and never imported. What has no typed rule is taken apart by its own `__reduce_ex__`; what
refuses that gets a version of its own each time, which can cause extra runs and nothing else.

A function or class that the user may edit, in the notebook or in a local module, is what it does: its code,
defaults, closure, members and bases, and the values of the globals it reads. So a value that carries such code
(a lambda in a dict, an instance of a notebook's class) gets a new version when that code would act differently.

The walk is in `walk.py`; what it knows of each kind of value is in the files that RULES is made of.
"""

from __future__ import annotations

import enum
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from types import CodeType, MethodType

from jo_notebook.core import arrays, code_rules, columns, containers, figures, labelled, tables, tensors
from jo_notebook.core.kinds import comes_from, is_named, mro_of, path_of
from jo_notebook.core.object_rules import object_rule, reduced
from jo_notebook.core.opaque import is_opaque
from jo_notebook.core.walk import Rule, Walk

RULES: dict[type, Rule] = {**containers.RULES, **code_rules.RULES}

NAMED: dict[str, Rule] = {
    **containers.NAMED,
    **{name: rule for library in (arrays, tables, columns, labelled, tensors) for name, rule in library.NAMED.items()},
}

BASES: dict[str, Rule] = {
    name: rule for library in (arrays, tables, columns, tensors, figures) for name, rule in library.BASES.items()
}


@dataclass(frozen=True, slots=True)
class Version:
    """`digest` in hexadecimal; `exact` is False where two equal values might differ in it.

    `left_out` says that something the value's functions read, or their class holds, could not be compared.
    """

    digest: str
    exact: bool = True
    left_out: bool = False


def version_of(value: object) -> Version:
    """The data version of any value. Never raises for a user's value, however deep it is.

    Linear in the number of objects, shared ones included. Where a value contains itself, two equal ones must
    also share their parts alike to have the same version.
    """
    walk = Walk(_rule_of)
    try:
        _, digest, left_out, _ = walk.of(value)
    except (Exception, SystemExit):  # noqa: BLE001 - Opaque, or a class that raises even when it is hashed
        digest, left_out = None, False
    if digest is None:
        return Version(secrets.token_hex(16), exact=False)
    return Version(digest.hex(), walk.exact, left_out)


def lenient_version(value: object, *, told: Collection[int] = (), reads: bool = True) -> Version:
    """A version without what cannot be taken apart; `left_out` says whether there was such a thing.

    `told` are the identities of functions whose code is known by other means: only their defaults,
    closures and attributes count. Without `reads` the globals that functions read do not count.
    """
    try:
        _, digest, left_out, _ = Walk(_rule_of, told=told, reads=reads).of(value, lenient=True)
    except (Exception, SystemExit):  # noqa: BLE001 - as above
        digest, left_out = None, True
    return Version((digest or b"").hex(), not left_out, left_out)


def witness_of(value: object) -> str:
    """A digest that tells whether a value without an exact version was changed; empty where nothing can tell."""
    first, second = lenient_version(value), lenient_version(value)
    return first.digest if first == second else ""


def can_be_taken_apart(value: object) -> bool:
    """Whether a lenient version says anything of this value, beyond its type."""
    kind = type(value)
    try:
        if _rule_of(kind) is not object_rule:
            return kind is not MethodType
        return not is_named(kind) and not isinstance(reduced(value), str)
    except (Exception, SystemExit):  # noqa: BLE001 - a user's object may raise anything here
        return False


def code_digest(code: CodeType) -> str:
    """A digest of a compiled function that ignores where its lines stand. True within one Python version."""
    return version_of(code).digest


def _rule_of(kind: type) -> Rule:
    rule = RULES.get(kind) or NAMED.get(path_of(kind))
    if rule is not None:
        return rule
    if comes_from(kind, type):
        return code_rules.class_rule
    if comes_from(kind, enum.Enum):
        return code_rules.enum_rule
    return next((BASES[path] for path in map(path_of, mro_of(kind)) if path in BASES), object_rule)


__all__ = [
    "Version",
    "can_be_taken_apart",
    "code_digest",
    "is_opaque",
    "lenient_version",
    "version_of",
    "witness_of",
]
