"""The other spelling of a step: `#| step: Clean <- Load` as the first line of an ordinary cell.

Linters, formatters and completion see plain Python. The line becomes a `%%step` line before the cell
runs, so there is one parser and one meaning, and the lines keep their numbers.
"""

from __future__ import annotations

import re

COMMENT = re.compile(r"^#\|\s*step:\s*(?P<name>[^\s<-][^<]*?)?\s*(?:<-\s*(?P<after>.*?))?\s*$")
ALONE = re.compile(r"%%step(?:\s|$)")
OPTION = re.compile(r"(?:^|\s)--")


def comment_to_magic(lines: list[str]) -> list[str]:
    """The lines of a cell with a step comment turned into a `%%step` line; any other cell as it is.

    A `%%step` line alone gets an empty line below it: IPython refuses a cell magic without a body in words
    that do not help here, and our own parser does better.
    """
    found = COMMENT.match(lines[0].rstrip("\n")) if lines and lines[0].startswith("#|") else None
    if found is not None:
        lines = [f"%%step {magic_line(found)}\n", *lines[1:]]
    return [*lines, "\n"] if len(lines) == 1 and ALONE.match(lines[0]) else lines


def magic_line(found: re.Match[str]) -> str:
    """What stands behind `%%step` for a matched comment."""
    name, options = _cut((found["name"] or "").strip())
    if found["after"] is None:
        return f"{name} {options}".strip()
    dependencies, more = _cut(found["after"].strip())
    return " ".join(filter(None, [name, f"--depends-on {dependencies or 'none'}", options, more]))


def _cut(text: str) -> tuple[str, str]:
    """A text in front of its first option, and the options."""
    option = OPTION.search(text)
    if option is None:
        return text, ""
    return text[: option.start()].strip(), text[option.start() :].strip()
