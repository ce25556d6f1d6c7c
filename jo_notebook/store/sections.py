"""The sections of a file: the stretches that hold a value, what it is mapped from, and a log, each with a hash.

    MAGIC  0…0 section  0…0 section  …

A section is written from one or more blocks of memory, each of which begins at a multiple of 64 bytes, so that an
array can be mapped where it lies. What lies between is zeros: no byte of a file is outside of what is checked.
"""

from __future__ import annotations

import errno
import mmap
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import BinaryIO

from jo_notebook.errors import ResultDamaged
from jo_notebook.store.hashes import BESIDE, Hash, digest

MAGIC = b"JO\x00GEN1\n"
ALIGNMENT = 64
MAPPED_FROM = 8 << 20  # smaller ones are read: a mapping holds a file descriptor
_BLOCK = 1 << 20
_PIECE = 16 << 20  # Ctrl-C is heard between two pieces

PASSING = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EACCES, errno.EPERM, errno.EINTR, errno.EAGAIN})
"""Errors that say nothing of the file: it may be whole."""

Block = bytes | bytearray | memoryview


class CannotRead(ResultDamaged):
    """A file that may well be whole cannot be read just now: that is not remembered as damage."""


def unreadable(error: OSError | MemoryError) -> ResultDamaged:
    """What to raise where a file could not be read."""
    if isinstance(error, MemoryError):
        return CannotRead("there is not memory enough to read it")
    return (CannotRead if error.errno in PASSING else ResultDamaged)(f"it cannot be read: {error.strerror}")


@cache
def most_descriptors() -> int:
    """How many files may be open before a mapping, which holds one, would take from others."""
    try:
        import resource
    except ImportError:
        return 256
    soft = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    return soft // 2 if soft > 0 else sys.maxsize


@dataclass(frozen=True, slots=True)
class Section:
    """A stretch of the file and what it hashes to."""

    offset: int
    size: int
    digest: str


def write_sections(out: BinaryIO, payloads: Mapping[str, Sequence[Block]], algorithm: str) -> dict[str, Section]:
    """Begin a file. Raises OSError."""
    out.write(MAGIC)
    sections, end = {}, len(MAGIC)
    for name, blocks in payloads.items():
        sections[name] = section = _write(out, blocks, algorithm, end)
        end = section.offset + section.size
    return sections


def _write(out: BinaryIO, blocks: Sequence[Block], algorithm: str, end: int) -> Section:
    """One section, where the file is `end` bytes long by now."""
    start = end + _zeros(out, end)
    end, state = start, Hash(algorithm)
    for block in blocks:
        if end > start and (zeros := _zeros(out, end)):
            state.update(bytes(zeros))
            end += zeros
        view = memoryview(block)
        if len(view) < BESIDE:
            state.update(view)
            out.write(view)
        else:
            state.beside(view, lambda view=view: _write_pieces(out, view))  # type: ignore[misc]
        end += len(view)
    return Section(start, end - start, state.hexdigest())


def _zeros(out: BinaryIO, end: int) -> int:
    """Fill up to the next multiple; how many bytes that took."""
    zeros = -end % ALIGNMENT
    if zeros:
        out.write(bytes(zeros))
    return zeros


def _write_pieces(out: BinaryIO, view: memoryview) -> None:
    for start in range(0, len(view), _PIECE):
        out.write(view[start : start + _PIECE])


def places(blocks: Iterable[Block]) -> list[tuple[int, int]]:
    """Where each block of a section lies in it: offset and size."""
    rows, end = [], 0
    for block in blocks:
        start = end + -end % ALIGNMENT
        end = start + len(block)
        rows.append((start, len(block)))
    return rows


def read_section(handle: BinaryIO, section: Section, algorithm: str, name: str) -> bytearray:
    """A section's bytes. Raises ResultDamaged where the hash differs, and OSError."""
    payload = bytearray(section.size)
    handle.seek(section.offset)
    if handle.readinto(payload) != section.size or digest(algorithm, payload) != section.digest:  # type: ignore[attr-defined]
        raise ResultDamaged(f"its {name} does not fit its checksum")
    return payload


def map_section(handle: BinaryIO, section: Section) -> memoryview:
    """A section as private memory, read when it is touched; a change of it never reaches the file. Raises OSError.

    Nothing is checked: `check_view` does that. The mapping outlives the handle, and the file's removal.
    """
    whole = mmap.mmap(handle.fileno(), section.offset + section.size, access=mmap.ACCESS_COPY)
    return memoryview(whole)[section.offset :]


def check_view(view: memoryview, section: Section, algorithm: str, name: str) -> None:
    """Raises ResultDamaged where a mapped section is not what was written."""
    if digest(algorithm, view) != section.digest:
        raise ResultDamaged(f"its {name} does not fit its checksum")


def copy_sections(
    handle: BinaryIO, sections: Mapping[str, Section], algorithm: str, out: BinaryIO | None = None, *, anew: str = ""
) -> dict[str, Section]:
    """Begin a file with another one's sections, block by block; without `out` they are only checked.

    `anew` is the algorithm to hash them with in the new file, where that is another one. Raises ResultDamaged
    where a hash differs or the file cannot be read, and OSError of `out`.
    """
    if out is not None:
        out.write(MAGIC)
    copies, end = {}, len(MAGIC)
    for name, section in in_order(sections):
        start = end + _zeros(out, end) if out is not None else 0
        end, state, fresh = start + section.size, Hash(algorithm), Hash(anew or algorithm)
        for block in _blocks(handle, section):
            state.update(block)
            if anew and anew != algorithm:
                fresh.update(block)
            if out is not None:
                out.write(block)
        if state.hexdigest() != section.digest:
            raise ResultDamaged(f"its {name} does not fit its checksum")
        kept = fresh.hexdigest() if anew and anew != algorithm else section.digest
        copies[name] = Section(start, section.size, kept)
    return copies


def in_order(sections: Mapping[str, Section]) -> list[tuple[str, Section]]:
    """The sections as they lie in the file."""
    return sorted(sections.items(), key=lambda item: (item[1].offset, item[1].size))


def check_layout(handle: BinaryIO, sections: Mapping[str, Section], end: int, *, alignment: int) -> None:
    """Raises ResultDamaged where a byte before `end` is neither magic, nor a section's, nor a zero between."""
    handle.seek(0)
    position = len(MAGIC) if handle.read(len(MAGIC)) == MAGIC else -1
    for _, section in in_order(sections):
        zeros = -position % alignment if position >= 0 else 0
        if position < 0 or section.offset != position + zeros or not _is_zero(handle, position, zeros):
            raise ResultDamaged("its sections are not where they were")
        position = section.offset + section.size
    if position != end:
        raise ResultDamaged("its sections are not where they were")


def _is_zero(handle: BinaryIO, position: int, size: int) -> bool:
    if size == 0:
        return True
    handle.seek(position)
    return handle.read(size) == bytes(size)


def _blocks(handle: BinaryIO, section: Section) -> Iterator[bytes]:
    try:
        handle.seek(section.offset)
        left = section.size
        while left and (block := handle.read(min(left, _BLOCK))):
            left -= len(block)
            yield block
    except OSError as error:
        raise unreadable(error) from error
