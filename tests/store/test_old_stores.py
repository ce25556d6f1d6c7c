"""Stores that job_orchestra 1.1.4 really wrote, and what somebody might put in the place of one."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import pickle
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from jo_notebook import Pipeline, cli
from jo_notebook.context_verb import CONTEXT_VERB
from jo_notebook.core.attributes import AttrDict
from jo_notebook.core.definition import Definition
from jo_notebook.core.source import parse_source
from jo_notebook.core.version import version_of
from jo_notebook.errors import JoError, ResultMissing, StoreError, UntrustedError, UsageError
from jo_notebook.store import Context
from jo_notebook.views.listings import foreign_text

GOLDEN = Path(__file__).parents[1] / "golden" / "job_orchestra"
FRAME = pd.DataFrame({"species": ["a", "b", "a"], "mass": [1.5, float("nan"), 3.0], "n": [1, 2, 3]}, index=[5, 6, 7])
POINTS = np.array([[0.0, 0.0], [0.0, 1.0], [9.0, 9.0], [9.0, 8.0]])
META = {"created_on": "2026-11-21", "python": "3.11.7", "sklearn": "1.9.1"}

HOLDS: dict[str, dict[str, Any]] = {
    "plain": {
        "number": 7,
        "share": 0.25,
        "nothing_known": float("nan"),
        "endless": float("-inf"),
        "huge": 10**40,
        "word": "größe 🍝",
        "yes": True,
        "empty": [],
        "list": [1, 2.5, "x", False],
        "rows": [{"a": 1}, {"a": 2, "b": [1, 2]}],
        "settings": AttrDict(alpha=0.1, inner=AttrDict(deep=AttrDict(deeper="found"))),
    },
    "tables": {
        "Frame": FRAME,
        "Series": pd.Series([1, 2, 3], name="counts"),
        "Unnamed": pd.Series([0.5, 1.5], name="0"),
        "Array": np.arange(6).reshape(2, 3),
        "Words": np.array(["x", "yz"]),
        "Result": AttrDict(output=FRAME, feature_names=["mass", "n"], inner=AttrDict(weights=np.ones(3))),
    },
    "full": {"a b": 1, "it's": 2, 'say "so"': [3], "Frame": FRAME, "settings": AttrDict(alpha=0.1)},
    "odd": {
        "a b": 1,
        "c-d": 2,
        "class": 3,
        "7zip": 4,
        "keys": 5,
        "line\nbreak": 6,
        "e\u0301": 7,
        "my_-_thing": 8,
        "looks_-_pd.DataFrame": 9,
        "one": AttrDict(two=10),
        "k" * 150: 11,
        "what*?": FRAME,
        "xy": pd.DataFrame({"kept": [2]}),
    },
    "moved": {"Load": AttrDict(output=FRAME, rows=3), "Mean": 2.25},
}


@pytest.fixture
def old(tmp_path: Path) -> Callable[[str], Path]:
    """A store of job_orchestra, in another place than the one it was written to."""

    def copied(name: str) -> Path:
        return Path(shutil.copytree(GOLDEN / name, tmp_path / "old stores" / name))

    return copied


def same(one: Any, other: Any) -> bool:
    """Equal in all but what pandas of another release calls its texts."""
    if isinstance(one, pd.DataFrame):
        pd.testing.assert_frame_equal(one, other, check_dtype=False, check_index_type=False, check_column_type=False)
        return True
    if isinstance(one, pd.Series):
        pd.testing.assert_series_equal(one, other, check_names=one.name != "0")
        return True
    if isinstance(one, AttrDict):
        assert list(one) == list(other)
        return type(other) is AttrDict and all(same(one[key], other[key]) for key in one)
    return version_of(one).digest == version_of(other).digest


@pytest.mark.parametrize("name", HOLDS)
def test_what_it_holds(name: str, old):
    context = Context.load(old(name))
    assert set(context) == set(HOLDS[name])
    for key, value in HOLDS[name].items():
        assert same(value, context[key]), key
        record = context.record(key)
        assert record is not None
        assert (record.is_given, record.unsaved) == (True, "")
        assert record.version == version_of(context[key]).digest
    assert context.context_meta == context["context_meta"] == META
    assert "context_meta" not in context
    assert (context.untrusted, context.foreign()) == (frozenset(), [])
    assert (context.problems == []) == (name != "odd")


@pytest.mark.parametrize("name", HOLDS)
@pytest.mark.parametrize("as_path", [str, Path, lambda path: f"{path}{os.sep}"])
def test_by_any_path_and_from_an_instance(name: str, as_path, old, monkeypatch: pytest.MonkeyPatch):
    path = as_path(old(name))
    mine = Context(z=1)
    assert set(mine.load(path)) == set(HOLDS[name])
    assert dict(mine) == {"z": 1}


def test_nothing_is_read_before_it_is_asked_for(old):
    path = old("tables")
    context = Context.load(path)
    assert {key: context.held(key) for key in context} == dict.fromkeys(HOLDS["tables"], "disk")
    assert context.record("Frame").size > 0  # type: ignore[union-attr]
    (path / "Frame_-_pd.DataFrame.parquet").write_bytes(b"nonsense")
    assert same(HOLDS["tables"]["Array"], context.Array)
    assert (context.held("Array"), context.held("Frame")) == ("memory", "disk")
    with pytest.raises(StoreError, match=r"Frame in tables cannot be read: its file makes no sense") as caught:
        context["Frame"]
    assert "\n" not in str(caught.value)
    assert context.problems == [f"tables: Frame cannot be read: {context.problems[0].partition('read: ')[2]}"]
    context.drop_memory("Array")
    assert context.held("Array") == "disk"
    assert same(HOLDS["tables"]["Array"], context.Array)


def test_two_names_of_one_file(old):
    """The one that was stored first was lost then; it is not given the other one's value."""
    context = Context.load(old("odd"))
    assert context.problems == ["odd: x:y cannot be read: xy has the same file, and was written over it."]
    with pytest.raises(ResultMissing, match="xy has the same file, and was written over it"):
        context["x:y"]
    assert "x:y" not in context


