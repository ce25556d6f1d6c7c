"""A store as one zip file. Nothing a zip file says leads out of the directory it is unpacked into."""

from __future__ import annotations

import os
import re
import shutil
import stat
import tempfile
import weakref
import zipfile
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import IO

from jo_notebook.core.files import size_text
from jo_notebook.errors import StoreError
from jo_notebook.store.names import STEM

ZIP = ".zip"
STEPS = rf"(?:results|failures|steps|errors)/{STEM.pattern}/(?:HEAD|[1-9][0-9]{{0,14}})"
FILES = re.compile(rf"FORMAT|{STEPS}|definitions/{STEM.pattern}\.json")


def write_zip(folder: str, path: str, top: str) -> None:
    """All files of a directory, below a directory `top`, uncompressed and durable. Raises OSError."""
    with open(path, "xb") as out:
        with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as packed:
            for name in sorted(_files(folder)):
                info = zipfile.ZipInfo(f"{top}/{name}")
                info.external_attr = (stat.S_IFREG | 0o644) << 16
                with open(os.path.join(folder, name), "rb") as source:
                    info.file_size = os.fstat(source.fileno()).st_size
                    with packed.open(info, "w") as target:
                        shutil.copyfileobj(source, target, 1 << 20)
        out.flush()
        os.fsync(out.fileno())


def _files(folder: str) -> Iterator[str]:
    for place, _, names in os.walk(folder):
        for name in names:
            yield os.path.relpath(os.path.join(place, name), folder).replace(os.sep, "/")


class Unpacked:
    """A zip file's store in a temporary directory, `path`, that goes when this object does, or at `close`."""

    def __init__(self, packed: str) -> None:
        try:
            self.path = tempfile.mkdtemp(prefix="jo-load-")
            self._gone = weakref.finalize(self, shutil.rmtree, self.path, ignore_errors=True)
        except OSError as error:
            raise StoreError(f"Cannot unpack {packed}: {error.strerror or error}.") from error
        try:
            _unpack(packed, self.path)
        except StoreError:
            self.close()
            raise
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError, EOFError, ValueError) as error:
            self.close()
            raise StoreError(f"Cannot unpack {packed}: {getattr(error, 'strerror', None) or error}.") from error

    def close(self) -> None:
        """Remove the directory."""
        self._gone()


def _unpack(path: str, folder: str) -> None:
    """Raises StoreError for a file that no store would be, OSError, and what zipfile raises for a damaged one."""
    with zipfile.ZipFile(path) as packed:
        members = {name: info for info in packed.infolist() if (name := _checked(path, info))}
        needed = sum(info.file_size for info in members.values())
        free = shutil.disk_usage(folder).free
        if needed > free:
            raise StoreError(f"Cannot unpack {path}: {size_text(needed)} are needed, {size_text(free)} are free.")
        tops = {name.partition("/")[0] for name in members if FILES.fullmatch(name.partition("/")[2])}
        top = next((f"{top}/" for top in sorted(tops) if f"{top}/FORMAT" in members), "")
        for name, info in members.items():
            inner = name.removeprefix(top)
            if name.startswith(top) and FILES.fullmatch(inner):
                target = os.path.join(folder, *inner.split("/"))
                os.makedirs(os.path.dirname(target), exist_ok=True)
                with packed.open(info) as source, open(target, "xb") as out:
                    _copy(path, source, out, info.file_size)


def _checked(path: str, info: zipfile.ZipInfo) -> str:
    """A member's name, empty for a directory. Raises StoreError for one that leads elsewhere."""
    name = info.filename
    parts = PurePosixPath(name).parts
    mode = info.external_attr >> 16
    is_link = stat.S_IFMT(mode) not in (0, stat.S_IFREG, stat.S_IFDIR)
    if is_link or not parts or name.startswith("/") or "\\" in name or ".." in parts:
        raise StoreError(f"{path} is no snapshot: it holds {name!r}, which leads out of its directory.")
    return "" if info.is_dir() else name


def _copy(path: str, source: IO[bytes], out: IO[bytes], size: int) -> None:
    """As much as was announced. Raises StoreError for more and for less."""
    left = size
    while left >= 0 and (block := source.read(min(1 << 20, left + 1))):
        left -= len(block)
        out.write(block)
    if left:
        raise StoreError(f"Cannot unpack {path}: a file in it is not as long as it says.")
