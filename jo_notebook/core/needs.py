"""What a step wants from the notebook: imports, helper functions, constants, data.

Names are resolved when a fingerprint is made, not when a step is defined, so an edited helper is seen.
Each name becomes one `Need`: what kind of thing it is, a digest that changes when the thing does, and
(where there is one) the code that brings it back in a fresh kernel.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import CodeType, FunctionType, ModuleType
from typing import Any

from jo_notebook.core.fingerprint import Part, digest_of
from jo_notebook.core.source import canonical_text, free_names, is_builtin
from jo_notebook.core.version import Version, code_digest, version_of

SHOWN = 60
RESTORABLE = 20_000
PLAIN = (bool, int, float, complex, str, bytes, type(None), tuple, list, dict, set, frozenset)

Statement = Callable[[str], str | None]
"""Gives the text of the notebook's latest top-level statement that bound a name."""

Versions = Callable[[object], Version]


@dataclass(frozen=True, slots=True)
class Need:
    """One name a step reads from the notebook.

    `kind` is a kind of fingerprint part (helper, constant, global, import, untracked). `code` is what
    restores the name when it is executed, or empty. `shown` is the text for people.
    """

    kind: str
    name: str
    digest: str
    shown: str = ""
    code: str = ""

    @property
    def part(self) -> Part:
        """This need as a part of a fingerprint."""
        return Part(self.kind, self.name, self.digest, self.shown)

    def to_json(self) -> list[str]:
        """Plain data, for a file."""
        return [self.kind, self.name, self.digest, self.shown, self.code]

    @classmethod
    def from_json(cls, row: list[str]) -> Need:
        """The reverse of `to_json`."""
        return cls(*row)


def resolve(
    names: Iterable[str],
    namespace: Mapping[str, Any],
    *,
    steps: Iterable[str] = (),
    remembered: Iterable[Need] = (),
    statement: Statement = lambda name: None,
    versions: Versions = version_of,
) -> tuple[Need, ...]:
    """Everything that `names` stand for in the notebook, helpers of helpers included.

    A name that the namespace does not have is taken from `remembered` (a fresh kernel has not run the
    cells yet); one that nobody knows is left out. `steps` are not looked up: their values come in as
    inputs. Runs nothing of the user's, except what a value's own `__reduce__` does.
    """
    known = {need.name: need for need in remembered}
    skip = set(steps)
    found: dict[str, Need] = {}
    queue = sorted(set(names))
    while queue:
        name = queue.pop()
        if name in found or name in skip:
            continue
        if name in namespace:
            need, more = _look(name, namespace[name], statement, versions)
        elif name in known and not is_builtin(name):
            need, more = known[name], _names_of_code(known[name].code)
        else:
            continue
        found[name] = need
        queue += more
    return tuple(found[name] for name in sorted(found))


def _look(name: str, value: object, statement: Statement, versions: Versions) -> tuple[Need, list[str]]:
    if isinstance(value, ModuleType):
        return _module(name, value), []
    if isinstance(value, type | FunctionType) or callable(value):
        where = _importable(value)
        if where:
            module, attribute = where
            code = f"from {module} import {attribute}" + (f" as {name}" if attribute != name else "")
            return Need("import", name, digest_of(module, attribute), f"{module}.{attribute}", code), []
    if isinstance(value, FunctionType | type):
        return _helper(name, value, statement, versions)
    return _data(name, value, statement, versions)


def _module(name: str, module: ModuleType) -> Need:
    full = module.__name__
    code = f"import {full}" if full == name else f"import {full} as {name}"
    return Need("import", name, digest_of("module", full), full, code)


def _importable(value: Any) -> tuple[str, str] | None:
    """The module and the name under which a fresh process finds this very object, if it does."""
    module, name = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(name, str) or module == "__main__" or "." in name:
        return None
    home = sys.modules.get(module)
    return (module, name) if home is not None and getattr(home, name, None) is value else None


