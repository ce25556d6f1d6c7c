"""Plans and steps as text, for a cell's answer, a terminal and a log."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from datetime import tzinfo
from typing import Protocol

from jo_notebook.core.files import as_option
from jo_notebook.core.plan import Action, Availability, Decision, Plan
from jo_notebook.core.reasons import CODE, Reason
from jo_notebook.core.record import Record
from jo_notebook.views.words import (
    ELSEWHERE,
    OVERRIDES,
    about,
    columns,
    count,
    day,
    duration,
    file_size,
    one_line,
    pad,
    table,
)

__all__ = [
    *("accept_text", "duration", "explain_text", "levels_text", "plan_text", "run_line", "step_line", "steps_text"),
    "verify_text",
]

LEGEND = (
    "Execution plan. Result availability: [*] available - [~] stale - [ ] n/a - [x] no context. "
    "Scheduled execution: (H) head - (>) scheduled run on materialize - ( ) no run required."
)
MARKS = {Availability.AVAILABLE: "*", Availability.STALE: "~"}
VERDICTS = {"same": "[=]", "different": "[!]", "unsure": "[?]", "failed": "[x]", "not run": "[ ]"}
PLAIN = frozenset({"missing", "upstream"})  # what a step that never ran always has
REASON_WIDTH = 40
NAMES_SHOWN = 8
MEMORY_SHOWN = 1_000_000  # bytes: less is what any Python does


class Verified(Protocol):
    """What came of running a step again; see `engine/verify.py`."""

    @property
    def step(self) -> str:
        """Which step."""

    @property
    def verdict(self) -> str:
        """A word of VERDICTS."""

    @property
    def text(self) -> str:
        """One sentence."""

    @property
    def difference(self) -> str:
        """Where the two values part."""

    @property
    def hidden(self) -> tuple[tuple[str, str], ...]:
        """Undeclared inputs, as (kind, name)."""

    @property
    def seconds(self) -> float:
        """How long the second run took."""


def plan_text(plan: Plan, *, no_context: bool = False) -> str:
    """The plan, one line a step. `no_context` is for steps whose results nobody keeps."""
    names = [one_line(d.step) for d in plan]
    notes = [_note(d) for d in plan]
    name_width = max(map(columns, names), default=0) + 4
    note_width = max([REASON_WIDTH, *map(columns, notes)]) + 4
    lines = [LEGEND]
    for decision, name, note in zip(plan, names, notes, strict=True):
        mark = "x" if no_context else MARKS.get(decision.availability, " ")
        row = f" [{mark}] ({_schedule(decision)}) {pad(name, name_width)}{pad(note, note_width)}{_expected(decision)}"
        lines.append(row.rstrip())
    return "\n".join(lines)


def levels_text(plan: Plan) -> str:
    """The steps of a plan level by level, one line a level."""
    rows = enumerate(plan.levels, 1)
    return "\n".join(
        ["Levels, each needs earlier ones only:", *(f" {n}  {', '.join(map(one_line, r))}" for n, r in rows)]
    )


def steps_text(plan: Plan, records: Mapping[str, Record], *, zone: tzinfo | None = None) -> str:
    """A table of all steps; times of day are local unless a zone is given."""
    rows = [("step", "state", "time", "CPU", "memory", "size", "when", "")]
    for d in plan:
        record = records.get(d.step)
        when = day(record.when, zone) if record else ""
        took = duration(record.seconds) if record else ""
        cpu = duration(record.cpu) if record and record.cpu else ""
        memory = file_size(record.memory) if record and record.memory >= MEMORY_SHOWN else ""
        size = file_size(d.size) if d.size else ""
        rows.append((one_line(d.step), _state(d), took, cpu, memory, size, when, _note(d)))
    return table(rows)


def explain_text(decision: Decision, causes: Sequence[tuple[str, Reason]] = ()) -> str:
    """Why a step is in the state it is in: reasons with what they were and are, root cause first.

    `causes` are the reasons of steps upstream that make this one run, each with its step.
    """
    state = "failed" if (word := _state(decision)) == "failed" else f"is {word}"
    lines = [f"{one_line(decision.step)} {state}.{_held_sentence(decision)}"]
    lines += [f"It is {ELSEWHERE[decision.elsewhere]}."] if decision.elsewhere else []
    if decision.override == "given":
        lines.append(f"It was {OVERRIDES['given']}: it counts until it is forced to run, forgotten or put in again.")
    elif decision.override:
        lines.append(f"It is {decision.override}{', although:' if decision.overridden else '.'}")
        lines += [f"  - {one_line(text)}" for text in decision.overridden]
    for step, reason in causes:
        lines += [f"  - {one_line(step)}: {one_line(reason.text)}", *_difference(reason)]
    for reason in decision.reasons:
        lines += [f"  - {one_line(reason.text)}", *_difference(reason)]
    if decision.action is Action.RUN:
        lines.append(f"A materialize would run it{_comma(_expected(decision))}.")
    if decision.is_orphan:
        lines.append("Its cell was deleted; %forget drops its result, running a cell with its name brings it back.")
    if decision.hidden:
        lines += _hidden_lines(decision)
    if decision.untracked:
        lines.append(f"Not tracked (changes here are not noticed): {', '.join(map(one_line, decision.untracked))}.")
    return "\n".join(lines)


def accept_text(decision: Decision, overridden: Sequence[str]) -> str:
    """What a blessing did: the reasons it overrides, and what is left of them."""
    name, is_fine = one_line(decision.step), decision.availability is Availability.AVAILABLE
    left = "" if is_fine else f"{decision.availability}: {_why(decision)}."
    if overridden:
        blessed = "; ".join(map(one_line, overridden))
        return f"Accepted {name} for today's code ({blessed}).{left and f' It is still {left}'}"
    if is_fine:
        return f"{name} is available already: there is nothing to accept."
    return f"There is nothing of its own to accept of {name}. It is {left}"


def verify_text(results: Sequence[Verified]) -> str:
    """What came of running steps again, a line each, with what parts the two values and what they read unsaid."""
    if not results:
        return "No step has a result of today: there is nothing to verify."
    lines = []
    for result in results:
        took = f" ({duration(result.seconds)})" if result.seconds else ""
        lines.append(f"{VERDICTS[str(result.verdict)]} {one_line(result.text)}{took}.")
        if result.difference:
            lines.append(f"      {one_line(result.difference)}")
        lines += [f"      {line}" for line in _hidden_sentences(result.hidden)]
    return "\n".join(lines)


def step_line(
    decision: Decision, dependencies: Sequence[str], *, inferred: bool = False, doing: str = "", how_far: str = ""
) -> str:
    """What a cell answers when it registers a step. `doing` is what happens to it right now, and `how_far` that is."""
    head = one_line(decision.step)
    if dependencies:
        head += f" ← {', '.join(map(one_line, dependencies))}{' (inferred)' if inferred else ''}"
    if doing:
        return " · ".join(filter(None, (head, doing, how_far)))
    why = _reasons(decision).removeprefix("last run failed: ").removeprefix("its stored result is damaged: ")
    is_plain = decision.availability is Availability.MISSING and all(r.kind in PLAIN for r in decision.reasons)
    state = f"{_state(decision)}: {why}" if why and not is_plain else _state(decision)
    said = OVERRIDES.get(decision.override), _held(decision), ELSEWHERE.get(decision.elsewhere)
    return " · ".join(filter(None, (head, state, *said, _expected(decision))))


def run_line(
    finished: Sequence[str] = (),
    loaded: Sequence[str] = (),
    kept: Sequence[str] = (),
    failed: Sequence[str] = (),
    blocked: Sequence[str] = (),
    seconds: float = 0.0,
    taken: Sequence[str] = (),
    not_reached: Sequence[str] = (),
) -> str:
    """What a run did, in one line."""
    said = [
        f"Ran {count(len(finished), 'step')} in {duration(seconds)}: {_names(finished)}." if finished else "",
        f"{_names(taken)} not run here: another kernel made {'it' if len(taken) == 1 else 'them'}." if taken else "",
        f"{len(loaded)} loaded from disk." if loaded else "",
        f"{_names(kept)} kept: nothing {'it' if len(kept) == 1 else 'they'} read has changed." if kept else "",
        f"{_names(failed)} failed." if failed else "",
        f"{_names(blocked)} not run, waiting for what failed." if blocked else "",
        f"{_names(not_reached)} not reached." if not_reached else "",
    ]
    return " ".join(filter(None, said)) or "Nothing to run: everything is available."


def _hidden_lines(decision: Decision) -> list[str]:
    return ["Seen in its last run, and not declared:", *(f"  - {s}" for s in _hidden_sentences(decision.hidden))]


def _hidden_sentences(hidden: Sequence[tuple[str, str]]) -> list[str]:
    said = {
        "file": "it opened {0}: --reads {0} declares it",
        "env": "it read the environment's {0}: --env {0} declares it",
        "written": "it wrote {0}: --writes {0} makes it part of the result",
        "global": "it wrote the notebook's {0}: return it instead",
    }
    return [said[kind].format(one_line(as_option(what))) for kind, what in hidden if kind in said]


def _state(decision: Decision) -> str:
    """The word for a step's state; a damaged result is one of the red ones, and has a word of its own."""
    is_damaged = any(reason.kind == "damaged" for reason in decision.reasons)
    return "damaged" if is_damaged else str(decision.availability)


