"""A dict with attribute access: which key an attribute means, what is never lost, and that it is a dict to all else."""

from __future__ import annotations

import copy
import io
import pickle
import subprocess
import sys
from typing import Any

import dill
import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.difference import difference
from jo_notebook.core.version import version_of
from jo_notebook.errors import JoError
from jo_notebook.store.formats import decode, encode, runs_code

PLAIN: Any = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("keys", "attribute", "key"),
    [
        pytest.param(["a"], "a", "a", id="the same"),
        pytest.param(["a b"], "a_b", "a b", id="a space"),
        pytest.param(["a-b"], "a_b", "a-b", id="a hyphen"),
        pytest.param(["a.b/c"], "a_b_c", "a.b/c", id="signs"),
        pytest.param(["7zip"], "_7zip", "7zip", id="a digit first"),
        pytest.param(["class"], "_class", "class", id="a keyword"),
        pytest.param([5], "_5", 5, id="a number"),
        pytest.param([".hidden"], "_hidden", ".hidden", id="a dot first"),
        pytest.param(["größe"], "größe", "größe", id="letters"),
        pytest.param(["a b", "a_b"], "a_b", "a_b", id="the one that is spelt so goes first"),
        pytest.param(["save", "delete", "save_path", "_aliases"], "_aliases", "_aliases", id="nothing is reserved"),
    ],
)
def test_which_key_an_attribute_means(keys: list[Any], attribute: str, key: Any):
    given_ = AttrDict((each, object()) for each in keys)
    assert getattr(given_, attribute) is given_[key]
    assert attribute in dir(given_)
    setattr(given_, attribute, "new")
    assert given_[key] == "new"
    assert list(given_) == keys
    delattr(given_, attribute)
    assert list(given_) == [each for each in keys if each != key]


def test_two_keys_of_one_name_stay_two_and_are_asked_about():
    both = AttrDict({"a-b": 1, "a b": 2})
    for act in (lambda: both.a_b, lambda: setattr(both, "a_b", 3), lambda: delattr(both, "a_b")):
        with pytest.raises(AttributeError, match=r"a_b may be 'a-b' and 'a b' of the dict: say which one with \[\]"):
            act()
    assert "a_b" not in dir(both)
    assert both == {"a-b": 1, "a b": 2}


def test_an_attribute_that_is_no_key():
    one = AttrDict(Alpha=1)
    with pytest.raises(AttributeError, match=r"Nothing in the dict is called alpha\. Did you mean Alpha") as caught:
        one.alpha
    assert isinstance(caught.value, JoError)
    assert not hasattr(one, "beta")
    assert getattr(one, "beta", 7) == 7
    with pytest.raises(AttributeError):
        del one.beta
    one.beta = 2
    assert one == {"Alpha": 1, "beta": 2}


@pytest.mark.parametrize("name", ["keys", "items", "get", "pop", "update", "copy", "clear", "values", "setdefault"])
def test_dicts_own_names_win_and_lose_no_key(name: str):
    one = AttrDict({name: 5})
    assert callable(getattr(one, name))
    assert one[name] == 5
    with pytest.raises(AttributeError, match=f"{name} is a name of dict's own"):
        setattr(one, name, 6)
    with pytest.raises(AttributeError, match=f"{name} is a name of dict's own"):
        delattr(one, name)
    assert one == {name: 5}


def test_names_by_which_python_asks_are_no_keys():
    one = AttrDict({"__deepcopy__": 1, "__reduce_ex__": 2, "__getstate__": 3, "__html__": 4})
    assert copy.deepcopy(one) == one
    assert pickle.loads(pickle.dumps(one)) == one
    assert not hasattr(one, "__html__")


def test_one_level_only():
    one = AttrDict({"inner": {"a": 1}})
    assert type(one.inner) is dict
    with pytest.raises(AttributeError):
        one.inner.a


@pytest.mark.parametrize("again", [copy.copy, copy.deepcopy, lambda v: v.copy(), AttrDict, lambda v: v | {}])
def test_copies(again):
    one = AttrDict({"a b": [1], 5: None})
    other = again(one)
    assert type(other) is AttrDict
    assert other == one == {"a b": [1], 5: None}
    other.new = 1
    assert "new" not in one


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_it_pickles(protocol: int):
    one = AttrDict({"a": AttrDict(b=1), "c": {"d": 2}})
    for module in (pickle, dill):
        again = module.loads(module.dumps(one, protocol=protocol))
        assert again == one
        assert (type(again), type(again.a), type(again.c)) == (AttrDict, AttrDict, dict)


