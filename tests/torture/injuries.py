"""What a disk, or somebody with an editor, may do to the files of a store, and what must come of it."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy

from jo_notebook.core.record import Failure
from jo_notebook.errors import StoreError
from jo_notebook.store import Context
from tests.torture.making import FINGERPRINT, files, generations, outcome, record

NAMES = ("Plain", "Text", "Array", "Code")
NEWEST = 2
FAILURE = Failure("Broken", FINGERPRINT, "ValueError: no", "Traceback …", when=1.0)


def value_of(name: str, generation: int) -> Any:
    if name == "Array":
        return numpy.arange(500) + generation
    if name == "Code":
        return lambda x: x + generation
    return {"generation": generation, "rows": [0.5, None, "ü"]} if name == "Plain" else f"text {generation} " * 40


def is_value(name: str, generation: int, found: Any) -> bool:
    """Whether this is what was saved. Asks only after a value that was read, whatever it is."""
    if name == "Array":
        return isinstance(found, numpy.ndarray) and numpy.array_equal(found, value_of(name, generation))
    if name == "Code":
        return callable(found) and found(1) == 1 + generation
    return bool(found == value_of(name, generation))


def build(place: Path, names: Sequence[str] = NAMES) -> Context:
    """Two generations of each step, a failure and two definitions."""
    context = Context(place)
    for name in names:
        for generation in (1, NEWEST):
            assert context.put(record(name), value_of(name, generation)).unsaved == ""
    context.fail(FAILURE)
    for name in NAMES[:2]:
        context.save_definition(name, {"text": name})
    return context


def trials(kind: str, base: Path, work: Path, dice: random.Random, count: int) -> Iterator[tuple[str, list[str]]]:
    """What was injured, and all that was not as it must be."""
    rows = [path.relative_to(base) for path in files(base)]
    for trial in range(count):
        place = work / base.name
        shutil.copytree(base, place)
        path = place / (rows[trial] if trial < len(rows) else dice.choice(rows))  # each at least once
        owner = next((name for name in NAMES if path in generations(place, name)), "")
        is_newest = owner and path == generations(place, owner)[-1]
        done = dice.choice(INJURIES[kind])(path, dice)
        try:
            faults = list(_faults(place, owner, must_tell=bool(owner) and not (done == "deleted" and not is_newest)))
        except Exception as error:  # noqa: BLE001 - any error that is not the store's own is what is looked for
            faults = [f"raw: {type(error).__name__}: {error}"]
        yield f"{done} {path.relative_to(place)}", faults
        shutil.rmtree(place)


def _faults(place: Path, owner: str, *, must_tell: bool) -> Iterator[str]:
    context = Context(place)
    for name in NAMES:
        found = outcome(context, name)
        if isinstance(found, StoreError):
            yield from () if name == owner else (f"collateral: {name}: {found}",)
        elif not is_value(name, NEWEST, found):
            yield f"{'rolled back' if is_value(name, 1, found) else 'wrong'}: {name} is {found!r:.80}"
    if must_tell and not context.verify():
        yield "unnoticed: verify tells of nothing"
    for name in NAMES:
        if context.use(name, 1):
            found = outcome(context, name)
            if not isinstance(found, StoreError) and not is_value(name, 1, found):
                yield f"wrong: older {name} is {found!r:.80}"
    if any(failure != FAILURE for failure in context.failures.values()):
        yield "wrong: the failure"
    told = context.definitions()
    if any(told[name] != ({"text": name}, True) for name in told):
        yield "wrong: a definition"
    if len(told) < 2 and not context.problems:
        yield "unnoticed: a definition is gone" if len(list(place.glob("definitions/*"))) == 2 else "gone"
    yield from _heals(place, owner or NAMES[0])


def _heals(place: Path, name: str) -> Iterator[str]:
    told = Context(place).put(record(name), value_of(name, 3)).unsaved
    fresh = Context(place)
    if told or name in fresh.damaged or not is_value(name, 3, outcome(fresh, name)):
        yield f"not healed: {name}: {told or outcome(fresh, name)!r}"


def flip(path: Path, dice: random.Random) -> str:
    data = bytearray(path.read_bytes())
    data[dice.randrange(len(data))] ^= 1 << dice.randrange(8)
    path.write_bytes(data)
    return "flipped"


def empty(path: Path, dice: random.Random) -> str:
    path.write_bytes(b"")
    return "emptied"


def cut(path: Path, dice: random.Random) -> str:
    path.write_bytes(path.read_bytes()[: dice.randrange(path.stat().st_size)])
    return "cut"


def zeros(path: Path, dice: random.Random) -> str:
    """As a journal that keeps sizes and loses blocks leaves a file."""
    data = path.read_bytes()
    begin = dice.choice((0, dice.randrange(len(data))))
    path.write_bytes(data[:begin] + bytes(len(data) - begin))
    return "zeroed"


def grown(path: Path, dice: random.Random) -> str:
    data = path.read_bytes()
    path.write_bytes(data + dice.choice((b"\0", b"\n", dice.randbytes(60), data)))
    return "grown"


def deleted(path: Path, dice: random.Random) -> str:
    path.unlink()
    return "deleted"


INJURIES: dict[str, list[Callable[[Path, random.Random], str]]] = {
    "flip": [flip],
    "truncate": [empty, cut, zeros, grown, deleted],
}
