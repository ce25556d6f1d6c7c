"""What `--set` says: `alpha=0.2`, `Train.alpha=0.2`, `flag=true`, `xs=[1, 2]`, as names and plain values."""

from __future__ import annotations

import ast
import keyword
import unicodedata
from collections.abc import Iterable

from jo_notebook.errors import UsageError

WORDS: dict[str, object] = {"true": True, "false": False, "none": None, "null": None}
OPENING = tuple("[{('\"")
EXAMPLE = "--set alpha=0.2"


def parse_sets(words: Iterable[str]) -> dict[str, object]:
    """Each word as a name and a value; `Train.alpha` is the parameter of one step.

    A value is what Python would read, `true`, `false`, `none` or `null` in any case, and text where it is none of
    these; `"5"` in quotes is text, too. Raises UsageError for a word without a name, for a name that is set twice, and
    for a value that begins as a list, a dict or a quoted text and is none.
    """
    found: dict[str, object] = {}
    for word in words:
        name, equals, text = word.partition("=")
        name = unicodedata.normalize("NFKC", name.strip())
        if not equals:
            raise UsageError(f"--set {word} has no value: write a name and a value, for instance {EXAMPLE}.")
        step, dot, own = name.rpartition(".")
        if not own.isidentifier() or keyword.iskeyword(own) or (dot and not step):
            raise UsageError(f"--set {word}: {name!r} is no name that Python knows. For instance: {EXAMPLE}.")
        if name in found:
            raise UsageError(f"{name} is set twice, to {found[name]!r} and to {text!r}: leave one of them out.")
        found[name] = _value(name, text.strip())
    return found


def _value(name: str, text: str) -> object:
    if text.lower() in WORDS:
        return WORDS[text.lower()]
    try:
        value: object = ast.literal_eval(text)
    except (SyntaxError, ValueError, TypeError, MemoryError, RecursionError) as error:
        if text.startswith(OPENING):
            raise UsageError(
                f"The value of {name} is not understood: {text!r} begins as Python's {_kind(text)} does, and is none. "
                f"Text like this needs quotes, for instance --set '{name}=\"…\"'."
            ) from error
        return text
    return value


def _kind(text: str) -> str:
    return {"[": "list", "{": "dict", "(": "tuple"}.get(text[0], "text in quotes")
