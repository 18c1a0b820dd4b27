"""Checks what a run would start or resume from, without a step and without writing anything."""

from __future__ import annotations

from bertkit.train import checkpoint
from bertkit.train.resume import find_resume_point
from bertkit.train.run import TrainingRun


class DryRun(TrainingRun):
    """A call of a training run that ends before its first step."""

    def check(self) -> None:
        """Read the checkpoint that `train` would begin with, and compare it with the settings.

        Raises:
            DataError, ConfigError: as `train`, before its first step.
        """
        point = find_resume_point(
            self.folder,
            self.config.resume,
            overwrite=self._overwrite,
            same_run=self._same_run,
        )
        if point.checkpoint is None and self.task.start is None:
            return  # new weights, which cannot be wrong
        self._restore(self.task.make_model(), point)
        if point.checkpoint:
            checkpoint.load_stepper_state(point.checkpoint)
