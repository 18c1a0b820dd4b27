"""Profiles some steps of a run and writes a trace that browsers show."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from torch.profiler import ProfilerActivity, profile

from bertkit import log
from bertkit.backends.base import Stepper, Ticket
from bertkit.data.step_batch import StepBatch
from bertkit.errors import ConfigError

ACTIVITIES = {
    "cpu": (ProfilerActivity.CPU,),
    "cuda": (ProfilerActivity.CPU, ProfilerActivity.CUDA),
}


def steps_to_profile(text: str, steps: int) -> range:
    """The steps that FIRST:LAST names, counted from 1, both included.

    Raises:
        ConfigError: it is no range within the run's steps.
    """
    first, _, last = text.partition(":")
    if first.isdecimal() and last.isdecimal() and 1 <= int(first) <= int(last) <= steps:
        return range(int(first), int(last) + 1)
    raise ConfigError(
        f"--profile-steps {text} is not FIRST:LAST with 1 <= FIRST <= LAST <= {steps}",
        "such as 20:22; few steps are enough, and later ones are the run's usual ones",
    )


class ProfiledStepper:
    """A stepper that writes a trace of some of its steps; everything else passes through.

    The trace, in Chrome's format (chrome://tracing, https://ui.perfetto.dev), is
    `profile-FIRST-LAST.json` in `folder`.

    Args:
        stepper: does the work.
        steps: to profile, counted from 1.
        folder: of the run.
        device: a key of `ACTIVITIES`.
    """

    def __init__(self, stepper: Stepper, steps: range, folder: Path, device: str) -> None:
        self._stepper, self._steps = stepper, steps
        self._place = folder / f"profile-{steps[0]:07d}-{steps[-1]:07d}.json"
        self._device = device
        self._profile: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stepper, name)

    def train(self, batch: StepBatch, step: int) -> Ticket:
        """One update; see `bertkit.backends.base.Stepper`."""
        number = step + 1
        if number == self._steps[0]:
            self._profile = profile(activities=ACTIVITIES[self._device])
            self._profile.start()
        ticket = self._stepper.train(batch, step)
        if self._profile and number == self._steps[-1]:
            self._write()
        return ticket

    def _write(self) -> None:
        self._profile.stop()
        part = self._place.with_name(f".{self._place.name}")
        self._profile.export_chrome_trace(str(part))
        os.replace(part, self._place)
        log.logger.info("profile of steps %d to %d: %s", *self._ends(), self._place)
        order = f"self_{self._device}_time_total"
        log.logger.debug("%s", self._profile.key_averages().table(sort_by=order, row_limit=10))
        self._profile = None

    def _ends(self) -> tuple[int, int]:
        return self._steps[0], self._steps[-1]
