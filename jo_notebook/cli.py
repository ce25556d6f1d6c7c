"""`jo COMMAND SOURCE …`: the verbs of the notebook, on the command line, over the same results.

The commands are made from the table of verbs (`commands/`); this is where one begins and ends. Exit codes: 0 done,
1 a step or a cell failed (what was finished is stored), or the store refuses or is damaged, 2 bad usage, 130
interrupted.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence

from jo_notebook.commands.signals import ending_interrupts, was_asked_to_end
from jo_notebook.commands.streams import Streams, open_what_is_closed, streams
from jo_notebook.errors import JoError

COMPLETE = "_JO_COMPLETE"


def main(arguments: Sequence[str] | None = None) -> int:
    """The entry point; returns the exit code."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    if asked := os.environ.get(COMPLETE):
        from jo_notebook.commands.completing import answer
        from jo_notebook.commands.group import group

        return answer(asked, group())
    open_what_is_closed()
    own = words[: words.index("--")] if "--" in words else words
    try:
        with streams(wants_data="--json" in own) as to, ending_interrupts():
            return _perform(words, to)
    except KeyboardInterrupt:  # a second one, while the first was told
        return 130


def _perform(words: list[str], to: Streams) -> int:
    """Parses, calls, and makes an exit code of whatever comes of it."""
    try:
        return _invoke(words, to)
    except (JoError, KeyboardInterrupt) as error:
        from jo_notebook.commands.performing import complain

        return complain(error, to)
    except Exception:
        if not was_asked_to_end():
            raise
        from jo_notebook.commands.performing import complain

        return complain(KeyboardInterrupt(), to)


def _invoke(words: list[str], to: Streams) -> int:
    import click

    from jo_notebook.commands.group import group
    from jo_notebook.commands.parts import misused

    jo = group()
    try:
        if not words:
            with click.Context(jo, info_name="jo") as ctx:
                to.show(jo.get_help(ctx))
            return 2
        with jo.make_context("jo", words, obj=to) as ctx:
            code = jo.invoke(ctx)
        return int(code or 0)
    except click.exceptions.Exit as done:
        return done.exit_code
    except click.UsageError as error:
        misused(error)


if __name__ == "__main__":
    sys.exit(main())
