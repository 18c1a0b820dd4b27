"""Graphcore's own files of v2.4.0 and v3.4.1, each against values worked out by hand.

The global batch is micro_batch_size x replicas x grad_acc_steps_per_replica. Steps are samples
// batch; without total_num_train_samples, data_utils/batch_config.py of both releases has
460,849,152 samples at length 128 and 34,239,360 at 384 and 512. Checkpoints come every 2,000
log intervals (ckpt_every_n_steps_per_execution). Optimizers have eps 1e-6 and clip nothing
(keras_extensions/optimization.py; nlp/bert/pytorch/optimization.py).
"""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import synthetic

from bertkit.backends import registry
from bertkit.errors import ConfigError
from bertkit.tasks.pretraining.prepare import prepare
from external_configs.plans import compare

# v2.4.0 leaves TensorFlow's default for the IPU; options.py of v3.4.1 has its own.
ROUNDED = {"graphcore_v240": False, "graphcore_v341": True}
FLAT, NESTED = "default of Graphcore v2.4.0", "default of Graphcore v3.4.1"

ALL = {
    "backend": "ipu",
    "precision": "fp16",
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-6,
    "weight_decay": 0.01,
    "max_grad_norm": 0.0,
    "mlm_normalisation": "micro_batch",
    "model.hidden_act": "gelu_new",  # ipu.nn_ops.gelu is the tanh form
    "model.hidden_dropout_prob": 0.1,
    "model.layer_norm_eps": 1e-12,
    "model.initializer": "truncated_normal",
    "model.max_position_embeddings": 512,
    "model.type_vocab_size": 2,
    "ipu.device_mapping": [0, 1, 2, 3, 0],
    "ipu.optimizer_state_offchip": True,
    "ipu.recomputation": True,
    "ipu.half_partials": True,
    "keep_last": 0,
    "log_every": 1,
    "save_every": 2000,
}
KERAS = {**ALL, "optimizer": "graphcore", "schedule": "up_down", "model.vocab_size": 30_400}
PHASE_1 = {
    **KERAS,
    "records.max_seq_length": 128,
    "records.max_predictions_per_seq": 20,
    "learning_rate": 0.006,
    "warmup_proportion": 0.28,
}
PHASE_2 = {**KERAS, "learning_rate": 0.002828, "warmup_proportion": 0.129}
BASE = {
    "model.hidden_size": 768,
    "model.num_hidden_layers": 12,
    "model.num_attention_heads": 12,
    "model.intermediate_size": 3072,
}
LARGE = {
    "model.hidden_size": 1024,
    "model.num_hidden_layers": 24,
    "model.num_attention_heads": 16,
    "model.intermediate_size": 4096,
}
STEPS = {  # 460,849,152 // 65,280, and the rates of LearningRateWarmupAndDecay
    "max_steps": 7059,
    "global_batch_size": 65_280,
    "rates": {
        0: 1e-7,  # the floor
        988: 0.006 * 988 / 1976,
        1976: 0.006,
        1977: 0.006 * 5081 / 5083,
        7057: 0.006 / 5083,
        7058: 1e-7,
    },
}
STEPS_2 = {  # 34,239,360 // 16,320
    "max_steps": 2098,
    "global_batch_size": 16_320,
    "rates": {0: 1e-7, 135: 0.001414, 270: 0.002828, 2097: 1e-7},
}
NO_DROPOUT = {"model.attention_probs_dropout_prob": 0.0}
FILES = {
    "graphcore_v240/pretrain_base_128_phase1.json": {
        **PHASE_1, **BASE, **STEPS, "micro_batch_size": 32, "ipu.replicas": 4,
        "loss_scale": 4096.0, "seed": 1984, "ipu.embedding_serialization": 5,
        "model.attention_probs_dropout_prob": 0.1, "ipu.replicated_tensor_sharding": False,
        "ipu.memory_proportion": [0.28, 0.26, 0.28, 0.28], "log_to": ["wandb"],
    },
    "graphcore_v240/pretrain_large_128_phase1.json": {
        **PHASE_1, **LARGE, **STEPS, "micro_batch_size": 8, "ipu.replicas": 4,
        "loss_scale": 32_768.0, "seed": 4708, "ipu.embedding_serialization": 2,
        "ipu.memory_proportion": [0.15, 0.17, 0.19, 0.15],
    },
    "graphcore_v240/pretrain_large_384_phase2.json": {
        **PHASE_2, **LARGE, **STEPS_2, "micro_batch_size": 2, "ipu.replicas": 4,
        "records.max_seq_length": 384, "records.max_predictions_per_seq": 56,
        "loss_scale": 32_768.0, "ipu.embedding_serialization": 5,
    },
    "graphcore_v240/pretrain_tiny_test.json": {
        # 540 samples // (1 x 2 x 6), and AdamW
        **PHASE_1, "optimizer": "adamw", "max_steps": 45, "global_batch_size": 12,
        "micro_batch_size": 1, "ipu.replicas": 2, "loss_scale": 16.0, "model.hidden_size": 128,
        "model.num_hidden_layers": 2, "model.vocab_size": 30_528, "log_to": [],
        "ipu.embedding_serialization": 6, "ipu.device_mapping": [0, 1, 0],
        "ipu.pipeline_stages": ["emb", "hid hid enc_out", "pool heads"],
    },
    "graphcore_v341/pretrain_base_128_phase1.json": {
        **PHASE_1, **BASE, **STEPS, **NO_DROPOUT, "micro_batch_size": 32, "ipu.replicas": 4,
        "loss_scale": 4096.0, "ipu.embedding_serialization": 2, "input": ["x"],
        "log_to": ["wandb"],
    },
    "graphcore_v341/pretrain_base_384_phase2_pod4.json": {
        **PHASE_2, **BASE, **STEPS_2, **NO_DROPOUT, "micro_batch_size": 8, "ipu.replicas": 1,
        "records.max_seq_length": 384, "records.max_predictions_per_seq": 56,
        "loss_scale": 4096.0, "ipu.embedding_serialization": 2,
    },
    "graphcore_v341/pretrain_large_128_phase1_POD64.json": {
        # 460,849,152 // (8 x 16 x 1,020)
        **PHASE_1, **LARGE, **NO_DROPOUT, "max_steps": 3529, "global_batch_size": 130_560,
        "micro_batch_size": 8, "ipu.replicas": 16, "loss_scale": 32_768.0, "seed": 4708,
        "ipu.embedding_serialization": 5, "ipu.replicated_tensor_sharding": True,
    },
    "graphcore_v341/pretrain_large_512_phase2.json": {
        **PHASE_2, **LARGE, **STEPS_2, **NO_DROPOUT, "micro_batch_size": 2, "ipu.replicas": 4,
        "records.max_seq_length": 512, "records.max_predictions_per_seq": 76,
        "loss_scale": 32_768.0,
    },
}  # fmt: skip

