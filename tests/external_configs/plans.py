"""Compares the settings of a plan with those worked out by hand."""

from __future__ import annotations

from bertkit.configuration.config import as_dict, flatten
from bertkit.train.step_settings import learning_rates


def compare(config, wanted):
    """Settings by dotted key; under `rates` the learning rate after so many updates."""
    settings = flatten(as_dict(config))
    wrong = {
        key: (settings[key], value)
        for key, value in wanted.items()
        if key != "rates" and settings[key] != value
    }
    assert not wrong, wrong
    schedule = learning_rates(config, config.max_steps)
    for step, rate in wanted.get("rates", {}).items():
        assert abs(schedule(step) - rate) <= 1e-12 * rate + 1e-18, (step, schedule(step), rate)
