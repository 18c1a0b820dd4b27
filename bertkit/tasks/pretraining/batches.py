"""Builds the batches of a pretraining run or evaluation from settings and backend."""

from __future__ import annotations

from bertkit.backends.base import Adapter
from bertkit.data.length_groups import LengthGroups
from bertkit.data.record_feed import RecordFeed
from bertkit.data.record_source import SampleSource
from bertkit.data.sample_order import SampleOrder
from bertkit.data.token_budget import budget_for
from bertkit.tasks.pretraining.config import EvalConfig, PretrainConfig
from bertkit.tasks.pretraining.prepare import Prepared
from bertkit.train.pass_totals import machine_option, totals_of


def training_feed(ready: Prepared, adapter: Adapter) -> RecordFeed:
    """This process's part of every step of a run."""
    config, topology = ready.config, adapter.process_group.topology
    budget = None
    if _filled(config.layout, adapter):
        share = config.global_batch_size // topology.world
        totals = totals_of(config, adapter, training=True)
        budget = budget_for(ready.source, share, config.micro_size, totals)
    return RecordFeed(
        source=ready.source,
        order=_order(ready),
        global_batch_size=config.global_batch_size,
        micro_batch_size=config.micro_size,
        layout=config.layout,
        normalisation=config.mlm_normalisation,
        group=config.mlm_group,
        tokens=ready.tokens,
        masking=ready.masking,
        rank=topology.rank,
        world=topology.world,
        fixed=_fixed(config, adapter, training=True),
        boundaries=tuple(config.bucket_boundaries),
        sequences_per_pack=config.sequences_per_pack,
        budget=budget,
        stretches=adapter.caps.constant_totals,
    )


def _order(ready: Prepared) -> SampleOrder:
    """The order of the records; where steps are made by length, with that in it."""
    config = ready.config
    order = SampleOrder(len(ready.source), config.seed)
    if not config.bucket_window:
        return order
    return LengthGroups(
        order,
        ready.source,
        config.global_batch_size,
        window=config.bucket_window,
        boundaries=tuple(config.bucket_boundaries),
    )


def evaluation_feed(
    source: SampleSource,
    batch_size: int,
    config: PretrainConfig | EvalConfig,
    tokens: int,
    adapter: Adapter,
) -> RecordFeed:
    """Records in stored order, in batches of forward passes, sharded over the processes.

    Args:
        source: of the records.
        batch_size: sequences per forward pass.
        config: its settings of the layout.
        tokens: numbers of tokens that may occur.
        adapter: of the machine.
    """
    topology = adapter.process_group.topology
    budget = None
    if _filled(config.layout, adapter):
        totals = min(2, totals_of(config, adapter, training=False))
        budget = budget_for(source, 4 * batch_size, batch_size, totals)
    return RecordFeed(
        source=source,
        order=SampleOrder(len(source), 0, shuffle=False),
        global_batch_size=batch_size,
        micro_batch_size=batch_size,
        layout=config.layout,
        normalisation="global_step",
        tokens=tokens,
        rank=topology.rank,
        world=topology.world,
        fixed=_fixed(config, adapter, training=False),
        boundaries=tuple(config.bucket_boundaries),
        sequences_per_pack=config.sequences_per_pack,
        budget=budget,
        stretches=adapter.caps.constant_totals,
    )


def _fixed(config: PretrainConfig | EvalConfig, adapter: Adapter, training: bool) -> bool:
    """Whether a new shape costs a compilation or a recording."""
    recorded = training and machine_option(config, adapter, "graphs")
    constant = recorded or machine_option(config, adapter, "compile")
    return adapter.caps.fixed_shapes or (constant and config.layout != "unpadded")


def _filled(layout: str, adapter: Adapter) -> bool:
    return layout == "unpadded" and adapter.caps.constant_totals
