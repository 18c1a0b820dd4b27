"""Makes the record files of one shard, in every style and format.

Text → plans of instances in the order of the style → packs, if asked → writers.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from bertkit.records.config import RecordsConfig
from bertkit.records.files.instance import InstancePlan
from bertkit.records.files.open import open_any_records
from bertkit.records.files.record_index import (
    ENDS,
    INSTANCES,
    LENGTH,
    PREDICTIONS,
    write_own_index,
)
from bertkit.records.files.writers import RecordWriter, open_writer
from bertkit.records.read_text import TextReader
from bertkit.records.shards import Shard
from bertkit.storage.files import allow_open_files, file_state
from bertkit.summary.counts import TextCounts
from bertkit.system.allocator import keep_freed_memory
from bertkit.tokenization.normalisation import Normalisation
from bertkit.tokenization.vocabulary import load_vocab


def write_shard(
    shard: Shard,
    config: RecordsConfig,
    *,
    vocab: str,
    folder: str | os.PathLike[str],
    limit: int | None = None,
    level: int = 0,
) -> dict[str, dict[str, Any]]:
    """Make the record files of one corpus; its records go to each of them in turn.

    Args:
        shard: text files, and names of the record files.
        config: the settings.
        vocab: vocabulary file.
        folder: for the record files.
        limit: stop after this many records.
        level: of the sketches of its text, see `bertkit.summary.sketch.level_for`.

    Returns:
        File name → records, bytes, a digest of them, the instances in its packs, and size and
        digest of its index; empty where the text holds no sentences, and then no file is made.

    Raises:
        DataError: unreadable text.
        MissingDependencyError: a style or format needs a package that is not installed.
    """
    reader = _reader(vocab, config)
    reader.begin(level)
    plans = shard_plans(shard.inputs, config, reader)
    plan = next(plans, None)
    if plan is None:
        return {}
    names, done = shard.outputs, 0
    facts: list[dict[str, Any]] = [{} for _ in names]
    packed: list[list[np.ndarray]] = [[] for _ in names]
    with contextlib.ExitStack() as stack:
        allow_open_files(len(names))
        writers = [
            stack.enter_context(open_writer(Path(folder) / name, config, of_file))
            for name, of_file in zip(names, facts, strict=True)
        ]
        while plan is not None:
            end = len(plan) if limit is None else min(len(plan), limit - done)
            for index, writer in enumerate(writers):
                # Record n of the corpus goes to file n modulo the number of files.
                which = range((index - done) % len(writers), end, len(writers))
                writer.add(plan, which)
                if config.packing != "none":
                    packed[index].append(plan.sizes(which))  # type: ignore[attr-defined]
            done += end
            plan = None if done == limit else next(plans, None)
    columns = [_columns(writer, sizes) for writer, sizes in zip(writers, packed, strict=True)]
    return {
        name: of_file | write_index_of(Path(folder) / name, config, of_file["records"], numbers)
        for name, of_file, numbers in zip(names, facts, columns, strict=True)
    }


class TextRead(NamedTuple):
    """What was counted in the text of a shard while its records were made.

    Attributes:
        tokens, unknown: tokens, and [UNK] among them.
        counts: of the files in `read`, each of which is counted once.
    """

    tokens: int
    unknown: int
    counts: TextCounts
    read: frozenset[str]


def text_read(config: RecordsConfig, vocab: str) -> TextRead:
    """What was counted in the last shard that `write_shard` made."""
    reader = _reader(vocab, config)
    tokens, unknown = zip(*reader.counted.values(), strict=True) if reader.counted else ((), ())
    return TextRead(sum(tokens), sum(unknown), reader.text.finished(), frozenset(reader.read))


def _columns(writer: RecordWriter, packed: Sequence[np.ndarray]) -> dict[str, np.ndarray]:
    """What the index of a finished file holds; `packed` are the sizes of its packs."""
    ends = {ENDS: np.cumsum(np.concatenate(packed), dtype=np.int64)} if packed else {}
    return writer.columns() | ends


def write_index_of(
    path: Path, config: RecordsConfig, records: int, columns: dict[str, np.ndarray]
) -> dict[str, Any]:
    """Write a file's index, where it needs one; what the manifest says of packs and of it."""
    if not columns:
        return {}
    packs = {INSTANCES: int(columns[ENDS][-1])} if ENDS in columns and records else {}
    shape = {LENGTH: config.max_seq_length, PREDICTIONS: config.predictions}
    written = write_own_index(path, {"records": records, **shape, **packs}, columns)
    return {**packs, **written._asdict()}


def restore_index(path: str | os.PathLike[str], config: RecordsConfig) -> None:
    """Make the index of a record file again, as `write_shard` made it."""
    index = getattr(open_any_records(path), "index", None)
    if index is None:
        return
    columns = {name: column.all() for name, column in index.columns.items()}
    write_index_of(Path(path), config, len(index), columns)


def shard_plans(
    inputs: Sequence[str], config: RecordsConfig, reader: TextReader
) -> Iterator[InstancePlan]:
    """All instances of a corpus in the order of the style, in plans of which none is empty.

    Args:
        inputs: its text files.
        config: the settings.
        reader: with the tokenizer of the settings.
    """
    plans = config.record_style.plans(inputs, config, reader)
    if config.packing == "none":
        yield from filter(len, plans)
        return
    from bertkit.records.files.packs.formats import pack_shape
    from bertkit.records.instances.packing import Packs

    shape = pack_shape(
        config.packing, config.max_seq_length, config.predictions, config.sequences_per_pack
    )
    for plan in filter(len, plans):
        yield Packs(plan, config.packing, shape)  # type: ignore[arg-type]  # plans of pairs


def _reader(vocab: str, config: RecordsConfig) -> TextReader:
    return _kept_reader(
        vocab,
        file_state(vocab),
        config.duplicates,
        config.tokenizer_name,
        normalisation=config.normalisation,
        word_length=config.word_length,
    )


@functools.lru_cache(maxsize=1)
def _kept_reader(
    path: str,
    state: tuple[str, int, int],
    duplicates: str,
    tokenizer: str,
    *,
    normalisation: Normalisation,
    word_length: int | None,
) -> TextReader:
    """The reader of a worker, with its tables, kept between shards as long as the file stays."""
    keep_freed_memory()  # the next shard takes as much
    return TextReader(load_vocab(path, duplicates), tokenizer, normalisation, word_length)
