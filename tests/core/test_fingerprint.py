"""The key: equal exactly when all that decides is equal."""

from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st

from jo_notebook.core.fingerprint import KINDS, Fingerprint, Part, digest_of


@given(st.lists(st.text(max_size=5), max_size=5), st.lists(st.text(max_size=5), max_size=5))
def test_no_two_lists_of_fields_share_a_digest(one: list[str], other: list[str]) -> None:
    assert (digest_of(*one) == digest_of(*other)) == (one == other)


def test_fields_do_not_run_together() -> None:
    assert len({digest_of("ab"), digest_of("a", "b"), digest_of("", "ab"), digest_of("ab", ""), digest_of()}) == 5


def test_text_that_is_no_text() -> None:
    assert digest_of("\ud800") != digest_of("?")


PARTS = [Part("code", "", "1"), Part("param", "a", "2"), Part("input", "a", "3"), Part("constant", "a", "4")]


@given(st.permutations(PARTS))
def test_the_order_of_parts_does_not_matter(parts: list[Part]) -> None:
    assert Fingerprint.of(parts) == Fingerprint.of(PARTS)
    assert Fingerprint.of(parts).key == Fingerprint.of(PARTS).key


def test_parts_stand_in_the_order_of_kinds() -> None:
    kinds = [part.kind for part in Fingerprint.of(PARTS).parts]
    assert kinds == sorted(kinds, key=KINDS.index)


def test_what_decides() -> None:
    key = Fingerprint.of([Part("input", "a", "1", "shown")]).key
    assert Fingerprint.of([Part("input", "a", "1", "other text")]).key == key
    assert Fingerprint.of([Part("input", "a", "1"), Part("untracked", "db", "9")]).key == key
    others = [Part("input", "a", "2"), Part("input", "b", "1"), Part("param", "a", "1")]
    assert key not in {Fingerprint.of([other]).key for other in others}
    assert Fingerprint((Part("input", "a", "1"),), schema=99).key != key


def test_json_and_back() -> None:
    fingerprint = Fingerprint.of(PARTS)
    assert Fingerprint.from_json(json.loads(json.dumps(fingerprint.to_json()))) == fingerprint
