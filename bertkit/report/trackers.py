"""Sends a run's numbers to TensorBoard and Weights & Biases."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bertkit.optional import require
from bertkit.train.metrics import Tracker


class TensorBoard:
    """Event files in the run's folder."""

    def __init__(self, folder: str) -> None:
        require("tensorboard", "--log-to tensorboard", extra="tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(folder)

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """One scalar per number, as `kind/name`."""
        for name, value in numbers.items():
            self._writer.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WeightsAndBiases:
    """A run on a Weights & Biases server, or offline as its own environment says."""

    def __init__(self, folder: str, config: Mapping[str, Any]) -> None:
        wandb = require("wandb", "--log-to wandb", extra="wandb")
        self._run: Any = wandb.init(project="bertkit", dir=folder, config=dict(config))

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """All numbers of a step at once, as `kind/name`."""
        self._run.log({f"{kind}/{name}": value for name, value in numbers.items()}, step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


def make_trackers(names: Sequence[str], folder: str, config: Mapping[str, Any]) -> list[Tracker]:
    """Trackers by name.

    Args:
        names: of `tensorboard`, `wandb`.
        folder: of the run.
        config: the resolved settings, kept beside the numbers.

    Raises:
        MissingDependencyError: its package is not installed.
    """
    made: list[Tracker] = []
    if "tensorboard" in names:
        made.append(TensorBoard(folder))
    if "wandb" in names:
        made.append(WeightsAndBiases(folder, config))
    return made
