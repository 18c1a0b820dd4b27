"""Configuration files of programs that bertkit does not translate are refused by name."""

from __future__ import annotations

import json

import pytest

from bertkit.configuration.config import dump_yaml
from bertkit.errors import ConfigError
from bertkit.external_configs.detect import translate_file

SHAPE = {
    "hidden_size": 128,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 512,
    "vocab_size": 30400,
}
# Keys as in files of Graphcore's examples at v2.6.0, DeepSpeed's documentation, and the model
# zoo at 2.10.
FILES = {
    "TensorFlow 1": {
        **SHAPE,
        "task": "pretraining",
        "use_qkv_bias": False,
        "pipeline_stages": [["emb", "pos"], ["hid", "mlm", "nsp"]],
        "device_mapping": [0, 1],
        "base_learning_rate": 0.006,
        "num_train_steps": 7032,
    },
    "PopART": {"task": "PRETRAINING", "num_layers": 12, "popart_dtype": "FLOAT16"},
    "PopXL": {
        "large_128": {
            "model": {"layers": 24, "hidden_size": 1024, "sequence_length": 128},
            "training": {"global_batch_size": 2048},
        }
    },
    "DeepSpeed": {"train_batch_size": 12288, "train_micro_batch_size_per_gpu": 32},
    "preparation of data sets": {"setup": {"mode": "pretraining"}, "processing": {}, "dataset": {}},
    "runner of benchmarks": {"pytorch_bert": {"cmd": "python3 bert.py", "data": {}}},
}


@pytest.mark.parametrize("syntax", ["json", "yaml"])
@pytest.mark.parametrize("title", FILES)
def test_a_file_of_a_program_without_translation_is_refused_by_name(tmp_path, title, syntax):
    """Graphcore's TensorFlow 1 files passed for a bert_config.json: all but the shape was ours."""
    path = tmp_path / f"settings.{syntax}"
    path.write_text(json.dumps(FILES[title]) if syntax == "json" else dump_yaml(FILES[title]))
    for command in ("pretrain", "finetune-squad"):
        with pytest.raises(ConfigError, match=title):
            translate_file(str(path), command)


@pytest.mark.parametrize(
    "key", ["base_learning_rate", "optimizer", "train_batch_size", "num_train_steps", "warmup"]
)
def test_a_model_file_that_trains_too_is_refused(tmp_path, key):
    path = tmp_path / "bert_config.json"
    path.write_text(json.dumps({**SHAPE, key: 1}))
    with pytest.raises(ConfigError, match=f"{key}.*a setting of training"):
        translate_file(str(path))


def test_a_run_of_bertkits_own_is_still_its_own(tmp_path):
    (tmp_path / "own.yaml").write_text("model: {hidden_size: 64}\nipu: {}\ntraining_log: x\n")
    assert translate_file(str(tmp_path / "own.yaml")) is None
