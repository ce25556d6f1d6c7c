"""Whether a value is certainly unchanged: never yes where it was changed, and yes where it is cheap to tell."""

from __future__ import annotations

import functools
import math
import types
from typing import Any

import pytest

from jo_notebook.core.witness import still, witness

FIXED = {
    "a number": "1",
    "text": "'x'",
    "bytes": "b'x'",
    "None": "None",
    "a range": "range(3)",
    "a tuple": "(1, ('a', None), frozenset({2}))",
    "a function": "f",
    "a lambda": "lambda x: x + 1",
    "a function with defaults": "with_defaults",
    "a closure": "made(3)",
    "a class": "Plain",
    "a class of a class": "Below",
    "a builtin": "len",
    "a module": "math",
}
CODE = """
import math
def f(x): return x
def with_defaults(x, y=1, *, z=(1, 2)): return x
def made(n):
    def inner(): return n
    return inner
class Plain:
    x = 1
    def method(self): return self.x
    @property
    def shown(self): return self.x
    @staticmethod
    def static(): return 1
    @classmethod
    def made(cls): return cls()
class Below(Plain):
    y = (1, 2)
"""


def names() -> dict[str, Any]:
    namespace: dict[str, Any] = {"__name__": "__main__"}
    exec(CODE, namespace)
    return namespace


@pytest.mark.parametrize("what", FIXED)
def test_what_is_known_without_looking(what: str) -> None:
    value = eval(FIXED[what], names())
    before = witness(value)
    assert before is not None
    assert still(before, value)


@pytest.mark.parametrize(
    "text",
    [
        "[1]", "{}", "{1}", "bytearray(1)", "(1, [2])", "lambda x=[1]: x", "made([1])", "object()", "Plain()",
        "iter('a')", "type('Odd', (), {'values': []})", "type('Deep', (), {'inner': type('In', (), {'v': {}})})",
    ],
)  # fmt: skip
def test_what_can_change_unseen_has_none(text: str) -> None:
    value = eval(text, names())
    before = witness(value)
    assert before is None or not still(before, value)


CHANGES = {
    "a default": ("f", "f.__defaults__ = (1,)"),
    "a keyword's default": ("with_defaults", "with_defaults.__kwdefaults__ = {'z': 2}"),
    "a keyword's default, in place": ("with_defaults", "with_defaults.__kwdefaults__['z'] = 2"),
    "its code": ("f", "f.__code__ = with_defaults.__code__"),
    "an attribute": ("f", "f.mark = 1"),
    "a closure's cell": ("g", "g.__closure__[0].cell_contents = 9"),
    "a class's value": ("Plain", "Plain.x = 2"),
    "a new member": ("Plain", "Plain.y = 2"),
    "a member that is gone": ("Plain", "del Plain.x"),
    "a method": ("Plain", "Plain.method = lambda self: 2"),
    "a method's default": ("Plain", "Plain.method.__defaults__ = (None,)"),
    "a property's function": ("Plain", "Plain.shown.fget.__code__ = (lambda self: 5).__code__"),
    "a static method's code": ("Plain", "Plain.__dict__['static'].__func__.__code__ = (lambda: 5).__code__"),
    "a base's value": ("Below", "Plain.x = 2"),
    "a function's annotations": ("f", "f.__annotations__['x'] = int"),
    "a docstring": ("f", "f.__doc__ = 'other'"),
    "a class's docstring": ("Plain", "Plain.__doc__ = 'other'"),
    "the members in another order": ("Plain", "x = Plain.x; del Plain.x; Plain.x = x"),
}
TEXT_ONLY = ("a function's annotations", "a docstring", "the members in another order")


@pytest.mark.parametrize("what", [what for what in CHANGES if what not in TEXT_ONLY])
def test_a_change_in_place_is_noticed(what: str) -> None:
    name, change = CHANGES[what]
    namespace = names()
    exec("g = made(3)", namespace)
    value = namespace[name]
    before = witness(value)
    assert still(before, value)
    exec(change, namespace)
    assert not still(before, value)


def test_another_object_that_is_equal() -> None:
    one, other = names()["f"], names()["f"]
    assert not still(witness(one), other)


def test_no_witness_is_never_still() -> None:
    assert not still(None, 1)
    assert not still(None, [1])


def test_recursive_and_large_values_end() -> None:
    """A class that holds itself, a function that refers to itself, thousands of members, deep tuples."""
    namespace = names()
    exec("Plain.me = Plain\nf.me = f", namespace)
    for name in ("Plain", "f"):
        assert witness(namespace[name]) is None or still(witness(namespace[name]), namespace[name])
    assert witness(tuple(range(10**6))) is None
    deep: tuple[Any, ...] = ()
    for _ in range(10**4):
        deep = (deep,)
    assert witness(deep) is None


def test_a_cell_that_is_not_bound_yet() -> None:
    def outer() -> Any:
        def inner() -> Any:
            return later

        before = witness(inner)
        later = 1
        return inner, before, later

    inner, before, _ = outer()
    assert not still(before, inner) or witness(inner) == before


@pytest.mark.parametrize(
    "value",
    [functools.partial(math.floor, 1.5), types.SimpleNamespace(a=1), functools.lru_cache(math.floor), [].append],
    ids=["a partial", "a namespace", "a cache", "a method of a list"],
)
def test_other_kinds(value: Any) -> None:
    """Looked at anew, or really fixed."""
    before = witness(value)
    assert before is None or still(before, value)
    if isinstance(value, types.SimpleNamespace):
        assert before is None


def test_a_method_of_a_list() -> None:
    """A builtin method holds an object that may change."""
    held: list[int] = []
    assert witness(held.append) is None
