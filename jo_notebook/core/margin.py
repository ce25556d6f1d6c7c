"""A piece of Python moved to the right or to the left, with the inside of its strings left where it is.

Whitespace at the beginning of a line means nothing inside of brackets and something inside of a string, so lines that
begin inside a string stay as they are. Line ends are `\\n`, as Python itself reads them.
"""

from __future__ import annotations

import ast
import io
import token
import tokenize
from collections.abc import Iterator

BLANKS = " \t\f"
OPENING = frozenset(getattr(token, name) for name in ("FSTRING_START", "TSTRING_START") if hasattr(token, name))
CLOSING = frozenset(getattr(token, name) for name in ("FSTRING_END", "TSTRING_END") if hasattr(token, name))


def plain_lines(text: str) -> str:
    """The text with `\\n` at the end of its lines, whatever there was; Python reads both as the same program."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def tokens_of(text: str) -> Iterator[tokenize.TokenInfo]:
    """The tokens of a piece of Python that has been parsed before."""
    return tokenize.generate_tokens(io.StringIO(text).readline)


def lines_in_strings(text: str) -> frozenset[int]:
    """The numbers, from 1, of the lines that begin inside a string. Raises SyntaxError for what is no Python."""
    found: set[int] = set()
    opened: list[int] = []
    try:
        for part in tokens_of(text):
            if part.type in OPENING:
                opened.append(part.start[0])
            elif part.type in CLOSING:
                found.update(range(opened.pop() + 1, part.end[0] + 1))
            elif part.type == token.STRING:
                found.update(range(part.start[0] + 1, part.end[0] + 1))
    except tokenize.TokenError as error:
        raise SyntaxError(str(error.args[0])) from error
    return frozenset(found)


def indented(text: str, margin: str) -> str:
    """Every line behind a margin, but for empty ones and those that begin inside a string. Raises SyntaxError."""
    text = plain_lines(text)
    inside = lines_in_strings(text)
    lines = text.split("\n")
    return "\n".join(line if n in inside else _moved_right(line, margin) for n, line in enumerate(lines, 1))


def dedented(text: str, margin: str, *, inside: frozenset[int]) -> str:
    """The reverse: the margin is taken away, or what a line has of it. `inside` are the lines to leave alone."""
    lines = text.split("\n")
    return "\n".join(line if n in inside else _moved_left(line, margin) for n, line in enumerate(lines, 1))


def at_the_margin(text: str) -> str:
    """Lines that all stand behind the margin of the first one, without it. Raises SyntaxError."""
    text = plain_lines(text)
    margin = margin_of(text)
    return dedented(text, margin, inside=lines_in_strings(text)) if margin else text


def margin_of(line: str) -> str:
    """The indentation of a line, or of the first one of a text."""
    return line[_feeds(line) : _blanks(line)]


def _blanks(line: str) -> int:
    return len(line) - len(line.lstrip(BLANKS))


def _feeds(line: str) -> int:
    """Where indentation begins: a form feed sets the column to 0, so that is behind the last one."""
    return line.rfind("\f", 0, _blanks(line)) + 1


def _moved_right(line: str, margin: str) -> str:
    if not line.strip(BLANKS):
        return line if "\f" in line else ""
    feeds = _feeds(line)
    return line[:feeds] + margin + line[feeds:]


def _moved_left(line: str, margin: str) -> str:
    feeds = _feeds(line)
    head, rest = line[:feeds], line[feeds:]
    if rest.startswith(margin):
        return head + rest[len(margin) :]
    return head + rest.lstrip(" \t")


def offset_of(lines: list[str], row: int, column: int) -> int:
    """Where a position of `ast` (a row from 1, a column in UTF-8 bytes) is in the text, counted in characters."""
    before = sum(len(line) + 1 for line in lines[: row - 1])
    return before + len(lines[row - 1].encode()[:column].decode())


def span_of(lines: list[str], node: ast.stmt | ast.expr) -> tuple[int, int]:
    """Where a node begins and ends in the text, counted in characters."""
    assert node.end_lineno is not None
    assert node.end_col_offset is not None
    return offset_of(lines, node.lineno, node.col_offset), offset_of(lines, node.end_lineno, node.end_col_offset)


def edited(text: str, edits: list[tuple[int, int, str]]) -> str:
    """The text with pieces of it, given by where they begin and end, replaced by others."""
    for start, end, piece in sorted(edits, reverse=True):
        text = text[:start] + piece + text[end:]
    return text
