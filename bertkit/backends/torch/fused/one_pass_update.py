"""Updates in which one kernel reads gradients as they arrive and writes the next step's copies.

AdamW on a GPU with half precision copies of the weights (`WorkingWeights`) otherwise goes over the
memory of an update four times: gradients are widened, their norm is taken, weights are updated, and
their copies are made anew at the start of the next step.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bertkit import log
from bertkit.backends.torch.working_weights import WorkingWeights
from bertkit.model.fused.dispatch import gpu_has_kernels
from bertkit.train.optimization.optimizers import norm_of, not_finite


class OnePassUpdate:
    """The update of a step, of one process.

    Args:
        optimizer: that `one_pass.can_take` says yes to; loads Triton.
        working: the copies that the model computes with.
    """

    def __init__(self, optimizer: torch.optim.Optimizer, working: WorkingWeights) -> None:
        from bertkit.train.optimization.one_pass import OnePassAdamW

        self._steps = OnePassAdamW(optimizer)
        self._weights = [item for group in optimizer.param_groups for item in group["params"]]
        self._working = working
        self._copies: dict[Tensor, Tensor] = {}

    def begin(self, micro_batches: int) -> None:
        """Before the passes of a step: gradients of a single one stay in half precision."""
        self._working.held.clear()
        self._working.holds = micro_batches == 1

    def run(self, max_norm: float) -> Tensor:
        """One clipped update, or none where a gradient is not finite.

        Args:
            max_norm: of all gradients; 0 leaves them as they are.

        Returns:
            The norm before clipping, 0-dim.
        """
        held = self._working.held
        weights, gradients = [], []
        for weight in self._weights:
            gradient = held.get(weight, weight.grad)
            if gradient is not None:
                weights.append(weight)
                gradients.append(gradient)
        norm = norm_of(gradients)
        divisor = norm.clamp(min=max_norm) / max_norm if max_norm > 0 else None
        self._copies = self._copies or self._working.places()
        self._steps.step(weights, gradients, self._copies, not_finite(norm), divisor)
        self._working.are_up_to_date()
        held.clear()
        return norm


def one_pass_update(
    optimizer: torch.optim.Optimizer | None, working: WorkingWeights | None, world: int
) -> OnePassUpdate | None:
    """The update of a run whose layers are fused, where there is a kernel for it that is right.

    Args:
        optimizer: of the run; None: it does not train.
        working: its copies of the weights.
        world: processes, which exchange gradients in float32.
    """
    if optimizer is None or working is None or world > 1 or not gpu_has_kernels():
        return None
    from bertkit.train.optimization import update_check
    from bertkit.train.optimization.one_pass import can_take

    if not can_take(optimizer):
        return None
    device = optimizer.param_groups[0]["params"][0].device
    if wrong := update_check.what_is_wrong(device, working.kind):
        log.logger.warning("updates are PyTorch's, as with bertkit's kernel on this GPU %s", wrong)
        return None
    return OnePassUpdate(optimizer, working)
