"""The batches of a run or an evaluation, as the settings and the machine want them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bertkit.backends.base import Adapter
from bertkit.data.feed import Feed
from bertkit.data.record_source import Source
from bertkit.data.sample_order import Order
from bertkit.data.token_budget import budget_for
from bertkit.tasks.pretraining.config import EvalConfig, PretrainConfig

if TYPE_CHECKING:
    from bertkit.tasks.pretraining.prepare import Prepared


def training_feed(ready: Prepared, adapter: Adapter) -> Feed:
    """This process's part of every step of a run."""
    config, place = ready.config, adapter.peers.topology
    order = Order(len(ready.source), config.seed)
    return Feed(
        ready.source, order, config.global_batch_size, config.micro_size, config.layout,
        config.mlm_normalisation, config.model.vocab_size, ready.masking,
        place.rank, place.world, _fixed(config, adapter),
        boundaries=tuple(config.bucket_boundaries),
        sequences_per_pack=config.sequences_per_pack, stretches=adapter.caps.constant_totals,
        budget=budget_for(
            ready.source, config.global_batch_size // place.world, config.micro_size,
            _totals(config),
        ) if _filled(config.layout, adapter) else None,
    )  # fmt: skip


def eval_feed(
    source: Source,
    batch_size: int,
    config: PretrainConfig | EvalConfig,
    vocab_size: int,
    adapter: Adapter,
) -> Feed:
    """Records in stored order, in batches of forward passes, dealt to the processes.

    Args:
        source: of the records.
        batch_size: sequences per forward pass.
        config: its settings of the layout.
        vocab_size: of the model.
        adapter: of the machine.
    """
    place = adapter.peers.topology
    budget = None
    if _filled(config.layout, adapter):
        budget = budget_for(source, 4 * batch_size, batch_size, min(2, _totals(config)))
    return Feed(
        source, Order(len(source), 0, shuffle=False), batch_size, batch_size, config.layout,
        "global_step", vocab_size, None, place.rank, place.world, _fixed(config, adapter),
        boundaries=tuple(config.bucket_boundaries),
        sequences_per_pack=config.sequences_per_pack, stretches=adapter.caps.constant_totals,
        budget=budget,
    )  # fmt: skip


def _fixed(config: PretrainConfig | EvalConfig, adapter: Adapter) -> bool:
    """Whether a new shape costs a compilation."""
    compiles = adapter.caps.constant_totals and bool(config.cuda.compile)
    return adapter.caps.fixed_shapes or (compiles and config.layout != "unpadded")


def _totals(config: PretrainConfig | EvalConfig) -> int:
    """How many totals a compiled model is compiled for; 0: no limit."""
    return config.cuda.totals if config.cuda.compile else 0


def _filled(layout: str, adapter: Adapter) -> bool:
    return layout == "unpadded" and adapter.caps.constant_totals
