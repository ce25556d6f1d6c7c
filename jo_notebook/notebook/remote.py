"""The kernel's end of a `jo` command on a notebook: one verb, its answer as text or as data, events on the way."""

from __future__ import annotations

import argparse
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from jo_notebook.core.events import Event, EventKind
from jo_notebook.errors import JoError
from jo_notebook.interop.messages import ANSWER, EVENTS, event_data
from jo_notebook.interop.watched import Lookout
from jo_notebook.notebook.extension import loaded
from jo_notebook.notebook.magics import perform_and_show
from jo_notebook.pipeline import Pipeline
from jo_notebook.verb import Answer, Verb
from jo_notebook.verbs import check_stored, find, outcome_data, perform
from jo_notebook.views.machine import error_data
from jo_notebook.wording import as_commands

INTERVAL = 0.1


def answer(
    words: Sequence[str],
    *,
    data: bool = False,
    events: bool = False,
    watched: Sequence[str] | None = None,
    source: str = "",
) -> None:
    """Calls a verb as `%jo` does; with `data` its answer, or the error, is sent and not printed.

    With `events` what happens to steps is sent on the way; with `watched`, which are heads, it says what files to keep
    an eye on. `source` is what the command was given. Raises ResultNotSaved after a run whose results the disk has
    refused: this kernel ends with the command.
    """
    from IPython import get_ipython

    shell = get_ipython()
    with _events_sent(shell, wanted=events):
        if data:
            _send_answer(shell, words, watched=watched)
        else:
            verb = find(words[0])
            perform_and_show(loaded(shell), _worded(verb, source), words[1:], f"jo {verb.command or verb.name}")
            if verb.name == "materialize":
                check_stored(loaded(shell).pipeline)


def _worded(verb: Verb, source: str) -> Verb:
    """The verb, with its own sentences as the command line says them; a log is what the user's code has said."""

    def call(pipeline: Pipeline, args: argparse.Namespace) -> Answer:
        answer = verb.call(pipeline, args)
        return replace(answer, text=as_commands(answer.text, source))

    return verb if verb.name == "log" else replace(verb, call=call)


def send(shell: Any, mime: str, payload: Any, parent: Any = None) -> None:
    """Sends plain data to whoever runs this kernel, past the hooks that collect what steps display."""
    sys.stdout.flush()
    sys.stderr.flush()
    publisher = shell.display_pub
    content = {"data": {mime: payload}, "metadata": {}, "transient": {}}
    parent = publisher.parent_header if parent is None else parent
    publisher.session.send(publisher.pub_socket, "display_data", content, parent=parent, ident=publisher.topic)


def _send_answer(shell: Any, words: Sequence[str], *, watched: Sequence[str] | None) -> None:
    pipeline: Pipeline = shell.run_line_magic("pipeline", "")
    verb = find(words[0])
    is_run = verb.name == "materialize"
    lookout: Lookout | None = None
    try:
        lookout = None if watched is None else Lookout(pipeline, watched)
        given = perform(pipeline, verb, words[1:], f"jo {verb.command or verb.name}")
        told = given.data() if given.data is not None else {"text": given.text}
        if is_run:
            check_stored(pipeline)
    except KeyboardInterrupt:
        told = {**(outcome_data(pipeline) if is_run else {}), **error_data("KeyboardInterrupt", "Interrupted.")}
    except JoError as error:
        found = getattr(error, "data", None) or (outcome_data(pipeline) if is_run else {})
        told = {**found, **error_data(type(error).__name__, str(error))}
    send(shell, ANSWER, told if lookout is None else {**told, "watched": lookout.data()})


@contextmanager
def _events_sent(shell: Any, *, wanted: bool) -> Iterator[None]:
    """Inside, what happens to steps is sent a few times a second, however many steps there are."""
    if not wanted:
        yield
        return
    pipeline: Pipeline = shell.run_line_magic("pipeline", "")
    parent, is_over = shell.display_pub.parent_header, threading.Event()
    waiting: list[dict[str, Any]] = []

    def hear(event: Event) -> None:
        if event.kind not in (EventKind.OUTPUT, EventKind.CHANGED):
            waiting.append(event_data(event))

    def pass_on() -> None:
        while not is_over.wait(INTERVAL):
            flush()

    def flush() -> None:
        if batch := waiting[:]:
            del waiting[: len(batch)]
            send(shell, EVENTS, batch, parent)

    sender = threading.Thread(target=pass_on, name="jo_notebook_events", daemon=True)
    stop = pipeline.listen(hear)
    sender.start()
    try:
        yield
    finally:
        stop()
        is_over.set()
        sender.join()
        flush()
