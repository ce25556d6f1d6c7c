"""A YAML file as nodes that know their lines. Nothing in it can run code; what may mean two things is refused.

Plain words are read as YAML 1.2 reads them, and names exactly as they are written: a stage may be called `yes`.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from jo_notebook.errors import UsageError

LIMIT = 200_000  # values, aliases followed: nobody writes so many, a few lines of aliases can mean many more
DEPTH = 100
STANDARD = frozenset({f"tag:yaml.org,2002:{kind}" for kind in ("str", "seq", "map")} | {"!"})
NULL = frozenset({"", "~", "null", "Null", "NULL"})
BOOL = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
INT = re.compile(r"[-+]?(?:0|[1-9][0-9]*)")
OTHER_INT = re.compile(r"0x[0-9a-fA-F]+|0o[0-7]+")
FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
DOUBTFUL = (
    (re.compile(r"yes|no|on|off", re.IGNORECASE), 'true or false, or "{0}" in quotes'),
    (re.compile(r"\d{4}-\d{1,2}-\d{1,2}(?:[Tt \t].*)?"), '"{0}" in quotes'),
    (re.compile(r"[-+]?\d[\d_]*(?::[0-5]?\d)+(?:\.\d*)?"), '"{0}" in quotes'),
    (re.compile(r"[-+]?0\d+|[-+]?0b[01_]+|[-+]?\d[\d_]*_[\d_]*(?:\.[\d_]*)?"), 'a plain number, or "{0}" in quotes'),
    (re.compile(r"[-+]?\.(?:inf|nan)", re.IGNORECASE), 'a finite number, or "{0}" in quotes'),
)


class Document:
    """One YAML document. `name` is what messages call the file; `root` is None where nothing is written in it."""

    def __init__(self, path: Path) -> None:
        """Raises UsageError, with the line, for a file that cannot be read or is no YAML."""
        self.name = path.name
        self.root = _compose(path, self.name)
        self._values = 0

    def error(self, at: Node | int, message: str) -> UsageError:
        """An error that says where in the file."""
        return UsageError(f"{self.name}, line {at if isinstance(at, int) else line_of(at)}: {message}")

    def pairs(self, node: MappingNode) -> list[tuple[str, Node, Node]]:
        """The entries of a mapping: the key as it is written, and both nodes. `<<: *defaults` is followed.

        Raises UsageError for a key that is no word, or that comes twice.
        """
        return self._pairs(node, ())

    def _pairs(self, node: MappingNode, inside: tuple[Node, ...]) -> list[tuple[str, Node, Node]]:
        self._enter(node, inside)
        found: dict[str, tuple[Node, Node]] = {}
        merged: dict[str, tuple[Node, Node]] = {}
        for key, value in node.value:
            if not isinstance(key, ScalarNode):
                raise self.error(key, "a name is expected here, not a list or a mapping.")
            if key.value == "<<" and key.style is None:
                for other in self._merged(value, (*inside, node)):
                    merged.setdefault(other[0], other[1:])
                continue
            if key.value in found:
                first = line_of(found[key.value][0])
                raise self.error(key, f"{key.value!r} is written twice, first in line {first}: take one of them out.")
            found[key.value] = key, value
        return [(name, *nodes) for name, nodes in ({**merged, **found}).items()]

    def plain(self, node: Node) -> Any:
        """The value: text, numbers, true, false, null, lists and mappings of these.

        Raises UsageError for words that older and newer YAML take for different things, tags, and what holds itself.
        """
        return self._plain(node, ())

    def _plain(self, node: Node, inside: tuple[Node, ...]) -> Any:
        self._enter(node, inside)
        if node.tag not in STANDARD:
            raise self.error(node, f"the tag {node.tag.replace('tag:yaml.org,2002:', '!!')} is not understood here.")
        if isinstance(node, ScalarNode):
            return self._word(node)
        inside = (*inside, node)
        if isinstance(node, SequenceNode):
            return [self._plain(item, inside) for item in node.value]
        assert isinstance(node, MappingNode)
        return {self._plain(key, inside): self._plain(value, inside) for _, key, value in self.pairs(node)}

    def _word(self, node: ScalarNode) -> Any:
        text: str = node.value
        if node.style is not None:
            return text
        if text in NULL:
            return None
        if text in BOOL:
            return BOOL[text]
        for pattern, hint in DOUBTFUL:
            if pattern.fullmatch(text):
                raise self.error(node, f"{text} is read in more than one way: write {hint.format(text)}.")
        try:
            if INT.fullmatch(text):
                return int(text)
            if OTHER_INT.fullmatch(text):
                return int(text, 0)
            number = float(text) if FLOAT.fullmatch(text) else text
        except ValueError as error:
            raise self.error(node, f"{text[:20]}… is no number that Python reads: {error}.") from error
        if number in (float("inf"), float("-inf")):
            raise self.error(node, f"{text} is larger than any number: write a smaller one.")
        return number

    def _merged(self, node: Node, inside: tuple[Node, ...]) -> Iterator[tuple[str, Node, Node]]:
        """What `<<: *defaults` or `<<: [*one, *other]` brings, the nearest first."""
        for other in node.value if isinstance(node, SequenceNode) else [node]:
            if not isinstance(other, MappingNode):
                raise self.error(node, "<< takes a mapping, such as *defaults.")
            yield from self._pairs(other, inside)

    def _enter(self, node: Node, inside: tuple[Node, ...]) -> None:
        """Raises UsageError where following aliases leads round in a circle, too deep, or to too much."""
        self._values += 1
        if self._values > LIMIT:
            raise self.error(node, "the aliases of this file stand for too many values.")
        if any(node is outer for outer in inside):
            raise self.error(node, "this value holds itself.")
        if len(inside) > DEPTH:
            raise self.error(node, "lists and mappings are nested too deeply.")


def line_of(node: Node) -> int:
    """The line on which something is written, from 1."""
    return int(node.start_mark.line) + 1


def is_null(node: Node) -> bool:
    """Whether nothing is written there, or `null`."""
    return isinstance(node, ScalarNode) and node.style is None and node.value in NULL


def _compose(path: Path, name: str) -> Node | None:
    text = _text_of(path, name)
    try:
        root: Node | None = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        raise UsageError(f"{name}, line {line}: the character {chr(error.character)!r} cannot stand here.") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = 1 if mark is None else mark.line + 1
        told = ", ".join(filter(None, (error.context, error.problem)))
        raise UsageError(f"{name}, line {line}: this is not YAML: {told}.") from error
    except RecursionError as error:
        raise UsageError(f"{name}: lists and mappings are nested too deeply.") from error
    return None if root is None or is_null(root) else root


def _text_of(path: Path, name: str) -> str:
    try:
        data = path.read_bytes()
    except FileNotFoundError as error:
        raise UsageError(f"There is no file {path}.") from error
    except OSError as error:
        raise UsageError(f"{path} cannot be read: {error.strerror}.") from error
    is_wide = data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    try:
        return data.decode("utf-16" if is_wide else "utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{name}, line {line}: this is no text in UTF-8.") from error
