"""Record files of a corpus in every style and format.

Text → plans of instances in the order of the style → packs, if asked → writers.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from bertkit.records.config import CEREBRAS, RecordsConfig
from bertkit.records.files.pack_layouts import pack_shape
from bertkit.records.files.writers import open_writer
from bertkit.records.instances import cerebras
from bertkit.records.instances.packing import Packs
from bertkit.records.instances.pairs import Plan, plan_shard
from bertkit.records.instances.windows import Windows
from bertkit.records.read_text import TextReader
from bertkit.tokenization.vocabulary import load_vocab

Planned = Plan | Windows | Packs


def write_shard(
    inputs: Sequence[str],
    outputs: Sequence[str],
    config: RecordsConfig,
    vocab: str,
    folder: str,
    limit: int | None = None,
) -> dict[str, dict[str, Any]]:
    """Make the record files of one corpus, records dealt to them in turn.

    Args:
        inputs: its text files.
        outputs: names of the record files.
        config: the settings.
        vocab: vocabulary file.
        folder: for the record files.
        limit: stop after this many records.

    Returns:
        File name → records, bytes, a hash of them, and the instances in its packs; empty
        where the text holds no sentences, and then no file is made.

    Raises:
        DataError: unreadable text.
        MissingDependencyError: a style or format needs a package that is not installed.
    """
    reader = _reader(vocab, config.duplicates, config.tokenizer_name, config.do_lower_case)
    plans = shard_plans(inputs, config, reader)
    plan = next(plans, None)
    if plan is None:
        return {}
    packed = [0] * len(outputs)
    done = 0
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(open_writer(Path(folder) / name, config)) for name in outputs
        ]
        while plan is not None:
            end = len(plan) if limit is None else min(len(plan), limit - done)
            for index, writer in enumerate(writers):
                which = range((index - done) % len(writers), end, len(writers))
                writer.add(plan, which)
                if isinstance(plan, Packs):
                    packed[index] += plan.instances(which)
            done += end
            plan = None if done == limit else next(plans, None)
    return {
        name: {**writer.written._asdict(), **({"instances": count} if count else {})}
        for name, writer, count in zip(outputs, writers, packed, strict=True)
    }


def shard_plans(
    inputs: Sequence[str], config: RecordsConfig, reader: TextReader
) -> Iterator[Planned]:
    """All instances of a corpus in the order of the style, in plans of which none is empty.

    Args:
        inputs: its text files.
        config: the settings.
        reader: with the tokenizer of the settings.
    """
    if not config.pairs:
        yield from cerebras.window_plans(inputs, config, reader)
        return
    plans = _pairs(inputs, config, reader)
    if config.packing == "none":
        yield from plans
        return
    shape = pack_shape(
        config.packing, config.max_seq_length, config.predictions, config.sequences_per_pack
    )
    for plan in plans:
        yield Packs(plan, config.packing, shape)


def _pairs(inputs: Sequence[str], config: RecordsConfig, reader: TextReader) -> Iterator[Plan]:
    if config.style == CEREBRAS:
        yield from cerebras.pair_plans(inputs, config, reader)
        return
    text = reader.corpus(inputs, config)
    if text.document_count:
        yield plan_shard(text, config, reader.vocab)


@functools.lru_cache(maxsize=1)
def _reader(path: str, duplicates: str, tokenizer: str, lower_case: bool) -> TextReader:
    """The reader of a worker, with its tables, kept between shards."""
    return TextReader(load_vocab(path, duplicates), tokenizer, lower_case)
