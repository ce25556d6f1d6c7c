"""How long a run still takes: rows of what is known, and the seconds that follow."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from jo_notebook.core.eta import Estimate, Going, Remaining
from jo_notebook.core.plan import Action, Availability, Decision, Plan

NOW = 1000.0


def remaining(times: Mapping[str, float | None], parents: Mapping[str, str] | None = None, jobs: int = 1) -> Remaining:
    """Steps with their expected times, all of which are to run; `parents` has the letters of what each needs."""
    rows = tuple(Decision(step, Availability.MISSING, Action.RUN, seconds=took) for step, took in times.items())
    return Remaining(Plan(rows, (), {step: tuple((parents or {}).get(step, "")) for step in times}), jobs)


def going(spent: float, fraction: float | None = None) -> Going:
    """A step that has run for so many seconds."""
    return Going(NOW - spent, fraction)


@pytest.mark.parametrize(
    ("jobs", "parents", "seconds"),
    [
        (1, {}, 10.0),
        (2, {}, 6.0),  # A and B, then C beside the end of B, then D
        (4, {}, 4.0),
        (4, {"B": "A", "C": "B", "D": "C"}, 10.0),  # a chain: its own length, whatever the places
        (2, {"B": "A", "C": "A", "D": "BC"}, 8.0),
        (2, {"D": "A"}, 6.0),  # A | B, C | D: one place 1 + 3, the other 2 + 4
    ],
)
def test_the_end_of_a_schedule(jobs: int, parents: dict[str, str], seconds: float) -> None:
    times = {"A": 1.0, "B": 2.0, "C": 3.0, "D": 4.0}
    assert remaining(times, parents, jobs).left(times, {}, NOW) == Estimate(seconds)
    assert seconds >= max(sum(times.values()) / jobs, *times.values())


def test_what_is_done_counts_no_more() -> None:
    plan = remaining({"A": 1.0, "B": 2.0, "C": 30.0}, {"B": "A", "C": "B"}, 2)
    assert plan.left(["C"], {}, NOW) == Estimate(30.0)
    assert plan.left(["C"], {"B": going(0.5)}, NOW) == Estimate(31.5)
    assert plan.left([], {}, NOW) == Estimate(0.0)


@pytest.mark.parametrize(
    ("spent", "fraction", "left"),
    [
        (3.0, None, Estimate(7.0)),
        (3.0, 0.01, Estimate(7.0)),  # too early to tell
        (5.0, 0.5, Estimate(5.0)),
        (5.0, 0.25, Estimate(0.25 * 15.0 + 0.75 * 5.0)),  # slower than before: its own word counts for a quarter
        (20.0, 0.5, Estimate(20.0)),
        (9.5, None, Estimate(0.95, is_least=True)),
        (40.0, None, Estimate(4.0, is_least=True)),
        (3.0, 1.0, Estimate(7.0)),  # its loop is over, and it is not
    ],
)
def test_a_step_that_is_running(spent: float, fraction: float | None, left: Estimate) -> None:
    """Ten seconds are expected of it."""
    plan = remaining({"A": 10.0})
    found = plan.left([], {"A": going(spent, fraction)}, NOW)
    assert found is not None
    assert (found.seconds, found.is_least) == (pytest.approx(left.seconds), left.is_least)
    alone = plan.left_of("A", going(spent, fraction), NOW)
    assert alone == (None if left.is_least else pytest.approx(left.seconds))


def test_nothing_is_said_where_nothing_is_known() -> None:
    plan = remaining({"A": None, "B": None})
    assert plan.left(["A", "B"], {}, NOW) is None
    assert plan.left(["B"], {"A": going(4.0)}, NOW) is None
    assert plan.left(["B"], {"A": going(4.0, 0.5)}, NOW) is None
    assert plan.left([], {"A": going(4.0, 0.5)}, NOW) == Estimate(4.0)
    assert plan.left_of("A", going(4.0), NOW) is None


def test_unknown_steps_count_as_the_median_of_the_known() -> None:
    plan = remaining({"A": 1.0, "B": 2.0, "C": 90.0, "D": None, "E": None})
    assert plan.left("ABCDE", {}, NOW) == Estimate(93.0 + 2 * 2.0, is_least=True)
    assert plan.left("ABC", {}, NOW) == Estimate(93.0)
    assert plan.left("C", {"D": going(0.5)}, NOW) == Estimate(90.0 + 1.5, is_least=True)


def test_what_this_run_has_taken_so_far_is_known() -> None:
    plan = remaining({"A": None, "B": None, "C": None})
    plan.learn("A", 7.0)
    assert plan.left("BC", {}, NOW) == Estimate(14.0, is_least=True)


def test_steps_that_are_in_no_plan() -> None:
    """A dependency that turned out to be needed after all; and more steps that run than there are places."""
    plan = remaining({"A": 2.0, "B": 2.0}, {"B": "A"}, 2)
    found = plan.left(["B"], {"A": going(1.0), "X": going(1.0, 0.25), "Y": going(1.0, 0.5)}, NOW)
    assert found == Estimate(3.0)  # X until 3; A and Y until 1, and B from then on
