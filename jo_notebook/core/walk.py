"""The walk behind data versions: from a value to its digest, without recursion.

A rule describes one value: it writes tagged bytes and names the values inside. Those are walked afterwards,
each to a digest of its own, however deep they lie. A value met again has the digest it had; one met inside
itself stands as the number of levels up to where it began.

There are two modes. A strict walk ends at what cannot be taken apart; a lenient one leaves it out and says so.
"""

from __future__ import annotations

import struct
import sys
from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any

from jo_notebook.core.buffers import digest_of_blocks, digest_of_bytes
from jo_notebook.core.homes import Kind, kind_of
from jo_notebook.core.kinds import is_named, module_of, name_of
from jo_notebook.core.plain import FLAT, flat, leaf_of, scalar

NOWHERE = 1 << 62

Rule = Callable[["Node", Any], None]
Known = tuple[object, bytes | None, bool, int]
"""A value (so that it lives on), its digest (None where it is opaque), what was left out, where it refers up to."""
NOTHING: Known = (None, None, False, NOWHERE)


class Opaque(Exception):
    """Met what cannot be taken apart, where nothing may be left out."""


class Node:
    """One value while it is walked: what its rule wrote, and the values inside that are still to come."""

    __slots__ = (
        "crowd",
        "depth",
        "first",
        "left_out",
        "lenient",
        "low",
        "pieces",
        "sorted_from",
        "turn",
        "value",
        "waiting",
        "walk",
    )

    def __init__(self, walk: Walk, value: object, lenient: bool, depth: int, first: int) -> None:
        self.walk = walk
        self.first = first
        self.value = value
        self.lenient = lenient
        self.depth = depth
        self.pieces: list[bytes] = []
        self.waiting: list[tuple[int, object, bool, bool, bool]] = []
        self.turn = 0
        self.low = NOWHERE
        self.left_out = False
        self.sorted_from = -1
        self.crowd = False
        """A set of which several elements are walked, in an order that may be another next time."""

    # -- for rules ------------------------------------------------------------------------------------

    def put(self, tag: str, *fields: bytes) -> None:
        """A tag and its bytes, each with its length."""
        name = tag.encode()
        self.pieces.append(b"t" + struct.pack("<II", len(name), len(fields)) + name)
        for field in fields:
            self.pieces.append(struct.pack("<Q", len(field)))
            self.pieces.append(field)

    def feed(self, value: Any, *, lenient: bool | None = None, silent: bool = False) -> None:
        """A value inside; `lenient` where another mode than this node's is due, `silent` to make no note of it."""
        kind = type(value)
        if kind in FLAT:
            self.pieces.append(b"s" + scalar(value))
            return
        self.pieces.append(b"v")
        self.inside(value, kind, self.lenient if lenient is None else lenient, silent=silent)

    def inside(self, value: Any, kind: type, lenient: bool, *, silent: bool = False, whole: bool = False) -> None:
        """The digest of a value, now where that is quick, else in its turn. `whole`: that value or nothing."""
        quick = None if whole else self.walk.quick(value, kind) or self.walk.known(value, lenient)
        self.pieces.append(quick or b"")
        if quick is None:
            self.waiting.append((len(self.pieces) - 1, value, lenient, silent, whole))

    def each(self, tag: str, values: Iterable[Any], count: int) -> None:
        """A tag, a number of values, and the values."""
        self.put(tag, struct.pack("<Q", count))
        for value in values:
            self.feed(value)

    def sequence(self, values: Sequence[Any]) -> None:
        """The elements of a list that nobody else holds on to."""
        data = flat(values, list)
        if data is None:
            self.feed(values)
        else:
            self.buffer((data,), len(data))

    def buffer(self, blocks: Iterable[Any], size: int) -> None:
        """Contiguous buffers that follow one another, `size` bytes in all."""
        self.put("buffer", digest_of_blocks(blocks, size))

    def opaque(self) -> None:
        """This value cannot be taken apart: it is left out, where that is allowed."""
        if not self.lenient:
            raise Opaque
        kind = type(self.value)
        self.left_out = True
        self.pieces.clear()
        self.waiting.clear()
        self.turn = 0
        self.put("left out", module_of(kind).encode(), name_of(kind).encode())

    # -- for the walk ---------------------------------------------------------------------------------

    def take(self, known: Known) -> bool:
        """The digest of the value whose turn it was; False where this node is opaque for it."""
        place, _, _, silent, whole = self.waiting[self.turn]
        self.turn += 1
        _, digest, left_out, low = known
        if digest is None:
            if not whole:
                return False
            self.opaque()
            return True
        self.pieces[place] = digest
        self.left_out = self.left_out or (left_out and not silent)
        self.low = min(self.low, low)
        return True

    def digest(self) -> bytes:
        """Of all that was written, once nothing waits."""
        if self.sorted_from >= 0:
            self.pieces[self.sorted_from :] = sorted(self.pieces[self.sorted_from :])
        return digest_of_bytes(self.pieces[0] if len(self.pieces) == 1 else b"".join(self.pieces))


