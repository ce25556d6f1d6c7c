"""The functions behind stages: found, and their arguments checked, before anything runs. Their modules are imported."""

from __future__ import annotations

import importlib
import inspect
import os
import sys
import traceback
from collections.abc import Callable, Collection, Iterable
from pathlib import Path
from types import ModuleType
from typing import Any

from jo_notebook.core.homes import source_of
from jo_notebook.errors import JoError, UsageError, did_you_mean

Reload = Callable[[Iterable[str]], None]
Fail = Callable[[str], UsageError]


class Functions:
    """Finds functions by module and name. `folder` comes first on Python's path, as a script's does.

    `reload` brings modules that were edited since they were imported up to date.
    """

    def __init__(self, folder: Path, reload: Reload) -> None:
        self.folder = folder
        self._reload = reload
        self._modules: dict[str, ModuleType] = {}
        _put_first(str(folder))

    def find(self, module: str, name: str, fail: Fail) -> Any:
        """What `module` holds under `name`, which can be called.

        Raises what `fail` makes of a message: no such module, one that cannot be imported, no such function.
        """
        value: Any = self._module(module, fail)
        at = module
        for piece in name.split("."):
            try:
                value = getattr(value, piece)
            except AttributeError as error:
                hint = did_you_mean(piece, _callables(value)) or _listed(_callables(value))
                raise fail(f"{at} has no function {piece}.{hint}") from error
            except Exception as error:  # a user's __getattr__ may raise anything
                raise fail(f"{at}.{piece} cannot be read: {_told(error)}.") from error
            at = f"{at}.{piece}"
        if not callable(value):
            raise fail(f"{at} is no function: it cannot be called.")
        return value

    def _module(self, name: str, fail: Fail) -> ModuleType:
        if name not in self._modules:
            self._modules[name] = self._imported(name, fail)
        return self._modules[name]

    def _imported(self, name: str, fail: Fail) -> ModuleType:
        beside = self._beside(name)
        loaded = sys.modules.get(name.partition(".")[0])
        if beside and isinstance(loaded, ModuleType) and not _is_same(path := source_of(loaded), beside):
            where = path or "Python itself"
            raise fail(f"{name} is loaded from {where} in this process, not from {beside}: rename it, or start anew.")
        importlib.invalidate_caches()
        try:
            self._reload(_family(name))
            return importlib.import_module(name)
        except KeyboardInterrupt:
            raise
        except ModuleNotFoundError as error:
            if error.name is None or not (name + ".").startswith(error.name + "."):
                raise fail(f"{name} cannot be imported: {_told(error)}.") from error
            near = did_you_mean(name, self._neighbours()) or _listed(self._neighbours(), "Beside the file are")
            raise fail(f"there is no module {name}, neither beside this file nor on Python's path.{near}") from error
        except JoError as error:
            raise fail(str(error)) from error
        except BaseException as error:  # SystemExit too: a module that ends the process is one that cannot be used
            raise fail(f"{name} cannot be imported: {_told(error)}.") from error

    def _beside(self, name: str) -> str:
        """The file of the module's first part beside the stages file; empty where there is none."""
        top = self.folder / name.partition(".")[0]
        places = (top / "__init__.py", top.with_name(top.name + ".py"))
        return next((str(place) for place in places if place.is_file()), "")

    def _neighbours(self) -> list[str]:
        try:
            return sorted(path.stem for path in self.folder.glob("*.py"))
        except OSError:
            return []


def arguments_of(function: Any, named: Collection[str], offered: Iterable[str], fail: Fail) -> list[str]:
    """Which names a function is called with, in its own order: all of `named`, and of `offered` those that it takes.

    Raises what `fail` makes of a message where it does not take a name, or needs another one.
    """
    try:
        signature = inspect.signature(function)
    except Exception:  # noqa: BLE001 - built-in functions tell nothing, and a user's __signature__ may raise
        return [*named]
    parameters = signature.parameters
    by_name = {n: p for n, p in parameters.items() if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
    takes_any = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    unknown = [name for name in named if name not in by_name]
    if unknown and not takes_any:
        hint = did_you_mean(unknown[0], by_name) or (
            f" It takes {', '.join(by_name)}." if by_name else " It takes none."
        )
        raise fail(f"its function takes no {unknown[0]}.{hint}")
    given = [name for name in by_name if name in named or name in offered] + unknown
    for parameter in parameters.values():
        is_needed = parameter.default is parameter.empty and parameter.kind not in (
            parameter.VAR_POSITIONAL,
            parameter.VAR_KEYWORD,
        )
        if is_needed and parameter.name not in given:
            only = " by position only" if parameter.kind is parameter.POSITIONAL_ONLY else ""
            raise fail(f"its function needs {parameter.name}{only}, and nothing gives it.")
    return given


def takes(function: Any, name: str) -> bool:
    """Whether a function has a parameter of this name."""
    try:
        parameter = inspect.signature(function).parameters.get(name)
    except Exception:  # noqa: BLE001 - as above
        return False
    return parameter is not None and parameter.kind in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY)


def _family(name: str) -> list[str]:
    """A module and, where it is in a package, all of that that is loaded: names come from anywhere in it."""
    top = name.partition(".")[0]
    return [loaded for loaded in list(sys.modules) if loaded == top or loaded.startswith(f"{top}.")]


def _put_first(folder: str) -> None:
    if sys.path[:1] != [folder]:
        sys.path[:] = [folder, *(place for place in sys.path if place != folder)]


def _callables(value: object) -> list[str]:
    try:
        names = vars(value)
        return [n for n, v in list(names.items()) if callable(v) and not n.startswith("_")]
    except Exception:  # noqa: BLE001 - a user's object may answer anything
        return []


def _listed(names: list[str], what: str = "It has") -> str:
    more = ", …" if len(names) > 12 else ""
    return f" {what} {', '.join(names[:12])}{more}." if names else ""


def _is_same(one: str, other: str) -> bool:
    try:
        return os.path.samefile(one, other)
    except OSError:
        return False


def _told(error: BaseException) -> str:
    """The error in a line, with the place in the user's own file."""
    text = " ".join(str(error).split())
    name = type(error).__name__
    if isinstance(error, SyntaxError):
        return f"{name}: {error.msg} ({os.path.basename(error.filename or '?')}, line {error.lineno})"
    frames = [f for f in traceback.extract_tb(error.__traceback__) if not f.filename.startswith("<frozen")]
    own = [f for f in frames if f.filename not in (__file__, importlib.__file__)]
    place = f" ({os.path.basename(own[-1].filename)}, line {own[-1].lineno})" if own else ""
    return f"{name}{': ' if text else ''}{text.rstrip('.')}{place}"
