"""Gives the batches of a pretraining run to training loops of other people, as torch tensors."""

from __future__ import annotations

import os
import shutil
import tempfile
import weakref
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import IterableDataset, get_worker_info

from bertkit.data.record_feed import RecordFeed
from bertkit.data.sample_order import SampleOrder
from bertkit.data.step_batch import checked_positions, sequence_lengths
from bertkit.errors import UsageError
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.pretraining.samples import masking_of, open_samples

IGNORED = -100  # label of what is not to be predicted, in torch and in transformers
PADDINGS = ("longest", "max_length")
_ANY = 1 << 31  # more tokens than any vocabulary has


@dataclass(frozen=True)
class Share:
    """Which part of the steps a process takes.

    Attributes:
        first_step: steps done before.
        rank: of this process.
        world: processes that share every step.
    """

    first_step: int = 0
    rank: int = 0
    world: int = 1


class TrainingDataset(IterableDataset[dict[str, Tensor]]):
    """The batches of a pretraining run, in its order, one per optimizer step.

    Made by `bertkit.training_dataset`. An item is a whole batch, so that a `DataLoader` over it
    has `batch_size=None`. It may have workers: they take the batches in turn, and the order does
    not depend on them.

    Attributes:
        samples: in an epoch.
        steps: of the whole run; the length is what is left of them after `first_step`.
        max_seq_length: places of the longest row.
        fingerprint: digest of the data.

    Args:
        config: settings of pretraining.
        share: the part of this process.
        padding: `longest`: rows as long as the longest sequence of the batch; `max_length`: all
            rows of the length of the records, so that every batch has the same shape.

    Raises:
        DataError: missing or broken records, text or vocabulary.
        UsageError: a batch that the processes cannot share, or an unknown padding.
    """

    def __init__(
        self, config: PretrainConfig, share: Share | None = None, padding: str = "longest"
    ) -> None:
        super().__init__()
        self._share = share or Share()
        if padding not in PADDINGS:
            raise UsageError(f"no padding {padding!r}", f"choose {' or '.join(PADDINGS)}")
        if not 0 <= self._share.rank < self._share.world:
            raise UsageError(
                f"rank {self._share.rank} of {self._share.world} processes",
                "ranks go from 0 to world - 1",
            )
        if config.global_batch_size % self._share.world:
            raise UsageError(
                f"global_batch_size {config.global_batch_size} cannot be divided by"
                f" {self._share.world} processes"
            )
        self._padding = padding
        self._config = config
        self._cache = _cache_of(config, self) if config.text else None
        feed = self._opened()
        source = feed.source
        self.samples = len(source)
        self.steps = config.steps(self.samples)
        self.max_seq_length = source.max_seq_length
        self.fingerprint = source.fingerprint

    def __len__(self) -> int:
        return max(0, self.steps - self._share.first_step)

    def __iter__(self) -> Iterator[dict[str, Tensor]]:
        """Batches of tensors, see `bertkit.training_dataset`."""
        worker = get_worker_info()
        begin, stride = (worker.id, worker.num_workers) if worker else (0, 1)
        feed, config = self._opened(), self._config
        size = config.global_batch_size // self._share.world
        for step in range(self._share.first_step + begin, self.steps, stride):
            position = step * config.global_batch_size + self._share.rank * size
            width = feed.source.max_seq_length if self._padding == "max_length" else 0
            yield as_tensors(feed.records(position, size), width, nsp=config.nsp)

    def __getstate__(self) -> dict[str, Any]:
        # Workers that are not forked open the files themselves.
        return {**self.__dict__, "_feed": None}

    def _opened(self) -> RecordFeed:
        found: RecordFeed | None = self.__dict__.get("_feed")
        if found is None:
            found = self._feed = self._open()
        return found

    def _open(self) -> RecordFeed:
        config, source = open_samples(self._config, cache=self._cache, leave_out=[])
        known = max((facts.vocab_size for facts in source.tokenizers), default=0)
        return RecordFeed(
            source=source,
            order=SampleOrder(len(source), config.seed),
            global_batch_size=config.global_batch_size,
            micro_batch_size=config.global_batch_size,
            layout="padded",
            normalisation="global_step",
            tokens=known or _ANY,
            masking=masking_of(config),
        )


def as_tensors(records: dict[str, np.ndarray], width: int, nsp: bool = True) -> dict[str, Tensor]:
    """Records as the arguments of a model, under the names that transformers' models have.

    Args:
        records: the seven features.
        width: places of every row; 0: as many as the longest sequence has tokens.
        nsp: with the labels of next sentence prediction.

    Returns:
        `input_ids`, `token_type_ids`, `attention_mask`, `labels`, int64 [B, L], the last -100
        where nothing is to be predicted; and `next_sentence_label`, int64 [B], -100 where a
        record has none, unless none of them has one.

    Raises:
        DataError: packed records, or a prediction outside its sequence.
    """
    lengths = sequence_lengths(records["input_mask"])
    wanted = checked_positions(records, lengths)
    width = width or int(lengths.max())
    labels = np.full(records["input_ids"].shape, IGNORED, np.int64)
    rows, slots = np.nonzero(wanted)
    labels[rows, records["masked_lm_positions"][rows, slots]] = records["masked_lm_ids"][
        rows, slots
    ]
    arrays = {
        "input_ids": records["input_ids"],
        "token_type_ids": records["segment_ids"],
        "attention_mask": records["input_mask"],
        "labels": labels,
    }
    found = {name: _tensor(values[:, :width]) for name, values in arrays.items()}
    pairs = records["next_sentence_labels"].reshape(-1)
    if nsp and (pairs >= 0).any():
        found["next_sentence_label"] = _tensor(np.where(pairs >= 0, pairs, IGNORED))
    return found


def _tensor(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.int64))


def _cache_of(config: PretrainConfig, owner: object) -> str:
    """The folder for plans of a text; one that nobody named goes with its dataset."""
    if config.text_cache:
        return config.text_cache
    folder = tempfile.mkdtemp(prefix="bertkit-text-")
    weakref.finalize(owner, _remove, folder, os.getpid())
    return folder


def _remove(folder: str, process: int) -> None:
    if os.getpid() == process:  # not in workers that were forked
        shutil.rmtree(folder, ignore_errors=True)
