"""Small pieces of text: times, sizes, one safe line, columns that line up."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Sequence
from datetime import datetime, tzinfo

from jo_notebook.core.files import size_text as file_size

__all__ = ["ELSEWHERE", "OVERRIDES", "about", "columns", "count", "day", "duration", "far", "file_size", "left"]
__all__ += ["one_line", "pad", "shorten", "table"]

ELSEWHERE = {"data": "from elsewhere", "code": "from elsewhere, not trusted"}
OVERRIDES = {"pinned": "pinned", "accepted": "accepted", "given": "put in by hand"}
BIDI = frozenset("\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
LONGEST = 1e12  # seconds; above that it is no time
UNSAFE = frozenset({"Cc", "Cs", "Zl", "Zp"})


def one_line(text: str) -> str:
    """The text with everything escaped that could break, recolour or reverse a line."""
    if text.isascii() and text.isprintable():
        return text
    return "".join(_escape(c) if c in BIDI or unicodedata.category(c) in UNSAFE else c for c in text)


def shorten(text: str, limit: int) -> str:
    """The text in at most `limit` columns, with an ellipsis where something was cut."""
    if columns(text) <= limit:
        return text
    kept, used = "", 1
    for c in text:
        used += columns(c)
        if used > limit:
            break
        kept += c
    return kept.rstrip() + "…"


def columns(text: str) -> int:
    """How many columns a terminal needs: East-Asian wide characters take two, combining marks none."""
    if text.isascii():
        return len(text)
    return sum(0 if unicodedata.combining(c) else 2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text)


def pad(text: str, width: int) -> str:
    """The text with spaces up to `width` columns."""
    return text + " " * (width - columns(text))


def table(rows: Iterable[Sequence[str]], gap: int = 3) -> str:
    """Rows as lines with aligned columns and no trailing spaces."""
    cells = list(rows)
    widths = [max(map(columns, column)) for column in zip(*cells, strict=True)]
    lines = ((" " * gap).join(map(pad, row, widths)).rstrip() for row in cells)
    return "\n".join(lines)


def day(when: float, zone: tzinfo | None = None) -> str:
    """Date and time, local unless a zone is given; empty for what no calendar has."""
    try:
        return datetime.fromtimestamp(when, zone).strftime("%Y-%m-%d %H:%M")
    except (ValueError, OverflowError, OSError):
        return ""


def duration(seconds: float) -> str:
    """A measured time: 45 ms, 4.2 s, 42 s, 4 min 5 s, 1 h 20 min; empty for what is no time."""
    if not 0 <= abs(seconds) < LONGEST:
        return ""
    if seconds < 0.9995:
        return f"{max(0.0, seconds) * 1000:.0f} ms"
    if seconds < 9.95:
        return f"{seconds:.1f} s"
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return _two(whole, 60, "min", "s")
    return _two(round(seconds / 60), 60, "h", "min")


def about(seconds: float) -> str:
    """An expected time, no more exact than it deserves: about 3 s, about 4 min, about 1 h 20 min."""
    if not 0 <= abs(seconds) < LONGEST:
        return ""
    whole = round(seconds)
    if whole < 1:
        return "less than 1 s"
    if whole < 60:
        return f"about {whole} s"
    minutes = round(seconds / 60)
    return f"about {minutes} min" if minutes < 60 else f"about {_two(minutes, 60, 'h', 'min')}"


def left(seconds: float, *, is_least: bool = False) -> str:
    """How long something still takes: about 3 min left, at least 40 s left."""
    said = about(seconds)
    return f"{said.replace('about', 'at least', 1) if is_least else said} left" if said else ""


def far(fraction: float | None, seconds: float | None = None) -> str:
    """How far a step says it is, and how long it still takes: 45 %, about 20 s left; empty where it does not say."""
    if fraction is None:
        return ""
    share = f"{min(max(fraction, 0.0), 1.0) * 100:.0f} %"
    return share if seconds is None or fraction >= 1.0 else f"{share}, {left(seconds)}"


def count(number: int, noun: str) -> str:
    """1 step, 2 steps."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _escape(c: str) -> str:
    return c.encode("unicode_escape").decode("ascii")


def _two(value: int, base: int, large: str, small: str) -> str:
    whole, rest = divmod(value, base)
    return f"{whole} {large} {rest} {small}" if rest else f"{whole} {large}"
