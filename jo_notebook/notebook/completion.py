"""Tab in a `%%step` line, its comment form and the verbs' lines: options, names of steps and of formats."""

from __future__ import annotations

from typing import Any

from jo_notebook.context_verb import ACTIONS
from jo_notebook.core.stepline import STEP_OPTIONS
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.formats import format_names
from jo_notebook.verb import Verb
from jo_notebook.verbs import VERBS


def step_matcher(pipeline: Pipeline) -> Any:
    """A matcher for IPython's completer."""
    from IPython.core.completer import SimpleCompletion, context_matcher

    @context_matcher()  # type: ignore[untyped-decorator]
    def jo_notebook_matcher(context: Any) -> dict[str, Any]:
        words, fragment = _words(context.full_text, context.cursor_line, context.cursor_position)
        names = _candidates(pipeline, words, fragment)
        found = [SimpleCompletion(name, type="step") for name in names if name.startswith(fragment)]
        return {"completions": found, "suppress": bool(found), "matched_fragment": fragment}

    return jo_notebook_matcher


def _words(text: str, line_number: int, column: int) -> tuple[list[str], str]:
    """The words of the cursor's line in front of the one being typed, and that one since its last comma."""
    lines = text.split("\n")
    line = lines[line_number] if line_number < len(lines) else ""
    before = line[:column]
    head, space, last = before.rpartition(" ")
    comma = max(last.rfind(","), last.rfind("="))
    option, equals, _ = last.partition("=")
    behind = [option] if equals and option.startswith("--") else []
    return [*(head.split() if space else []), *behind], last[comma + 1 :]


def _candidates(pipeline: Pipeline, words: list[str], fragment: str) -> list[str]:
    """What may stand at the cursor of a line that begins with these words."""
    if words[1:2] == ["="]:  # plan = %plan
        words = words[2:]
    if not words:
        return []
    if words[0].startswith("#|"):
        return _of_step(pipeline, words, fragment) if "<-" in words or words[-1] == "--format" else []
    if not words[0].startswith("%"):
        return []
    magic, *rest = words[0].lstrip("%"), *words[1:]
    if magic == "step":
        behind = words[-1] == "--format" or any(word in ("--depends-on", "--like") for word in rest)
        return _of_step(pipeline, words, fragment) if behind or fragment.startswith("-") else []
    if magic == "jo":
        if not rest:
            return [verb.name for verb in VERBS]
        magic = rest[0]
    if magic == "debug_step":
        return list(pipeline.dag)
    verb = next((verb for verb in VERBS if verb.name == magic), None)
    return [] if verb is None else _of_verb(pipeline, verb, fragment)


def _of_step(pipeline: Pipeline, words: list[str], fragment: str) -> list[str]:
    if words[-1] == "--format":
        return format_names()
    return list(STEP_OPTIONS) if fragment.startswith("-") else list(pipeline.dag)


def _of_verb(pipeline: Pipeline, verb: Verb, fragment: str) -> list[str]:
    found: list[str] = []
    for argument in verb.arguments:
        if fragment.startswith("-"):
            found += [flag for flag in argument.flags if flag.startswith("--")]
        elif argument.flags[0] in ("heads", "name", "names", "words"):
            found += pipeline.dag
        elif argument.flags[0] == "action":
            found += ACTIONS
        else:
            found += dict(argument.settings).get("choices", ())
    return found
