"""One file of the store: what a step's run left, written once and never changed.

    MAGIC  section …  body  sha256(body)  mac(body)  length of body  MAGIC     (sections: see sections.py)

The body is JSON: whose result this is, its number, where each section lies and what it hashes to. It
is read from the end, so a file's story is known without touching the value. The checksum tells damage
from a file made elsewhere; only the mac, HMAC-SHA256 with the user's key over the body's very bytes,
tells that loading the value runs nobody else's code.
"""

from __future__ import annotations

import hashlib
import json
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from jo_notebook.errors import ResultDamaged, StepNameError
from jo_notebook.store.names import check_stored_name
from jo_notebook.store.sections import ALIGNMENT, MAGIC, Section, check_layout, read_section
from jo_notebook.store.trust import Key

VERSION = 2
_TAIL = struct.Struct("<32s32sQ8s")
_ALIGNMENTS = {1: 1, 2: ALIGNMENT}
WORD_LIMIT = 200
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"))
_GUESS = 1 << 14  # most footers fit: one read


@dataclass(frozen=True, slots=True)
class Footer:
    """What a file says of itself. `kind` is result or failure, `id` is new for each run, `after` (of a
    failure) the number of the newest result at that time, `versions` what the value was written with, `hash`
    what the sections are hashed with.
    """

    kind: str
    step: str
    seq: int
    id: str
    record: Mapping[str, Any]
    store_id: str = ""
    key: str = ""
    codec: str = ""
    after: int = 0
    python: str = ""
    versions: Mapping[str, str] = field(default_factory=dict)
    sections: Mapping[str, Section] = field(default_factory=dict)
    hash: str = "sha256"
    v: int = VERSION

    def to_bytes(self) -> bytes:
        """Canonical JSON."""
        return canonical(self.to_json())

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        sections = {
            name: {"offset": section.offset, "size": section.size, "digest": section.digest}
            for name, section in self.sections.items()
        }
        return {**{name: getattr(self, name) for name in self.__slots__}, "sections": sections}

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Footer:
        """From plain data; nothing is checked. Raises KeyError, TypeError or AttributeError."""
        known = {name: data[name] for name in cls.__slots__ if name in data}
        word = "sha256" if data["v"] == 1 else "digest"
        rows = known["sections"].items()
        sections = {name: Section(row["offset"], row["size"], row[word]) for name, row in rows}
        return cls(**{**known, "sections": sections})

    @classmethod
    def from_bytes(cls, body: bytes) -> Footer:
        """The reverse of `to_bytes`. Raises ResultDamaged for anything that is not a footer."""
        try:
            data = json.loads(body)
            if not isinstance(data["v"], int) or data["v"] < 1:
                raise ValueError(data["v"])
            if data["v"] > VERSION:
                raise ResultDamaged("a newer jo_notebook wrote it; update to read it")
            footer = cls.of(data)
            check_stored_name(footer.step)
            _check_types(footer)
            return footer
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError, StepNameError) as error:
            raise ResultDamaged("its footer makes no sense") from error


def _check_types(footer: Footer) -> None:
    """Raises TypeError for what a stranger may have put into a footer."""
    sections = footer.sections.values()
    numbers = [footer.seq, footer.after, *(n for s in sections for n in (s.offset, s.size))]
    words = [footer.kind, footer.id, footer.store_id, footer.key, footer.codec, footer.python, footer.hash]
    words += [section.digest for section in sections]
    if not all(type(n) is int and n >= 0 for n in numbers) or not all(type(w) is str for w in words):
        raise TypeError("a footer's fields have the wrong types")
    if not all(w.isprintable() and len(w) <= WORD_LIMIT for w in words):
        raise ValueError("a footer's words are longer than any of ours, or do not show")


def canonical(data: object) -> bytes:
    """The one spelling of plain data as JSON."""
    return _CANONICAL.encode(data).encode("ascii")


def write_footer(out: BinaryIO, footer: Footer, key: Key | None) -> None:
    """End a file at the present position; without a key it stays somebody else's. Raises OSError."""
    body = footer.to_bytes()
    mac = bytes(32) if key is None else key.sign(body)
    out.write(body + _TAIL.pack(hashlib.sha256(body).digest(), mac, len(body), MAGIC))


def read_footer(handle: BinaryIO, key: Key) -> tuple[Footer, bool]:
    """The footer, and whether this key signed it. Raises ResultDamaged, and OSError of the disk."""
    size = os.fstat(handle.fileno()).st_size
    end = _read_end(handle, size, min(size, _GUESS))
    if len(end) < _TAIL.size:
        raise ResultDamaged("it is cut short")
    digest, mac, length, magic = _TAIL.unpack(end[-_TAIL.size :])
    needed = length + _TAIL.size
    if magic != MAGIC or needed + len(MAGIC) > size:
        raise ResultDamaged("its end is not where it was")
    if needed > len(end):
        end = _read_end(handle, size, needed)
    body = end[-needed : -_TAIL.size]
    if hashlib.sha256(body).digest() != digest:
        raise ResultDamaged("its footer does not fit its checksum")
    footer = Footer.from_bytes(body)
    check_layout(handle, footer.sections, size - needed, alignment=_ALIGNMENTS.get(footer.v, ALIGNMENT))
    ours = key.verify(body, mac)
    if footer.key in key.ids and not ours:
        raise ResultDamaged("its signature does not fit")
    return footer, ours


def section_of(handle: BinaryIO, footer: Footer, name: str) -> bytes | bytearray:
    """A section's bytes, empty where there is none. Raises ResultDamaged where the hash differs, and OSError."""
    section = footer.sections.get(name)
    return b"" if section is None else read_section(handle, section, footer.hash, name)


def _read_end(handle: BinaryIO, size: int, count: int) -> bytes:
    handle.seek(size - count)
    return handle.read(count)
