"""The name of a step's directory: readable, safe on every disk, unique even where case folds."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from functools import lru_cache

from jo_notebook.errors import StepNameError

NAME_LIMIT = 128
SLUG_LIMIT = 32
STEM = re.compile(r"[a-z0-9_-]+-[0-9a-f]{16}")
# Other, control, format (bidi marks are among them), surrogates, unassigned, line and paragraph separators.
_FORBIDDEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})


def check_stored_name(name: object) -> str:
    """The name, or StepNameError where a result under it could be mistaken for another's or mislead."""
    if not isinstance(name, str) or not 1 <= len(name) <= NAME_LIMIT:
        raise StepNameError(f"A stored step's name has 1 to {NAME_LIMIT} characters.")
    if name.isascii() and name.isidentifier():
        return name
    if unicodedata.normalize("NFC", name) != name:
        raise StepNameError(f"{name!r} cannot be stored: write it in its composed form (NFC).")
    if not name.strip(". ") or any(unicodedata.category(c) in _FORBIDDEN for c in name):
        raise StepNameError(f"{name!r} cannot be stored: it has characters that do not show.")
    return name


@lru_cache(maxsize=1 << 15)
def stem_of(name: str) -> str:
    """The directory name `<slug>-<hash16>` of a step; two names never share one."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9_]+", "-", plain.lower()).strip("-")[:SLUG_LIMIT] or "step"
    return f"{slug}-{hashlib.sha256(name.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}"
