"""Implements the style for Hugging Face's Trainer: JSON lines without padding."""

from __future__ import annotations

from bertkit.records.files.formats import JSONL
from bertkit.records.styles.google import GoogleStyle


class HuggingFaceStyle(GoogleStyle):
    """Google's algorithm and tokenizer, in the format that `datasets` loads."""

    name = "hf"
    help = "JSON lines for Hugging Face's Trainer"
    default_format = JSONL
    in_memory = False


HF = HuggingFaceStyle()
