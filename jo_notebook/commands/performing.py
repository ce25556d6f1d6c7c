"""One verb over one source: its answer as text or as plain data, and the exit code."""

from __future__ import annotations

import argparse
import contextlib
import traceback
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jo_notebook.commands.sources import Kind, Options, Source, check_notebook, opened
from jo_notebook.commands.streams import ANSI, Streams
from jo_notebook.errors import CycleError, DuplicateStepError, JoError, StepFailed, UnknownStepError, UsageError
from jo_notebook.interop.messages import ANSWER, EVENTS, event_of
from jo_notebook.verb import Answer, Argument, Verb
from jo_notebook.views.machine import error_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from jo_notebook.core.events import Event
    from jo_notebook.pipeline import Pipeline

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
MISUSE = ("UsageError", "StepNameError", "UnknownStepError", "CycleError", "DuplicateStepError")
KEPT = "Interrupted. What was finished is kept."


def perform(
    verb: Verb,
    source: Source,
    args: argparse.Namespace,
    to: Streams,
    options: Options,
    *,
    progress: str = "none",
    is_watched: bool = False,
) -> int:
    """Calls the verb over the source and shows its answer; the exit code. Raises JoError and KeyboardInterrupt.

    A notebook's kernel calls it as `%jo` would; the other kinds of source are opened in this process. With `is_watched`
    the answer as plain data also says what files to keep an eye on.
    """
    if verb.name == "graph" and args.output:
        args.output = str(Path(args.output).absolute())  # from where the user stands, not from where the source is
    with shown(progress, to) as hear:
        if source.kind is Kind.NOTEBOOK:
            check_notebook(source, options)
            return _in_a_kernel(verb, source, args, to, hear, sets=options.sets, is_watched=is_watched)
        with opened(source, options, lambda text: to.write("stderr", f"Note: {text}\n")) as pipeline:
            return perform_here(verb, pipeline, args, to, hear, is_watched=is_watched)


def perform_here(
    verb: Verb,
    pipeline: Pipeline,
    args: argparse.Namespace,
    to: Streams,
    hear: Callable[[Event], None] | None = None,
    *,
    is_watched: bool = False,
) -> int:
    """As `perform`, over a pipeline of this process."""
    more = _watching(pipeline, args.heads) if is_watched else dict
    with _heard(pipeline, hear):
        try:
            answer = verb.call(pipeline, args)
            if verb.name == "materialize":
                _check_stored(pipeline, answer, to)
        except (JoError, KeyboardInterrupt) as error:
            _tell(error, pipeline, to)
            vars(error)["data"] = {**(getattr(error, "data", None) or _done(verb, pipeline)), **more()}
            raise
    if to.wants_data:
        to.answer({**(answer.data() if answer.data is not None else {"text": answer.text}), **more()})
    else:
        to.say(answer.text, is_ours=verb.name != "log")
    return DONE


def _check_stored(pipeline: Pipeline, answer: Answer, to: Streams) -> None:
    """Raises ResultNotSaved where results of a run end with this process; what it did is told before."""
    from jo_notebook.verbs import check_stored

    try:
        check_stored(pipeline)
    except JoError:
        to.say(answer.text)
        raise


def _tell(error: BaseException, pipeline: Pipeline, to: Streams) -> None:
    """What was done until an error or an interruption, and the traceback of a step that failed."""
    if isinstance(error, KeyboardInterrupt):
        to.say(KEPT)
    elif isinstance(error, StepFailed):
        from jo_notebook.verbs import outcome_text

        to.say(outcome_text(pipeline))
        cause = error.__cause__
        if cause is not None and not isinstance(cause, JoError) and not to.wants_data:
            to.write("stderr", "".join(traceback.format_exception(cause)))


def _done(verb: Verb, pipeline: Pipeline) -> dict[str, Any]:
    from jo_notebook.verbs import outcome_data

    return outcome_data(pipeline) if verb.name == "materialize" else {}


def _watching(pipeline: Pipeline, heads: Sequence[str]) -> Callable[[], dict[str, Any]]:
    """Notes what files look like now; the function gives what to watch."""
    from jo_notebook.interop.watched import Lookout

    lookout = Lookout(pipeline, heads)
    return lambda: {"watched": lookout.data()}


