"""Tells which settings of records decide nothing in a run, because its records are made already."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SECTION = "records."
# What the vocabulary says of the text; a run takes it from its records.
_OF_THE_TEXT = ("do_lower_case", "strip_accents", "tokenize_chinese_chars", "word_length")
# What new masks are drawn by, in every epoch.
_OF_MASKS = ("masked_lm_prob", "whole_word_mask")


def unused_record_settings(settings: Mapping[str, Any]) -> list[str]:
    """The dotted names of settings of records that a run on record files does not read.

    Such a run keeps their defaults, which are not how its records were made: that stands in
    the manifest of the records.

    Args:
        settings: of a run, by dotted name. Empty is returned for runs that make instances of
            text, and for those of other commands.
    """
    if not settings.get("input") or settings.get("text"):
        return []
    used = {*_OF_THE_TEXT, *(_OF_MASKS if settings.get("mask") == "dynamic" else ())}
    return [
        name for name in settings if name.startswith(SECTION) and name[len(SECTION) :] not in used
    ]
