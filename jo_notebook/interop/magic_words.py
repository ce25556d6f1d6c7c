"""What one `!cmd` or `%magic` means in plain Python."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Collection
from dataclasses import dataclass

from jo_notebook.core.source import free_names, is_builtin
from jo_notebook.errors import JoError


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


INERT = _words(
    "aimport alias_magic autoawait automagic autoreload autosave capture colors config context debug doctest_mode edit "
    "explain graph gui hist history jo load_ext log logoff logon logstart lprun lsmagic magic materialize matplotlib "
    "memit mprun notebook page pdb pdoc pfile pinfo pinfo2 pipeline plan pprint precision profile prun psearch psource "
    "quickref reload_ext resume steps tb timeit unload_ext who who_ls whos xmode"
)
"""Magics that show something, or set up how things are shown: a script is the same without them."""
COMMANDS = _words("cat cp ldir less lf lk ll ls lx man mkdir more mv rm rmdir")
INSTALLERS = _words("conda mamba micromamba pip uv")
SHOWN = _words("HTML SVG html javascript js latex markdown prun svg timeit")
SHELLS = _words("bash perl python python3 ruby sh")
RUN = "subprocess.run({}, shell=True, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT).stdout"
SHOWING = '{show}({{}}, end="")'.format(show="print")  # printed, and not left to the command: so a log has it
MORE = {"load_stages": ("jo_notebook.registry", "pathlib")}
"""What else such a line wants imported."""
SIMPLE = re.compile(r"[^\W\d][\w.]*")
VARIABLE = re.compile(r"(?P<name>\w+)\s*[= ]\s*(?P<value>.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class Saying:
    """What a call of the shell was typed as, and the Python for it; without any, why there is none.

    `is_inert` where leaving it out changes nothing that is computed.
    """

    typed: str
    code: str = ""
    imports: frozenset[str] = frozenset()
    why: str = ""
    is_inert: bool = False


def said_in_python(call: ast.Call, known: Collection[str], *, is_alone: bool, is_top: bool) -> Saying:
    """The meaning of `get_ipython().…(…)`.

    `is_alone` where the call is a statement, and not part of one; `is_top` where that stands at the top of the cell.
    """
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    words = [a.value for a in call.args if isinstance(a, ast.Constant) and isinstance(a.value, str)]
    if method in ("system", "getoutput") and len(words) == 1:
        mark = "!" if method == "system" else "!!"
        return _command(f"{mark}{words[0]}", words[0], known, is_shown=method == "system")
    if method == "run_line_magic" and len(words) == 2:
        return _line(words[0], words[1].strip(), known, is_alone=is_alone, is_top=is_top)
    if method == "run_cell_magic" and len(words) == 3:
        return _cell(words[0], words[1].strip(), words[2])
    return Saying(f"get_ipython(){'.' + method if method else ''}", why="there is no IPython shell in a script")


def expanded(text: str, known: Collection[str]) -> str:
    """A command as a Python expression: with `{name}` and `$name` filled in, where Python knows these names.

    As IPython does it: where one of them is not known, none is filled in, and the shell has its `$HOME`.
    """
    try:
        parts = [(text, name if not spec else f"{name}:{spec}", kind) for text, name, spec, kind in _parsed(text)]
        fields = [name for _, name, _ in parts if name is not None]
        free = {name for field in fields for name in free_names(f"({field})")}
    except (ValueError, SyntaxError, TypeError):
        return repr(text)
    if any(name not in known and not is_builtin(name) for name in free):
        return repr(text)
    if not fields:
        return repr("".join(text for text, _, _ in parts))
    marks = "".join(
        _braced(text) + ("" if name is None else f"{{{'!' + kind if kind else ''}}}") for text, name, kind in parts
    )
    if all(SIMPLE.fullmatch(field) for field in fields):
        filled = "".join(
            _braced(text) + ("" if name is None else f"{{{name}{'!' + kind if kind else ''}}}")
            for text, name, kind in parts
        )
        return "f" + repr(filled)
    return f"{marks!r}.format({', '.join(fields)})"


def _parsed(text: str) -> list[tuple[str, str | None, str, str | None]]:
    from IPython.utils.text import DollarFormatter

    return list(DollarFormatter().parse(text))


def _braced(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _command(typed: str, command: str, known: Collection[str], *, is_shown: bool) -> Saying:
    run = RUN.format(expanded(command, known))
    return Saying(typed, SHOWING.format(run) if is_shown else f"{run}.splitlines()", frozenset({"subprocess"}))


def _line(name: str, line: str, known: Collection[str], *, is_alone: bool, is_top: bool) -> Saying:
    typed = f"%{name} {line}".rstrip()
    if name == "time":
        return _timed(typed, line, is_alone=is_alone)
    if name in COMMANDS:
        return _command(typed, f"{name} {line}".rstrip(), known, is_shown=True)
    if name in ("sx", "system"):
        return _command(typed, line, known, is_shown=False)
    if name in LINES:
        code, module = LINES[name](line, known)
        is_statement = is_alone or name == "pwd"
        if code and is_statement and (name != "run" or is_top):
            return Saying(typed, code, frozenset({module, *MORE.get(name, ())}))
    if name in INSTALLERS:
        return Saying(typed, why="install packages before the script runs", is_inert=is_alone)
    if name in INERT and is_alone:
        return Saying(typed, is_inert=True)
    return Saying(typed, why="this magic is known in Jupyter only")


def _timed(typed: str, line: str, *, is_alone: bool) -> Saying:
    """`%time x = f()` is `x = f()`."""
    try:
        body = ast.parse(line).body
    except SyntaxError:
        return Saying(typed, why="the line is not Python")
    if len(body) != 1:
        return Saying(typed, is_inert=not body, why="there are several statements in it")
    if is_alone:
        return Saying(typed, line)
    return Saying(typed, f"({line})") if isinstance(body[0], ast.Expr) else Saying(typed, why="it gives no value")


def _cell(name: str, line: str, body: str) -> Saying:
    typed = f"%%{name} {line}".rstrip() + f"\n{body}".rstrip("\n")
    if name in SHOWN:
        return Saying(typed, is_inert=True)
    if name in SHELLS and not line:
        run = f"subprocess.run([{name!r}], input={body!r}, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)"
        return Saying(typed, SHOWING.format(f"{run}.stdout"), frozenset({"subprocess"}))
    if name in ("writefile", "file") and line and not line.startswith("-") and "{" not in line and "$" not in line:
        return Saying(typed, f"pathlib.Path({line!r}).write_text({body!r})", frozenset({"pathlib"}))
    return Saying(typed, why="this magic is known in Jupyter only")


def _cd(line: str, known: Collection[str]) -> tuple[str, str]:
    words = line.removeprefix("-q").strip()
    if words.startswith("-"):
        return "", ""
    path = expanded(words or "~", known)
    return f"os.chdir({f'os.path.expanduser({path})' if path[1:2] == '~' else path})", "os"


def _env(line: str, known: Collection[str]) -> tuple[str, str]:
    found = VARIABLE.fullmatch(line)
    if found is None:
        return "", ""
    return f"os.environ[{found['name']!r}] = {expanded(found['value'].strip(), known)}", "os"


def _pwd(line: str, known: Collection[str]) -> tuple[str, str]:
    return "os.getcwd()", "os"


def _run(line: str, known: Collection[str]) -> tuple[str, str]:
    if not line or line.startswith("-") or len(line.split()) > 1:
        return "", ""
    return f'globals().update(runpy.run_path({expanded(line, known)}, run_name="__main__"))', "runpy"


def _load_stages(line: str, known: Collection[str]) -> tuple[str, str]:
    from jo_notebook.core.stepline import parse_stages_line

    try:
        path, module = parse_stages_line(line)
    except JoError:
        return "", ""
    given = f"jo_notebook.registry.current(), pathlib.Path(__file__).parent / {path!r}"
    named = f", module={module!r}" if module else ""
    return f"jo_notebook.interop.stages.load_stages({given}{named}, called={path!r})", "jo_notebook.interop.stages"


LINES: dict[str, Callable[[str, Collection[str]], tuple[str, str]]] = {
    "cd": _cd,
    "env": _env,
    "load_stages": _load_stages,
    "pwd": _pwd,
    "run": _run,
    "set_env": _env,
}