@contextlib.contextmanager
def _heard(pipeline: Pipeline, hear: Callable[[Event], None] | None) -> Iterator[None]:
    stop = pipeline.listen(hear) if hear is not None else None
    try:
        yield
    finally:
        if stop is not None:
            stop()


def code_of(error: BaseException) -> int:
    """The exit code for an error."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    cause = getattr(error, "cause", "")
    is_misuse = isinstance(error, UsageError | UnknownStepError | CycleError | DuplicateStepError) or cause in MISUSE
    return MISUSED if is_misuse else FAILED


def complain(error: BaseException, to: Streams) -> int:
    """Shows an error as text or as plain data; the exit code."""
    is_interrupt = isinstance(error, KeyboardInterrupt)
    message = "Interrupted." if is_interrupt else to.worded(str(error))
    if to.wants_data:
        kind = getattr(error, "cause", "") or type(error).__name__
        to.answer({**(getattr(error, "data", None) or {}), **error_data(kind, ANSI.sub("", message))})
    else:
        to.complain(message)
    return code_of(error)


def words_of(arguments: Sequence[Argument], args: argparse.Namespace) -> list[str]:
    """The words that mean these arguments: the reverse of parsing, for the kernel of a notebook."""
    options: list[str] = []
    words: list[str] = []
    for argument in arguments:
        flag, settings = argument.flags[-1], dict(argument.settings)
        value = getattr(args, flag.lstrip("-").replace("-", "_"), None)  # not all are offered here
        if not flag.startswith("-"):
            words += value if isinstance(value, list) else [value] if value is not None else []
        elif settings.get("action") == "store_true":
            options += [flag] if value else []
        elif isinstance(value, list):
            options += [f"{flag}={','.join(value)}"] if value else []
        elif value is not None and value != settings.get("default"):
            options.append(f"{flag}={value}")
    return [*options, *(["--"] if any(word.startswith("-") for word in words) else []), *words]


class _Told(JoError):
    """An error that a kernel has told of: `cause` is the name of its type, `data` what else it said."""

    def __init__(self, message: str, cause: str, data: dict[str, Any]) -> None:
        super().__init__(message)
        self.cause = cause
        self.data = data


def _in_a_kernel(
    verb: Verb,
    source: Source,
    args: argparse.Namespace,
    to: Streams,
    hear: Callable[[Event], None] | None,
    *,
    sets: Mapping[str, object],
    is_watched: bool,
) -> int:
    from jo_notebook.interop.headless import NUMBERED, session

    answers: list[dict[str, Any]] = []

    def heard(mime: str, data: Any) -> None:
        if mime == EVENTS and hear is not None:
            for event in data:
                hear(event_of(event))
        elif mime == ANSWER:
            answers.append(data)

    words = [verb.name, *words_of(verb.arguments, args)]
    watched = list(args.heads) if is_watched else None
    wanted: dict[str, Any] = {"data": to.wants_data, "events": hear is not None, "watched": watched}
    wanted["source"] = to.source
    try:
        with session(source.path, to.write, heard, sets=sets) as ready:
            ready.ask(words, f"jo {verb.command or verb.name}", **wanted)
    except KeyboardInterrupt as interrupt:
        vars(interrupt)["data"] = {**(answers[-1] if answers else {})}  # it comes while the kernel is shut down
        raise
    if not to.wants_data:
        return DONE
    told: dict[str, Any] = answers[-1] if answers else {}
    if (error := told.pop("error", None)) is None:
        to.answer(told)
        return DONE
    if error["type"] == "KeyboardInterrupt":
        stopped = KeyboardInterrupt()
        vars(stopped)["data"] = told
        raise stopped
    raise _Told(NUMBERED.sub("", error["message"]), error["type"], told)


@contextlib.contextmanager
def shown(progress: str, to: Streams) -> Iterator[Callable[[Event], None] | None]:
    """Inside, how far a run is is shown; gives who is to be told, None where nobody is."""
    if progress == "none":
        yield None
        return
    from jo_notebook.commands import progress as showing

    with showing.shown(progress, to.err if to.wants_data else to.out, to.err) as hear:
        yield hear
