"""Tab on the command line: commands, options, sources, and the names of steps, quickly and without running anything.

Names are read from the definitions that lie in the directory of results beside the source, as files of JSON.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from click.shell_completion import BashComplete, CompletionItem, FishComplete, ZshComplete, add_completion_class

VARIABLE = "_JO_COMPLETE"
LIMIT = 5000
ENDINGS = (".ipynb", ".yaml", ".yml", ".py")

BASH = """\
_jo_completion() {
    local line kind value
    COMPREPLY=()
    while IFS= read -r line; do
        kind="${line%%,*}"
        value="${line#*,}"
        if [[ $kind == path ]]; then
            compopt -o filenames 2>/dev/null
        fi
        if [[ $kind == folder ]]; then
            compopt -o filenames -o nospace 2>/dev/null
        fi
        COMPREPLY+=("$value")
    done < <(COMP_WORDS="$(printf '%s\\n' "${COMP_WORDS[@]}")" COMP_CWORD="$COMP_CWORD" \\
        _JO_COMPLETE=bash_complete "${COMP_WORDS[0]}" 2>/dev/null)
}
complete -F _jo_completion jo
"""


class Bash(BashComplete):
    """Bash's words come one a line, so that names with blanks stay whole; bash quotes what it puts in."""

    source_template = BASH

    def get_completion_args(self) -> tuple[list[str], str]:
        """The words before the cursor, and the one being typed."""
        words = os.environ["COMP_WORDS"].split("\n")
        at = int(os.environ["COMP_CWORD"])
        return [_unquoted(word) for word in words[1:at]], _unquoted(words[at]) if at < len(words) else ""

    def format_completion(self, item: CompletionItem) -> str:
        """One line: what it is, and the word."""
        return f"{item.type},{item.value}"

    @staticmethod
    def _check_version() -> None:
        """Nothing is started to ask for a version: the script is the same for all."""


def _plain(item: CompletionItem) -> CompletionItem:
    """A source as a word like any other: the scripts of zsh and fish know our own types not."""
    return CompletionItem(item.value, help=item.help) if item.type in ("path", "folder") else item


class Zsh(ZshComplete):
    """Zsh quotes what it puts in."""

    def format_completion(self, item: CompletionItem) -> str:
        """What click's script reads."""
        return super().format_completion(_plain(item))


class Fish(FishComplete):
    """Fish quotes what it puts in."""

    def format_completion(self, item: CompletionItem) -> str:
        """What click's script reads."""
        return super().format_completion(_plain(item))


def script(shell: str) -> str:
    """The script that makes a shell ask us."""
    if shell == "bash":
        return BASH
    kind = {"zsh": Zsh, "fish": Fish}[shell]
    return str(kind(click.Command("jo"), {}, "jo", VARIABLE).source())


def answer(words: str, group: click.Group) -> int:
    """Answers a shell that asks what may stand at its cursor; `words` is what the variable says."""
    from click.shell_completion import shell_complete

    for name, kind in (("bash", Bash), ("zsh", Zsh), ("fish", Fish)):
        add_completion_class(kind, name)
    return shell_complete(group, {}, "jo", VARIABLE, words)


def complete_source(
    ctx: click.Context, param: click.Parameter, incomplete: str, suffixes: Sequence[str] = ()
) -> list[CompletionItem]:
    """Directories, and files of the four kinds."""
    folder, _, start = incomplete.rpartition("/")
    base = (folder or "/") if "/" in incomplete else "."
    wanted = tuple(suffixes) or ENDINGS
    found = []
    try:
        entries = sorted(os.scandir(os.path.expanduser(base)), key=lambda entry: entry.name)
    except OSError:
        return []
    for entry in entries:
        hides = entry.name.startswith(".") and not start.startswith(".")
        if hides or not entry.name.startswith(start) or "\n" in entry.name:
            continue
        path = f"{incomplete[: len(incomplete) - len(start)]}{entry.name}"
        is_results = entry.name.endswith(".jo")
        if entry.is_dir() and not (is_results and suffixes):
            found.append(CompletionItem(path, type="path" if is_results else "folder"))
        elif entry.name.endswith(wanted):
            found.append(CompletionItem(path, type="path"))
    return found


def complete_step(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """The steps of the source that stands before, also behind a comma."""
    before, comma, start = incomplete.rpartition(",")
    said = {word for words in ctx.params.values() if isinstance(words, tuple) for word in words}
    names = [name for name in step_names(ctx.params.get("source") or "") if name.startswith(start)]
    return [CompletionItem(f"{before}{comma}{name}") for name in names if name not in said]


def complete_word(ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """What follows a command on the store: a snapshot first for store and load, steps for the others."""
    if ctx.info_name in ("store", "load") and not ctx.params.get("words"):
        return complete_source(ctx, param, incomplete, (".zip",))
    return complete_step(ctx, param, incomplete)


def step_names(source: str) -> list[str]:
    """The steps that the results of a source remember, in their order; none where there is nothing to read."""
    if not source:
        return []
    path = Path(os.path.expanduser(source))
    named = os.path.expanduser(os.environ.get("JO_CONTEXT", ""))
    place = path if path.suffix == ".jo" or path.is_dir() else Path(named) if named else path.with_suffix(".jo")
    rows = []
    for file in _files(place / "definitions"):
        try:
            data = json.loads(file.read_text(encoding="utf-8"))["data"]
            order, name = data.get("order", 0), data["name"]
        except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
            continue
        if isinstance(name, str) and name.isprintable():
            rows.append((order if isinstance(order, int) else 0, name))
    return [name for _, name in sorted(rows)]


def _files(folder: Path) -> Iterable[Path]:
    try:
        names = sorted(name for name in os.listdir(folder) if name.endswith(".json"))
    except OSError:
        return []
    return [folder / name for name in names[:LIMIT]]


def _unquoted(word: str) -> str:
    """A word as bash hands it over, still quoted, perhaps not to its end."""
    import shlex

    for attempt in (word, word + '"', word + "'", word + "\\"):
        try:
            return "".join(shlex.split(attempt)) if word else ""
        except ValueError:
            continue
    return word
