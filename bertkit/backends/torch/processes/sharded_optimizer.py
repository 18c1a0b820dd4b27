"""Shards the optimizer state over the processes of a run (ZeRO stage 1).

Imported where it is wanted: PyTorch's class for it takes over a second to load.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from torch import Tensor, nn
from torch import distributed as dist
from torch.distributed.optim import ZeroRedundancyOptimizer

from bertkit.backends.base import OptimizerSpec
from bertkit.backends.torch.processes.group_end import keeps_groups
from bertkit.backends.torch.processes.lost_process import explain_lost_process
from bertkit.train.optimization.optimizers import optimizer_kind, parameter_groups


class ShardedOptimizer(ZeroRedundancyOptimizer):
    """An optimizer with sharded state: each process keeps that of whole tensors.

    Every process updates its own parameters and sends them to the others (stage 1 of
    ZeRO, Rajbhandari et al. 2019, arXiv:1910.02054). A parameter is updated by the same
    operations as without sharding, so the weights come out the same bit for bit.

    Args:
        groups: of parameters.
        order: of all parameters: neighbours go to one process, so that their gradients and
            they themselves travel together; None leaves the division to PyTorch.
        words: of `ZeroRedundancyOptimizer`.
    """

    def __init__(
        self,
        groups: Sequence[dict[str, Any]],
        order: Sequence[Tensor] | None = None,
        **words: Any,
    ) -> None:
        self._owners = divided(order, dist.get_world_size()) if order is not None else None
        super().__init__(groups, **words)
        keeps_groups(self)

    def step(self, closure: Any = None, **words: Any) -> None:  # type: ignore[override]
        """One update of all parameters, in this process and the others."""
        with explain_lost_process():
            super().step(closure, **words)

    @property
    def owners(self) -> Mapping[Tensor, int]:
        """The process that updates each parameter."""
        whole: Any = self
        return whole._param_to_rank if self._owners is None else self._owners

    def _partition_parameters(self, params_per_rank: Any = None) -> list[list[dict[str, Any]]]:
        """PyTorch's hook: for every process its groups of parameters."""
        whole: Any = self
        found: list[list[dict[str, Any]]] = whole._partition_parameters_cache
        if self._owners is not None and not found:
            found.extend([] for _ in range(dist.get_world_size()))
            for group in self.param_groups:
                parts: list[list[Tensor]] = [[] for _ in found]
                for parameter in group["params"]:
                    parts[self._owners[parameter]].append(parameter)
                whole._partition_param_group(group, parts)
        return found or ZeroRedundancyOptimizer._partition_parameters(whole, params_per_rank)  # type: ignore[attr-defined]


def divided(parameters: Sequence[Tensor], world: int) -> dict[Tensor, int]:
    """Stretches of neighbours, about equally large, for each of several processes."""
    total = sum(item.numel() for item in parameters)
    owners, before = {}, 0
    for item in parameters:
        # By its middle, so that a tensor across a border goes where most of it lies.
        owners[item] = min(world - 1, (2 * before + item.numel()) * world // (2 * total))
        before += item.numel()
    return owners


def shard_optimizer(model: nn.Module, spec: OptimizerSpec) -> ShardedOptimizer:
    """The named optimizer, its state sharded over the processes of the default group.

    The parameters become views of one buffer for each process, which travels as a whole.
    """
    kind, options = optimizer_kind(spec)
    groups = parameter_groups(model, spec)
    return ShardedOptimizer(
        groups,
        order=list(model.parameters()),
        optimizer_class=kind,
        parameters_as_bucket_view=True,
        **options,
    )
