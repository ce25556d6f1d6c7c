"""Save small results durably, and find them again in a context that is opened anew."""

from __future__ import annotations

import os
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from benchmarks.measure import Figure, Work, compare
from jo_notebook.core.definition import Definition
from jo_notebook.core.fingerprint import Fingerprint, Part, digest_of
from jo_notebook.core.record import Record
from jo_notebook.core.source import parse_source
from jo_notebook.core.version import version_of
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context

SIZE = 1_500  # about what one of our files has: value, story, log
SOURCE = parse_source("1")
PARTS = (Part("code", "", digest_of(SOURCE.canonical), SOURCE.canonical),)


def saving(place: Path, *, quick: bool) -> Iterator[Figure]:
    """Row e."""
    number = 50 if quick else 200
    rounds = 3 if quick else 7
    fresh = (place / f"saving{i}" for i in count())
    ours, floor = compare(lambda: _put(next(fresh), number), lambda: _bare(next(fresh), number), rounds)
    yield Figure(f"put {number} small results, each durable", ours, floor, "write, fsync, rename")
    kept, bare = next(fresh), next(fresh)
    _put(kept, number)()
    _bare(bare, number)()
    context = Context(kept)
    for i in range(number):
        context.save_definition(f"S{i}", {**Definition(f"S{i}", SOURCE, ()).to_json(), "order": i})
    ours, floor = compare(lambda: _states(kept, number), lambda: _read(bare), rounds)
    yield Figure(f"open and tell the states of {number}", ours, floor, "read as many files")


def _put(place: Path, number: int) -> Work:
    context = Context(place)
    values = [{"number": i, "half": i / 2} for i in range(number)]
    fingerprint = Fingerprint(PARTS)
    records = [Record(f"S{i}", fingerprint, version_of(value).digest) for i, value in enumerate(values)]

    def work() -> None:
        for record, value in zip(records, values, strict=True):
            assert not context.put(record, value).unsaved

    return work


def _bare(place: Path, number: int) -> Work:
    place.mkdir()
    payload = b"x" * SIZE

    def work() -> None:
        for i in range(number):
            with open(place / f"{i}.part", "wb") as out:
                out.write(payload)
                out.flush()
                os.fsync(out.fileno())
            os.rename(place / f"{i}.part", place / str(i))

    return work


def _states(place: Path, number: int) -> Work:
    def work() -> None:
        states = [str(decision.availability) for decision in Pipeline.open(place).plan()]
        assert states == ["available"] * number, states[:3]

    return work


def _read(place: Path) -> Work:
    return lambda: [Path(entry.path).read_bytes() for entry in os.scandir(place)]
