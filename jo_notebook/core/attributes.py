"""A dict whose keys can be read, written and deleted as attributes, too; and which key an attribute means.

A key that is no Python name answers to the name it makes: `a b` and `a-b` to `a_b`, `7zip` to `_7zip`, `class` to
`_class`, 5 to `_5`. A key that is spelt like the attribute always goes first.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Iterable
from typing import Any, Self

from jo_notebook.errors import AttributeMissing, did_you_mean


class AttrDict(dict[Any, Any]):
    """A dict with attribute access, one level deep: a plain dict inside stays what it is.

    The names of dict's own methods mean those methods; every key, whatever it is called, is reached with `[]`, and no
    key is lost or kept for ourselves. To a data version, and to `==`, it is the dict of the same items.
    """

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        """The value of a key. Raises AttributeMissing, also where two keys answer to this name."""
        return self[key_of(name, self, "the dict")]

    def __setattr__(self, name: str, value: Any) -> None:
        """Writes the key that answers to this name, or a new one. Raises AttributeMissing for a name of dict's own."""
        if hasattr(type(self), name):
            raise AttributeMissing(f"{name} is a name of dict's own: write d[{name!r}] = … for the key.")
        self[key_of(name, self, "the dict", new=True)] = value

    def __delattr__(self, name: str) -> None:
        """Deletes the key that answers to this name. Raises AttributeMissing."""
        if hasattr(type(self), name):
            raise AttributeMissing(f"{name} is a name of dict's own: write del d[{name!r}] for the key.")
        del self[key_of(name, self, "the dict")]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *attributes_of(self)]

    def __repr__(self) -> str:
        return f"{type(self).__name__}({super().__repr__()})" if self else f"{type(self).__name__}()"

    def __or__(self, other: Any) -> Any:
        return type(self)(super().__or__(other)) if isinstance(other, dict) else NotImplemented

    def __ror__(self, other: Any) -> Any:
        return type(self)({**other, **self}) if isinstance(other, dict) else NotImplemented

    def copy(self) -> Self:
        """Another one with the same items."""
        return type(self)(self)


def key_of(name: str, keys: Collection[Any], where: str, *, new: bool = False) -> Any:
    """The key that an attribute means: the one that is spelt so, or the only one that answers to it.

    With `new` it is the name itself where there is none. Raises AttributeMissing where there is none, or several.
    """
    if name in keys and not _is_special(name):
        return name
    found = [] if _is_special(name) else [key for key in keys if _answer_of(key) == name]
    if len(found) > 1:
        told = " and ".join(map(repr, found))
        raise AttributeMissing(f"{name} may be {told} of {where}: say which one with [].")
    if found:
        return found[0]
    if new and not _is_special(name):
        return name
    near = "" if name.startswith("_") else did_you_mean(name, (key for key in keys if isinstance(key, str)))
    raise AttributeMissing(f"Nothing in {where} is called {name}.{near}")


def attributes_of(keys: Iterable[Any]) -> list[str]:
    """The names that keys answer to, each once, without those that mean several."""
    keys = list(keys)
    exact = {key: key for key in keys if isinstance(key, str) and _answer_of(key) == key}
    answers = [answer for key in keys if (answer := _answer_of(key)) and answer not in exact]
    return [name for name in (*exact, *dict.fromkeys(answers)) if name in exact or answers.count(name) == 1]


def _answer_of(key: object) -> str:
    """The Python name of a key; empty for one that has none."""
    if type(key) is not str and type(key) is not int:
        return ""
    name = re.sub(r"\W", "_", str(key))
    return f"_{name}" if not name.isidentifier() or keyword.iskeyword(name) else name


def _is_special(name: str) -> bool:
    """Names by which Python asks what an object can do: no key answers to them."""
    return name.startswith("__") and name.endswith("__")
