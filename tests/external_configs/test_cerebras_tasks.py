"""What a file of Cerebras params trains."""

from __future__ import annotations

import pytest

from bertkit.errors import ConfigError
from external_configs.cerebras_params import TORCH_1, TRAINER

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


@pytest.mark.parametrize(
    ("text", "task"),
    [
        (TRAINER.replace("name: bert\n", "name: bert/token_classifier\n"), "classifying tokens"),
        (TRAINER.replace("name: bert\n", "name: bert/classifier\n"), "classifying sentences"),
        (QUESTIONS.replace("BertQA", "BertSumCSV"), "extractive summarization"),
        (TORCH_1.replace("hidden_size", "attention_style: linformer-x, hidden_size"), "Linformer"),
    ],
)
@pytest.mark.parametrize("command", ["pretrain", "finetune-squad"])
def test_what_bertkit_has_no_task_for_is_named(read, text, task, command):
    with pytest.raises(ConfigError, match=f"no task for {task}.* yet"):
        read(text, command=command)
