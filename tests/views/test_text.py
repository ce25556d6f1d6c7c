"""Plans, steps and answers as text."""

from __future__ import annotations

from datetime import UTC

import pytest

from jo_notebook.core.fingerprint import Fingerprint
from jo_notebook.core.plan import Action, Availability, Decision, Plan
from jo_notebook.core.reasons import Reason
from jo_notebook.core.record import Record
from jo_notebook.views.text import LEGEND, explain_text, plan_text, run_line, step_line, steps_text

AVAILABLE, STALE, MISSING, FAILED = Availability
RUN, LOAD, NOTHING = Action
HELPER = Reason("helper", "helper drop_outliers() changed", "drop_outliers")
UPSTREAM = Reason("upstream", "upstream Clean will run", "Clean")
NEVER = Reason("missing", "no result")


def rows(*decisions: Decision, no_context: bool = False) -> list[str]:
    return plan_text(Plan(decisions), no_context=no_context).splitlines()[1:]


def test_plan_text_is_that_of_the_interface() -> None:
    plan = Plan(
        (
            Decision("Load", AVAILABLE, LOAD, held="disk", size=1_234_567),
            Decision("Clean", STALE, RUN, reasons=(HELPER,), seconds=3.2),
            Decision("Train", MISSING, RUN, is_head=True, reasons=(NEVER, UPSTREAM), seconds=240),
        )
    )
    assert plan_text(plan) == (
        "Execution plan. Result availability: [*] available - [~] stale - [ ] n/a - [x] no context. "
        "Scheduled execution: (H) head - (>) scheduled run on materialize - ( ) no run required.\n"
        " [*] ( ) Load     from disk, 1.2 MB\n"
        " [~] (>) Clean    helper drop_outliers() changed              about 3 s\n"
        " [ ] (H) Train    upstream Clean will run                     about 4 min"
    )


@pytest.mark.parametrize(
    ("decision", "row"),
    [
        (Decision("A", FAILED, RUN, reasons=(Reason("failed", "last run failed: E: x"), UPSTREAM)),
         " [ ] (>) A    last run failed: E: x"),
        (Decision("A", AVAILABLE, NOTHING, is_head=True, held="memory"), " [*] (H) A    in memory"),
        (Decision("A", AVAILABLE, LOAD, held="disk"), " [*] ( ) A    from disk"),
        (Decision("A", AVAILABLE, NOTHING, held="memory", is_orphan=True), " [*] ( ) A    in memory; cell deleted"),
        (Decision("A", MISSING, NOTHING, is_orphan=True), " [ ] ( ) A    cell deleted"),
        (Decision("A", MISSING, RUN, reasons=(NEVER,)), " [ ] (>) A    no result"),
        (Decision("A", STALE, RUN, reasons=(HELPER, UPSTREAM)),
         " [~] (>) A    helper drop_outliers() changed (+1 more)"),
        (Decision("A", STALE, NOTHING, reasons=(HELPER,), seconds=9), " [~] ( ) A    helper drop_outliers() changed"),
        (Decision("A", MISSING, NOTHING), " [ ] ( ) A"),
    ],
)  # fmt: skip
def test_rows(decision: Decision, row: str) -> None:
    assert rows(decision) == [row]


def test_without_a_context() -> None:
    assert rows(Decision("A", MISSING, RUN), Decision("B", MISSING, RUN, is_head=True), no_context=True) == [
        " [x] (>) A",
        " [x] (H) B",
    ]


def test_columns_align_for_wide_names() -> None:
    one, other = rows(
        Decision("表格", MISSING, RUN, reasons=(NEVER,)), Decision("abcd", MISSING, RUN, reasons=(NEVER,))
    )
    assert one == " [ ] (>) 表格    no result"
    assert other == " [ ] (>) abcd    no result"


def test_nothing_breaks_a_line() -> None:
    bad = Reason("failed", "last run failed: E: a\nb\x1b[2J\r")
    text = plan_text(Plan((Decision("A\u2028", FAILED, RUN, reasons=(bad,)),)))
    assert len(text.splitlines()) == 2
    assert "\\n" in text
    assert "\x1b" not in text


