"""What to keep an eye on, so that results can be made again when it changes: declared files, and local modules.

Content decides what is stale; here only stats are looked at, to learn that it is time to plan again.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from jo_notebook.engine.files import files_at
from jo_notebook.pipeline import Pipeline

Stamps = dict[str, tuple[int, ...]]


@dataclass(frozen=True, slots=True)
class Watched:
    """What the steps of some heads are made of, as absolute paths.

    `reads` are files, directories and patterns that steps declare; `modules` files of local modules; `own` what runs
    write themselves, which is never looked at.
    """

    reads: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    own: tuple[str, ...] = ()

    def stamps(self) -> Stamps:
        """What each file looks like from outside; one that is not there has no stamp."""
        found: Stamps = {}
        for path in (*self.reads, *self.modules):
            found.update(files_at("", path))
        return self.looked_at(found)

    def looked_at(self, stamps: Stamps) -> Stamps:
        """Those of the stamps that are not of something a run writes itself."""
        return {path: stamp for path, stamp in stamps.items() if not self._is_own(path)}

    def folders(self) -> list[str]:
        """The directories in which a change can show; of what is not there the nearest one that is."""
        found = {os.path.dirname(path) for path in (*self.stamps(), *self.modules)}
        for path in self.reads:
            top = os.path.join(*_pieces(path))
            found.update(_below(top) if os.path.isdir(top) else (_nearest(top),))
        return sorted(folder for folder in map(_nearest, found) if not self._is_own(folder))

    def _is_own(self, path: str) -> bool:
        return any(path == own or path.startswith(own + os.sep) for own in self.own)


class Lookout:
    """Notes what the files of some heads look like before a run, so that no change during it is missed."""

    def __init__(self, pipeline: Pipeline, heads: Iterable[str]) -> None:
        self._pipeline = pipeline
        self._heads = tuple(heads)
        pipeline.plan(*self._heads)  # finds out which modules the steps reach
        self._before = watched(pipeline, self._heads).stamps()

    def data(self) -> dict[str, Any]:
        """As plain data: what to watch, and the stamps from before the run, or of today for what it has brought."""
        now = watched(self._pipeline, self._heads)
        stamps = {**now.stamps(), **self._before}
        return {**asdict(now), "stamps": {path: list(stamp) for path, stamp in stamps.items()}}


def watched(pipeline: Pipeline, heads: Iterable[str]) -> Watched:
    """What these heads, or all steps, are made of. Relative paths are meant from the working directory, as in a run."""
    heads, dag = tuple(heads), pipeline.dag
    wanted = dag.ancestors(heads) if heads else frozenset(dag)
    reads = {path for name in wanted if name in dag for path in dag[name].reads}
    writes = {path for definition in dag.definitions.values() for path in definition.writes}
    place = pipeline.context.place
    own = {*map(_absolute, writes), *([] if place is None else [_absolute(str(place))])}
    return Watched(
        reads=tuple(sorted(map(_absolute, reads))),
        modules=tuple(sorted(map(_absolute, pipeline.today.modules.local_files()))),
        own=tuple(sorted(own)),
    )


def watched_of(data: Mapping[str, Any]) -> tuple[Watched, Stamps]:
    """The reverse of `Lookout.data`."""
    stamps = {str(path): tuple(stamp) for path, stamp in data["stamps"].items()}
    return Watched(tuple(data["reads"]), tuple(data["modules"]), tuple(data["own"])), stamps


def _absolute(path: str) -> str:
    return os.path.normpath(os.path.join(os.getcwd(), os.path.expanduser(path)))


def _pieces(path: str) -> list[str]:
    """The path up to its first wildcard."""
    pieces = path.split(os.sep)
    fixed = next((i for i, piece in enumerate(pieces) if any(c in piece for c in "*?[")), len(pieces))
    return [os.sep, *pieces[:fixed]]


def _below(top: str) -> list[str]:
    return [folder for folder, _, _ in os.walk(top)]


def _nearest(path: str) -> str:
    """The directory itself, or the nearest above it that is there."""
    while not os.path.isdir(path) and path != os.path.dirname(path):
        path = os.path.dirname(path)
    return path
