"""Loads edited modules again, all of them or none, and gives the notebook's names and values what is new."""

from __future__ import annotations

import enum
import functools
import gc
import importlib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from jo_notebook.core.homes import Find, Home, Kind, names_of
from jo_notebook.core.kinds import bases_of, members_of, module_of, name_of
from jo_notebook.core.reaching import absolute
from jo_notebook.core.slices import imports_at_top, outline_of, problem_of
from jo_notebook.core.texts import quietly
from jo_notebook.core.version import code_digest
from jo_notebook.engine.finding import bytecode_fits
from jo_notebook.errors import JoError

DEEPEST = 6
MEMBERS = 10_000  # items of a container that are looked through
MOST = 200_000  # values in all
SHELL = re.compile(r"_+|_\d+|_i+|_i\d+|_[oid]h|In|Out|get_ipython|exit|quit|__\w+__")
"""What IPython keeps for itself among the notebook's names."""


@dataclass(frozen=True, slots=True)
class Reloaded:
    """The modules that were loaded again, and the names of the notebook that still hold something old."""

    names: tuple[str, ...] = ()
    left_over: tuple[str, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.names)


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

    def rebind(self, namespace: dict[str, Any], imported: Mapping[str, tuple[str, str]] | None) -> tuple[str, ...]:
        """Names that hold something of an old module hold that of the new one, and so do their values.

        Answers the names whose values could not be brought up to date. Whatever is raised, all is as it was.
        """
        moved = {
            id(old): (old, names_of(module)[attribute])
            for module, was in self._old.values()
            for attribute, old in was.items()
            if not attribute.startswith("__") and _is_code(old) and self._is_new(module, attribute, old)
        }
        mending = _Mending(moved, {id(names_of(m)): self.fresh[n].text for n, (m, _) in self._old.items()}, namespace)
        left_over = []
        try:
            for bound, value in list(namespace.items()):
                if SHELL.fullmatch(bound):
                    continue
                origin = self._origin_of_data(bound, value, imported) if id(value) not in moved else None
                if origin is not None:
                    fresh = names_of(self._old[origin[0]][0])[origin[1]]
                else:
                    mending.failed = False
                    fresh = mending.fresh(value)
                    if mending.failed:
                        left_over.append(bound)
                if fresh is not value:
                    mending.undo.append(functools.partial(namespace.__setitem__, bound, value))
                    namespace[bound] = fresh
        except BaseException:
            for back in reversed(mending.undo):
                with suppress(Exception):
                    back()
            self._put_back()
            raise
        return tuple(sorted(left_over))

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


