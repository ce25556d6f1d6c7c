"""One table of verbs: the magics, the command line and the messages of a picture all read it.

A verb is a name, a sentence, arguments and a function `(pipeline, arguments) → Answer`. Nothing that can
be done by typing cannot be done by calling the `Pipeline` method of the same name.
"""

from __future__ import annotations

import argparse
import unicodedata
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jo_notebook.context_verb import CONTEXT_VERB, found
from jo_notebook.core.execution import check_executor, parse_resources
from jo_notebook.core.lines import Help as Help
from jo_notebook.core.lines import Parser as Parser
from jo_notebook.core.lines import split as split
from jo_notebook.errors import NotTheSame, ResultNotSaved, UsageError, did_you_mean
from jo_notebook.verb import STORE_TRUE, Answer, Argument, Verb
from jo_notebook.views import machine

if TYPE_CHECKING:
    from jo_notebook.engine.outcome import Outcome
    from jo_notebook.pipeline import Pipeline
    from jo_notebook.runs import Run


def parser_of(verb: Verb, prog: str) -> Parser:
    """The parser of one verb's arguments."""
    parser = Parser(prog=prog, description=verb.summary, allow_abbrev=False)
    for argument in verb.arguments:
        parser.add_argument(*argument.flags, help=argument.help, **dict(argument.settings))
    return parser


def perform(pipeline: Pipeline, verb: Verb, line: str | Sequence[str], prog: str) -> Answer:
    """Parses the words of a line and calls the verb. Raises UsageError for words it does not understand."""
    try:
        return verb.call(pipeline, parser_of(verb, prog).parse_args(split(line)))
    except Help as shown:
        return Answer(str(shown))


def find(name: str) -> Verb:
    """The verb of this name, as the notebook or as the command line calls it."""
    for verb in VERBS:
        if name in (verb.name, verb.command):
            return verb
    known = [verb.name for verb in VERBS]
    raise UsageError(f"There is no verb {name!r}.{did_you_mean(name, known)} Verbs: {', '.join(known)}.")


def listing() -> str:
    """All verbs, one a line."""
    width = max(len(verb.name) for verb in VERBS)
    return "\n".join(f"%jo {verb.name:<{width}}  {verb.summary}" for verb in VERBS)


def _heads(pipeline: Pipeline, words: Sequence[str]) -> list[str]:
    """Step names out of words; commas between them are welcome. Raises StepNameError for what no step can be called."""
    from jo_notebook.core.definition import check_name

    names = [unicodedata.normalize("NFKC", name) for word in words for name in word.split(",") if name]
    return [name if name in pipeline.dag else check_name(name) for name in names]