def _schedule(decision: Decision) -> str:
    if decision.is_head:
        return "H"
    return ">" if decision.action is Action.RUN else " "


def _note(decision: Decision) -> str:
    orphan = "cell deleted" if decision.is_orphan else ""
    said = _why(decision), OVERRIDES.get(decision.override), ELSEWHERE.get(decision.elsewhere), orphan
    return "; ".join(filter(None, said))


def _why(decision: Decision) -> str:
    return _reasons(decision) or _held(decision)


def _reasons(decision: Decision) -> str:
    """The root cause, and how many more. That a result is missing is told only where nothing else is."""
    failures = [r for r in decision.reasons if r.kind == "failed"]
    told = failures[:1] or [r for r in decision.reasons if r.kind != "missing"] or decision.reasons[:1]
    if not told:
        return ""
    more = f" (+{len(told) - 1} more)" if len(told) > 1 else ""
    return one_line(told[0].text) + more


def _held(decision: Decision) -> str:
    if decision.availability is not Availability.AVAILABLE:
        return ""
    if decision.held == "memory":
        return f"in memory only: {one_line(decision.unsaved)}" if decision.unsaved else "in memory"
    if decision.held == "disk":
        where = "from disk, an earlier result" if decision.generation else "from disk"
        return f"{where}, {file_size(decision.size)}" if decision.size else where
    return ""


