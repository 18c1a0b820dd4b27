"""Finds out what a file of Cerebras params trains, and has the table of those for questions."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from bertkit.errors import ConfigError
from bertkit.external_configs.cerebras.keys import CONFIG, OPTIMIZER, RUN
from bertkit.external_configs.cerebras.model_keys import INPUT, MODEL
from bertkit.external_configs.translation import ALWAYS, Rule, ignored, part, to
from bertkit.external_configs.values import flag, text, whole

# What is trained: nothing of these is pretraining.
PRETRAINING, QUESTIONS, CLASSIFY, TAG, SUMMARISE = "", "questions", "classify", "tag", "summarise"
# Words in a data processor or a model's name → what it is for. Data processors of GLUE are named
# after the data set.
_TASKS = {
    "questionanswering|bertqa": QUESTIONS,
    "^(cola|mnli|mrpc|qnli|qqp|rte|sst2|stsb|wnli)dataprocessor": CLASSIFY,
    "bert/classifier": CLASSIFY,
    "nerdata|tokenclassifier|bert/token_classifier": TAG,
    "bertsum|bert/extractive_summarization": SUMMARISE,
}
_UNKNOWN = "linformer"


def task_of(source: str, given: Mapping[str, Any]) -> str:
    """What a file trains.

    Args:
        source: its name.
        given: key in the table → value.

    Raises:
        ConfigError: it is for something that bertkit has no task for.
    """
    for key in ("train_input.data_processor", "model.name", "model.attention_style"):
        word = str(given.get(key, "")).lower()
        if _UNKNOWN in word:
            raise ConfigError(
                f"{source} (Cerebras params, {key} {given[key]}): bertkit has no task for Linformer"
                " yet",
                "it has pretraining, `bertkit finetune-squad` for question answering, and"
                " `bertkit finetune`",
            )
        task = next((task for words, task in _TASKS.items() if re.search(words, word)), None)
        if task is not None:
            return task
    return PRETRAINING


_FILES = ignored("bertkit reads the question files themselves: --train-file, --predict-file")
SHAPE = ignored("the shape of the model comes from --init-checkpoint")
PRECISION = ("mixed_precision", "fp16_type", "use_bfloat16")

_INPUT: dict[str, Rule] = {
    **{key: ignored("of pretraining only") for key in INPUT},
    "data_processor": ignored("that is what this command does"),
    "data_file": _FILES,
    "data_dir": _FILES,
    "vocab_file": to("vocab", convert=text),
    "max_sequence_length": to("max_seq_length", convert=whole),
    "batch_size": part("_batch", "a device's `global_batch_size`", whole),
    "do_lower": to("do_lower_case", convert=flag),
    **{key: INPUT[key] for key in ("shuffle", "shuffle_seed", "shuffle_buffer", "repeat")},
    **{key: INPUT[key] for key in ("num_workers", "prefetch_factor", "persistent_workers")},
    "add_special_tokens": ignored(ALWAYS),
}

# Of the files for question answering, fine-tuned by `bertkit finetune-squad`.
SQUAD_TABLE: dict[str, Rule] = {
    **{f"train_input.{key}": rule for key, rule in _INPUT.items()},
    "eval_input.*": ignored("questions are scored as --predict-file says"),
    "predict_input.batch_size": to("predict_batch_size", convert=lambda value: str(whole(value))),
    "predict_input.*": ignored("questions are answered with the settings of training"),
    **{f"model.{key}": SHAPE for key in MODEL},
    **{f"model.{key}": MODEL[key] for key in PRECISION},
    "model.pretrain_params_path": SHAPE,
    "model.cls_dropout_rate": ignored("their model for questions has no such layer"),
    "model.num_labels": SHAPE,
    **{f"optimizer.{key}": rule for key, rule in OPTIMIZER.items()},
    **{f"runconfig.{key}": rule for key, rule in RUN.items()},
    "runconfig.mode": ignored("--train-file and --predict-file say what is done"),
    **{f"csconfig.{key}": rule for key, rule in CONFIG.items()},
}
