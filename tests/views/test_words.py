"""Times, sizes and lines that stay lines."""

from __future__ import annotations

import pytest

from jo_notebook.views.words import about, columns, count, duration, file_size, one_line, pad, shorten, table


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0 ms"), (0.045, "45 ms"), (0.9996, "1.0 s"), (4.2, "4.2 s"), (9.96, "10 s"), (42.4, "42 s"),
     (59.7, "1 min"), (245, "4 min 5 s"), (3599.6, "1 h"), (4800, "1 h 20 min"), (-1, "0 ms")],
)  # fmt: skip
def test_duration(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.2, "less than 1 s"), (3.1, "about 3 s"), (59.6, "about 1 min"), (240, "about 4 min"),
     (3580, "about 1 h"), (4800, "about 1 h 20 min")],
)  # fmt: skip
def test_about(seconds: float, text: str) -> None:
    assert about(seconds) == text


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0 B"), (512, "512 B"), (999.6, "1 kB"), (1_234_567, "1.2 MB"), (12_345_678, "12 MB"),
     (999_600, "1 MB"), (2_000_000_000, "2 GB")],
)  # fmt: skip
def test_file_size(size: float, text: str) -> None:
    assert file_size(size) == text


@pytest.mark.parametrize(
    ("text", "safe"),
    [("plain", "plain"), ("a\nb", "a\\nb"), ("\x1b[31mred", "\\x1b[31mred"), ("\u202eabc", "\\u202eabc"),
     ("\u2028", "\\u2028"), ("\udc80", "\\udc80"), ("größe 表 ✓", "größe 表 ✓")],
)  # fmt: skip
def test_one_line(text: str, safe: str) -> None:
    assert one_line(text) == safe
    assert one_line(text).encode()


def test_wide_characters_take_two_columns() -> None:
    assert columns("表") == 2
    assert columns("e\u0301") == 1
    assert pad("表", 4) == "表  "


def test_shorten() -> None:
    assert shorten("abcdef", 6) == "abcdef"
    assert shorten("abcdefg", 6) == "abcde…"
    assert shorten("表表表表", 5) == "表表…"


def test_table_has_aligned_columns_and_no_trailing_spaces() -> None:
    assert table([("a", "bb", ""), ("ccc", "d", "")]) == "a     bb\nccc   d"


def test_count() -> None:
    assert (count(1, "step"), count(2, "step")) == ("1 step", "2 steps")
