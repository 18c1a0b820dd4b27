"""Rules for Cerebras params of fine-tuning: classifiers, token classifiers, summarisation.

Sources: the model zoo at R_1.7.0 (`transformers/{tf,pytorch}/bert/fine_tuning/`) and at 2.10
(`models/nlp/bert/`, `data/nlp/bert/`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.external_configs.cerebras.keys import CONFIG, OPTIMIZER, RUN
from bertkit.external_configs.cerebras.model_keys import INPUT, MODEL
from bertkit.external_configs.cerebras.programs import TENSORFLOW, Program
from bertkit.external_configs.cerebras.tasks import (
    CLASSIFY,
    PRECISION,
    QUESTIONS,
    SHAPE,
    SQUAD_TABLE,
    SUMMARISE,
    TAG,
)
from bertkit.external_configs.translation import (
    ALWAYS,
    IGNORED,
    Ignore,
    Refuse,
    Rule,
    Translation,
    ignored,
    only,
    part,
    to,
)
from bertkit.external_configs.values import flag, number, text, whole
from bertkit.tasks.classify.glue import GLUE, files_in

_LABELS = ignored("labels are those of --train-file, or of --labels")
_TAGS = ignored("tags are those of --train-file; theirs count X, [CLS], [SEP] and [PAD] too")
_MADE = "holds records that their scripts made; bertkit reads the texts: give {flag}"
_TFDS = (
    "a folder of TensorFlow Datasets; bertkit reads GLUE's own files: give --data-dir, or {flag}"
)


def _dropout(value: Any) -> Mapping[str, Any]:
    if value is None:
        raise Ignore("the encoder's dropout, which is the default here too")
    return {"classifier_dropout": number(value)}


def _problem(value: Any) -> Mapping[str, Any]:
    kinds: dict[str, dict[str, Any]] = {
        "regression": {"task": "regress"},
        "single_label_classification": {"task": "classify"},
        "multi_label_classification": {"task": "classify", "multi_label": True},
    }
    if str(value) not in kinds:
        raise Refuse(f"bertkit knows {', '.join(kinds)} here")
    return kinds[str(value)]


def _padding_in_loss(value: Any) -> Mapping[str, Any]:
    if value:
        raise Ignore(
            "the loss here is the mean over the words that have a tag; theirs learns the tags of"
            " padding, [CLS], [SEP] and pieces inside words as well"
        )
    raise Ignore(
        "the loss here is the mean over the words that have a tag; theirs learns the tags of"
        " [CLS], [SEP] and pieces inside words as well"
    )


_DROPOUT = Rule("`classifier_dropout`", _dropout)

_INPUT: dict[str, Rule] = {
    **{key: ignored("of pretraining only") for key in INPUT},
    "data_processor": part("_processor", "`task`, and of GLUE the columns"),
    "data_dir": part("_train_dir", "`train_file`, of GLUE's own files"),
    "vocab_file": to("vocab", convert=text),
    "max_sequence_length": to("max_seq_length", convert=whole),
    "batch_size": part("_batch", "a device's `global_batch_size`", whole),
    "do_lower": to("do_lower_case", convert=flag),
    **{
        key: INPUT[key]
        for key in (
            *("shuffle", "shuffle_seed", "shuffle_buffer", "repeat", "drop_last", "num_workers"),
            *("prefetch_factor", "persistent_workers", "use_multiple_workers", "n_parallel_reads"),
            *("input_pad_id", "labels_pad_id", "attn_mask_pad_id"),
        )
    },
    "pad_id": INPUT["input_pad_id"],
    "add_special_tokens": only(True, because="texts always stand between [CLS] and [SEP]"),
    "is_training": ignored(ALWAYS),
    "cache": ignored("examples are always held in memory"),
}
_OF_EVALUATION: dict[str, Rule] = {
    "eval_input.data_dir": part("_eval_dir", "`eval_file`, of GLUE's own files"),
    "eval_input.batch_size": to("predict_batch_size", convert=whole),
    "eval_input.*": ignored("--eval-file is scored whole, with the settings of training"),
    "predict_input.*": ignored("--predict-file is predicted with the settings of training"),
    "validate.*": ignored("--eval-file is scored whole, with the settings of training"),
    "validate_all.*": ignored("--eval-file is scored whole, with the settings of training"),
}
_MODEL: dict[str, Rule] = {
    **dict.fromkeys(MODEL, SHAPE),
    **{key: MODEL[key] for key in PRECISION},
    **{
        key: MODEL[key]
        for key in ("tf_summary", "boundary_casting", "enable_gpu_optimizations", "multireplica")
    },
    "name": ignored("that is what this command does"),
    "pretrain_params_path": SHAPE,
    "embedding_dropout_rate": SHAPE,
    "vocab_file": to("vocab", convert=text),
    "compute_eval_metrics": ignored("--eval-file is always scored"),
}


def _table(inputs: Mapping[str, Rule], model: Mapping[str, Rule]) -> dict[str, Rule]:
    """The table of one task."""
    return {
        **{f"train_input.{key}": rule for key, rule in {**_INPUT, **inputs}.items()},
        **_OF_EVALUATION,
        **{f"model.{key}": rule for key, rule in {**_MODEL, **model}.items()},
        **{f"optimizer.{key}": rule for key, rule in OPTIMIZER.items()},
        **{f"runconfig.{key}": rule for key, rule in RUN.items()},
        "runconfig.mode": ignored("--train-file, --eval-file and --predict-file say what is done"),
        **{f"csconfig.{key}": rule for key, rule in CONFIG.items()},
        "runconfig.eval_steps": ignored("--eval-file is scored whole"),
        "callbacks.*": ignored("the loop logs, saves and evaluates by its own settings"),
    }


CLASSIFY_TABLE = _table(
    {},
    {
        "num_cls_classes": _LABELS,
        "num_labels": _LABELS,
        "cls_dropout_rate": _DROPOUT,
        "task_dropout": _DROPOUT,
        "problem_type": Rule("`task`, `multi_label`", _problem),
    },
)
TAG_TABLE = _table(
    {
        "label_vocab_file": _TAGS,
        "include_padding_in_loss": Rule("ignored: tagged words alone are learnt", _padding_in_loss),
    },
    {
        "num_classes": _TAGS,
        "num_labels": _TAGS,
        "label_vocab_file": _TAGS,
        "encoder_output_dropout_rate": _DROPOUT,
        "include_padding_in_loss": Rule("ignored: tagged words alone are learnt", _padding_in_loss),
        "loss_weight": ignored("it stands for 1 / tokens of a sequence, which are counted here"),
        "add_pooling_layer": only(False, because="tags come from the tokens"),
    },
)
SUMMARISE_TABLE = _table(
    {"max_cls_tokens": to("max_cls_tokens", convert=whole)},
    {
        "loss_weight": to(
            "loss_weight", convert=lambda value: 1.0 if value is None else number(value)
        ),
        "use_cls_bias": only(True, because="the head always has a bias"),
        "num_labels": only(
            1, 2, because="a sentence is chosen or not: one logit, or two with their difference"
        ),
        "add_pooling_layer": only(False, because="scores come from each [CLS]"),
    },
)
TABLES = {
    QUESTIONS: SQUAD_TABLE,
    CLASSIFY: CLASSIFY_TABLE,
    TAG: TAG_TABLE,
    SUMMARISE: SUMMARISE_TABLE,
}

# What json2tfrecords.py cuts passages into; what `BertData` takes of a document by default.
_FIXED: dict[str, dict[str, Any]] = {
    QUESTIONS: {"doc_stride": 128, "max_query_length": 64},
    SUMMARISE: {
        "oracle": "greedy",
        "summary_sentences": 3,
        "min_sentences": 3,
        "max_sentences": 100,
        "min_sentence_words": 5,
        "max_sentence_words": 200,
    },
}
# Keys with a default in all programs, and in the TensorFlow ones alone.
_DEFAULTS: dict[str, dict[str, Any]] = {SUMMARISE: {"model.loss_weight": 1.0}}
_TENSORFLOW_DEFAULTS: dict[str, dict[str, Any]] = {
    CLASSIFY: {"model.cls_dropout_rate": 0.0},
    TAG: {"model.encoder_output_dropout_rate": 0.1},
}
_DROPOUT_KEYS = {CLASSIFY: "model.task_dropout", TAG: "model.encoder_output_dropout_rate"}
# The order of labels in their PyTorch processor and in TensorFlow Datasets.
_LABEL_ORDER = {"mnli": ["entailment", "neutral", "contradiction"]}


def complete(found: Translation, task: str, program: Program, given: Mapping[str, Any]) -> None:
    """Add what their program for a task does by itself, and what it needs.

    Args:
        found: the translation, with the program's defaults for all tasks.
        task: of `tasks`.
        program: that the file is for.
        given: key in the table → value of the file.
    """
    defaults = dict(_DEFAULTS.get(task, {}))
    if program is TENSORFLOW:
        defaults |= _TENSORFLOW_DEFAULTS.get(task, {})
    entries = [(key, key, value) for key, value in defaults.items() if key not in given]
    found.add_defaults(program.name, entries, TABLES[task])
    found.add_fixed(program.name, _FIXED.get(task, {}))
    # The sizes of the model are those of the checkpoint.
    found.needed = {k: names for k, names in found.needed.items() if not k.startswith("model.")}
    if task == QUESTIONS:
        return
    found.values.setdefault("task", task)
    needed = {"train_input.max_sequence_length": ("max_seq_length",)}
    if task == SUMMARISE:
        needed["train_input.max_cls_tokens"] = ("max_cls_tokens",)
    elif program is not TENSORFLOW:
        needed[_DROPOUT_KEYS[task]] = ("classifier_dropout",)
    found.needed = {**found.needed, **needed}


def settle_files(found: Translation, program: Program) -> None:
    """The task, and which files are trained and scored on where their program reads texts.

    Args:
        found: the translation.
        program: that the file is for.
    """
    processor = str(found.take("_processor", ""))
    folders = {"train": found.take("_train_dir"), "eval": found.take("_eval_dir")}
    name = processor.lower().removesuffix("dataprocessor")
    values: dict[str, Any] = {"task": found.values.get("task")}
    if name in GLUE:
        values["glue"] = name
    if name in _LABEL_ORDER:
        values["labels"] = _LABEL_ORDER[name]
    found.values |= values
    text = ", ".join(f"{key} = {value}" for key, value in values.items())
    found.tell("train_input.data_processor", text)
    for use, folder in folders.items():
        key, flag = f"{use}_input.data_dir", f"--{use}-file"
        if name not in GLUE:
            found.tell(key, _MADE.format(flag=flag), IGNORED)
        elif program is TENSORFLOW:
            found.tell(key, _TFDS.format(flag=flag), IGNORED)
        elif isinstance(folder, str):
            train, dev, _ = files_in(name, folder)
            file = train if use == "train" else dev
            found.values[f"{use}_file"] = file
            found.tell(key, f"{use}_file = {file}")
        elif folder is not None:
            found.tell(key, f"several folders: give {flag}", IGNORED)
