"""The search for garbage is as it was afterwards, whatever happened."""

from __future__ import annotations

import gc

import pytest

from jo_notebook.core.garbage import no_search


def inside() -> None:
    with no_search():
        assert not gc.isenabled()
    assert not gc.isenabled(), "the outer one is not over"
    raise ZeroDivisionError


def test_it_is_on_again_afterwards_and_off_where_it_was() -> None:
    assert gc.isenabled()
    with pytest.raises(ZeroDivisionError), no_search():
        inside()
    assert gc.isenabled()
    gc.disable()
    try:
        with no_search():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()
