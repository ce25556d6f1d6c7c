"""The magics: each parses, calls one verb, shows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Protocol

from jo_notebook.core.stepline import Help, StepLine, parse_stages_line, parse_step_line, step_help
from jo_notebook.errors import RunCancelled, StepFailed, UsageError
from jo_notebook.notebook.debugging import Debugging
from jo_notebook.notebook.names import Names
from jo_notebook.notebook.replay import show_rows
from jo_notebook.notebook.tracebacks import failure_lines, interrupt_lines
from jo_notebook.pipeline import Pipeline
from jo_notebook.verb import Answer, Verb
from jo_notebook.verbs import VERBS, find, interrupted_text, listing, outcome_text, perform, split

Magic = tuple[str, str, Callable[..., Any]]


STEP_DOC = """Make this cell a step of the pipeline.

    %%step NAME [--depends-on A,B | x=A | none] [--params "p=1"] [--reads FILE …] [--writes FILE …]
                [--seed N] [--env VAR …] [--ignore NAME …] [--always] [--keep N] [--format NAME]
                [--retries N] [--backoff S] [--timeout S] [--retry-on ERROR …] [--executor E]
                [--resources R=N …] [--no-store] [--name-alias N] [--run]

Registers and runs nothing, unless --run says so. The last expression is the result; without --depends-on the
dependencies are the steps whose names the body reads. `%%step --help` says more.
"""


STAGES_DOC = """Register the stages of a stages file, beside the steps of this notebook.

    %load_stages FILE [--module MODULE]

The file is looked for from where the notebook is. Runs nothing. Run again after an edit of the file, it replaces
what the file had before. `load_stages` of `jo_notebook.interop.stages` does the same from Python.
"""


DEBUG_DOC = """Bring a step into the notebook, to mend it.

    %debug_step NAME

