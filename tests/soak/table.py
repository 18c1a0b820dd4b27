"""Turns the results of a campaign into the table of docs/reliability.md."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

BEGIN, END = "<!-- soak: begin -->", "<!-- soak: end -->"
_TITLES = {
    "points": "crash points: kill, full disk, read and write error, no memory, Ctrl-C, SIGTERM",
    "kills": "chains of random kills",
    "signals": "chains of SIGTERM and Ctrl-C",
    "damage": "damaged inputs",
    "hostile": "hostile inputs",
    "disk": "full disks",
    "pairs": "the same command twice at once",
}


def table(outcomes: Iterable[Mapping[str, Any]]) -> str:
    """A table of all groups, and one line per part."""
    rows = list(outcomes)
    lines = ["| part | groups | cases | as they should be | minutes |", "|---|---|---|---|---|"]
    for part, title in _TITLES.items():
        own = [row for row in rows if row["part"] == part]
        if own:
            cases, good = (sum(row[key] for row in own) for key in ("cases", "good"))
            minutes = sum(row["seconds"] for row in own) / 60
            lines.append(f"| {title} | {len(own)} | {cases:,} | {good:,} | {minutes:.0f} |")
    lines += ["", "| group | cases | as they should be | counts |", "|---|---|---|---|"]
    for row in rows:
        counts = ", ".join(f"{name}: {count:,}" for name, count in sorted(row["counts"].items()))
        name = f"{row['part']}: {row['name']}"
        lines.append(f"| {name} | {row['cases']:,} | {row['good']:,} | {counts} |")
    return "\n".join(lines) + "\n"


def write_into(page: Path, text: str) -> None:
    """Put a table between the marks of a page."""
    content = page.read_text("utf-8")
    before, begin, rest = content.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{page} has no marks for the table")
    page.write_text(f"{before}{BEGIN}\n{text}{END}{after}", "utf-8")
