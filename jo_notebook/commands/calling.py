"""What stands between a parsed command line and what it asks for."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jo_notebook.commands.performing import DONE, MISUSED, perform, perform_here, shown, words_of
from jo_notebook.commands.sources import Kind, Options, Source, check_notebook, results_of, source_of
from jo_notebook.commands.streams import Streams
from jo_notebook.errors import UsageError
from jo_notebook.interop.messages import EVENTS, event_of
from jo_notebook.verb import Verb

if TYPE_CHECKING:
    from jo_notebook.core.events import Event
    from jo_notebook.pipeline import Pipeline


def over_a_source(verb: Verb, args: argparse.Namespace, given: Mapping[str, Any], to: Streams) -> int:
    """A command over the steps of a source. Raises JoError and KeyboardInterrupt."""
    to.source = given["source"]
    if verb.name == "verify":
        if not args.rerun:
            return _check_files(args, given["source"], to)
        args.check = True
    source, options = source_of(given["source"]), options_of(given)
    if verb.name == "graph" and not args.output and not to.wants_data:
        args.output = "graph.svg"
    output, is_run = given.get("output"), verb.name == "materialize"
    if is_run and source.kind is Kind.NOTEBOOK and output:
        return _with_outputs(verb, source, args, options, given, to)
    if is_run and output:
        raise UsageError(f"--output writes a notebook with its outputs; {source.path} is a {source.kind}.")
    is_watched = to.wants_data and bool(given.get("watched"))
    how = given.get("progress", "none")
    return perform(_own(verb), source, args, to, options, progress=how, is_watched=is_watched)


def options_of(given: Mapping[str, Any]) -> Options:
    """What was said of how to open a source. Raises UsageError."""
    sets: dict[str, object] = {}
    if given.get("sets"):
        from jo_notebook.interop.sets import parse_sets

        sets = parse_sets(given["sets"])
    state = Path(given["state"]) if given.get("state") else None
    return Options(given.get("module") or "", state, bool(given.get("take_state")), sets)


def on_the_store(verb: Verb, args: argparse.Namespace, where: str, to: Streams) -> int:
    """A command over the results alone; no kernel is started. Raises JoError and KeyboardInterrupt."""
    to.source = where
    pipeline = results_of(where, is_made=verb.name == "load")
    if verb.name == "trust" and not to.wants_data:
        return _trust(verb, pipeline, args, to)
    return perform_here(verb, pipeline, args, to)


def export(notebook: Path, output: Path, to: Streams, *, force: bool = False) -> int:
    """A notebook's steps as a Python module."""
    from jo_notebook.interop.exporting import export_notebook

    _check_kind(notebook, Kind.NOTEBOOK)
    return _written(output, export_notebook(notebook, output, force=force), to)


def import_(script: Path, output: Path, to: Streams, *, force: bool = False) -> int:
    """A Python module's steps as a notebook."""
    from jo_notebook.interop.importing import import_script

    _check_kind(script, Kind.SCRIPT)
    return _written(output, import_script(script, output, force=force), to)


def _own(verb: Verb) -> Verb:
    """Without what the command line has added: a kernel knows the row of the table."""
    from jo_notebook.verbs import find

    return find(verb.name)


def _check_files(args: argparse.Namespace, where: str, to: Streams) -> int:
    """`jo verify` checks the stored files, as %context verify does; with --rerun it is %verify."""
    if args.heads:
        raise UsageError(f"To run {', '.join(args.heads)} again and compare, say --rerun.")
    from jo_notebook.context_verb import ACTIONS, command_of

    return on_the_store(command_of(ACTIONS["verify"]), args, where, to)


def _trust(verb: Verb, pipeline: Pipeline, args: argparse.Namespace, to: Streams) -> int:
    """What is from elsewhere is listed: then a person is asked, anything else has to say --yes."""
    answer = verb.call(pipeline, args)
    to.say(answer.text)
    if not answer.value:
        return DONE
    if not (sys.stdin is not None and sys.stdin.isatty() and to.out.isatty()):
        to.complain("Say --yes to trust these.")
        return MISUSED
    to.out.write("Trust these? [y/N] ")
    to.out.flush()
    if sys.stdin.readline().strip().lower() in ("y", "yes"):
        args.yes = True
        to.say(verb.call(pipeline, args).text)
    return DONE


def _with_outputs(
    verb: Verb, source: Source, args: argparse.Namespace, options: Options, given: Mapping[str, Any], to: Streams
) -> int:
    from jo_notebook.interop.headless import CellFailed
    from jo_notebook.interop.outputs import run_notebook

    check_notebook(source, options)
    words = [verb.name, *words_of(_own(verb).arguments, args)]
    with shown(given.get("progress", "none"), to) as hear:
        listen = None if hear is None else partial(_pass_on, hear)
        try:
            told = run_notebook(
                source.path,
                args.heads,
                sets=options.sets,
                output=given["output"],
                write=to.write,
                verb_line=words,
                hear=listen,
            )
        except CellFailed as error:
            if to.wants_data:
                raise error.in_a_line() from None
            raise
    if to.wants_data:
        to.answer({**told, "output": str(given["output"])})
    return DONE


def _pass_on(hear: Callable[[Event], None], mime: str, data: Any) -> None:
    if mime == EVENTS:
        for event in data:
            hear(event_of(event))


def _check_kind(path: Path, kind: Kind) -> None:
    found = source_of(path)
    if found.kind is not kind:
        raise UsageError(f"{path} is a {found.kind}: this command takes a {kind}.")


def _written(output: Path, notes: Sequence[str], to: Streams) -> int:
    to.say("\n".join([f"Written to {output}.", *(f"Note: {note}" for note in notes)]))
    if to.wants_data:
        to.answer({"output": str(output), "notes": list(notes)})
    return DONE
