"""Tab in a `%%step` line and in the verbs' lines: options, and names of steps."""

from __future__ import annotations

from typing import Any

from jo_notebook.notebook.stepline import STEP_OPTIONS
from jo_notebook.pipeline import Pipeline
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
    return (head.split() if space else []), last[comma + 1 :]


def _candidates(pipeline: Pipeline, words: list[str], fragment: str) -> list[str]:
    if not words:
        return []
    magic = words[0].lstrip("%")
    if not words[0].startswith("%"):
        return []
    if magic == "step":
        if fragment.startswith("-"):
            return list(STEP_OPTIONS)
        return list(pipeline.dag) if any(w in ("--depends-on", "--like") for w in words[1:]) else []
    if magic == "jo":
        if len(words) == 1:
            return [verb.name for verb in VERBS]
        magic = words[1]
    verb = next((verb for verb in VERBS if verb.name == magic), None)
    if verb is None:
        return []
    if fragment.startswith("-"):
        return [flag for a in verb.arguments for flag in a.flags if flag.startswith("--")]
    return list(pipeline.dag)
