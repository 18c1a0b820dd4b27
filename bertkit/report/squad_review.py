"""A review of answers as a part of the page that `report` writes."""

from __future__ import annotations

import html
from collections.abc import Mapping
from typing import Any

from bertkit.report.page import table

_EXAMPLES = (("right", "Right, for example"), ("wrong", "Wrong, the surest first"))


def as_html(run: str, found: Mapping[str, Any]) -> str:
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
        parts.append(table((name, "questions", "exact", "F1"), rows))
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
            parts += [f"<h3>{title}</h3>", table(head, rows)]
    return "\n".join(parts)
