"""The plan of a corpus: every instance known, in its final order, before any is written."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from bertkit import files
from bertkit.errors import ConfigError, DataError
from bertkit.records.config import RecordsConfig
from bertkit.records.kernels import materialise, mersenne, plan
from bertkit.records.masking import predictions_for
from bertkit.records.tokens import TokenizedText, token_dtype
from bertkit.records.vocab import Vocab

LONGEST = 1 << 14  # positions are stored in 16 bits, with room to spare
_FIRST_ROWS = 1 << 12
_BUFFER = 1 << 19  # stays in the second-level cache of a core until it is written


class PlanFile(NamedTuple):
    """A finished record file.

    Attributes:
        records: how many.
        bytes: size of the file.
        crc_sha256: SHA-256 (hex) over the stored checksums (uint32, little-endian) of all
            records in order; it costs nothing beside a hash of all bytes.
    """

    records: int
    bytes: int
    crc_sha256: str


@dataclass(frozen=True)
class Plan:
    """All instances of one corpus, as ranges of its tokens.

    Attributes:
        text: the corpus.
        vocab: gives [CLS] and [SEP].
        max_seq_length: L.
        max_predictions_per_seq: P.
        instances: in the order they were made.
        order: uint32[N], that order shuffled: the order of the records.
    """

    text: TokenizedText
    vocab: Vocab
    max_seq_length: int
    max_predictions_per_seq: int
    instances: plan.Instances
    order: np.ndarray

    def __len__(self) -> int:
        return len(self.order)

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Records as arrays, exactly those that the record files would hold.

        Args:
            indices: 0 .. len - 1, in the order of the records.

        Returns:
            As `RecordFile.batch`: int32[B, L], int32[B, P], float32[B, P], int32[B].

        Raises:
            IndexError: an index out of range.
        """
        which = np.asarray(indices, np.int64).reshape(-1)
        if len(which) and (which.min() < 0 or which.max() >= len(self)):
            raise IndexError(f"the plan has {len(self)} records")
        tokens = (len(which), self.max_seq_length)
        predictions = (len(which), self.max_predictions_per_seq)
        out = materialise.Batch(
            input_ids=np.empty(tokens, np.int32),
            input_mask=np.empty(tokens, np.int32),
            segment_ids=np.empty(tokens, np.int32),
            masked_lm_positions=np.empty(predictions, np.int32),
            masked_lm_ids=np.empty(predictions, np.int32),
            masked_lm_weights=np.empty(predictions, np.float32),
            next_sentence_labels=np.empty(len(which), np.int32),
        )
        materialise.fill_batch(
            self.text.tokens, self.instances, self.order, which,
            self.vocab.cls_id, self.vocab.sep_id, out,
        )  # fmt: skip
        return out._asdict()

    def write(
        self, path: str | os.PathLike[str], which: Sequence[int] | np.ndarray | None = None
    ) -> PlanFile:
        """Write records to a TFRecord file that appears only when it is whole.

        Args:
            path: the file.
            which: places in the order of the records; all by default.
        """
        rest = np.arange(len(self)) if which is None else np.asarray(which, np.int64)
        count, size = len(rest), 0
        checks = np.empty(count, np.uint32)
        length, predictions = self.max_seq_length, self.max_predictions_per_seq
        page = materialise.page(length, predictions, len(self.vocab), self.text.tokens.dtype)
        buffer = np.empty(_BUFFER + materialise.largest_record(length, predictions), np.uint8)
        with files.atomic_write(Path(path)) as stream:
            while len(rest):
                done, filled = materialise.write_records(
                    self.text.tokens, self.instances, self.order, rest,
                    self.vocab.cls_id, self.vocab.sep_id, page, buffer, checks[count - len(rest) :],
                )  # fmt: skip
                stream.write(buffer[:filled].data)
                rest = rest[done:]
                size += filled
        return PlanFile(count, size, hashlib.sha256(checks.tobytes()).hexdigest())


def plan_shard(text: TokenizedText, config: RecordsConfig, vocab: Vocab) -> Plan:
    """Plan the instances of a corpus exactly as `create_instances` makes them.

    Raises:
        DataError: the corpus holds no sentence.
        ConfigError: max_seq_length or the vocabulary is too large.
    """
    if text.document_count == 0:
        raise DataError("the text holds no sentence", "check --input and --vocab")
    if config.max_seq_length > LONGEST:
        raise ConfigError(f"max_seq_length {config.max_seq_length} is above {LONGEST}")
    if len(vocab) > materialise.LARGEST_ID:
        raise ConfigError(f"{len(vocab):,} tokens in a vocabulary; at most 2,097,151 work")
    source = mersenne.stream(config.seed)
    documents = np.arange(text.document_count, dtype=np.uint32)
    mersenne.shuffle(source, documents)
    rules = _rules(config, vocab)
    corpus = plan.Corpus(text.sentences, text.documents, documents, _continues(text, config, vocab))
    length, dtype = config.max_seq_length, rules.draw_ids.dtype
    scratch = plan.Scratch(
        np.zeros(4 * length, np.uint16), np.zeros(length, np.uint16),
        np.zeros(length // 64 + 1, np.uint64), np.zeros(length, dtype),
    )  # fmt: skip
    progress = np.zeros(3, np.int64)
    largest = int(np.diff(text.documents).max())
    rows = max(_FIRST_ROWS, _estimate(text, config)) + largest
    out = plan.Instances(
        np.empty(rows, plan.PAIR),
        np.empty((rows, config.predictions), np.uint16),
        np.empty((rows, config.predictions), dtype),
    )
    while not plan.plan_documents(source, corpus, rules, scratch, out, progress):
        rows = rows * 5 // 4 + largest
        _resize(out, rows)
    _resize(out, int(progress[plan.COUNT]))
    order = np.arange(len(out.pairs), dtype=np.uint32)
    mersenne.shuffle(source, order)
    return Plan(text, vocab, length, config.predictions, out, order)


def _rules(config: RecordsConfig, vocab: Vocab) -> plan.Rules:
    lengths = range(config.max_seq_length + 1)
    wanted = [predictions_for(n, config.masked_lm_prob, config.predictions) for n in lengths]
    draw_ids = [vocab.ids[token] for token in vocab.tokens]
    return plan.Rules(
        room=config.max_seq_length - 3,
        passes=config.dupe_factor,
        short=mersenne.threshold(config.short_seq_prob),
        mask=mersenne.threshold(0.8),
        whole_words=config.whole_word_mask,
        mask_id=vocab.mask_id,
        wanted=np.array(wanted),
        draw_ids=np.array(draw_ids, token_dtype(vocab)),
    )


def _continues(text: TokenizedText, config: RecordsConfig, vocab: Vocab) -> np.ndarray:
    """bool[tokens]: which are "##" pieces; empty where nobody asks."""
    if not config.whole_word_mask:
        return np.zeros(0, np.bool_)
    pieces = np.zeros(len(vocab), np.bool_)
    pieces[[number for token, number in vocab.ids.items() if token.startswith("##")]] = True
    continues: np.ndarray = pieces[text.tokens]
    return continues


def _estimate(text: TokenizedText, config: RecordsConfig) -> int:
    """About how many instances there will be: chunks of a document, and then some."""
    chunks = text.document_count + 2 * len(text.tokens) // config.max_seq_length
    return min(chunks, text.sentence_count) * config.dupe_factor


def _resize(out: plan.Instances, rows: int) -> None:
    """Set the number of rows in place; the system moves pages, not bytes."""
    for array in out:
        array.resize((rows, *array.shape[1:]), refcheck=False)
