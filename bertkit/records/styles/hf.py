"""Implements the style for Hugging Face's Trainer: JSON lines without padding."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertkit.records.files.formats import JSONL
from bertkit.records.styles.google import GoogleStyle

if TYPE_CHECKING:
    from bertkit.records.config import RecordsConfig


class HuggingFaceStyle(GoogleStyle):
    """Google's algorithm and tokenizer, in the format that `datasets` loads."""

    name = "hf"
    help = "JSON lines for Hugging Face's Trainer"
    default_format = JSONL
    in_memory = False

    def suffix(self, config: RecordsConfig) -> str:
        """`.json`, which scripts ask for by name: JSON lines, which `datasets` calls json."""
        return ".json" if config.file_format == JSONL else super().suffix(config)


HF = HuggingFaceStyle()