class _Mending:
    """Gives values what is new of what they hold, in place where that works.

    `moved` are the old functions and classes with the new ones, by identity; `texts` the new texts of the modules,
    by the identity of their namespaces. `failed` says that something old was met that stays. `undo` takes it back.
    """

    def __init__(self, moved: dict[int, tuple[Any, Any]], texts: Mapping[int, str], namespace: dict[str, Any]) -> None:
        self.failed = False
        self.undo: list[Callable[[], object]] = []
        self._moved = moved
        self._texts = texts
        self._namespace = namespace
        self._done: dict[int, tuple[Any, Any, bool]] = {}

    def fresh(self, value: Any, depth: int = DEEPEST) -> Any:
        """What is to stand in the place of a value: itself, wherever nothing old is in it or it can be mended."""
        if id(value) in self._moved:
            return self._moved[id(value)][1]
        known = self._done.get(id(value))
        if known is not None:
            self.failed = self.failed or known[2]
            return known[1]
        if depth == 0 or len(self._done) > MOST:
            return value
        before, self.failed = self.failed, False
        self._done[id(value)] = (value, value, False)
        try:
            found = self._mended(value, depth - 1)
        except Exception:  # noqa: BLE001 - a user's object may raise anything when it is looked at
            found = value
        self._done[id(value)] = (value, found, self.failed)
        self.failed = self.failed or before
        return found

    def _mended(self, value: Any, depth: int) -> Any:
        kind = type(value)
        if kind in (list, dict, set, frozenset, tuple):
            return self._container(value, kind, depth) if 0 < len(value) <= MEMBERS else value
        if kind is FunctionType:
            self._function(value, depth)
        elif kind is functools.partial:
            return self._partial(value, depth)
        elif kind is MethodType:
            return self._method(value, depth)
        elif kind in (staticmethod, classmethod):
            inner = self.fresh(value.__func__, depth)
            return value if inner is value.__func__ else kind(inner)
        elif kind is property:
            parts = (value.fget, value.fset, value.fdel)
            new = tuple(self.fresh(part, depth) for part in parts)
            return value if all(map(_is, new, parts)) else property(*new)
        elif isinstance(value, type):
            if module_of(value) == "__main__":
                self._class(value, depth)
            elif (new_class := self._new_class(value)) is not value:
                self.failed = self.failed or new_class is None
                return new_class or value
        elif isinstance(wrapped := _own(value).get("__wrapped__"), FunctionType):  # a cache around a function
            same = self.fresh(wrapped, depth) is wrapped
            self.failed = self.failed or not same
        elif not isinstance(value, ModuleType):
            return self._instance(value, kind, depth)
        return value

    def _container(self, value: Any, kind: type, depth: int) -> Any:
        items = list(value.values()) if kind is dict else list(value)
        new = [self.fresh(item, depth) for item in items]
        keys = [self.fresh(key, depth) for key in value] if kind is dict else []
        if all(map(_is, new, items)) and (kind is not dict or all(map(_is, keys, value))):
            return value
        if kind in (tuple, frozenset):
            return kind(new)
        old = kind(value)
        if kind is list:
            self._do(lambda: value.__setitem__(slice(None), new), lambda: value.__setitem__(slice(None), old))
        else:
            filled = dict(zip(keys, new, strict=True)) if kind is dict else set(new)
            self._do(lambda: _refill(value, filled), lambda: _refill(value, old))
        return value

    def _function(self, value: FunctionType, depth: int) -> None:
        if self._is_old(value):
            self.failed = True
        if value.__defaults__:
            self._set(value, "__defaults__", self.fresh(value.__defaults__, depth))
        for held in (value.__kwdefaults__, value.__dict__):
            if held:
                self.fresh(held, depth)
        for cell in value.__closure__ or ():
            try:
                inner = cell.cell_contents
            except ValueError:  # a name that is not bound yet
                continue
            self._set(cell, "cell_contents", self.fresh(inner, depth))

    def _is_old(self, value: FunctionType) -> bool:
        """Whether code of a module that was loaded again is no more in its text."""
        text = self._texts.get(id(value.__globals__))
        return text is not None and code_digest(value.__code__) not in _codes(text)

    def _partial(self, value: Any, depth: int) -> Any:
        parts = (value.func, value.args, value.keywords)
        new = self.fresh(value.func, depth), self.fresh(value.args, depth), self.fresh(value.keywords, depth)
        if all(map(_is, new, parts)):
            return value
        made = functools.partial(new[0], *new[1], **new[2])
        made.__dict__.update(value.__dict__)
        return made

    def _method(self, value: MethodType, depth: int) -> Any:
        function, owner = value.__func__, self.fresh(value.__self__, depth)
        kind = owner if isinstance(owner, type) else type(owner)
        found = next(
            (members_of(k)[function.__name__] for k in kind.__mro__ if function.__name__ in members_of(k)), None
        )
        found = found.__func__ if isinstance(found, classmethod) else found
        if isinstance(found, FunctionType) and found is not function and id(function.__globals__) in self._texts:
            return MethodType(found, owner)
        if isinstance(function, FunctionType) and self._is_old(function):
            self.failed = True
        return value if owner is value.__self__ else MethodType(function, owner)

    def _class(self, value: type, depth: int) -> None:
        bases = bases_of(value)
        new = tuple(self.fresh(base, depth) for base in bases)
        if not all(map(_is, new, bases)):
            self._set(value, "__bases__", new)
        for name, member in list(members_of(value).items()):
            if not name.startswith("__") or isinstance(member, FunctionType):
                fresh = self.fresh(member, depth)
                if fresh is not member:
                    self._set(value, name, fresh, member)

    def _new_class(self, kind: type) -> type | None:
        """What a class is now: itself, unless it is of an old module; None where the new one has none such."""
        if id(kind) in self._moved:
            found = self._moved[id(kind)][1]
            return found if isinstance(found, type) else None
        module = sys.modules.get(module_of(kind))
        if not isinstance(module, ModuleType) or id(names_of(module)) not in self._texts or "<" in name_of(kind):
            return kind
        found, names = None, names_of(module)
        for piece in name_of(kind).split("."):
            found = names.get(piece)
            names = dict(members_of(found)) if isinstance(found, type) else {}
        return found if isinstance(found, type) else None

    def _instance(self, value: Any, kind: type, depth: int) -> Any:
        new = self._new_class(kind)
        if new is None:
            self.failed = True
        elif new is not kind:
            if isinstance(value, enum.Enum):
                name = vars(value).get("_name_")
                members = members_of(new).get("_member_map_", {})
                self.failed = self.failed or name not in members
                return members.get(name, value)
            self._set(value, "__class__", new, kind)
        elif module_of(kind) != "__main__":
            held = gc.get_referents(value)[:MEMBERS]
            self.failed = self.failed or any(map(self._is_stale, held))
            return value
        if len(own := _own(value)) <= MEMBERS:
            self.fresh(own, depth)
        return value

    def _is_stale(self, value: object) -> bool:
        """Whether this is something old, that sits where it cannot be replaced."""
        if type(value) is FunctionType and self._is_old(value):
            return True
        return id(value) in self._moved and self._moved[id(value)][1] is not value

    def _set(self, owner: Any, name: str, new: Any, old: Any = None) -> None:
        old = getattr(owner, name) if old is None else old
        if new is old:
            return
        put = type.__setattr__ if isinstance(owner, type) else object.__setattr__
        self._do(functools.partial(put, owner, name, new), functools.partial(put, owner, name, old))

    def _do(self, do: Callable[[], object], back: Callable[[], object]) -> None:
        try:
            do()
        except Exception:  # noqa: BLE001 - another layout, a class that does not let itself be changed
            self.failed = True
            with suppress(Exception):
                back()
        else:
            self.undo.append(back)


def _is(one: object, other: object) -> bool:
    return one is other


def _refill(container: Any, items: Any) -> None:
    container.clear()
    container.update(items)


def _own(value: object) -> dict[str, Any]:
    """What an object holds itself; empty where that cannot be told."""
    try:
        own = object.__getattribute__(value, "__dict__")
    except Exception:  # noqa: BLE001 - it has none, or a class that raises
        return {}
    return own if type(own) is dict else {}


@functools.lru_cache(maxsize=64)
def _codes(text: str) -> frozenset[str]:
    """The digests of all functions that a module's text compiles to."""
    with quietly():
        queue = [compile(text, "<module>", "exec", dont_inherit=True)]
    found: set[str] = set()
    while queue:
        code = queue.pop()
        found.add(code_digest(code))
        queue += [inner for inner in code.co_consts if isinstance(inner, CodeType)]
    return frozenset(found)


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
