"""How long the next run takes: by a line through runs of several sizes, else by the last three."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from jo_notebook.core.history import KEPT, Run, expected_seconds, remembered

LINE: list[Run] = [(1.0, 100.0), (2.0, 200.0), (4.0, 400.0)]


@pytest.mark.parametrize(
    ("history", "size", "expected"),
    [
        pytest.param([], 100.0, None, id="no history"),
        pytest.param([(3.0, 0.0)], 100.0, 3.0, id="one run"),
        pytest.param([(1.0, 5.0), (3.0, 5.0)], 5.0, 2.0, id="two runs"),
        pytest.param([(9.0, 5.0), (1.0, 5.0), (2.0, 5.0), (30.0, 5.0)], 5.0, 2.0, id="the median of the last three"),
        pytest.param(LINE, 800.0, 8.0, id="twice as much takes twice as long"),
        pytest.param(LINE, 50.0, 0.5, id="less than ever"),
        pytest.param(LINE, 1.0, 0.01, id="hardly anything"),
        pytest.param(LINE, None, 2.0, id="a size that is not known"),
        pytest.param(LINE, 0.0, 2.0, id="inputs without a size"),
        pytest.param([*LINE, (1.0, 0.0)], 800.0, 8.0, id="a run whose inputs had no size does not count"),
        pytest.param([(1.0, 100.0), (2.0, 200.0)], 800.0, 1.5, id="two sizes are no line"),
        pytest.param([(1.0, 100.0), (2.0, 200.0), (2.0, 200.0)], 800.0, 2.0, id="two distinct sizes are no line"),
        pytest.param([(1.0, 100.0), (2.0, 110.0), (3.0, 120.0)], 800.0, 2.0, id="sizes that hardly differ"),
        pytest.param([(4.0, 100.0), (2.0, 200.0), (1.0, 400.0)], 800.0, 2.0, id="a line that falls"),
        pytest.param([(1.0, 100.0), (9.0, 200.0), (1.5, 400.0)], 800.0, 1.5, id="no line at all"),
        pytest.param([(2.0, 100.0), (2.0, 200.0), (2.0, 400.0)], 800.0, 2.0, id="always the same"),
    ],
)
def test_expected_seconds(history: list[Run], size: float | None, expected: float | None) -> None:
    found = expected_seconds(history, size)
    assert found == (expected if expected is None else pytest.approx(expected))


def test_the_last_runs_are_kept() -> None:
    history: tuple[Run, ...] = ()
    for number in range(30):
        history = remembered(history, (float(number), 1.0))
    assert KEPT == 12
    assert [seconds for seconds, _ in history] == [float(n) for n in range(18, 30)]


TIMES = st.floats(0, 1e9, allow_nan=False)


@given(st.lists(st.tuples(TIMES, TIMES), max_size=15), st.none() | TIMES)
def test_an_expectation_is_a_time(history: list[Run], size: float | None) -> None:
    found = expected_seconds(history, size)
    assert (found is None) == (not history)
    assert found is None or found >= 0
