"""A context as a dict that one writes into, with attributes, as job_orchestra's users know it."""

from __future__ import annotations

import copy
import os
import pickle
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import dill
import numpy as np
import pandas as pd
import pytest

from jo_notebook.core.attributes import AttrDict
from jo_notebook.errors import JoError, ResultMissing, StoreError, UsageError
from jo_notebook.store import Context
from tests.store.making import record

# What job_orchestra 1.1.4 does, seen by running it: each row is code over `Context` and what it gives there.
THEIRS: list[Any] = [
    pytest.param(lambda c: (setattr(c, "A", 1), c["A"], c.A)[1:], (1, 1), id="an attribute is an item"),
    pytest.param(lambda c: (c.__setitem__("B", 2), c.B)[1], 2, id="an item is an attribute"),
    pytest.param(lambda c: (c.__setitem__("a b", 3), c.a_b)[1], 3, id="a space"),
    pytest.param(lambda c: (c.__setitem__("x-y", 3), c.x_y)[1], 3, id="a hyphen"),
    pytest.param(lambda c: (c.__setitem__("a.b/c", 1), c.a_b_c)[1], 1, id="signs"),
    pytest.param(lambda c: (c.__setitem__("class", 1), c._class)[1], 1, id="a keyword"),
    pytest.param(lambda c: (c.__setitem__("7zip", 1), c._7zip)[1], 1, id="a digit first"),
    pytest.param(lambda c: c.get("Nope", 5), 5, id="get"),
    pytest.param(lambda c: (c.update({"u": 1}), c.u)[1], 1, id="update"),
    pytest.param(lambda c: (c.setdefault("u", 1), c.setdefault("u", 9)), (1, 1), id="setdefault"),
    pytest.param(lambda c: (c.update(u=1), c.pop("u"), c.pop("u", None))[1:], (1, None), id="pop"),
    pytest.param(lambda c: (c.update(a=1), c.clear(), dict(c))[2], {}, id="clear"),
    pytest.param(lambda c: (c.__setitem__("n", {"k": 1}), type(c["n"]), c.n["k"])[1:], (dict, 1), id="one level"),
    pytest.param(lambda c: (c.__setitem__("nn", None), "nn" in c, c.nn)[1:], (True, None), id="None is a value"),
    pytest.param(lambda c: (c.__setitem__("keys", 7), c["keys"], callable(c.keys))[1:], (7, True), id="methods win"),
    pytest.param(lambda c: ("A" in c, 3 in c), (False, False), id="in"),
    pytest.param(lambda c: type(c | {"b": 2}), dict, id="or gives a dict"),
    pytest.param(lambda c: c.__ior__({"b": 2}) is c, True, id="or in place"),
    pytest.param(lambda c: (c.update(a=1), "a" in list(reversed(c)))[1], True, id="reversed"),
    pytest.param(lambda c: (c.update(a=1), c.to_dict()["a"], ("a", 1) in c.to_list())[1:], (1, True), id="to_dict"),
    pytest.param(lambda c: sorted(c.context_meta), ["created_on", "python", "sklearn"], id="context_meta"),
    pytest.param(lambda c: c["context_meta"]["python"] == c.python_version(), True, id="context_meta as an item"),
]


@pytest.mark.parametrize(("do", "gives"), THEIRS)
def test_as_in_job_orchestra(do, gives, place: Path):
    for context in (Context(), Context(place)):
        assert do(context) == gives


@pytest.mark.parametrize(
    ("do", "error"),
    [
        pytest.param(lambda c: c.Nope, AttributeError, id="an attribute that is not there"),
        pytest.param(lambda c: c["Nope"], KeyError, id="an item that is not there"),
        pytest.param(lambda c: c[5], KeyError, id="an item that is no text"),
        pytest.param(lambda c: c.__delitem__("Nope"), KeyError, id="deleting an item"),
        pytest.param(lambda c: delattr(c, "Nope"), AttributeError, id="deleting an attribute"),
        pytest.param(lambda c: c.pop("Nope"), KeyError, id="pop"),
        pytest.param(lambda c: c.popitem(), KeyError, id="popitem"),
        pytest.param(lambda c: c.to_json(), NotImplementedError, id="to_json"),
        pytest.param(lambda c: c.from_json("x"), NotImplementedError, id="from_json"),
        pytest.param(lambda c: Context.load("nowhere"), FileNotFoundError, id="load where nothing is"),
        pytest.param(lambda c: c.store(os.getcwd()), FileExistsError, id="store where something is"),
        pytest.param(lambda c: Context("abc", keep="x"), JoError, id="keep is no number"),
        pytest.param(lambda c: Context(["abc"]), JoError, id="no pairs"),
        pytest.param(lambda c: Context(5), JoError, id="no mapping"),
        pytest.param(lambda c: c.update({"a": 1}, {"b": 2}), JoError, id="two mappings"),
        pytest.param(lambda c: c.store(), JoError, id="store without a path"),
        pytest.param(lambda c: c.load(), JoError, id="load without a path"),
    ],
)
def test_errors_are_ours_and_theirs(do, error):
    with pytest.raises(error) as caught:
        do(Context())
    assert isinstance(caught.value, JoError)
    assert "\n" not in str(caught.value)


