"""The small world of the shared room."""

from __future__ import annotations

from tasks.finetuning.conftest import place, words

__all__ = ["place", "words"]
