"""The members of a layered drawing and their order: which layer, and who is above whom in it.

A step's layer is its longest path from a source. Edges that cross layers get a trunk of waypoints, one
trunk for all long edges of a step. Sweeps order each layer by the mean place of its neighbours; ties keep
the order given, and the sweep with the fewest crossings wins. Nothing is random and nothing recurses.
"""

from __future__ import annotations

WAYPOINTS, TRUNK = 20_000, 200  # edges beyond go straight: a picture that big is not read edge by edge


class Layers:
    """The graph being laid out, by number: the nodes first, then the waypoints of the trunks."""

    def __init__(self, above: list[list[int]]) -> None:
        self.nodes = len(above)
        self.edges = [(a, b) for b, row in enumerate(above) for a in row]
        self.layer = _longest_paths(above, self.edges)
        self.trunks: dict[int, range] = {}
        self.before: list[list[int]] = [[] for _ in above]
        self.after: list[list[int]] = [[] for _ in above]

    def add_trunks(self) -> None:
        """Splits long edges into steps of one layer, shortest trunks first while the budget lasts."""
        length: dict[int, int] = {}
        for a, b in self.edges:
            length[a] = max(length.get(a, 0), min(self.layer[b] - self.layer[a] - 1, TRUNK))
        left = WAYPOINTS
        for a in sorted(length, key=lambda a: (length[a], a)):
            if 0 < length[a] <= left:
                left -= length[a]
                self._add_trunk(a, length[a])
        for a, b in self.edges:
            way = self.route(a, b)
            self._link(way[-1] if way else a, b)

    def route(self, a: int, b: int) -> range:
        """The waypoints of one edge; none for an edge that goes straight."""
        trunk, length = self.trunks.get(a, range(0)), self.layer[b] - self.layer[a] - 1
        return trunk[:length] if 0 < length <= len(trunk) else range(0)

    def _add_trunk(self, a: int, length: int) -> None:
        start = len(self.layer)
        self.trunks[a] = range(start, start + length)
        for i in range(length):
            self.layer.append(self.layer[a] + 1 + i)
            self.before.append([])
            self.after.append([])
            self._link(start + i - 1 if i else a, start + i)

    def _link(self, a: int, b: int) -> None:
        self.after[a].append(b)
        self.before[b].append(a)


def _longest_paths(above: list[list[int]], edges: list[tuple[int, int]]) -> list[int]:
    below: list[list[int]] = [[] for _ in above]
    for a, b in edges:
        below[a].append(b)
    waiting = [len(row) for row in above]
    layer = [0] * len(above)
    ready = [i for i, count in enumerate(waiting) if not count]
    for a in ready:  # grows while it is walked
        for b in below[a]:
            layer[b] = max(layer[b], layer[a] + 1)
            waiting[b] -= 1
            if not waiting[b]:
                ready.append(b)
    return layer


def ordered(drawing: Layers) -> list[list[int]]:
    """The layers, each in an order with few crossings: the best of a few sweeps."""
    layers: list[list[int]] = [[] for _ in range(max(drawing.layer, default=-1) + 1)]
    for i, k in enumerate(drawing.layer):
        layers[k].append(i)
    place = [0.0] * len(drawing.layer)
    for row in layers:
        _number(row, place)
    best, fewest = [list(row) for row in layers], _crossings(drawing, layers, place)
    for sweep in range(8 if len(place) < 2_000 else 4):
        if not fewest:
            break
        down = sweep % 2 == 0
        for row in layers if down else reversed(layers):
            _sort(row, drawing.before if down else drawing.after, place)
        crossings = _crossings(drawing, layers, place)
        if crossings < fewest:
            best, fewest = [list(row) for row in layers], crossings
    return best


def _sort(row: list[int], near: list[list[int]], place: list[float]) -> None:
    if len(row) > 1:
        wanted = {i: sum(place[n] for n in near[i]) / len(near[i]) if near[i] else place[i] for i in row}
        row.sort(key=wanted.__getitem__)
        _number(row, place)


def _number(row: list[int], place: list[float]) -> None:
    for rank, i in enumerate(row):
        place[i] = rank - (len(row) - 1) / 2


def _crossings(drawing: Layers, layers: list[list[int]], place: list[float]) -> int:
    """How many pairs of edges between neighbouring layers cross (a Fenwick tree over places)."""
    total = 0
    for row in layers:
        ends = [sorted(place[n] for n in drawing.after[i]) for i in row]
        flat = [end for group in ends for end in group]
        if len(row) < 2 or len(flat) < 2:
            continue
        rank = {end: r + 1 for r, end in enumerate(sorted(set(flat)))}
        tree = [0] * (len(rank) + 1)
        for seen, end in enumerate(flat):
            total += seen - _count(tree, rank[end])
            _insert(tree, rank[end])
    return total


def _count(tree: list[int], i: int) -> int:
    total = 0
    while i:
        total += tree[i]
        i -= i & -i
    return total


def _insert(tree: list[int], i: int) -> None:
    while i < len(tree):
        tree[i] += 1
        i += i & -i
