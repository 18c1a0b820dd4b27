"""Computes the order of samples over epochs from the seed and the position alone.

Nothing here depends on the world size, on loader workers or on where a run was
interrupted, so a resumed run sees what an uninterrupted one would have seen.
"""

from __future__ import annotations

import numpy as np

from bertkit.data.stored_order import StoredOrder, stored_order

# The processes of a machine share the order of more samples than these.
SHARED_FROM = 1 << 22


class SampleOrder:
    """An endless sequence of sample numbers: epoch after epoch, each in its own order.

    Position p belongs to epoch p // count. Each epoch is the permutation of its samples
    that numpy's frozen `RandomState` stream gives for (seed, epoch); a batch that
    crosses the end of an epoch continues with the next one, so no sample is dropped. The
    order of very many samples lies in a file, see `stored_order`: it is the same.

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
        self._permutation: np.ndarray | StoredOrder = np.empty(0, np.uint32)

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
            part = self._part(epoch, offset, min(offset + size, self.count))
            parts.append((epoch, part))
            position += len(part)
            size -= len(part)
        return parts

    def _part(self, epoch: int, start: int, stop: int) -> np.ndarray:
        """Places of an epoch's order, int64."""
        if not self.shuffle:
            return np.arange(start, stop, dtype=np.int64)
        if epoch != self._epoch:
            self._permutation = np.empty(0, np.uint32)  # free before the next one is made
            self._permutation = self._order_of(epoch)
            self._epoch = epoch
        return self._permutation[start:stop].astype(np.int64)

    def _order_of(self, epoch: int) -> np.ndarray | StoredOrder:
        if SHARED_FROM < self.count < 1 << 32:
            stored = stored_order(self.count, self.seed, epoch, lambda: self._shuffled(epoch))
            if stored is not None:
                return stored
        return self._shuffled(epoch)

    def _shuffled(self, epoch: int) -> np.ndarray:
        """What `permutation` of the generator gives, with half of its memory; [count]."""
        words = [self.seed & 0xFFFFFFFF, (self.seed >> 32) & 0xFFFFFFFF, epoch]
        generator = np.random.RandomState(np.array(words, np.uint32))
        kind = np.uint32 if self.count < 1 << 32 else np.int64
        order = np.arange(self.count, dtype=kind)
        generator.shuffle(order)
        return order