TORCH = {
    **ALL,
    "schedule": "linear",
    "save_every": 0,  # checkpoint_steps
    "model.vocab_size": 30_522,
    "model.layer_norm_eps": 0.001,
    "model.hidden_act": "gelu",
    "model.initializer": "normal",
    "seed": 5,
    "layout": "padded",
    "records.max_seq_length": 128,
    "records.max_predictions_per_seq": 20,
    "ipu.device_mapping": [],
    "ipu.device_iterations": 1,
    **NO_DROPOUT,
}
PRESETS = {
    "demo_tiny_128": {
        # 1 x 1 x 16; AdamW without bias correction; a constant rate has no rise
        **TORCH, "optimizer": "adamw_no_bias_correction", "schedule": "constant",
        "global_batch_size": 16, "max_steps": 150, "learning_rate": 0.001, "weight_decay": 0.0,
        "loss_scale": 16.0, "model.hidden_size": 64, "model.intermediate_size": 256,
        "ipu.layers_per_ipu": [0, 1, 1, 1], "ipu.memory_proportion": [0.6],
        "rates": {0: 0.001, 149: 0.001},
    },
    "pretrain_base_128": {
        # 32 x 4 x 512
        **TORCH, **BASE, "optimizer": "max_weight_norm_no_debias", "global_batch_size": 65_536,
        "max_steps": 7038, "learning_rate": 0.006, "loss_scale": 16_384.0,
        "ipu.replicated_tensor_sharding": True, "ipu.layers_per_ipu": [0, 4, 4, 4],
        "rates": {0: 0.0, 985: 0.003, 1970: 0.006, 7038: 0.0},
    },
    "pretrain_base_512": {
        # 8 x 4 x 512
        **TORCH, **BASE, "optimizer": "max_weight_norm_no_debias", "global_batch_size": 16_384,
        "max_steps": 2137, "learning_rate": 0.002828, "warmup_proportion": 0.128,
        "loss_scale": 128.0, "records.max_seq_length": 512,
        "records.max_predictions_per_seq": 76, "ipu.embedding_serialization": 2,
    },
    "pretrain_large_128_pod4": {
        # 8 x 1 x 8,192; one replica has nothing to shard over
        **TORCH, **LARGE, "optimizer": "max_weight_norm", "global_batch_size": 65_536,
        "max_steps": 7038, "ipu.replicated_tensor_sharding": False,
        "ipu.memory_proportion": [0.15, 0.25, 0.25, 0.25],
    },
    "pretrain_large_128_ALS": {
        **TORCH, **LARGE, "optimizer": "max_weight_norm", "loss_scale": 1.0,
        "ipu.automatic_loss_scaling": True, "ipu.replicated_tensor_sharding": True,
    },
    "pretrain_large_512_POD64": {
        # 2 x 16 x 512
        **TORCH, **LARGE, "global_batch_size": 16_384, "max_steps": 2137,
        "loss_scale": 16_384.0, "records.max_seq_length": 512,
        "records.max_predictions_per_seq": 76, "ipu.replicas": 16,
    },
    "pretrain_base_3L_128_single": {
        # 8 x 1 x 128, and 64 updates in each of 150 calls of the engine
        **TORCH, "optimizer": "adamw_no_bias_correction", "global_batch_size": 1024,
        "max_steps": 9600, "learning_rate": 1e-4, "warmup_proportion": 0.01,
        "model.num_hidden_layers": 3, "model.intermediate_size": 3072,
    },
}  # fmt: skip
MODULE = "graphcore_v341/pytorch_configs_pretraining.yml"


