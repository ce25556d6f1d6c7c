"""Values of every kind, made anew by each process that imports this; run as a module it prints their versions."""

from __future__ import annotations

import collections
import datetime
import decimal
import enum
import fractions
import functools
import json
import pathlib
import re
import sys
import types
import uuid
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

FACTOR = 3
NAMES = {"alpha", "beta", "gamma"}


class Color(enum.Enum):
    RED = 1
    BLUE = 2


class Flags(enum.Flag):
    A = 1
    B = 2


class Pair(NamedTuple):
    one: Any
    other: Any


@dataclass
class Record:
    name: str
    tags: set[Any] = field(default_factory=set)
    inner: Any = None

    def scaled(self) -> int:
        return len(self.name) * FACTOR if self.name in NAMES else 0


class Tree:
    def __init__(self) -> None:
        self.children: set[Tree] = set()
        self.parent: Any = None


def tree() -> Tree:
    root, leaf = Tree(), Tree()
    leaf.parent = root
    root.children.add(leaf)
    return root


def values() -> list[Any]:
    """The same list in every process."""
    words = [f"w{i}" for i in range(50)]
    return [
        None,
        2**200,
        -0.0,
        float("nan"),
        1j,
        "\ud800",
        b"\0",
        set(words),
        frozenset(words),
        {frozenset({"a", "b"}), ("x", frozenset("yz")), 1, None},
        {word: {word[::-1], 1} for word in words},
        Color.RED,
        Flags.A | Flags.B,
        Pair(1, {"a", "b"}),
        Record("alpha", {"x", "y", "z"}, [Record("inner")]),
        Record,
        Record.scaled,
        functools.partial(Record, tags={"p", "q"}),
        types.SimpleNamespace(a={"u", "v"}),
        tree(),
        datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC),
        datetime.timedelta(1),
        decimal.Decimal("1.10"),
        fractions.Fraction(1, 3),
        uuid.UUID(int=7),
        pathlib.PurePosixPath("a/b"),
        range(3),
        slice(1, None, 2),
        re.compile("a|b"),
        collections.Counter("aab"),
        collections.deque([1, {"s", "t"}], 3),
        bytearray(b"x"),
        np.arange(6.0).reshape(2, 3).T,
        np.array([{"a", "b"}, None], object),
        np.float32(1),
        pd.DataFrame({"a": [1, 2], "b": ["x", None], "c": pd.Categorical(["u", "v"])}),
    ]


if __name__ == "__main__":
    from jo_notebook.core.version import version_of

    versions = [version_of(value) for value in values()]
    json.dump([[version.digest, version.exact] for version in versions], sys.stdout)
