"""The one table of how a state looks, in every picture and every line.

The fills are Okabe and Ito's colours for colour-blind readers, some darkened so that the text on them
keeps a contrast of 4.5. Shape and glyph say the same without colour. Every node is filled and carries
its own text colour, so that one picture serves a white page and a dark one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

EDGE = "#7a828a"
RING = "#3d8bfd"
NEUTRAL = "#59626b"
DONE = "#003d63"
"""The part of a running step that is done."""
FONT = 'system-ui, "Segoe UI", Helvetica, Arial, sans-serif'
FONT_SIZE = 14


@dataclass(frozen=True, slots=True)
class Look:
    """How one state is drawn. `shape` is a name cytoscape knows, `glyph` one character before the name."""

    word: str
    glyph: str
    fill: str
    text: str
    border: str
    shape: str
    line: str = "solid"


LOOKS: Mapping[str, Look] = {
    look.word: look
    for look in (
        Look("available", "✓", "#00785a", "#ffffff", "#00563f", "round-rectangle"),
        Look("stale", "~", "#e69f00", "#241a00", "#a87400", "cut-rectangle"),
        Look("missing", "○", "#68717a", "#ffffff", "#a9b1b9", "rectangle", "dashed"),
        Look("failed", "✕", "#bf3a06", "#ffffff", "#8a2803", "octagon"),
        Look("running", "▸", "#0069a8", "#ffffff", "#004a78", "tag"),
        Look("queued", "…", "#56b4e9", "#062438", "#2c86b8", "hexagon"),
    )
}
