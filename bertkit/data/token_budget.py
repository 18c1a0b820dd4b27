"""Unpadded micro-batches with constant totals, for kernels that are compiled per shape.

Every micro-batch has T rows of tokens, room for N sequences and M predictions: as many
sequences as fit, in order, then dummy sequences of padding tokens up to T rows, because
rows that belong to no sequence would hold whatever was in memory. Half a sequence per
micro-batch is lost, and all processes have the same work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from bertkit.data.record_source import SampleSource
from bertkit.data.step_batch import MicroBatch, Records, sequence_lengths, unpadded

_SAMPLE = 2048
_ROWS = 64  # T is a multiple of it, as matrix kernels like it


@dataclass(frozen=True)
class Budget:
    """The totals of a micro-batch.

    Attributes:
        tokens: T, at least the length of a record.
        sequences: N.
        predictions: M, at least the predictions of a record.
        length: L, the longest sequence there may be; dummy ones are no longer.
    """

    tokens: int
    sequences: int
    predictions: int
    length: int

    @property
    def spans(self) -> int:
        """Stretches of rows: sequences and dummy ones, some of them empty."""
        return self.sequences + math.ceil(self.tokens / self.length)


def budget_for(source: SampleSource, sequences: int, micro_batch_size: int) -> Budget:
    """Totals that hold a step in its usual number of micro-batches, with little to spare.

    Lengths are taken from evenly spaced records; two standard deviations of a step's sum
    are added, so that few steps need one micro-batch more.

    Args:
        source: of the records.
        sequences: of one process in a step.
        micro_batch_size: sequences of a micro-batch on average.
    """
    numbers = np.linspace(0, len(source) - 1, min(_SAMPLE, len(source))).astype(np.int64)
    records = source.at_epoch(0).batch(numbers)
    lengths = sequence_lengths(records["input_mask"])
    predicted = (records["masked_lm_weights"] > 0).sum(axis=1)
    length, most = source.max_seq_length, source.max_predictions_per_seq
    parts = max(1, round(sequences / micro_batch_size))
    step = sequences * lengths.mean() + 2 * lengths.std() * math.sqrt(sequences)
    spare = length / 2 if parts > 1 else 0
    tokens = math.ceil((step / parts + spare) / _ROWS) * _ROWS
    tokens = max(length, min(tokens, micro_batch_size * length))
    return Budget(
        tokens,
        min(math.ceil(1.25 * tokens / lengths.mean()) + 8, tokens),
        min(math.ceil(1.1 * tokens * predicted.sum() / lengths.sum()) + most, tokens),
        length,
    )


def budgeted(records: Records, budget: Budget) -> list[MicroBatch]:
    """Records in their order as micro-batches of the budget's totals.

    Args:
        records: as `batches.weighted` gives them.
        budget: the totals; each record alone is within them.
    """
    lengths = sequence_lengths(records["input_mask"])
    predicted = (records["masked_lm_weights"] > 0).sum(axis=1)
    totals = np.stack([lengths, np.ones_like(lengths), predicted], axis=1).cumsum(axis=0)
    limits = np.array([budget.tokens, budget.sequences, budget.predictions])
    result, start, before = [], 0, np.zeros(3, np.int64)
    while start < len(lengths):
        ends = [np.searchsorted(totals[:, i], before[i] + limits[i], "right") for i in range(3)]
        end = int(min(ends))
        part = {name: values[start:end] for name, values in records.items()}
        result.append(_filled(unpadded(part), budget))
        start, before = end, totals[end - 1]
    return result


def _filled(batch: MicroBatch, budget: Budget) -> MicroBatch:
    """The micro-batch with dummy sequences and fill of weight 0."""
    rest = budget.tokens - batch.tokens
    spans = np.zeros(budget.spans, np.int64)
    spans[: batch.sequences] = batch.lengths
    dummies = spans[batch.sequences : batch.sequences + math.ceil(rest / budget.length)]
    dummies[:] = budget.length
    if len(dummies):
        dummies[-1] -= dummies.sum() - rest
    sizes = {"mlm": budget.predictions, "nsp": budget.sequences, "cls": budget.sequences}
    arrays = {}
    for name, values in batch.arrays.items():
        filled = np.zeros(sizes.get(name[:3], budget.tokens), values.dtype)
        filled[: len(values)] = values
        arrays[name] = filled
    begins = np.repeat(np.cumsum(dummies) - dummies, dummies)
    arrays["positions"][batch.tokens :] = np.arange(rest) - begins
    arrays["cumulative"] = np.concatenate(([0], np.cumsum(spans))).astype(np.int32)
    return replace(batch, arrays=arrays, spans=spans, longest=budget.length)
