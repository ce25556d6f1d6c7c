"""Writes the staleness matrix as a page of the documentation: python -m tests.cases.staleness_page"""

from __future__ import annotations

from pathlib import Path

from tests.cases.staleness import GROUPS, PEERS, Row, rows

PAGE = Path(__file__).parents[2] / "docs" / "staleness.md"

HEAD = """# What makes a result stale

Every row is an edit of a small notebook, run by `tests/journeys/test_staleness.py` in a real kernel: the step is
materialized, the edit is made, and then the state, the reasons and the value that a user gets are compared with this
table. *keep* means that nothing runs; *re-run* means that the step is marked stale, for exactly the reasons given, and
gives the new value when it is materialized. This page is written from the test's own table
(`python -m tests.cases.staleness_page`).

## Against others

Measured with one notebook step that calls `helper`, which reads the constant `K`; releases of autumn 2026. **stale** is
an old result served as if it were right.

"""


def page() -> str:
    """The whole page."""
    everything = rows()
    with_peers = [row for row in everything if row.peers]
    lines = [_line("edit", "right answer", "jo_notebook", *PEERS), _line(*["---"] * (3 + len(PEERS)))]
    lines += [_line(row.edit, row.right, "**ok**", *row.peers) for row in with_peers]
    parts = [HEAD + "\n".join(lines)]
    for group in GROUPS:
        mine = [row for row in everything if row.group == group]
        table = [_line("edit", "jo_notebook", "says"), _line("---", "---", "---"), *map(_row, mine)]
        parts.append(f"## {group}\n\n" + "\n".join(table))
    keeps = sum(row.right == "keep" for row in everything)
    parts.append(f"{len(everything)} rows: {len(everything) - keeps} that must re-run, {keeps} that must not.")
    return "\n\n".join(parts) + "\n"


def _row(row: Row) -> str:
    return _line(row.edit, row.right, "; ".join(row.reasons))


def _line(*cells: str) -> str:
    return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
