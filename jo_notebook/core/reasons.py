"""Why a step must run, as data: the difference between what was remembered and what is there today."""

from __future__ import annotations

import ast
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import lru_cache

from jo_notebook.core.fingerprint import RANK, Fingerprint, Part, digest_of
from jo_notebook.core.homes import OBJECT
from jo_notebook.core.source import canonical_text

SHOWN = 48
CODE = ("code", "helper", "module")
APART = ("given", "code", "param", "seed", "module", "file", "env", "package", "input")
DECLARED = ("file", "env")
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a step must run. `text` is the sentence shown everywhere; `old` and `new` feed a diff.

    `kind` is a kind of fingerprint part, or one of missing, failed, damaged, upstream, undefined, output, always,
    asked.
    """

    kind: str
    text: str
    name: str = ""
    old: str = ""
    new: str = ""


def differences(
    old: Fingerprint,
    new: Fingerprint,
    unknown_inputs: Collection[str] = (),
    seen: Mapping[Key, str] | None = None,
) -> list[Reason]:
    """One reason for each part that is not as remembered, root causes first.

    `unknown_inputs` are inputs whose version is not known yet: they are not compared. `seen` are digests of
    files and variables that the run was seen to read without having declared them, by kind and name:
    declaring one of them later changes nothing. Names that came or went because the code itself was edited are
    not told apart from that edit, and one that is not declared any more is no difference.
    """
    if old.parts == new.parts and old.schema == new.schema:
        return []
    before, after = _by_name(old), _by_name(new)
    seen = {key: digest for key, digest in (seen or {}).items() if digest}
    broken = {part.name for part in new.parts if part.kind == "module" and part.digest.startswith("problem")}
    let_go = {part.name for part in new.parts if part.kind == "untracked"}
    other_schema = old.schema != new.schema
    changed = []
    for key in {**before, **after}:
        was, now = before.get(key), after.get(key)
        if not _differ(was, now, other_schema=other_schema):
            continue
        if key[0] == "input" and key[1] in unknown_inputs:
            continue
        if now is None and (key[0] in DECLARED or key[1] in let_go):
            continue
        if was is None and now is not None and key in seen:
            if seen[key] == now.digest:
                continue
            before[key] = Part(now.kind, now.name, seen[key])
        if _is_beside_a_problem(key, broken):
            continue
        changed.append(key)
    edited = any(key in before and key in after and before[key].kind in CODE for key in changed)
    told = [key for key in changed if not edited or (key in before and key in after) or not _follows_from_code(key)]
    rows = [(before.get(key), after.get(key)) for key in told]
    rows.sort(key=lambda row: _rank(row[0] or row[1]))
    return [_reason(was, now) for was, now in rows]


def _is_beside_a_problem(key: Key, broken: Collection[str]) -> bool:
    """What else differs in a module that cannot be read follows from that."""
    return key[0] == "module" and key[1] not in broken and f"{key[1].partition(':')[0]}:" in broken


def _follows_from_code(key: Key) -> bool:
    return key[0] in ("name", "module", "package")


def _by_name(fingerprint: Fingerprint) -> dict[Key, Part]:
    """Parts by what they are called: a helper that became a constant is one change, not two."""
    return {
        (part.kind if part.kind in APART else "name", part.name): part
        for part in fingerprint.parts
        if part.kind != "untracked"
    }


def _differ(was: Part | None, now: Part | None, *, other_schema: bool) -> bool:
    if was is None or now is None or was.kind != now.kind:
        return True
    if was.digest == now.digest:
        return False
    if was.kind in CODE:
        return not _same_code(was, now)
    if other_schema and was.kind in ("constant", "param", "seed", "package", "import"):
        return was.text != now.text or "…" in was.text
    return True


def _same_code(was: Part, now: Part) -> bool:
    """Whether two texts are one code, in the words of this Python: another one may have written it otherwise."""
    return _held(was) == _held(now) and digest_of(_in_todays_words(was.text)) == now.digest.partition("+")[0]


def _held(part: Part) -> str:
    """The half of the digest that is not about the text."""
    return part.digest.partition("+")[2]


@lru_cache(maxsize=1024)
def _in_todays_words(text: str) -> str:
    try:
        return canonical_text(ast.parse(text).body)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return text


def _rank(part: Part | None) -> tuple[int, str]:
    assert part is not None
    return (RANK.get(part.kind, len(RANK)), part.name)


def _reason(was: Part | None, now: Part | None) -> Reason:
    part = now or was
    assert part is not None
    old, new = was.text if was else "", now.text if now else ""
    if part.digest.startswith("problem"):
        old = new = ""
    return Reason(part.kind, _sentence(part, was, now), part.name, old, new)


def _sentence(part: Part, was: Part | None, now: Part | None) -> str:
    """One change in words. Each kind has its own; both sides are there unless something came or went."""
    name = part.name
    if name.startswith(OBJECT):
        return "its code, or what its object holds, changed"
    if part.kind == "code":
        return "code changed"
    if part.kind == "given":
        return "put in by hand" if now else "what was put in by hand is not in use"
    if part.kind == "input":
        return _came_or_went(f"input {name}", was, now) or f"input {name} has a new value"
    if part.kind == "module":
        return _module_sentence(part, was, now)
    if part.kind == "file":
        return _file_sentence(name, was, now)
    if part.kind == "env":
        return _env_sentence(name, was, now)
    if part.kind == "package":
        return f"{name} {_short(was)} → {_short(now)}" if was and now else f"package {name} {_came(now)}"
    if part.kind == "seed":
        return f"seed: {_short(was, 'none')} → {_short(now, 'none')}"
    if part.kind == "helper" and was and now and was.kind == now.kind:
        return f"class {name} changed" if _is_class(now.text) else f"helper {name}() changed"
    if part.kind == "global" and was and now and was.kind == now.kind:
        return f"{name} has a new value"
    return f"{part.kind} {name}: {_short(was)} → {_short(now)}"


def _module_sentence(part: Part, was: Part | None, now: Part | None) -> str:
    file, _, name = part.name.partition(":")
    if now is not None and now.digest.startswith("problem"):
        return f"module {file} cannot be read: {now.text}"
    if not name:
        return f"module {file}: what it does when it is imported {_changed(was, now)}"
    text = part.text.lstrip()
    called = f"{name}()" if text.startswith(("def ", "async def ", "@")) else name
    called = f"class {name}" if _is_class(text) else called
    if was is not None and now is not None and _held(was) != _held(now):
        what = "was changed in the notebook" if _held(now) else "is as its file says again"
        return f"module {file}: {called} {what}"
    short = was is not None and now is not None and max(len(was.text), len(now.text)) <= SHOWN
    if short and not text.startswith(("def ", "async def ", "@", "class ")):
        return f"module {file}: {_short(was)} → {_short(now)}"
    return f"module {file}: {called} {_changed(was, now)}"


def _changed(was: Part | None, now: Part | None) -> str:
    return "changed" if was and now else _came(now)


def _came(now: Part | None) -> str:
    return "is used no more" if now is None else "is used now"


def _file_sentence(name: str, was: Part | None, now: Part | None) -> str:
    if now is not None and now.digest in ("missing", "unreadable"):
        return f"file {name} is missing" if now.digest == "missing" else f"file {name}: {now.text}"
    return f"file {name} changed" if was else f"file {name} is declared now"


def _env_sentence(name: str, was: Part | None, now: Part | None) -> str:
    if was is None:
        return f"environment {name} is declared now"
    set_before, set_now = was.digest != "unset", now is not None and now.digest != "unset"
    if set_before and set_now:
        return f"environment {name} changed"
    return f"environment {name} is set now" if set_now else f"environment {name} is not set"


def _is_class(text: str) -> bool:
    """Whether the first line that is no decorator begins a class."""
    lines = (line for line in text.splitlines() if not line.startswith("@"))
    return next(lines, "").startswith("class ")


def _came_or_went(what: str, was: Part | None, now: Part | None) -> str:
    if was is None:
        return f"{what} is new"
    return f"{what} is gone" if now is None else ""


def _short(part: Part | None, nothing: str = "not defined") -> str:
    if part is None:
        return nothing
    if part.kind in ("code", "helper"):
        return "a function or class"
    line = " ".join(part.text.split())
    return line if len(line) <= SHOWN else line[: SHOWN - 1] + "…"
