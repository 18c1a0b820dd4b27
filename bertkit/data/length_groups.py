"""Puts sequences of similar length into one step, for machines that compute it as one batch.

Cerebras' loader fills a batch per bucket from the stream of samples (`bucketed_batch` of its
Model Zoo). Here the order is cut into windows of some steps instead. Inside a window the samples
are sorted by bucket, cut into steps, and the steps come in random order. So every sample is seen
once per epoch, and a step depends on its position alone: a resumed run needs no history.
"""

from __future__ import annotations

import numpy as np

from bertkit import log
from bertkit.data.batch_layouts import bucket_boundaries
from bertkit.data.record_source import SampleSource
from bertkit.data.sample_order import SampleOrder
from bertkit.data.step_batch import sequence_lengths

_READ = 4096  # records whose lengths are read at a time
_STREAM = 0x4C454E47  # parts the random numbers of windows from those of epochs


class LengthGroups(SampleOrder):
    """An order of samples whose steps hold sequences of similar length.

    Args:
        order: of the samples without groups.
        source: says how long they are.
        step_size: samples of a step.
        window: steps among whose samples those of a step are chosen; at most an epoch's.
        boundaries: row lengths, see `bucket_boundaries`.
    """

    def __init__(
        self,
        order: SampleOrder,
        source: SampleSource,
        step_size: int,
        *,
        window: int,
        boundaries: tuple[int, ...] = (),
    ) -> None:
        super().__init__(order.count, order.seed, order.shuffle)
        self.source = source
        self.step_size = step_size
        self.window = max(1, min(window, order.count // step_size))
        self.row_lengths = np.array(bucket_boundaries(boundaries, source.max_seq_length))
        self._order = order
        self._window = -1
        # Samples of the window in their new order: (epoch, number), int64 [W * B, 2].
        self._samples = np.empty((0, 2), np.int64)
        self._told = False

    def by_epoch(self, position: int, size: int) -> list[tuple[int, np.ndarray]]:
        """Sample numbers as (epoch, int64 [part]); a part of one step, whose epochs may be two."""
        number, offset = divmod(position, self.window * self.step_size)
        if number != self._window:
            self._samples = self._arranged(number)
            self._window = number
        taken = self._samples[offset : offset + size]
        parts = [(int(epoch), taken[taken[:, 0] == epoch, 1]) for epoch in np.unique(taken[:, 0])]
        # Beyond the window: only where a caller asks for more than a step.
        rest = size - len(taken)
        return parts + (self.by_epoch(position + len(taken), rest) if rest else [])

    def _arranged(self, number: int) -> np.ndarray:
        """The samples of a window, sorted by bucket, in steps of random order."""
        size = self.window * self.step_size
        parts = self._order.by_epoch(number * size, size)
        samples = np.concatenate(
            [np.stack([np.full_like(chosen, epoch), chosen], axis=1) for epoch, chosen in parts]
        )
        lengths = np.concatenate([self._lengths(epoch, chosen) for epoch, chosen in parts])
        owner = np.searchsorted(self.row_lengths, lengths)
        by_length = np.argsort(owner, kind="stable").reshape(self.window, self.step_size)
        seed = [self.seed & 0xFFFFFFFF, (self.seed >> 32) & 0xFFFFFFFF, number, _STREAM]
        random = np.random.RandomState(np.array(seed, np.uint32))
        steps = by_length[random.permutation(self.window)]
        self._tell(number, lengths, owner[steps])
        return samples[steps.reshape(-1)]

    def _lengths(self, epoch: int, numbers: np.ndarray) -> np.ndarray:
        reader = self.source.at_epoch(epoch)
        parts = [
            sequence_lengths(reader.batch(numbers[start : start + _READ])["input_mask"])
            for start in range(0, len(numbers), _READ)
        ]
        return np.concatenate(parts)

    def _tell(self, number: int, lengths: np.ndarray, owner: np.ndarray) -> None:
        """What the window computes: every step as many positions as its longest bucket has."""
        computed = int(self.row_lengths[owner.max(axis=1)].sum()) * self.step_size
        padded = len(lengths) * int(self.row_lengths[-1])
        level = log.logger.debug if self._told else log.logger.info
        level(
            "sequences of similar length share a step: steps %d to %d compute %s positions for %s"
            " tokens; with rows of one length it would be %s, %.2f times as many",
            number * self.window + 1,
            (number + 1) * self.window,
            f"{computed:,}",
            f"{int(lengths.sum()):,}",
            f"{padded:,}",
            padded / computed,
        )
        self._told = True
