"""Record files in every style and format but Google's own, which has a fast path.

Text → instances in the order of the style → features → packs, if asked → writers.
"""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np

from bertkit.records import cerebras
from bertkit.records.config import (
    CEREBRAS,
    MLM,
    NVIDIA,
    SHORTEST_TARGET,
    TFRECORD,
    UNMASKED,
    RecordsConfig,
)
from bertkit.records.instances import Instance, create_instances
from bertkit.records.packing import PACKERS, PackShape, pack_shape, plan_packs
from bertkit.records.plans import Plan, plan_shard
from bertkit.records.rows import row_of, rows_of
from bertkit.records.schema import Features, to_features
from bertkit.records.sequence_example import token_features
from bertkit.records.text import Document, read_documents, read_lines, read_universal_lines
from bertkit.records.tokenizer import WordPieceTokenizer
from bertkit.records.tokens import TokenizedText, token_dtype, tokenize_files
from bertkit.records.variants import make_tokenizer
from bertkit.records.vocab import CLS, SEP, Vocab, load_vocab
from bertkit.records.writers import open_writer

_BLOCK = 1024


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
        File name → records, bytes, sha256, and the instances in its packs; empty where
        the text holds no sentences, and then no file is made.

    Raises:
        DataError: unreadable text.
        MissingDependencyError: a style or format needs a package that is not installed.
    """
    tokenizer = _tokenizer(vocab, config.duplicates, config.tokenizer_name, config.do_lower_case)
    if config.objective == UNMASKED:
        windows = cerebras.unmasked_windows(inputs, config, tokenizer)
        made: Iterator[Features] = map(token_features, windows)
    else:
        instances = shard_instances(inputs, config, tokenizer)
        plain = config.file_format == TFRECORD and config.packing == "none"
        if plain and isinstance(instances, Plan):
            return write_plan(instances, outputs, folder, limit)
        made = shard_records(instances, config, tokenizer.vocab)
    return _write(islice(made, limit), outputs, config, folder)


def write_plan(
    plan: Plan, outputs: Sequence[str], folder: str, limit: int | None
) -> dict[str, dict[str, Any]]:
    """Write the records of a plan to TFRecord files, dealt to them in turn.

    Returns:
        File name → the facts of `PlanFile`.
    """
    last = len(plan) if limit is None else min(limit, len(plan))
    return {
        name: plan.write(Path(folder) / name, range(index, last, len(outputs)))._asdict()
        for index, name in enumerate(outputs)
    }


def _write(
    records: Iterator[Features], outputs: Sequence[str], config: RecordsConfig, folder: str
) -> dict[str, dict[str, Any]]:
    """Deal records to files in turn; see `write_shard`."""
    packed = config.packing != "none"
    first = next(records, None)
    if first is None:
        return {}
    instances = [0] * len(outputs)
    with contextlib.ExitStack() as stack:
        writers = [
            stack.enter_context(open_writer(Path(folder) / name, config)) for name in outputs
        ]
        number = 0
        record: Features | None = first
        while record is not None:
            which = number % len(writers)
            writers[which].add(record)
            instances[which] += _sequences(record) if packed else 1
            number += 1
            record = next(records, None)
    return {
        name: {**writer.written._asdict(), **({"instances": count} if packed else {})}
        for name, writer, count in zip(outputs, writers, instances, strict=True)
    }


def shard_instances(
    inputs: Sequence[str], config: RecordsConfig, tokenizer: WordPieceTokenizer
) -> Iterable[Instance] | Plan:
    """All masked instances of a corpus in the order of the style, planned where that is exact.

    Args:
        inputs: its text files.
        config: the settings.
        tokenizer: that of the settings.
    """
    if config.objective == MLM:
        return cerebras.masked_windows(inputs, config, tokenizer)
    if config.style == CEREBRAS:
        return _cerebras_pairs(inputs, config, tokenizer)
    return _googles_order(inputs, config, tokenizer)


def shard_records(
    instances: Iterable[Instance] | Plan, config: RecordsConfig, vocab: Vocab
) -> Iterator[Features]:
    """Instances as the features of records, packed if the settings say so.

    Args:
        instances: of one corpus.
        config: the settings.
        vocab: gives the ids.
    """
    packed = config.packing != "none"
    if isinstance(instances, Plan):
        return _planned_packs(instances, config) if packed else _planned(instances)
    records = _features(instances, config, vocab)
    return _packs(records, config) if packed else records


def _cerebras_pairs(
    inputs: Sequence[str], config: RecordsConfig, tokenizer: WordPieceTokenizer
) -> Iterable[Instance] | Plan:
    """Cerebras' pairs; from a single file they are Google's, whose plan is fast."""
    if len(inputs) > 1 or config.shortest_target != SHORTEST_TARGET:
        return cerebras.pair_instances(inputs, config, tokenizer)
    split = cerebras.sentence_splitter(config.sentences)
    whole = config.documents == "file"
    documents = cerebras.file_documents(inputs[0], tokenizer, split, whole)
    return _of_documents(documents, config, tokenizer.vocab)


def _googles_order(
    inputs: Sequence[str], config: RecordsConfig, tokenizer: WordPieceTokenizer
) -> Sequence[Instance] | Plan:
    """Instances of the styles that follow Google's program but for tokenizer and format."""
    vocab = tokenizer.vocab
    if type(tokenizer) is WordPieceTokenizer and config.style != NVIDIA:
        text = tokenize_files(inputs, vocab, config.do_lower_case)
    else:
        # NVIDIA's program reads text with Python's line ends, the others with TensorFlow's.
        lines_of = read_universal_lines if config.style == NVIDIA else read_lines
        return _of_documents(read_documents(inputs, tokenizer, lines_of), config, vocab)
    return plan_shard(text, config, vocab) if text.document_count else []