Its inputs and parameters become names, as they were when it failed; random numbers start from its seed, in the
directory in which it ran. Its body comes in a new cell, with its `%%step` line as a comment: mend it, run it, take the
# away and run it once more, and it is the step again.
"""


class Front(Protocol):
    """What the magics of a shell stand on: its extension."""

    shell: Any
    pipeline: Pipeline
    names: Names
    debugging: Debugging

    def define(self, line: StepLine, body: str) -> Any:
        """Registers the running cell as a step."""

    def define_like(self, line: StepLine) -> Any:
        """Registers a step with the code of another one."""

    def load_stages(self, path: str, module: str) -> str:
        """Registers the stages of a file; a sentence says which."""

    def bar(self) -> AbstractContextManager[None]:
        """Inside, the run that begins has a bar, where the front end can show one."""

    def keep_picture(self, picture: Any) -> Any:
        """Remembers the picture a cell shows."""


def register_magics(extension: Front) -> list[Magic]:
    """Registers the magics of steps, `%jo`, `%pipeline` and one for each verb; returns (kind, name, function)."""
    magics: list[Magic] = [
        ("cell", "step", _cell_step(extension)),
        ("line", "step", _line_step(extension)),
        ("line", "load_stages", _load_stages(extension)),
        ("line", "debug_step", _debug_step(extension)),
        ("line", "jo", _jo(extension)),
        ("line", "pipeline", _pipeline(extension)),
    ]
    magics += [("line", verb.name, _verb(extension, verb)) for verb in VERBS]
    for kind, name, function in magics:
        extension.shell.register_magic_function(function, magic_kind=kind, magic_name=name)
    return magics


def _magic(function: Callable[..., Any], doc: str) -> Callable[..., Any]:
    """Names and documents a magic, and keeps `{x}` and `$x` in its line as they are."""
    from IPython.core.magic import no_var_expand

    function.__doc__ = doc
    hidden: Callable[..., Any] = no_var_expand(function)
    return hidden


def _cell_step(extension: Front) -> Callable[..., Any]:
    def step(line: str, cell: str) -> Any:
        try:
            return extension.define(parse_step_line(line), cell)
        except Help:
            print(step_help())  # noqa: T201 - a magic's help goes to its cell

    return _magic(step, STEP_DOC)


def _line_step(extension: Front) -> Callable[..., Any]:
    def step(line: str) -> Any:
        try:
            return extension.define_like(parse_step_line(line))
        except Help:
            print(step_help())  # noqa: T201 - a magic's help goes to its cell

    return _magic(step, f"A step with the code of another one: %step NAME --like STEP.\n\n{STEP_DOC}")


def _load_stages(extension: Front) -> Callable[..., Any]:
    def load_stages(line: str) -> None:
        try:
            path, module = parse_stages_line(line)
        except Help:
            print(STAGES_DOC)  # noqa: T201 - a magic's help goes to its cell
            return
        print(extension.load_stages(path, module))  # noqa: T201 - a magic's answer goes to its cell

    return _magic(load_stages, STAGES_DOC)


def _debug_step(extension: Front) -> Callable[..., Any]:
    def debug_step(line: str) -> None:
        try:
            text = extension.debugging.start(line)
        except Help as shown:
            text = str(shown)
        print(text)  # noqa: T201 - a magic's answer goes to its cell

    return _magic(debug_step, DEBUG_DOC)


def _verb(extension: Front, verb: Verb) -> Callable[..., Any]:
    def magic(line: str) -> Any:
        return perform_and_show(extension, verb, line, f"%{verb.name}")

    return _magic(magic, f"{verb.summary}\n\nThe same as `pipeline.{verb.name}(…)`; see %{verb.name} --help.")


def _jo(extension: Front) -> Callable[..., Any]:
    def jo(line: str) -> Any:
        words = split(line)
        if not words or words[0] in ("--help", "-h"):
            print(listing())  # noqa: T201 - a magic's answer goes to its cell
            return None
        verb = find(words[0])
        return perform_and_show(extension, verb, words[1:], f"%jo {verb.name}")

    return _magic(jo, f"The long form of every verb: %jo VERB ….\n\n{listing()}")


def _pipeline(extension: Front) -> Callable[..., Any]:
    def pipeline(line: str) -> Any:
        if line.strip():
            raise UsageError("%pipeline takes no arguments; it gives the Pipeline object of this kernel.")
        return extension.pipeline

    return _magic(pipeline, "The Pipeline object of this kernel, for use from Python.")


def perform_and_show(extension: Front, verb: Verb, line: str | Sequence[str], prog: str) -> Any:
    """Calls the verb and shows its answer; a failed step shows the user's own traceback, once."""
    try:
        with extension.bar() if verb.name == "materialize" else nullcontext():
            answer = perform(extension.pipeline, verb, line, prog)
    except RunCancelled:
        print(outcome_text(extension.pipeline), flush=True)  # noqa: T201 - what was done before stands
        extension.names.bind_results()
        raise
    except StepFailed as error:
        print(outcome_text(extension.pipeline), flush=True)  # noqa: T201 - what was done before the failure stands
        extension.names.bind_results()
        error.render = lambda failure: failure_lines(extension.shell, failure)
        raise
    except KeyboardInterrupt as interrupt:
        print(interrupted_text(extension.pipeline), flush=True)  # noqa: T201 - a magic's answer goes to its cell
        extension.names.bind_results()
        lines = interrupt_lines(extension.shell, interrupt)
        vars(interrupt)["_render_traceback_"] = lambda: lines
        raise
    return _show(extension, verb, answer)


def _show(extension: Front, verb: Verb, answer: Answer) -> Any:
    """Text as text, a picture as a picture, a value as the cell's value with its name bound."""
    if answer.picture is not None:
        return extension.keep_picture(answer.picture())
    if any(not isinstance(row, str) for row in answer.rows):
        show_rows(extension.shell, answer.rows)
    elif answer.text:
        print(answer.text, flush=True)  # noqa: T201 - a magic's answer goes to its cell
    if verb.name == "materialize":
        extension.names.bind_results()
    return answer.value if answer.has_value else None
