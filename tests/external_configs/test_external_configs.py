"""Other systems' configuration files: every key is mapped, left out for a reason, or refused."""

from __future__ import annotations

import json

import pytest
import yaml

from bertkit.config import Layer, as_dict, dump_yaml, resolve
from bertkit.errors import ConfigError
from bertkit.external_configs.detect import translated
from bertkit.external_configs.translation import flat
from bertkit.tasks.pretraining.config import PretrainConfig

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

FLAT = {
    "bert_config": {
        "hidden_size": 1024, "vocab_size": 30400, "num_hidden_layers": 24,
        "num_attention_heads": 16, "intermediate_size": 4096, "attention_probs_dropout_prob": 0.0,
        "position_embedding_type": "absolute",
    },
    "micro_batch_size": 8, "replicas": 4, "grad_acc_steps_per_replica": 2040, "loss_scaling": 4096,
    "total_num_train_samples": 460849152, "max_seq_length": 128, "max_predictions_per_seq": 20,
    "matmul_available_memory_proportion_per_pipeline_stage": [0.1, 0.15, 0.18, 0.2],
    "matmul_partials_type": "half",
    "pipeline_stages": [["emb", *["hid"] * 6], ["hid"] * 6, ["hid"] * 6, ["hid"] * 6,
                        ["enc_out", "pool", "heads"]],
    "device_mapping": [0, 1, 2, 3, 0], "replace_layers": True, "use_outlining": True,
    "enable_recomputation": True, "optimizer_state_offchip": True,
    "replicated_tensor_sharding": False, "min_remote_tensor_size": 50000,
    "embedding_serialization_factor": 2, "fp_exceptions": False, "seed": 1234,
    "global_batches_per_log": 5,
    "optimizer_opts": {"name": "LAMB", "params": {"weight_decay_rate": 0.01}},
    "learning_rate": {"lr_schedule": "up_down",
                      "lr_schedule_params": {"max_learning_rate": 0.006, "warmup_frac": 0.2843}},
    "dataset_dir": "/data/wikipedia/128", "output_dir": "runs/ipu",
    "wandb_opts": {"log_to_wandb": True, "init": {"project": "bert"}},
}  # fmt: skip

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
        "name": "LAMB", "weight_decay_rate": 0.01, "loss_scaling": 4096,
        "learning_rate": {
            "schedule_name": "up_down", "max_learning_rate": 0.006, "warmup_frac": 0.2843,
        },
    },
    "total_num_train_samples": 460849152, "enable_wandb": False, "show_accuracy": True,
}  # fmt: skip

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

JOB = """
apiVersion: kubeflow.org/v2beta1
kind: MPIJob
spec:
  slotsPerWorker: 8
  mpiReplicaSpecs:
    Launcher:
      template:
        spec:
          containers:
          - name: launcher
            command: ["/bin/bash", "-c"]
            args:
            - >-
              mpirun -np {cards} --allow-run-as-root \\
                python3 run_pretraining.py --do_train --bert_model=bert-large-uncased \\
                --autocast --config_file=./missing.json --use_habana --use_lazy_mode True \\
                --allreduce_post_accumulation --allreduce_post_accumulation_fp16 \\
                --json-summary=${{dllog}}/log.json --output_dir=/out --use_fused_lamb \\
                --input_dir=/data/hdf5 --train_batch_size=8192 --max_seq_length=128 \\
                --max_predictions_per_seq=20 --max_steps=7038 --warmup_proportion=0.2843 \\
                --num_steps_per_checkpoint=200 --learning_rate 0.006 \\
                --gradient_accumulation_steps=128 --enable_packed_data_mode False ;
    Worker:
      replicas: 1
"""


@pytest.fixture
def read(tmp_path):
    """Translate a file's text, and take its settings as `pretrain --config` does."""

    def run(text, name="config", preset=""):
        place = tmp_path / name
        place.write_text(text if isinstance(text, str) else json.dumps(text), encoding="utf-8")
        found = translated(f"{place}{preset}")
        config = resolve(PretrainConfig, [Layer(str(place), found.values), Layer("--set", {
            "input": ["x"], "output": "out"})]).config  # fmt: skip
        return found, config

    return run


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
    ignored = {fate.key for fate in found.of_kind("ignored")}
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
    assert not found.of_kind("refused")


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
        "max_weight_norm", "packed", 4096,
    )  # fmt: skip
    for preset in ("", ":phase9"):
        with pytest.raises(ConfigError, match="names: defaults, phase1"):
            read(PRESETS, "presets.yml", preset)


@pytest.mark.parametrize("cards", [8, 32])
def test_habana_job(read, monkeypatch, cards):
    monkeypatch.delenv("dllog", raising=False)
    found, config = read(JOB.format(cards=cards))
    assert config.global_batch_size == 8192 * cards and config.micro_batch_size == 64
    assert (config.backend, config.optimizer, config.precision) == ("hpu", "nvlamb", "bf16")
    assert (config.schedule, config.power, config.warmup_proportion) == ("polynomial", 0.5, 0.2843)
    assert (config.learning_rate, config.max_steps, config.save_every) == (0.006, 7038, 200)
    assert (config.layout, config.hpu.mode) == ("padded", "lazy")
    assert config.model.num_hidden_layers == 24 and found.values["output"] == "/out"
    reasons = {fate.key: fate.text for fate in found.of_kind("ignored")}
    assert "variable" in reasons["--json-summary"] and "no such file" in reasons["--config_file"]


def test_bert_config(read):
    shape = {"hidden_size": 128, "num_hidden_layers": 2, "num_attention_heads": 2,
             "intermediate_size": 512, "vocab_size": 100, "pooler_type": "first"}  # fmt: skip
    found, config = read(shape)
    assert config.model.hidden_size == 128 and config.model.vocab_size == 100
    assert [fate.key for fate in found.of_kind("ignored")] == ["pooler_type"]


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
    keys = [key for key, _ in flat(yaml.safe_load(CEREBRAS))]
    assert [fate.key for fate in found.fates] == keys and len(keys) > 50
    assert all(text.partition(": ")[2] for _, _, text in found.rows())


def test_our_own_yaml_is_left_alone(tmp_path):
    (tmp_path / "own.yaml").write_text("learning_rate: 1e-4\nmodel: {hidden_size: 64}\n")
    assert translated(str(tmp_path / "own.yaml")) is None


def test_the_command_shows_what_became_of_every_key(bertkit, tmp_path, records):
    place = tmp_path / "bert_config.json"
    place.write_text(json.dumps({
        "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2,
        "intermediate_size": 32, "vocab_size": 8192, "max_position_embeddings": 128,
        "directionality": "bidi",
    }))  # fmt: skip
    run = bertkit(
        "pretrain", "--config", place, "--input", records, "--output", tmp_path / "run",
        "--dry-run",
    )  # fmt: skip
    assert run.status == 0, run.err
    assert "mapped: model.hidden_size = 16" in run.out
    assert "directionality ignored" in run.err.replace("\n", " ")
    assert not (tmp_path / "run").exists()


def test_a_run_of_ours_is_not_taken_for_another_systems(tmp_path):
    """The config.yaml of a run names a model, an optimizer and an eval_input too."""
    path = tmp_path / "config.yaml"
    path.write_text(dump_yaml(as_dict(PretrainConfig(input=["a"], eval_input=["b"], output="c"))))
    assert translated(str(path)) is None
