"""Cerebras params: the older sections and the `trainer` form."""

from __future__ import annotations

import pytest
import yaml

from bertkit.errors import ConfigError
from bertkit.external_configs.translation import flattened

CEREBRAS = """
train_input:
  data_processor: BertTfRecordsProcessor
  data_dir: [/data/owt/128/a, /data/owt/128/b]
  vocab_file: vocab.txt
  max_sequence_length: 128
  max_predictions_per_seq: 20
  shuffle: true
  shuffle_seed: 1
  shuffle_buffer: 16384
  batch_size: 256
  scale_mlm_weights: true
  buckets: [39, 56, 72, 89, 108]
  num_workers: 8
eval_input: {data_dir: /data/owt/val, batch_size: 256, shuffle: false}
model:
  hidden_size: 768
  use_position_embedding: true
  use_segment_embedding: true
  position_embedding_type: learned
  max_position_embeddings: 512
  share_embedding_weights: true
  num_hidden_layers: 12
  dropout_rate: 0.1
  layer_norm_epsilon: 1.0e-12
  num_heads: 12
  attention_dropout_rate: 0.1
  filter_size: 3072
  encoder_nonlinearity: gelu
  use_ffn_bias: true
  use_vsl: true
  mixed_precision: true
  boundary_casting: false
  tf_summary: false
  disable_nsp: false
  mlm_loss_scaling: num_masked
optimizer:
  optimizer_type: adamw
  weight_decay_rate: 0.01
  epsilon: 1.0e-6
  max_gradient_norm: 1.0
  disable_lr_steps_reset: true
  learning_rate:
    - {scheduler: Linear, steps: 10000, initial_learning_rate: 0.0, end_learning_rate: 1.0e-4}
    - {scheduler: Linear, steps: 890000, initial_learning_rate: 1.0e-4, end_learning_rate: 0.0}
  loss_scaling_factor: dynamic
  grad_accum_steps: 4
  log_summaries: true
runconfig:
  max_steps: 900000
  save_summary_steps: 100
  save_checkpoints_steps: 5000
  keep_checkpoint_max: 4
  tf_random_seed: 7
  eval_steps: 20
  throttle_secs: 0
  model_dir: runs/owt
  mode: train_and_eval
csconfig: {use_cbfloat16: true}
"""

TRAINER = """
trainer:
  init:
    backend: {backend_type: CSX, cluster_config: {num_csx: 2, num_workers_per_csx: 1}}
    model_dir: runs/pubmed
    seed: 3
    model:
      name: bert
      vocab_size: 28996
      hidden_size: 1024
      num_hidden_layers: 24
      num_heads: 16
      filter_size: 4096
      encoder_nonlinearity: gelu
      pooler_nonlinearity: tanh
      dropout_rate: 0.1
      attention_dropout_rate: 0.1
      max_position_embeddings: 512
      layer_norm_epsilon: 1.0e-5
      mlm_loss_weight: 0.02
      mixed_precision: true
      fp16_type: cbfloat16
    optimizer: {AdamW: {weight_decay: 0.01, betas: [0.9, 0.98]}}
    schedulers:
      - SequentialLR:
          schedulers:
            - LinearLR: {initial_learning_rate: 0.0, end_learning_rate: 8.0e-5, total_iters: 2400}
            - LinearLR: {initial_learning_rate: 8.0e-5, end_learning_rate: 0.0, total_iters: 9600}
    precision:
      {enabled: true, fp16_type: cbfloat16, loss_scaling_factor: dynamic, max_gradient_norm: 1.0}
    loop: {max_steps: 12000, eval_frequency: 1000, eval_steps: 74}
    checkpoint: {steps: 2000, save_initial_checkpoint: true}
    logging: {log_steps: 5}
    callbacks: [{CheckLoss: {}}]
  fit:
    train_dataloader:
      data_processor: BertCSVDynamicMaskDataProcessor
      data_dir: /data/pubmed/train
      vocab_file: vocab.txt
      max_sequence_length: 512
      max_predictions_per_seq: 80
      batch_size: 800
      masked_lm_prob: 0.15
      persistent_workers: true
    val_dataloader: {data_dir: /data/pubmed/val, batch_size: 256}
  validate: {val_dataloader: {data_dir: /data/pubmed/val}}
"""


def test_cerebras_sections(read):
    found, config = read(CEREBRAS)
    assert config.global_batch_size == 1024 and config.micro_batch_size == 256
    assert found.values["input"] == ["/data/owt/128/a", "/data/owt/128/b"]
    assert config.eval_input == ["/data/owt/val"] and config.vocab == "vocab.txt"
    assert config.stage == ["linear:10000:0.0:0.0001", "linear:890000:0.0001:0.0"]
    assert (config.max_steps, config.save_every, config.keep_last) == (900_000, 5000, 4)
    assert (config.seed, config.log_every, config.nsp) == (7, 100, True)
    assert (config.precision, config.cs.half) == ("bf16", "cbfloat16")
    assert (config.layout, config.bucket_boundaries) == ("bucketed", [39, 56, 72, 89, 108])
    assert (config.model.intermediate_size, config.model.num_attention_heads) == (3072, 12)
    assert config.mlm_normalisation == "global_step" and config.loss_scale == 0
    ignored = {key.key for key in found.with_outcome("ignored")}
    assert {
        "train_input.shuffle_buffer",
        "runconfig.eval_steps",
        "eval_input.batch_size",
    } <= ignored


def test_cerebras_trainer_form(read):
    found, config = read(TRAINER)
    assert (config.backend, config.cs.systems, config.output) == ("cs", 2, "out")
    assert found.values["output"] == "runs/pubmed"
    assert (config.model.vocab_size, config.model.hidden_size) == (28996, 1024)
    assert (config.optimizer, config.beta2, config.weight_decay) == ("adamw", 0.98, 0.01)
    assert config.stage == ["linear:2400:0.0:8e-05", "linear:9600:8e-05:0.0"]
    assert (config.max_steps, config.save_every, config.eval_every) == (12_000, 2000, 1000)
    assert (config.mask, config.global_batch_size, config.seed) == ("dynamic", 800, 3)
    assert not found.with_outcome("refused")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("hidden_size: 768", "hiden_size: 768", r"model\.hiden_size.*did you mean"),
        ("use_ffn_bias: true", "use_ffn_bias: false", r"model\.use_ffn_bias.*BERT always has it"),
        ("mode: train_and_eval", "mode: predict", "bertkit eval"),
        ("scheduler: Linear", "scheduler: Cosine", "no scheduler 'Cosine'"),
        ("optimizer_type: adamw", "optimizer_type: momentum", "optimizer_type"),
        ("buckets: [39, 56, 72, 89, 108]", "buckets: 5", "boundaries"),
        ("grad_accum_steps: 4", "grad_accum_steps: four", "grad_accum_steps"),
    ],
)
def test_what_cannot_be_done_is_refused_by_name(read, old, new, message):
    with pytest.raises(ConfigError, match=message):
        read(CEREBRAS.replace(old, new))


def test_every_key_is_told(read):
    found, _ = read(CEREBRAS)
    keys = [key for key, _ in flattened(yaml.safe_load(CEREBRAS))]
    assert [key.key for key in found.keys] == keys and len(keys) > 50
    assert all(text.partition(": ")[2] for _, _, text in found.rows())
