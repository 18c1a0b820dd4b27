"""Chooses which tokens of an instance are masked, and what replaces them.

The steps of the readable `tests/oracle/masking.py`, draw for draw. In every function `source`
is the random stream (mersenne.Stream), `rules` pair_plan.Rules, `scratch` pair_plan.Scratch,
and `lengths` (tokens of the first segment, tokens of both); see there.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import int64, uint32, uint64

from bertkit.kernels.jit import inlined, kernel
from bertkit.kernels.memory import (
    bit_length,
    large_words,
    load_u64,
    ones,
    store_u32,
    store_u64,
    trailing_zeros,
)
from bertkit.kernels.mersenne import below, refill

RUN = 8  # draws without a check between them
FEW = 5  # words that one masked token needs, unless a random token is drawn again
MARKED = 32  # words that are marked at once
WINDOW = 64  # words, of which 28 pairs are looked at together, and what one more token needs
ENOUGH = np.uint64(1 << 56)  # behind those pairs
EVERY_2 = np.uint64(0x5555555555555555)


def _packed_places() -> np.ndarray:
    """uint64[256, 2]: row b lists the places 0 .. 7 of the one bits of b, 16 bits each."""
    places = np.zeros((256, 8), np.uint16)
    for byte in range(256):
        ones = [place for place in range(8) if byte >> place & 1]
        places[byte, : len(ones)] = ones
    return places.view(np.uint64)


PLACES = _packed_places()
# Multiplied by this, bytes of 0 and 1 meet in the highest byte, the first as its lowest bit.
FLAGS_TO_BITS = np.uint64(0x0102040810204080)
EVERY_16 = np.uint64(0x0001000100010001)


@inlined
def _shuffle_candidates(source: Any, items: Any, picked: Any, count: Any, wanted: Any) -> None:
    """`random.shuffle` of 0 .. count-1; its first `wanted` items go to `picked`.

    `items` has room for twice `count`. A draw that is too large is drawn again; the loops
    have no branch for that, because it would be mispredicted all the time. Such a draw
    does what an accepted one does, only to places that are set again or never read.
    """
    words, cursor = source.words, source.cursor
    one, run = uint64(1), uint64(RUN)
    for k in range(count):
        items[k] = k
    # From the last place down, as random.shuffle does: a draw among the first last + 1.
    last = count - one  # the place whose final item is drawn next
    at, end = uint64(cursor[0]), uint64(cursor[1])
    # What comes to stand behind the wanted ones is never read: move, do not swap.
    while last >= max(wanted, one):
        if at + run > end:
            cursor[0] = at
            refill(source)
            at, end = uint64(cursor[0]), uint64(cursor[1])
        bits = bit_length(last + one)
        unused = uint32(uint64(32) - bits)
        edge = max(one << (bits - one), wanted) + run  # until here draws have as many bits
        # The bulk: eight draws of equal width without a check between them.
        while last >= edge and at + run <= end:
            for k in range(at, at + run):
                other = uint64(words[k] >> unused)
                items[other] = items[last]
                last -= uint64(other <= last)
            at += run
        # Continue with the next number of bits.
        stop = min(at + run + run, end)
        while last >= max(wanted, one) and at < stop:
            other = _draw(words[at], last + one)
            items[other] = items[last]
            last -= uint64(other <= last)
            at += one
    # The wanted places themselves: here an item that is moved away must be kept.
    while last >= one:
        if at >= end:
            cursor[0] = at
            refill(source)
            at, end = uint64(cursor[0]), uint64(cursor[1])
        other = _draw(words[at], last + one)
        picked[last] = items[other]
        items[other] = items[last]
        last -= uint64(other <= last)
        at += one
    picked[0] = items[0]
    cursor[0] = at


@inlined
def _draw(word: Any, limit: Any) -> Any:
    """As many of the highest bits of a word as `limit` has."""
    return (uint64(word) << uint64(32)) >> (uint64(64) - bit_length(limit))


@inlined
def _mark_words(source: Any, at: Any, rules: Any, marks: Any, count: Any) -> None:
    """Set bit k of `marks` where random() >= 0.8, or nearly, if it began at word at + k."""
    # Of the 53 bits of random(), the first word's 27 decide but for one case in millions.
    limit = uint32((rules.mask >> uint64(26)) << uint64(5))
    for k in range(uint64(0), count, uint64(MARKED)):
        store_u32(marks, k >> uint64(3), large_words(source.words, (at + k) << uint64(2), limit))


@inlined
def _draw_other(source: Any, at: Any, rules: Any, keep: Any) -> Any:
    """What replaces a masked token that is not [MASK]: half of them stay (`keep`).

    Reads from word `at`; returns the replacement and the word behind.
    """
    # Both halves do the same steps, because a branch would be guessed wrong half the time.
    limit = uint64(len(rules.draw_ids))
    other = uint64(source.words[at] >> uint32(31))
    at += uint64(2)
    number = uint64(source.words[at] >> uint32(uint64(32) - bit_length(limit)))
    if number >= limit:  # one in 15 with 30,522 tokens
        number = uint64(0)
        if other == uint64(1):
            source.cursor[0] = at + uint64(1)
            number = uint64(below(source, int64(limit)))
            at = uint64(source.cursor[0]) - uint64(1)
    drawn = uint64(rules.draw_ids[number])
    return uint64(keep) - other * (uint64(keep) - drawn), at + other


@inlined
def _position(candidate: Any, first_length: Any) -> Any:
    """Where a candidate stands: behind [CLS], and from the second segment on a [SEP]."""
    return candidate + uint64(1) + uint64(candidate >= first_length)


@inlined
def _replace(
    source: Any, rules: Any, scratch: Any, items: Any, count: Any, first_length: Any
) -> None:
    """Note the positions of the candidates items[:count] and draw what replaces each.

    That is [MASK] in 80 % of cases, the token itself in 10 % (the largest number of the type
    says so), any token else. So all become [MASK] first, and then only the others are visited.
    """
    keep = np.iinfo(rules.draw_ids.dtype).max
    for k in range(count):
        position = _position(uint64(items[k]), first_length)
        scratch.chosen[position] = 1
        scratch.replacements[position] = rules.mask_id
    one, two, few, window = uint64(1), uint64(2), uint64(FEW), uint64(WINDOW)
    at = uint64(source.cursor[0])
    k = uint64(0)
    while k < count:
        if at + uint64(3 * WINDOW) > uint64(source.cursor[1]):
            source.cursor[0] = at
            refill(source)
            at = uint64(source.cursor[0])
        # Mark in a bit mask, for a range of the stream, where a draw would not be [MASK].
        begin = at
        words = min(uint64(source.cursor[1]) - at, uint64(3) * (count - k) + uint64(2 * WINDOW))
        words &= ~uint64(MARKED - 1)
        _mark_words(source, begin, rules, scratch.marks, words)
        while k < count and at - begin + window <= words:
            # Skip the draws (two words each) up to the first mark.
            here = at - begin
            marks = load_u64(scratch.marks, here >> uint64(3)) >> (here & uint64(7))
            hidden = trailing_zeros((marks & uint64(EVERY_2)) | uint64(ENOUGH)) >> one
            k += hidden
            at += two * hidden
            if k >= count:
                at -= two * (k - count)
                break
            # A mark says "nearly" too: decide by all 53 bits.
            high = uint64(source.words[at] >> uint32(5))
            low = uint64(source.words[at + one] >> uint32(6))
            if ((high << uint64(26)) | low) >= rules.mask:
                replacement, behind = _draw_other(source, at + two, rules, keep)
                scratch.replacements[_position(uint64(items[k]), first_length)] = replacement
                again = behind - at > few  # it was drawn again, perhaps from new words
                at = behind
                k += one
                if again:
                    break
            else:
                at += two
                k += one
    source.cursor[0] = at


@inlined
def mask_tokens(source: Any, rules: Any, scratch: Any, lengths: Any, wanted: Any) -> Any:
    """Mask `wanted` tokens, each for itself; returns how many."""
    first_length, count = lengths
    wanted = min(wanted, count)
    _shuffle_candidates(source, scratch.candidates, scratch.picked, count, wanted)
    _replace(source, rules, scratch, scratch.picked, wanted, first_length)
    return wanted


@kernel
def mask_words(
    source: Any, rules: Any, scratch: Any, lengths: Any, wanted: Any, continues: Any, segments: Any
) -> Any:
    """Mask whole words until `wanted` tokens are reached or none fits; returns how many.

    A "##" piece at the start of the second segment belongs to the word before the [SEP].

    Args:
        continues: bool[tokens], token is a "##" piece.
        segments: first token of each segment, places in `continues`.
    """
    first_length, count = lengths
    first_at, second_at = segments
    # Words, by the candidate they begin with.
    starts = scratch.starts
    groups = uint64(0)
    for k in range(count):
        token = first_at + k if k < first_length else second_at + (k - first_length)
        if groups == uint64(0) or not continues[token]:
            starts[groups] = k
            groups += uint64(1)
    starts[groups] = count
    _shuffle_candidates(source, scratch.candidates, scratch.picked, groups, groups)
    # In shuffled order, each word that still fits.
    masked = uint64(0)
    for k in range(groups):
        if masked >= wanted:
            break
        group = uint64(scratch.picked[k])
        begin, stop = uint64(starts[group]), uint64(starts[group + uint64(1)])
        if masked + (stop - begin) > wanted:
            continue
        for candidate in range(begin, stop):
            scratch.candidates[masked] = candidate
            masked += uint64(1)
    _replace(source, rules, scratch, scratch.candidates, masked, first_length)
    return masked


@kernel
def mask_allowed(
    source: Any, rules: Any, scratch: Any, lengths: Any, wanted: Any, tokens: Any, segments: Any
) -> Any:
    """As `mask_tokens`, or `mask_words`, of the tokens that `rules.never` does not bar.

    Positions are counted among those tokens alone until `move_positions` corrects them.

    Args:
        tokens: token[:], the text.
        segments: first token of each segment, places in `tokens`.
    """
    first_length, count = lengths
    first_at, second_at = segments
    # What may be masked, as if it were one segment: its place, and whether it is a "##" piece.
    allowed = uint64(0)
    for k in range(count):
        token = uint64(tokens[first_at + k if k < first_length else second_at + (k - first_length)])
        if not rules.never[token]:
            scratch.places[allowed] = k + uint64(1) + uint64(k >= first_length)
            scratch.continues[allowed] = rules.pieces[token]
            allowed += uint64(1)
    lengths = (allowed, allowed)
    if allowed == uint64(0):
        return uint64(0)
    if rules.whole_words:
        none = uint64(0)
        return mask_words(source, rules, scratch, lengths, wanted, scratch.continues, (none, none))
    return mask_tokens(source, rules, scratch, lengths, wanted)


@inlined
def move_positions(scratch: Any, out: Any, row: Any, masked: Any) -> None:
    """Positions of `mask_allowed`, once stored, as those in the sequence."""
    for k in range(masked):
        out.positions[row, k] = scratch.places[uint64(out.positions[row, k]) - uint64(1)]


@inlined
def store_masks(scratch: Any, out: Any, row: Any, length: Any) -> None:
    """Move the masked positions, in ascending order, and their replacements to the plan."""
    place = uint64(0)
    for group in range((length >> uint64(3)) + uint64(1)):
        # Eight positions at a time: their flags as the bits of a byte, then as a list.
        first = group << uint64(3)
        flags = (load_u64(scratch.chosen, first) * FLAGS_TO_BITS) >> uint64(56)
        store_u64(scratch.chosen, first, uint64(0))
        base = first * EVERY_16
        store_u64(scratch.sorted, place << uint64(1), PLACES[flags, 0] + base)
        store_u64(scratch.sorted, (place << uint64(1)) + uint64(8), PLACES[flags, 1] + base)
        place += ones(flags)
    for k in range(place):
        position = scratch.sorted[k]
        out.positions[row, k] = position
        out.replacements[row, k] = scratch.replacements[position]
