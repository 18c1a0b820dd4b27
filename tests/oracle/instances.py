"""Sentence pairs for next sentence prediction, exactly as the original program makes them.

Devlin et al. 2019, appendix A.2. One `random.Random(seed)` per corpus is consumed in the
order of Google's and MLPerf's `create_pretraining_data.py`; equal text, settings and seed
therefore give equal instances in equal order. This is the readable form.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bertkit.records.config import RecordsConfig
from bertkit.records.files.schema import DTYPES
from bertkit.records.terms import SOP
from bertkit.tokenization.sentence_files import Document
from bertkit.tokenization.vocabulary import CLS, SEP, Vocab
from oracle.masking import mask_tokens

PARTNER_DRAWS = 10


@dataclass(frozen=True)
class Instance:
    """One training instance before padding.

    Attributes:
        tokens: [CLS] A [SEP] B [SEP], masked.
        segment_ids: 0 up to the first [SEP], 1 after it.
        is_random_next: True where B does not follow A in the text, or precedes it.
        masked_positions: ascending positions of the predicted tokens.
        masked_labels: what stood there.
    """

    tokens: list[str]
    segment_ids: list[int]
    is_random_next: bool
    masked_positions: list[int]
    masked_labels: list[str]


@dataclass
class Pair:
    """Two segments before masking, and where reading goes on."""

    first: list[str]
    second: list[str]
    is_random_next: bool
    unused: int = 0


def create_instances(
    documents: Sequence[Document],
    config: RecordsConfig,
    vocabulary: Sequence[str],
    rng: random.Random | None = None,
) -> list[Instance]:
    """All instances of a corpus, in the order in which they are written.

    Args:
        documents: the corpus; no document and no sentence is empty.
        config: lengths, probabilities, dupe factor, seed.
        vocabulary: tokens in vocabulary order, for random replacement.
        rng: the stream to go on with; by default a new one from the seed.
    """
    rng = rng or random.Random(config.seed)
    shuffled = list(documents)
    rng.shuffle(shuffled)
    maker = _Maker(shuffled, config, vocabulary, rng)
    instances = [
        instance
        for _ in range(config.dupe_factor)
        for index in range(len(shuffled))
        for instance in maker.of_document(index)
    ]
    rng.shuffle(instances)
    return instances


class _Maker:
    """What stays the same while the documents of one corpus are walked through."""

    def __init__(
        self,
        documents: list[Document],
        config: RecordsConfig,
        vocabulary: Sequence[str],
        rng: random.Random,
    ) -> None:
        self.documents = documents
        self.config = config
        self.vocabulary = vocabulary
        self.rng = rng
        self.room = config.max_seq_length - 3  # [CLS], [SEP], [SEP]

    def of_document(self, index: int) -> list[Instance]:
        """Instances of one document, one per chunk of sentences.

        A chunk collects sentences up to a target length: as much as fits, or now and
        then a random shorter one, drawn once per document.
        """
        document = self.documents[index]
        target = self.room
        if self.rng.random() < self.config.short_seq_prob:
            target = self.rng.randint(self.config.shortest_target, self.room)
        instances: list[Instance] = []
        chunk: list[list[str]] = []
        length = at = 0
        while at < len(document):
            chunk.append(document[at])
            length += len(document[at])
            if length >= target or at == len(document) - 1:
                pair = self._pair(chunk, target, index)
                at -= pair.unused
                instances.append(self._finish(pair))
                chunk, length = [], 0
            at += 1
        return instances

    def _pair(self, chunk: list[list[str]], target: int, index: int) -> Pair:
        """Cut a chunk in two; in half of all cases B comes from elsewhere instead.

        The sentences that a random B leaves unused are read again for the next chunk.
        """
        cut = self.rng.randint(1, len(chunk) - 1) if len(chunk) >= 2 else 1
        first, rest = _joined(chunk[:cut]), _joined(chunk[cut:])
        changes = len(chunk) == 1 or self.rng.random() < 0.5
        if changes and (len(chunk) == 1 or self.config.objective != SOP):
            second, partner = self._random_segment(target - len(first), index)
            label = partner != index or self.config.record_style.own_segment_is_random
            return Pair(first, second, label, unused=len(chunk) - cut)
        # Sentence order prediction (Lan et al. 2020, "ALBERT"): the same two, swapped.
        return Pair(rest, first, True) if changes else Pair(first, rest, False)

    def _random_segment(self, target: int, index: int) -> tuple[list[str], int]:
        """Sentences from a random place of another document, at least `target` tokens; and which.

        After ten draws of the document itself it stays the partner, so that a corpus of
        one document works.
        """
        for _ in range(PARTNER_DRAWS):
            partner = self.rng.randint(0, len(self.documents) - 1)
            if partner != index:
                break
        document = self.documents[partner]
        segment: list[str] = []
        for sentence in document[self.rng.randint(0, len(document) - 1) :]:
            segment += sentence
            if len(segment) >= target:
                break
        return segment, partner

    def _finish(self, pair: Pair) -> Instance:
        truncate_pair(pair.first, pair.second, self.room, self.rng)
        tokens = [CLS, *pair.first, SEP, *pair.second, SEP]
        segment_ids = [0] * (len(pair.first) + 2) + [1] * (len(pair.second) + 1)
        config = self.config
        masked = mask_tokens(
            tokens, config.masked_lm_prob, config.predictions, self.vocabulary, self.rng,
            config.whole_word_mask,
        )  # fmt: skip
        return Instance(
            masked.tokens, segment_ids, pair.is_random_next, masked.positions, masked.labels
        )


def truncate_pair(first: list[str], second: list[str], room: int, rng: random.Random) -> None:
    """Shorten two segments in place to `room` tokens together.

    Token by token from the longer one (the second on a tie), at its front or its end
    with equal chance: one `random()` per token.
    """
    while len(first) + len(second) > room:
        longer = first if len(first) > len(second) else second
        if rng.random() < 0.5:
            del longer[0]
        else:
            longer.pop()


def _joined(sentences: Sequence[list[str]]) -> list[str]:
    return [token for sentence in sentences for token in sentence]


def to_features(
    instance: Instance, vocab: Vocab, length: int, predictions: int
) -> dict[str, np.ndarray]:
    """An instance as the seven padded features of a record.

    Args:
        instance: at most `length` tokens and `predictions` masked ones.
        vocab: gives the ids.
        length: L, max_seq_length.
        predictions: P, max_predictions_per_seq.

    Returns:
        int64[L] input_ids, input_mask, segment_ids; int64[P] masked_lm_positions,
        masked_lm_ids; float32[P] masked_lm_weights; int64[1] next_sentence_labels.
    """
    ids = vocab.ids
    filled: dict[str, tuple[Sequence[float], int]] = {
        "input_ids": ([ids[token] for token in instance.tokens], length),
        "input_mask": ([1] * len(instance.tokens), length),
        "segment_ids": (instance.segment_ids, length),
        "masked_lm_positions": (instance.masked_positions, predictions),
        "masked_lm_ids": ([ids[token] for token in instance.masked_labels], predictions),
        "masked_lm_weights": ([1.0] * len(instance.masked_positions), predictions),
        "next_sentence_labels": ([int(instance.is_random_next)], 1),
    }
    return {name: _padded(values, size, DTYPES[name]) for name, (values, size) in filled.items()}


def _padded(values: Sequence[float], size: int, dtype: type[np.generic]) -> np.ndarray:
    array = np.zeros(size, dtype)
    array[: len(values)] = values
    return array