def test_an_empty_plan() -> None:
    assert plan_text(Plan()) == LEGEND


def test_steps_text() -> None:
    record = Record(
        "Load", Fingerprint(), "v", when=1_700_000_000, seconds=4.2, size=1_234_567, cpu=8.1, memory=9_900_000
    )
    plan = Plan(
        (
            Decision("Load", AVAILABLE, LOAD, held="disk", size=1_234_567),
            Decision("Clean", STALE, RUN, reasons=(HELPER,)),
        )
    )
    assert steps_text(plan, {"Load": record}, zone=UTC).splitlines() == [
        "step    state       time    CPU     memory   size     when",
        "Load    available   4.2 s   8.1 s   9.9 MB   1.2 MB   2023-11-14 22:13   from disk, 1.2 MB",
        "Clean   stale                                                            helper drop_outliers() changed",
    ]


def test_explain_text_shows_old_and_new() -> None:
    code = Reason("code", "code changed", "A", "a = 1\nb = 2", "a = 1\nb = 3")
    constant = Reason("constant", "constant LIMIT: 3 → 4", "LIMIT", "3", "4")
    gone = Reason("constant", "constant OLD is gone", "OLD", "3", "")
    decision = Decision(
        "A", STALE, RUN, reasons=(code, constant, gone), seconds=3, held="disk", size=10, untracked=("np",)
    )
    assert explain_text(decision).splitlines() == [
        "A is stale. Its value is on disk, 10 B.",
        "  - code changed",
        "      --- before",
        "      +++ now",
        "      @@ -1,2 +1,2 @@",
        "       a = 1",
        "      -b = 2",
        "      +b = 3",
        "  - constant LIMIT: 3 → 4",
        "  - constant OLD is gone",
        "      3 -> (nothing)",
        "A materialize would run it, about 3 s.",
        "Not tracked (changes here are not noticed): np.",
    ]


def test_explain_text_of_a_result_that_is_there() -> None:
    assert explain_text(Decision("A", AVAILABLE, NOTHING, held="memory")) == "A is available. Its value is in memory."


@pytest.mark.parametrize(
    ("decision", "dependencies", "inferred", "line"),
    [
        (Decision("Clean", MISSING, RUN, reasons=(NEVER, UPSTREAM), seconds=3), ["Load"], True,
         "Clean ← Load (inferred) · missing · about 3 s"),
        (Decision("Clean", STALE, RUN, reasons=(HELPER,), seconds=3), ["Load"], False,
         "Clean ← Load · stale: helper drop_outliers() changed · about 3 s"),
        (Decision("Clean", MISSING, RUN, reasons=(NEVER, Reason("undefined", "Load is not registered yet"))), ["Load"],
         False, "Clean ← Load · missing: Load is not registered yet"),
        (Decision("Load", FAILED, RUN, reasons=(Reason("failed", "last run failed: E: x"),)), [], False,
         "Load · failed: E: x"),
        (Decision("Load", AVAILABLE, LOAD, held="disk", size=2000, seconds=4), [], True,
         "Load · available · from disk, 2 kB"),
    ],
)  # fmt: skip
def test_step_line(decision: Decision, dependencies: list[str], inferred: bool, line: str) -> None:
    assert step_line(decision, dependencies, inferred=inferred) == line


def test_run_line() -> None:
    assert run_line(["Load", "Clean"], ["Raw"], seconds=4.2) == "Ran 2 steps in 4.2 s: Load, Clean. 1 loaded from disk."
    assert run_line() == "Nothing to run: everything is available."
    assert run_line(taken=["A", "B"]) == "A, B not run here: another kernel made them."
    assert run_line(["A"], [], ["B"], ["C"], ["D", "E"], 1) == (
        "Ran 1 step in 1.0 s: A. B kept: nothing it read has changed. C failed. D, E not run, waiting for what failed."
    )
    assert run_line([f"s{i}" for i in range(20)], seconds=9).endswith("s7 and 12 more.")