def test_a_store_that_was_not_finished(old):
    with pytest.raises(StoreError, match=r"job_orchestra did not finish it, for it has no master_record\.json"):
        Context.load(old("partial"))


def test_what_is_put_into_it_stays_in_memory(old):
    path = old("moved")
    before = {p.name: p.read_bytes() for p in path.iterdir()}
    context = Context.load(path)
    context["Mean"] = 5
    context.new = [1]
    del context["Load"]
    assert dict(context) == {"Mean": 5, "new": [1]}
    assert {p.name: p.read_bytes() for p in path.iterdir()} == before
    assert Context.load(path)["Mean"] == 2.25


def test_its_results_stand_for_steps(old):
    pipeline = Pipeline(Context.load(old("moved")), namespace={"__name__": "__main__"})
    for name, body in {"Load": "1 / 0", "Mean": "Load", "Rows": "Load.rows + Load['rows']"}.items():
        pipeline.add(Definition(name, parse_source(body)))
    plan = pipeline.plan("Rows", "Mean")
    assert (plan.to_run, plan.to_load) == (("Rows",), ("Load",))
    assert pipeline.materialize("Rows") == 6
    assert pipeline.outcome.finished == ["Rows"]  # type: ignore[union-attr]
    assert pipeline.materialize("Rows") == 6
    assert pipeline.outcome.finished == []  # type: ignore[union-attr]


# -- pickles ---------------------------------------------------------------------------------------------

warnings_of_sklearn = pytest.mark.filterwarnings("ignore:Trying to unpickle")


@warnings_of_sklearn
def test_pickles_wait_for_trust(old):
    pytest.importorskip("sklearn")
    context = Context.load(old("models"))
    assert set(context) == {"Clusters", "Result", "Plain"}
    assert context["Plain"] == [1, 2]
    assert context.untrusted == {"Clusters", "Result"}
    for name in ("Clusters", "Result"):
        with pytest.raises(UntrustedError, match=rf"Say ctx\.trust\('{name}'\) if you trust"):
            context[name]
    assert context.problems == ["models: Clusters, Result may run code when read, and wait for trust."]
    assert [(row.step, row.format, row.runs_code) for row in context.foreign()] == [
        ("Clusters", "pickle", True),
        ("Result", "pickle", True),
    ]
    assert "2 of 2 hold code" in foreign_text(context.foreign())
    assert context.trust("Clusters") == ["Clusters"]
    assert type(context.Clusters).__name__ == "KMeans"
    assert list(context.Clusters.predict(POINTS)) in ([0, 0, 1, 1], [1, 1, 0, 0])
    assert context.untrusted == {"Result"}
    assert context.trust() == ["Result"]
    assert (type(context.Result.model).__name__, context.Result.score) == ("PCA", 0.5)
    assert np.array_equal(context.Result.data.points, POINTS)
    assert (context.untrusted, context.problems, context.foreign(), context.trust()) == (frozenset(), [], [], [])


