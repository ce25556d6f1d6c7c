"""`jo VERB NOTEBOOK …`: the verbs of the notebook, on the command line, over the same store.

Commands on the store itself (`jo gc`, `jo restore`, …: actions of the verb `context`) start no kernel, and take a
notebook or the directory of its results.

Exit codes: 0 done, 1 a step or a cell failed (what was finished is stored), or the store refuses or is damaged, 2 bad
usage, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from dataclasses import replace
from importlib.metadata import version
from pathlib import Path

from jo_notebook.context_verb import ACTIONS, CONTEXT_VERB, command_of
from jo_notebook.errors import JoError, UsageError, did_you_mean
from jo_notebook.interop.headless import ANSI, session
from jo_notebook.pipeline import Pipeline
from jo_notebook.store.context import Context
from jo_notebook.verb import Argument, Verb
from jo_notebook.verbs import VERBS, Help, parser_of

MISUSE = ("UsageError", "StepNameError", "UnknownStepError")
WHERE = Argument(("notebook",), "a notebook, or the directory of its results", (("metavar", "NOTEBOOK"),))
FLAGS = ("--rerun", "--quarantine")
RERUN = "run the steps again and compare; without it, only check that every stored file is whole"
QUARANTINE = "move damaged files to damaged/; nothing is deleted, and the loss stays known"
COMMANDS = ("run", "plan", "status", "graph", "explain", "log", "forget", "accept", "pin", "verify")
ON_THE_STORE = {CONTEXT_VERB.name: CONTEXT_VERB} | {a.name: command_of(a) for a in ACTIONS.values() if a.is_command}
"""Commands that need no kernel: they work on the directory itself."""


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
    rest = words[1:]
    if words[0] in ON_THE_STORE:
        return _on_the_store(ON_THE_STORE[words[0]], rest)
    verb = _find(words[0])
    parser = parser_of(verb, f"jo {words[0]} NOTEBOOK")
    if verb.name == "verify":
        parser.add_argument("--rerun", action="store_true", help=RERUN)
        parser.add_argument("--quarantine", action="store_true", help=QUARANTINE)
    if not set(rest).difference(FLAGS) or rest[0] in ("-h", "--help"):
        print(parser.format_help())
        return 0 if rest and rest[0] in ("-h", "--help") else 2
    notebook, *line = sorted(rest, key=lambda word: word in FLAGS)
    parsed = parser.parse_args(line)  # bad usage is told before a kernel starts
    if verb.name == "verify" and not parsed.rerun:
        return _check_files(notebook, parsed)
    if verb.name == "verify":
        line = ["--check", *parsed.heads]
    if verb.name == "graph" and not any(word in ("-o", "--output") for word in line):
        line += ["--output", "graph.svg"]
    line = _absolute_output(line)
    with session(notebook, _write) as ready:
        ready.run(f"get_ipython().run_line_magic('jo', {_quoted([verb.name, *line])!r});", f"jo {words[0]}")
    return 0


def _check_files(notebook: str, parsed: argparse.Namespace) -> int:
    """`jo verify` checks the stored files, as %context verify does; with --rerun it is %verify."""
    if parsed.heads:
        raise UsageError(f"To run {', '.join(parsed.heads)} again and compare, say --rerun.")
    return _on_the_store(command_of(ACTIONS["verify"]), [notebook, *(["--quarantine"] if parsed.quarantine else [])])


def _on_the_store(verb: Verb, rest: list[str]) -> int:
    """A command over the directory itself, given as a notebook or as a directory; no kernel is started."""
    parser = parser_of(replace(verb, arguments=(WHERE, *verb.arguments)), f"jo {verb.name}")
    if not rest:
        print(parser.format_help())
        return 2
    args = parser.parse_args(rest)
    pipeline = _opened(args.notebook, is_made=verb.name == "load")
    answer = verb.call(pipeline, args)
    if answer.text:
        print(answer.text.replace(f"%context {verb.name}", f"jo {verb.name} {args.notebook}"))
    return _confirmed(verb, pipeline, args) if verb.name == "trust" and answer.value else 0


def _confirmed(verb: Verb, pipeline: Pipeline, args: argparse.Namespace) -> int:
    """What is from elsewhere has been listed: a person is asked, anything else has to say --yes."""
    if not (sys.stdin.isatty() and sys.stdout.isatty()):
        return _complain("Say --yes to trust these.", 2)
    if input("Trust these? [y/N] ").strip().lower() in ("y", "yes"):
        args.yes = True
        print(verb.call(pipeline, args).text)
    return 0


def _opened(where: str, *, is_made: bool) -> Pipeline:
    """The pipeline of a directory, or of a notebook, which may have no results yet. Raises UsageError.

    With `is_made` a directory that is not there is one to be made.
    """
    path = Path(where)
    if is_made and path.suffix == ".jo" and not os.path.exists(path):
        return Pipeline(Context(path))
    if path.suffix != ".ipynb":
        return Pipeline.open(path)
    place = Path(os.path.expanduser(os.environ.get("JO_CONTEXT", "")) or path.with_suffix(".jo"))
    if not (is_made or os.path.isfile(path) or os.path.isdir(place)):
        raise UsageError(f"There is no notebook at {path}.")
    pipeline = Pipeline(Context(place))
    pipeline.take_in()
    return pipeline


def _find(word: str) -> Verb:
    for verb in VERBS:
        if word in COMMANDS and word in (verb.command or verb.name, verb.name):
            return verb
    known = [*COMMANDS, *ON_THE_STORE]
    raise UsageError(f"jo has no command {word!r}.{did_you_mean(word, known)} Commands: {', '.join(known)}.")


def _listing() -> str:
    rows = [(verb.command or verb.name, verb.summary) for verb in VERBS if (verb.command or verb.name) in COMMANDS]
    rows += [(name, verb.summary.partition(";")[0].rstrip(".") + ".") for name, verb in ON_THE_STORE.items()]
    lines = [f"  jo {name:<8} NOTEBOOK …  {summary}" for name, summary in rows]
    return "\n".join(
        ["The pipeline of a notebook, without opening it.", "", *lines, "", "jo COMMAND --help says more."]
    )


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
