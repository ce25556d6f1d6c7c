"""Tab, as a front end asks for it."""

from __future__ import annotations

import pytest

from tests.kernel import Kernel

CASES = {
    "%%step New --depends-on Lo¦": ["Load"],
    "%%step New --depends-on Load,Cl¦": ["Clean"],
    "%%step New --depends-on x=Cl¦": ["Clean"],
    "%%step New --dep¦": ["--depends-on"],
    "%step New --like C¦": ["Clean"],
    "%materialize C¦": ["Clean"],
    "%materialize Load Cl¦": ["Clean"],
    "%materialize --fo¦": ["--force"],
    "%explain ¦": ["Clean", "Load"],
    "%plan L¦": ["Load"],
    "%jo mat¦": ["materialize"],
    "%jo materialize C¦": ["Clean"],
    "%context tr¦": ["trust"],
    "%context restore C¦": ["Clean"],
    "%context gc --dr¦": ["--dry-run"],
    "%%step New --ke¦\n1": ["--keep"],
    "%%step New --fo¦\n1": ["--format"],
    "%%step New --format np¦\n1": ["npy"],
    "%%step New --format=par¦\n1": ["parquet"],
    "%%step New --depends-on Load --format di¦\n1": ["dill"],
    "%step New --like Load --format ¦": ["arrow", "data", "dill", "json", "npy", "parquet", "pickle"],
    "%step New --format npy --like Cl¦": ["Clean"],
    "%%step New --format npy Cl¦": [],
    "%%step New --depends-on=Cl¦": ["Clean"],
    "#| step: New <- Load --format pi¦": ["pickle"],
    "#| step: New --format pi¦": ["pickle"],
    "x = %materialize C¦": ["Clean"],
    "%%step New --depends-on Lo¦\nLoad + 1": ["Load"],
    "#| step: New <- Cl¦": ["Clean"],
    "#| step: New <- x=Load, Cl¦\nx": ["Clean"],
    "#| step: New <- Load --par¦": ["--params"],
    "plan = %plan Cl¦": ["Clean"],
    "%steps ¦": [],
    "ordinary Cl¦": [],
}


@pytest.mark.parametrize("text", CASES)
def test_complete(loaded: Kernel, text: str) -> None:
    """What is offered, and what it would replace."""
    loaded.run("%%step Clean\nsorted(Load)", "clean")
    cursor = text.index("¦")
    code = text.replace("¦", "")
    reply = loaded._client.complete(code, cursor, reply=True, timeout=20)["content"]
    steps_and = {*CASES[text], "Load", "Clean", "npy", "--keep"}
    assert sorted(steps_and.intersection(reply["matches"])) == CASES[text]
    for word in CASES[text]:
        assert (code[: reply["cursor_start"]] + word).startswith(code[:cursor])


def test_a_body_is_completed_as_ever(loaded: Kernel) -> None:
    """Python's own completion works in a step's body and in other cells."""
    for code in ("%%step New\nimport sys\nsys.std", "import sys\nsys.std", "#| step: New\nimport sys\nsys.std"):
        found = loaded._client.complete(code, len(code), reply=True, timeout=20)["content"]["matches"]
        assert any("stdout" in match for match in found)
