from __future__ import annotations

import collections
import functools
import logging
import socket
import sqlite3
import threading
from pathlib import Path

import pytest

from jo_notebook.errors import ResultNotSaved, StoreError
from jo_notebook.store import Context
from jo_notebook.store.formats import decode, encode, python_minor
from tests.store.making import record, run


class Holder:
    def __init__(self, **fields: object) -> None:
        self.__dict__.update(fields)


class Slotted:
    __slots__ = ("inner",)


class Unreadable:
    def __reduce__(self):
        return (int, ("x",))


class Hostile:
    def __reduce__(self):
        raise RuntimeError("not today")


def back(value: object) -> object:
    encoded = encode(value)
    return decode(encoded.format, encoded.stream, encoded.buffers, python=python_minor(), step="Load")


def numbers():
    yield 1


def slotted(inner: object) -> Slotted:
    value = Slotted()
    value.inner = inner
    return value


@pytest.mark.parametrize(
    ("make", "path"),
    [
        (threading.Lock, "result: thread lock"),
        (threading.RLock, "result: thread lock"),
        (lambda: {"db": Holder(conn=threading.Lock())}, "result['db'].conn: thread lock"),
        (lambda: [1, (2, threading.Lock())], "result[1][1]: thread lock"),
        (lambda: {"g": [numbers()]}, "result['g'][0]: generator"),
        (lambda: Holder(a={1: Holder(b=numbers())}), "result.a[1].b: generator"),
        (lambda: slotted([threading.Lock()]), "thread lock"),
        (lambda: collections.deque([threading.Lock()]), "thread lock"),
        (lambda: functools.partial(print, Holder(x=threading.Lock())), "thread lock"),
        (threading.Thread, "thread lock"),
        (lambda: {"h": Hostile()}, "result['h']: not today"),
        (Unreadable, "cannot be read back"),
    ],
)
def test_what_cannot_be_stored_is_named(make, path):
    with pytest.raises(ResultNotSaved) as caught:
        encode(make())
    assert path in str(caught.value)


def test_depth_and_connections_are_refused_in_words():
    deep: list[object] = []
    for _ in range(20_000):
        deep = [deep]
    with pytest.raises(ResultNotSaved, match="nested too deeply") as caught:
        encode(deep)
    assert len(str(caught.value)) < 120
    connection = sqlite3.connect(":memory:")
    with pytest.raises(ResultNotSaved, match=r"result\['db'\]: database connection"):
        encode({"db": connection})
    connection.close()


def test_sockets_are_refused():
    with socket.socket() as open_socket, pytest.raises(ResultNotSaved, match=r"result\['s'\]: socket"):
        encode({"s": open_socket})


@pytest.mark.parametrize("mode", ["r", "w", "a", "r+", "rb", "wb", "ab", "rb+"])
@pytest.mark.parametrize("shape", ["bare", "nested", "with a function"])
def test_no_file_of_the_user_is_emptied(tmp_path: Path, place: Path, mode: str, shape: str):
    path = tmp_path / "precious.txt"
    path.write_text("precious")
    with open(path, mode) as handle:
        if "w" in mode:
            handle.write("precious" if mode == "w" else b"precious")
            handle.flush()
        value = {"bare": handle, "nested": Holder(out=[handle]), "with a function": [lambda: 1, handle]}[shape]
        context = Context(place)
        done = context.put(record(), value)
        assert "open file" in done.unsaved
        context.drop_memory("Load")
        assert context.get("Load") is None
    assert path.read_text() == "precious"


def test_a_closed_file_is_refused_too(tmp_path: Path):
    with open(tmp_path / "out", "w") as handle:
        pass
    with pytest.raises(ResultNotSaved, match="result: file handle"):
        encode(handle)


def test_functions_and_local_classes_are_dills():
    offset = 3

    class Local:
        @functools.cached_property
        def three(self) -> int:
            return offset

    assert back(lambda x: x + offset)(1) == 4
    assert back([Local()])[0].three == 3
    assert encode(Local()).versions["classes"] == "by value"
    assert back(collections.defaultdict(lambda: 5))["x"] == 5
    assert back(logging.getLogger("x")) is logging.getLogger("x")


NOTEBOOK = """
import collections, functools, sys
from jo_notebook.store import Context
from tests.store.making import record

class Point:
    def __init__(self, x): self.x = x

Pair = collections.namedtuple("Pair", "a b")
def double(x): return Point(2 * x.x)
"""
SAVE = """
context = Context(sys.argv[1])
for name, value in {
    "Bare": Point(1), "Nested": {"p": [Point(2)]}, "Mixed": [Point(3), double, lambda p: p.x],
    "Tuples": [Pair(1, 2), double], "Class": Point, "Bound": functools.partial(double, Point(4)),
}.items():
    print(name, context.put(record(name), value).unsaved)
"""
LOAD = """
context = Context(sys.argv[1])
assert isinstance(context["Bare"], Point)
assert isinstance(context["Nested"]["p"][0], Point)
point, twice, x = context["Mixed"]
assert isinstance(point, Point) and twice(point).x == 6 and x(point) == 3
assert isinstance(context["Tuples"][0], Pair)
assert context["Class"] is Point
assert context["Bound"]().x == 8
"""


def test_classes_of_the_notebook_stay_themselves(place: Path):
    assert run(NOTEBOOK + SAVE, place).split() == ["Bare", "Nested", "Mixed", "Tuples", "Class", "Bound"]
    run(NOTEBOOK + LOAD, place)


def test_a_fresh_kernel_is_told_what_to_define(place: Path):
    run(NOTEBOOK + SAVE, place)
    context = Context(place)
    for name in ("Bare", "Nested", "Mixed", "Class"):
        with pytest.raises(StoreError, match=f"{name}'s value needs Point, which is not defined here: run the cell"):
            context[name]
        assert context.held(name) == "disk"
    assert context.damaged == {}


def test_a_missing_module_is_named(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "gone_module.py").write_text("class Thing: pass\n")
    code = "import sys; sys.path.insert(0, sys.argv[2])\nfrom gone_module import Thing\n" + (
        "from jo_notebook.store import Context\nfrom tests.store.making import record\n"
        "Context(sys.argv[1]).put(record(), Thing())"
    )
    run(code, place, tmp_path)
    with pytest.raises(StoreError, match="module gone_module"):
        Context(place)["Load"]


def test_dill_of_another_python_is_not_even_read():
    with pytest.raises(StoreError, match=r"Load was saved by Python 3\.9, this is 3\.\d+: run it again"):
        decode("dill", b"anything", python="3.9", step="Load")
    assert decode("pickle", encode(3, wanted="pickle").stream, python="3.9", step="Load") == 3
    with pytest.raises(StoreError, match="saved as hdf"):
        decode("hdf", b"", python="3.9", step="Load")


def test_a_large_array_comes_back(place: Path):
    numpy = pytest.importorskip("numpy")
    array = numpy.arange(50_000_000 // 8)
    assert Context(place).put(record(), array).size >= array.nbytes
    assert (Context(place)["Load"] == array).all()
