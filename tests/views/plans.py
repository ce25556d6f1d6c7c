"""Plans one can picture: the penguins, made by hand, in mixed states; and golden files."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from jo_notebook.core.plan import Action, Availability, Decision, Plan
from jo_notebook.core.reasons import Reason

GOLDEN = Path(__file__).parents[1] / "golden"
PARENTS: Mapping[str, tuple[str, ...]] = {
    "Load": (),
    "Clean": ("Load",),
    "Features": ("Clean",),
    "LogReg": ("Features",),
    "Forest": ("Features",),
    "Compare": ("LogReg", "Forest", "Clean", "Baseline"),
}


def penguin_plan() -> Plan:
    """Load and Clean available, Features stale, LogReg failed, the rest missing; Baseline not registered."""
    available, stale, missing, failed = Availability
    run, load, _ = Action
    helper = Reason("helper", "helper drop_outliers() changed", "drop_outliers")
    nan = Reason("failed", "last run failed: ValueError: Input X contains NaN", "LogReg")
    upstream = Reason("upstream", "upstream Features will run", "Features")
    never = Reason("missing", "no result")
    decisions = (
        Decision("Load", available, load, held="disk", size=1_234_567, seconds=0.41),
        Decision("Clean", available, Action.NOTHING, held="memory", size=845_000, seconds=1.2),
        Decision("Features", stale, run, reasons=(helper,), seconds=3.14159, held="disk", size=120_000),
        Decision("LogReg", failed, run, reasons=(nan, upstream)),
        Decision("Forest", missing, run, reasons=(never, upstream), seconds=240, is_orphan=True),
        Decision("Compare", missing, run, is_head=True, reasons=(never, upstream)),
    )
    return Plan(decisions, ("Compare",), PARENTS)


def plan_of(parents: Mapping[str, tuple[str, ...]]) -> Plan:
    """A plan in which every step is missing."""
    decisions = (Decision(name, Availability.MISSING, Action.RUN) for name in parents)
    return Plan(tuple(decisions), (), parents)


def check_golden(name: str, text: str) -> None:
    """Compares with a golden file; with UPDATE_GOLDEN set, writes it first."""
    path = GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(text, encoding="utf-8")
    assert text == path.read_text(encoding="utf-8")