class Walk:
    """One walk: the values it has met, by identity and mode, and those it is inside of."""

    def __init__(self, rule_of: Callable[[type], Rule], *, told: Collection[int] = (), reads: bool = True) -> None:
        self.rule_of = rule_of
        self.told = frozenset(told)
        self.reads = reads
        self.exact = True
        self._clock = 0
        self._cyclic: list[tuple[bool, Known]] = []
        self._stamps: dict[tuple[bool, int], int] = {}
        self._sets: list[list[int]] = []
        self._past_sets: list[tuple[int, int]] = []
        self._known: tuple[dict[int, Known], dict[int, Known]] = ({}, {})
        self._open: tuple[dict[int, int], dict[int, int]] = ({}, {})
        self._leaves: dict[type, Callable[[Any], bytes | None] | None] = {}
        self._rules: dict[type, Rule] = {}
        self._homes: dict[str, bool] = {}

    def of(self, value: object, *, lenient: bool = False) -> Known:
        """What is known of a value at the end. Raises Opaque in a strict walk."""
        kind = type(value)
        quick = digest_of_bytes(b"s" + scalar(value)) if kind in FLAT else self.quick(value, kind)
        if quick is not None:
            return (value, quick, False, NOWHERE)
        stack: list[Node] = []
        self._enter(stack, value, lenient)
        while True:
            node = stack[-1]
            if node.turn == len(node.waiting):
                known = self._leave(stack)
                if not stack:
                    return known
                stack[-1].take(known)
                continue
            _, child, mode, _, _ = node.waiting[node.turn]
            if node.crowd:
                self._sets[-1][1] = self._clock
            met = self._met(child, mode, len(stack))
            if met is None:
                self._enter(stack, child, mode)
            elif not node.take(met):
                self._fail(stack)

    def quick(self, value: Any, kind: type) -> bytes | None:
        """The digest of a value that needs no node."""
        try:
            leaf = self._leaves[kind]
        except KeyError:
            leaf = self._leaves[kind] = leaf_of(kind)
        try:
            return None if leaf is None else leaf(value)
        except (Exception, SystemExit):  # noqa: BLE001 - one made without its parts; its rule may still say something
            return None

    def known(self, value: object, lenient: bool) -> bytes | None:
        """The digest of a value that was walked, where there is nothing else to say of it."""
        known = self._known[lenient].get(id(value))
        return None if known is None or known[2] or known[3] < NOWHERE else known[1]

    def is_named(self, value: Any) -> bool:
        """Whether a class or function enters by its name alone."""
        return is_named(value, self._homes)

    def is_there(self, module: str) -> bool:
        """Whether a fresh process can import this module: any but the notebook."""
        return module in sys.modules and kind_of(module) is not Kind.NOTEBOOK

    def is_edited(self, module: str) -> bool:
        """Whether its code is the user's own."""
        return kind_of(module) in (Kind.NOTEBOOK, Kind.LOCAL, Kind.MISSING)

    def _met(self, value: object, lenient: bool, depth: int) -> Known | None:
        known = self._known[lenient].get(id(value))
        if known is not None:
            stamp = self._stamps.get((lenient, id(value)))
            if stamp is None:
                return known
            self._ask_order(stamp)
            if known[1] is None or known[3] == NOWHERE:
                return known
            back = len(self._cyclic) - int.from_bytes(known[1], "little")
            return (value, digest_of_bytes(b"back %d" % back), known[2], known[3])
        opened = self._open[lenient].get(id(value))
        return None if opened is None else (value, digest_of_bytes(b"again %d" % (depth - opened)), False, opened)

    def _enter(self, stack: list[Node], value: Any, lenient: bool) -> None:
        node = Node(self, value, lenient, len(stack), len(self._cyclic))
        stack.append(node)
        self._open[lenient][id(value)] = node.depth
        kind = type(value)
        try:
            rule = self._rules.get(kind)
            if rule is None:
                rule = self._rules[kind] = self.rule_of(kind)
            rule(node, value)
            node.crowd = node.sorted_from >= 0 and len(node.waiting) > 1
            if node.crowd:
                self._sets.append([self._clock, self._clock])
        except Opaque:
            self._fail(stack)
        except (Exception, SystemExit):  # noqa: BLE001 - a user's object may raise anything when it is looked at
            if lenient:
                node.opaque()
            else:
                self._fail(stack)

    def _leave(self, stack: list[Node]) -> Known:
        node = self._pop(stack)
        digest, low = node.digest(), node.low
        known: Known = (node.value, digest, node.left_out, low if low < node.depth else NOWHERE)
        if low < node.depth:  # its digest is true only where it stands: met again, it is so many such values back
            place = len(self._cyclic).to_bytes(8, "little")
            self._cyclic.append((node.lenient, known))
            self._stamps[node.lenient, id(node.value)] = self._clock
            self._clock += 1
            self._known[node.lenient][id(node.value)] = (node.value, place, node.left_out, low)
            return known
        if len(self._cyclic) > node.first:
            self._close(node.first, digest)
        self._known[node.lenient][id(node.value)] = known
        return known

    def _close(self, first: int, digest: bytes) -> None:
        """A cycle is whole: each of its parts is from now on so many-th of it."""
        for number, (lenient, (value, _, left_out, _)) in enumerate(self._cyclic[first:]):
            inner = digest_of_bytes(b"within %d " % number + digest)
            self._known[lenient][id(value)] = (value, inner, left_out, NOWHERE)
        del self._cyclic[first:]

    def _pop(self, stack: list[Node]) -> Node:
        node = stack.pop()
        del self._open[node.lenient][id(node.value)]
        if node.crowd:
            self._past_sets.append((self._sets.pop()[0], self._clock))
        return node

    def _ask_order(self, stamp: int) -> None:
        """Where a part of a cycle was met first in another element of a set, the set's order decided its digest."""
        here = any(start <= stamp < element for start, element in self._sets)
        if here or any(start <= stamp < end for start, end in self._past_sets):
            self.exact = False

    def _fail(self, stack: list[Node]) -> None:
        """Nothing that holds an opaque value strictly has a digest."""
        while stack:
            node = self._pop(stack)
            known: Known = (node.value, None, False, NOWHERE)
            self._known[node.lenient][id(node.value)] = known
            if stack and stack[-1].take(known):
                return
        raise Opaque
