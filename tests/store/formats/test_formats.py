"""The table of formats: which is tried when, what is wanted, what other packages bring, what is refused by name."""

from __future__ import annotations

import asyncio
import collections
import importlib.metadata
import mmap
import multiprocessing
import pickle
import sqlite3
import subprocess
import sys
import threading
import time
import weakref
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from importlib.metadata import EntryPoint
from typing import Any

import numpy as np
import pytest

from jo_notebook.errors import ResultNotSaved, StoreError, UsageError
from jo_notebook.store.formats import (
    Encoded,
    Format,
    Refused,
    check_format,
    decode,
    encode,
    format_names,
    format_problems,
    others,
    python_minor,
    runs_code,
)
from jo_notebook.store.formats.pickles import OUT_OF_BAND
from tests.store.formats.making_formats import decoded, mapped


class Holder:
    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)


class Counted:
    """Counts how often it is made anew."""

    made = 0

    def __setstate__(self, state: dict[str, Any]) -> None:
        type(self).made += 1
        self.__dict__.update(state)
        if "array" in state:
            state["array"] += 1


def test_names_and_what_they_run() -> None:
    assert format_names() == ["json", "npy", "arrow", "data", "parquet", "pickle", "dill"]
    assert [name for name in format_names() if runs_code(name)] == ["pickle", "dill"]
    assert runs_code("never heard of it")
    assert check_format("npy") == "npy"
    with pytest.raises(UsageError, match=r"no format 'parket': say json, .*, dill\. Did you mean parquet\?"):
        check_format("parket")
    with pytest.raises(UsageError):
        encode(1, wanted="xml")


@pytest.mark.parametrize(
    ("value", "form"),
    [
        ({"a": 1}, "json"),
        (np.arange(3), "npy"),
        ({"a": np.arange(3)}, "data"),
        (Holder(a=1), "pickle"),
        ([np.arange(3), Holder()], "pickle"),
        (lambda: 1, "dill"),
    ],
)
def test_the_first_format_that_takes_a_value_writes_it(value: Any, form: str) -> None:
    encoded = encode(value)
    assert encoded.format == form
    assert encoded.size == len(encoded.stream) + sum(len(buffer) for buffer in encoded.buffers)
    assert encode(value, wanted=form).format == form
    assert type(decoded(encoded)) is type(value)


def test_only_the_wanted_format_is_tried() -> None:
    for form in ("json", "data", "pickle", "dill"):
        assert decoded(encode({"a": [1]}, wanted=form)) == {"a": [1]}
        assert encode({"a": [1]}, wanted=form).format == form
    with pytest.raises(ResultNotSaved, match="cannot be written as npy: it is no array; leave --format out"):
        encode([1], wanted="npy")
    with pytest.raises(ResultNotSaved, match=r"cannot be written as pickle: .*function of the notebook; leave"):
        encode([_of_main()], wanted="pickle")


def _of_main() -> Any:
    def function() -> None:
        pass

    function.__module__ = "__main__"
    return function


def test_an_unknown_format_is_told() -> None:
    with pytest.raises(StoreError, match="Load was saved as hdf, a format that is not here: install the package that"):
        decode("hdf", b"", (), python=python_minor(), step="Load")


