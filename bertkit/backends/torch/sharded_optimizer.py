"""Shards the optimizer state over the processes of a run (ZeRO stage 1).

Imported where it is wanted: PyTorch's class for it takes over a second to load.
"""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.distributed.optim import ZeroRedundancyOptimizer

from bertkit.backends.base import OptimizerSpec
from bertkit.backends.torch.lost_process import explain_lost_process
from bertkit.train.optimizers import optimizer_kind, parameter_groups


class ShardedOptimizer(ZeroRedundancyOptimizer):
    """An optimizer with sharded state: each process keeps that of whole tensors.

    Every process updates its own parameters and sends them to the others (stage 1 of
    ZeRO, Rajbhandari et al. 2019, arXiv:1910.02054). A parameter is updated by the same
    operations as without sharding, so the weights come out the same bit for bit.
    """

    def step(self, closure: Any = None, **words: Any) -> None:  # type: ignore[override]
        """One update of all parameters, in this process and the others."""
        with explain_lost_process():
            super().step(closure, **words)


def shard_optimizer(model: nn.Module, spec: OptimizerSpec) -> ShardedOptimizer:
    """The named optimizer, its state sharded over the processes of the default group."""
    kind, options = optimizer_kind(spec)
    groups = parameter_groups(model.named_parameters(), spec)
    return ShardedOptimizer(groups, optimizer_class=kind, **options)
