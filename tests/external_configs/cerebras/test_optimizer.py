"""Optimizers by their formula, not by their name."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from external_configs.cerebras.params import TORCH_1, TRAINER, edited


@pytest.mark.parametrize(
    ("setting", "optimizer"),
    [
        ("log_summaries: true", "adamw_no_bias_correction"),
        ("use_bias_correction: false", "adamw_no_bias_correction"),
        ("use_bias_correction: true", "adamw"),
    ],
)
def test_adamw_has_no_bias_correction_unless_asked_for(read, setting, optimizer):
    _, config = read(edited(("log_summaries: true", setting)))
    assert config.optimizer == optimizer


@pytest.mark.parametrize("first", [True, False], ids=["type first", "decay first"])
def test_adam_has_no_decay_whatever_the_order_of_keys(read, first):
    both = ["optimizer_type: adam", "weight_decay_rate: 0.01"]
    given = "  optimizer_type: adamw\n  weight_decay_rate: 0.01\n"
    found, config = read(edited((given, "".join(f"  {x}\n" for x in sorted(both, reverse=first)))))
    assert (config.optimizer, config.weight_decay) == ("adamw", 0.0)
    rows = {key.key: key for key in found.keys}
    assert rows["optimizer.weight_decay_rate"].outcome == "ignored"
    assert "no decay" in rows["optimizer.weight_decay_rate"].text
    assert "adds epsilon before" in rows["optimizer.optimizer_type"].text


def test_adam_of_the_pytorch_releases_has_another_decay(read):
    with pytest.raises(ConfigError, match="adds it to the gradient"):
        read(
            TRAINER.replace(
                "{AdamW: {weight_decay: 0.01, betas: [0.9, 0.98]}}", "{Adam: {weight_decay: 0.01}}"
            )
        )
    _, config = read(TRAINER.replace("AdamW: {weight_decay: 0.01, betas", "Adam: {betas"))
    assert (config.optimizer, config.weight_decay) == ("adamw", 0.0)


@pytest.mark.parametrize(("line", "beta1"), [("momentum: 0.8", 0.8), ("log_grads: false", 0.9)])
def test_momentum_and_its_default(read, line, beta1):
    text = edited(("optimizer_type: adamw", f"optimizer_type: momentum\n  {line}"))
    _, config = read(text)
    assert (config.optimizer, config.beta1, config.weight_decay) == ("momentum", beta1, 0.0)
    _, config = read(TORCH_1.replace("AdamW", f"SGD\n  momentum: {beta1}"))
    assert (config.optimizer, config.beta1, config.weight_decay) == ("momentum", beta1, 0.01)
