"""Decides which record files are made from which text files."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import NamedTuple

from bertkit.codecs.packed_stream import without_ending
from bertkit.records.config import RecordsConfig
from bertkit.storage.files import shard_name


class Shard(NamedTuple):
    """One corpus with one random stream: its text files and the record files it fills."""

    inputs: list[str]
    outputs: list[str]


def plan_shards(names: Sequence[str], config: RecordsConfig) -> list[Shard]:
    """Which record files come from which text files.

    per-file: `part-3.txt` gives `part-3.tfrecord`; a name that occurs again, in another
    folder, gets `-2`, `-3` and so on in the order of the inputs. one-corpus: all files
    together give `records-00000-of-0000N.tfrecord` and so on. Or what the style calls them.
    """
    style = config.record_style
    if config.one_corpus:
        return [Shard(list(names), style.file_names(config))]
    stems = [style.stem(stem_of(name), config) for name in names]
    found = distinct(stems, config.suffix)
    return [Shard([name], [output]) for name, output in zip(names, found, strict=True)]


def shards_of_0_1(names: Sequence[str], config: RecordsConfig) -> list[Shard]:
    """The same shards with the names that bertkit 0.1 gave HDF5 files and JSON lines."""
    suffix = f".{config.file_format}"
    if config.one_corpus:
        count = range(config.outputs)
        return [Shard(list(names), [shard_name("records", n, len(count), suffix) for n in count])]
    stems = [stem_of(name) for name in names]
    found = distinct(stems, suffix)
    return [Shard([name], [output]) for name, output in zip(names, found, strict=True)]


def stem_of(name: str) -> str:
    """The name of a text file without `.txt`, nor the endings of compressions behind it."""
    base = os.path.basename(name)
    return base[: len(without_ending(base))].removesuffix(".txt")


def distinct(stems: Sequence[str], suffix: str) -> list[str]:
    """File names, of which a stem that occurs again gets `-2`, `-3` and so on."""
    taken: dict[str, None] = {}
    for stem in stems:
        candidate, count = stem + suffix, 1
        while candidate in taken:
            count += 1
            candidate = f"{stem}-{count}{suffix}"
        taken[candidate] = None
    return list(taken)


def text_bytes(shard: Shard) -> int:
    """Bytes of a shard's text files."""
    return sum(map(os.path.getsize, shard.inputs))
