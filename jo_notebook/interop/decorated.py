"""A `@step` function of a script as the text of a `%%step` cell with the same name, inputs, settings and body."""

from __future__ import annotations

import ast
import re
import shlex
import token
import tokenize
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from jo_notebook.core.definition import Dependency, check_name
from jo_notebook.core.margin import dedented, edited, margin_of, span_of
from jo_notebook.core.source import is_generating, parse_source
from jo_notebook.core.stepline import SETTINGS, UNSAID, StepLine, parse_step_line
from jo_notebook.errors import JoError
from jo_notebook.interop.function_cells import Function, spellings
from jo_notebook.interop.functions import literal
from jo_notebook.interop.without_jupyter import Place, transformed

SIGNATURE = ("name", *SETTINGS)
"""What `step(…)` takes, by position."""
RETURN = re.compile(r"return(?:[ \t]+|(?=[(\[{\"']))(?=[^\s\\])")
LISTS = ("reads", "writes", "env", "ignore")


class NoCell(Exception):
    """Why a function cannot be a `%%step` cell."""


@dataclass
class Script:
    """A script that has been parsed: its text, and what its names mean to `@step`."""

    text: str
    tree: ast.Module
    tokens: Sequence[tokenize.TokenInfo]
    inside: frozenset[int]
    lines: list[str] = field(init=False)
    rows: list[int] = field(init=False)
    decorators: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.lines = self.text.split("\n")
        self.rows = [part.start[0] for part in self.tokens]
        self.decorators = spellings([self.text])
        self.steps = {n.name: name for n in self.tree.body if (name := self.step_name(n)) and isinstance(n, Function)}

    def decorator(self, node: ast.stmt) -> ast.expr | None:
        """The `@step` above a function; None for anything else, and where other decorators stand there, too."""
        if isinstance(node, Function) and len(node.decorator_list) == 1:
            told = node.decorator_list[0]
            if ast.unparse(told.func if isinstance(told, ast.Call) else told) in self.decorators:
                return told
        return None

    def step_name(self, node: ast.stmt) -> str:
        """What the step of a function is called; empty where it is none, or where that is not plain to see."""
        told = self.decorator(node)
        if told is None or not isinstance(node, Function):
            return ""
        try:
            return str(ast.literal_eval(_arguments(told).get("name", ast.Constant(None))) or node.name)
        except (ValueError, NoCell):
            return ""


def cell_of(script: Script, node: Function, comments: str) -> str:
    """The text of the cell. `comments` stood above the decorator. Raises NoCell with the reason where there is none."""
    told = script.decorator(node)
    assert told is not None
    line = _line_of(script, node, _arguments(told))
    body = _with_none(body_of(script, node))
    wanted = _canonical(body)
    for text in (_without_return(body), body):
        text = comments + text
        try:
            if parse_source(text, python=transformed(text, Place("", 0))).canonical == wanted:
                return f"%%step {line}\n{text}"
        except JoError:
            continue
    raise NoCell("IPython reads its body in another way than Python does")


def body_of(script: Script, node: Function) -> str:
    """The body of a function at the left margin, comments included, with the inside of its strings as it is."""
    top = top_of(node)
    head = bisect_left(script.rows, node.lineno)
    while script.tokens[head].type != token.NEWLINE:
        head += 1
    end = script.tokens[head].start
    signature = script.tokens[bisect_left(script.rows, top) : head]
    above = [part for part in signature if part.type == token.COMMENT]
    first = node.body[0]
    start, _ = span_of(script.lines, first)
    if first.lineno <= end[0]:
        last = sum(len(line) + 1 for line in script.lines[: end[0] - 1]) + end[1]
        comments = [part.string for part in above if part.start[0] < first.lineno]
        return "\n".join([*comments, script.text[start:last].rstrip()])
    top, bottom = end[0] + 1, end_of(script, node)
    margin = margin_of(script.lines[first.lineno - 1])
    inside = frozenset(row - end[0] for row in script.inside)
    text = dedented("\n".join(script.lines[top - 1 : bottom]), margin, inside=inside)
    return "\n".join([*(part.string for part in above), text.strip("\n")])


def top_of(node: ast.stmt) -> int:
    """The first line of a statement, decorators included."""
    above: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(decorator.lineno for decorator in above)])


def end_of(script: Script, node: ast.stmt) -> int:
    """The last line of a statement; comments below a function that are indented are part of it."""
    assert node.end_lineno is not None
    last = node.end_lineno
    if isinstance(node, Function):
        for number in range(node.end_lineno + 1, len(script.lines) + 1):
            line = script.lines[number - 1]
            if line.strip() and not (line.lstrip().startswith("#") and line[:1] in " \t"):
                break
            last = number if line.strip() else last
    return last


def _arguments(told: ast.expr) -> dict[str, ast.expr]:
    if not isinstance(told, ast.Call):
        return {}
    if len(told.args) > len(SIGNATURE) or any(isinstance(a, ast.Starred) for a in told.args):
        raise NoCell("its decorator is called in an unusual way")
    named = {str(k.arg): k.value for k in told.keywords}
    if None in {k.arg for k in told.keywords} or named.keys() - set(SIGNATURE):
        raise NoCell("its decorator has arguments that a %%step line does not have")
    return {**dict(zip(SIGNATURE, told.args, strict=False)), **named}


