"""Why a step must run, as data: the difference between what was remembered and what is there today."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from jo_notebook.core.fingerprint import KINDS, Fingerprint, Part

SHOWN = 48
CODE = ("code", "helper")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a step must run. `text` is the sentence shown everywhere; `old` and `new` feed a diff.

    `kind` is a kind of fingerprint part, or one of missing, failed, damaged, upstream, undefined, asked.
    """

    kind: str
    text: str
    name: str = ""
    old: str = ""
    new: str = ""


def differences(old: Fingerprint, new: Fingerprint, unknown_inputs: Collection[str] = ()) -> list[Reason]:
    """One reason for each part that is not as remembered, root causes first.

    `unknown_inputs` are inputs whose version is not known yet: they are not compared. Names that came or
    went because the code itself was edited are not told apart from that edit.
    """
    before, after = _by_name(old), _by_name(new)
    changed = [key for key in {**before, **after} if _differ(before.get(key), after.get(key))]
    changed = [key for key in changed if key[0] != "input" or key[1] not in unknown_inputs]
    edited = any(key in before and key in after and before[key].kind in CODE for key in changed)
    told = [key for key in changed if (key in before and key in after) or not edited or key[0] != "name"]
    rows = [(before.get(key), after.get(key)) for key in told]
    rows.sort(key=lambda row: _rank(row[0] or row[1]))
    found = [_reason(was, now) for was, now in rows]
    if not found and old.schema != new.schema:
        found.append(Reason("code", "made by another release of jo_notebook"))
    return found


def _by_name(fingerprint: Fingerprint) -> dict[tuple[str, str], Part]:
    """Parts by what they are called: a helper that became a constant is one change, not two."""
    apart = ("code", "param", "input")
    return {
        (part.kind if part.kind in apart else "name", part.name): part
        for part in fingerprint.parts
        if part.kind != "untracked"
    }


def _differ(was: Part | None, now: Part | None) -> bool:
    return was is None or now is None or (was.kind, was.digest) != (now.kind, now.digest)


def _rank(part: Part | None) -> tuple[int, str]:
    assert part is not None
    return (KINDS.index(part.kind) if part.kind in KINDS else len(KINDS), part.name)


def _reason(was: Part | None, now: Part | None) -> Reason:
    part = now or was
    assert part is not None
    old, new = was.text if was else "", now.text if now else ""
    return Reason(part.kind, _sentence(part, was, now), part.name, old, new)


def _sentence(part: Part, was: Part | None, now: Part | None) -> str:
    name = part.name
    if part.kind == "code":
        return "code changed"
    if part.kind == "input":
        return _came_or_went(f"input {name}", was, now) or f"input {name} has a new value"
    if part.kind == "helper" and was and now and was.kind == now.kind:
        return f"class {name} changed" if _is_class(now.text) else f"helper {name}() changed"
    if part.kind == "global" and was and now and was.kind == now.kind:
        return f"{name} has a new value"
    return f"{part.kind} {name}: {_short(was)} → {_short(now)}"


def _is_class(text: str) -> bool:
    """Whether the first line that is no decorator begins a class."""
    lines = (line for line in text.splitlines() if not line.startswith("@"))
    return next(lines, "").startswith("class ")


def _came_or_went(what: str, was: Part | None, now: Part | None) -> str:
    if was is None:
        return f"{what} is new"
    return f"{what} is gone" if now is None else ""


def _short(part: Part | None) -> str:
    if part is None:
        return "not defined"
    if part.kind in CODE:
        return "a function or class"
    line = " ".join(part.text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
