"""Names the features of a record and their types, and computes digests of records.

One meaning everywhere in bertkit: mask 1 on real tokens, weights 1.0 on predictions and
0.0 on padding, next sentence label 1 for a random second segment, padding 0.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

import numpy as np

Features = Mapping[str, "np.ndarray | list[bytes]"]

# Feature → dtype in a record file, in the order of the reference programs.
DTYPES: dict[str, type[np.generic]] = {
    "input_ids": np.int64,
    "input_mask": np.int64,
    "segment_ids": np.int64,
    "masked_lm_positions": np.int64,
    "masked_lm_ids": np.int64,
    "masked_lm_weights": np.float32,
    "next_sentence_labels": np.int64,
}
FEATURES = tuple(DTYPES)
PER_TOKEN = FEATURES[:3]
PER_PREDICTION = FEATURES[3:6]
PAIRS = ("segment_ids", "next_sentence_labels")  # that records of masked LM alone lack


def digest(records: Iterable[Features]) -> str:
    """SHA-256 of what records mean, whatever program wrote the file.

    Over every record in order and every feature in order of name: the name in UTF-8, a
    zero byte, and the values as little-endian int64 or float32; for lists of bytes the
    length of each item as little-endian uint32 before it.
    """
    total = hashlib.sha256()
    for record in records:
        for name in sorted(record):
            total.update(name.encode("utf-8") + b"\0" + _little_endian(record[name]))
    return total.hexdigest()


def _little_endian(values: np.ndarray | list[bytes]) -> bytes:
    if isinstance(values, list):
        return b"".join(len(item).to_bytes(4, "little") + item for item in values)
    kind = "<f4" if np.issubdtype(values.dtype, np.floating) else "<i8"
    return np.ascontiguousarray(values, kind).tobytes()
