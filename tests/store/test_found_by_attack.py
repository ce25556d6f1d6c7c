"""What a hostile reading found, each as it was found."""

from __future__ import annotations

import json
import os
import resource
import shutil
import time
from collections import UserList
from pathlib import Path

import pytest

from jo_notebook.errors import ResultDamaged, StoreError
from jo_notebook.pipeline import Pipeline
from jo_notebook.store import Context
from jo_notebook.store.disk import Disk
from jo_notebook.store.formats import Unreadable, table
from jo_notebook.store.formats.ours import FORMATS
from jo_notebook.store.generation import Footer
from jo_notebook.store.sections import most_descriptors
from jo_notebook.store.trust import open_key
from tests.store.making import generations, record

np = pytest.importorskip("numpy")
LARGE = 1_100_000  # elements; above what is mapped


def test_a_user_s_own_tmp_is_not_ours_to_sweep(tmp_path: Path):
    """Any directory can be named as a place of results."""
    (tmp_path / "tmp").mkdir()
    mine = tmp_path / "tmp" / "thesis.txt"
    mine.write_text("precious")
    os.utime(mine, (0, 0))
    Pipeline.open(tmp_path)
    Context(tmp_path).put(record(), 1)
    Context(tmp_path)
    with pytest.raises(StoreError):
        Context.load(tmp_path / "tmp")
    assert mine.read_text() == "precious"


def test_a_file_written_over_while_it_is_mapped(place: Path):
    context = Context(place)
    for number, step in enumerate(("Load", "Other")):
        context.put(record(step), np.full(LARGE, number))
    reader = Context(place)
    assert reader["Load"][0] == 0
    shutil.copyfile(generations(place, "other")[0], generations(place)[0])
    with pytest.raises(ResultDamaged, match="Load"):
        reader["Load"]
    again = Context(place)
    again.refresh()
    assert "Load" in again.damaged


def test_a_file_that_leaves_while_it_is_mapped(place: Path):
    Context(place).put(record(), np.full(LARGE, 7))
    reader = Context(place)
    value = reader["Load"]
    generations(place)[0].unlink()
    assert reader["Load"] is value
    assert (value == 7).all()


def test_no_descriptors_left_is_no_damage(place: Path):
    context = Context(place)
    for number in range(40):
        context.put(record(f"S{number}"), np.full(LARGE, number))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    reader = Context(place)
    held = []
    most_descriptors.cache_clear()
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 15, hard))
    try:
        for number in range(40):
            held.append(reader[f"S{number}"])
            assert held[-1][-1] == number
        taken = [os.dup(0) for _ in range(1000) if _room()]
        reader.drop_memory("S1")
        with pytest.raises(StoreError, match="cannot be read now") as told:
            reader["S1"]
        assert not isinstance(told.value, ResultDamaged)
    finally:
        for fd in taken:
            os.close(fd)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        most_descriptors.cache_clear()
    reader.refresh()
    assert reader.damaged == {}
    assert reader["S1"][0] == 1


def _room() -> bool:
    try:
        os.close(os.dup(0))
    except OSError:
        return False
    return True


def test_records_of_numpy_keep_their_attributes(place: Path):
    value = np.asarray(np.rec.array(np.zeros(9000, [("a", "i4"), ("b", "f8")])))
    Context(place).put(record(), value)
    assert Context(place)["Load"][0].a == 0


class TwoArguments(Exception):
    def __init__(self, text: str, array: object) -> None:
        super().__init__(text)
        self.array = array


def test_a_large_pickle_is_read_back_before_it_counts(place: Path):
    done = Context(place).put(record(), TwoArguments("no", np.zeros(100_000)))
    assert "cannot be read back" in done.unsaved


def test_one_bad_value_of_a_wave_costs_only_itself(place: Path):
    polars = pytest.importorskip("polars")
    context = Context(place)
    bad = polars.DataFrame({"\0": [1]})
    done = context.put_all([(record("Good"), "good", ()), (record("Bad"), bad, ())])
    assert done[0].unsaved == ""
    fresh = Context(place)
    assert fresh["Good"] == "good"
    assert done[1].unsaved or fresh["Bad"].equals(bad)


def test_a_tensor_that_repeats_its_memory_is_not_written_out():
    torch = pytest.importorskip("torch")
    assert table.encode(torch.zeros(1).expand(20_000, 20_000)).size < 10_000


@pytest.mark.parametrize("rows", [[["a", 1]], 5, [[0, 10**9]], [[-1, 2]], [[0]], [[0.5, 1]]])
def test_a_stranger_s_places(place: Path, stranger, rows: object):
    with stranger():
        disk = Disk(str(place), open_key(), 2)
        encoded = table.encode(np.arange(3))
        footer = Footer("result", "Load", 0, "id", record().to_json(), codec=encoded.format, python="3.11")
        places = [json.dumps(rows).encode()]
        sections = {"log": [b"[]"], "value": [encoded.stream], "places": places, "buffers": encoded.buffers}
        disk.save(disk.results, footer, sections)
    with pytest.raises(ResultDamaged, match="buffers are not where"):
        Context(place)["Load"]


def test_a_directory_s_times_set_back_hide_nothing(place: Path):
    context = Context(place, keep=5)
    context.put(record(version="v1"), "one")
    time.sleep(0.3)
    context.refresh()
    folder = generations(place)[0].parent
    before = os.stat(folder)
    Context(place, keep=5).put(record(version="v2"), "two")
    os.utime(folder, ns=(before.st_atime_ns, before.st_mtime_ns))
    context.drop_memory("Load")
    context.refresh()
    assert context["Load"] == "two"


RANGE = {"$RangeIndex": [0, 9, 1, [None]]}


@pytest.mark.parametrize(
    ("name", "tree"),
    [
        ("json", {"$set": list(range(30_000))}),
        ("json", {"$dict": [[n, 0] for n in range(30_000)]}),
        (
            "data",
            {"$IntervalArray": [{"$RangeIndex": [0, 9, 1, [None]]}, {"$RangeIndex": [1, 10, 1, [None]]}, "right"]},
        ),
    ],
)
def test_a_stranger_s_text_cannot_ask_for_much(name: str, tree: object):
    pytest.importorskip("pandas")
    with pytest.raises(Unreadable):
        FORMATS[name].decode(json.dumps(tree).encode(), ())


def test_values_that_are_not_plain_still_come_back(place: Path):
    Context(place).put(record(), UserList([np.arange(100_000)]))
    assert (Context(place)["Load"][0] == np.arange(100_000)).all()
