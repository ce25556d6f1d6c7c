"""What the verb `context` does to look after the place: check it, clean it up, go back, bring it up to date."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING

from jo_notebook.errors import NotTheSame, UsageError
from jo_notebook.verb import STORE_TRUE, Answer, Argument
from jo_notebook.views import machine
from jo_notebook.views.words import count, file_size, one_line, table

if TYPE_CHECKING:
    from jo_notebook.core.record import Record
    from jo_notebook.pipeline import Pipeline
    from jo_notebook.store.cleaning import Removable
    from jo_notebook.store.context import Context

KEEP = Argument(
    ("--keep",), "gc: how many results of each step stay, whatever the steps say", (("type", int), ("metavar", "N"))
)
ORPHANS = Argument(("--orphans",), "gc: all results of steps that nobody defines any more, too", STORE_TRUE)
DRY_RUN = Argument(("--dry-run",), "gc: only say what would be removed", STORE_TRUE)
GENERATION = Argument(("--generation",), "restore: the number of the result", (("type", int), ("metavar", "N")))
QUARANTINE = Argument(
    ("--quarantine",),
    "verify: move damaged files to damaged/; nothing is deleted, and the loss stays known",
    STORE_TRUE,
)
UPKEEP_OPTIONS = (KEEP, ORPHANS, DRY_RUN, GENERATION, QUARANTINE)


def verify(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    """Reads every stored file. Raises NotTheSame with what is damaged and what can be done about it."""
    context = pipeline.context
    problems = context.verify()
    if not problems:
        return Answer("Every stored file is whole.", data=partial(machine.damage_data, {}, {}))
    lines = ["Damaged on disk:", *(f"  {one_line(where)}: {what}" for where, what in problems.items())]
    lines += [f"{one_line(name)}: {choices(context, name)}." for name in context.damaged]
    moved = context.quarantine() if args.quarantine else {}
    lines += [f"Moved: {one_line(where)} is in {target} now." for where, target in moved.items()]
    raise NotTheSame("\n".join(lines), machine.damage_data(problems, moved))


def gc(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    """Removes what nobody needs, or says what that is. Raises UsageError and StoreError."""
    from jo_notebook.core.definition import check_keep

    keep = 0 if args.keep is None else check_keep(args.keep)
    orphans = undefined(pipeline) if args.orphans else ()
    rows = pipeline.context.gc(keep, orphans=orphans, dry_run=args.dry_run)
    data = partial(machine.gc_data, rows, dry_run=args.dry_run)
    return Answer(gc_text(rows, dry_run=args.dry_run), data=data)


def undefined(pipeline: Pipeline) -> list[str]:
    """The steps with results that nobody defines: no cell, no definition on disk; or whose cell is gone."""
    context = pipeline.context
    kept = {*context.records, *context.failures, *context.damaged}
    return sorted(kept - {*pipeline.dag, *context.definitions()} | (kept & pipeline.orphans))


def gc_text(rows: Sequence[Removable], *, dry_run: bool) -> str:
    """A table of what would leave or has left, and the sum."""
    if not rows:
        return "There is nothing to remove."
    total = f"{count(len(rows), 'file')}, {file_size(sum(row.size for row in rows))}"
    verb = ("was" if len(rows) == 1 else "were") if not dry_run else "would be"
    lines = table([(one_line(row.step), row.what, file_size(row.size), row.why) for row in rows])
    return f"{lines}\n{total} {verb} removed."


def restore(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    """Makes older results the newest again. Raises UsageError and StoreError."""
    if not args.words:
        raise UsageError("Say which step to restore, for instance: %context restore Clean")
    if args.generation is not None and (len(args.words) > 1 or args.generation < 1):
        raise UsageError("--generation is the number of one result of one step, from 1 on.")
    lines, done = [], []
    for name in args.words:
        step = pipeline.dag.definitions.get(name)
        undo = pipeline.restore if step else pipeline.context.restore  # what no cell defines may be gone back to, too
        record = undo(name, args.generation or 0)
        state = f"it is {pipeline.explain(name).availability}" if step else "no cell defines it"
        lines.append(f"Restored {one_line(name)}: its result of {moment(record)} is the newest again; {state}.")
        done.append(record)
    return Answer("\n".join(lines), data=partial(machine.restored_data, done))


def migrate(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    """Brings the store to today's format. Raises StoreError."""
    done = pipeline.context.migrate()
    place = pipeline.context.place
    where = place.name if place else "memory"
    if not done:
        return Answer(f"There is nothing to migrate in {where}: it has today's format.", data=lambda: {"migrated": 0})
    pipeline.take_in()
    text = f"Migrated {where}: {count(done, 'file')} written anew, in today's format."
    return Answer(text, data=lambda: {"migrated": done})


def choices(context: Context, name: str) -> str:
    """What can be done about a damaged result: run it again or, where an older one is whole, go back to that."""
    older = context.restorable(name)
    again = f"%materialize {one_line(name)} runs it again"
    if older is None:
        return again
    return f"{again}, %context restore {one_line(name)} goes back to its result of {moment(older[1])}"


def moment(record: Record) -> str:
    """When a result was made, in local time."""
    return datetime.fromtimestamp(record.when).strftime("%Y-%m-%d %H:%M")
