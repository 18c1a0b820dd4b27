"""Implements AdamW without bias correction, the optimizer of Google's BERT."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

# As a step count this makes both bias corrections of Adam exactly 1.
NO_CORRECTION = 1e9


class UncorrectedAdamW(torch.optim.AdamW):
    """AdamW whose moments are used as they are: Google's and MLPerf's AdamWeightDecay.

        m = b1 m + (1 - b1) g        v = b2 v + (1 - b2) g^2
        w = w - lr * (m / (sqrt(v) + eps) + decay * w)

    The first steps are up to (1 - b1) / sqrt(1 - b2) times as large as those of the corrected
    form, 3.2 times with the usual betas. It is torch's fused AdamW, told that it has taken so
    many steps already that nothing is left to correct.

    Args:
        groups: from `bertkit.train.optimization.optimizers.parameter_groups`.
        lr: learning rate.
        betas: of the two moments.
        eps: added outside the root.
    """

    def __init__(
        self, groups: Sequence[dict[str, Any]], lr: float, betas: tuple[float, float], eps: float
    ) -> None:
        super().__init__(list(groups), lr=lr, betas=betas, eps=eps, fused=True)
        for group in self.param_groups:
            for weight in group["params"]:
                self.state[weight] = {
                    "step": torch.full((), NO_CORRECTION, device=weight.device),
                    "exp_avg": torch.zeros_like(weight),
                    "exp_avg_sq": torch.zeros_like(weight),
                }
