"""Graphcore's JSON, flat and nested, and YAML presets."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from external_configs.graphcore.settings import FLAT, NESTED, PRESETS


@pytest.mark.parametrize("values", [FLAT, NESTED], ids=["flat", "nested"])
def test_graphcore_keras(read, values):
    _, config = read(values)
    assert (config.backend, config.optimizer, config.schedule) == ("ipu", "graphcore", "up_down")
    assert config.global_batch_size == 8 * 4 * 2040 and config.micro_batch_size == 8
    assert config.max_steps == 460849152 // 65280
    assert (config.learning_rate, config.warmup_proportion) == (0.006, 0.2843)
    assert (config.precision, config.loss_scale) == ("fp16", 4096)
    assert config.ipu.device_mapping == [0, 1, 2, 3, 0] and config.ipu.replicas == 4
    assert config.ipu.pipeline_stages[-1] == "enc_out pool heads"
    assert config.ipu.memory_proportion == [0.1, 0.15, 0.18, 0.2]
    assert config.model.vocab_size == 30400
    assert config.model.attention_probs_dropout_prob == 0.0
    assert config.log_to == (["wandb"] if values is FLAT else [])


def test_graphcore_presets(read):
    _, config = read(PRESETS, "presets.yml", ":phase1")
    assert config.global_batch_size == 8 * 4 * 2048
    assert config.ipu.layers_per_ipu == [3, 7, 7, 7]
    assert (config.optimizer, config.layout, config.model.intermediate_size) == (
        "max_weight_norm",
        "packed",
        4096,
    )
    for preset in ("", ":phase9"):
        with pytest.raises(ConfigError, match="names: defaults, phase1"):
            read(PRESETS, "presets.yml", preset)


@pytest.mark.parametrize(
    ("name", "optimizer"),
    [
        ("AdamW", "adamw_no_bias_correction"),
        ("LAMB", "max_weight_norm"),
        ("LAMBNoBiasCorrection", "max_weight_norm_no_debias"),
    ],
)
def test_optimizers_of_the_pytorch_programs_by_their_formula(read, name, optimizer):
    text = PRESETS.replace("optimizer: LAMB", f"optimizer: {name}")
    assert read(text, "presets.yml", ":phase1")[1].optimizer == optimizer


def test_their_keras_adamw_decays_by_another_rule_and_says_so(read):
    values = {**FLAT, "optimizer_opts": {"name": "AdamW", "params": {"weight_decay_rate": 0.01}}}
    found, config = read(values)
    assert (config.optimizer, config.weight_decay) == ("adamw", 0.01)
    assert any("whatever the learning rate" in line for line in found.warnings())


QUESTIONS = [["emb"], ["hid"], ["qa_head"]]


@pytest.mark.parametrize(
    ("values", "wanted"),
    [
        # v2.4.0 has no such key; v3.4.1 has it outside of bert_config alone.
        ({**FLAT, "pipeline_stages": QUESTIONS}, 512),
        (
            {**NESTED, "ipu_config": {**NESTED["ipu_config"], "pipeline_stages": QUESTIONS}},
            128,
        ),
        (
            {
                **{key: value for key, value in NESTED.items() if key != "max_seq_length"},
                "bert_config": {**NESTED["bert_config"], "max_seq_length": 128},
                "ipu_config": {**NESTED["ipu_config"], "pipeline_stages": QUESTIONS},
            },
            512,
        ),
    ],
    ids=["flat", "nested", "nested, in bert_config"],
)
def test_the_length_of_questions_is_the_programs_own(read, values, wanted):
    """run_squad.py of both releases; neither scales the loss."""
    values = {key: value for key, value in values.items() if key != "total_num_train_samples"}
    found, config = read(values, command="finetune-squad")
    assert (config.max_seq_length, config.loss_scale) == (wanted, 1.0)
    lines = " ".join(found.warnings())
    assert "loss_scaling ignored: their fine-tuning does not scale the loss" in lines
    assert ("max_seq_length ignored" in lines) == (wanted == 512)


def test_their_activation_is_always_the_tanh_form(read):
    values = {**NESTED, "bert_config": {**NESTED["bert_config"], "hidden_act": "relu"}}
    found, config = read(values)
    assert config.model.hidden_act == "gelu_new"
    assert any("bert_config.hidden_act ignored" in line for line in found.warnings())
