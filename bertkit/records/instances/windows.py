"""Plans windows of running text, and returns them as batches or as tokens."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from bertkit.errors import DataError
from bertkit.kernels import mersenne
from bertkit.records.config import RecordsConfig
from bertkit.records.files.instance import checked_indices
from bertkit.records.files.tfrecord.sequence_example import encode_token, wrap_tokens
from bertkit.records.instances import pairs
from bertkit.records.instances.kernels import pair_plan, sliding
from bertkit.records.terms import UNMASKED
from bertkit.tokenization.corpus_tokens import TokenizedText
from bertkit.tokenization.vocabulary import Vocab

_FIRST_ROWS = 1 << 10


@dataclass(frozen=True)
class WindowPlan:
    """Windows [CLS] tokens [SEP] in their order.

    Attributes:
        tokens: token[:], in which they are ranges.
        vocab: gives [CLS] and [SEP].
        max_seq_length: L.
        max_predictions_per_seq: P.
        instances: each a first segment without a second.
    """

    tokens: np.ndarray
    vocab: Vocab
    max_seq_length: int
    max_predictions_per_seq: int
    instances: pair_plan.Instances

    def __len__(self) -> int:
        return len(self.instances.pairs)

    def batch(self, indices: Sequence[int] | np.ndarray) -> dict[str, np.ndarray]:
        """Windows as int32[B, L] input_ids, input_mask; int32[B, P] masked_lm_positions,
        masked_lm_ids; float32[B, P] masked_lm_weights.

        Raises:
            IndexError: an index out of range.
        """
        which = checked_indices("windows", len(self), indices)
        tokens, predictions = (
            (len(which), size) for size in (self.max_seq_length, self.max_predictions_per_seq)
        )
        table = sliding.WindowBatch(
            input_ids=np.zeros(tokens, np.int32),
            input_mask=np.zeros(tokens, np.int32),
            masked_lm_positions=np.zeros(predictions, np.int32),
            masked_lm_ids=np.zeros(predictions, np.int32),
            masked_lm_weights=np.zeros(predictions, np.float32),
        )
        sliding.fill_windows(
            self.tokens, self.instances, which, self.vocab.cls_id, self.vocab.sep_id, table
        )
        return table._asdict()

    def payloads(self, indices: Sequence[int] | np.ndarray, separator: str) -> Iterator[bytes]:
        """Windows as serialised SequenceExamples of their tokens.

        Args:
            indices: their numbers.
            separator: what stands for the token between documents, whose number is that
                behind the vocabulary's last.
        """
        features = [encode_token(token) for token in self.vocab.tokens]
        features.append(encode_token(separator))
        cls, sep = features[self.vocab.cls_id], features[self.vocab.sep_id]
        for pair in self.instances.pairs[checked_indices("windows", len(self), indices)]:
            first = int(pair["first_at"])
            body = self.tokens[first : first + int(pair["first_length"])].tolist()
            yield wrap_tokens(b"".join([cls, *(features[number] for number in body), sep]))


def plan_windows(
    buffers: Iterable[TokenizedText],
    config: RecordsConfig,
    vocab: Vocab,
    source: mersenne.Stream,
) -> Iterator[WindowPlan]:
    """Plan one pass over a corpus, buffer by buffer.

    Args:
        buffers: texts whose documents are shuffled together.
        config: the settings.
        vocab: the vocabulary.
        source: the random stream, which planning advances.

    Raises:
        DataError: the separator is no token of the vocabulary.
        ConfigError: max_seq_length or the vocabulary is too large.
    """
    if config.document_separator not in vocab.ids:
        raise DataError(
            f"the document separator {config.document_separator!r} is not in the vocabulary",
            "give --document-separator a token of the vocabulary, such as [SEP]",
        )
    separator = vocab.ids[config.document_separator]
    never = pairs.barred(vocab, vocab.cls_id, vocab.sep_id, separator)
    rules = pairs.plan_rules(config, vocab, never)
    scratch = pairs.work_space(config, rules)
    carried = np.zeros(0, rules.draw_ids.dtype)
    ahead = iter(buffers)
    text = next(ahead, None)
    while text is not None:
        following = next(ahead, None)
        order = np.arange(text.document_count, dtype=np.uint32)
        mersenne.shuffle(source, order)
        documents = sliding.Documents(
            tokens=text.tokens,
            bounds=text.sentences[text.documents].astype(np.int64),
            order=order,
            stream=_stream(text, carried, config),
            overlap=config.window_overlap,
            crosses=config.cross_documents,
            separator=len(vocab) if config.objective == UNMASKED else separator,
            masks=config.objective != UNMASKED,
            last=following is None,
        )
        planned, carried = _planned(
            source, documents, rules, scratch, config=config, carried=len(carried)
        )
        tokens = documents.stream if config.cross_documents else text.tokens
        if len(planned.pairs):
            yield WindowPlan(
                tokens=tokens,
                vocab=vocab,
                max_seq_length=config.max_seq_length,
                max_predictions_per_seq=config.predictions,
                instances=planned,
            )
        text = following


def _stream(text: TokenizedText, carried: np.ndarray, config: RecordsConfig) -> np.ndarray:
    """Room for documents that windows cross over, behind what the last buffer carried on."""
    size = len(carried) + len(text.tokens) + text.document_count
    stream = np.empty(size if config.cross_documents else 0, carried.dtype)
    stream[: len(carried)] = carried
    return stream


def _planned(
    source: mersenne.Stream,
    documents: sliding.Documents,
    rules: pair_plan.Rules,
    scratch: pair_plan.Scratch,
    *,
    config: RecordsConfig,
    carried: int,
) -> tuple[pair_plan.Instances, np.ndarray]:
    """(windows of a buffer, tokens that continue into the next one)."""
    progress = np.zeros(sliding.PROGRESS, np.int64)
    progress[[sliding.FILLED, sliding.CARRIED]] = carried
    step = max(1, config.room - config.window_overlap)
    rows = max(_FIRST_ROWS, len(documents.order) + 2 * len(documents.tokens) // step)
    out = pairs.new_instances(rows, config, rules)
    while not sliding.plan_windows(source, documents, rules, scratch, out, progress):
        rows += rows // 2 + 1
        pairs.resize(out, rows)
    pairs.resize(out, int(progress[sliding.COUNT]))
    filled = int(progress[sliding.FILLED])
    return out, documents.stream[filled - int(progress[sliding.CARRIED]) : filled].copy()
