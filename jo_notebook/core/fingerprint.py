"""What makes a step's result this one, as parts that can be compared one by one.

A fingerprint is a tuple of parts, each with a kind, a name, a digest and a text to show. The key is
a hash over kinds, names and digests, each length-prefixed, so no two lists of parts share a key. The
parts themselves are stored, because the reasons shown to a user are their difference.

Kinds, in the order in which reasons are told (root cause first):

    given     the value, where it was put in by hand: then it is the only part
    code      the step's own canonical text             param     a parameter of the step
    seed      what random numbers start from            helper    a function or class of the notebook
    module    a definition of a local module            constant  a plain value the step reads
    global    data made by an ordinary cell             file      a file or directory the step declares
    env       an environment variable it declares       package   an installed package and its version
    import    a module or an imported name              input     the data version of an upstream result
    untracked listed, never compared

The digest of code-like parts has two halves (`code_part`): one of the text, one of what the text does not
tell. So a text that another Python wrote down in other words can be recognised as the same.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

SCHEMA = 2
GIVEN = "given"
KINDS = (
    *(GIVEN, "code", "param", "seed", "helper", "module", "constant", "global"),
    *("file", "env", "package", "import", "input", "untracked"),
)
RANK = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True, slots=True)
class Part:
    """One thing a result depends on. `digest` decides; `text` is for people."""

    kind: str
    name: str
    digest: str
    text: str = ""


@dataclass(frozen=True)
class Fingerprint:
    """All the parts of one result, in the order of KINDS and then by name."""

    parts: tuple[Part, ...] = ()
    schema: int = SCHEMA

    @classmethod
    def of(cls, parts: Iterable[Part]) -> Fingerprint:
        """The parts in their canonical order."""
        return cls(tuple(sorted(parts, key=_place)))

    @cached_property
    def key(self) -> str:
        """The digest of everything that decides; parts of kind *untracked* do not."""
        fields = [str(self.schema)]
        for part in self.parts:
            if part.kind != "untracked":
                fields += [part.kind, part.name, part.digest]
        return digest_of(*fields)

    def to_json(self) -> dict[str, Any]:
        """Plain data, for a file."""
        return {"schema": self.schema, "parts": [[p.kind, p.name, p.digest, p.text] for p in self.parts]}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Fingerprint:
        """The reverse of `to_json`."""
        return cls(tuple(Part(*row) for row in data["parts"]), data["schema"])


def _place(part: Part) -> tuple[int, str]:
    return RANK[part.kind], part.name


def code_part(kind: str, name: str, text: str, *, held: str = "", shown: str = "") -> Part:
    """A part for code: its canonical text, and a digest of what that text does not tell (or nothing)."""
    return Part(kind, name, f"{digest_of(text)}+{held}" if held else digest_of(text), shown or text)


def digest_of(*fields: str | bytes) -> str:
    """A hash of a list of fields in which no two lists collide: each field carries its length."""
    state = hashlib.blake2b(digest_size=16)
    for field in fields:
        raw = field.encode("utf-8", "surrogatepass") if isinstance(field, str) else field
        state.update(len(raw).to_bytes(8, "little"))
        state.update(raw)
    return state.hexdigest()
