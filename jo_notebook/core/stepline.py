"""What stands behind `%%step`: one parser for the magic and for the comment form."""

from __future__ import annotations

import ast
import os
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any

from jo_notebook.core.definition import (
    Definition,
    Dependency,
    Origin,
    check_keep,
    check_name,
    check_retries,
    check_seconds,
    parse_dependencies,
)
from jo_notebook.core.execution import Resources, check_errors, check_executor, parse_resources
from jo_notebook.core.lines import Help, Parser, split
from jo_notebook.core.source import Source
from jo_notebook.errors import StepNameError, UsageError

EXAMPLE = "%%step Clean --depends-on Load"
STEP_OPTIONS = (
    *("--depends-on", "--name-alias", "--params", "--reads", "--writes", "--seed", "--env", "--ignore", "--always"),
    *("--keep", "--format", "--retries", "--backoff", "--timeout", "--retry-on", "--executor"),
    *("--resources", "--no-store", "--run", "--like", "--help"),
)


@dataclass(frozen=True, slots=True)
class StepLine:
    """A parsed line. `depends_on` is None where dependencies are to be inferred; `like` names another step.

    `retries`, `backoff` and `timeout` are None where the line does not say them.
    """

    name: str
    depends_on: tuple[Dependency, ...] | None
    params: tuple[tuple[str, Any], ...]
    run: bool
    like: str
    reads: tuple[str, ...] = ()
    writes: tuple[str, ...] = ()
    seed: int | None = None
    env: tuple[str, ...] = ()
    ignore: tuple[str, ...] = ()
    always: bool = False
    keep: int = 0
    format: str = ""
    retries: int | None = None
    backoff: float | None = None
    timeout: float | None = None
    retry_on: tuple[str, ...] = ()
    executor: str = ""
    resources: Resources = ()
    no_store: bool = False


def parse_step_line(line: str) -> StepLine:
    """The line as data.

    Raises UsageError or StepNameError with an example, and Help for `--help`.
    """
    args = _parser().parse_args(split(line))
    if not args.name:
        raise StepNameError(f"A step needs a name, for instance: {EXAMPLE}")
    if len(args.name) > 1:
        raise StepNameError(
            f"A step has one name, and this line has {len(args.name)}: {' '.join(args.name)}. "
            f"Dependencies come behind --depends-on: %%step {args.name[0]} --depends-on {','.join(args.name[1:])}"
        )
    own = check_name(args.name[0])
    reads, writes = _files(args.reads), _files(args.writes)
    _refuse_both(own, reads, writes)
    return StepLine(
        name=check_name(args.name_alias) if args.name_alias else own,
        depends_on=None if args.depends_on is None else parse_dependencies(args.depends_on),
        params=_params(args.params),
        run=args.run,
        like=check_name(args.like) if args.like else "",
        reads=reads,
        writes=writes,
        seed=args.seed,
        env=_words(args.env),
        ignore=tuple(check_name(word) for word in _words(args.ignore)),
        always=args.always,
        keep=0 if args.keep is None else check_keep(args.keep),
        format=args.format,
        retries=None if args.retries is None else check_retries(args.retries),
        backoff=None if args.backoff is None else check_seconds("--backoff", args.backoff),
        timeout=None if args.timeout is None else check_seconds("--timeout", args.timeout),
        retry_on=check_errors(args.retry_on or ()),
        executor=check_executor(args.executor) if args.executor else "",
        resources=parse_resources(args.resources or ()),
        no_store=args.no_store,
    )


def parse_stages_line(line: str) -> tuple[str, str]:
    """What stands behind `%load_stages`: the file and the module, empty where none is named.

    Raises UsageError with an example, and Help for `--help`.
    """
    parser = Parser(prog="%load_stages", allow_abbrev=False)
    parser.add_argument("file", nargs="*", metavar="FILE")
    parser.add_argument("--module", default="", metavar="MODULE")
    args = parser.parse_args(split(line))
    if len(args.file) != 1:
        raise UsageError("%load_stages takes one file, for instance: %load_stages stages.yaml --module foo_jobs")
    return args.file[0], args.module


def check_own_code(line: StepLine) -> StepLine:
    """The line of a cell. Raises UsageError where it asks for the code of another step."""
    if line.like:
        raise UsageError("--like is for a line of its own: %step NAME --like STEP. This cell has its own code.")
    return line


def definition_of(line: StepLine, source: Source, origin: Origin) -> Definition:
    """The step that a line and the body below it define."""
    plain = {f.name: f.default for f in fields(Definition)}
    return Definition(line.name, source, origin=origin, **{n: _said(line, n, plain[n]) for n in SETTINGS})


def definition_like(line: StepLine, model: Definition, origin: Origin) -> Definition:
    """A step with the code and the settings of another one, and what the line says instead.

    Files that the model writes, and its pin, are its own.
    """
    settings = {name: _said(line, name, getattr(model, name)) for name in SETTINGS}
    settings |= {"params": tuple({**dict(model.params), **dict(line.params)}.items()), "writes": line.writes}
    return replace(model.under(line.name, origin), pinned=False, **settings)


def _said(line: StepLine, name: str, otherwise: Any) -> Any:
    """What the line says of a setting, or something else where it says nothing."""
    said = getattr(line, name)
    return otherwise if said == UNSAID.get(name) else said


