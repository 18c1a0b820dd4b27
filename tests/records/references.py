"""The digests of the reference programs' outputs, and the inputs they were made of."""

from __future__ import annotations

import functools
import hashlib
import json
import unicodedata
from pathlib import Path
from typing import Any

import pytest

from bertkit.records.files.schema import Features

VOCABS = {
    "vocab": "bert-base-uncased-vocab.txt",
    "vocab_cased": "bert-base-cased-vocab.txt",
    "vocab.txt": "bert-base-uncased-vocab.txt",
    "vocab_cased.txt": "bert-base-cased-vocab.txt",
}


@functools.cache
def outputs(shared: Path) -> dict[str, dict[str, Any]]:
    """Name → what a reference program wrote."""
    path = shared / "goldens" / "digests" / "digests.json"
    return {entry["name"]: entry for entry in json.loads(path.read_text())["outputs"]}


def require_unicode(name: str) -> None:
    """Skip where characters of a golden's text are others to Python than to the one that made it.

    The text `adv_safe` holds every page of Unicode; its characters are alike from version 11 to 15.
    """
    if "adv_safe" in name and int(unicodedata.unidata_version.partition(".")[0]) > 15:
        pytest.skip(f"{name} was made with Unicode 14, {unicodedata.unidata_version} is here")


def vocab_path(shared: Path, name: str) -> Path:
    return shared / "data" / "vocab" / VOCABS[name]


def text_path(shared: Path, name: str) -> Path:
    if name == "sample_text":
        return shared / "data" / "tfrecord_samples" / "graphcore" / "sample_text.txt"
    return shared / "goldens" / "digests" / f"{name}.txt"


def record_sha1(record: Features) -> str:
    """SHA-1 of one record as compact JSON with sorted names, as the goldens list them."""
    plain = {name: values.tolist() for name, values in record.items()}
    text = json.dumps(plain, sort_keys=True, separators=(",", ":"))
    return hashlib.sha1(text.encode("ascii")).hexdigest()
