"""Cerebras' own files of release R_1.7.0, each against values worked out by hand.

The defaults are those of the model zoo at R_1.7.0: transformers/tf/bert/utils.py (model, run)
and common/tf/optimizers/Trainer.py (optimizer). Rates are those of Trainer.get_learning_rate.
"""

from __future__ import annotations

from dataclasses import replace

import pytest
import synthetic

from bertkit.backends import registry
from bertkit.errors import ConfigError
from bertkit.tasks.pretraining.prepare import prepare
from external_configs.plans import compare

FOLDER = "cerebras_r170"
THEIRS = "default of Cerebras R_1.7.0"

BASE = {"model.hidden_size": 768, "model.num_hidden_layers": 12, "model.num_attention_heads": 12}
LARGE = {"model.hidden_size": 1024, "model.num_hidden_layers": 24, "model.num_attention_heads": 16}
OWT = {
    # optimizer_type adamw; use_bias_correction is left out, and False there
    "optimizer": "adamw_no_bias_correction",
    "weight_decay": 0.01,
    "global_batch_size": 256,
    # disable_lr_steps_reset: the second line counts from the start of the run, so it begins at
    # 1e-4 * (1 - 10,000 / 1,000,000) and ends 990,000 steps later
    "rates": {0: 0.0, 5_000: 5e-5, 10_000: 9.9e-5, 505_000: 4.95e-5, 1_000_000: 0.0},
}
PUBMED = {
    # optimizer_type adam: TensorFlow's Adam, which has no decay
    "optimizer": "adamw",
    "weight_decay": 0.0,
    "global_batch_size": 1024,
    "bucket_boundaries": [],
    "rates": {0: 0.0, 40_000: 5e-5, 80_000: 9e-5, 440_000: 4.5e-5, 800_000: 0.0},
}
ALL = {
    "eps": 1e-6,
    "max_grad_norm": 1.0,
    "beta1": 0.9,
    "beta2": 0.999,
    "loss_scale": 0.0,  # dynamic
    "precision": "fp16",  # mixed_precision, without cbfloat16
    "layout": "bucketed",  # use_vsl
    "nsp": True,
    "mask": "static",
    "mlm_normalisation": "global_step",  # of a batch, and the step has one
    "eval_input": [],  # mode train
    "save_every": 10_000,
    "keep_last": 0,
    "log_every": 100,
    "model.hidden_dropout_prob": 0.1,
    "model.attention_probs_dropout_prob": 0.1,
    "model.layer_norm_eps": 1e-5,
    "model.hidden_act": "gelu_new",  # their layer computes it by tanh
    "model.max_position_embeddings": 512,
    "model.type_vocab_size": 2,
    "model.initializer": "truncated_normal",
    "model.initializer_range": 0.02,
}
FILES = {
    "params_bert_base_msl128.yaml": {
        **ALL,
        **BASE,
        **OWT,
        "max_steps": 900_000,
        "records.max_seq_length": 128,
        "records.max_predictions_per_seq": 20,
        "bucket_boundaries": [39, 56, 72, 89, 108],
        "model.intermediate_size": 3072,
    },
    "params_bert_base_msl512.yaml": {
        **ALL,
        **BASE,
        **OWT,
        "max_steps": 1_000_000,
        "records.max_seq_length": 512,
        "records.max_predictions_per_seq": 80,
        "bucket_boundaries": [87, 158, 239, 325, 415],
        "model.intermediate_size": 3072,
    },
    "params_bert_large_msl128.yaml": {
        **ALL,
        **LARGE,
        **OWT,
        "max_steps": 900_000,
        "records.max_seq_length": 128,
        "records.max_predictions_per_seq": 20,
        "bucket_boundaries": [39, 56, 72, 89, 108],
        "model.intermediate_size": 4096,
    },
    "params_pubmedbert_base_msl128.yaml": {
        **ALL,
        **BASE,
        **PUBMED,
        "max_steps": 720_000,
        "records.max_seq_length": 128,
        "records.max_predictions_per_seq": 20,
        "model.intermediate_size": 3072,
    },
    "params_pubmedbert_large_msl512.yaml": {
        **ALL,
        **LARGE,
        **PUBMED,
        "max_steps": 80_000,
        "records.max_seq_length": 512,
        "records.max_predictions_per_seq": 80,
        "model.intermediate_size": 4096,
    },
}


@pytest.mark.parametrize("name", FILES)
def test_a_pretraining_file_and_its_defaults(vendor, name):
    found, config, origins = vendor(f"{FOLDER}/{name}")
    compare(config, FILES[name])
    assert not found.with_outcome("refused")
    assert not any(key.startswith("_") for key in {**found.values, **found.defaults})
    assert not any(text[0] == "_" for _, _, text in found.rows())
    for key in ("beta1", "model.initializer_range"):
        assert origins[key] == THEIRS


def test_fine_tuning_on_questions(vendor):
    """transformers/tf/bert/fine_tuning/qa: the same optimizer, records cut at 384, 128 and 64."""
    _, config, origins = vendor(f"{FOLDER}/params_bert_base_squad.yaml", "finetune-squad")
    wanted = {
        "optimizer": "adamw_no_bias_correction",
        "weight_decay": 0.01,
        "eps": 1e-6,
        "max_grad_norm": 1.0,
        "global_batch_size": 32,
        "predict_batch_size": "1",
        "max_seq_length": 384,
        "doc_stride": 128,
        "max_query_length": 64,
        "max_steps": 10_000,
        "save_every": 1000,
        "keep_last": 5,
        "log_every": 100,
        "loss_scale": 0.0,
        "precision": "fp16",
        # a line over 1,000 steps, then a constant
        "rates": {0: 0.0, 500: 2.5e-5, 1000: 5e-5, 9_999: 5e-5},
    }
    compare(config, wanted)
    assert origins["keep_last"] == origins["doc_stride"] == THEIRS
    with pytest.raises(ConfigError, match="is for `bertkit finetune-squad`"):
        vendor(f"{FOLDER}/params_bert_base_squad.yaml")


@pytest.mark.parametrize("name", FILES)
def test_a_run_is_planned(vendor, shared, tmp_path, name):
    _, config, origins = vendor(f"{FOLDER}/{name}")
    records = synthetic.write(tmp_path / "r.tfrecord", 8)
    vocab = str(shared / "data" / "vocab" / "bert-base-uncased-vocab.txt")
    config = replace(config, input=[str(records)], vocab=vocab)
    with registry.for_planning("cs") as adapter:
        ready = prepare(config, adapter, origins, dry_run=True)
    assert ready.config.model.vocab_size == 30_522  # of vocab_file, in their program too
    assert ready.config.max_steps == FILES[name]["max_steps"]


def test_the_dry_run_says_whose_default_was_used(bertkit, shared, tmp_path):
    records = synthetic.write(tmp_path / "r.tfrecord", 8)
    done = bertkit(
        "pretrain",
        "--config",
        shared / "data/vendor_configs" / FOLDER / "params_bert_base_msl128.yaml",
        "--input",
        records,
        "--vocab",
        shared / "data/vocab/bert-base-uncased-vocab.txt",
        "--output",
        tmp_path / "run",
        "--backend",
        "cs",
        "--dry-run",
        "--no-mock",
    )
    assert done.status == 0, done.err
    lines = [line.split() for line in done.out.splitlines()]
    assert ["beta1", "0.9", "default", "of", "Cerebras", "R_1.7.0"] in lines
    assert ["max_steps", "900000"] in [line[:2] for line in lines]
    assert any(line[:2] == ["optimizer.use_bias_correction", "False"] for line in lines)
