"""Sends a run's numbers to TensorBoard and Weights & Biases."""

from __future__ import annotations

import os
import secrets
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bertkit.errors import BertkitError
from bertkit.files import write_text
from bertkit.optional import require
from bertkit.train.metrics import Tracker

_RUN_ID = "wandb-run-id"


class TensorBoard:
    """Event files in the run's folder.

    Args:
        folder: of the run.
        resumed_step: what an earlier call logged after this step is not shown any more.
    """

    def __init__(self, folder: str, resumed_step: int = 0) -> None:
        require("tensorboard", "--log-to tensorboard", extra="tensorboard")
        from torch.utils.tensorboard import SummaryWriter

        self._writer: Any = SummaryWriter(folder, purge_step=resumed_step + 1)

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """One scalar per number, as `kind/name`."""
        for name, value in numbers.items():
            self._writer.add_scalar(f"{kind}/{name}", value, step)

    def close(self) -> None:
        """Write what is left."""
        self._writer.close()


class WeightsAndBiases:
    """A run on a Weights & Biases server, or offline as its own environment says.

    Its project is `bertkit`, or that of WANDB_PROJECT.

    Args:
        folder: of the run; keeps the server's name of it, so that a resumed run stays one.
        config: the resolved settings.
        resumed_step: 0 for a run that begins.

    Raises:
        BertkitError: the server does not know the user, or cannot be reached.
    """

    def __init__(self, folder: str, config: Mapping[str, Any], resumed_step: int = 0) -> None:
        wandb = require("wandb", "--log-to wandb", extra="wandb")
        note = Path(folder) / _RUN_ID
        if not (resumed_step and note.is_file()):
            write_text(note, secrets.token_hex(4) + "\n")
        try:
            self._run: Any = wandb.init(
                project=os.environ.get("WANDB_PROJECT") or "bertkit",
                dir=folder,
                config=dict(config),
                id=note.read_text("ascii").strip(),
                resume="allow",
            )
        except wandb.errors.Error as error:
            reason = str(error).partition("\n")[0]
            raise BertkitError(
                f"Weights & Biases did not start: {reason}",
                "run `wandb login`, or set WANDB_MODE=offline to keep the numbers in the folder",
            ) from error

    def log(self, step: int, kind: str, numbers: Mapping[str, float]) -> None:
        """All numbers of a step at once, as `kind/name`."""
        self._run.log({f"{kind}/{name}": value for name, value in numbers.items()}, step=step)

    def close(self) -> None:
        """Write what is left."""
        self._run.finish()


def require_trackers(names: Sequence[str]) -> None:
    """See that the packages of trackers are installed, before a run begins.

    Raises:
        MissingDependencyError: one is not.
    """
    for name in names:
        require(name, f"--log-to {name}", extra=name)


def make_trackers(
    names: Sequence[str], folder: str, config: Mapping[str, Any], resumed_step: int = 0
) -> list[Tracker]:
    """Trackers by name.

    Args:
        names: of `tensorboard`, `wandb`.
        folder: of the run.
        config: the resolved settings, kept beside the numbers.
        resumed_step: the step that the run resumes from; 0 for one that begins.

    Raises:
        MissingDependencyError: its package is not installed.
        BertkitError: its server refuses.
    """
    made: list[Tracker] = []
    if "tensorboard" in names:
        made.append(TensorBoard(folder, resumed_step))
    if "wandb" in names:
        made.append(WeightsAndBiases(folder, config, resumed_step))
    return made
