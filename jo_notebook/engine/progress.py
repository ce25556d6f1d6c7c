"""Which steps are running and which wait, worked out from the events of runs."""

from __future__ import annotations

from jo_notebook.core.events import Event, EventKind

ENDINGS = frozenset({EventKind.FINISHED, EventKind.FAILED, EventKind.BLOCKED, EventKind.CANCELLED, EventKind.KEPT})

WAITINGS = frozenset({EventKind.QUEUED, EventKind.CLAIMED})


class Progress:
    """Follows events, each in constant time."""

    def __init__(self) -> None:
        self._running: set[str] = set()
        self._queued: set[str] = set()

    @property
    def running(self) -> frozenset[str]:
        """The steps that are running now."""
        return frozenset(self._running)

    @property
    def queued(self) -> frozenset[str]:
        """The steps that a run going on, or one that was asked for, will come to."""
        return frozenset(self._queued)

    def follow(self, event: Event) -> None:
        """Takes one event in."""
        kind = event.kind
        if kind is EventKind.STARTED:
            self._running.add(event.step)
            self._queued.discard(event.step)
        elif kind in WAITINGS:
            self._queued.add(event.step)
        elif kind is EventKind.ENDED:
            self.clear()
        elif kind in ENDINGS:
            self._running.discard(event.step)
            self._queued.discard(event.step)

    def clear(self) -> None:
        """Nothing runs and nothing waits."""
        self._running.clear()
        self._queued.clear()
