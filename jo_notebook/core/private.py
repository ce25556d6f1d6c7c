"""Environment variables of which nothing is ever written down: not the value, and no digest of it."""

from __future__ import annotations

KEY_VARIABLE = "JO_NOTEBOOK_KEY"
PRIVATE = frozenset({KEY_VARIABLE})