@pytest.mark.parametrize("name", FILES)
def test_a_pretraining_file_and_its_defaults(vendor, name):
    found, config, origins = vendor(name)
    compare(config, {**FILES[name], "ipu.stochastic_rounding": ROUNDED[name.split("/")[0]]})
    theirs = FLAT if "v240" in name else NESTED
    assert origins["eps"] == origins["mlm_normalisation"] == origins["save_every"] == theirs
    if FILES[name]["max_steps"] != 45:
        assert origins["max_steps"] == theirs
    assert not found.with_outcome("refused")
    assert not any(key.startswith("_") for key in {**found.values, **found.defaults})


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_and_its_defaults(vendor, name):
    _, config, origins = vendor(f"{MODULE}:{name}")
    compare(config, PRESETS[name])
    assert origins["eps"] == origins["save_every"] == "default of Graphcore v3.4.1 for PyTorch"


@pytest.mark.parametrize(
    ("name", "missing"), [("unit_test", "no lr_schedule, loss_scaling"), ("defaults", "no micro_")]
)
def test_a_preset_that_its_own_program_cannot_run(vendor, name, missing):
    with pytest.raises(ConfigError, match=f"{missing}.*its own program"):
        vendor(f"{MODULE}:{name}")


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        (
            "graphcore_v240/squad_base.json",
            # 4 x 1 x 80; without a loss scale; tokenizer.model_max_length
            {"global_batch_size": 320, "micro_batch_size": 4, "ipu.replicas": 1,
             "max_seq_length": 512, "ipu.embedding_serialization": 6},
        ),
        (
            "graphcore_v341/squad_large.json",
            {"global_batch_size": 320, "micro_batch_size": 2, "ipu.replicas": 4,
             "max_seq_length": 512, "ipu.embedding_serialization": 2},
        ),
        (
            "graphcore_v341/squad_tiny_test.json",
            # options.py drops max_seq_length where it stands in bert_config.
            {"global_batch_size": 240, "epochs": 1.0, "max_seq_length": 512, "log_every": 5,
             "save_every": 10_000, "ipu.pipeline_stages": ["emb", "hid hid", "qa_head"],
             "ipu.device_mapping": [0, 1, 0]},
        ),
    ],
)  # fmt: skip
def test_questions_go_to_their_command(vendor, name, wanted):
    own = {
        key: value
        for key, value in KERAS.items()
        if not key.startswith(("model.", "mlm")) and key not in ("log_every", "save_every")
    }
    rates = {"learning_rate": 1e-3, "warmup_proportion": 0.3, "epochs": 3.0, "loss_scale": 1.0}
    _, config, _ = vendor(name, "finetune-squad")
    compare(config, {**own, **rates, **wanted, "max_steps": 0, "output": "out"})
    with pytest.raises(ConfigError, match="is for `bertkit finetune-squad`"):
        vendor(name)


