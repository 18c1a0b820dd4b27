"""Builds learning rate schedules that Cerebras' engine computes itself, equal to ours."""

from __future__ import annotations

from typing import Any

import torch

from bertkit.train.optimization.schedule import Piece, Schedule


class EngineSchedule:
    """The engine's scheduler objects for a schedule, one per piece.

    Args:
        cstorch: the package.
        optimizer: one of its optimizers.
        schedule: ours.
    """

    def __init__(self, cstorch: Any, optimizer: Any, schedule: Schedule) -> None:
        pieces = list(schedule.pieces)
        last = pieces[-1]
        if last.kind == "exponential":  # theirs does not end
            pieces.append(Piece("constant", last.begin + last.steps, 1, last.last, last.last))
        kinds = cstorch.optim.lr_scheduler
        parts = [_part(kinds, optimizer, piece) for piece in pieces]
        self._begins = [piece.begin for piece in pieces]
        self._several = len(parts) > 1
        self.scheduler = parts[0]
        if self._several:
            self.scheduler = kinds.SequentialLR(optimizer, parts, self._begins[1:])

    def set_step(self, step: int, on_system: bool) -> None:
        """Make the next update the one after `step` others; before the engine is started.

        Args:
            step: updates done.
            on_system: the rate is computed in the graph, not here.
        """
        state: dict[str, Any] = {"last_epoch": torch.tensor(step)}
        if self._several:
            state["_schedulers"] = [
                {"last_epoch": torch.tensor(max(0, step - begin))} for begin in self._begins
            ]
        self.scheduler.load_state_dict(state)
        if not on_system:
            self.scheduler.update_last_value()


def _part(kinds: Any, optimizer: Any, piece: Piece) -> Any:
    if piece.kind == "constant":
        return kinds.ConstantLR(optimizer, piece.first)
    if piece.kind == "exponential":
        return kinds.ExponentialLR(optimizer, piece.first, piece.steps, piece.last / piece.first)
    if piece.kind == "cosine":
        return kinds.CosineDecayLR(optimizer, piece.first, piece.last, piece.steps)
    if piece.power == 1.0:
        return kinds.LinearLR(optimizer, piece.first, piece.last, piece.steps)
    return kinds.PolynomialLR(optimizer, piece.first, piece.last, piece.steps, power=piece.power)
