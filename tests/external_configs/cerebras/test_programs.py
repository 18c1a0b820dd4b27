"""Which of the three programs a file is for, and its defaults."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from external_configs.cerebras.params import CEREBRAS, TORCH_1, edited


def test_keys_left_out_take_their_programs_defaults(read):
    """transformers/tf/bert/utils.py and common/tf/optimizers/Trainer.py at R_1.7.0."""
    gone = (
        "  weight_decay_rate: 0.01\n",
        "  epsilon: 1.0e-6\n",
        "  max_gradient_norm: 1.0\n",
        "  disable_lr_steps_reset: true\n",
        "  loss_scaling_factor: dynamic\n",
        "  layer_norm_epsilon: 1.0e-12\n",
        "  attention_dropout_rate: 0.1\n",
        "  max_position_embeddings: 512\n",
        "  save_summary_steps: 100\n",
        "  save_checkpoints_steps: 5000\n",
        "  keep_checkpoint_max: 4\n",
    )
    text = edited(*((line, "") for line in gone), ("csconfig: {use_cbfloat16: true}", ""))
    found, config = read(text)
    assert (config.weight_decay, config.max_grad_norm, config.eps) == (0.0, 0.0, 1e-5)
    assert (config.model.layer_norm_eps, config.loss_scale, config.precision) == (1e-8, 1.0, "fp16")
    assert (config.model.attention_probs_dropout_prob, config.model.hidden_dropout_prob) == (0, 0.1)
    assert config.model.max_position_embeddings == 128  # max_sequence_length
    assert (config.log_every, config.save_every, config.keep_last) == (100, 1000, 5)
    assert config.stage[1] == "linear:890000:0.0001:0.0"
    assert {"weight_decay", "eps", "max_grad_norm", "model.layer_norm_eps"} <= found.defaults.keys()
    assert found.layers()[0].origin == "default of Cerebras R_1.7.0"
    single = text.replace("mixed_precision: true", "mixed_precision: false")
    _, config = read(single)
    assert (config.eps, config.precision) == (1e-8, "fp32")


@pytest.mark.parametrize(
    "line",
    [
        "  filter_size: 3072\n",
        "  optimizer_type: adamw\n",
        "  dropout_rate: 0.1\n",
        "  batch_size: 256\n",
    ],
)
def test_keys_without_a_default_are_asked_for(read, line):
    name = line.split(":")[0].strip()
    with pytest.raises(ConfigError, match=rf"no \w+\.{name}, for which"):
        read(CEREBRAS.replace(line, "", 1))


def test_the_pytorch_releases_have_other_defaults(read):
    """R_1.7.0's common/pytorch and cerebras-pytorch 2.10: correct_bias and the steps' reset."""
    found, config = read(TORCH_1)
    assert found.program == "Cerebras R_1.7.0 for PyTorch"
    assert config.optimizer == "adamw_no_bias_correction"
    assert config.stage[1] == f"linear:900:{1e-4 * 0.9}:0.0"
    assert (config.model.hidden_act, config.eps, config.save_every) == ("gelu", 1e-6, 0)
    found, config = read(TORCH_1.replace("weight_decay_rate", "weight_decay"))
    assert (found.program, config.optimizer) == ("Cerebras 2.10", "adamw")
    assert config.stage[1] == "linear:1000:0.0001:0.0"
