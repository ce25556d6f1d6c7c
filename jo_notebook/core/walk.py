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

    __slots__ = ("depth", "left_out", "lenient", "low", "pieces", "sorted_from", "turn", "value", "waiting", "walk")

    def __init__(self, walk: Walk, value: object, lenient: bool, depth: int) -> None:
        self.walk = walk
        self.value = value
        self.lenient = lenient
        self.depth = depth
        self.pieces: list[bytes] = []
        self.waiting: list[tuple[int, object, bool, bool, bool]] = []
        self.turn = 0
        self.low = NOWHERE
        self.left_out = False
        self.sorted_from = -1

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
        self.unordered = False
        self.exact = True
        self._numbers = 0
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
        except Exception:  # noqa: BLE001 - one made without its parts; its rule may still say something
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
            if known[3] < NOWHERE and self.unordered:
                self.exact = False  # its number may hang on the order of a set
            return known
        opened = self._open[lenient].get(id(value))
        return None if opened is None else (value, digest_of_bytes(b"again %d" % (depth - opened)), False, opened)

    def _enter(self, stack: list[Node], value: Any, lenient: bool) -> None:
        node = Node(self, value, lenient, len(stack))
        stack.append(node)
        self._open[lenient][id(value)] = node.depth
        kind = type(value)
        try:
            rule = self._rules.get(kind)
            if rule is None:
                rule = self._rules[kind] = self.rule_of(kind)
            rule(node, value)
        except Opaque:
            self._fail(stack)
        except Exception:  # noqa: BLE001 - a user's object may raise anything when it is looked at
            if lenient:
                node.opaque()
            else:
                self._fail(stack)

    def _leave(self, stack: list[Node]) -> Known:
        node = stack.pop()
        del self._open[node.lenient][id(node.value)]
        digest, low = node.digest(), node.low
        known: Known = (node.value, digest, node.left_out, low if low < node.depth else NOWHERE)
        if low >= node.depth:
            self._known[node.lenient][id(node.value)] = known
            return known
        self.unordered = self.unordered or (node.sorted_from >= 0 and len(node.pieces) - node.sorted_from > 1)
        again = digest_of_bytes(b"number %d" % self._numbers)  # its digest is true only where it stands
        self._numbers += 1
        self._known[node.lenient][id(node.value)] = (node.value, again, node.left_out, low)
        return known

    def _fail(self, stack: list[Node]) -> None:
        """Nothing that holds an opaque value strictly has a digest."""
        while stack:
            node = stack.pop()
            del self._open[node.lenient][id(node.value)]
            known: Known = (node.value, None, False, NOWHERE)
            self._known[node.lenient][id(node.value)] = known
            if stack and stack[-1].take(known):
                return
        raise Opaque