def test_the_names_of_what_to_say_instead():
    with pytest.raises(NotImplementedError, match=re.escape("Use .store() instead")):
        Context().to_json()
    with pytest.raises(NotImplementedError, match=re.escape("Use .load() instead")):
        Context.from_json()


@pytest.mark.parametrize(
    ("made", "holds"),
    [
        pytest.param(lambda: Context(), {}, id="nothing"),
        pytest.param(lambda: Context({"a": 1}), {"a": 1}, id="a mapping"),
        pytest.param(lambda: Context([("a", 1)]), {"a": 1}, id="pairs"),
        pytest.param(lambda: Context(iter([("a", 1)])), {"a": 1}, id="an iterator of pairs"),
        pytest.param(lambda: Context(a=1, b=2), {"a": 1, "b": 2}, id="names"),
        pytest.param(lambda: Context({"a": 1}, b=2, a=3), {"a": 3, "b": 2}, id="both; the names win"),
        pytest.param(
            lambda: Context({"keep": 1, "quota": 2, "place": 3}), {"keep": 1, "quota": 2, "place": 3}, id="ours"
        ),
        pytest.param(lambda: Context({}), {}, id="an empty mapping"),
        pytest.param(lambda: Context(Context(a=1)), {"a": 1}, id="a context"),
    ],
)
def test_made_with_values(made, holds):
    context = made()
    assert dict(context) == holds
    assert context == holds
    assert context.place is None
    assert all(each.is_given for each in context.records.values())


def test_place_keep_and_quota_are_ours(place: Path):
    context = Context(place, keep=3, quota=5, alpha=1)
    assert (context.place, context.keep, context.quota, dict(context)) == (place, 3, 5, {"alpha": 1})
    context.keep = 4
    assert (context.keep, "keep" in context) == (4, False)
    assert dict(Context(place)) == {"alpha": 1}


@pytest.mark.parametrize("name", ["items", "keys", "store", "load", "place", "records", "take", "version", "forget"])
def test_a_name_of_ours_is_reached_as_an_item(name: str):
    context = Context({name: 5})
    assert context[name] == 5
    ours = getattr(context, name)
    assert not isinstance(ours, int) or name == "version"
    for act in (lambda: setattr(context, name, 6), lambda: delattr(context, name)):
        with pytest.raises(AttributeError, match=f"{name} is an attribute of contexts") as caught:
            act()
        assert isinstance(caught.value, JoError)
    assert dict(context) == {name: 5}


def test_internals_are_no_items(place: Path):
    context = Context(place)
    context.define = lambda step, name: False
    context.quota = 10
    context.put(record(), 1)
    context.refresh()
    assert list(context) == ["Load"]
    private = [name for name in vars(context) if name not in Context.OWN]
    assert private == []


def test_two_names_of_one_attribute_stay_two(place: Path):
    context = Context(place)
    context["a-b"], context["a b"] = 1, 2
    with pytest.raises(AttributeError, match="say which one"):
        context.a_b
    context["a_b"] = 3
    assert (context.a_b, context["a-b"], context["a b"]) == (3, 1, 2)
    assert dict(Context(place)) == {"a-b": 1, "a b": 2, "a_b": 3}


def test_dir_and_tab():
    context = Context({"PanFry": 1, "a b": 2, "keys": 3})
    assert {"PanFry", "a_b", "keys", "store", "materialize"} & set(dir(context)) == {"PanFry", "a_b", "keys", "store"}
    assert context._ipython_key_completions_() == ["PanFry", "a b", "keys"]
    assert hasattr(context, "PanFry")
    assert not hasattr(context, "Other")
    assert getattr(context, "Other", 7) == 7
    with pytest.raises(AttributeError, match="Did you mean PanFry"):
        context.Panfry


def test_equality(place: Path):
    context = Context(place, a=1, frame=pd.DataFrame({"x": [1]}))
    frame = pd.DataFrame({"x": [1]})
    assert context == {"a": 1, "frame": frame}
    assert {"a": 1, "frame": frame} == context
    assert context != {"a": 1}
    assert context != {"a": 2, "frame": frame}
    assert context != {"a": 1, "frame": pd.DataFrame({"x": [2]})}
    assert (context == 5) is False
    assert context == context
    assert Context(a=1) != Context(a=1)
    assert len({Context(a=1), Context(a=1)}) == 2


