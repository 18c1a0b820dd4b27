"""The small world of the shared room."""

from __future__ import annotations

from tasks.finetuning.conftest import ask, place, words

__all__ = ["ask", "place", "words"]