@pytest.mark.parametrize("name", ["glue_base.json", "glue_tiny_test.json"])
def test_glue_goes_to_its_command(vendor, name):
    """Without glue_task it is mrpc; without max_seq_length the tokenizer's 512 (options.py)."""
    own = {
        key: value
        for key, value in KERAS.items()
        if not key.startswith(("model.", "mlm", "ipu.device")) and key != "optimizer"
    }
    tiny = "tiny" in name
    wanted = {
        "optimizer": "adamw",
        "task": "classify",
        "glue": "mrpc",
        "max_seq_length": 512,
        "global_batch_size": 30,  # 1 x 1 x 30
        "micro_batch_size": 1,
        "epochs": 3.0,
        "max_steps": 0,
        "learning_rate": 2e-5,
        "warmup_proportion": 0.1,
        "loss_scale": 1.0,
        "seed": 1984,
        "do_train": True,
        "do_eval": not tiny,
        "log_to": [] if tiny else ["wandb"],
        "ipu.device_mapping": [0, 1, 0] if tiny else [0, 1, 2, 3, 0],
    }
    found, config, origins = vendor(f"graphcore_v341/{name}", "finetune")
    compare(config, {**own, **wanted})
    assert origins["task"] == origins["max_seq_length"] == NESTED
    told = {key.key: key.text for key in found.with_outcome("ignored")}
    assert "--data-dir" in told["dataset_dir"]
    with pytest.raises(ConfigError, match="is for `bertkit finetune`"):
        vendor(f"graphcore_v341/{name}", "finetune-squad")


@pytest.mark.parametrize(
    ("task", "ours"), [("stsb", "regress"), ("cola", "classify"), ("mnli", "classify")]
)
def test_the_task_of_glue(shared, read, task, ours):
    values = json.loads((shared / "data/vendor_configs/graphcore_v341/glue_base.json").read_text())
    found, _ = read({**values, "glue_task": task, "do_test": True}, command="finetune")
    assert (found.values["task"], found.values["glue"]) == (ours, task)
    assert found.values["do_predict"] is True
    with pytest.raises(ConfigError, match=r"glue_task \(snli\): their program knows cola"):
        read({**values, "glue_task": "snli"}, command="finetune")


@pytest.mark.parametrize("name", FILES)
def test_a_run_with_the_public_vocabulary_is_planned(vendor, shared, tmp_path, name):
    """Of 30,522 tokens, which the 30,400 rows of most files have no room for."""
    _, config, origins = vendor(name)
    records = synthetic.write(tmp_path / "r.tfrecord", 8)
    vocab = str(shared / "data" / "vocab" / "bert-base-uncased-vocab.txt")
    config = replace(config, input=[str(records)], vocab=vocab, log_to=[])
    with registry.for_planning("ipu") as adapter:
        ready = prepare(config, adapter, origins, dry_run=True)
    pieces = config.ipu.embedding_serialization
    rows = ready.config.model.vocab_size
    assert rows == {2: 30_528, 5: 30_560, 6: 30_528}[pieces] and rows % pieces == 0


def test_poprun_counts_the_ipus_of_a_file(bertkit, shared):
    """Four replicas of a pipeline of five stages on four IPUs."""
    name = shared / "data/vendor_configs/graphcore_v341/pretrain_base_128_phase1.json"
    words = ("pretrain", "--config", name, "--input", "x", "--output", "y")
    done = bertkit("launch", "poprun", "--devices", "16", "--", *words)
    assert done.status == 0, done.err
    assert "--num-replicas 4" in done.out and "--ipus-per-replica 4" in done.out
