"""Pads micro-batches to a few round totals of tokens, which are fast on GPUs.

A step's sequences are distributed so that all its micro-batches have about the same number of
tokens. Each is then padded with dummy sequences of padding tokens, because rows that
belong to no sequence would hold whatever was in memory: to the next round number, or, for
models that are compiled per shape, to the smallest of a few totals that holds it.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from bertkit.data.record_source import SampleSource
from bertkit.data.step_batch import MicroBatch, Records, sequence_lengths, unpadded

# How many totals there are by default where passes are recorded, each total by itself.
RECORDED_TOTALS = 8
_SAMPLE = 2048
TILE_ROWS = 64  # rows of a tile of matrix kernels; totals are multiples of it
_SMALL = 4096  # below so many rows, tiles are not worth the padding
_FEW_ROWS = 8  # what half precision kernels need
# Where an array goes on that is not one of tokens: how long it becomes, and with what.
Rooms = Mapping[str, tuple[int, float]]
_PREDICTED = 1.01  # room for a share of predictions above the mean
_PREDICTED_ROWS = 32


@dataclass(frozen=True)
class Budget:
    """The totals that micro-batches are padded to.

    Attributes:
        length: L, the longest sequence there may be; dummy ones are no longer.
        tokens: ascending totals of rows, T, of which a micro-batch takes the smallest that
            holds it; none: its own number, rounded up.
        predictions: for each total the room for predictions, M.
        sequences: N, where there are totals: room for sequences.
    """

    length: int
    tokens: tuple[int, ...] = ()
    predictions: tuple[int, ...] = ()
    sequences: int = 0

    def sizes(self, tokens: int, predictions: int, sequences: int) -> tuple[int, int, int] | None:
        """(T, M, N) of a micro-batch with so much in it; None where no total holds it."""
        if not self.tokens:
            return _round(tokens), up(predictions, _FEW_ROWS), sequences
        for rows, room in zip(self.tokens, self.predictions, strict=True):
            if tokens <= rows and predictions <= room and sequences <= self.sequences:
                return rows, room, self.sequences
        return None

    def spans(self, tokens: int, sequences: int, rest: int) -> int:
        """Spans of rows, sequences and dummy ones, in a micro-batch.

        Args:
            tokens: T.
            sequences: N.
            rest: rows of dummy sequences. Where there are totals, the number of spans
                does not depend on it, and some of them are empty.
        """
        return sequences + math.ceil((tokens if self.tokens else rest) / self.length)


def budget_for(
    source: SampleSource, sequences: int, micro_batch_size: int, totals: int = 0
) -> Budget:
    """The totals for the records of a source.

    Lengths are taken from evenly spaced records; sums of many are close to normal.

    Args:
        source: of the records.
        sequences: of one process in a step.
        micro_batch_size: most sequences of a micro-batch.
        totals: how many there may be; 0: any number of rows, rounded up.
    """
    length, most = source.max_seq_length, source.max_predictions_per_seq
    if not totals:
        return Budget(length)
    # Estimate mean and deviation of the tokens of a micro-batch from a sample.
    numbers = np.linspace(0, len(source) - 1, min(_SAMPLE, len(source))).astype(np.int64)
    records = source.at_epoch(0).batch(numbers)
    lengths = sequence_lengths(records["input_mask"])
    predicted = (records["masked_lm_weights"] > 0).sum(axis=1)
    # `deviation` is that of a whole step, divided by its micro-batches.
    parts = max(1, math.ceil(sequences / micro_batch_size))
    mean = sequences / parts * float(lengths.mean())
    deviation = math.sqrt(sequences) / parts * float(lengths.std())
    count = math.ceil(sequences / parts)
    # Candidates: multiples of a tile, 3.5 deviations around the mean.
    places = np.linspace(-3.5, 3.5, 57)
    sizes = [up(min(max(mean + z * deviation, length), count * length), TILE_ROWS) for z in places]
    below = [0.5 * (1 + math.erf(z / math.sqrt(2))) for z in places]
    # Totals for tokens, and for each of them room for its predictions.
    ladder = best_totals(sizes, below, totals)
    share = _PREDICTED * predicted.sum() / lengths.sum()
    rooms = (up(share * rows + most / 2, _PREDICTED_ROWS) for rows in ladder)
    predictions = tuple(max(most, min(room, count * most)) for room in rooms)
    return Budget(length, ladder, predictions, count)


def budgeted(records: Records, size: int, budget: Budget) -> list[MicroBatch]:
    """The records of a step as padded micro-batches.

    Args:
        records: as `step_batch.weighted` returns them.
        size: most sequences of a micro-batch.
        budget: the totals; each record alone is within them.
    """
    lengths = sequence_lengths(records["input_mask"])
    predicted = (records["masked_lm_weights"] > 0).sum(axis=1)
    waiting = dealt(lengths, math.ceil(len(lengths) / size))
    result = []
    while waiting:
        rows = waiting.pop(0)
        sizes = budget.sizes(int(lengths[rows].sum()), int(predicted[rows].sum()), len(rows))
        # Larger than the largest total: halve it, and try both halves next.
        if sizes is None and len(rows) > 1:
            waiting[:0] = [rows[half] for half in dealt(lengths[rows], 2)]
            continue
        assert sizes is not None, "a record alone is above the budget"
        part = {name: values[rows] for name, values in records.items()}
        result.append(_filled_records(unpadded(part), budget, sizes))
    return result


def dealt(lengths: np.ndarray, parts: int) -> list[np.ndarray]:
    """Numbers of sequences in parts with equal numbers of sequences and almost of tokens.

    The longest come first, each to the part that has fewest tokens yet.

    Args:
        lengths: of the sequences.
        parts: how many, at most the number of sequences.

    Returns:
        int64 numbers of each part, ascending.
    """
    if parts == 1:
        return [np.arange(len(lengths))]
    most = math.ceil(len(lengths) / parts)
    # Greedy: (tokens so far, part, members), the part with fewest tokens on top.
    heap: list[tuple[int, int, list[int]]] = [(0, part, []) for part in range(parts)]
    full: list[list[int]] = []
    for number in np.argsort(-lengths, kind="stable").tolist():
        tokens, part, members = heap[0]
        members.append(number)
        # A complete part leaves the heap, so that all parts get equally many sequences.
        if len(members) == most:
            heapq.heappop(heap)
            full.append(members)
        else:
            heapq.heapreplace(heap, (tokens + int(lengths[number]), part, members))
    groups = [*full, *(members for _, _, members in heap)]
    return [np.array(sorted(members), np.int64) for members in groups if members]


def best_totals(sizes: Sequence[int], below: Sequence[float], count: int) -> tuple[int, ...]:
    """So many totals, the last size among them, that the expected one is small.

    Args:
        sizes: those that are considered, ascending.
        below: the share of micro-batches that each of them holds.
        count: how many totals there may be.
    """
    # best[i]: (expected total of the numbers up to place i, totals chosen, i the last of them)
    best: list[tuple[float, tuple[int, ...]]]
    best = [(share * size, (size,)) for size, share in zip(sizes, below, strict=True)]
    # Dynamic programme: allow one more total, and keep the best choice for each place.
    for _ in range(count - 1):
        best = [
            min(
                [best[i]]
                + [
                    (best[j][0] + (below[i] - below[j]) * sizes[i], (*best[j][1], sizes[i]))
                    for j in range(i)
                ]
            )
            for i in range(len(sizes))
        ]
    return tuple(sorted(set(best[-1][1])))


def _round(tokens: int) -> int:
    return up(tokens, TILE_ROWS if tokens >= _SMALL else _FEW_ROWS)


def up(value: float, grain: int) -> int:
    """The next multiple of a grain."""
    return math.ceil(value / grain) * grain


def _filled_records(batch: MicroBatch, budget: Budget, sizes: tuple[int, int, int]) -> MicroBatch:
    """A micro-batch of records with dummy sequences and padding of weight 0."""
    # Arrays by the prefix of their name: per prediction, per sequence, or else per token.
    kinds = {"mlm": sizes[1], "nsp": sizes[2], "cls": sizes[2]}
    rooms = {name: (kinds[name[:3]], 0.0) for name in batch.arrays if name[:3] in kinds}
    return filled(batch, budget, sizes[0], rooms)


def filled(batch: MicroBatch, budget: Budget, tokens: int, rooms: Rooms) -> MicroBatch:
    """An unpadded micro-batch with dummy sequences.

    Args:
        batch: to fill.
        budget: says how long dummy sequences are, and how many spans there are.
        tokens: T, the rows that it has then.
        rooms: of its arrays that are not one number per token: their length then, and what
            they are filled with.
    """
    rest = tokens - batch.tokens
    sequences = len(batch.arrays["cls_rows"])
    # Span lengths: the sequences, then dummies of at most L tokens that use up the rest.
    spans = np.zeros(budget.spans(tokens, rooms["cls_rows"][0], rest), np.int64)
    spans[:sequences] = batch.lengths
    dummies = spans[sequences : sequences + math.ceil(rest / budget.length)]
    dummies[:] = budget.length
    if len(dummies):
        dummies[-1] -= dummies.sum() - rest
    arrays = {"cumulative": np.concatenate(([0], np.cumsum(spans))).astype(np.int32)}
    for name, values in batch.arrays.items():
        if name not in arrays:
            count, fill = rooms.get(name, (tokens, 0.0))
            arrays[name] = np.full((count, *values.shape[1:]), fill, values.dtype)
            arrays[name][: len(values)] = values
    # Positions in dummy sequences count from 0 as in all others.
    begins = np.repeat(np.cumsum(dummies) - dummies, dummies)
    arrays["positions"][batch.tokens :] = np.arange(rest) - begins
    return replace(batch, arrays=arrays, spans=spans, longest=budget.length)
