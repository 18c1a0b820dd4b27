"""Plans masked windows that slide over the tokens of documents, as Cerebras makes them.

The steps of Cerebras' MLM-only program, draw for draw; `records/instances/cerebras.py` says
what a window is.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numba import int64, uint64

from bertkit.kernels.jit import inlined, kernel
from bertkit.kernels.mersenne import below, random53
from bertkit.records.instances.kernels.masks import mask_allowed, move_positions, store_masks

# Where planning is, in int64[:] `progress`: place in the shuffled order; windows planned;
# tokens in `stream`, and how many of the last of them continue into the next document;
# whether a document is begun, its tokens not yet left behind, and the target length.
DOCUMENT, COUNT, FILLED, CARRIED, BEGUN, AT, STOP, TARGET = range(8)
PROGRESS = 8


class Documents(NamedTuple):
    """Documents in the order in which the windows pass over them.

    Attributes:
        tokens: token[:], the text.
        bounds: int64[documents + 1], first token of each document and the end.
        order: uint32[:], documents as shuffled.
        stream: token[:], gets the documents and what stands between them where windows
            cross over; room for all tokens, those carried, and one per document.
        overlap: tokens that a window shares with the one before.
        crosses: whether a window continues into the next document.
        separator: the token between two documents.
        masks: whether windows are masked.
        last: whether what is left at the end is a window.
    """

    tokens: np.ndarray
    bounds: np.ndarray
    order: np.ndarray
    stream: np.ndarray
    overlap: int
    crosses: bool
    separator: int
    masks: bool
    last: bool


class WindowBatch(NamedTuple):
    """C-ordered arrays to fill: int32 [B, L], [B, P]; float32 [B, P]."""

    input_ids: np.ndarray
    input_mask: np.ndarray
    masked_lm_positions: np.ndarray
    masked_lm_ids: np.ndarray
    masked_lm_weights: np.ndarray


@inlined
def _next_target(source: Any, rules: Any, otherwise: Any) -> Any:
    """The full length, or the one before; now and then a random shorter one."""
    if random53(source) < rules.short:
        return int64(rules.shortest) + below(source, rules.room - rules.shortest + 1)
    return otherwise


@inlined
def _begin_document(source: Any, documents: Any, rules: Any, progress: Any) -> None:
    """Draw the target and, where windows cross, append the document to the stream."""
    number = uint64(documents.order[uint64(progress[DOCUMENT])])
    first, stop = documents.bounds[number], documents.bounds[number + uint64(1)]
    progress[TARGET] = _next_target(source, rules, int64(rules.room))
    progress[BEGUN] = 1
    if documents.crosses:
        filled = uint64(progress[FILLED])
        at = progress[FILLED] - progress[CARRIED]
        if progress[CARRIED] > 0:
            documents.stream[filled] = documents.separator
            filled += uint64(1)
        for k in range(uint64(first), uint64(stop)):
            documents.stream[filled] = documents.tokens[k]
            filled += uint64(1)
        first, stop = at, int64(filled)
        progress[FILLED] = filled
        progress[CARRIED] = 0
    progress[AT] = first
    progress[STOP] = stop


@kernel
def _put_window(
    source: Any, documents: Any, rules: Any, scratch: Any, out: Any, row: Any, at: Any, length: Any
) -> None:
    """Mask and note the window of `length` tokens from `at`."""
    count = uint64(length)
    masked = uint64(0)
    if documents.masks:
        tokens = documents.stream if documents.crosses else documents.tokens
        wanted = uint64(rules.wanted[count + uint64(2)])
        segments = (uint64(at), uint64(0))
        masked = mask_allowed(source, rules, scratch, (count, count), wanted, tokens, segments)
        store_masks(scratch, out, row, count + uint64(2))
        move_positions(scratch, out, row, masked)
    pair = out.pairs[row]
    pair.first_at = at
    pair.first_length = length
    pair.second_at = 0
    pair.second_length = 0
    pair.masked = masked
    pair.is_random_next = 0


@kernel
def plan_windows(
    source: Any, documents: Any, rules: Any, scratch: Any, out: Any, progress: Any
) -> Any:
    """Plan windows until all documents are passed or `out` is full.

    Args:
        source: the random stream (mersenne.Stream), behind the shuffle of documents.
        documents: Documents.
        rules, scratch, out: pair_plan.Rules, Scratch and Instances; a window is the
            first segment of a pair without a second.
        progress: int64[PROGRESS], updated.

    Returns:
        True when all is planned; False when `out` must be enlarged first.
    """
    capacity = int64(len(out.pairs))
    while True:
        row = progress[COUNT]
        # Between documents: begin the next one, or end with what is carried.
        if progress[BEGUN] == 0:
            if progress[DOCUMENT] < len(documents.order):
                _begin_document(source, documents, rules, progress)
                continue
            carried = progress[CARRIED]
            if not documents.last or carried == 0:
                return True
            if row == capacity:
                return False
            at = progress[FILLED] - carried
            _put_window(source, documents, rules, scratch, out, uint64(row), at, carried)
            progress[COUNT] += 1
            progress[CARRIED] = 0
            return True
        at, left, target = progress[AT], progress[STOP] - progress[AT], progress[TARGET]
        complete = target <= left
        if (complete or not documents.crosses) and row == capacity:
            return False
        # A complete window; the next one begins `overlap` tokens before its end.
        if complete:
            _put_window(source, documents, rules, scratch, out, uint64(row), at, target)
            progress[COUNT] += 1
            progress[AT] = at + target - int64(documents.overlap)
            progress[TARGET] = _next_target(source, rules, target)
            continue
        # The rest of the document continues into the next one, or is a window of its own.
        if documents.crosses:
            progress[CARRIED] = left
        else:
            _put_window(source, documents, rules, scratch, out, uint64(row), at, left)
            progress[COUNT] += 1
        progress[BEGUN] = 0
        progress[DOCUMENT] += 1


@kernel
def fill_windows(
    tokens: Any, instances: Any, which: Any, cls_id: Any, sep_id: Any, out: Any
) -> None:
    """Write the windows `which` (int64[B]) to the rows of `out`.

    Args:
        tokens: token[:], the text or the stream.
        instances: pair_plan.Instances.
        which: numbers of the windows.
        out: WindowBatch, zero where nothing is written.
    """
    keep = np.iinfo(instances.replacements.dtype).max
    for row in range(uint64(len(which))):
        number = uint64(which[row])
        pair = instances.pairs[number]
        begin, length = uint64(pair.first_at), uint64(pair.first_length)
        out.input_ids[row, 0] = cls_id
        for k in range(length):
            out.input_ids[row, k + uint64(1)] = tokens[begin + k]
        out.input_ids[row, length + uint64(1)] = sep_id
        for k in range(length + uint64(2)):
            out.input_mask[row, k] = 1
        for k in range(uint64(pair.masked)):
            position = uint64(instances.positions[number, k])
            replacement = instances.replacements[number, k]
            out.masked_lm_positions[row, k] = position
            out.masked_lm_ids[row, k] = out.input_ids[row, position]
            out.masked_lm_weights[row, k] = 1.0
            if replacement != keep:
                out.input_ids[row, position] = replacement
