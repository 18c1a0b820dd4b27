"""Writes the review of a run's SQuAD answers as a section of the report's page."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from bertkit.report.page.html_parts import html_table

_EXAMPLES = (("right", "Right, for example"), ("wrong", "Wrong, the most confident first"))


def review_section(run: str, found: Mapping[str, Any]) -> str:
    """A heading, scores by kind of question, and examples.

    Args:
        run: name of the run.
        found: from `review.review`.
    """
    parts = [f"<h2>Answers of {html.escape(run)}</h2>"]
    for name, groups in found["groups"].items():
        rows = [
            [row["group"], f"{row['questions']:,}", f"{row['exact']:.1f}", f"{row['f1']:.1f}"]
            for row in groups
        ]
        parts.append(html_table((name, "questions", "exact match (%)", "F1 (%)"), rows))
    for kind, title in _EXAMPLES:
        rows = [
            [
                entry["question"],
                entry["answer"] or "(nothing)",
                f"{entry['probability']:.2f}",
                " | ".join(entry["wanted"]) or "(nothing)",
                entry["passage"],
            ]
            for entry in found[kind]
        ]
        if rows:
            head = ("question", "answered", "probability", "wanted", "passage")
            parts += [f"<h3>{title}</h3>", html_table(head, rows)]
    return "\n".join(parts)