def _helper(name: str, value: Any, statement: Statement, versions: Versions) -> tuple[Need, list[str]]:
    """A function or class of the notebook: its text where that is certainly its text, else its compiled form."""
    code = statement(name) or ""
    functions = _functions_of(value)
    held: list[object] = [v for f in functions for v in _held_by(f)]
    if isinstance(value, type):
        held += [(k, v) for k, v in sorted(vars(value).items()) if type(v) in PLAIN and k not in IGNORED]
    known = _code_digests(code)
    text = _canonical(code) if known and known.issuperset(code_digest(f.__code__) for f in functions) else ""
    digest = digest_of("helper", text or versions(value).digest, versions(held).digest)
    more = [n for f in functions for n in _code_names(f)]
    return Need("helper", name, digest, text or f"{name} (compiled)", code), [*more, *_names_of_code(code)]


IGNORED = ("__module__", "__qualname__", "__doc__", "__firstlineno__", "__static_attributes__", "__slotnames__")


def _functions_of(value: Any) -> list[FunctionType]:
    """The functions that make up a function or class: methods, and what decorators closed over."""
    found: list[FunctionType] = []
    queue: list[object] = list(vars(value).values()) if isinstance(value, type) else [value]
    while queue:
        item = getattr(item, "fget", None) if isinstance(item := queue.pop(), property) else item
        item = getattr(item, "__func__", item)
        if isinstance(item, FunctionType) and item not in found:
            found.append(item)
            queue += _held_by(item)
    return found


def _held_by(function: FunctionType) -> list[object]:
    """Defaults and closed-over values."""
    found: list[object] = [*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values()]
    for cell in function.__closure__ or ():
        try:
            found.append(cell.cell_contents)
        except ValueError:  # a name that is not bound yet
            found.append(None)
    return found


def _code_digests(text: str) -> frozenset[str]:
    """The digests of all functions that a `def`, `class` or lambda statement compiles to."""
    try:
        queue: list[CodeType] = [compile(text, "<helper>", "exec", dont_inherit=True)] if text else []
    except (SyntaxError, ValueError, RecursionError):
        return frozenset()
    found: set[str] = set()
    while queue:
        code = queue.pop()
        found.add(code_digest(code))
        queue += [c for c in code.co_consts if isinstance(c, CodeType)]
    return frozenset(found)


def _code_names(function: FunctionType) -> list[str]:
    """Global names of the compiled form; attribute names among them resolve to nothing."""
    found: list[str] = []
    queue = [function.__code__]
    while queue:
        code = queue.pop()
        found += code.co_names
        queue += [c for c in code.co_consts if isinstance(c, CodeType)]
    return [n for n in found if n in function.__globals__]


def _data(name: str, value: object, statement: Statement, versions: Versions) -> tuple[Need, list[str]]:
    version = versions(value)
    if not version.exact:
        return Need("untracked", name, "", f"{name} ({type(value).__name__})"), []
    text = _literal(value)
    kind = "constant" if isinstance(value, PLAIN) and text else "global"
    shown = text if len(text) <= SHOWN else text[: SHOWN - 1] + "…"
    code = f"{name} = {text}" if text and len(text) <= RESTORABLE else ""
    return Need(kind, name, version.digest, shown or f"a {type(value).__name__}", code), []


def _literal(value: object) -> str:
    """The value as Python source that gives it back, or an empty string."""
    if not isinstance(value, PLAIN):
        return ""
    text = repr(value)
    if len(text) > 10 * RESTORABLE:
        return ""
    try:
        back = ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ""
    return text if version_of(back) == version_of(value) else ""


def _canonical(code: str) -> str:
    try:
        return canonical_text(ast.parse(code).body) if code else ""
    except (SyntaxError, ValueError, RecursionError):
        return code


def _names_of_code(code: str) -> list[str]:
    try:
        return sorted(free_names(code)) if code else []
    except (SyntaxError, ValueError, RecursionError):
        return []
