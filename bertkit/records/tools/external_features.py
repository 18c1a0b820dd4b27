"""Describes records with other features than BERT's: names, types, sizes and values."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from bertkit import log
from bertkit.records.files.tfrecord.external_records import ExternalFile, ExternalRecord
from bertkit.records.files.tfrecord.frames import Feature

_SHOWN = 8  # values of a feature
_SHOWN_BYTES = 40  # of a byte string


def describe_external(
    sources: Sequence[ExternalFile], *, count: int, start: int, limit: int
) -> tuple[dict[str, Any], str]:
    """What features records have, and some records of the first file.

    Args:
        sources: the files.
        count: records to show of the first file.
        start: number of the first one shown.
        limit: records to look at per file, evenly spaced.

    Returns:
        (plain values, text).

    Raises:
        DataError: damaged files, or records of other messages.
        MissingDependencyError: the package tfrecord is not installed.
    """
    first = sources[0].read(0)
    found = _survey(sources, limit)
    records = sum(map(len, sources))
    numbers = [("records", f"{records:,} in {len(sources)} file{'s' * (len(sources) > 1)}")]
    if found.records < records:
        numbers.append(("looked at", f"{found.records:,}, evenly spaced"))
    rows = [
        (name, found.type_of(name), *found.sizes_of(name), _preview(first, name))
        for name in sorted(found.sizes)
    ]
    parts = [
        f"{sources[0].path} holds records of another kind",
        log.table(("records", "value"), numbers),
        log.table(("feature", "type", "values", "in records", "first record"), rows),
    ]
    shown = range(len(sources[0]))[start : start + count]
    parts += [show_external(number, sources[0].read(number)) for number in shown]
    features = {name: kind_of(values) for name, values in first.features.items()}
    features |= {name: f"{len(steps)} steps" for name, steps in first.lists.items()}
    facts = {
        "files": len(sources),
        "records": records,
        "features": features,
        "types": {name: found.type_of(name) for name in sorted(found.sizes)},
    }
    return facts, "\n\n".join(parts)


class _Survey(NamedTuple):
    """What features occur in the records that were looked at.

    Attributes:
        records: how many.
        sizes: name → least and greatest number of values, or of steps, of those that have it.
        having: name → how many of the records have the feature.
        types: name → the types that occur.
    """

    records: int
    sizes: dict[str, tuple[int, int]]
    having: Counter[str]
    types: dict[str, set[str]]

    def type_of(self, name: str) -> str:
        return " or ".join(sorted(self.types[name]))

    def sizes_of(self, name: str) -> tuple[str, str]:
        """(how many values, in how many of the records) as text."""
        low, high = self.sizes[name]
        share = self.having[name] / self.records
        size = str(low) if low == high else f"{low} to {high}"
        return size, "all" if share == 1 else f"{share:.1%}"


def _survey(sources: Sequence[ExternalFile], limit: int) -> _Survey:
    """Look at up to `limit` records of each file, evenly spaced."""
    sizes: dict[str, tuple[int, int]] = {}
    having: Counter[str] = Counter()
    types: defaultdict[str, set[str]] = defaultdict(set)
    records = 0
    for source in sources:
        for number in np.linspace(0, len(source) - 1, min(limit, len(source))).astype(int):
            records += 1
            for name, (kind, size) in _kinds(source.read(int(number))).items():
                low, high = sizes.get(name, (size, size))
                sizes[name] = (min(low, size), max(high, size))
                having[name] += 1
                types[name].add(kind)
    return _Survey(records, sizes, having, types)


def kind_of(values: Feature) -> str:
    """Type and number of a feature's values, such as `int64[3]`."""
    if isinstance(values, list):
        return f"{len(values)} byte strings"
    return f"{values.dtype}[{len(values)}]"


def preview(values: Feature) -> str:
    """The first values of a feature."""
    shown = [_word(value) for value in values[:_SHOWN]]
    return ", ".join(shown) + (", ..." if len(values) > _SHOWN else "")


def _kinds(record: ExternalRecord) -> dict[str, tuple[str, int]]:
    """Name → type, and number of values or of steps."""
    found = {name: (_type(values), len(values)) for name, values in record.features.items()}
    for name, steps in record.lists.items():
        found[name] = (f"list of {_type(steps[0]) if steps else 'nothing'}", len(steps))
    return found


def _type(values: Feature) -> str:
    if isinstance(values, list):
        return "bytes" if values else "empty"
    return str(values.dtype)


def _preview(record: ExternalRecord, name: str) -> str:
    if name in record.features:
        return preview(record.features[name])
    steps = record.lists.get(name, [])
    return " | ".join(preview(values) for values in steps[:_SHOWN]) + " ..." * (len(steps) > _SHOWN)


def _word(value: Any) -> str:
    """A value as text; bytes that are no text as hexadecimal numbers."""
    if not isinstance(value, bytes):
        return f"{value:.6g}" if isinstance(value, np.floating) else str(value)
    head = value[:_SHOWN_BYTES]
    try:
        word = head.decode("utf-8")
        text = repr(word) if word.isprintable() else repr(head)[1:]
    except UnicodeDecodeError:
        text = f"0x{head[:16].hex()}"
    return text if len(head) == len(value) else f"{text}... ({len(value):,} bytes)"


def show_external(number: int, record: ExternalRecord) -> str:
    """One record: its features, one a line."""
    names = [*record.features, *record.lists]
    lines = [f"  {name}: {_preview(record, name)}" for name in names]
    return "\n".join([f"Record {number}:", *lines])
