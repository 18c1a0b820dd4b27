"""Optimizers by their formula, not by their name."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from external_configs.cerebras_params import TRAINER, edited


@pytest.mark.parametrize(
    ("setting", "optimizer"),
    [
        ("log_summaries: true", "adamw-no-bias-correction"),
        ("use_bias_correction: false", "adamw-no-bias-correction"),
        ("use_bias_correction: true", "adamw"),
    ],
)
def test_adamw_has_no_bias_correction_unless_asked_for(read, setting, optimizer):
    found, _ = read(edited(("log_summaries: true", setting)))
    assert found.values["optimizer"] == optimizer


@pytest.mark.parametrize("first", [True, False], ids=["type first", "decay first"])
def test_adam_has_no_decay_whatever_the_order_of_keys(read, first):
    both = ["optimizer_type: adam", "weight_decay_rate: 0.01"]
    given = "  optimizer_type: adamw\n  weight_decay_rate: 0.01\n"
    found, config = read(edited((given, "".join(f"  {x}\n" for x in sorted(both, reverse=first)))))
    assert (config.optimizer, config.weight_decay) == ("adamw", 0.0)
    rows = {key.key: key for key in found.keys}
    assert rows["optimizer.weight_decay_rate"].outcome == "ignored"
    assert "no decay" in rows["optimizer.weight_decay_rate"].text


def test_adam_of_the_pytorch_releases_has_another_decay(read):
    with pytest.raises(ConfigError, match="adds it to the gradient"):
        read(
            TRAINER.replace(
                "{AdamW: {weight_decay: 0.01, betas: [0.9, 0.98]}}", "{Adam: {weight_decay: 0.01}}"
            )
        )
    _, config = read(TRAINER.replace("AdamW: {weight_decay: 0.01, betas", "Adam: {betas"))
    assert (config.optimizer, config.weight_decay) == ("adamw", 0.0)