def step_help() -> str:
    """The help of `%%step`."""
    return _parser().format_help()


def _parser() -> Parser:
    parser = Parser(prog="%%step", add_help=True, allow_abbrev=False, description="Make this cell a step.")
    parser.add_argument("name", nargs="*", metavar="NAME", help="the step's name, also the name of its value")
    parser.add_argument(
        "--depends-on",
        nargs="+",
        action="extend",
        metavar="STEP",
        help="the steps whose values the body reads: A,B or other=A; none for none; without it they are inferred",
    )
    parser.add_argument("--name-alias", metavar="N", help="register under this name instead of NAME")
    parser.add_argument("--params", nargs="+", metavar="P=V", help='values for the body: --params "alpha=0.1, n=3"')
    parser.add_argument(
        "--reads",
        nargs="+",
        action="extend",
        metavar="FILE",
        help="files, directories or patterns whose content counts",
    )
    parser.add_argument(
        "--writes", nargs="+", action="extend", metavar="FILE", help="files it leaves behind: part of its result"
    )
    parser.add_argument("--seed", type=int, metavar="N", help="what random numbers start from, while it runs")
    parser.add_argument(
        "--env", nargs="+", action="extend", metavar="VAR", help="environment variables whose values count"
    )
    parser.add_argument(
        "--ignore", nargs="+", action="extend", metavar="NAME", help="names the body reads whose changes do not count"
    )
    parser.add_argument("--always", action="store_true", help="run every time: for what cannot be tracked")
    parser.add_argument(
        "--keep", type=int, metavar="N", help="how many of its results stay on disk, the newest and older"
    )
    parser.add_argument(
        "--format",
        default="",
        metavar="NAME",
        help="what its value is written as: json, npy, arrow, data, parquet, pickle, dill or another package's; "
        "without it the first that takes the value",
    )
    parser.add_argument("--retries", type=int, metavar="N", help="how often it is tried again when it fails")
    parser.add_argument(
        "--backoff", type=float, metavar="S", help="seconds before it is tried again, doubled each time after that"
    )
    parser.add_argument("--timeout", type=float, metavar="S", help="seconds that one try may take; longer is a failure")
    parser.add_argument(
        "--retry-on", nargs="+", action="extend", metavar="ERROR", help="try again only after these errors"
    )
    parser.add_argument(
        "--executor", metavar="E", help="where it runs: inline, threads, processes, dask or dask:ADDRESS"
    )
    parser.add_argument(
        "--resources", nargs="+", action="extend", metavar="R=N", help='what it takes: --resources "memory=4GB, gpu=1"'
    )
    parser.add_argument("--no-store", action="store_true", help="keep its result in memory only")
    parser.add_argument("--run", action="store_true", help="materialize at once")
    parser.add_argument("--like", metavar="STEP", help="%%step only as a line: reuse the code of another step")
    return parser


def _files(words: list[str] | None) -> tuple[str, ...]:
    """Paths as they were written, each once; commas between them are welcome."""
    paths = [word.removesuffix(",").removeprefix(f".{os.sep}") for word in words or ()]
    if not all(path and "\0" not in path for path in paths):
        raise UsageError("A file needs a name, for instance: --reads data.csv")
    return tuple(dict.fromkeys(paths))


def _words(words: list[str] | None) -> tuple[str, ...]:
    return tuple(dict.fromkeys(piece for word in words or () for piece in word.split(",") if piece))


def _refuse_both(name: str, reads: tuple[str, ...], writes: tuple[str, ...]) -> None:
    """Raises UsageError where a step would change what it reads: it would be stale as soon as it is done."""
    both = {os.path.normpath(path) for path in reads} & {os.path.normpath(path) for path in writes}
    if both:
        raise UsageError(
            f"{name} would read and write {', '.join(sorted(both))}: it would be stale as soon as it has run. "
            "Let it write to another file."
        )


def _params(words: list[str] | None) -> tuple[tuple[str, Any], ...]:
    """`alpha=0.1, n=3` as names and plain values."""
    if not words:
        return ()
    text = " ".join(words)
    try:
        call = ast.parse(f"f({text})", mode="eval").body
        assert isinstance(call, ast.Call)
        if call.args or any(keyword.arg is None for keyword in call.keywords):
            raise ValueError("each needs a name")
        return tuple((check_name(str(k.arg)), ast.literal_eval(k.value)) for k in call.keywords)
    except (SyntaxError, ValueError) as error:
        raise UsageError(
            f"The parameters {text!r} are not understood ({getattr(error, 'msg', error)}). "
            "Write plain values by name, for instance --params \"alpha=0.1, kind='linear'\""
        ) from error


UNSAID = {"depends_on": None} | {f.name: f.default for f in fields(StepLine) if f.default is not MISSING}
SETTINGS = tuple(f.name for f in fields(Definition) if f.name in {g.name for g in fields(StepLine)} - {"name"})
"""What a line says of a step, under the same names in both; a new option is one more field of each."""

__all__ = [
    "SETTINGS",
    "STEP_OPTIONS",
    "UNSAID",
    "Help",
    "StepLine",
    "check_own_code",
    "definition_like",
    "definition_of",
    "parse_stages_line",
    "parse_step_line",
    "step_help",
]
