"""The commands of `jo`, in the order of its help: rows of the table of verbs, and a few that are no verbs."""

from __future__ import annotations

from dataclasses import replace

from jo_notebook.context_verb import ACTIONS, CONTEXT_VERB, command_of
from jo_notebook.verb import STORE_TRUE, Argument, Verb
from jo_notebook.verbs import VERBS

COMMANDS = ("run", "plan", "status", "graph", "explain", "log", "forget", "accept", "pin", "verify", "resume")
"""Commands over the steps of a source, which is opened for that: a notebook in a kernel of its own."""

ON_THE_STORE = {CONTEXT_VERB.name: CONTEXT_VERB} | {a.name: command_of(a) for a in ACTIONS.values() if a.is_command}
"""Commands over the results alone: nothing of the source is read or run."""

OTHERS = {
    "watch": "Make results exist again whenever what they are made of changes.",
    "export": "Write a notebook's steps as a Python module.",
    "import": "Write a Python module's steps as a notebook.",
    "completion": "Print the script that lets a shell complete jo's commands.",
}
ORDER = (
    *("run", "plan", "status", "graph", "explain", "log", "watch", "forget", "accept", "pin", "verify", "resume"),
    *(name for name in ON_THE_STORE),
    *("export", "import", "completion"),
)

SUMMARIES = {
    "verify": "Check every stored file or, with --rerun, whether steps come out the same.",
    "graph": "The picture of the pipeline, as a file.",
    "context": "Where results live, and how many there are.",
}
SOURCE = Argument(("source",), "", (("metavar", "SOURCE"),))
VERIFYING = (
    Argument(
        ("--rerun",),
        "run the steps again and compare; without it, only check that every stored file is whole",
        STORE_TRUE,
    ),
    Argument(("--quarantine",), "move damaged files to damaged/; nothing is deleted, the loss stays known", STORE_TRUE),
)


def verb_of(command: str) -> Verb:
    """The row that a command of COMMANDS or ON_THE_STORE stands for."""
    if command in ON_THE_STORE:
        return ON_THE_STORE[command]
    return next(verb for verb in VERBS if command == (verb.command or verb.name))


def summary_of(command: str) -> str:
    """What a command does, in a sentence."""
    if command in OTHERS:
        return OTHERS[command]
    summary = SUMMARIES.get(command) or verb_of(command).summary
    return summary.partition(";")[0].rstrip(".") + "."


def as_command(verb: Verb) -> Verb:
    """A row with what only the command line has, and without what only a session has."""
    kept = tuple(argument for argument in verb.arguments if not argument.needs_a_session)
    return replace(verb, arguments=(*kept, *VERIFYING) if verb.name == "verify" else kept)
