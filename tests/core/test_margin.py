"""Python moved to the right and back: strings stay as they are."""

from __future__ import annotations

import ast

import pytest

from jo_notebook.core.margin import dedented, edited, indented, lines_in_strings, offset_of

ROWS: dict[str, tuple[str, str]] = {
    "a statement": ("x = 1", "    x = 1"),
    "an empty line": ("x = 1\n  \ny", "    x = 1\n\n    y"),
    "a string": ("x = '''\n  a\n'''", "    x = '''\n  a\n'''"),
    "code behind a string": ("f('''\na''',\n1)", "    f('''\na''',\n    1)"),
    "a backslash in a string": ("x = 'a\\\nb'", "    x = 'a\\\nb'"),
    "a backslash outside": ("x = \\\n1", "    x = \\\n    1"),
    "a form feed": ("x\n\fy", "    x\n\f    y"),
    "tabs": ("if x:\n\ty", "    if x:\n    \ty"),
    "Windows": ("x\r\ny", "    x\n    y"),
    "an f-string": ("f'''\n{x}\n'''", "    f'''\n{x}\n'''"),
    "comments": ("# a\nx\n  # b", "    # a\n    x\n      # b"),
}


@pytest.mark.parametrize("row", ROWS)
def test_there_and_back(row: str) -> None:
    """To the right as expected; back, but for blanks in empty lines, as it was."""
    text, expected = ROWS[row]
    assert indented(text, "    ") == expected
    plain = text.replace("\r\n", "\n").replace("\n  \n", "\n\n")
    assert dedented(expected, "    ", inside=lines_in_strings(text.replace("\r\n", "\n"))) == plain


def test_what_is_no_python() -> None:
    """An open bracket or string is a SyntaxError, as anywhere."""
    for text in ("x = (", "x = '''a"):
        with pytest.raises(SyntaxError):
            indented(text, "    ")


def test_positions_count_characters() -> None:
    """`ast` counts bytes."""
    text = "ä = 'ö'; y = 2"
    node = ast.parse(text).body[1]
    start = offset_of([text], node.lineno, node.col_offset)
    assert text[start:] == "y = 2"
    assert edited(text, [(start, start + 1, "zz"), (0, 1, "a")]) == "a = 'ö'; zz = 2"