def test_context_meta_is_no_step(place: Path):
    context = Context(place, a=1)
    assert (list(context), len(context), "context_meta" in context, list(context.records)) == (["a"], 1, False, ["a"])
    assert context.get("context_meta") == context.context_meta
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", context.context_meta.created_on)
    context["context_meta"] = {"mine": 1}
    assert (context.context_meta, "context_meta" in context) == ({"mine": 1}, True)
    del context["context_meta"]
    assert context.context_meta.python == f"{sys.version_info.major}.{sys.version_info.minor}.{sys.version_info.micro}"


def test_versions(monkeypatch: pytest.MonkeyPatch):
    assert re.fullmatch(r"\d+\.\d+\.\d+\S*", Context.python_version())
    assert re.fullmatch(r"\d+\.\d+\S*", Context.sklearn_version())
    code = "import sys; from jo_notebook import Context; c = Context(); c.sklearn_version(); c.context_meta; c.a = 1"
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; print('sklearn' in sys.modules, 'pandas' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.split() == ["False", "False"]
    import importlib.metadata

    def missing(name: str) -> str:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(importlib.metadata, "version", missing)
    with pytest.raises(UsageError, match="scikit-learn is not installed"):
        Context.sklearn_version()
    assert Context().context_meta.sklearn == ""


def test_update_is_one_wave_and_pop_forgets(place: Path):
    context = Context(place)
    context.update([("a", 1)], b=None)
    context |= {"c": [3]}
    assert dict(Context(place)) == {"a": 1, "b": None, "c": [3]}
    assert context.pop("c") == [3]
    assert context.popitem() == ("b", None)
    assert dict(Context(place)) == {"a": 1}
    context.clear()
    assert dict(Context(place)) == {}
    assert (context | {"x": 1}, {"x": 1} | context) == ({"x": 1}, {"x": 1})
    with pytest.raises(TypeError):
        context | 5


@pytest.mark.parametrize("name", [5, None, ("a",), b"a"])
def test_names_that_are_no_text(name: Any):
    with pytest.raises(TypeError, match="is no name for a result, because it is no text") as caught:
        Context()[name] = 1
    assert isinstance(caught.value, JoError)
    assert name not in Context()


@pytest.mark.parametrize(
    "name", ["a b", "größe", "a/b", "..x", "con", "日本", "a;;b", "x_-_y", "CON.txt", "a\\b", "'\""]
)
def test_any_text_is_a_name(name: str, place: Path):
    Context(place)[name] = [name]
    again = Context(place)
    assert (list(again), again.get(name)) == (([name], [name]) if not name.startswith(".") else ([], None))


@pytest.mark.parametrize("name", ["", "a\nb", "e\u0301", "k" * 200, ".scratch", ". ", "\ud800"])
def test_what_no_file_can_be_called_stays_in_memory(name: str, place: Path, tmp_path: Path):
    context = Context(place, kept=1)
    context[name] = 5
    assert (context[name], context.held(name)) == (5, "memory")
    assert context.record(name).unsaved  # type: ignore[union-attr]
    context.refresh()
    assert context[name] == 5
    assert list(Context(place)) == ["kept"]
    memory = Context({name: 5})
    assert (memory[name], memory.record(name).unsaved) == (5, "")  # type: ignore[union-attr]
    context.store(tmp_path / "snapshot")
    assert list(Context.load(tmp_path / "snapshot")) == ["kept"]


def test_a_value_that_cannot_be_stored_stays_in_memory(place: Path):
    context = Context(place)
    context["lock"] = lock = threading.Lock()
    assert context.lock is lock
    assert "lock" in context.record("lock").unsaved  # type: ignore[union-attr]
    assert "lock" not in Context(place)


def test_copies(place: Path):
    context = Context(place, a=[1], b={"c": 2})
    for other in (context.copy(), copy.copy(context), copy.deepcopy(context)):
        assert type(other) is Context
        assert other.place is None
        assert dict(other) == dict(context)
        assert {n: r.version for n, r in other.records.items()} == {n: r.version for n, r in context.records.items()}
        other["new"] = 1
        assert "new" not in context
    assert context.copy()["a"] is context["a"]
    assert copy.deepcopy(context)["a"] is not context["a"]


@pytest.mark.parametrize("module", [pickle, dill])
def test_it_pickles(module, place: Path, tmp_path: Path):
    memory = module.loads(module.dumps(Context(a=[1], b=AttrDict(c=2))))
    assert (dict(memory), memory.place) == ({"a": [1], "b": {"c": 2}}, None)
    context = Context(place, a=1)
    context[".scratch"] = 2
    again = module.loads(module.dumps(context))
    assert (dict(again), again.place) == ({".scratch": 2, "a": 1}, place)
    context.store(tmp_path / "snapshot")
    assert dict(module.loads(module.dumps(Context.load(tmp_path / "snapshot")))) == {"a": 1}


# -- store and load ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "as_path",
    [str, Path, lambda p: f"{p}{os.sep}", lambda p: type("P", (os.PathLike,), {"__fspath__": lambda s: str(p)})()],
)
def test_store_and_load_by_any_path(as_path, tmp_path: Path):
    path = tmp_path / "made too" / "snapshot"
    Context(a=1).store(as_path(path))
    for loaded in (Context.load(as_path(path)), Context(z=1).load(as_path(path))):
        assert (type(loaded), dict(loaded)) == (Context, {"a": 1})
    before = Context(z=1)
    before.load(path)
    assert dict(before) == {"z": 1}
    with pytest.raises(FileExistsError, match="is there already"):
        Context(a=1).store(as_path(path))


