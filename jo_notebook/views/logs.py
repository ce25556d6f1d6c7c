"""The log of a step as text, and in pieces for those who can show its figures again."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import tzinfo

from jo_notebook.core.record import Failure, LogEntry, Record
from jo_notebook.core.texts import writable
from jo_notebook.views.words import day, duration, one_line

Story = Record | Failure


def log_rows(
    name: str, story: Story | None, entries: Sequence[LogEntry], *, zone: tzinfo | None = None
) -> list[str | LogEntry]:
    """A line that says which run it was, then text; a figure or a table stays an entry.

    Where there are several tries in it, each has a line above it.
    """
    rows: list[str | LogEntry] = [] if story is None else [log_header(story, zone=zone)]
    tries = len({entry.attempt for entry in entries})
    attempt = 0
    for entry in entries:
        if tries > 1 and entry.attempt != attempt:
            rows.append(f"--- try {entry.attempt} of {getattr(story, 'tries', tries)} ---")
        attempt = entry.attempt
        rows.append(entry if entry.data else writable(entry.text).removesuffix("\n"))
    return rows if entries else [*rows, f"{one_line(name)} has printed nothing."]


def log_text(rows: Sequence[str | LogEntry]) -> str:
    """All of it as text."""
    return "\n".join(row if isinstance(row, str) else writable(row.text).removesuffix("\n") for row in rows).rstrip(
        "\n"
    )


def log_header(story: Story, *, zone: tzinfo | None = None) -> str:
    """Which run it was: when, how long, where, its id."""
    took = duration(story.seconds)
    has_failed = isinstance(story, Failure)
    said = (
        one_line(story.step),
        f"{'failed' if has_failed else 'from'} {day(story.when, zone)}",
        f"{'after' if has_failed else 'took'} {took}" if took else "",
        f"{story.tries} tries" if story.tries > 1 else "",
        one_line(story.executor),
        f"run {one_line(story.run_id)}" if story.run_id else "",
    )
    return " · ".join(filter(None, said))
