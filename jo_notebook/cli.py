"""`jo VERB NOTEBOOK …`: the verbs of the notebook, on the command line, over the same store.

Exit codes: 0 done, 1 a step or a cell failed (what was finished is stored), 2 bad usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

from jo_notebook.context_verb import ACTIONS, CONTEXT_VERB, Action
from jo_notebook.errors import JoError, UsageError, did_you_mean
from jo_notebook.interop.headless import ANSI, session
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context
from jo_notebook.verb import Verb
from jo_notebook.verbs import VERBS, Help, find, parser_of, perform

MISUSE = ("UsageError", "StepNameError", "UnknownStepError")
RERUN = "run the steps again and compare; without it, only check that every stored file is whole"
CONTEXT_COMMANDS = tuple(action.name for action in ACTIONS.values() if action.is_command)
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
    if words[0] in CONTEXT_COMMANDS:
        return _on_the_context(words[0], words[1:])
    verb = _find(words[0])
    rest = words[1:]
    parser = parser_of(verb, f"jo {words[0]} NOTEBOOK")
    if verb.name == "verify":
        parser.add_argument("--rerun", action="store_true", help=RERUN)
    if not set(rest).difference(["--rerun"]) or rest[0] in ("-h", "--help"):
        print(parser.format_help())
        return 0 if rest and rest[0] in ("-h", "--help") else 2
    notebook, *line = sorted(rest, key=lambda word: word == "--rerun")
    parsed = parser.parse_args(line)  # bad usage is told before a kernel starts
    if verb.name == "verify":
        verb, line = _verify(parsed)
    if verb.name == "graph" and not any(word in ("-o", "--output") for word in line):
        line += ["--output", "graph.svg"]
    line = _absolute_output(line)
    with session(notebook, _write) as ready:
        ready.run(f"get_ipython().run_line_magic('jo', {_quoted([verb.name, *line])!r});", f"jo {words[0]}")
    return 0


def _on_the_context(word: str, rest: list[str]) -> int:
    """An action of the verb `context`, without a kernel: over the directory, or the one of the notebook, alone."""
    if not rest or rest[0] in ("-h", "--help"):
        print(f"jo {word} NOTEBOOK_OR_DIRECTORY {ACTIONS[word].words}".rstrip() + f"\n\n{ACTIONS[word].summary}")
        print("\n".join(f"  {flag}" for flag in sorted(ACTIONS[word].options)), end="")
        return 0 if rest else 2
    pipeline = _opened(rest[0], is_made=word == "load")
    line = [word, *rest[1:]]
    answer = perform(pipeline, CONTEXT_VERB, line, "jo")
    print(answer.text.replace(f"%context {word}", f"jo {word} {rest[0]}"))
    if word == "trust" and answer.value:
        if not (sys.stdin.isatty() and sys.stdout.isatty()):
            return _complain("Say --yes to trust these.", 2)
        if input("Trust these? [y/N] ").strip().lower() not in ("y", "yes"):
            return 0
        print(perform(pipeline, CONTEXT_VERB, [*line, "--yes"], "jo").text)
    return 0


def _opened(path: str, *, is_made: bool) -> Pipeline:
    """The pipeline that a directory remembers, or that of a notebook. Raises UsageError where there is none."""
    place = Path(path).with_suffix(".jo") if path.endswith(".ipynb") else Path(path)
    if path.endswith(".ipynb") and os.environ.get("JO_CONTEXT"):
        place = Path(os.environ["JO_CONTEXT"]).expanduser()
    if is_made and place.suffix == ".jo" and not place.exists():
        return Pipeline(Context(place))
    return Pipeline.open(place)


def _verify(parsed: argparse.Namespace) -> tuple[Verb, list[str]]:
    """`jo verify` checks the stored files, as %context verify does; with --rerun it is %verify."""
    if parsed.rerun:
        return find("verify"), ["--check", *parsed.heads]
    if parsed.heads:
        raise UsageError(f"To run {', '.join(parsed.heads)} again and compare, say --rerun.")
    return find("context"), ["verify"]


def _find(word: str) -> Verb:
    for verb in VERBS:
        if word in COMMANDS and word in (verb.command or verb.name, verb.name):
            return verb
    known = (*COMMANDS, *CONTEXT_COMMANDS)
    raise UsageError(f"jo has no command {word!r}.{did_you_mean(word, known)} Commands: {', '.join(known)}.")


def _listing() -> str:
    rows = [(verb.command or verb.name, verb.summary) for verb in VERBS if (verb.command or verb.name) in COMMANDS]
    rows += [(action.name, f"{action.summary[0].upper()}{action.summary[1:]}.") for action in _actions()]
    lines = [f"  jo {name:<8} NOTEBOOK …  {summary}" for name, summary in rows]
    return "\n".join(
        ["The pipeline of a notebook, without opening it.", "", *lines, "", "jo COMMAND --help says more."]
    )


def _actions() -> list[Action]:
    return [ACTIONS[name] for name in CONTEXT_COMMANDS]


def _absolute_output(line: list[str]) -> list[str]:
    """A file to write is meant from where the user stands, not from where the notebook is."""
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
