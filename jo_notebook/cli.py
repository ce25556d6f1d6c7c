"""`jo VERB NOTEBOOK …`: the verbs of the notebook, on the command line, over the same store.

Exit codes: 0 done, 1 a step or a cell failed (what was finished is stored), 2 bad usage, 130 interrupted.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version

from jo_notebook.errors import JoError, UsageError, did_you_mean
from jo_notebook.interop.headless import ANSI, session
from jo_notebook.verbs import VERBS, Help, Verb, find, parser_of

MISUSE = ("UsageError", "StepNameError", "UnknownStepError")
COMMANDS = ("run", "plan", "status", "graph", "explain", "log", "forget", "accept", "pin", "verify")


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    try:
        return _perform(words)
    except Help as shown:
        print(shown)
        return 0
    except UsageError as error:
        return _complain(str(error), 2)
    except JoError as error:
        return _complain(str(error), 2 if getattr(error, "cause", "") in MISUSE else 1)
    except KeyboardInterrupt:
        return _complain("Interrupted.", 130)


def _perform(words: list[str]) -> int:
    if not words or words[0] in ("-h", "--help"):
        print(_listing())
        return 0 if words else 2
    if words[0] == "--version":
        print(f"jo_notebook {version('jo_notebook')}")
        return 0
    verb = _find(words[0])
    rest = words[1:]
    if verb.name == "verify" and "--rerun" not in rest and not {"-h", "--help"}.intersection(rest):
        verb, rest = find("context"), [*rest[:1], "verify", *rest[1:]]
    elif verb.name == "verify":
        rest = [word for word in rest if word != "--rerun"] + ["--check"] * ("--check" not in rest)
    if not rest or rest[0] in ("-h", "--help"):
        print(parser_of(verb, f"jo {words[0]} NOTEBOOK").format_help())
        return 0 if rest else 2
    notebook, *line = rest
    parser_of(verb, f"jo {words[0]} NOTEBOOK").parse_args(line)  # bad usage is told before a kernel starts
    if verb.name == "graph" and not any(word in ("-o", "--output") for word in line):
        line += ["--output", "graph.svg"]
    line = _absolute_output(line)
    with session(notebook, _write) as ready:
        ready.run(f"get_ipython().run_line_magic('jo', {_quoted([verb.name, *line])!r});", f"jo {words[0]}")
    return 0


def _find(word: str) -> Verb:
    for verb in VERBS:
        if word in COMMANDS and word in (verb.command or verb.name, verb.name):
            return verb
    raise UsageError(f"jo has no command {word!r}.{did_you_mean(word, COMMANDS)} Commands: {', '.join(COMMANDS)}.")


def _listing() -> str:
    rows = [(verb.command or verb.name, verb.summary) for verb in VERBS if (verb.command or verb.name) in COMMANDS]
    lines = [f"  jo {name:<8} NOTEBOOK …  {summary}" for name, summary in rows]
    return "\n".join(
        ["The pipeline of a notebook, without opening it.", "", *lines, "", "jo COMMAND --help says more."]
    )


def _absolute_output(line: list[str]) -> list[str]:
    """A file to write is meant from where the user stands, not from where the notebook is."""
    from pathlib import Path

    flags = [i for i, word in enumerate(line) if word in ("-o", "--output") and i + 1 < len(line)]
    return [str(Path(word).absolute()) if i - 1 in flags else word for i, word in enumerate(line)]


def _quoted(words: Sequence[str]) -> str:
    return " ".join(shlex.quote(word) for word in words)


def _write(stream: str, text: str) -> None:
    target = sys.stderr if stream == "stderr" else sys.stdout
    target.write(text if target.isatty() else ANSI.sub("", text))
    target.flush()


def _complain(message: str, code: int) -> int:
    text = message if sys.stderr.isatty() else ANSI.sub("", message)
    print(text if "\n" in text else f"jo: {text}", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main())
