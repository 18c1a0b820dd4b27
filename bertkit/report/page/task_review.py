"""Writes what a fine-tuned model got wrong as a section of the report's page."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from bertkit.report.page.html_parts import html_table
from bertkit.tasks.finetuning.review import cells


def task_section(run: str, found: Mapping[str, Any]) -> str:
    """A heading, and a table of each kind of mistake in each file.

    Args:
        run: name of the run.
        found: from `review.read_review`.
    """
    parts = [f"<h2>Predictions of {html.escape(run)}</h2>"]
    for path, tables in found["files"].items():
        parts.append(f'<p class="quiet">{html.escape(path)}</p>')
        shown = [(title, rows) for title, rows in tables.items() if rows]
        for title, rows in shown:
            parts += [f"<h3>{html.escape(title)}</h3>", html_table(*cells(rows))]
        if not shown:
            parts.append("<p>Nothing was wrong.</p>")
    return "\n".join(parts)
