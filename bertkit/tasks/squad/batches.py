"""Puts windows of questions and passages into batches, for training and for answering."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from bertkit.data.sample_feed import side_by_side
from bertkit.data.step_batch import MicroBatch
from bertkit.tasks.finetuning.outputs import by_length
from bertkit.tasks.squad.features import Window


@dataclass(frozen=True)
class WindowBatcher:
    """Puts windows side by side.

    Attributes:
        cls_id: vocabulary row of [CLS].
        sep_id: vocabulary row of [SEP].
        padded_length: pad every window to this length; 0 keeps real tokens only.
    """

    cls_id: int
    sep_id: int
    padded_length: int = 0

    def batch(self, windows: Sequence[Window]) -> MicroBatch:
        """Windows, longest first, as one micro-batch.

        Its arrays hold `starts` and `ends`, int64 [N], where the answers are known.
        """
        windows = by_length(windows)
        ids = [window.ids(self.cls_id, self.sep_id) for window in windows]
        segments = [np.arange(window.length) >= window.offset for window in windows]
        batch = side_by_side(ids, segments, self.padded_length)
        if all(window.start is not None for window in windows):
            batch.arrays["starts"] = np.array([window.start for window in windows], np.int64)
            batch.arrays["ends"] = np.array([window.end for window in windows], np.int64)
        return batch

    def rows(self, windows: Sequence[Window]) -> np.ndarray:
        """Rows that each window takes in a batch, padding included, int64 [N]."""
        lengths = [self.padded_length or window.length for window in windows]
        return np.array(lengths, np.int64)