def test_a_plan_that_needs_one_says_what_to_do(old):
    pipeline = Pipeline(Context.load(old("models")), namespace={"__name__": "__main__"})
    pipeline.add(Definition("Clusters", parse_source("5")))
    pipeline.add(Definition("Use", parse_source("Clusters")))
    assert pipeline.plan("Use")["Clusters"].elsewhere == "code"
    with pytest.raises(UntrustedError, match="%context trust"):
        pipeline.materialize("Use")
    assert pipeline.materialize("Clusters", force=True) == 5


class Trap:
    """What a pickle can do."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> Any:
        return os.mkdir, (str(self.path),)


def test_nothing_of_it_runs_before_trust(tmp_path: Path):
    path, sprung = tmp_path / "old", tmp_path / "sprung"
    data = pickle.dumps(Trap(sprung))
    rows = {"m_-_pickle": data, "r;;m_-_pickle": data, "a_-_np.ndarray": data, "f_-_pd.DataFrame": data}
    rows |= {"s_-_pd.Series": data, "r;;a_-_np.ndarray": data}
    path.mkdir()
    for name, content in rows.items():
        (path / f"{name}.x").write_bytes(content)
    (path / "master_record.json").write_text(json.dumps({name: f"{name}.x" for name in rows}))
    context = Context.load(path)
    mine = Context(tmp_path / "mine.jo")
    for attempt in (
        *(lambda name=name: context[name] for name in ("m", "r", "a", "f", "s")),
        lambda: context.m,
        lambda: context.copy(),
        lambda: context == {"m": 1},
        lambda: context.store(tmp_path / "snapshot"),
        lambda: mine.take(path),
        lambda: mine["m"],
        lambda: mine["r"],
        lambda: (context.problems, context.foreign(), mine.problems, mine.foreign(), repr(context), dir(context)),
    ):
        with contextlib.suppress(JoError):
            attempt()
    assert not sprung.exists()
    assert list(Context.load(tmp_path / "snapshot")) == []
    assert mine.untrusted == {"m", "r"}
    context.trust("m")
    context["m"]
    assert sprung.exists()
    sprung.rmdir()
    for name in ("m", "r"):
        mine.trust(name)
        mine[name]
        assert sprung.exists()
        sprung.rmdir()


# -- taken into a store of ours -------------------------------------------------------------------------


@pytest.mark.parametrize("name", HOLDS)
def test_taken_into_a_store(name: str, old, place: Path):
    done = Context(place).take(old(name))
    context = Context(place)
    left = {"line\nbreak", "e\u0301", "k" * 150} if name == "odd" else set()
    assert set(context) == set(done.taken) == set(HOLDS[name]) - left
    assert set(done.left) == left | ({"x:y"} if name == "odd" else set())
    for key in context:
        assert same(HOLDS[name][key], context[key])
        assert context.record(key).is_given  # type: ignore[union-attr]
    assert (context.untrusted, context.damaged) == (frozenset(), {})
    again = Context(place).take(old_again := place.parent / "old stores" / name)
    assert old_again.exists()
    assert again.taken == ()
    assert {again.left[key] for key in context} == {"it is here already"}


@warnings_of_sklearn
def test_models_taken_wait_for_trust_there(old, place: Path):
    pytest.importorskip("sklearn")
    Context(place).take(old("models"))
    context = Context(place)
    assert (context.untrusted, context["Plain"]) == ({"Clusters", "Result"}, [1, 2])
    with pytest.raises(UntrustedError):
        context["Result"]
    assert context.trust() == ["Clusters", "Result"]
    found = Context(place)
    assert type(found["Clusters"]).__name__ == "KMeans"
    assert (type(found["Result"]), type(found["Result"].model).__name__) == (AttrDict, "PCA")
    assert type(found["Result"].data) is AttrDict
    assert all(record.is_given for record in found.records.values())


def test_some_of_it(old, place: Path):
    context = Context(place)
    assert context.take(old("moved"), "Mean").taken == ("Mean",)
    path = place.parent / "old stores" / "moved"
    assert list(context) == ["Mean"]
    with pytest.raises(ResultMissing, match=r"has nothing under 'Laod'\. Did you mean Load"):
        context.take(path, "Laod")
    assert context.take(path, "context_meta").taken == ("context_meta",)
    assert context["context_meta"] == META
    with pytest.raises(StoreError, match="lives in memory"):
        Context().take(path)


def test_the_verb(old, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """`%context load` says what was read, what waits for trust, and what could not be read."""
    path = old("models")
    (path / "Result;;data;;points_-_np.ndarray.npy").unlink()
    pipeline = Pipeline(Context(tmp_path / "n.jo"))
    args = argparse.Namespace(action="load", words=[str(path)], yes=False)
    for option in ("keep", "orphans", "dry_run", "generation", "quarantine"):
        setattr(args, option, None)
    answer = CONTEXT_VERB.call(pipeline, args)
    assert str(answer.text).splitlines() == [
        "Took in 3 results: Clusters, Plain, Result.",
        "Result;;data;;points is left where it was: its file is not there.",
        "From elsewhere, wait for %context trust: Clusters, Result. It lists them first; trusting lets their code run.",
    ]


def test_on_the_command_line(old, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    monkeypatch.chdir(tmp_path)
    Context(tmp_path / "n.jo").put(Context(a=1).records["a"], 1)
    assert cli.main(["load", "n.jo", str(old("moved"))]) == 0
    assert capsys.readouterr().out == "Took in 2 results: Load, Mean.\n"
    assert Context(tmp_path / "n.jo")["Mean"] == 2.25


def test_stored_anew(old, tmp_path: Path):
    """From an old store to a snapshot of ours, without a place of one's own."""
    context = Context.load(old("tables"))
    assert set(context.store(tmp_path / "new").stored) == set(HOLDS["tables"])
    found = Context.load(tmp_path / "new")
    assert all(same(value, found[key]) for key, value in HOLDS["tables"].items())
    models = Context.load(old("models"))
    assert set(models.store(tmp_path / "models").left) == {"Clusters", "Result"}
    assert "wait" in models.problems[0]


