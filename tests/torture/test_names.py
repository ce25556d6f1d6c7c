"""Names that try to leave the store, to hide in it, or to pass for another's."""

from __future__ import annotations

import os
import unicodedata
from collections import Counter
from pathlib import Path

from jo_notebook.core.definition import Definition, check_name
from jo_notebook.core.source import parse_source
from jo_notebook.errors import StepNameError
from jo_notebook.pipeline import Pipeline
from jo_notebook.store import Context
from tests.torture.making import outcome, record, tree

NAMES = [
    *("", " ", ".", "..", "...", " . ", "../x", "../../x", "a/../../x", "/etc/passwd", "//x", "a/b", "a\\b", "..\\x"),
    *("C:", "C:\\x", "\\\\host\\share", "con", "CON", "nul", "aux.txt", "com1", "a:b", "file::$DATA", "a*b?", "a|b<c>"),
    *("a\0b", "a\nb", "a\r", "a\tb", "\x1b[31m", "\x7f", "a\u202eb", "\u2066x", "a\u200bb", "\ufeffa", "\u2028"),
    *("é", "e\u0301", "É", "Load", "load", "LOAD", "LoAd", "ﬁ", "fi", "FI", "ß", "ss", "SS", "ı", "i", "I", "İ", "K"),
    *("k", "\ud800", "Å", "A\u030a", "ſ", "s", "µ", "μ", "Ω", "ω", "数据", "مرحبا", "🙂", "x" * 128, "x" * 129),
    *("ü" * 128, "数" * 128),
    *("HEAD", "FORMAT", "tmp", "steps", "results", "1", "0", "-rf", "--help", "~", "~root", "$HOME", "`id`", "$(id)"),
    *("a b", " a", "a ", "a.", ".a", ".hidden", "a%2Fb", "%00", "'; drop--", '"', "load-8a6bdb6b18da586f", "x.claim"),
    *("x.json", "NaN", "None", "\u0130x", "a\u0338", "\U000e0041", "\ue000", "\U0010ffff", "1" * 15, "1" * 16),
]  # fmt: skip
OTHERS: list[object] = [None, 1, b"Load", ("Load",)]


def components(place: Path) -> list[str]:
    return [path.name for path in place.rglob("*")]


def test_26_names(place: Path, tally: Counter[str]) -> None:
    """26: each name is refused, or comes back as itself; nothing outside the store, no two names share a file."""
    before = tree(place.parent)
    context, kept = Context(place), {}
    for number, name in enumerate([*NAMES, *OTHERS]):
        tally["trials"] += 1
        try:
            told = context.put(record(name), number).unsaved
        except StepNameError:
            tally["refused"] += 1
            continue
        assert told == ""
        kept[name] = number
        context.save_definition(name, {"number": number})
    fresh = Context(place)
    assert {name: outcome(fresh, name) for name in kept} == kept
    assert set(fresh) == set(kept)
    assert {name: data["number"] for name, (data, _) in fresh.definitions().items()} == kept
    after = {name: what for name, what in tree(place.parent).items() if not name.startswith(place.name)}
    assert {name for name in after if not name.startswith("data of")} == {n for n in before if n != place.name}
    names = components(place)
    assert all(len(os.fsencode(name)) <= 200 for name in names)
    folders = {path.parent for path in place.rglob("HEAD")}
    folded = {unicodedata.normalize("NFKC", folder.name).casefold() for folder in folders}
    assert len(folded) == len(folders) == len(kept)
    assert len(set(NAMES)) == len(NAMES) >= 53
    assert _renamed(fresh, "Load") == 0
    assert [path.name for path in place.parent.iterdir()] == ["data of the user", place.name]


def _renamed(context: Context, source: str) -> int:
    """A rename is one more way in for a name."""
    count = 0
    for name in (n for n in NAMES if n not in context):
        try:
            count += context.rename(source, name, copy=True)
        except StepNameError:
            continue
    return count


def test_26_names_of_steps(place: Path, tally: Counter[str]) -> None:
    """26: whatever a pipeline takes as a step's name, its context can keep."""
    pipeline = Pipeline(Context(place))
    for asked in NAMES:
        try:
            name = check_name(asked)
        except StepNameError:
            tally["refused"] += 1
            continue
        pipeline.add(Definition(name, parse_source("1", where=name), ()))
        assert pipeline.materialize(name) == 1
        assert Context(place)[name] == 1
        tally["trials"] += 1
    assert tally["trials"] > 10