def _of_documents(
    documents: Sequence[Document], config: RecordsConfig, vocab: Vocab
) -> Sequence[Instance] | Plan:
    """Google's instances of documents, by the fast plan where it is exact."""
    if not documents:
        return []
    if any(token in (CLS, SEP) for d in documents for sentence in d for token in sentence):
        # Such tokens are never masked, which the fast plan does not know.
        return create_instances(documents, config, vocab.tokens)
    return plan_shard(as_arrays(documents, vocab), config, vocab)


def _planned(plan: Plan) -> Iterator[Features]:
    """The records of a plan."""
    for start in range(0, len(plan), _BLOCK):
        batch = plan.batch(range(start, min(start + _BLOCK, len(plan))))
        batch["next_sentence_labels"] = batch["next_sentence_labels"][:, None]
        for number in range(len(batch["input_ids"])):
            yield {name: values[number] for name, values in batch.items()}


def _planned_packs(plan: Plan, config: RecordsConfig) -> Iterator[Features]:
    """The records of a plan as packs; only their sizes are held in memory."""
    sizes: list[tuple[int, int]] = []
    for start in range(0, len(plan), _BLOCK):
        batch = plan.batch(range(start, min(start + _BLOCK, len(plan))))
        tokens = batch["input_mask"].sum(axis=1).tolist()
        predictions = (batch["masked_lm_weights"] > 0).sum(axis=1).tolist()
        sizes += zip(tokens, predictions, strict=True)
    shape = _shape(config)
    packs = plan_packs(sizes, shape)
    for start in range(0, len(packs), _BLOCK):
        block = packs[start : start + _BLOCK]
        rows = rows_of(plan.batch([number for pack in block for number in pack]))
        for members in block:
            yield PACKERS[config.packing](list(islice(rows, len(members))), shape)


def as_arrays(documents: Sequence[Document], vocab: Vocab) -> TokenizedText:
    """Documents of tokens as arrays of ids."""
    sentences = [sentence for document in documents for sentence in document]
    ids = vocab.ids
    return TokenizedText(
        np.array([ids[token] for sentence in sentences for token in sentence], token_dtype(vocab)),
        _offsets(list(map(len, sentences))),
        _offsets(list(map(len, documents))),
    )


def _offsets(lengths: Sequence[int]) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths)]).astype(np.uint32)


def _features(
    instances: Iterable[Instance], config: RecordsConfig, vocab: Vocab
) -> Iterator[dict[str, Any]]:
    for instance in instances:
        record = to_features(instance, vocab, config.max_seq_length, config.predictions)
        if config.objective == MLM:
            del record["segment_ids"], record["next_sentence_labels"]
        yield record


def _packs(records: Iterable[Features], config: RecordsConfig) -> Iterator[Features]:
    """All records of a corpus as packs; they are held in memory without their padding."""
    shape = _shape(config)
    rows = [row_of(record) for record in records]
    for members in plan_packs([(row.length, len(row.positions)) for row in rows], shape):
        yield PACKERS[config.packing]([rows[number] for number in members], shape)


def _shape(config: RecordsConfig) -> PackShape:
    return pack_shape(
        config.packing, config.max_seq_length, config.predictions, config.sequences_per_pack
    )


def _sequences(record: Features) -> int:
    """Sequences of a pack."""
    mask: Any = record["packed_input_mask" if "packed_input_mask" in record else "input_mask"]
    return int(mask.max())


@functools.lru_cache(maxsize=1)
def _tokenizer(path: str, duplicates: str, name: str, lower_case: bool) -> WordPieceTokenizer:
    """The tokenizer of a worker, with its word cache, kept between shards."""
    return make_tokenizer(name, load_vocab(path, duplicates), lower_case)
