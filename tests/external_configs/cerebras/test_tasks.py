"""What a file of Cerebras params trains."""

from __future__ import annotations

import pytest
import yaml

from bertkit.errors import ConfigError
from bertkit.external_configs.cerebras.tasks import task_of
from external_configs.cerebras.params import TORCH_1, TRAINER

QUESTIONS = TORCH_1.replace("BertCSVDataProcessor", "BertQADataProcessor")


def test_questions_go_to_their_command(read):
    text = QUESTIONS + "predict_input: {batch_size: 4, data_dir: csv}\n"
    found, config = read(text, command="finetune-squad")
    assert (config.max_seq_length, config.global_batch_size, config.max_steps) == (128, 256, 900)
    assert (config.predict_batch_size, config.precision) == ("4", "fp16")
    reasons = {key.key: key.text for key in found.with_outcome("ignored")}
    assert "--init-checkpoint" in reasons["model.hidden_size"]
    assert "--train-file" in reasons["train_input.data_dir"]
    with pytest.raises(ConfigError, match="is for `bertkit finetune-squad`"):
        read(text)
    with pytest.raises(ConfigError, match=r"hiden_size.*unknown key"):
        read(text.replace("hidden_size", "hiden_size"), command="finetune-squad")


@pytest.mark.parametrize("command", ["pretrain", "finetune-squad", "finetune"])
def test_what_bertkit_has_no_task_for_is_named(read, command):
    text = TORCH_1.replace("hidden_size", "attention_style: linformer-x, hidden_size")
    with pytest.raises(ConfigError, match="no task for Linformer yet"):
        read(text, command=command)


@pytest.mark.parametrize(
    ("text", "task"),
    [
        (TRAINER.replace("name: bert\n", "name: bert/token_classifier\n"), "tag"),
        (TRAINER.replace("name: bert\n", "name: bert/classifier\n"), "classify"),
        (QUESTIONS.replace("BertQA", "BertSumCSV"), "summarise"),
        (TORCH_1.replace("BertCSVDataProcessor", "QQPDataProcessor"), "classify"),
        (TORCH_1.replace("BertCSVDataProcessor", "NerDataProcessor"), "tag"),
        (QUESTIONS, "questions"),
        (TORCH_1, ""),
    ],
)
def test_tasks_are_told_by_processor_or_model(text, task):
    trainer = "trainer" in text
    values = yaml.safe_load(text)
    where = values["trainer"]["init"]["model"] if trainer else values["model"]
    given = {f"model.{key}": value for key, value in where.items()}
    if not trainer:
        given["train_input.data_processor"] = values["train_input"]["data_processor"]
    assert task_of("file", given) == task
