"""Gives a JSON file a checksum of its own content, and compares it when the file is read."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crc32c import crc32c

from bertkit.codecs.strict_json import json_text
from bertkit.errors import DataError

CHECKSUM = "checksum"


def sealed(values: Mapping[str, Any]) -> dict[str, Any]:
    """The content of a JSON file with its own checksum as the last entry."""
    content = {name: value for name, value in values.items() if name != CHECKSUM}
    return {**content, CHECKSUM: _own(content)}


def require_sealed(values: Mapping[str, Any], path: str | Path, hint: str = "") -> None:
    """Refuse content that is not what `sealed` gave; without a checksum it passes.

    Raises:
        DataError: it was changed since.
    """
    given = values.get(CHECKSUM)
    content = {name: value for name, value in values.items() if name != CHECKSUM}
    if given is not None and given != _own(content):
        raise DataError(f"{path}: damaged, or changed by hand: its checksum is not {given}", hint)


def _own(content: Mapping[str, Any]) -> str:
    # As it comes back from a file, so that types that JSON does not know make no difference.
    text = json.dumps(json.loads(json_text(content)), sort_keys=True)
    return f"{crc32c(text.encode()):08x}"
