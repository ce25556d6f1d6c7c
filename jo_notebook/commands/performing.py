"""One verb over one source: its answer as text or as plain data, and the exit code."""

from __future__ import annotations

import argparse
import contextlib
import traceback
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from jo_notebook.commands.streams import Streams
from jo_notebook.errors import JoError, StepFailed, UnknownStepError, UsageError
from jo_notebook.interop.messages import ANSWER, EVENTS, event_of
from jo_notebook.interop.sources import Kind, Options, Source, check_notebook, opened
from jo_notebook.verb import Argument, Verb
from jo_notebook.views.machine import error_data

if TYPE_CHECKING:
    from collections.abc import Callable

    from jo_notebook.core.events import Event
    from jo_notebook.pipeline import Pipeline

DONE, FAILED, MISUSED, INTERRUPTED = 0, 1, 2, 130
MISUSE = ("UsageError", "StepNameError", "UnknownStepError")
KEPT = "Interrupted. What was finished is kept."


def perform(
    verb: Verb, source: Source, args: argparse.Namespace, to: Streams, options: Options, *, progress: str = "none"
) -> int:
    """Calls the verb over the source and shows its answer; the exit code. Raises JoError and KeyboardInterrupt.

    A notebook's kernel calls it as `%jo` would; the other kinds of source are opened in this process.
    """
    if verb.name == "graph" and args.output:
        args.output = str(Path(args.output).absolute())  # from where the user stands, not from where the source is
    with _shown(progress, to) as hear:
        if source.kind is Kind.NOTEBOOK:
            check_notebook(source, options)
            return _in_a_kernel(verb, source, args, to, hear)
        with opened(source, options) as pipeline:
            return perform_here(verb, pipeline, args, to, hear)


def perform_here(
    verb: Verb, pipeline: Pipeline, args: argparse.Namespace, to: Streams, hear: Callable[[Event], None] | None = None
) -> int:
    """As `perform`, over a pipeline of this process."""
    from jo_notebook.verbs import outcome_data, outcome_text

    stop = pipeline.listen(hear) if hear is not None else None
    try:
        answer = verb.call(pipeline, args)
    except StepFailed as error:
        to.say(outcome_text(pipeline))
        if error.__cause__ is not None and not to.wants_data:
            to.write("stderr", "".join(traceback.format_exception(error.__cause__)))
        error.data = outcome_data(pipeline)  # type: ignore[attr-defined]
        raise
    except KeyboardInterrupt as interrupt:
        to.say(KEPT)
        interrupt.data = outcome_data(pipeline)  # type: ignore[attr-defined]
        raise
    finally:
        if stop is not None:
            stop()
    if to.wants_data:
        to.answer(answer.data() if answer.data is not None else {"text": answer.text})
    else:
        to.say(answer.text)
    return DONE


def code_of(error: BaseException) -> int:
    """The exit code for an error."""
    if isinstance(error, KeyboardInterrupt):
        return INTERRUPTED
    cause = getattr(error, "cause", "")
    return MISUSED if isinstance(error, UsageError | UnknownStepError) or cause in MISUSE else FAILED


def complain(error: BaseException, to: Streams) -> int:
    """Shows an error as text or as plain data; the exit code."""
    is_interrupt = isinstance(error, KeyboardInterrupt)
    message = "Interrupted." if is_interrupt else str(error)
    if to.wants_data:
        kind = getattr(error, "cause", "") or type(error).__name__
        to.answer({**(getattr(error, "data", None) or {}), **error_data(kind, message)})
    else:
        to.complain(message)
    return code_of(error)


def words_of(arguments: Sequence[Argument], args: argparse.Namespace) -> list[str]:
    """The words that mean these arguments: the reverse of parsing, for the kernel of a notebook."""
    options: list[str] = []
    words: list[str] = []
    for argument in arguments:
        flag, settings = argument.flags[-1], dict(argument.settings)
        value = getattr(args, flag.lstrip("-").replace("-", "_"))
        if not flag.startswith("-"):
            words += value if isinstance(value, list) else [value] if value is not None else []
        elif settings.get("action") == "store_true":
            options += [flag] if value else []
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
    verb: Verb, source: Source, args: argparse.Namespace, to: Streams, hear: Callable[[Event], None] | None
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
    with session(source.path, to.write, heard) as ready:
        ready.ask(words, f"jo {verb.command or verb.name}", data=to.wants_data, events=hear is not None)
    if not to.wants_data:
        return DONE
    told: dict[str, Any] = answers[-1] if answers else {}
    if (error := told.pop("error", None)) is None:
        to.answer(told)
        return DONE
    if error["type"] == "KeyboardInterrupt":
        interrupt = KeyboardInterrupt()
        interrupt.data = told  # type: ignore[attr-defined]
        raise interrupt
    raise _Told(NUMBERED.sub("", error["message"]), error["type"], told)


@contextlib.contextmanager
def _shown(progress: str, to: Streams) -> Iterator[Callable[[Event], None] | None]:
    if progress == "none":
        yield None
        return
    from jo_notebook.commands.progress import shown

    with shown(progress, to.err if to.wants_data else to.out, to.err) as hear:
        yield hear
