"""The key of a team, from the environment, and what is told where it cannot be used."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from jo_notebook.core.definition import Definition
from jo_notebook.core.source import parse_source
from jo_notebook.pipeline import Pipeline
from jo_notebook.store import Context
from jo_notebook.store.trust import open_key
from tests.store.making import record

TEAM = "correct horse battery staple, four times a day"


@pytest.fixture
def secret(jupyter_data: Path) -> Path:
    open_key()
    return jupyter_data / "jo_notebook" / "secret"


def test_members_of_a_team_trust_each_other(place: Path, stranger, monkeypatch: pytest.MonkeyPatch):
    with stranger():
        monkeypatch.setenv("JO_NOTEBOOK_KEY", TEAM)
        Context(place).put(record(), 1)
    monkeypatch.delenv("JO_NOTEBOOK_KEY")
    assert Context(place).untrusted == {"Load"}
    monkeypatch.setenv("JO_NOTEBOOK_KEY", f"  {TEAM}\n")
    context = Context(place)
    assert (context.untrusted, context.problems, context["Load"]) == (frozenset(), [], 1)
    monkeypatch.setenv("JO_NOTEBOOK_KEY", TEAM + "!")
    assert Context(place).untrusted == {"Load"}


def test_what_a_member_signed_before_still_counts(place: Path, stranger, monkeypatch: pytest.MonkeyPatch):
    Context(place).put(record("Old"), 1)
    Context(place).save_definition("Old", {"text": "1"})
    own = open_key().id
    monkeypatch.setenv("JO_NOTEBOOK_KEY", TEAM)
    context = Context(place)
    context.put(record("New"), 2)
    assert (context.untrusted, context["Old"]) == (frozenset(), 1)
    assert context.definitions()["Old"][1] is True
    assert open_key().id != own
    assert open_key().ids == {own, open_key().id}
    with stranger():
        assert Context(place).untrusted == {"Old"}


def test_the_derivation_is_the_one_that_is_written_down(monkeypatch: pytest.MonkeyPatch):
    import hashlib

    monkeypatch.setenv("JO_NOTEBOOK_KEY", TEAM)
    expected = hashlib.pbkdf2_hmac("sha256", TEAM.encode(), b"jo_notebook team key 1", 200_000, 32)
    assert open_key().secret == expected


def test_a_key_in_a_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, secret: Path):
    own = open_key().id
    path = tmp_path / "team key"
    monkeypatch.setenv("JO_NOTEBOOK_KEY", f"file:{path}")
    assert "is not there. Your own key is used." in open_key().problem
    path.write_text(TEAM + "\n")
    path.chmod(0o640)
    assert "can be read by others: say chmod 600" in open_key().problem
    assert open_key().id == own
    path.chmod(0o600)
    assert open_key().problem == ""
    by_file = open_key().id
    monkeypatch.setenv("JO_NOTEBOOK_KEY", TEAM)
    assert open_key().id == by_file
    path.write_text("short")
    monkeypatch.setenv("JO_NOTEBOOK_KEY", f"file:{path}")
    assert "too short" in open_key().problem


def test_a_short_key_is_told_and_not_used(place: Path, monkeypatch: pytest.MonkeyPatch):
    own = open_key().id
    monkeypatch.setenv("JO_NOTEBOOK_KEY", "hunter2 is far too short")
    context = Context(place)
    (problem,) = context.problems
    assert "JO_NOTEBOOK_KEY is too short: it needs 32 characters" in problem
    assert "token_hex(32)" in problem
    assert "hunter2" not in problem
    context.put(record(), 1)
    monkeypatch.delenv("JO_NOTEBOOK_KEY")
    assert (open_key().id, Context(place).untrusted) == (own, frozenset())


def test_the_text_of_the_key_is_written_nowhere(place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A step that reads the variable, and one that declares it: neither text nor a digest of it is in the store."""
    from jo_notebook.core.fingerprint import digest_of

    monkeypatch.setenv("JO_NOTEBOOK_KEY", TEAM)
    pipeline = Pipeline(Context(place))
    pipeline.add(Definition("A", parse_source("import os\nlen(os.environ['JO_NOTEBOOK_KEY'])"), ()))
    pipeline.add(Definition("B", parse_source("2"), (), env=("JO_NOTEBOOK_KEY",)))
    pipeline.materialize()
    assert pipeline.context.records["A"].hidden == ()
    monkeypatch.setenv("JO_NOTEBOOK_KEY", f"{TEAM} another")
    pipeline.explain("B")
    monkeypatch.setenv("JO_NOTEBOOK_KEY", TEAM)
    told = repr(open_key()) + repr(pipeline.context) + " ".join(pipeline.problems) + repr(pipeline.outcome)
    hidden = [TEAM, digest_of(TEAM), open_key().secret.hex()]
    everything = told.encode() + b"".join(path.read_bytes() for path in tmp_path.rglob("*") if path.is_file())
    assert not [word for word in hidden if word.encode() in everything]
    assert open_key().secret not in everything


def test_a_team_key_with_no_key_of_ones_own(place: Path, jupyter_data: Path, monkeypatch: pytest.MonkeyPatch):
    jupyter_data.write_text("a file where a directory should be")
    monkeypatch.setenv("JO_NOTEBOOK_KEY", TEAM)
    context = Context(place)
    assert context.problems[0].endswith("what you signed before the team had its key counts as made elsewhere.")
    context.put(record(), 1)
    assert Context(place).untrusted == frozenset()


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a file away")
def test_a_secret_of_another_user_is_refused(secret: Path):
    before = open_key().id
    os.chown(secret, 12345, -1)
    key = open_key()
    assert "belongs to another user; delete it" in key.problem
    assert key.id != before


@pytest.mark.parametrize(
    ("injury", "words"), [("link", "is a symbolic link"), ("short", "is not a key"), ("dangling", "symbolic link")]
)
def test_what_to_do_about_a_secret_that_is_none(secret: Path, tmp_path: Path, injury: str, words: str):
    whole = secret.read_bytes()
    secret.unlink()
    if injury == "short":
        secret.write_bytes(whole[:-1])
    else:
        if injury == "link":
            (tmp_path / "other").write_bytes(whole)
        secret.symlink_to(tmp_path / "other")
    problem = open_key().problem
    assert words in problem
    assert "to get a new" in problem
    secret.unlink()
    assert open_key().problem == ""


def test_an_unreadable_secret(secret: Path):
    """As another user than root, whom nothing stops."""
    if os.geteuid() == 0:
        code = "import os; os.setuid(12345); from jo_notebook.store.trust import open_key; print(open_key().problem)"
        for folder in (secret, *secret.parents[:5]):
            folder.chmod(0o755)
        secret.chmod(0)
        os.chown(secret, 12345, -1)
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if done.returncode:
            pytest.skip("another user cannot run this Python")
        assert "say chmod 600" in done.stdout or "Permission denied" in done.stdout
    else:
        secret.chmod(0)
        assert "say chmod 600" in open_key().problem
