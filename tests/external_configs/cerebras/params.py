"""Cerebras params of the tests: the older sections, the `trainer` form, an early PyTorch one."""

from __future__ import annotations

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

TORCH_1 = """
train_input:
  {data_processor: BertCSVDataProcessor, data_dir: csv, max_sequence_length: 128, batch_size: 256}
model: {vocab_size: 30522, hidden_size: 768, num_hidden_layers: 12, num_heads: 12,
  filter_size: 3072, encoder_nonlinearity: gelu, dropout_rate: 0.1, attention_dropout_rate: 0.1,
  layer_norm_epsilon: 1.0e-5, mixed_precision: true}
optimizer:
  optimizer_type: AdamW
  weight_decay_rate: 0.01
  learning_rate:
    - {scheduler: Linear, initial_learning_rate: 0.0, end_learning_rate: 1.0e-4, steps: 100}
    - {scheduler: Linear, initial_learning_rate: 1.0e-4, end_learning_rate: 0.0, steps: 1000}
runconfig: {max_steps: 900, log_steps: 100, seed: 1}
"""


def edited(*pairs):
    """The file with texts replaced, each of which must be there."""
    text = CEREBRAS
    for old, new in pairs:
        assert old in text, old
        text = text.replace(old, new)
    return text
