"""Words for people the run in numbers that a dry run of fine-tuning tells."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.storage.files import human_bytes

_ABOUT, _BYTES = "_about", "_bytes"


def plan_text(plan: Mapping[str, Any]) -> str:
    """A line for each number, in the form of the plan of `pretrain`.

    Args:
        plan: by name; `..._about` ends the names of estimates, `..._bytes` those of sizes.
    """
    shown = {}
    for name, value in plan.items():
        plain = name.removesuffix(_ABOUT)
        is_size = plain.endswith(_BYTES)
        text = f"{value:,}" if isinstance(value, (int, float)) else str(value)
        text = human_bytes(value) if is_size else text
        about = "about " if plain != name else ""
        shown[plain.removesuffix(_BYTES).replace("_", " ")] = about + text
    width = max(map(len, shown))
    return "\n".join(f"{name:<{width}}   {text}" for name, text in shown.items())