# -- what could not be read, and what somebody might write ----------------------------------------------


def store_of(path: Path, rows: dict[str, Any], **files: bytes) -> Path:
    path.mkdir()
    (path / "master_record.json").write_text(json.dumps(rows))
    for name, content in files.items():
        (path / name.replace("__", ".")).write_bytes(content)
    return path


def npy(value: Any) -> bytes:
    import io

    out = io.BytesIO()
    np.save(out, value)
    return out.getvalue()


@pytest.mark.parametrize("recorded", ["../secret.npy", "{}/secret.npy", "old/../../secret.npy", "..\\secret.npy"])
@pytest.mark.parametrize("way", ["alone", "inside"])
def test_paths_that_lead_out(recorded: str, way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "secret.npy").write_bytes(npy([1, 2]))
    name = "a_-_np.ndarray" if way == "alone" else "d;;a_-_np.ndarray"
    path = store_of(tmp_path / "old", {name: recorded.format(tmp_path), "d;;b": 1, "c": 2})
    monkeypatch.chdir(path)
    context = Context.load(path)
    assert dict(context) == {"d": {"b": 1}, "c": 2}
    (problem,) = context.problems
    if "\\" not in recorded:
        assert "its file is outside of the store, where nothing is read: move it beside the record" in problem
    else:
        assert "its file is not there" in problem


def test_links_that_lead_out(tmp_path: Path):
    (tmp_path / "secret.npy").write_bytes(npy([1, 2]))
    path = store_of(tmp_path / "old", {"a_-_np.ndarray": "old/a.npy", "b": 1})
    (path / "a.npy").symlink_to(tmp_path / "secret.npy")
    context = Context.load(path)
    assert dict(context) == {"b": 1}
    assert "a link that leads out of the store" in context.problems[0]


def test_a_file_beside_the_record_is_the_one(tmp_path: Path):
    (tmp_path / "a.npy").write_bytes(npy([9]))
    rows = {"a_-_np.ndarray": str(tmp_path / "a.npy"), "b_-_np.ndarray": "C:\\old\\b.npy"}
    path = store_of(tmp_path / "old", rows, a__npy=npy([1]), b__npy=npy([2]))
    context = Context.load(path)
    assert (context["a"].tolist(), context["b"].tolist(), context.problems) == ([1], [2], [])


