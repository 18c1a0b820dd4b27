"""Makes instances in the order of Cerebras' create_tfrecords.py and create_tfrecords_mlm_only.py.

Written from the behaviour of the programs in Cerebras' modelzoo, release 1.7.0. Files are
shuffled first; sentence pairs are then made block by block of `split_files` files, windows
of running text buffer by buffer of `buffer_tokens` tokens. One random stream serves all.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from itertools import chain

from bertkit.kernels import mersenne
from bertkit.records.config import RecordsConfig
from bertkit.records.instances.pairs import PairPlan, plan_pairs
from bertkit.records.instances.windows import WindowPlan, plan_windows
from bertkit.records.read_text import TextReader
from bertkit.records.terms import UNMASKED
from bertkit.tokenization.corpus_tokens import TokenizedText, joined

_KEPT_TOKENS = 1 << 26  # a text up to here is tokenized once, not once per pass


def pair_plans(
    paths: Sequence[str], config: RecordsConfig, reader: TextReader
) -> Iterator[PairPlan]:
    """Sentence pairs, Google's algorithm on one block of files after the other.

    Args:
        paths: text files, each one or several documents.
        config: the settings; `dupe_factor` and both shuffles are per block.
        reader: with the vocabulary.

    Raises:
        DataError: unreadable text.
    """
    names, source = _beginning(paths, config)
    size = config.split_files or len(names)
    for start in range(0, len(names), size):
        text = joined([reader.file(name, config) for name in names[start : start + size]])
        if text.document_count:
            yield plan_pairs(text, config, reader.vocab, source)


def window_plans(
    paths: Sequence[str], config: RecordsConfig, reader: TextReader
) -> Iterator[WindowPlan]:
    """Windows [CLS] tokens [SEP] of running text, one pass over it per duplicate.

    The target length is full, or now and then a random shorter one, which then holds until
    the next is drawn; each window shares `overlap` tokens with the one before. What is left
    at the end of a document is a shorter window, or continues into the next document behind
    a separator. Unmasked windows are made once.

    Args: as for `pair_plans`.

    Raises:
        DataError: unreadable text, or a separator that is no token.
    """
    names, source = _beginning(paths, config)
    kept: list[TokenizedText] = []
    whole = False  # all of the text is in `kept`
    for _ in range(1 if config.objective == UNMASKED else config.dupe_factor):
        if whole:
            buffers = iter(kept)
        else:
            buffers = _buffers(names, config, reader)
            kept, whole = _first_few(buffers)
            buffers = chain(kept, buffers)
        yield from plan_windows(buffers, config, reader.vocab, source)


def _first_few(buffers: Iterator[TokenizedText]) -> tuple[list[TokenizedText], bool]:
    """The buffers of a text that is kept in memory, or its first one; whether it is whole."""
    kept: list[TokenizedText] = []
    tokens = 0
    for text in buffers:
        kept.append(text)
        tokens += len(text.tokens)
        if tokens > _KEPT_TOKENS:
            return kept, False
    return kept, True


def _beginning(paths: Sequence[str], config: RecordsConfig) -> tuple[list[str], mersenne.Stream]:
    """The shuffled files, and the random stream behind that shuffle."""
    rng = random.Random(config.seed)
    names = list(paths)
    rng.shuffle(names)
    return names, mersenne.stream_of(rng)


def _buffers(
    names: Sequence[str], config: RecordsConfig, reader: TextReader
) -> Iterator[TokenizedText]:
    """Whole files with `buffer_tokens` tokens or a little more together."""
    texts: list[TokenizedText] = []
    count = 0
    for name in names:
        text = reader.file(name, config)
        if text.document_count:
            texts.append(text)
        count += len(text.tokens)
        if count >= config.buffer_tokens:
            yield joined(texts)
            texts, count = [], 0
    if texts:
        yield joined(texts)
