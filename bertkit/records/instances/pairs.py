"""Plans all sentence pairs of a corpus, in the order in which they are written."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bertkit.errors import ConfigError, DataError
from bertkit.kernels import mersenne
from bertkit.kernels.protobuf import LARGEST_ID
from bertkit.records.config import LONGEST, RecordsConfig
from bertkit.records.instances.kernels import materialise, pair_plan
from bertkit.records.terms import SOP
from bertkit.tokenization.corpus_tokens import TokenizedText, token_dtype
from bertkit.tokenization.vocabulary import Vocab

_FIRST_ROWS = 1 << 12


@dataclass(frozen=True)
class PairPlan:
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
    instances: pair_plan.Instances
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
        out = new_batch(len(which), self.max_seq_length, self.max_predictions_per_seq)
        self.fill(out, np.arange(len(which)), which)
        return out._asdict()

    def fill(self, out: materialise.Batch, rows: np.ndarray, which: np.ndarray) -> None:
        """Write records to rows of a batch.

        Args:
            out: of this plan's shape; see `new_batch`.
            rows: int64[B], rows of `out`.
            which: int64[B], the records, in the order of the records.

        Raises:
            IndexError: there is no such record.
        """
        if len(which) and (which.min() < 0 or which.max() >= len(self)):
            raise IndexError(f"the plan has {len(self)} records")
        materialise.fill_batch(self.for_kernels(), which, rows, out)

    def for_kernels(self) -> materialise.PlannedText:
        """The plan as the kernels take it that turn it into records."""
        return materialise.PlannedText(
            tokens=self.text.tokens,
            instances=self.instances,
            order=self.order,
            cls_id=self.vocab.cls_id,
            sep_id=self.vocab.sep_id,
        )


def new_batch(size: int, length: int, predictions: int) -> materialise.Batch:
    """Room for `size` records of `length` tokens; nothing is set."""
    tokens, masked = (size, length), (size, predictions)
    return materialise.Batch(
        input_ids=np.empty(tokens, np.int32),
        input_mask=np.empty(tokens, np.int32),
        segment_ids=np.empty(tokens, np.int32),
        masked_lm_positions=np.empty(masked, np.int32),
        masked_lm_ids=np.empty(masked, np.int32),
        masked_lm_weights=np.empty(masked, np.float32),
        next_sentence_labels=np.empty(size, np.int32),
    )


def plan_pairs(
    text: TokenizedText,
    config: RecordsConfig,
    vocab: Vocab,
    source: mersenne.Stream | None = None,
) -> PairPlan:
    """Plan the instances of a corpus exactly as the reference programs make them.

    Args:
        text: the corpus.
        config: the settings.
        vocab: the vocabulary.
        source: the random stream, which planning advances; by default a new one from the seed.

    Raises:
        DataError: the corpus holds no sentence.
        ConfigError: max_seq_length or the vocabulary is too large.
    """
    if text.document_count == 0:
        raise DataError("the text holds no sentence", "check --input and --vocab")
    source = source or mersenne.stream(config.seed)
    documents = np.arange(text.document_count, dtype=np.uint32)
    # As the reference: shuffle documents first, then make instances, then shuffle those.
    mersenne.shuffle(source, documents)
    # What the kernel needs: settings, text, and work space for one instance.
    rules = plan_rules(config, vocab, never_masked(text, vocab))
    corpus = pair_plan.Corpus(
        sentences=text.sentences,
        documents=text.documents,
        order=documents,
        continues=_continues(text, config, vocab),
        tokens=text.tokens,
    )
    scratch = work_space(config, rules)
    progress = np.zeros(3, np.int64)
    # A document gives at most one instance per sentence; room for one more is always kept.
    largest = int(np.diff(text.documents).max())
    rows = max(_FIRST_ROWS, _estimate(text, config)) + largest
    out = new_instances(rows, config, rules)
    # The kernel stops when it is out of rows; give it more and let it continue.
    while not pair_plan.plan_documents(source, corpus, rules, scratch, out, progress):
        rows = rows * 5 // 4 + largest
        resize(out, rows)
    # Return the unused rows.
    resize(out, int(progress[pair_plan.COUNT]))
    # Records are written in a shuffled order; the instances themselves stay in place.
    order = np.arange(len(out.pairs), dtype=np.uint32)
    mersenne.shuffle(source, order)
    return PairPlan(
        text=text,
        vocab=vocab,
        max_seq_length=config.max_seq_length,
        max_predictions_per_seq=config.predictions,
        instances=out,
        order=order,
    )


def predictions_for(length: int, probability: float, maximum: int) -> int:
    """How many tokens of a sequence are predicted.

    Args:
        length: tokens of the sequence, [CLS] and [SEP] included.
        probability: share to predict.
        maximum: upper limit.

    Rounds half to even in float64, as Python's `round`; at least one.
    """
    return min(maximum, max(1, round(length * probability)))


@functools.lru_cache(maxsize=4)
def _wanted(longest: int, probability: float, maximum: int) -> np.ndarray:
    """int64[longest + 1]: `predictions_for` each length, so that kernels need not round.

    Kept: a folder of small files has a plan for each of them.
    """
    lengths = range(longest + 1)
    return np.array([predictions_for(length, probability, maximum) for length in lengths])


def plan_rules(config: RecordsConfig, vocab: Vocab, never: np.ndarray) -> pair_plan.Rules:
    """The settings as kernels need them.

    Args:
        config: the settings.
        vocab: the vocabulary.
        never: tokens that are never masked, as `never_masked` gives them.

    Raises:
        ConfigError: max_seq_length or the vocabulary is too large.
    """
    if config.max_seq_length > LONGEST:
        raise ConfigError(f"max_seq_length {config.max_seq_length} is above {LONGEST}")
    if len(vocab) > LARGEST_ID:
        raise ConfigError(
            f"{len(vocab):,} tokens in the vocabulary; at most 2,097,151 are supported"
        )
    return pair_plan.Rules(
        room=config.room,
        passes=config.dupe_factor,
        short=mersenne.threshold(config.short_seq_prob),
        shortest=config.shortest_target,
        swaps=config.objective == SOP,
        own_is_random=config.record_style.own_segment_is_random,
        mask=mersenne.threshold(0.8),
        whole_words=config.whole_word_mask,
        mask_id=vocab.mask_id,
        wanted=_wanted(config.max_seq_length, config.masked_lm_prob, config.predictions),
        # Random replacements are drawn by line of the vocabulary, duplicates included.
        draw_ids=np.array(vocab.numbers, token_dtype(vocab)),
        never=never,
        pieces=_pieces(vocab) if len(never) else never,
    )


def never_masked(text: TokenizedText, vocab: Vocab) -> np.ndarray:
    """bool[vocabulary + 1]: [CLS] and [SEP]; empty where the text has neither.

    Only tokenizers that let such tokens through, NVIDIA's for one, put them into text.
    """
    special = (vocab.cls_id, vocab.sep_id)
    # An empty array lets kernels skip the test for every token.
    if not any((text.tokens == number).any() for number in special):
        return np.zeros(0, np.bool_)
    return barred(vocab, *special)


def barred(vocab: Vocab, *numbers: int) -> np.ndarray:
    """bool[vocabulary + 1]: True for tokens that are never masked, by number."""
    never = np.zeros(len(vocab) + 1, np.bool_)
    never[list(numbers)] = True
    return never


def work_space(config: RecordsConfig, rules: pair_plan.Rules) -> pair_plan.Scratch:
    """Arrays for one instance."""
    length, dtype = config.max_seq_length, rules.draw_ids.dtype
    return pair_plan.Scratch(
        candidates=np.zeros(4 * length, np.uint16),
        picked=np.zeros(length, np.uint16),
        starts=np.zeros(length, np.uint16),
        chosen=np.zeros(length + 8, np.uint8),
        replacements=np.zeros(length, dtype),
        sorted=np.zeros(length + 8, np.uint16),
        places=np.zeros(length, np.uint16),
        continues=np.zeros(length, np.bool_),
        marks=np.zeros(mersenne.BUFFER // 8 + 8, np.uint8),
    )


def new_instances(rows: int, config: RecordsConfig, rules: pair_plan.Rules) -> pair_plan.Instances:
    """Room for a plan of so many instances."""
    # Zeros: what a plan does not use is written into caches too, the same in every run.
    return pair_plan.Instances(
        np.zeros(rows, pair_plan.PAIR),
        np.zeros((rows, config.predictions), np.uint16),
        np.zeros((rows, config.predictions), rules.draw_ids.dtype),
    )


def _pieces(vocab: Vocab) -> np.ndarray:
    """bool[vocabulary + 1]: which tokens are "##" pieces."""
    pieces = np.zeros(len(vocab) + 1, np.bool_)
    pieces[[number for token, number in vocab.ids.items() if token.startswith("##")]] = True
    return pieces


def _continues(text: TokenizedText, config: RecordsConfig, vocab: Vocab) -> np.ndarray:
    """bool[tokens]: which are "##" pieces; empty where nobody asks."""
    if not config.whole_word_mask:
        return np.zeros(0, np.bool_)
    continues: np.ndarray = _pieces(vocab)[text.tokens]
    return continues


def _estimate(text: TokenizedText, config: RecordsConfig) -> int:
    """About how many instances there will be: chunks of a document, and then some."""
    chunks = text.document_count + 2 * len(text.tokens) // config.max_seq_length
    return min(chunks, text.sentence_count) * config.dupe_factor


def resize(out: pair_plan.Instances, rows: int) -> None:
    """Set the number of rows in place; the system moves pages, not bytes."""
    for array in out:
        array.resize((rows, *array.shape[1:]), refcheck=False)
