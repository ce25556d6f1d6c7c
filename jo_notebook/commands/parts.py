"""From the table of verbs to click: arguments become parameters, rows become commands whose help teaches."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable, Sequence
from typing import Any, NoReturn

import click

from jo_notebook.errors import UsageError, did_you_mean
from jo_notebook.verb import Argument

CODES = "0 done, 1 a step failed, 2 bad usage, 130 interrupted"
HELP_NAMES = {"help_option_names": ["-h", "--help"]}
MANY = {"*": "[{}]...", "+": "{}...", "?": "[{}]"}
Complete = Callable[[click.Context, click.Parameter, str], Any]


class Command(click.Command):
    """A command whose help shows arguments, examples and exit codes, and whose errors are ours."""

    def __init__(
        self,
        name: str,
        *,
        about: Sequence[tuple[str, str]] = (),
        examples: Sequence[tuple[str, str]] = (),
        codes: str = CODES,
        **settings: Any,
    ) -> None:
        super().__init__(name, context_settings=HELP_NAMES, **settings)
        self.about = about
        self.examples = examples
        self.codes = codes

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Arguments with a sentence each, then the options."""
        if self.about:
            with formatter.section("Arguments"):
                formatter.write_dl(self.about)
        super().format_options(ctx, formatter)

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Examples, and what the exit codes mean."""
        if self.examples:
            width = max(len(line) for line, _ in self.examples)
            with formatter.section("Examples"):
                for line, meaning in self.examples:
                    formatter.write(f"  {line:<{width}}  {meaning}".rstrip() + "\n")
        formatter.write(f"\nExit codes: {self.codes}.\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Without any word, help: a command that is new to somebody is tried like that."""
        needs_words = any(isinstance(p, click.Argument) and p.required for p in self.params)
        if needs_words and not args and not ctx.resilient_parsing:
            ctx.obj.show(ctx.get_help())
            ctx.exit(2)
        try:
            return super().parse_args(ctx, args)
        except click.UsageError as error:
            error.ctx = error.ctx or ctx
            raise


def parameter(argument: Argument, complete: Complete | None = None) -> click.Parameter:
    """One row's argument as a parameter of click."""
    settings = dict(argument.settings)
    many, kind = settings.get("nargs"), _type_of(settings)
    if not argument.flags[0].startswith("-"):
        return click.Argument(
            [argument.flags[0]],
            nargs=-1 if many in ("*", "+") else 1,
            required=many not in ("*", "?"),
            metavar=MANY.get(str(many), "{}").format(settings.get("metavar") or argument.flags[0].upper()),
            type=kind,
            shell_complete=complete,
        )
    return click.Option(
        list(argument.flags),
        help=argument.help,
        is_flag=settings.get("action") == "store_true",
        default=settings.get("default", False if settings.get("action") == "store_true" else None),
        metavar=settings.get("metavar"),
        multiple=many in ("*", "+"),
        type=None if settings.get("action") == "store_true" else kind,
        shell_complete=complete,
    )


def namespace(arguments: Sequence[Argument], given: dict[str, Any]) -> argparse.Namespace:
    """What click found, as the functions of the table take it."""
    found = {}
    for argument in arguments:
        name = argument.flags[-1].lstrip("-").replace("-", "_")
        value = given[name]
        found[name] = list(value) if isinstance(value, tuple) else value
    return argparse.Namespace(**found)


def about(arguments: Sequence[Argument]) -> list[tuple[str, str]]:
    """The positional arguments with their sentences, for help."""
    rows = [(argument, dict(argument.settings)) for argument in arguments if not argument.flags[0].startswith("-")]
    return [(str(settings.get("metavar") or argument.flags[0]), argument.help) for argument, settings in rows]


def nearest(word: str, known: Iterable[str]) -> str:
    """ "Did you mean" with the one that is nearest, or an empty string."""
    import difflib

    return did_you_mean(word, difflib.get_close_matches(word.lower(), list(known), n=1))


def misused(error: click.UsageError) -> NoReturn:
    """Raises UsageError with what click found wrong, the nearest option, and where help is."""
    ctx = error.ctx
    path = ctx.command_path if ctx is not None else "jo"
    message, hint = error.format_message().rstrip("."), ""
    if isinstance(error, click.NoSuchOption) and ctx is not None:
        message = f"no such option: {error.option_name}"
        known = [flag for p in ctx.command.get_params(ctx) for flag in (*p.opts, *p.secondary_opts) if flag[:1] == "-"]
        hint = nearest(error.option_name, known)
    raise UsageError(f"{path}: {message[:1].lower()}{message[1:]}.{hint} Try {path} --help.") from error


def _type_of(settings: dict[str, Any]) -> Any:
    """A type of argparse as one of click; what it refuses is told in its own words."""
    if "choices" in settings:
        return click.Choice(list(settings["choices"]))
    convert = settings.get("type")
    if convert is None or convert in (int, float, str):
        return convert

    def converted(value: str) -> Any:
        try:
            return convert(value)
        except (argparse.ArgumentTypeError, TypeError, ValueError) as error:
            raise click.BadParameter(str(error)) from error

    converted.__name__ = getattr(convert, "__name__", "value")
    return converted
