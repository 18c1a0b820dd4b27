"""Says how the passes of a fine-tuning run are filled, where they are to have few sizes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from bertkit.backends.base import Adapter
from bertkit.data.sample_filling import Filling, sample_filling
from bertkit.tasks.finetuning.config import RunConfig
from bertkit.train.pass_totals import totals_of


def filling_of(
    config: RunConfig,
    adapter: Adapter,
    lengths: Sequence[int],
    fills: Mapping[str, float] | None = None,
    looked_at: Sequence[int] | None = None,
) -> Filling | None:
    """The sizes of passes that are recorded, or compiled one by one; None: any size will do.

    Args:
        config: of the run, its layout and micro-batch settled.
        adapter: of the machine.
        lengths: tokens of every sample.
        fills: see `bertkit.tasks.finetuning.samples.Batcher`.
        looked_at: rows that are looked at in every sample, where there are `fills`.
    """
    totals = totals_of(config, adapter, training=True)
    if not totals or config.layout != "unpadded":
        return None
    return sample_filling(lengths, config.micro_size, totals, looked_at, fills)
