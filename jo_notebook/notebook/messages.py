"""A message from a picture becomes one verb. Nothing runs here: work is queued for the main thread."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from jo_notebook.core.events import Event, EventKind
from jo_notebook.errors import StepFailed, UsageError
from jo_notebook.notebook.mainloop import MainLoop
from jo_notebook.pipeline import Pipeline
from jo_notebook.verbs import interrupted_text

Done = Callable[[list[str]], None]


class Messages:
    """Takes `{verb, step}` from pictures: checks it, queues it, tells how it went as events.

    `done` is called on the main thread after a run, with the heads, so that their names can be bound.
    """

    def __init__(self, pipeline: Pipeline, loop: MainLoop, done: Done) -> None:
        self._pipeline = pipeline
        self._loop = loop
        self._done = done

    def handle(self, message: dict[str, Any]) -> None:
        """Queues what the message asks for. Raises UsageError or UnknownStepError for what makes no sense."""
        verb, step = message.get("verb"), message.get("step", "")
        if not isinstance(step, str):
            raise UsageError(f"A picture sent a step that is no name: {step!r}.")
        heads = [step] if step else []
        self._pipeline.dag.check(heads)
        if verb == "materialize":
            self._queue(heads)
        elif verb == "cancel":
            self._cancel(heads)
        else:
            raise UsageError(f"A picture asked for {verb!r}, which is no verb for pictures.")

    def _say(self, notice: str) -> None:
        self._pipeline.notice = notice
        self._pipeline.tell(Event(EventKind.ENDED))

    def _queue(self, heads: list[str]) -> None:
        for name in self._pipeline.plan(*heads).to_run:
            self._pipeline.tell(Event(EventKind.QUEUED, name))
        self._loop.submit(lambda: self._materialize(heads))

    def _materialize(self, heads: list[str]) -> None:
        """On the main thread: what goes wrong is told by events and stands in the log; no cell shows it."""
        pipeline = self._pipeline
        pipeline.notice = ""
        try:
            pipeline.materialize(*heads, echo=False)
            self._done(heads)
        except KeyboardInterrupt:
            self._say(interrupted_text(pipeline))
        except StepFailed:
            self._done(heads)  # the step itself shows that it failed, and its log why
        except Exception as error:  # noqa: BLE001 - nobody above would show it
            self._say(f"{type(error).__name__}: {error}")

    def _cancel(self, names: list[str]) -> None:
        if not names:
            self._loop.drop_queued()
        if self._pipeline.is_running:
            self._pipeline.cancel(*names)
        elif not names:
            self._say("Cancelled.")
