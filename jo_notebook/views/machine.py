"""Answers as plain data, for programs: what `--json` prints. docs/cli.md tells these shapes; they only ever grow.

Times of day are seconds since the epoch, durations seconds, sizes bytes. The names of steps are as they are, not made
safe for a terminal: JSON escapes what could do harm there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from jo_notebook.core.plan import Decision, Plan
    from jo_notebook.core.reasons import Reason
    from jo_notebook.core.record import Failure, LogEntry, Record
    from jo_notebook.views.listings import Foreign
    from jo_notebook.views.text import Verified

Data = dict[str, Any]


class Outcome(Protocol):
    """What a run did; see `engine/run.py`."""

    run_id: str
    finished: list[str]
    loaded: list[str]
    kept: list[str]
    taken: list[str]
    unsaved: dict[str, str]
    failed: dict[str, BaseException]
    blocked: dict[str, str]
    cancelled: list[str]
    warnings: list[str]
    costly: dict[str, tuple[float, int]]
    seconds: float


class Removable(Protocol):
    """A file that nobody needs; see `store/cleaning.py`."""

    @property
    def step(self) -> str:
        """Of which step."""

    @property
    def what(self) -> str:
        """What it is."""

    @property
    def size(self) -> int:
        """Its bytes."""

    @property
    def why(self) -> str:
        """Why it may go."""


def error_data(kind: str, message: str) -> Data:
    """An error: the name of its type and what it says."""
    return {"error": {"type": kind, "message": message}}


def reason_data(reason: Reason) -> Data:
    """Why a step must run."""
    return {"kind": reason.kind, "text": reason.text, "name": reason.name, "old": reason.old, "new": reason.new}


def decision_data(decision: Decision) -> Data:
    """One row of a plan."""
    return {
        "step": decision.step,
        "availability": str(decision.availability),
        "action": str(decision.action),
        "head": decision.is_head,
        "reasons": [reason_data(reason) for reason in decision.reasons],
        "seconds": decision.seconds,
        "held": decision.held,
        "size": decision.size,
        "orphan": decision.is_orphan,
        "unsaved": decision.unsaved,
        "untracked": list(decision.untracked),
        "override": decision.override,
        "overridden": list(decision.overridden),
        "hidden": [{"kind": kind, "name": name} for kind, name in decision.hidden],
        "elsewhere": decision.elsewhere,
    }


def plan_data(plan: Plan) -> Data:
    """A plan: its decisions in order, what each needs, and the levels."""
    rows = [{**decision_data(d), "depends_on": list(plan.parents.get(d.step, ()))} for d in plan]
    return {
        "heads": list(plan.heads),
        "steps": rows,
        "to_run": list(plan.to_run),
        "to_load": list(plan.to_load),
        "seconds": plan.seconds,
        "levels": plan.levels,
    }


def run_data(outcome: Outcome) -> Data:
    """What a run did, step by step. `failed` is step → error, `blocked` step → the failed step it waited for."""
    return {
        "run": outcome.run_id,
        "finished": list(outcome.finished),
        "loaded": list(outcome.loaded),
        "kept": list(outcome.kept),
        "taken": list(outcome.taken),
        "unsaved": dict(outcome.unsaved),
        "failed": {step: _error_text(error) for step, error in outcome.failed.items()},
        "blocked": dict(outcome.blocked),
        "not_reached": list(outcome.cancelled),
        "warnings": list(dict.fromkeys(outcome.warnings)),
        "costly": {step: {"seconds": s, "size": size} for step, (s, size) in outcome.costly.items()},
        "seconds": outcome.seconds,
    }


def status_data(plan: Plan, records: Mapping[str, Record]) -> Data:
    """All steps, with what is remembered of their results: when they were made and how long that took."""
    rows = []
    for decision in plan:
        record = records.get(decision.step)
        rows.append({**decision_data(decision), "format": record.format if record else "", **_run_data(record)})
    return {"steps": rows}


def explain_data(decision: Decision, causes: Sequence[tuple[str, Reason]]) -> Data:
    """Why a step is as it is; `causes` are the reasons of steps upstream."""
    return {**decision_data(decision), "causes": [{"step": step, **reason_data(reason)} for step, reason in causes]}


def graph_data(plan: Plan) -> Data:
    """The graph as it is drawn."""
    from jo_notebook.views.state import graph_state  # with the layout, slow to import

    return graph_state(plan).to_json()


def log_data(step: str, entries: Sequence[LogEntry], story: Record | Failure | None = None) -> Data:
    """What one run of a step printed, displayed and raised, and which run that was."""
    rows = [{"kind": e.kind, "text": e.text, "data": dict(e.data), "attempt": e.attempt} for e in entries]
    return {"step": step, "entries": rows, **_run_data(story), "failed": getattr(story, "error", "")}


def _run_data(story: Record | Failure | None) -> Data:
    """What one run took; nulls where there was none."""
    return {
        "run": story.run_id if story else None,
        "when": story.when if story else None,
        "took": story.seconds if story else None,
        "cpu": story.cpu if story else None,
        "memory": story.memory if story else None,
        "tries": story.tries if story else None,
        "executor": story.executor if story else None,
    }


def accepted_data(decision: Decision, reasons: Sequence[str]) -> Data:
    """What a blessing overrode, and what the step is now."""
    return {"step": decision.step, "reasons": list(reasons), "availability": str(decision.availability)}


def verified_data(results: Sequence[Verified]) -> Data:
    """What came of running steps again."""
    return {"verified": [_verified(result) for result in results]}


def damage_data(problems: Mapping[str, str], moved: Mapping[str, object]) -> Data:
    """What is damaged on disk, and what was set aside."""
    return {"damaged": dict(problems), "moved": {where: str(target) for where, target in moved.items()}}


def gc_data(rows: Iterable[Removable], *, dry_run: bool) -> Data:
    """What was removed, or would be."""
    removed = [{"step": row.step, "what": row.what, "size": row.size, "why": row.why} for row in rows]
    return {"removed": removed, "size": sum(row["size"] for row in removed), "dry_run": dry_run}


def restored_data(records: Iterable[Record]) -> Data:
    """Which results were made the newest again."""
    return {"restored": [{"step": record.step, "when": record.when} for record in records]}


def place_data(place: object, results: int, size: int, problems: Sequence[str]) -> Data:
    """Where results live, how many and how large."""
    return {
        "place": None if place is None else str(place),
        "results": results,
        "size": size,
        "problems": list(problems),
    }


def found_data(place: object, plan: Plan, damaged: Mapping[str, str], problems: Sequence[str]) -> Data:
    """What a context remembers."""
    return {
        "place": None if place is None else str(place),
        "steps": {decision.step: str(decision.availability) for decision in plan},
        "damaged": dict(damaged),
        "problems": list(problems),
    }


def foreign_data(rows: Iterable[Foreign], trusted: Sequence[str]) -> Data:
    """What is from elsewhere and not trusted, and what was trusted just now."""
    return {"foreign": [_foreign(row) for row in rows], "trusted": list(trusted)}


def stored_data(path: object, stored: Sequence[str], left: Mapping[str, str]) -> Data:
    """What a snapshot holds, and what it does not."""
    return {"path": str(path), "stored": list(stored), "left": dict(left)}


def taken_data(
    taken: Sequence[str], left: Mapping[str, str], damaged: Mapping[str, str], definitions: Sequence[str]
) -> Data:
    """What was taken from a snapshot, and what was not."""
    return {"taken": list(taken), "left": dict(left), "damaged": dict(damaged), "definitions": list(definitions)}


def _verified(result: Verified) -> Data:
    return {
        "step": result.step,
        "verdict": str(result.verdict),
        "text": result.text,
        "difference": result.difference,
        "hidden": [{"kind": kind, "name": name} for kind, name in result.hidden],
        "seconds": result.seconds,
    }


def _foreign(row: Foreign) -> Data:
    return {
        "step": row.step,
        "number": row.number,
        "kind": row.kind,
        "format": row.format,
        "size": row.size,
        "when": row.when,
        "python": row.python,
        "key": row.key,
        "runs_code": row.runs_code,
    }


def _error_text(error: BaseException) -> str:
    """An error's type and text; the text is the user's code and may raise."""
    try:
        text = str(error)
    except BaseException:  # noqa: BLE001 - see above
        text = ""
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
