"""Checks what a run would start or resume from, without a step and without writing anything."""

from __future__ import annotations

from pathlib import Path

from bertkit.train import checkpoint
from bertkit.train.beginning import Beginning
from bertkit.train.resume import find_resume_point


class DryRun(Beginning):
    """A call of a training run that ends before its first step."""

    def check(self) -> None:
        """Read the checkpoint that the run would begin with, and compare it with the settings.

        Raises:
            DataError, ConfigError: as the run, before its first step.
        """
        config = self._task.config
        self.point = find_resume_point(
            Path(config.output),
            config.resume,
            overwrite=self._overwrite,
            same_run=self._same_run,
        )
        if self.point.checkpoint is None and self._task.start is None:
            return  # new weights, which cannot be wrong
        self.restore(self._task.make_model())
        if self.point.checkpoint:
            checkpoint.load_stepper_state(self.point.checkpoint)
