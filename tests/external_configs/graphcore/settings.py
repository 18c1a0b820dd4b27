"""Graphcore's configurations of the tests: flat and nested JSON, and presets."""

from __future__ import annotations

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