def test_stores_arguments_of_job_orchestra(tmp_path: Path):
    Context(a=1).store(dir_path=str(tmp_path / "one"), fullcopy=True)
    Context(a=1).store(str(tmp_path / "two"), True)
    assert [dict(Context.load(dir_path=tmp_path / name)) for name in ("one", "two")] == [{"a": 1}, {"a": 1}]


def test_a_failed_store_leaves_nothing_behind(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    context = Context(a=1, path=2)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as change:
        change.setattr("jo_notebook.store.snapshots.publish_folder", full)
        with pytest.raises(StoreError, match="No space left"):
            context.store(tmp_path / "new" / "deep" / "snapshot")
    assert os.listdir(tmp_path) in ([], ["data of the user"])
    context.store(tmp_path / "new" / "deep" / "snapshot")
    assert dict(Context.load(tmp_path / "new" / "deep" / "snapshot")) == {"a": 1, "path": 2} == dict(context)


HIDING: list[Any] = [
    pytest.param({"a": 1, ".b": 2}, {"a": 1}, id="one level"),
    pytest.param({"a": {"b": {".c": 1, "d": 2}}, ".e": {"f": 1}}, {"a": {"b": {"d": 2}}}, id="deep"),
    pytest.param(AttrDict(a=AttrDict({".b": 1, "c": 2})), {"a": {"c": 2}}, id="with attributes"),
    pytest.param({".only": 1}, {}, id="nothing is left"),
    pytest.param({"a": [{".b": 1}]}, {"a": [{".b": 1}]}, id="not in lists"),
    pytest.param({"a": ".b", 5: 1}, {"a": ".b", 5: 1}, id="a text that looks so"),
]


@pytest.mark.parametrize(("value", "left"), HIDING)
@pytest.mark.parametrize(
    "more", [{}, {"frame": np.arange(3)}, {"code": re.compile("x")}], ids=["json", "data", "pickle"]
)
@pytest.mark.parametrize("where", ["memory", "disk, read", "disk"])
def test_hidden_keys_inside_of_values(value: Any, left: Any, more: Any, where: str, place: Path, tmp_path: Path):
    value = type(value)({**value, **more})
    context = Context() if where == "memory" else Context(place)
    context["settings"] = value
    if where == "disk":
        context = Context(place)
    context.store(tmp_path / "snapshot")
    loaded = Context.load(tmp_path / "snapshot")
    assert type(loaded["settings"]) is type(value)
    assert loaded == {"settings": {**left, **more}}
    assert loaded.records["settings"].version == context.records["settings"].version
    assert context == {"settings": value}
    assert len(value) == len(context["settings"])


def test_values_that_are_no_dicts_are_not_made_again_to_be_stored(place: Path, tmp_path: Path):
    context = Context(place)
    context["spy"] = Spy()
    context = Context(place)
    Spy.made = 0
    context.store(tmp_path / "one")
    assert Spy.made == 0
    context["hidden"] = {".a": 1, "spy": Spy()}
    Context(place).store(tmp_path / "two")
    assert Spy.made >= 1
    assert list(Context.load(tmp_path / "two")["hidden"]) == ["spy"]


class Spy:
    """Counts how often it is made out of a pickle."""

    made = 0

    def __setstate__(self, state: object) -> None:
        Spy.made += 1

    def __getstate__(self) -> str:
        return ".looks so"


def test_a_dict_that_holds_itself_is_stored(tmp_path: Path):
    value: dict[str, Any] = {"a": {".b": 1}}
    value["me"] = value
    Context(v=value).store(tmp_path / "snapshot")
    found = Context.load(tmp_path / "snapshot")["v"]
    assert (found["me"] is found, found["a"]) == (True, {})


def test_what_was_put_in_by_hand_and_deleted_is_gone(place: Path):
    context = Context(place)
    context.A = 1
    context.A = 2
    del context.A
    assert "A" not in Context(place)
    with pytest.raises(ResultMissing):
        del context["A"]
