"""Says what is wrong with a value that should be a text to learn from or to predict."""

from __future__ import annotations

import unicodedata
from typing import Any

from bertkit.storage.files import is_utf8


def is_blank(text: str) -> bool:
    """Whether nothing of a text is seen: spaces, controls and marks of no width alone.

    No tokenizer makes a token of these.
    """
    return not any(unicodedata.category(letter)[0] not in "CZ" for letter in text)


def fault_of_text(value: Any) -> str:
    """What is wrong with a value that should be a text; empty where nothing is.

    Args:
        value: of a field or column.

    Returns:
        The rest of a sentence after "is"; `empty` and what begins with it are about a text.
    """
    if value is None:
        return "missing"
    if not isinstance(value, str):
        return "not a text"
    if not is_utf8(value):
        return "not a text: it holds half of a character (a lone surrogate)"
    if not value.strip():
        return "empty"
    return "empty but for characters that are not seen" if is_blank(value) else ""
