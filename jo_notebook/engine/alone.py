"""Which steps must have the process for themselves: what they touch belongs to all threads."""

from __future__ import annotations

import ast
from collections.abc import Iterable
from functools import lru_cache

from jo_notebook.core.definition import Definition
from jo_notebook.core.needs import DRAWS, SOURCES_OF_CHANCE, Need
from jo_notebook.core.record import Record
from jo_notebook.core.texts import TEXTS, UNREADABLE, tree_of

DRAWING = frozenset({"matplotlib", "seaborn", "plotnine", "pylab"})
"""Packages with a figure that is the current one of the whole process."""
PLOTS = frozenset({"plot", "hist", "boxplot"})
"""Methods of frames that draw into it, without an import in the step."""
SHELL = frozenset({"get_ipython", "user_ns", "user_global_ns", "run_line_magic", "run_cell_magic"})
ASKING = frozenset({"input", "getpass", "breakpoint", "set_trace", "post_mortem"})
OF_THE_PROCESS = frozenset(
    {
        *("chdir", "fchdir", "umask", "fork", "forkpty", "putenv", "unsetenv", "setlocale", "setrecursionlimit"),
        *("redirect_stdout", "redirect_stderr", "catch_warnings", "option_context", "set_option", "settrace"),
        *("setprofile", "set_num_threads", "globals", "capture_output"),
    }
)
MAIN_THREAD_ONLY = frozenset({"signal", "tkinter", "turtle"})
OURS = ("helper", "import", "module")
ONLY_HERE = SHELL | ASKING | {"globals", "locals", "vars", "eval", "exec"}
WORDS = SHELL | ASKING | OF_THE_PROCESS | PLOTS


def must_be_alone(definition: Definition, needs: Iterable[Need], record: Record | None) -> bool:
    """Whether nothing may run beside this step, as far as its code and its last run tell.

    That is so for a seed and for random numbers that all share, for magics and `!cmd`, for what asks the user or
    draws into the current figure, for names of the notebook that it binds, and for settings of the whole process.
    """
    needs = list(needs)
    if definition.seed is not None or any(need.name.startswith("random numbers") for need in needs):
        return True
    if any(need.kind == "package" and need.name.lower() in DRAWING for need in needs):
        return True
    if record is not None and any(kind == "global" for kind, *_ in record.hidden):
        return True
    texts = [definition.source.canonical, *(need.code or need.shown for need in needs if need.kind in OURS)]
    return any(_touches_what_all_share(text) for text in texts)


def must_be_here(definition: Definition, needs: Iterable[Need]) -> bool:
    """Whether a step cannot run in another process: it asks the user, binds or looks up names of the notebook."""
    texts = [definition.source.canonical, *(need.code or need.shown for need in needs if need.kind in OURS)]
    return any(_touches_what_is_here(text) for text in texts)


@lru_cache(maxsize=TEXTS)
def _touches_what_is_here(text: str) -> bool:
    try:
        nodes = list(ast.walk(tree_of(text)))
    except UNREADABLE:
        return False
    commands = {id(call.func) for node in nodes if (call := _command(node)) is not None}
    return any(
        isinstance(node, ast.Global)
        or (isinstance(node, ast.Import) and any(alias.name == "__main__" for alias in node.names))
        or (isinstance(node, ast.Name) and node.id in ONLY_HERE and id(node) not in commands)
        or (isinstance(node, ast.Attribute) and node.attr in ONLY_HERE)
        for node in nodes
    )


def _command(node: ast.AST) -> ast.Call | None:
    """The call of the shell in `get_ipython().system(…)`, as `!cmd` becomes: any shell will do."""
    if not (isinstance(node, ast.Attribute) and node.attr in ("system", "getoutput")):
        return None
    call = node.value
    is_shell = isinstance(call, ast.Call) and isinstance(call.func, ast.Name) and call.func.id == "get_ipython"
    return call if isinstance(call, ast.Call) and is_shell else None


@lru_cache(maxsize=TEXTS)
def _touches_what_all_share(text: str) -> bool:
    try:
        nodes = list(ast.walk(tree_of(text)))
    except UNREADABLE:
        return False
    return any(_is_shared(node) for node in nodes)


def _is_shared(node: ast.AST) -> bool:
    if isinstance(node, ast.Global):
        return True
    if isinstance(node, ast.Name):
        return node.id in SHELL | ASKING | OF_THE_PROCESS
    if isinstance(node, ast.Attribute):
        return node.attr in WORDS or (node.attr in DRAWS and _is_called_random(node.value))
    if isinstance(node, ast.Import):
        return any(alias.name.partition(".")[0] in MAIN_THREAD_ONLY | DRAWING for alias in node.names)
    if isinstance(node, ast.ImportFrom):
        if node.module in SOURCES_OF_CHANCE and any(alias.name in DRAWS for alias in node.names):
            return True
        return (node.module or "").partition(".")[0] in MAIN_THREAD_ONLY | DRAWING
    if isinstance(node, ast.Assign | ast.AugAssign | ast.Delete):
        return any(_is_environ(target) for target in getattr(node, "targets", [getattr(node, "target", None)]))
    return False


def _is_called_random(node: ast.expr) -> bool:
    """`random` or `np.random`, imported by the step itself; what the notebook imports is known better."""
    return (isinstance(node, ast.Name) and node.id == "random") or (
        isinstance(node, ast.Attribute) and node.attr == "random"
    )


def _is_environ(target: ast.AST | None) -> bool:
    """`os.environ["X"] = …`: every thread reads the same environment."""
    return isinstance(target, ast.Subscript) and (
        (isinstance(target.value, ast.Attribute) and target.value.attr == "environ")
        or (isinstance(target.value, ast.Name) and target.value.id == "environ")
    )
