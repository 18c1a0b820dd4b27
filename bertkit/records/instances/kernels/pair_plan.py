"""Plans sentence pairs from sentence offsets: what is paired, cut and masked.

The same steps as the readable `tests/oracle/instances.py`, in the same order
of random draws. Draws depend on lengths alone, never on token ids (whole-word masking
looks only at which tokens are "##" pieces), so nothing is copied here: an instance is
two ranges of the text's tokens, and for each masked position what replaces the token.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint32, uint64

from bertkit.kernels.jit import inlined, kernel
from bertkit.kernels.mersenne import below, random53, refill
from bertkit.records.instances.kernels.masks import (
    mask_allowed,
    mask_tokens,
    mask_words,
    move_positions,
    store_masks,
)

PARTNER_DRAWS = 10
HALF = np.uint64(1 << 52)  # random() < 0.5 in 53 bits

# Two segments of one instance, as ranges of the text's tokens.
PAIR = np.dtype(
    [
        ("first_at", np.uint32),
        ("second_at", np.uint32),
        ("first_length", np.uint16),
        ("second_length", np.uint16),
        ("masked", np.uint16),  # how many positions are masked
        ("is_random_next", np.uint16),
    ]
)

# Where planning is, in int64[:] `progress`.
PASS, DOCUMENT, COUNT = range(3)


class Corpus(NamedTuple):
    """The text, without its words.

    Attributes:
        sentences: uint32[:], first token of each sentence and the end.
        documents: uint32[:], first sentence of each document and the end.
        order: uint32[:], documents as shuffled.
        continues: bool[tokens], token is a "##" piece; empty without whole-word masking.
        tokens: token[:], read only where `Rules.never` is not empty.
    """

    sentences: np.ndarray
    documents: np.ndarray
    order: np.ndarray
    continues: np.ndarray
    tokens: np.ndarray


class Rules(NamedTuple):
    """The settings, as the kernel needs them.

    Attributes:
        room: tokens of both segments together, max_seq_length - 3.
        passes: how often each document is used (dupe_factor).
        short: threshold of short_seq_prob, see mersenne.threshold.
        shortest: least random target length; the largest is `room`.
        swaps: in half of the pairs B and A are swapped, instead of B being a random text.
        own_is_random: a B that was to be random counts so where it is of A's own document.
        mask: threshold of 0.8, the share of [MASK] among masked tokens.
        whole_words: mask all pieces of a word or none.
        mask_id: id of [MASK].
        wanted: int64[max_seq_length + 1], masked tokens by length of the sequence.
        draw_ids: token[:], what a random token is drawn from.
        never: bool[vocabulary + 1], tokens that are never masked; empty where the text
            has none of them.
        pieces: bool[vocabulary + 1], tokens that are "##" pieces; empty like `never`.
    """

    room: int
    passes: int
    short: np.uint64
    shortest: int
    swaps: bool
    own_is_random: bool
    mask: np.uint64
    whole_words: bool
    mask_id: int
    wanted: np.ndarray
    draw_ids: np.ndarray
    never: np.ndarray
    pieces: np.ndarray


class Scratch(NamedTuple):
    """Work space for one instance of up to L tokens.

    Attributes:
        candidates: uint16[4 L], the candidates as they are shuffled, then those masked.
        picked: uint16[L], the candidates in their final order.
        starts: uint16[L], first candidate of each word (whole words).
        chosen: uint8[L + 8], 1 at masked positions, else 0.
        replacements: token[L], by position.
        sorted: uint16[L + 8], the masked positions in ascending order.
        places: uint16[L], positions of the tokens that may be masked (`Rules.never`).
        continues: bool[L], which of those are "##" pieces.
        marks: uint8[:], a bit for each word of the random stream's buffer, and 8 bytes.
    """

    candidates: np.ndarray
    picked: np.ndarray
    starts: np.ndarray
    chosen: np.ndarray
    replacements: np.ndarray
    sorted: np.ndarray
    places: np.ndarray
    continues: np.ndarray
    marks: np.ndarray


class Instances(NamedTuple):
    """The plan: N instances in the order they are made.

    Attributes:
        pairs: PAIR[N].
        positions: uint16[N, P], masked positions, ascending; the rest is not set.
        replacements: token[N, P], what stands there instead; the largest number of the
            type means that the token is kept.
    """

    pairs: np.ndarray
    positions: np.ndarray
    replacements: np.ndarray


@inlined
def _collect(sentences: Any, first: Any, stop: Any, target: Any) -> Any:
    """End of the sentences from `first` that reach `target` tokens, at most `stop`."""
    limit = int64(sentences[uint64(first)]) + target
    last = first
    while last < stop - 1 and int64(sentences[uint64(last + 1)]) < limit:
        last += 1
    return last + 1


@inlined
def _random_segment(source: Any, corpus: Any, document: Any, target: Any) -> Any:
    """(first token, end, whether it is another) of sentences of a random document.

    `document` is a place in the shuffled order; after ten draws of itself it stays.
    """
    partner = int64(0)
    for _ in range(PARTNER_DRAWS):
        partner = below(source, len(corpus.order))
        if partner != document:
            break
    number = uint64(corpus.order[uint64(partner)])
    begin = int64(corpus.documents[number])
    stop = int64(corpus.documents[number + uint64(1)])
    first = begin + below(source, stop - begin)
    end = _collect(corpus.sentences, first, stop, target)
    at = int64(corpus.sentences[uint64(first)])
    return at, int64(corpus.sentences[uint64(end)]), partner != document


@inlined
def _truncate(source: Any, first: Any, second: Any, room: Any) -> Any:
    """Shorten two (token, length) ranges to `room` tokens together.

    One token at a time off the longer one (the second on a tie), in front where
    random() < 0.5, which is the highest bit of the first of its two words.
    """
    first_at, first_length = first
    second_at, second_length = second
    excess = first_length + second_length - room
    while excess > 0:
        if source.cursor[1] - source.cursor[0] < 2:
            refill(source)
        at = uint64(source.cursor[0])
        steps = min(excess, (source.cursor[1] - source.cursor[0]) >> 1)
        for _ in range(steps):
            front = int64(uint32(1) - (source.words[at] >> uint32(31)))
            at += uint64(2)
            from_first = int64(first_length > second_length)
            from_second = int64(1) - from_first
            first_at += from_first & front
            first_length -= from_first
            second_at += from_second & front
            second_length -= from_second
        source.cursor[0] = at
        excess -= steps
    return (first_at, first_length), (second_at, second_length)


@inlined
def _plan_chunk(
    source: Any, corpus: Any, rules: Any, document: Any, first: Any, stop: Any, target: Any
) -> Any:
    """Choose the two segments of one instance from the sentences first .. stop-1.

    Returns (first token and length of A, the same of B, whether B is random or A and B
    are swapped, sentence to continue with).
    """
    sentences = corpus.sentences
    end = _collect(sentences, first, stop, target)
    cut = first + 1
    if end - first >= 2:
        cut = first + 1 + below(source, end - first - 1)
    first_at = int64(sentences[uint64(first)])
    first_length = int64(sentences[uint64(cut)]) - first_at
    alone = end - first == 1
    random_next = alone or random53(source) < HALF
    if alone or (random_next and not rules.swaps):
        second_at, second_end, random_next = _random_segment(
            source, corpus, document, target - first_length
        )
        random_next |= rules.own_is_random
        end = cut  # the rest is read again
    else:
        second_at = int64(sentences[uint64(cut)])
        second_end = int64(sentences[uint64(end)])
    a, b = (first_at, first_length), (second_at, second_end - second_at)
    if rules.swaps and random_next and not alone:
        a, b = b, a
    a, b = _truncate(source, a, b, rules.room)
    return a, b, random_next, end


@inlined
def _mask_pair(source: Any, corpus: Any, rules: Any, scratch: Any, a: Any, b: Any) -> Any:
    """Choose what is masked in [CLS] A [SEP] B [SEP]; returns how many tokens."""
    first_length, count = uint64(a[1]), uint64(a[1] + b[1])
    wanted = uint64(rules.wanted[count + uint64(3)])
    lengths = (first_length, count)
    segments = (uint64(a[0]), uint64(b[0]))
    if len(rules.never) > 0:
        return mask_allowed(source, rules, scratch, lengths, wanted, corpus.tokens, segments)
    if rules.whole_words:
        return mask_words(source, rules, scratch, lengths, wanted, corpus.continues, segments)
    return mask_tokens(source, rules, scratch, lengths, wanted)


@kernel
def plan_documents(
    source: Any, corpus: Any, rules: Any, scratch: Any, out: Any, progress: Any
) -> Any:
    """Plan whole documents until all passes are done or `out` might not take another one.

    Args:
        source: the random stream (mersenne.Stream), behind the shuffle of documents.
        corpus, rules, scratch, out: see the classes above.
        progress: int64[3]: pass, place in the shuffled order, instances planned; updated.

    Returns:
        True when all is planned; False when `out` must be enlarged first.
    """
    row = uint64(progress[COUNT])
    capacity = int64(len(out.pairs))
    documents = int64(len(corpus.order))
    for turn in range(progress[PASS], rules.passes):
        for document in range(progress[DOCUMENT], documents):
            number = uint64(corpus.order[uint64(document)])
            first = int64(corpus.documents[number])
            stop = int64(corpus.documents[number + uint64(1)])
            if int64(row) + (stop - first) > capacity:  # at most one instance per sentence
                progress[PASS] = turn
                progress[DOCUMENT] = document
                progress[COUNT] = row
                return False
            # Now and then all instances of a document get a random shorter length.
            target = int64(rules.room)
            if random53(source) < rules.short:
                target = rules.shortest + below(source, rules.room - rules.shortest + 1)
            while first < stop:
                a, b, random_next, first = _plan_chunk(
                    source, corpus, rules, document, first, stop, target
                )
                masked = _mask_pair(source, corpus, rules, scratch, a, b)
                pair = out.pairs[row]
                pair.first_at = a[0]
                pair.first_length = a[1]
                pair.second_at = b[0]
                pair.second_length = b[1]
                pair.masked = masked
                pair.is_random_next = random_next
                store_masks(scratch, out, row, uint64(a[1] + b[1] + 3))
                if len(rules.never) > 0:
                    move_positions(scratch, out, row, masked)
                row += uint64(1)
        progress[DOCUMENT] = 0
    progress[PASS] = rules.passes
    progress[COUNT] = row
    return True
