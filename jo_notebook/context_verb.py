"""The verb `context`: where results live, and what can be done with the place as a whole.

One table of actions; `%context ACTION …` and `jo ACTION …` both read it.
"""

from __future__ import annotations

import argparse
import os
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from jo_notebook.errors import UsageError, did_you_mean
from jo_notebook.upkeep import (
    DRY_RUN,
    GENERATION,
    KEEP,
    ORPHANS,
    QUARANTINE,
    UPKEEP_OPTIONS,
    choices,
    gc,
    migrate,
    restore,
    verify,
)
from jo_notebook.verb import STORE_TRUE, Answer, Argument, Call, Verb
from jo_notebook.views import machine
from jo_notebook.views.listings import foreign_text, stored_text, taken_text, trusted_text
from jo_notebook.views.words import count, file_size, one_line

if TYPE_CHECKING:
    from jo_notebook.pipeline import Pipeline
    from jo_notebook.store.foreign import Foreign


@dataclass(frozen=True, slots=True)
class Action:
    """One row: a name, a sentence, what to call, the options it understands, and whether `jo` has it as a command.

    `words` says what follows the name, for instance `PATH`; empty where nothing may.
    """

    name: str
    summary: str
    call: Call
    words: str = ""
    options: frozenset[str] = frozenset()
    is_command: bool = True


