"""The tables of Graphcore's configurations: what each key becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.external_configs.google import named_sizes
from bertkit.external_configs.translation import (
    ALWAYS,
    Ignore,
    Refuse,
    Rule,
    ignored,
    one_of,
    only,
    part,
    to,
)
from bertkit.external_configs.values import (
    flag,
    number,
    numbers,
    positive,
    text,
    texts,
    whole,
    wholes,
)
from bertkit.tasks.classify.glue import GLUE
from bertkit.train.config import UNCORRECTED

GLUE_TASKS = ("cola", "mnli", "mrpc", "qnli", "qqp", "rte", "sst2", "stsb", "wnli")
_COMPILER = ignored("concerns their compiler only and changes no result")
_NAMES = ignored("names and logs are bertkit's own")
_AHEAD = ignored("batches are always prepared ahead of the step")
_SHAPE = ignored("the shape of the model comes from --init-checkpoint")
_FILES = ignored("bertkit reads the question files themselves: --train-file, --predict-file")


def _model_name(value: Any) -> Mapping[str, Any]:
    hint = "give the sizes as model.hidden_size and so on"
    return named_sizes(str(value), hint, "bert-")


def _half(value: Any) -> Mapping[str, Any]:
    words = {"half": True, "float16": True, "float": False, "float32": False}
    if isinstance(value, str) and value not in words:
        raise Refuse("must be half or float")
    return {"ipu.half_partials": words[value] if isinstance(value, str) else flag(value)}


def _wandb(value: Any) -> Mapping[str, Any]:
    if not flag(value):
        raise Ignore("metrics.jsonl always has the numbers")
    return {"log_to": ["wandb"]}


def _stages(value: Any) -> list[str]:
    """What stands in every stage of the pipeline, as one text each."""
    if not isinstance(value, list) or not all(isinstance(stage, list) for stage in value):
        raise Refuse("must be a list of lists, one for each stage")
    return [" ".join(texts(stage)) for stage in value]


def _scale(value: Any) -> Mapping[str, Any]:
    scale = 1.0 if value is None else number(value)
    if scale <= 0:
        raise Refuse("must be more than 0")
    return {"loss_scale": scale}


def _left_out(value: Any) -> Mapping[str, Any]:
    if not flag(value):
        raise Ignore(
            "their model lacks it by default, to save memory; bertkit's has it, as Google's"
        )
    raise Ignore(ALWAYS)


def _glue_task(value: Any) -> Mapping[str, Any]:
    name = str(value)
    if name not in GLUE_TASKS:
        raise Refuse(f"their program knows {', '.join(GLUE_TASKS)}")
    files = {"glue": name} if name in GLUE else {}  # of wnli bertkit knows no files
    return {"task": "regress" if name == "stsb" else "classify", **files}


def _layers(value: Any) -> list[int]:
    return wholes(value) if isinstance(value, list) else [whole(value)]


def _factors(value: Any) -> Mapping[int, float]:
    """Sequences in a row, by the length of rows."""
    if not isinstance(value, Mapping):
        raise Refuse("must be numbers by sequence length, such as {128: 1.17}")
    return {whole(length): number(factor) for length, factor in value.items()}


def _given(name: str, convert: Any, text: str) -> Rule:
    """Rule: as `part`, for a key whose default depends on others."""
    return part(name, text, lambda value: None if value is None else convert(value))


_ACCUMULATION = part("_accumulation", "`global_batch_size` is micro-batch x replicas x this", whole)
_ITERATIONS = part(
    "_iterations", "multiplies `max_steps`: updates per call of the engine", positive
)
_PROPORTIONS = to("ipu.memory_proportion", convert=numbers)
_HALF = Rule("`ipu.half_partials`", _half)
_WANDB = Rule("`log_to` wandb", _wandb)
_LACKING = Rule("ignored: their model lacks it by default, bertkit's has it as Google's", _left_out)

_SHARED: dict[str, Rule] = {
    "micro_batch_size": to("micro_batch_size", convert=whole),
    "replicated_tensor_sharding": part(
        "_sharding", "`ipu.replicated_tensor_sharding`, of several replicas", flag
    ),
    "optimizer_state_offchip": to("ipu.optimizer_state_offchip", convert=flag),
    "embedding_serialization_factor": to("ipu.embedding_serialization", convert=whole),
    "loss_scaling": Rule("`loss_scale`; none: 1", _scale),
    "compile_only": to("ipu.compile_only", convert=flag),
    "max_predictions_per_seq": to("records.max_predictions_per_seq", convert=whole),
    "num_epochs": to("epochs", convert=number),
}

_KERAS: dict[str, Rule] = {
    "replicas": to("ipu.replicas", convert=whole),
    "grad_acc_steps_per_replica": _ACCUMULATION,
    "total_num_train_samples": _given(
        "_samples",
        whole,
        "`max_steps`, divided by the global batch; left out: 460,849,152 at length 128,"
        " 34,239,360 at 384 and 512",
    ),
    "dataset_dir": to("input", convert=lambda value: [text(value)]),
    "max_seq_length": to("records.max_seq_length", convert=whole),
    "output_dir": to("output", convert=text),
    "save_ckpt_path": to("output", convert=text),
    "pretrained_ckpt_path": to("init_checkpoint"),
    "ckpt_every_n_steps_per_execution": part(
        "_executions", "`save_every` is this x global_batches_per_log", whole
    ),
    "seed": to("seed", convert=whole),
    "global_batches_per_log": to("log_every", convert=whole),
    "bert_model_name": Rule("sizes of `model` (base, large)", _model_name),
    "bert_config.position_embedding_type": only("absolute", because="positions are absolute"),
    **{
        f"bert_config.{key}": to(f"model.{key}", convert=convert)
        for key, convert in (
            ("hidden_size", whole),
            ("vocab_size", whole),
            ("num_attention_heads", whole),
            ("num_hidden_layers", whole),
            ("intermediate_size", whole),
            ("hidden_dropout_prob", number),
            ("attention_probs_dropout_prob", number),
            ("max_position_embeddings", whole),
            ("type_vocab_size", whole),
            ("initializer_range", number),
            ("layer_norm_eps", number),
            ("pad_token_id", whole),
        )
    },
    "bert_config.hidden_act": ignored("their program always has GELU in its tanh form: gelu_new"),
    **dict.fromkeys(
        ("bert_config.max_seq_length", "bert_config.max_predictions_per_seq"),
        ignored("their program reads this key outside of bert_config"),
    ),
    "optimizer_opts.name": one_of("optimizer", {"lamb": "graphcore", "adamw": "adamw"}),
    "weight_decay_rate": to("weight_decay", convert=number),
    **dict.fromkeys(
        ("learning_rate.lr_schedule", "learning_rate.schedule_name"),
        one_of("schedule", {"up_down": "up_down"}),
    ),
    "learning_rate.max_learning_rate": to("learning_rate", convert=number),
    "learning_rate.warmup_frac": to("warmup_proportion", convert=number),
    "pipeline_stages": to("ipu.pipeline_stages", convert=_stages),
    "device_mapping": to("ipu.device_mapping", convert=wholes),
    "pipeline_device_mapping": to("ipu.device_mapping", convert=wholes),
    "matmul_available_memory_proportion_per_pipeline_stage": _PROPORTIONS,
    "matmul_partials_type": _HALF,
    "enable_recomputation": to("ipu.recomputation", convert=flag),
    "enable_stochastic_rounding": to("ipu.stochastic_rounding", convert=flag),
    "generated_dataset": to("ipu.synthetic_data", convert=flag),
    "enable_wandb": _WANDB,
    "wandb_opts.log_to_wandb": _WANDB,
    **dict.fromkeys(
        (
            "min_remote_tensor_size",
            "replace_layers",
            "use_outlining",
            "fp_exceptions",
            "use_qkv_split",
        ),
        _COMPILER,
    ),
    **dict.fromkeys(("use_cls_layer", "use_qkv_bias", "use_projection_bias"), _LACKING),
    "use_prediction_bias": only(True, because="BERT always has it"),
    **dict.fromkeys(
        (
            "wandb_opts.*",
            "wandb_tags",
            "wandb_entity_name",
            "wandb_project_name",
            "name",
            "logging",
            "show_accuracy",
            "cache_dir",
        ),
        _NAMES,
    ),
}

_TORCH: dict[str, Rule] = {
    "batch_size": to("micro_batch_size", convert=whole),
    "replication_factor": to("ipu.replicas", convert=whole),
    "gradient_accumulation": _ACCUMULATION,
    "training_steps": to("max_steps", convert=whole),
    "device_iterations": _ITERATIONS,
    "batches_per_step": _ITERATIONS,
    "random_seed": to("seed", convert=whole),
    "input_files": to("input", convert=texts),
    "sequence_length": to("records.max_seq_length", convert=whole),
    "mask_tokens": to("records.max_predictions_per_seq", convert=whole),
    "packed_data": part("_packed", "`layout` (packed or padded)", flag),
    "max_sequences_per_pack": part("_sequences", "`sequences_per_pack`, of packed data", whole),
    "packing_factor": part("_packing", "`ipu.packing_factor`, of packed data", _factors),
    **{
        key: to(f"model.{key}", convert=convert)
        for key, convert in (
            ("vocab_size", whole),
            ("hidden_size", whole),
            ("num_hidden_layers", whole),
            ("num_attention_heads", whole),
            ("layer_norm_eps", number),
            ("attention_probs_dropout_prob", number),
            ("hidden_dropout_prob", number),
        )
    },
    "intermediate_size": ignored("always four times hidden_size, in their program too"),
    "layers_per_ipu": part("_layers", "`ipu.layers_per_ipu`; one number: of every IPU", _layers),
    "ipus_per_replica": to("ipu.ipus_per_replica", convert=whole),
    "matmul_proportion": _PROPORTIONS,
    "enable_half_partials": _HALF,
    "enable_half_first_order_momentum": to("ipu.half_first_moment", convert=flag),
    "recompute_checkpoint_every_layer": to("ipu.recomputation", convert=flag),
    "auto_loss_scaling": to("ipu.automatic_loss_scaling", convert=flag),
    "synthetic_data": to("ipu.synthetic_data", convert=flag),
    "executable_cache_dir": to("ipu.executable_cache"),
    "optimizer": one_of(
        "optimizer",
        {
            "adamw": UNCORRECTED,
            "lamb": "max_weight_norm",
            "lambnobiascorrection": "max_weight_norm_no_debias",
        },
    ),
    "weight_decay": to("weight_decay", convert=number),
    "learning_rate": to("learning_rate", convert=number),
    "lr_schedule": one_of("schedule", {"linear": "linear", "constant": "constant"}),
    "lr_warmup": to("warmup_proportion", convert=number),
    "checkpoint_output_dir": to("output", convert=text),
    "checkpoint_steps": Rule(
        "`save_every`", lambda value: {"save_every": 0 if value is None else whole(value)}
    ),
    "checkpoint_input_dir": to("init_checkpoint"),
    "pretrained_checkpoint": to("init_checkpoint"),
    "resume_training_from_checkpoint": ignored("the same command resumes by itself"),
    "wandb": _WANDB,
    "wandb_param_steps": _NAMES,
    "dataset": only("pretraining", "pretraining_packed", because="records are always read"),
    "pred_head_transform": only(True, because="BERT always has it"),
    **dict.fromkeys(("dataloader_workers", "async_dataloader", "file_buffer_size"), _AHEAD),
    **dict.fromkeys(("custom_ops", "profile", "profile_dir", "disable_progress_bar"), _COMPILER),
}

_OUTSIDE = ignored("their fine-tuning reads max_seq_length outside of bert_config, or has 512")
_UNSCALED = ignored("their fine-tuning does not scale the loss")

_SQUAD: dict[str, Rule] = {
    "max_predictions_per_seq": ignored("of pretraining only"),
    "bert_config.max_seq_length": _OUTSIDE,
    "bert_config.max_predictions_per_seq": ignored("of pretraining only"),
    "dataset_dir": _FILES,
    "cache_dir": _FILES,
    "input_files": _FILES,
    "max_seq_length": to("max_seq_length", convert=whole),
    "sequence_length": to("max_seq_length", convert=whole),
    "bert_model_name": ignored("give --init-checkpoint, a folder of that model"),
    "do_training": to("do_train", convert=flag),
    "do_validation": to("do_predict", convert=flag),
    "squad_do_training": to("do_train", convert=flag),
    "squad_do_validation": to("do_predict", convert=flag),
    "squad_v2": to("version_2_with_negative", convert=flag),
    "dataset": only("squad", because="questions are always read"),
    "training_steps": ignored("num_epochs decides in their program too"),
    **dict.fromkeys(
        ("mask_tokens", "packed_data", "max_sequences_per_pack", "packing_factor"),
        ignored("of pretraining only"),
    ),
}


_GLUE_FILES = ignored(
    "there a folder of TensorFlow Datasets; bertkit reads GLUE's own files: give --data-dir, or"
    " --train-file and --eval-file"
)
_GLUE: dict[str, Rule] = {
    **{
        key: _SQUAD[key]
        for key in (
            "max_predictions_per_seq",
            "max_seq_length",
            "bert_config.max_seq_length",
            "bert_config.max_predictions_per_seq",
        )
    },
    "bert_model_name": _SQUAD["bert_model_name"],
    "dataset_dir": _GLUE_FILES,
    "cache_dir": _GLUE_FILES,
    "do_training": to("do_train", convert=flag),
    "do_validation": to("do_eval", convert=flag),
    "do_test": to("do_predict", convert=flag),
    "glue_task": Rule("`task` (regress of stsb, else classify), `glue`", _glue_task),
}


def _finetuning(table: Mapping[str, Rule], rules: Mapping[str, Rule]) -> dict[str, Rule]:
    """The table of files that fine-tune, from that of pretraining and rules of their own."""
    shapes = {
        key: _SHAPE
        for key in table
        if (key.startswith("bert_config.") and key not in rules)
        or table[key].text == f"`model.{key}`"
    }
    own = {
        key: rule
        for key, rule in rules.items()
        if key in table or key.startswith(("do_", "squad_", "glue_"))
    }
    return {**table, **shapes, **own}


KERAS_TABLE = {**_SHARED, **_KERAS}
TORCH_TABLE = {**_SHARED, **_TORCH}
KERAS_SQUAD_TABLE = {**_finetuning(KERAS_TABLE, _SQUAD), "loss_scaling": _UNSCALED}
KERAS_GLUE_TABLE = {**_finetuning(KERAS_TABLE, _GLUE), "loss_scaling": _UNSCALED}
TORCH_SQUAD_TABLE = _finetuning(TORCH_TABLE, _SQUAD)
