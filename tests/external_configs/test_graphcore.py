"""Graphcore's JSON, flat and nested, and YAML presets."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError

FLAT = {
    "bert_config": {
        "hidden_size": 1024,
        "vocab_size": 30400,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
        "attention_probs_dropout_prob": 0.0,
        "position_embedding_type": "absolute",
    },
    "micro_batch_size": 8,
    "replicas": 4,
    "grad_acc_steps_per_replica": 2040,
    "loss_scaling": 4096,
    "total_num_train_samples": 460849152,
    "max_seq_length": 128,
    "max_predictions_per_seq": 20,
    "matmul_available_memory_proportion_per_pipeline_stage": [0.1, 0.15, 0.18, 0.2],
    "matmul_partials_type": "half",
    "pipeline_stages": [
        ["emb", *["hid"] * 6],
        ["hid"] * 6,
        ["hid"] * 6,
        ["hid"] * 6,
        ["enc_out", "pool", "heads"],
    ],
    "device_mapping": [0, 1, 2, 3, 0],
    "replace_layers": True,
    "use_outlining": True,
    "enable_recomputation": True,
    "optimizer_state_offchip": True,
    "replicated_tensor_sharding": False,
    "min_remote_tensor_size": 50000,
    "embedding_serialization_factor": 2,
    "fp_exceptions": False,
    "seed": 1234,
    "global_batches_per_log": 5,
    "optimizer_opts": {"name": "LAMB", "params": {"weight_decay_rate": 0.01}},
    "learning_rate": {
        "lr_schedule": "up_down",
        "lr_schedule_params": {"max_learning_rate": 0.006, "warmup_frac": 0.2843},
    },
    "dataset_dir": "/data/wikipedia/128",
    "output_dir": "runs/ipu",
    "wandb_opts": {"log_to_wandb": True, "init": {"project": "bert"}},
}

NESTED = {
    **{key: FLAT[key] for key in ("bert_config", "max_seq_length", "seed", "dataset_dir")},
    "global_batch": {"micro_batch_size": 8, "replicas": 4, "grad_acc_steps_per_replica": 2040},
    "ipu_config": {
        "pipeline_stages": FLAT["pipeline_stages"],
        "pipeline_device_mapping": [0, 1, 2, 3, 0],
        "matmul_available_memory_proportion_per_pipeline_stage": [0.1, 0.15, 0.18, 0.2],
        "replicated_tensor_sharding": False,
    },
    "optimizer_opts": {
        "name": "LAMB",
        "weight_decay_rate": 0.01,
        "loss_scaling": 4096,
        "learning_rate": {
            "schedule_name": "up_down",
            "max_learning_rate": 0.006,
            "warmup_frac": 0.2843,
        },
    },
    "total_num_train_samples": 460849152,
    "enable_wandb": False,
    "show_accuracy": True,
}

PRESETS = """
defaults: &defaults
  random_seed: 42
  vocab_size: 30522
  optimizer: LAMB
  layers_per_ipu: [3, 7, 7, 7]
  hidden_size: 1024
  num_hidden_layers: 24
  num_attention_heads: 16
phase1:
  <<: *defaults
  micro_batch_size: 8
  training_steps: 7038
  replication_factor: 4
  gradient_accumulation: 2048
  matmul_proportion: [0.15, 0.25, 0.25, 0.25]
  lr_warmup: 0.28
  lr_schedule: linear
  learning_rate: 0.006
  loss_scaling: 4096.0
  weight_decay: 0.01
  sequence_length: 128
  mask_tokens: 20
  packed_data: true
  max_sequences_per_pack: 3
  input_files: [/data/*.tfrecord]
  dataloader_workers: 64
"""


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


def test_rows_of_several_sequences(read):
    """nlp/bert/pytorch/args.py of v3.4.1: accumulation is divided by packing_factor[length]."""
    text = PRESETS + "  packing_factor: {128: 1.17, 384: 1.7}\n"
    found, config = read(text, "presets.yml", ":phase1")
    assert (config.global_batch_size, config.ipu.packing_factor) == (8 * 4 * 2048, 1.17)
    assert (config.layout, config.sequences_per_pack) == ("packed", 3)
    # Releases before count rows, which the file does not turn into sequences.
    found, _ = read(PRESETS, "presets.yml", ":phase1")
    assert any("about 1.17" in line for line in found.warnings())


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


def test_updates_per_call_of_the_engine_multiply_the_steps(read):
    text = PRESETS + "  batches_per_step: 4\n"
    found, config = read(text, "presets.yml", ":phase1")
    assert (config.max_steps, config.ipu.device_iterations) == (4 * 7038, 1)
    assert any("there with every 4" in line for line in found.warnings())


def test_samples_of_a_length_that_they_have_no_number_for(read):
    values = {key: value for key, value in FLAT.items() if key != "total_num_train_samples"}
    with pytest.raises(ConfigError, match="no total_num_train_samples, for which"):
        read({**values, "max_seq_length": 256})


def test_what_their_models_lack_is_said(read):
    """utilities/options.py of v3.4.1: use_qkv_bias and the like are False."""
    found, _ = read(NESTED)
    texts = {key.key: key.text for key in found.keys if key.outcome == found.default_origin}
    for name in ("use_cls_layer", "use_qkv_bias", "use_projection_bias"):
        assert "lacks it" in texts[name]
    assert texts["embedding_serialization_factor"] == "ipu.embedding_serialization = 2"
