"""`jo` itself: its commands, each made when it is asked for, from the table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

import click

from jo_notebook.commands.completing import complete_source, complete_step, complete_word
from jo_notebook.commands.lessons import LESSONS, LISTING, WHERE, Lesson
from jo_notebook.commands.parts import HELP_NAMES, Command, about, namespace, nearest, parameter
from jo_notebook.commands.streams import Streams
from jo_notebook.commands.table import COMMANDS, ON_THE_STORE, ORDER, as_command, summary_of, verb_of
from jo_notebook.errors import UsageError
from jo_notebook.verb import Verb

Call = Callable[..., int]
STORE_CODES = "0 done, 1 the store refuses or is damaged, 2 bad usage, 130 interrupted"
PLAIN_CODES = "0 done, 1 it cannot be done, 2 bad usage, 130 interrupted"
STEPS = ("heads", "name", "names", "words")
PROGRESS = ("auto", "bar", "lines", "none")
SHELLS = ("bash", "zsh", "fish")


class Jo(click.Group):
    """The group of all commands."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """In the order of the help."""
        return list(ORDER)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """A command, made now."""
        return command(cmd_name) if cmd_name in ORDER else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """The command that is meant. Raises UsageError with the nearest ones."""
        if args[0] not in ORDER:
            _unknown(args[0])
        return args[0], command(args[0]), args[1:]

    def format_help(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """What jo is, every command in a line, how to go on."""
        formatter.write_usage("jo", "COMMAND SOURCE …")
        formatter.write_paragraph()
        formatter.write_text(LISTING.format(where=WHERE).partition("\n\n")[0].replace("\n", " "))
        formatter.write_paragraph()
        formatter.write_text(LISTING.format(where=WHERE).partition("\n\n")[2].replace("\n", " "))
        width = max(map(len, ORDER))
        with formatter.section("Commands"):
            for name in ORDER:
                takes = "SHELL " if name == "completion" else "SOURCE"
                formatter.write(f"  jo {name:<{width}} {takes} …  {summary_of(name)}\n")
        with formatter.section("Examples"):
            for line, meaning in (*LESSONS["plan"].examples[:1], *LESSONS["run"].examples[:2]):
                formatter.write(f"  {line:<28}  {meaning}\n")
        formatter.write("\njo COMMAND --help says more. --json gives answers for programs, --version the version.\n")
        formatter.write("Exit codes: 0 done, 1 a step failed, 2 bad usage, 130 interrupted.\n")


def group() -> Jo:
    """`jo`."""
    return Jo(
        "jo",
        context_settings=HELP_NAMES,
        params=[click.Option(["--version"], is_flag=True, is_eager=True, expose_value=False, callback=_version)],
    )


def command(name: str) -> Command:
    """One command: from its row in the table of verbs, or one of the few that are no verbs."""
    if name in COMMANDS:
        return _over_a_source(name, as_command(verb_of(name)))
    if name in ON_THE_STORE:
        return _on_the_store(name, ON_THE_STORE[name])
    return {"watch": _watch, "export": _export, "import": _import, "completion": _completion}[name]()


def _over_a_source(name: str, verb: Verb) -> Command:
    def call(ctx: click.Context, /, **given: Any) -> int:
        from jo_notebook.commands.calling import over_a_source

        return over_a_source(verb, namespace(verb.arguments, given), given, ctx.obj)

    more: list[click.Parameter] = [_jobs_module(), _json()]
    if name in ("run", "plan", "status"):
        more = [*_state(), *more]
    if name == "run":
        more = [
            _set(),
            _output("notebook: write it with the outputs of this run to another file"),
            _progress(),
            *more,
            click.Option(["--watched"], is_flag=True, hidden=True),
        ]
    return _command(name, verb, call, [_source(), *_parameters(verb), *more], about_source=WHERE)


def _on_the_store(name: str, verb: Verb) -> Command:
    def call(ctx: click.Context, /, **given: Any) -> int:
        from jo_notebook.commands.calling import on_the_store

        return on_the_store(verb, namespace(verb.arguments, given), given["source"], ctx.obj)

    where = f"{WHERE}; only the results are looked at"
    return _command(name, verb, call, [_source(), *_parameters(verb), _json()], about_source=where, codes=STORE_CODES)


def _watch() -> Command:
    verb = verb_of("run")

    def call(ctx: click.Context, /, source: str, heads: Sequence[str], **given: Any) -> int:
        from jo_notebook.commands.watching import watch

        return watch(source, list(heads), given, ctx.obj)

    heads, jobs = (next(a for a in verb.arguments if a.flags == flags) for flags in (("heads",), ("--jobs",)))
    parameters = [_source(), parameter(heads, complete_step), parameter(jobs, None), _set(), *_state(), _jobs_module()]
    codes = "0 done, ended while it waited; 2 bad usage; 130 ended in the middle of a run"
    rows = [("SOURCE", WHERE), *about([heads, jobs])]
    return _made("watch", call, parameters, rows, codes)


def _export() -> Command:
    def call(ctx: click.Context, /, source: str, output: str, force: bool, json: bool) -> int:
        from jo_notebook.commands.calling import export

        return export(Path(source), Path(output), ctx.obj, force=force)

    parameters = [_source(".ipynb"), _output("the Python file to write", required=True), _over_what_is_there(), _json()]
    return _made("export", call, parameters, [("SOURCE", "a notebook (.ipynb)")], PLAIN_CODES)


def _import() -> Command:
    def call(ctx: click.Context, /, source: str, output: str, force: bool, json: bool) -> int:
        from jo_notebook.commands.calling import import_

        return import_(Path(source), Path(output), ctx.obj, force=force)

    parameters = [_source(".py"), _output("the notebook to write", required=True), _over_what_is_there(), _json()]
    return _made("import", call, parameters, [("SOURCE", "a Python file (.py)")], PLAIN_CODES)


def _completion() -> Command:
    def call(ctx: click.Context, /, shell: str) -> int:
        from jo_notebook.commands.completing import script

        to: Streams = ctx.obj
        to.say(script(shell), is_ours=False)
        return 0

    shell = click.Argument(["shell"], metavar="SHELL", type=click.Choice(SHELLS))
    return _made("completion", call, [shell], [("SHELL", "bash, zsh or fish")], "0 done, 2 bad usage")


def _command(
    name: str, verb: Verb, call: Call, parameters: list[click.Parameter], *, about_source: str, codes: str = ""
) -> Command:
    return _made(name, call, parameters, [("SOURCE", about_source), *about(verb.arguments)], codes)


def _made(
    name: str, call: Call, parameters: list[click.Parameter], rows: Sequence[tuple[str, str]], codes: str
) -> Command:
    lesson = LESSONS.get(name, Lesson("", ()))
    return Command(
        name,
        callback=click.pass_context(call),
        params=parameters,
        help=f"{summary_of(name)}\n\n{lesson.text}",
        short_help=summary_of(name),
        about=rows,
        examples=lesson.examples,
        **({"codes": codes} if codes else {}),
    )


def _parameters(verb: Verb) -> list[click.Parameter]:
    made = []
    for argument in verb.arguments:
        name = argument.flags[0]
        complete = complete_word if name == "words" else complete_step if name in STEPS else None
        made.append(parameter(argument, complete))
    return made


def _source(*suffixes: str) -> click.Argument:
    def complete(ctx: click.Context, param: click.Parameter, incomplete: str) -> Any:
        return complete_source(ctx, param, incomplete, suffixes)

    return click.Argument(["source"], metavar="SOURCE", shell_complete=complete)


def _json() -> click.Option:
    return click.Option(["--json"], is_flag=True, help="answer as JSON on stdout, and only that; see docs/cli.md")


def _jobs_module() -> click.Option:
    told = "stages file: the module that has the functions of its stages"
    return click.Option(["--jobs-module", "--module", "module"], metavar="MODULE", default="", help=told)


def _state() -> list[click.Parameter]:
    taken = "stages file: what state.yml calls SUCCESS counts as done"
    return [
        click.Option(["--state"], metavar="PATH", help="stages file: where its state.yml is, if not beside it"),
        click.Option(["--take-state"], is_flag=True, help=taken),
    ]


def _set() -> click.Option:
    told = "another value for a constant or a parameter; may be given several times"
    return click.Option(["--set", "sets"], metavar="NAME=VALUE", multiple=True, help=told)


def _progress() -> click.Option:
    told = "how far it is, on stderr: auto is a bar on a terminal, and lines elsewhere once a run takes longer"
    return click.Option(["--progress"], type=click.Choice(PROGRESS), default="auto", help=told)


def _over_what_is_there() -> click.Option:
    return click.Option(["--force"], is_flag=True, help="write over a file that is there, whoever made it")


def _output(told: str, *, required: bool = False) -> click.Option:
    return click.Option(["-o", "--output"], metavar="PATH", required=required, help=told)


def _version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value and not ctx.resilient_parsing:
        from importlib.metadata import version

        to: Streams = ctx.obj
        to.show(f"jo_notebook {version('jo_notebook')}")
        ctx.exit()


def _unknown(word: str) -> NoReturn:
    if word.startswith("-"):
        raise UsageError(f"jo: no such option: {word}.{nearest(word, ('--help', '--version'))} Try jo --help.")
    raise UsageError(f"jo has no command {word!r}.{nearest(word, ORDER)} Commands: {', '.join(ORDER)}.")
