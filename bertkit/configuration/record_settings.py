"""Tells which settings of records decide nothing in a run, because its records are made already."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bertkit.configuration.config import as_dict

SECTION = "records."
# What the vocabulary says of the text; a run takes it from its records.
_OF_THE_TEXT = ("do_lower_case", "strip_accents", "tokenize_chinese_chars", "word_length")
# How the vocabulary's own file is read.
_OF_THE_VOCABULARY = ("allow_duplicates", "style")
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
    used = {*_OF_THE_TEXT, *_read_with(settings)}
    if settings.get("mask") == "dynamic":
        used |= {*_OF_MASKS}
    return [
        name for name in settings if name.startswith(SECTION) and name[len(SECTION) :] not in used
    ]


def _read_with(settings: Mapping[str, Any]) -> tuple[str, ...]:
    """The style decides which of two equal tokens counts, where there may be such."""
    if not settings.get("vocab"):
        return ()
    return _OF_THE_VOCABULARY[: 2 if settings.get(f"{SECTION}allow_duplicates") else 1]


def unread_of(config: Any) -> set[str]:
    """The dotted names of settings that a run does not read, as its `unread` tells, if it has one.

    Args:
        config: the resolved settings, a dataclass.
    """
    return set(getattr(config, "unread", list)())


def settings_read(config: Any) -> dict[str, Any]:
    """The settings that a run reads, as nested plain values: what its folder keeps of them.

    Args:
        config: the resolved settings, a dataclass.
    """
    return _without(as_dict(config), unread_of(config))


def _without(values: Mapping[str, Any], names: Collection[str], prefix: str = "") -> dict[str, Any]:
    return {
        key: _without(value, names, f"{prefix}{key}.") if isinstance(value, Mapping) else value
        for key, value in values.items()
        if f"{prefix}{key}" not in names
    }