def test_large_memory_goes_out_of_band() -> None:
    array = np.arange(OUT_OF_BAND // 8)
    for value in (Holder(a=array), [Holder(a=array), lambda: 1]):
        encoded = encode(value)
        assert encoded.format in ("pickle", "dill")
        (buffer,) = encoded.buffers
        assert np.shares_memory(np.frombuffer(buffer, "i8"), array)
        found = mapped(encoded)
        held = found.a if isinstance(found, Holder) else found[0].a
        assert (held == array).all()
        held[0] = 5
    assert encode(Holder(a=array[:-1])).buffers == ()
    (order,) = encode(Holder(a=np.asfortranarray(np.ones((100, 100))))).buffers
    assert order.nbytes == 80_000
    assert mapped(encode(Holder(a=np.ones((200, 200))[:, ::2]))).a.sum() == 20_000


def test_a_probe_does_not_touch_the_value() -> None:
    value = Counted()
    value.array = np.zeros(OUT_OF_BAND // 8 + 1)
    Counted.made = 0
    encode(value)
    assert Counted.made == 1
    assert value.array.sum() == 0


@pytest.mark.parametrize(
    "value",
    [list(range(1_000_000)), [(n, n) for n in range(200_000)], {str(n): n for n in range(200_000)}],
    ids=["list", "tuples", "dict"],
)
def test_many_small_values_cost_what_a_pickle_costs(value: Any) -> None:
    ours, plain = [], []
    for _ in range(5):
        start = time.perf_counter()
        assert encode(value).format == "pickle"
        middle = time.perf_counter()
        pickle.dumps(value, 5)
        ours.append(middle - start)
        plain.append(time.perf_counter() - middle)
    assert min(ours) < 4 * min(plain)  # measured: 1.0 to 1.1; a loaded machine is less exact


def running() -> threading.Thread:
    thread = threading.Thread(target=time.sleep, args=(0.5,), daemon=True)
    thread.start()
    return thread


def generator():
    yield 1


async def coroutine():
    pass


def test_what_no_file_can_hold_is_named() -> None:
    connection = sqlite3.connect(":memory:")
    pool = ThreadPoolExecutor(1)
    loop = asyncio.new_event_loop()
    process = subprocess.Popen([sys.executable, "-c", ""])
    waiting = coroutine()
    alive = Holder()
    words = [
        (generator(), "generator"),
        (waiting, "coroutine"),
        (connection, "database connection"),
        (connection.cursor(), "database cursor"),
        (multiprocessing.Lock(), "lock between processes"),
        (multiprocessing.Queue(), "queue between processes"),
        (multiprocessing.SimpleQueue(), "queue between processes"),
        (multiprocessing.Process(), "process"),
        (pool, "pool of workers"),
        (running(), "running thread"),
        (loop, "asyncio loop"),
        (loop.create_future(), "asyncio task"),
        (process, "process"),
        (memoryview(b"x"), "memoryview"),
        (mmap.mmap(-1, 10), "mapped file"),
    ]
    try:
        for value, word in words:
            with pytest.raises(ResultNotSaved, match=f"result: {word}"):
                encode(value)
            with pytest.raises(ResultNotSaved, match=rf"result\['db'\]\[1\]\.x: {word}"):
                encode({"db": [1, Holder(x=value)], "n": np.arange(3)})
        with pytest.raises(ResultNotSaved, match="weak reference"):
            encode(weakref.ref(alive))
    finally:
        process.wait()
        loop.close()
        pool.shutdown()
        waiting.close()
        connection.close()


def test_a_value_that_comes_back_as_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    from jo_notebook.store.formats import table

    wrong = Format("json", lambda value: True, lambda value: (b"", (), {}), lambda stream, buffers: 2, runs_code=False)
    broken = Format("npy", lambda value: True, lambda value: 1 / 0, lambda stream, buffers: 2)  # type: ignore[arg-type,return-value]
    monkeypatch.setattr(table, "SAFE", (wrong, broken))
    monkeypatch.setitem(table.FORMATS, "json", wrong)
    monkeypatch.setitem(table.FORMATS, "npy", broken)
    assert encode(1).format == "pickle"
    with pytest.raises(ResultNotSaved, match="as json: it would not come back the same"):
        encode(1, wanted="json")
    with pytest.raises(ResultNotSaved, match="as npy: ZeroDivisionError"):
        encode(1, wanted="npy")


# -- formats of other packages ------------------------------------------------------------------------


def _encode_counter(value: Any) -> Any:
    if not isinstance(value, collections.Counter):
        raise Refused("it is no Counter")
    return b"".join(f"{key}={count};".encode() for key, count in value.items()), (), {"counting": "1"}


def _decode_counter(stream: bytes, buffers: Any) -> Any:
    pairs = [pair.split("=") for pair in stream.decode().split(";") if pair]
    return collections.Counter({key: int(count) for key, count in pairs})


def _takes_counter(value: object) -> bool:
    if type(value) is Holder:
        raise RuntimeError("not today")
    return isinstance(value, collections.Counter)


counting = Format("counting", _takes_counter, _encode_counter, _decode_counter, runs_code=False, summary="counts")
pretender = Format("pickle", _takes_counter, _encode_counter, _decode_counter)
nothing = "no format"


def _careless(name: str, *written: Any) -> Format:
    """Takes sets of one text, its own name, and writes what no file can take."""
    return Format(name, lambda value: value == {name}, lambda value: written, lambda stream, buffers: None)  # type: ignore[arg-type,return-value]


text = _careless("text", "a text", (), {})
apart = _careless("apart", b"", (np.ones(10)[::2],), {})
short = _careless("short", b"")


@pytest.fixture
def plugged(monkeypatch: pytest.MonkeyPatch):
    """Entry points as if packages had brought them; how often they were looked up."""
    asked = []

    def look(*, group: str) -> list[EntryPoint]:
        asked.append(group)
        names = ["counting", "pretender", "nothing", "missing", "text", "apart", "short"]
        return [EntryPoint(name, f"{__name__}:{name}", group) for name in names]

    monkeypatch.setitem(sys.modules, __name__, sys.modules.get(__name__) or _this())
    monkeypatch.setattr("importlib.metadata.entry_points", look)
    monkeypatch.setattr(others, "problems", [])
    others.formats.cache_clear()
    yield asked
    others.formats.cache_clear()


def _this() -> Any:
    import types

    module = types.ModuleType(__name__)
    module.__dict__.update(globals())
    return module


def test_another_package_brings_a_format(plugged: list[str]) -> None:
    encode({"a": 1})
    encode([Holder()])
    assert plugged == []  # nobody was asked
    encoded = encode(collections.Counter("aab"))
    assert encoded == Encoded("counting", b"a=2;b=1;", (), {"counting": "1"})
    assert decoded(encoded) == collections.Counter("aab")
    assert format_names()[-4:] == ["counting", "text", "apart", "short"]
    assert not runs_code("counting")
    assert encode(Holder()).format == "pickle"
    assert plugged == [others.GROUP]
    told = " ".join(others.problems)
    for name, problem in (
        ("pretender", "there is a format pickle"),
        ("nothing", "TypeError"),
        ("missing", "Attribute"),
    ):
        assert f"{name} (" in told
        assert problem in told
    assert "The format counting could not say whether it takes a Holder: RuntimeError: not today" in told
    with pytest.raises(ResultNotSaved, match="as counting: it is no Counter"):
        encode(1, wanted="counting")


def test_what_another_package_writes_is_looked_at(plugged: list[str]) -> None:
    for name, problem in (
        ("text", "its stream is a str, not bytes"),
        ("apart", "contiguous"),
        ("short", "missing 2 required positional arguments"),
    ):
        with pytest.raises(ResultNotSaved, match=rf"cannot be written as {name}: TypeError: .*{problem}"):
            encode({name}, wanted=name)
    empty = replace(counting, encode=lambda value: (b"", [np.ones((0, 3)), np.ones((2, 3))], {"n": 1}))
    assert encode(collections.Counter(), wanted="counting").versions == {"counting": "1"}
    stream, buffers, versions = others._checked(*empty.encode(None))
    assert (stream, [buffer.nbytes for buffer in buffers], versions) == (b"", [0, 48], {"n": "1"})


def test_a_package_installed_under_a_living_kernel(plugged: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """A name is looked for once more before it is refused."""
    look = importlib.metadata.entry_points
    monkeypatch.setattr("importlib.metadata.entry_points", lambda *, group: [])
    others.formats.cache_clear()
    with pytest.raises(UsageError):
        check_format("counting")
    assert format_problems() == []
    monkeypatch.setattr("importlib.metadata.entry_points", look)
    assert check_format("counting") == "counting"
    assert len(format_problems()) == 3


def test_a_problem_is_told_once(plugged: list[str]) -> None:
    for _ in range(3):
        assert encode(Holder(a=1)).format == "pickle"
    assert len(format_problems()) == len(set(format_problems())) == 4
    with pytest.raises(UsageError, match=r"Fit wants the format 'missing', .*The format missing \(.*is left out"):
        check_format("missing", step="Fit")
    with pytest.raises(StoreError, match=r"saved as missing, .*The format missing \(.*is left out: AttributeError"):
        decode("missing", b"", (), python=python_minor(), step="Load")