def _held_sentence(decision: Decision) -> str:
    if decision.held == "memory" and decision.unsaved:
        return f" Its value is in memory only: {one_line(decision.unsaved)}."
    places = {"memory": " Its value is in memory.", "disk": f" Its value is on disk, {file_size(decision.size)}."}
    return places.get(decision.held, "")


def _expected(decision: Decision) -> str:
    if decision.action is not Action.RUN or decision.seconds is None:
        return ""
    return about(decision.seconds)


def _comma(text: str) -> str:
    return f", {text}" if text else ""


def _names(names: Sequence[str]) -> str:
    shown = ", ".join(map(one_line, names[:NAMES_SHOWN]))
    return shown if len(names) <= NAMES_SHOWN else f"{shown} and {len(names) - NAMES_SHOWN} more"


def _difference(reason: Reason) -> list[str]:
    old, new = reason.old.splitlines(), reason.new.splitlines()
    if reason.kind in CODE or len(old) > 1 or len(new) > 1:
        rows = difflib.unified_diff(old, new, "before", "now", n=2, lineterm="")
        return [f"      {one_line(row)}" for row in rows]
    if old == new or (reason.kind == "file" and not old) or all(value in reason.text for value in (*old, *new)):
        return []
    return [f"      {_value(old)} -> {_value(new)}"]


def _value(lines: list[str]) -> str:
    return one_line(lines[0]) if lines else "(nothing)"
