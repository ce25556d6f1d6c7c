"""Layers without overlaps, the same every time, at any size."""

from __future__ import annotations

import random
import time
from collections import defaultdict
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jo_notebook.views.layout import NODE_HEIGHT, Layout, layout, node_width

Parents = dict[str, list[str]]


def chain(length: int) -> Parents:
    return {f"s{i}": [f"s{i - 1}"] if i else [] for i in range(length)}


def thicket(size: int) -> Parents:
    dice = random.Random(size)
    return {
        f"s{i}": [f"s{dice.randrange(i)}" for _ in range(dice.choice([0, 1, 1, 2]))] if i else [] for i in range(size)
    }


def place(parents: Parents) -> Layout:
    return layout(list(parents), parents, {})


def overlaps(drawn: Layout) -> list[tuple[str, str]]:
    columns = defaultdict(list)
    for name, (x, y) in drawn.positions.items():
        columns[x].append((y, name))
    rows = [sorted(column) for column in columns.values()]
    return [(a, b) for row in rows for (y, a), (z, b) in pairwise(row) if z - y < NODE_HEIGHT + 4]


@given(
    st.lists(st.lists(st.integers(0, 30), max_size=4), max_size=30),
)
@settings(max_examples=80, deadline=None)
def test_any_graph_has_edges_to_the_right_and_no_overlaps(rows: list[list[int]]) -> None:
    parents = {f"n{i}": [f"n{p % i}" for p in row] if i else [] for i, row in enumerate(rows)}
    drawn = place(parents)
    right = {name: x + drawn.widths[name] / 2 for name, (x, _) in drawn.positions.items()}
    left = {name: x - drawn.widths[name] / 2 for name, (x, _) in drawn.positions.items()}
    assert all(right[p] < left[name] for name, row in parents.items() for p in row)
    assert not overlaps(drawn)
    assert drawn == place(parents)


def test_a_chain_is_straight() -> None:
    assert {y for _, y in place(chain(6)).positions.values()} == {0.0}


def test_a_diamond_is_symmetric() -> None:
    at = place({"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}).positions
    assert at["a"][1] == at["d"][1] == (at["b"][1] + at["c"][1]) / 2
    assert at["b"][1] < at["c"][1], "ties keep the order given"


def test_a_long_edge_passes_beside_the_nodes_between() -> None:
    drawn = place({"a": [], "b": ["a"], "c": ["b"], "d": ["c", "a"]})
    (x0, y0), (x1, y1) = drawn.routes["a", "d"]
    assert y0 == y1
    assert abs(y0 - drawn.positions["b"][1]) > NODE_HEIGHT / 2
    assert x0 < drawn.positions["b"][0] < drawn.positions["c"][0] < x1


def test_crossings_are_sorted_out() -> None:
    at = place({"a": [], "b": [], "x": ["b"], "y": ["a"]}).positions
    assert (at["a"][1] < at["b"][1]) == (at["y"][1] < at["x"][1])


def test_width_grows_with_the_label() -> None:
    assert node_width("a" * 30) > node_width("a" * 20) > node_width("a")
    assert node_width("表" * 20) > node_width("a" * 20)


def test_parents_outside_and_loops_are_left_out() -> None:
    drawn = layout(["a", "b"], {"a": ["zzz", "a"], "b": ["a"]}, {})
    assert list(drawn.routes) == [("a", "b")]


def test_nothing_to_lay_out() -> None:
    assert layout([], {}, {}).positions == {}


@pytest.mark.parametrize(
    "parents",
    [
        thicket(2000),
        {name: [*row, *(["s0"] if name not in ("s0", "s1") else [])] for name, row in chain(2000).items()},
        {name: row if name != "s1999" else [f"s{i}" for i in range(1999)] for name, row in chain(2000).items()},
        {name: ["s0"] if name != "s0" else [] for name in chain(2000)},
    ],
    ids=["thicket", "one feeds all", "all feed one", "wide"],
)
def test_two_thousand_nodes_take_less_than_a_second(parents: Parents) -> None:
    start = time.process_time()
    drawn = place(parents)
    assert time.process_time() - start < 1
    assert not overlaps(drawn)


def test_a_chain_of_a_hundred_thousand() -> None:
    drawn = place(chain(100_000))
    assert len(drawn.positions) == 100_000
    assert {y for _, y in drawn.positions.values()} == {0.0}
