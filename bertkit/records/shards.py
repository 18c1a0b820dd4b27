"""Decides which record files are made from which text files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from bertkit.records.config import RecordsConfig


class Shard(NamedTuple):
    """One corpus with one random stream: its text files and the record files it fills."""

    inputs: list[str]
    outputs: list[str]


def plan_shards(names: Sequence[str], config: RecordsConfig) -> list[Shard]:
    """Which record files come from which text files.

    per-file: `part-3.txt` gives `part-3.tfrecord`; a name that occurs again, in another
    folder, gets `-2`, `-3` and so on in the order of the inputs. one-corpus: all files
    together give `records-00000-of-0000N.tfrecord` and so on, or what the style calls them.
    """
    if config.one_corpus:
        return [Shard(list(names), config.record_style.file_names(config))]
    taken: set[str] = set()
    shards = []
    for name in names:
        stem = os.path.basename(name).removesuffix(".txt")
        candidate, count = stem + config.suffix, 1
        while candidate in taken:
            count += 1
            candidate = f"{stem}-{count}{config.suffix}"
        taken.add(candidate)
        shards.append(Shard([name], [candidate]))
    return shards
