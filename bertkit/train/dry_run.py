"""Checks what a run would start or resume from, without a step and without writing anything."""

from __future__ import annotations

from bertkit.train.beginning import Beginning, require_own_folder
from bertkit.train.checkpoints import checkpoint


class DryRun(Beginning):
    """A call of a training run that ends before its first step."""

    def check(self) -> None:
        """Read the checkpoint that the run would begin with, and compare it with the settings.

        Raises:
            DataError, ConfigError: as the run, before its first step.
        """
        require_own_folder(self._folder)
        self.point = self._find()
        if self.point.checkpoint is None and self._task.start is None:
            return  # new weights, which cannot be wrong
        self.restore(self._task.make_model())
        if self.point.checkpoint:
            checkpoint.load_stepper_state(self.point.checkpoint)
