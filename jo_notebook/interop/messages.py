"""What crosses from a notebook's kernel to the command that started it, beside text: answers and events.

Both are display messages with a type of their own, which no front end knows how to show.
"""

from __future__ import annotations

from typing import Any

from jo_notebook.core.events import Event, EventKind

ANSWER = "application/vnd.jo-notebook.answer+json"
EVENTS = "application/vnd.jo-notebook.events+json"
LONGEST = 2000  # characters of an event's text


def event_data(event: Event) -> dict[str, Any]:
    """An event as plain data."""
    data = {"kind": str(event.kind), "step": event.step, "text": event.text[:LONGEST], "seconds": event.seconds}
    return data if event.fraction is None else {**data, "fraction": event.fraction}


def event_of(data: dict[str, Any]) -> Event:
    """The reverse of `event_data`."""
    kind, fraction = EventKind(data["kind"]), data.get("fraction")
    how_far = None if fraction is None else float(fraction)
    return Event(kind, str(data["step"]), "", str(data["text"]), float(data["seconds"]), how_far)