def test_one_that_holds_itself():
    one = AttrDict()
    one.me = one
    assert repr(one) == "AttrDict({'me': AttrDict({...})})" or "..." in repr(one)
    again = copy.deepcopy(one)
    assert again.me is again
    plain: dict[str, Any] = {}
    plain["me"] = plain
    assert version_of(one).digest == version_of(plain).digest


def test_or_and_what_it_looks_like():
    one = AttrDict(a=1)
    assert (one | {"b": 2}, {"b": 2} | one) == ({"a": 1, "b": 2}, {"b": 2, "a": 1})
    assert type(one | {}) is type({} | one) is AttrDict
    with pytest.raises(TypeError):
        one | 5
    one |= {"c": 3}
    assert (type(one), repr(one), repr(AttrDict())) == (AttrDict, "AttrDict({'a': 1, 'c': 3})", "AttrDict()")


# -- to data versions and formats ------------------------------------------------------------------------


def deep(value: Any) -> Any:
    """The same value with AttrDicts in the place of dicts."""
    if type(value) is list:
        return [deep(item) for item in value]
    return AttrDict({key: deep(item) for key, item in value.items()}) if type(value) is dict else value


@given(PLAIN)
def test_its_version_is_the_plain_dicts(value: Any):
    assert version_of(deep(value)) == version_of(value)


@given(PLAIN)
def test_it_comes_back_from_a_format_without_code(value: Any):
    encoded = encode(deep({"it": value}))
    found = decode(
        encoded.format, encoded.stream, [memoryview(bytearray(b)) for b in encoded.buffers], python="", step="A"
    )
    assert not runs_code(encoded.format)
    assert repr(found) == repr(deep({"it": value}))


@pytest.mark.parametrize(
    ("value", "form"),
    [
        pytest.param(AttrDict(), "json", id="empty"),
        pytest.param(AttrDict(a=1), "json", id="small"),
        pytest.param(AttrDict({"$tuple": 1, 5: "x", ("a", 1): 2}), "json", id="keys of all kinds"),
        pytest.param([(AttrDict(a=AttrDict(b=1)), {"c": AttrDict(d=1)})], "json", id="inside"),
        pytest.param(AttrDict({str(n): n for n in range(100)}), "json", id="more than a few"),
        pytest.param(AttrDict(output=np.arange(5)), "data", id="with an array"),
        pytest.param(AttrDict(output=pd.DataFrame({"a": [1, 2]}), names=["a"]), "data", id="with a frame"),
        pytest.param({"x": [AttrDict(output=np.arange(5))]}, "data", id="with an array, inside"),
    ],
)
def test_formats(value: Any, form: str):
    encoded = encode(value)
    assert encoded.format == form
    found = decode(form, encoded.stream, [memoryview(bytearray(b)) for b in encoded.buffers], python="", step="A")
    assert repr(found) == repr(value)
    assert type(found) is type(value)
    assert version_of(found) == version_of(value)


def test_a_large_one_is_pickled():
    value = AttrDict({str(n): [n] for n in range(30_000)})
    encoded = encode(value)
    assert encoded.format == "pickle"
    found = decode("pickle", encoded.stream, encoded.buffers, python="", step="A")
    assert (type(found), found) == (AttrDict, value)


def test_a_dict_of_another_kind_is_not_the_same():
    class Mine(AttrDict):
        pass

    assert version_of(Mine(a=1)).digest != version_of({"a": 1}).digest
    assert difference({"a": 1}, AttrDict(a=1)) == ""
    assert "1 → 2" in difference(AttrDict(a=1), AttrDict(a=2))


def test_it_imports_next_to_nothing():
    code = "import sys; a = set(sys.modules); import jo_notebook.core.attributes; print(*set(sys.modules) - a)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"inspect", "difflib", "dataclasses"} & set(done.stdout.split())


def test_it_is_told_from_what_it_says_of_itself():
    told = io.StringIO()
    print(AttrDict(a=AttrDict(b=1)), file=told)
    assert told.getvalue() == "AttrDict({'a': AttrDict({'b': 1})})\n"
