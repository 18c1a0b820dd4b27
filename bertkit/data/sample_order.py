"""Computes the order of samples over epochs from the seed and the position alone.

Nothing here depends on the world size, on loader workers or on where a run was
interrupted, so a resumed run sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import numpy as np


class SampleOrder:
    """An endless sequence of sample numbers: epoch after epoch, each in its own order.

    Position p belongs to epoch p // count. Each epoch is the permutation of its samples
    that numpy's frozen `RandomState` stream gives for (seed, epoch); a batch that
    crosses the end of an epoch continues with the next one, so no sample is dropped.

    Args:
        count: samples in an epoch, at least 1.
        seed: any whole number from 0.
        shuffle: False keeps the stored order in every epoch.
    """

    def __init__(self, count: int, seed: int, shuffle: bool = True) -> None:
        if count < 1:
            raise ValueError("an order needs at least one sample")
        self.count = count
        self.seed = seed
        self.shuffle = shuffle
        self._epoch = -1
        self._permutation = np.empty(0, np.int64)

    def epoch(self, position: int) -> int:
        """The epoch, from 0, that a position belongs to."""
        return position // self.count

    def take(self, position: int, size: int) -> np.ndarray:
        """Sample numbers at positions `position` to `position + size - 1`, int64 [size]."""
        parts = [numbers for _, numbers in self.by_epoch(position, size)]
        return np.concatenate(parts) if parts else np.empty(0, np.int64)

    def by_epoch(self, position: int, size: int) -> list[tuple[int, np.ndarray]]:
        """The same numbers as (epoch, int64 [part]), one part per epoch they belong to."""
        parts = []
        while size > 0:
            epoch, offset = divmod(position, self.count)
            part = self._epoch_order(epoch)[offset : offset + size]
            parts.append((epoch, part))
            position += len(part)
            size -= len(part)
        return parts

    def _epoch_order(self, epoch: int) -> np.ndarray:
        if not self.shuffle:
            return np.arange(self.count, dtype=np.int64)
        if epoch != self._epoch:
            words = [self.seed & 0xFFFFFFFF, (self.seed >> 32) & 0xFFFFFFFF, epoch]
            generator = np.random.RandomState(np.array(words, np.uint32))
            self._permutation = generator.permutation(self.count).astype(np.int64, copy=False)
            self._epoch = epoch
        return self._permutation
