"""Our own sentences, which tell people what to type, as the command line says them."""

from __future__ import annotations

import re
import shlex

from jo_notebook.context_verb import ACTIONS
from jo_notebook.verbs import VERBS

MAGIC = re.compile(r"(?<!%)%(?:jo )?(?P<verb>[a-z]+)(?: (?P<action>[a-z]+))?(?P<place> (?:PATH|results\.jo))?\b")
ELSEWHERE = "JO_CONTEXT"


def as_commands(text: str, source: str) -> str:
    """The text with `%materialize Clean` as `jo run SOURCE Clean`, `%context gc` as `jo gc SOURCE`, and so on.

    For sentences of ours only: what a user's code prints stays as it is.
    """
    commands = {verb.name: verb.command or verb.name for verb in VERBS}
    where = f" {shlex.quote(source)}" if source else ""

    def said(found: re.Match[str]) -> str:
        verb, action = found["verb"], found["action"] or ""
        if verb not in commands:
            return found[0]
        if verb != "context":
            return f"jo {commands[verb]}{where}{found[0].partition(verb)[2]}"
        if action == "at":
            return f"{ELSEWHERE}={(found['place'] or ' PATH').strip()}"
        if action in ACTIONS:
            return f"jo {action}{where}{found['place'] or ''}"
        return f"jo context{where}{found[0].partition(verb)[2]}"

    return MAGIC.sub(said, text) if "%" in text else text