BAD: list[Any] = [
    pytest.param(b"", id="empty"),
    pytest.param(b"[1, 2]", id="a list"),
    pytest.param(b"5", id="a number"),
    pytest.param(b"\xff\xfe", id="no text"),
    pytest.param(b'{"a": ', id="half"),
    pytest.param(b'{"a": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", id="nested"),
    pytest.param(b'{"a": ' + b"9" * 10_000 + b"}", id="a number that Python does not read"),
]


@pytest.mark.parametrize("content", BAD)
def test_a_record_that_makes_no_sense(content: bytes, tmp_path: Path):
    path = store_of(tmp_path / "old", {})
    (path / "master_record.json").write_bytes(content)
    for load in (Context.load, Context(tmp_path / "mine.jo").take):
        with pytest.raises(StoreError, match=r"is no record of job_orchestra") as caught:
            load(path)
        assert "\n" not in str(caught.value)


def test_a_record_that_is_too_large(tmp_path: Path):
    path = store_of(tmp_path / "old", {})
    os.truncate(path / "master_record.json", (1 << 30) + 1)
    with pytest.raises(StoreError, match="larger than any that is read"):
        Context.load(path)


ROWS: list[Any] = [
    pytest.param({"x" + ";;x" * 100_000: 1}, "it is nested too deeply", id="a key of many levels"),
    pytest.param({"a": 1, "a;;b": 2}, "a is a value in the record, and a dict as well", id="a value and a dict"),
    pytest.param({"a_-_np.ndarray": "nowhere.npy"}, "its file is not there", id="no file"),
    pytest.param({"a_-_np.ndarray": ""}, "its file is not there", id="no name"),
    pytest.param({"a_-_np.ndarray": "."}, "its file is not there", id="the directory itself"),
    pytest.param({"a_-_np.ndarray": "x\0y"}, "its file is not there", id="a name that no file has"),
    pytest.param({"a_-_np.ndarray": "\ud800"}, "its file is not there", id="half a letter"),
]


@pytest.mark.parametrize(("rows", "why"), ROWS)
def test_rows_that_cannot_be_had(rows: dict[str, Any], why: str, tmp_path: Path):
    context = Context.load(store_of(tmp_path / "old", {**rows, "fine": 5}))
    assert context["fine"] == 5
    (problem,) = context.problems
    assert why in problem
    assert len(problem) < 300


@pytest.mark.parametrize(
    ("mark", "content"),
    [
        pytest.param("np.ndarray", pickle.dumps([1]), id="a pickle as npy"),
        pytest.param("np.ndarray", npy(np.array([{}], object)), id="objects"),
        pytest.param("np.ndarray", npy([1, 2, 3])[:-8], id="cut off"),
        pytest.param("np.ndarray", npy([1, 2, 3]) + b"x", id="more than an array"),
        pytest.param("np.ndarray", npy([1, 2, 3]).replace(b"(3,), ", b"(9999999999999,),"), id="more than there is"),
        pytest.param("np.ndarray", b"", id="empty"),
        pytest.param("np.ndarray", b"PK\x03\x04" + b"\0" * 50, id="a zip file"),
        pytest.param("pd.DataFrame", pickle.dumps([1]), id="a pickle as parquet"),
        pytest.param("pd.DataFrame", b"", id="an empty parquet"),
        pytest.param("pd.Series", b"PAR1" + b"\0" * 50 + b"PAR1", id="half a parquet"),
    ],
)
def test_side_files_that_make_no_sense(mark: str, content: bytes, tmp_path: Path):
    rows = {f"a_-_{mark}": "old/a.x", f"d;;a_-_{mark}": "old/b.x", "d;;b": 1}
    path = store_of(tmp_path / "old", rows, a__x=content, b__x=content)
    context = Context.load(path)
    assert context["d"] == {"b": 1}
    with pytest.raises(StoreError, match="a in old cannot be read") as caught:
        context["a"]
    assert "\n" not in str(caught.value)
    assert len(context.problems) == 2
    done = Context(tmp_path / "mine.jo").take(path)
    assert (done.taken, set(done.left)) == (("d",), {"a", "d;;a"})


def test_what_a_copy_in_full_says_is_not_evaluated(tmp_path: Path):
    sprung = tmp_path / "sprung"
    keys = [f"__import__('os').mkdir({str(sprung)!r})", "'fine'", "5", "'" * 20_000, "'half"]
    rows = {"_mapping_encoded": {key: n for n, key in enumerate(keys)}, "_aliases": {}, "_vars": {}}
    context = Context.load(store_of(tmp_path / "old", rows))
    assert not sprung.exists()
    assert context["fine"] == 1
    assert set(context) == {keys[0], "fine", "5", keys[3], keys[4]}


@pytest.mark.parametrize("library", ["pyarrow", "pandas"])
def test_a_library_that_is_not_there(library: str, old, monkeypatch: pytest.MonkeyPatch):
    context = Context.load(old("tables"))
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(StoreError, match=rf"needs {library}, which is not installed here"):
        context["Frame"]
    assert list(context["Result"]) == ["feature_names", "inner"]
    assert f"tables: Result;;output cannot be read: Result;;output_-_pd.DataFrame.parquet needs {library}" in "".join(
        context.problems
    )


def test_it_is_no_place_for_results(old):
    with pytest.raises(UsageError, match=r"is a store of job_orchestra: open it with Context\.load"):
        Context(old("moved"))


def test_a_context_of_ours_is_never_taken_for_one(tmp_path: Path, place: Path):
    Context(place, a=1)
    (place / "master_record.json").write_text("{}")
    assert dict(Context.load(place)) == {"a": 1}
