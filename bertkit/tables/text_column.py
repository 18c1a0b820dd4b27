"""Finds the column, or key, that holds the text by its name."""

from __future__ import annotations

from collections.abc import Iterable

TEXT = "text"
# Other names for the text, taken where a record has one of them and no `text`.
OTHERS = (
    "content",
    "contents",
    "body",
    "article",
    "document",
    "passage",
    "abstract",
    "raw_content",
    "page_content",
    "full_text",
    "fulltext",
    "maintext",
)


def find_text_key(keys: Iterable[str]) -> str:
    """The key of these that holds the text: `text`, or the only one of `OTHERS`; else empty."""
    lower: dict[str, str] = {}
    for key in keys:
        plain = key.strip().casefold()
        if plain not in lower or key == plain:  # `text` rather than `Text`, where both are
            lower[plain] = key
    if TEXT in lower:
        return lower[TEXT]
    others = [lower[other] for other in OTHERS if other in lower]
    return others[0] if len(others) == 1 else ""
