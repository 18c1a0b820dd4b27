"""Runs that are stopped by SIGTERM during a step of a given number: no timing, no race."""

from __future__ import annotations

import signal
from typing import Any

from bertkit.backends.base import Adapter


def terminated(adapter: Adapter, step: int) -> Any:
    """The adapter, now of a machine on which SIGTERM comes during this step, counted from 1."""
    build = adapter.build

    def built(*arguments: Any, **options: Any) -> Any:
        stepper = build(*arguments, **options)
        train = stepper.train

        def train_and_terminate(batch: Any, done: int) -> Any:
            if done == step - 1:
                signal.raise_signal(signal.SIGTERM)
            return train(batch, done)

        stepper.train = train_and_terminate
        return stepper

    adapter.build = built
    return adapter
