"""Shows some of the records that a run was trained on, as a section of the report's page."""

from __future__ import annotations

import html
import os
import re
from collections.abc import Mapping
from typing import Any

from bertkit.errors import BertkitError
from bertkit.records.files.open import open_any_records
from bertkit.records.tools import inspect
from bertkit.records.tools.record_statistics import measure_records

_COUNT = 3
_MEASURED = 200  # records that tell which id is that of [MASK]
_UNWRAPPED = 1_000_000  # columns: the page wraps lines itself
_HIDDEN = re.compile(r"\[MASK:\S+?\](?!\])|\{\S+?\}(?!\})")


def samples_section(run: str, config: Mapping[str, Any]) -> str:
    """Some records of a run's first input, spread over its first file; empty where it has none.

    Args:
        run: its name.
        config: its settings by dotted name.
    """
    inputs = config.get("input") or []
    if not isinstance(inputs, list) or not all(isinstance(name, str) for name in inputs):
        return ""
    found = [name for name in inputs if os.path.exists(name)]
    if not found:
        return ""
    try:
        texts = _texts(found[0], config.get("vocab"))
    except (BertkitError, OSError) as error:  # a page without them is still one
        texts = [f"{found[0]} cannot be shown: {error}"]
    if not texts:
        return ""
    marked = (_HIDDEN.sub(r"<b>\g<0></b>", html.escape(text, quote=False)) for text in texts)
    blocks = "".join(f"<pre>{text}</pre>" for text in marked)
    return (
        f"<h2>Records of {html.escape(run)}</h2>\n"
        f'<p class="quiet">{html.escape(inspect.LEGEND)}</p>\n{blocks}'
    )


def _texts(place: str, vocab: Any) -> list[str]:
    files = inspect.record_files([place])
    if not files:
        return []
    source: Any = open_any_records(files[0])
    if not hasattr(source, "max_seq_length"):  # records of other programs
        return []
    mask = measure_records(files[:1], _MEASURED, None).statistics().mask_id
    words = inspect.vocabulary(
        vocab if isinstance(vocab, str) and os.path.isfile(vocab) else None, files[0]
    )
    numbers = range(0, len(source), max(1, len(source) // _COUNT))[:_COUNT]
    return [inspect.show_record(source, number, words, mask, _UNWRAPPED) for number in numbers]