def _line_of(script: Script, node: Function, told: Mapping[str, ast.expr]) -> str:
    """What stands behind `%%step`. Raises NoCell."""
    try:
        plain = {key: ast.literal_eval(value) for key, value in told.items() if key != "depends_on"}
        plain |= {key: _listed(plain[key]) for key in LISTS if key in plain}
        params = {**_defaults(node), **(plain.pop("params", None) or {})}
    except (ValueError, TypeError) as error:
        raise NoCell("its decorator or its defaults say something that is no plain value") from error
    name = _checked(str(plain.pop("name", None) or node.name))
    inputs = [a.arg for a in _parameters(node) if a.arg not in params]
    depends_on = _dependencies(script, inputs, told.get("depends_on"))
    line = " ".join([name, *_words(depends_on, params, plain)])
    try:
        found = parse_step_line(line)
        wanted = _asked(name, depends_on, params, plain)
    except JoError as error:
        raise NoCell(str(error)) from error
    if found != wanted or "\n" in line:
        raise NoCell("its settings cannot be said in a %%step line")
    return line


def _checked(name: str) -> str:
    try:
        return check_name(name)
    except JoError as error:
        raise NoCell(str(error)) from error


def _asked(
    name: str, depends_on: tuple[Dependency, ...], params: Mapping[str, Any], settings: Mapping[str, Any]
) -> StepLine:
    return StepLine(
        name=name, depends_on=depends_on, params=tuple(params.items()), run=False, like="", **_given(settings)
    )


def _given(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in settings.items() if value != UNSAID.get(key)}


def _words(depends_on: Sequence[Dependency], params: Mapping[str, Any], settings: Mapping[str, Any]) -> list[str]:
    words = ["--depends-on", _quoted(",".join(map(str, depends_on)) or "none")]
    if params:
        words += ["--params", _quoted(", ".join(f"{name}={literal(value)}" for name, value in params.items()))]
    for key, value in _given(settings).items():
        words.append(f"--{key.replace('_', '-')}")
        if value is not True:
            words += [_quoted(str(word)) for word in (value if isinstance(value, tuple) else (value,))]
    return words


def _quoted(word: str) -> str:
    plain = re.fullmatch(r"[\w@%+=:,./*?\[\]-]+", word)
    return word if plain else f'"{word}"' if not set(word) & set('"\\') else shlex.quote(word)


def _listed(value: Any) -> tuple[str, ...]:
    return (value,) if isinstance(value, str) else tuple(value)


def _parameters(node: Function) -> list[ast.arg]:
    if node.args.vararg or node.args.kwarg:
        raise NoCell("it takes any number of arguments")
    return [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]


def _defaults(node: Function) -> dict[str, Any]:
    ordered = [*node.args.posonlyargs, *node.args.args]
    pairs = list(zip(reversed(ordered), reversed(node.args.defaults), strict=False))[::-1]
    pairs += [(a, d) for a, d in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True) if d is not None]
    return {argument.arg: ast.literal_eval(default) for argument, default in pairs}


def _dependencies(script: Script, inputs: list[str], told: ast.expr | None) -> tuple[Dependency, ...]:
    """The step behind each parameter. Raises NoCell where that is only known once the script runs."""
    own = set(script.steps.values())  # a step of that name goes before a function that is called so
    steps: dict[str, str] = {name: name if name in own else script.steps.get(name, name) for name in inputs}
    if isinstance(told, ast.Dict):
        for key, value in zip(told.keys, told.values, strict=True):
            if not isinstance(key, ast.Constant) or key.value not in steps:
                raise NoCell("its depends_on names what is no parameter of it")
            steps[str(key.value)] = _step_of(script, value)
    elif told is not None and not (isinstance(told, ast.Constant) and told.value is None):
        listed = told.elts if isinstance(told, ast.List | ast.Tuple) else [told]
        if len(listed) != len(inputs):
            raise NoCell("its depends_on has more or fewer steps than it has parameters")
        steps = dict(zip(inputs, (_step_of(script, node) for node in listed), strict=True))
    return tuple(Dependency(step, parameter) for parameter, step in steps.items())


def _step_of(script: Script, node: ast.expr) -> str:
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        return node.value
    if isinstance(node, ast.Name):
        return script.steps.get(node.id, node.id)
    raise NoCell("its depends_on is only known once the script runs")


def _canonical(body: str) -> str:
    try:
        return parse_source(body).canonical
    except JoError as error:
        raise NoCell("its body cannot stand alone") from error


def _with_none(body: str) -> str:
    """A function whose last line is an expression gives None, and a cell would give that expression's value."""
    try:
        tree = ast.parse(body).body
    except SyntaxError as error:
        raise NoCell("its body cannot stand alone") from error
    return f"{body.rstrip()}\nreturn None" if isinstance(tree[-1], ast.Expr) and not is_generating(tree) else body


def _without_return(body: str) -> str:
    """The body with its last expression as a cell has it."""
    lines = body.split("\n")
    last = ast.parse(body).body[-1]
    if not isinstance(last, ast.Return) or last.value is None:
        return body
    start, _ = span_of(lines, last)
    found = RETURN.match(body, start)
    return body if found is None else edited(body, [(start, found.end(), "")])
