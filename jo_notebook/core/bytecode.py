"""What compiled code does, in words that do not depend on where its lines stand. True within one Python version."""

from __future__ import annotations

import dis
import functools
from types import CodeType

JUMPS = frozenset((*dis.hasjrel, *dis.hasjabs))


@functools.lru_cache(maxsize=4096)
def instructions(code: CodeType) -> bytes:
    """What the code does, in the same words however it was compiled.

    Python compiles `np.zeros(3)` in two ways: with and without `import numpy as np` in the same cell.
    """
    listing = dis.Bytecode(code)
    listed = [(i, i.opname not in ("EXTENDED_ARG", "PUSH_NULL")) for i in listing]
    place: dict[int, int] = {}
    count = 0
    for instruction, kept in listed:
        place[instruction.offset] = count
        count += kept
    rows: list[tuple[str, object]] = []
    for instruction, kept in listed:
        name, argument = instruction.opname, instruction.arg
        if name in ("LOAD_GLOBAL", "LOAD_METHOD", "LOAD_ATTR"):
            rows.append((name.replace("METHOD", "ATTR"), instruction.argval))
        elif kept:
            rows.append((name, place.get(instruction.argval) if instruction.opcode in JUMPS else argument))
    caught = [
        (place.get(e.start), place.get(e.end), place.get(e.target), e.depth, e.lasti)
        for e in getattr(listing, "exception_entries", ())
    ]
    return repr((rows, caught)).encode("utf-8", "surrogatepass")


@functools.lru_cache(maxsize=4096)
def loads_first_constant(code: CodeType) -> bool:
    """Whether the code reads its first constant; if not, that is a docstring or nothing."""
    return any(i.opcode in dis.hasconst and i.arg == 0 for i in dis.get_instructions(code))


@functools.lru_cache(maxsize=4096)
def global_names(code: CodeType) -> tuple[str, ...]:
    """The global names that a compiled function reads, in nested functions and classes too."""
    found: dict[str, None] = {}
    queue = [code]
    while queue:
        code = queue.pop()
        for instruction in dis.get_instructions(code):
            if instruction.opname in ("LOAD_GLOBAL", "LOAD_NAME", "LOAD_FROM_DICT_OR_GLOBALS"):
                found[instruction.argval] = None
        queue += [c for c in code.co_consts if isinstance(c, CodeType)]
    return tuple(sorted(found))
