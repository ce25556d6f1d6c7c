"""Colours that can be read, and that are not needed."""

from __future__ import annotations

import pytest

from jo_notebook.core.plan import Availability
from jo_notebook.views.look import EDGE, LOOKS, NEUTRAL, RING


def luminance(colour: str) -> float:
    channels = (int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5))
    linear = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels)
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one: str, other: str) -> float:
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_contrast_is_that_of_wcag() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("look", LOOKS.values(), ids=list(LOOKS))
def test_text_reads_on_its_fill(look) -> None:
    assert contrast(look.text, look.fill) >= 4.5


def test_text_reads_in_the_legend() -> None:
    assert contrast("#ffffff", NEUTRAL) >= 4.5


@pytest.mark.parametrize("page", ["#ffffff", "#111111"])
@pytest.mark.parametrize("colour", [EDGE, RING])
def test_lines_show_on_a_light_and_a_dark_page(colour: str, page: str) -> None:
    assert contrast(colour, page) >= 3


def test_states_differ_without_colour() -> None:
    assert len({look.shape for look in LOOKS.values()}) == len(LOOKS) == 6
    assert len({look.glyph for look in LOOKS.values()}) == 6
    assert all(len(look.glyph) == 1 for look in LOOKS.values())


def test_every_availability_has_a_look() -> None:
    assert {*map(str, Availability), "running", "queued"} == LOOKS.keys()
