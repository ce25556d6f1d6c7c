"""Loads edited modules again, all of them or none, and gives the notebook's names what is new."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from types import ModuleType
from typing import Any

from jo_notebook.core.homes import Find, Home, Kind, names_of
from jo_notebook.core.reaching import absolute
from jo_notebook.core.slices import imports_at_top, outline_of, problem_of
from jo_notebook.engine.finding import bytecode_fits
from jo_notebook.errors import JoError


class Reload:
    """One reload, of `edited` and of what imports them among the `local` modules that are loaded.

    `order` are the modules, each after those it imports; `fresh` is what they are on disk.
    """

    def __init__(self, edited: Iterable[str], local: Mapping[str, Home], find: Find) -> None:
        self.edited = frozenset(edited)
        self.local = local
        ordered = _order(self.edited, {**local, **{name: find(name) for name in self.edited}})
        self.fresh = {name: find(name) for name in ordered}
        # a broken module that merely imports an edited one keeps what it has until it is wanted itself
        self.order = tuple(n for n in ordered if n in self.edited or not self.fresh[n].problem)
        self._old: dict[str, tuple[ModuleType, dict[str, Any]]] = {}

    def run(self) -> None:
        """Raises JoError where one of the modules cannot be loaded; all are as they were then."""
        for name in self.order:
            home = self.fresh[name]
            if home.kind is not Kind.LOCAL or home.problem:
                why = home.problem if home.kind is Kind.LOCAL else "its file is gone"
                raise JoError(_cannot(name, self.local[name], why))
        for name in self.order:
            self._old[name] = (sys.modules[name], dict(names_of(sys.modules[name])))
        importlib.invalidate_caches()
        for name in self.order:
            self._run_one(name)
        for name in self.order:
            self._drop_what_went(name)

    def rebind(self, namespace: dict[str, Any], imported: Mapping[str, tuple[str, str]] | None) -> None:
        """Names that hold something of an old module hold that of the new one."""
        moved = {
            id(old): (name, attribute)
            for name, (module, was) in self._old.items()
            for attribute, old in was.items()
            if not attribute.startswith("__") and _is_code(old) and self._is_new(module, attribute, old)
        }
        for bound, value in list(namespace.items()):
            origin = moved.get(id(value)) or self._origin_of_data(bound, value, imported)
            if origin is not None:
                namespace[bound] = names_of(self._old[origin[0]][0])[origin[1]]

    def _origin_of_data(
        self, bound: str, value: object, imported: Mapping[str, tuple[str, str]] | None
    ) -> tuple[str, str] | None:
        candidates = [(name, bound) for name in self.order] if imported is None else [imported.get(bound, ("", ""))]
        for name, attribute in candidates:
            module, was = self._old.get(name, (None, {}))
            same = module is not None and attribute in was and was[attribute] is value
            if module is not None and same and self._is_new(module, attribute, value):
                return name, attribute
        return None

    @staticmethod
    def _is_new(module: ModuleType, attribute: str, old: object) -> bool:
        names = names_of(module)
        return attribute in names and names[attribute] is not old

    def _run_one(self, name: str) -> None:
        module = self._old[name][0]
        if self.local[name].text != self.fresh[name].text or name in self.edited:
            _drop_old_bytecode(module, self.fresh[name].path)
        try:
            importlib.reload(module)
        except (Exception, SystemExit) as error:
            self._put_back()
            raise JoError(_cannot(name, self.fresh[name], _shown(error, self.fresh[name].path))) from error
        except BaseException:
            self._put_back()
            raise

    def _put_back(self) -> None:
        for name, (module, was) in self._old.items():
            names = names_of(module)
            names.clear()
            names.update(was)
            sys.modules[name] = module

    def _drop_what_went(self, name: str) -> None:
        """What the old text defined and the new one does not is gone, as it would be in a fresh process."""
        module, was = self._old[name]
        old, new = self.local[name], self.fresh[name]
        if problem_of(old.text):
            return
        outline, later = outline_of(old.text), outline_of(new.text)
        if later.stars or later.dynamic or outline.dynamic:
            return
        for gone in outline.bindings.keys() - later.bindings.keys():
            value = names_of(module).get(gone)
            if gone in was and value is was[gone] and not isinstance(value, ModuleType) and not gone.startswith("__"):
                del names_of(module)[gone]


def _is_code(value: object) -> bool:
    """A function or class, decorated ones too, that is not the notebook's own."""
    try:
        return callable(value) and getattr(value, "__module__", None) not in (None, "__main__")
    except Exception:  # noqa: BLE001 - a user's object may raise anything here
        return False


def _order(edited: Iterable[str], local: Mapping[str, Home]) -> tuple[str, ...]:
    """The edited modules and all that import them, each after those that it imports; circles in order of names."""
    needs = {name: _imported(name, home, local) for name, home in local.items()}
    users: dict[str, set[str]] = {}
    for name, others in needs.items():
        for other in others:
            users.setdefault(other, set()).add(name)
    chosen: set[str] = set()
    waiting = list(edited)
    while waiting:
        name = waiting.pop()
        if name not in chosen:
            chosen.add(name)
            waiting += users.get(name, ())
    done: dict[str, None] = {}
    for first in sorted(chosen):
        stack, begun = [first], {first}
        while stack:
            inner = [n for n in sorted(needs.get(stack[-1], ())) if n in chosen and n not in done and n not in begun]
            if inner:
                stack.append(inner[0])
                begun.add(inner[0])
            else:
                done[stack.pop()] = None
    return tuple(done)


def _imported(name: str, home: Home, local: Mapping[str, Home]) -> set[str]:
    """The loaded local modules that a module imports at its top."""
    found: set[str] = set()
    for imported in imports_at_top(home.text):
        full = absolute(imported, name, home.is_package)
        found.update(n for n in (full, f"{full}.{imported.attribute}") if n in local)
    return found - {name}


def _drop_old_bytecode(module: ModuleType, path: str) -> None:
    """Bytecode counts as fresh by the source's size and whole seconds: after a quick edit that would be wrong."""
    if bytecode_fits(module, path):
        with suppress(OSError):
            os.unlink(names_of(module)["__cached__"])


def _cannot(name: str, home: Home, why: str) -> str:
    file = os.path.basename(home.path) or name
    if os.path.basename(home.path) == "__init__.py":
        file = os.path.join(os.path.basename(os.path.dirname(home.path)), file)
    return f"The module {name} ({file}) cannot be loaded again: {why}. Mend the file and run this cell again."


def _shown(error: BaseException, path: str) -> str:
    """An error in one line, with the line of the module that it came from."""
    line = error.lineno if isinstance(error, SyntaxError) and error.filename == path else None
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == path:
            line = trace.tb_lineno
        trace = trace.tb_next
    where = f"line {line}: " if line else ""
    text = " ".join(str(error).split())
    return f"{where}{type(error).__name__}" + (f": {text}" if text else "")
