"""Turns a record source into the batches of a run, step by step."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from bertkit.data.batch_layouts import Layout
from bertkit.data.dynamic_masking import DynamicMasking
from bertkit.data.record_source import SampleSource
from bertkit.data.sample_order import SampleOrder
from bertkit.data.step_batch import MicroBatch, StepBatch, weighted
from bertkit.data.token_budget import Budget
from bertkit.errors import DataError


@dataclass(frozen=True)
class RecordFeed:
    """How records become steps.

    Attributes:
        source: the records.
        order: in which they are seen.
        global_batch_size: sequences per step.
        micro_batch_size: sequences per forward pass.
        layout: name of a `Layout`.
        normalisation: of the masked LM loss, see `weighted`.
        group: sequences that it counts as a micro-batch; 0: those of a forward pass.
        tokens: that the model has weights for; records with a larger number are refused.
        masking: new masks per epoch; None keeps those of the records.
        rank: of this process; it takes the rank-th part of every step, or of all
            micro-batches of an evaluation.
        world: processes that share the work; the order of steps does not depend on it.
        fixed: give every micro-batch the same shapes, see `bertkit.data.fixed_shapes`.
        boundaries: of the bucketed layout, see `bucket_boundaries`.
        sequences_per_pack: most sequences in a row of the packed layout.
        cls_place: of the packed layout, see `fixed_packed`.
        budget: totals that unpadded micro-batches are padded to.
        stretches: see `bertkit.data.batch_layouts.Layout`.
    """

    source: SampleSource
    order: SampleOrder
    global_batch_size: int
    micro_batch_size: int
    layout: str
    normalisation: str
    tokens: int
    masking: DynamicMasking | None = None
    rank: int = 0
    world: int = 1
    fixed: bool = False
    boundaries: tuple[int, ...] = ()
    sequences_per_pack: int = 3
    cls_place: str = "own_position"
    budget: Budget | None = None
    stretches: bool = False
    group: int = 0

    def steps(self, position: int, limit: int) -> Iterator[StepBatch]:
        """The step batches from a position of the order on.

        Args:
            position: samples taken before; 0 is the start of the run.
            limit: how many steps.
        """
        for _ in range(limit):
            share = self.global_batch_size // self.world
            records = self.records(position + self.rank * share, share)
            position += self.global_batch_size
            batches = self._micro_batches(records, self.normalisation, self.world)
            masked = int((records["masked_lm_weights"] > 0).sum())
            counts = {"mlm": float(masked)} if self.normalisation == "global_step" else {}
            yield StepBatch(batches, position, counts)

    def once(self, limit: int = 0) -> Iterator[StepBatch]:
        """All records, or the first `limit`, once in stored order, for evaluation.

        Several processes take the micro-batches in turn.
        """
        count = min(limit, len(self.source)) if limit else len(self.source)
        size = self.arrangement.records_per_micro_batch
        for start in range(self.rank * size, count, self.world * size):
            end = min(start + size, count)
            records = self.source.batch(np.arange(start, end))
            self._require_known(records, np.arange(start, end))
            yield StepBatch(self._micro_batches(records, "global_step", 1), end)

    def parts(self, limit: int = 0) -> int:
        """How many step batches `once` gives this process."""
        count = min(limit, len(self.source)) if limit else len(self.source)
        size = self.arrangement.records_per_micro_batch
        return len(range(self.rank * size, count, self.world * size))

    @property
    def arrangement(self) -> Layout:
        """How the records of a step become micro-batches."""
        return Layout(
            self.layout,
            self.micro_batch_size,
            self.fixed,
            self.boundaries,
            self.sequences_per_pack,
            self.cls_place,
            self.budget,
            self.stretches,
        )

    def records(self, position: int, size: int) -> dict[str, np.ndarray]:
        """The seven features of the samples at consecutive positions of the order, [size, ...].

        Raises:
            DataError: one holds a token that is not known.
        """
        parts = []
        for epoch, numbers in self.order.by_epoch(position, size):
            records = self.source.at_epoch(epoch).batch(numbers)
            self._require_known(records, numbers)
            parts.append(self.masking(records, numbers, epoch) if self.masking else records)
        if len(parts) == 1:
            return parts[0]
        return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}

    def _micro_batches(
        self, records: Mapping[str, np.ndarray], normalisation: str, world: int
    ) -> list[MicroBatch]:
        records = weighted(records, normalisation, self.group or self.micro_batch_size, world)
        return self.arrangement.micro_batches(records)

    def _require_known(self, records: Mapping[str, np.ndarray], numbers: np.ndarray) -> None:
        """Refuse tokens that the model has no weights for.

        Args:
            records: with these numbers in the source.
        """
        for name in ("input_ids", "masked_lm_ids"):
            largest = int(records[name].max())
            if largest < self.tokens:
                continue
            row = int(np.flatnonzero((records[name] == largest).any(axis=1))[0])
            place = getattr(self.source, "place", None)
            where = place(int(numbers[row])) if place else "the records"
            raise DataError(
                f"{where}: token number {largest}, the model's vocabulary has"
                f" {self.tokens} entries",
                "they were made with another vocabulary; a new model takes its size from the"
                " records or from --vocab",
            )
