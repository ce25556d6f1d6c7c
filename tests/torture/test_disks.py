"""Other disks: kills, crowds and limits on tmpfs, overlayfs, and images of ext4, xfs, btrfs and vfat."""

from __future__ import annotations

import shutil
import subprocess
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from jo_notebook.store import Context
from tests.torture.conftest import Mount
from tests.torture.making import LONG, SIZES, dice, leftovers, record, value
from tests.torture.runs import Kills, crowd, limits

IMAGES = {"ext4": ("-q",), "xfs": ("-q",), "btrfs": ("-q",), "vfat": ()}
DISKS = ("tmpfs", "overlay", *(IMAGES if LONG else ["ext4"]))


@pytest.fixture(params=DISKS)
def disk(request: pytest.FixtureRequest, mount: Mount, tmp_path: Path) -> Path:
    """A directory on a disk of another kind; skipped where it cannot be made."""
    kind = request.param
    if kind == "tmpfs":
        return mount("tmpfs", "-o", "size=300m")
    if kind == "overlay":
        base = mount("tmpfs", "-o", "size=300m")
        for name in ("lower", "upper", "work"):
            (base / name).mkdir()
        Context(base / "lower" / "analysis.jo").put(record("Below"), value(1, 500))
        return mount("overlay", "-o", f"lowerdir={base}/lower,upperdir={base}/upper,workdir={base}/work")
    if shutil.which(f"mkfs.{kind}") is None:
        pytest.skip(f"mkfs.{kind} is not installed")
    image = tmp_path / "image"
    with open(image, "wb") as out:
        out.truncate(320 * 1024 * 1024)
    subprocess.run([f"mkfs.{kind}", *IMAGES[kind], image], check=True, capture_output=True)
    return mount(kind, "-o", "loop", device=image)


def test_41_disks(disk: Path, tally: Counter[str], trials: Callable[[int, int], int]) -> None:
    """41: what 1, 3, 6 and 10 ask for, on another disk."""
    kills, random = Kills(disk / "kills.jo"), dice(41)
    kills.fill()
    for trial in range(trials(5, 200)):
        kills.kill(SIZES[trial % len(SIZES)], random)
    assert [kills.counts[word] for word in ("lost", "wrong", "damaged", "orphans", "too large")] == [0] * 5
    assert kills.counts["saved again"] == kills.counts["trials"]
    assert kills.slowest < 5
    (disk / "crowd").mkdir()
    wrong = crowd(disk / "crowd" / "analysis.jo", tally, trials(2, 4), trials(1, 2), trials(20, 400))
    assert wrong == []
    assert tally["died"] == 0
    count = trials(5, 40)
    limits(disk / "limits.jo", tally, count)
    assert [tally[word] for word in ("told with the reason", "told by a run", "old value there")] == [count] * 3
    assert tally["orphans"] == 0
    if (disk / "analysis.jo").exists():  # of the lower layer
        lower = Context(disk / "analysis.jo")
        assert lower["Below"] == value(1, 500)
        assert lower.put(record("Below"), value(2, 500)).unsaved == ""
        assert lower.rename("Below", "Above")
        assert Context(disk / "analysis.jo")["Above"] == value(2, 500)
        assert leftovers(disk / "analysis.jo") == []
    tally["trials"] = kills.counts["trials"] + tally["saved"] + count
    assert kills.counts["inside a save"] > 2