def _plan(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    from jo_notebook.views.text import levels_text, plan_text

    plan = pipeline.plan(*_heads(pipeline, args.heads), force=args.force, only=args.only)
    text = f"{plan_text(plan)}\n{levels_text(plan)}" if args.levels else plan_text(plan)
    return Answer(text, value=plan, data=partial(machine.plan_data, plan))


def _materialize(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    heads = _heads(pipeline, args.heads)
    options: dict[str, Any] = {
        "force": args.force,
        "only": args.only,
        "fail_fast": args.fail_fast,
        "jobs": args.jobs,
        "executor": check_executor(args.executor) if args.executor else "",
        "pools": dict(parse_resources([args.pool] if args.pool else (), "--pool")),
    }
    if getattr(args, "background", False):
        run = pipeline.start(*heads, **options)
        return Answer(started_text(run), data=lambda: {"run": run.id, "to_run": list(run.plan.to_run)})
    value = pipeline.materialize(*heads, **options)
    return Answer(outcome_text(pipeline), value, has_value=len(heads) == 1, data=partial(outcome_data, pipeline))


NO_STEP = (
    "Nothing to run: no step is registered. A cell becomes one with %%step NAME on its first line, a function with "
    "@step above it."
)


def started_text(run: Run) -> str:
    """What is begun in the background, and how to go on from there."""
    heads, number = ", ".join(run.plan.heads), len(run.plan.to_run)
    if not number:
        return f"{heads or 'Nothing'}: nothing to run."
    steps = "1 step" if number == 1 else f"{number} steps"
    return f"{heads}: {steps} to run in the background. %materialize waits for them, %cancel stops them."


def ended_text(pipeline: Pipeline, run: Run) -> str:
    """What became of a run in the background, in lines; empty where nobody need be told."""
    outcome = run.outcome
    if run.error is not None:
        return f"In the background: {type(run.error).__name__}: {run.error}"
    if not (outcome.finished or outcome.failed or outcome.taken or outcome.cancelled):
        return ""
    from jo_notebook.engine.outcome import one_line

    failed = [f"{name} failed: {one_line(error)} (%log {name} says more)." for name, error in outcome.failed.items()]
    return "\n".join([f"In the background: {outcome_text(pipeline, outcome)}", *failed])


def outcome_data(pipeline: Pipeline) -> dict[str, Any]:
    """What the last run did, as plain data; empty where nothing has begun."""
    return {} if pipeline.outcome is None else machine.run_data(pipeline.outcome)


def outcome_text(pipeline: Pipeline, outcome: Outcome | None = None) -> str:
    """What a run did, the last one by default, in a line, and a line for each result that could not be stored."""
    from jo_notebook.views.text import run_line

    outcome = pipeline.outcome if outcome is None else outcome
    if outcome is None:
        return ""
    if not len(pipeline.dag):
        return NO_STEP
    lines = [
        run_line(
            finished=outcome.finished,
            loaded=outcome.loaded,
            kept=outcome.kept,
            taken=outcome.taken,
            failed=list(outcome.failed),
            blocked=list(outcome.blocked),
            not_reached=outcome.cancelled,
            seconds=outcome.seconds,
        )
    ]
    lines += [f"Note: {warning}." for warning in dict.fromkeys(outcome.warnings)]
    lines += [f"Note: {name} took {tries + 1} tries." for name, tries in outcome.retried.items()]
    lines += [_costly_line(name, *row) for name, row in outcome.costly.items()]
    lines += _unsaved_lines(outcome.unsaved)
    if outcome.finished and (crowding := pipeline.context.crowding()):
        lines.append(crowding)
    return "\n".join(lines)


def check_stored(pipeline: Pipeline) -> None:
    """For a process that ends with its run. Raises ResultNotSaved where the disk has refused results of that run.

    A value that no format takes, or that is not to be stored, is none of these: its step runs again when it is needed.
    """
    from jo_notebook.core.record import NO_STORE

    unsaved = pipeline.outcome.unsaved if pipeline.outcome is not None else {}
    alone = pipeline.context.only_in_memory
    lost = [name for name, why in unsaved.items() if name in alone and why != NO_STORE]
    if lost:
        raise ResultNotSaved(
            f"{', '.join(lost)} ran, and what came of it is lost with this process: {unsaved[lost[0]]}."
        )


def _costly_line(name: str, seconds: float, size: int) -> str:
    from jo_notebook.views.words import duration, file_size

    took = duration(seconds)
    return f"Note: {name} takes {took} to recompute, {file_size(size)} to keep; --no-store keeps it in memory only."


def interrupted_text(pipeline: Pipeline) -> str:
    """What became of a run that was interrupted."""
    left = pipeline.outcome.left_behind if pipeline.outcome is not None else []
    lines = ["Interrupted. What was finished is kept."]
    joined = pipeline.outcome.joined if pipeline.outcome is not None else []
    going = [name for name in joined if name in pipeline.running | pipeline.queued]
    if going:
        lines.append(
            f"{', '.join(going)} {'goes' if len(going) == 1 else 'go'} on in the background; %cancel stops it."
        )
    lines += [f"{name} does not stop: its thread was left behind, and what it makes is not kept." for name in left]
    return "\n".join(lines)


def _unsaved_lines(unsaved: Mapping[str, str]) -> list[str]:
    """A line for each reason why values stay in memory."""
    lines = []
    for reason in dict.fromkeys(unsaved.values()):
        first, *others = [name for name, why in unsaved.items() if why == reason]
        also = f", and so is {others[0]}" if len(others) == 1 else f", and so are {len(others)} other steps"
        lines.append(f"{first} is kept in memory only{also if others else ''}: {reason}")
    return lines


def _cancel(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    names = _heads(pipeline, args.names)
    runs = pipeline.runs
    stopped = pipeline.cancel(*names)
    for run in runs:
        if run.in_background and not names:
            run.wait(pipeline.grace + 1)
    said = f"Cancelled: {', '.join(stopped)}. What was finished is kept." if stopped else "Nothing to cancel."
    idle = [name for name in names if name not in stopped]
    if idle:
        said = f"{said if stopped else ''} {', '.join(idle)}: not running, and waiting for nothing.".strip()
    return Answer(said, data=lambda: {"cancelled": stopped})


def _explain(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    from jo_notebook.core.plan import root_causes
    from jo_notebook.views.text import explain_text

    (name,) = _heads(pipeline, [args.name]) or [""]
    plan = pipeline.plan(name)
    causes = root_causes(plan, name)
    return Answer(
        explain_text(plan[name], causes), value=plan[name], data=partial(machine.explain_data, plan[name], causes)
    )


def _graph(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    heads = _heads(pipeline, args.heads)
    plan = pipeline.plan(*heads)
    from jo_notebook.views.text import plan_text

    if not args.output:
        data = partial(machine.graph_data, plan)
        return Answer(plan_text(plan), picture=lambda: pipeline.graph(*heads), data=data)
    from jo_notebook.views.diagram import mermaid, svg  # with the layout, slow to import
    from jo_notebook.views.state import graph_state

    path = Path(args.output)
    drawers = {".svg": svg, ".mmd": mermaid}
    if path.suffix not in drawers:
        raise UsageError(f"A graph is written as .svg or .mmd, not as {path.suffix or path.name!r}.")
    try:
        path.write_text(drawers[path.suffix](graph_state(plan)), encoding="utf-8")
    except OSError as error:
        raise UsageError(f"The graph cannot be written to {path}: {error.strerror}.") from error
    return Answer(f"The graph is in {path}.", data=lambda: {"output": str(path)})


def _steps(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    from jo_notebook.views.text import steps_text

    plan, records = pipeline.steps(), pipeline.context.records
    data = partial(machine.status_data, plan, records)
    if not plan.decisions:
        return Answer("No step is registered yet. A cell becomes one with %%step NAME on its first line.", data=data)
    return Answer(steps_text(plan, records), value=plan, data=data)


def _log(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    (name,) = _heads(pipeline, [args.name]) or [""]
    from jo_notebook.views.logs import log_rows, log_text

    story, entries = pipeline.logged(name, run=args.run, attempt=args.attempt)
    rows = log_rows(name, story, entries)
    return Answer(log_text(rows), value=entries, data=partial(machine.log_data, name, entries, story), rows=rows)


def _forget(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    names = _heads(pipeline, args.names)
    pipeline.forget(*names)
    return Answer(f"Forgotten: {', '.join(names)}.", data=lambda: {"forgotten": names})


def _accept(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    from jo_notebook.views.text import accept_text

    lines, rows = [], []
    for name in _heads(pipeline, args.names):
        before = pipeline.context.record(name)
        decision = pipeline.accept(name)
        now = pipeline.context.record(name)
        reasons = now.accepted if now is not None and now is not before else ()
        lines.append(accept_text(decision, reasons))
        rows.append(machine.accepted_data(decision, reasons))
    return Answer("\n".join(lines), data=lambda: {"accepted": rows})


def _pin(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    names = _heads(pipeline, args.names)
    for name in names:
        pipeline.pin(name, on=not args.off)
    said = f"Pinned: {', '.join(names)}. Their results stay in force whatever changes; --off lets them go."
    if args.off:
        said = f"Let go: {', '.join(names)}. Their results count by what they are made of again."
    return Answer(said, data=lambda: {"let_go" if args.off else "pinned": names})


def _verify(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    from jo_notebook.engine.verify import Verdict
    from jo_notebook.views.text import verify_text

    results = pipeline.verify(*_heads(pipeline, args.heads))
    text = verify_text(results)
    if args.check and any(result.verdict in (Verdict.DIFFERENT, Verdict.FAILED) for result in results):
        raise NotTheSame(text, machine.verified_data(results))
    return Answer(text, value=results, data=partial(machine.verified_data, results))


def _resume(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
    pipeline.resume()
    return found(pipeline)


HEADS = Argument(("heads",), "steps; without any, every step nobody depends on", (("nargs", "*"), ("metavar", "HEAD")))
NAMES = Argument(("names",), "steps", (("nargs", "+"), ("metavar", "NAME")))
NAME = Argument(("name",), "a step", (("metavar", "NAME"),))
RUN = Argument(("--run",), "an earlier run, by its id or the beginning of it", (("default", ""), ("metavar", "ID")))
ATTEMPT = Argument(("--attempt",), "one try of it alone", (("type", int), ("default", 0), ("metavar", "N")))
FORCE = Argument(("--force",), "run the heads whatever is known", (("action", "store_true"),))
ONLY = Argument(("--only",), "take what the heads depend on as it is", (("action", "store_true"),))
LEVELS = Argument(("--levels",), "also list the steps level by level: each needs earlier levels only", STORE_TRUE)
FAIL_FAST = Argument(("--fail-fast",), "stop at the first failure", (("action", "store_true"),))
BACKGROUND = Argument(
    ("--background",), "return at once; the kernel stays free meanwhile", STORE_TRUE, needs_a_session=True
)
SOME = Argument(("names",), "steps; without any, all that runs or waits", (("nargs", "*"), ("metavar", "NAME")))
JOBS = Argument(("--jobs",), "how many steps may run at once", (("type", int), ("metavar", "N")))
EXECUTOR = Argument(
    ("--executor",), "where steps run: inline, threads, processes, dask or dask:ADDRESS", (("metavar", "E"),)
)
POOL = Argument(("--pool",), 'what there is, as in "db=2, gpu=1"; see --resources of steps', (("metavar", "R=N"),))

VERBS: tuple[Verb, ...] = (
    Verb("plan", "What would run, and why. Runs nothing.", _plan, (HEADS, FORCE, ONLY, LEVELS)),
    Verb(
        "materialize",
        "Make results exist, running only what is needed.",
        _materialize,
        (HEADS, FORCE, ONLY, FAIL_FAST, JOBS, EXECUTOR, POOL, BACKGROUND),
        command="run",
    ),
    Verb("cancel", "Stop what runs, and drop what waits; what is finished is kept.", _cancel, (SOME,)),
    Verb(
        "graph",
        "The live picture; a click on a step materializes it.",
        _graph,
        (HEADS, Argument(("-o", "--output"), "write the picture to a .svg or .mmd file instead")),
    ),
    Verb("explain", "Why a step is stale, with the difference.", _explain, (NAME,)),
    Verb("steps", "All steps and their states.", _steps, command="status"),
    Verb("log", "What a step's last run printed, logged, drew and raised.", _log, (NAME, RUN, ATTEMPT)),
    Verb(
        "forget",
        "Drop the results of steps; the steps stay.",
        _forget,
        (NAMES,),
    ),
    Verb("accept", "Bless an old result for today's code; nothing runs.", _accept, (NAMES,)),
    Verb(
        "pin",
        "Keep a result in force whatever changes; --off lets it go.",
        _pin,
        (NAMES, Argument(("--off",), "let the result go", (("action", "store_true"),))),
    ),
    Verb(
        "verify",
        "Run steps again in a clean process and compare, to find hidden inputs and chance.",
        _verify,
        (
            HEADS,
            Argument(("--check",), "end with an error if a step gives something else, or fails", STORE_TRUE),
        ),
    ),
    Verb("resume", "Take in what the context remembers; runs nothing.", _resume),
    CONTEXT_VERB,
)