def _show(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    context = pipeline.context
    kept = [record for record in context.records.values() if not record.unsaved]
    where = one_line(str(context.place)) if context.place is not None else "memory only"
    text = f"Results live in {where}: {len(kept)} on disk, {file_size(context.size())}."
    problems = list(dict.fromkeys(context.problems))
    notes = [f"Note: {one_line(problem)}" for problem in problems]
    data = partial(machine.place_data, context.place, len(kept), context.size(), problems)
    return Answer("\n".join(filter(None, (text, context.crowding(), *notes))), value=context, data=data)


def _at(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    if not args.words:
        raise UsageError("Say where results should live, for instance: %context at results.jo")
    pipeline.move_to(_directory(args.words[0]))
    return found(pipeline)


def _trust(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    """Lists; only with `--yes` it trusts."""
    wanted = [name for word in args.words for name in word.split(",") if name]
    rows = _foreign(pipeline, wanted)
    if not rows:
        return Answer("There is nothing from elsewhere here.", value=[], data=partial(machine.foreign_data, (), ()))
    if not args.yes:
        again = " ".join(["%context trust", *wanted, "--yes"])
        text = f"{foreign_text(rows)}\nNothing is trusted yet: {again} trusts it."
        return Answer(text, value=rows, data=partial(machine.foreign_data, rows, ()))
    trusted = pipeline.trust(*wanted)
    left = _foreign(pipeline, wanted)
    return Answer(trusted_text(trusted, left), value=[], data=partial(machine.foreign_data, left, trusted))


def _foreign(pipeline: Pipeline, wanted: list[str]) -> list[Foreign]:
    """What is from elsewhere, of these steps or of all. Raises UsageError for a step that has nothing from there."""
    rows = pipeline.context.foreign()
    there = {row.step for row in rows}
    for name in wanted:
        if rows and name not in there and name not in pipeline.context.records and name not in pipeline.dag:
            raise UsageError(f"There is nothing from elsewhere under {name!r}.{did_you_mean(name, there)}")
    return [row for row in rows if not wanted or row.step in wanted]


def _store(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    path, *names = _path_and_names(args, "store")
    done = pipeline.context.store(Path(os.path.expanduser(path)), *names)
    data = partial(machine.stored_data, done.path, done.stored, done.left)
    return Answer(stored_text(done.path, done.stored, done.left), value=done, data=data)


def _load(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    path, *names = _path_and_names(args, "load")
    done, before = pipeline.context.take(Path(os.path.expanduser(path)), *names), set(pipeline.dag)
    pipeline.resume()
    new = [name for name in done.definitions if name not in before]
    data = partial(machine.taken_data, done.taken, done.left, done.damaged, new)
    text = taken_text(done.taken, done.left, done.damaged, new)
    return Answer("\n".join([text, *_foreign_lines(pipeline)]), value=done, data=data)


def _path_and_names(args: argparse.Namespace, action: str) -> list[str]:
    if not args.words:
        raise UsageError(f"Say which snapshot, for instance: %context {action} ../for-a-colleague.zip")
    path, *names = args.words
    return [path, *(name for word in names for name in word.split(",") if name)]


NAME_ANOTHER = "Name a directory, or one to be made in a directory that is there."
YES = Argument(("--yes",), "trust what is listed, and let its code run", STORE_TRUE)


def _flags(*options: Argument) -> frozenset[str]:
    return frozenset(option.flags[0] for option in options)


ACTIONS = {
    action.name: action
    for action in (
        Action("at", "move to another place", _at, "PATH", is_command=False),
        Action(
            "trust",
            "list what is from elsewhere; with --yes accept it, of these steps or all",
            _trust,
            "[STEP …]",
            _flags(YES),
        ),
        Action("store", "write a snapshot, a directory or a .zip file", _store, "PATH [STEP …]"),
        Action("load", "take in the results of a snapshot", _load, "PATH [STEP …]"),
        Action("verify", "check every stored file", verify, options=_flags(QUARANTINE), is_command=False),
        Action("gc", "remove what nobody needs", gc, options=_flags(KEEP, ORPHANS, DRY_RUN)),
        Action("restore", "go back to an older result", restore, "NAME", _flags(GENERATION)),
        Action("migrate", "bring an older store up to date", migrate),
    )
}

OPTIONS: tuple[Argument, ...] = (YES, *UPKEEP_OPTIONS)
"""The options of all actions; each row of `ACTIONS` names those it understands."""


def perform_action(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    """Looks up the action and checks that it understands what was said. Raises UsageError."""
    if not args.action:
        _refuse_options(args, frozenset(), "alone")
        return _show(pipeline, args)
    action = ACTIONS.get(args.action)
    if action is None:
        hint = did_you_mean(args.action, ACTIONS)
        raise UsageError(f"%context has no action {args.action!r}.{hint} Actions: {', '.join(ACTIONS)}.")
    if args.words and not action.words:
        raise UsageError(f"%context {action.name} takes nothing after it, not {' '.join(args.words)!r}.")
    _refuse_options(args, action.options, action.name)
    return action.call(pipeline, args)


def _refuse_options(args: argparse.Namespace, known: frozenset[str], name: str) -> None:
    """Raises UsageError for an option that this action does not understand."""
    for option in OPTIONS:
        flag = option.flags[0]
        said = getattr(args, flag.strip("-").replace("-", "_"))
        if flag not in known and said is not None and said is not False:
            raise UsageError(f"%context {name} does not know {flag}.")


def command_of(action: Action) -> Verb:
    """An action as a verb of its own, for the command line: it has the words and the options of this action alone."""

    def call(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
        return action.call(pipeline, args)

    words = Argument(("words",), "what it is about", (("nargs", "*"), ("metavar", action.words)))
    options = (option for option in OPTIONS if option.flags[0] in action.options)
    summary = f"{action.summary[:1].upper()}{action.summary[1:]}."
    return Verb(action.name, summary, call, (*([words] if action.words else []), *options))


SUMMARY = ", ".join(f"`{action.name} {action.words}".rstrip() + f"`: {action.summary}" for action in ACTIONS.values())

CONTEXT_VERB = Verb(
    "context",
    f"Where results live; {SUMMARY}.",
    perform_action,
    (
        Argument(("action",), "one of: " + ", ".join(ACTIONS), (("nargs", "?"), ("metavar", "ACTION"))),
        Argument(("words",), "what the action is about: a directory, or steps", (("nargs", "*"), ("metavar", "WORD"))),
        *OPTIONS,
    ),
)


def found(pipeline: Pipeline) -> Answer:
    """What the context holds, as an answer."""
    text, context = found_text(pipeline), pipeline.context
    problems = list(dict.fromkeys([*pipeline.problems, *context.problems]))
    return Answer(text, data=partial(machine.found_data, context.place, pipeline.steps(), context.damaged, problems))


def found_text(pipeline: Pipeline) -> str:
    """What the context holds, in a line, and a line for each thing that is wrong with it."""
    context = pipeline.context
    where = one_line(context.place.name) if context.place is not None else "memory"
    plan = pipeline.steps()
    if not plan.decisions:
        lines = [f"jo_notebook: nothing in {where} yet. A cell becomes a step with %%step NAME on its first line."]
    else:
        states = [str(decision.availability) for decision in plan]
        counts = ", ".join(f"{states.count(s)} {s}" for s in dict.fromkeys(states))
        steps = f"{count(len(plan), 'step')} in {where}: {counts}"
        lines = [f"jo_notebook: {steps}. Nothing was run or loaded; %graph shows the steps."]
    if elsewhere := context.running_elsewhere():
        lines.append(f"Running in another kernel: {', '.join(f'{one_line(o.step)} ({o.who})' for o in elsewhere)}.")
    lines += _foreign_lines(pipeline)
    lines += [
        f"{one_line(name)} is damaged on disk ({one_line(what)}): {choices(context, name)}."
        for name, what in context.damaged.items()
    ]
    lines += [f"Note: {one_line(problem)}" for problem in dict.fromkeys([*pipeline.problems, *context.problems])]
    return "\n".join(lines)


def _foreign_lines(pipeline: Pipeline) -> list[str]:
    """What was made elsewhere: what loads as it is, and what waits."""
    context = pipeline.context
    where = {name: context.elsewhere(name, context.in_use(name)) for name in context.untrusted}
    strangers = {name for name, definition in pipeline.dag.definitions.items() if not definition.trusted}
    waiting = sorted(strangers.union(name for name, what in where.items() if what == "code"))
    plain = sorted(name for name, what in where.items() if what == "data")
    lines = [f"From elsewhere, load as they are: {', '.join(map(one_line, plain))}."] if plain else []
    if waiting:
        lines.append(
            f"From elsewhere, wait for %context trust: {', '.join(map(one_line, waiting))}. "
            "It lists them first; trusting lets their code run."
        )
    return lines


def _directory(text: str) -> Path:
    """A place for results. Raises UsageError where something is in the way."""
    from jo_notebook.store.refusals import obstacle, shown

    place = os.path.realpath(os.path.expanduser(text))
    if in_the_way := obstacle(place):
        raise UsageError(f"Results cannot live in {shown(text)}: {in_the_way}. {NAME_ANOTHER}")
    return Path(place)
