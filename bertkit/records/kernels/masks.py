"""Which tokens of an instance are masked, and what replaces them.

The steps of the readable `records/masking.py`, draw for draw. `scratch` is plan.Scratch,
`rules` plan.Rules, `source` the random stream; see there.
"""

from __future__ import annotations

from typing import Any

from numba import int64, uint32, uint64

from bertkit.records.kernels.bits import bit_length, trailing_zeros
from bertkit.records.kernels.compile import inlined, kernel
from bertkit.records.kernels.mersenne import below, refill

RUN = 16  # draws without a check between them
FEW = 4  # words that one masked token needs, the draw of a random token excepted


@inlined
def _shuffle_candidates(source: Any, items: Any, count: Any, wanted: Any) -> None:
    """`random.shuffle` of 0 .. count-1, of which items[:wanted] are right afterwards.

    `items` has room for twice `count`. A draw that is too large is drawn again; the loops
    have no branch for that, because it would be mispredicted all the time.
    """
    words, cursor = source.words, source.cursor
    one, run = uint64(1), uint64(RUN)
    for k in range(count):
        items[k] = k
    last = count - one
    at = uint64(cursor[0])
    end = uint64(cursor[1])
    while last >= one:
        bits = bit_length(last + one)
        unused = uint32(uint64(32) - bits)
        lowest = max(one, (one << (bits - one)) - one)  # down to here as many bits are drawn
        if at >= end:
            cursor[0] = at
            refill(source)
            at = uint64(cursor[0])
            end = uint64(cursor[1])
        # Places from `wanted` on are never read again once passed: move, do not swap. A
        # draw above `last` writes to such a place too.
        edge = max(lowest, wanted)
        while last >= edge + run and at + run <= end:
            for k in range(at, at + run):  # no checks between these draws
                other = uint64(words[k] >> unused)
                items[other] = items[last]
                last -= uint64(other <= last)
            at += run
        while last >= edge and at < end:
            other = uint64(words[at] >> unused)
            items[other] = items[last]
            last -= uint64(other <= last)
            at += one
        if last < edge:
            while last >= lowest and at < end:
                other = min(last, uint64(words[at] >> unused))  # swaps with itself
                accepted = uint64(words[at] >> unused) <= last
                at += one
                items[last], items[other] = items[other], items[last]
                last -= uint64(accepted)
    cursor[0] = at


@inlined
def _draw_replacement(source: Any, at: Any, rules: Any, keep: Any) -> Any:
    """What replaces a masked token: 80 % [MASK], 10 % itself (`keep`), 10 % any token.

    Reads from word `at` of the buffer, in which FEW words are left at least; returns the
    replacement and the word behind.
    """
    words = source.words
    high = uint64(words[at] >> uint32(5))
    low = uint64(words[at + uint64(1)] >> uint32(6))
    if ((high << uint64(26)) | low) < rules.mask:
        return int64(rules.mask_id), at + uint64(2)
    if words[at + uint64(2)] >> uint32(31) == uint32(0):
        return int64(keep), at + uint64(4)
    source.cursor[0] = at + uint64(4)
    drawn = int64(rules.draw_ids[uint64(below(source, len(rules.draw_ids)))])
    return drawn, uint64(source.cursor[0])


@inlined
def _mask_position(
    source: Any, at: Any, rules: Any, scratch: Any, candidate: Any, first_length: Any, keep: Any
) -> Any:
    """Mask a candidate: note its position in the sequence, and draw its replacement.

    Reads words from `at`; returns where the next ones are.
    """
    if at + uint64(FEW) > uint64(source.cursor[1]):
        source.cursor[0] = at
        refill(source)
        at = uint64(source.cursor[0])
    # Before it stand [CLS], and from the second segment on a [SEP].
    position = candidate + uint64(1) + uint64(candidate >= first_length)
    scratch.chosen[position >> uint64(6)] |= uint64(1) << (position & uint64(63))
    replacement, at = _draw_replacement(source, at, rules, keep)
    scratch.replacements[position] = replacement
    return at


@inlined
def mask_tokens(source: Any, rules: Any, scratch: Any, lengths: Any, wanted: Any, keep: Any) -> Any:
    """Mask `wanted` tokens, each for itself; returns how many."""
    first_length, count = lengths
    wanted = min(wanted, count)
    _shuffle_candidates(source, scratch.candidates, count, wanted)
    at = uint64(source.cursor[0])
    for k in range(wanted):
        candidate = uint64(scratch.candidates[k])
        at = _mask_position(source, at, rules, scratch, candidate, first_length, keep)
    source.cursor[0] = at
    return wanted


@kernel
def mask_words(
    source: Any, rules: Any, scratch: Any, lengths: Any, wanted: Any, keep: Any,
    continues: Any, first_at: Any, second_at: Any,
) -> Any:  # fmt: skip
    """Mask whole words until `wanted` tokens are reached or none fits; returns how many.

    A "##" piece at the start of the second segment belongs to the word before the [SEP].
    """
    first_length, count = lengths
    starts = scratch.starts
    groups = uint64(0)
    for k in range(count):
        token = first_at + k if k < first_length else second_at + (k - first_length)
        if groups == uint64(0) or not continues[token]:
            starts[groups] = k
            groups += uint64(1)
    starts[groups] = count
    _shuffle_candidates(source, scratch.candidates, groups, groups)
    masked = uint64(0)
    at = uint64(source.cursor[0])
    for k in range(groups):
        if masked >= wanted:
            break
        group = uint64(scratch.candidates[k])
        begin, stop = uint64(starts[group]), uint64(starts[group + uint64(1)])
        if masked + (stop - begin) > wanted:
            continue
        for candidate in range(begin, stop):
            at = _mask_position(source, at, rules, scratch, candidate, first_length, keep)
        masked += stop - begin
    source.cursor[0] = at
    return masked


@kernel
def mask_allowed(
    source: Any, rules: Any, scratch: Any, lengths: Any, wanted: Any, keep: Any,
    tokens: Any, first_at: Any, second_at: Any,
) -> Any:  # fmt: skip
    """As `mask_tokens`, or `mask_words`, of the tokens that `rules.never` does not bar.

    Positions are counted among those tokens alone until `move_positions` corrects them.
    """
    first_length, count = lengths
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
        return mask_words(
            source, rules, scratch, lengths, wanted, keep,
            scratch.continues, uint64(0), uint64(0),
        )  # fmt: skip
    return mask_tokens(source, rules, scratch, lengths, wanted, keep)


@inlined
def move_positions(scratch: Any, out: Any, row: Any, masked: Any) -> None:
    """Positions of `mask_allowed`, once stored, as those in the sequence."""
    for k in range(masked):
        out.positions[row, k] = scratch.places[uint64(out.positions[row, k]) - uint64(1)]


@inlined
def store_masks(scratch: Any, out: Any, row: Any, length: Any) -> None:
    """Move the masked positions, in ascending order, and their replacements to the plan."""
    place = uint64(0)
    for block in range((length >> uint64(6)) + uint64(1)):
        bits = scratch.chosen[block]
        scratch.chosen[block] = 0
        while bits != uint64(0):
            position = (block << uint64(6)) + trailing_zeros(bits)
            bits &= bits - uint64(1)
            out.positions[row, place] = position
            out.replacements[row, place] = scratch.replacements[position]
            place += uint64(1)
