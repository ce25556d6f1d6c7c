"""The rule of data versions for matplotlib's figures, which are recognised and never imported.

A figure works out much of itself when it is drawn, so it has no exact version. Its witness is what was put
into it, read without drawing it: it is the same before and after the figure was drawn, shown or saved.
"""

from __future__ import annotations

from typing import Any

from jo_notebook.core.walk import Node, Rule

SAID = (
    *("get_label", "get_visible", "get_alpha", "get_zorder", "get_gid", "get_url"),
    *("get_text", "get_color", "get_linestyle", "get_linewidth", "get_marker", "get_markersize", "get_drawstyle"),
    *("get_facecolor", "get_edgecolor", "get_fontsize", "get_rotation", "get_fontfamily", "get_fontweight"),
    *("get_xydata", "get_xy", "get_width", "get_height", "get_offsets", "get_sizes", "get_array", "get_clim"),
    *("get_xscale", "get_yscale", "get_title", "get_xlabel", "get_ylabel", "get_size_inches", "get_dpi"),
    *("get_xlim", "get_ylim", "get_zlim"),
)
DRAWN = frozenset({"XAxis", "YAxis", "ZAxis", "XTick", "YTick", "Spine", "ThetaAxis", "RadialAxis"})


def _artist(node: Node, value: Any) -> None:
    if not node.lenient:
        node.opaque()
        return
    node.put("artist", type(value).__name__.encode())
    for name in SAID:
        ask = getattr(value, name, None)
        if callable(ask):
            node.put(name)
            node.feed(ask())
    if hasattr(value, "get_paths") or type(value).__name__ == "PathPatch":
        paths = value.get_paths() if hasattr(value, "get_paths") else [value.get_path()]
        node.feed([(path.vertices, path.codes) for path in paths])
    drawn = DRAWN | {"FancyBboxPatch"} if type(value).__name__ == "Legend" else DRAWN
    children = [child for child in value.get_children() if type(child).__name__ not in drawn]
    node.each("children", children, len(children))
    node.left_out = True


NAMED: dict[str, Rule] = {}

BASES: dict[str, Rule] = {"matplotlib.artist.Artist": _artist}
