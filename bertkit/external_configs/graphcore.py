"""Translates Graphcore's configuration files into bertkit's settings.

These are the JSON of the TensorFlow 2 programs, flat as in SDK 2.4 or nested as later, and the
named presets in the PyTorch programs' YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.errors import ConfigError
from bertkit.external_configs.google import named_sizes
from bertkit.external_configs.translation import (
    Ignore,
    Rule,
    Translation,
    flattened,
    ignored,
    one_of,
    only,
    refused,
    to,
    translate,
)

KERAS, TORCH = "Graphcore TensorFlow 2 JSON", "Graphcore PyTorch preset"

_COMPILER = ignored("concerns their compiler only and changes no result")
_RATE = {"up_down": "up_down", "linear": "linear", "constant": "constant"}


def recognises_keras(values: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a configuration of the TensorFlow 2 programs."""
    return "optimizer_opts" in values and bool({"micro_batch_size", "global_batch"} & values.keys())


def recognises_presets(values: Mapping[str, Any]) -> bool:
    """Whether a YAML file holds presets of the PyTorch programs, not a section `ipu` of ours."""
    return any(
        isinstance(preset, Mapping) and preset.keys() >= {"layers_per_ipu", "hidden_size"}
        for preset in values.values()
    )


def read_keras(source: str, values: Mapping[str, Any]) -> Translation:
    """Translate a configuration of the TensorFlow 2 programs.

    Args:
        source: the file's name.
        values: its content.
    """
    entries = [(key, _flat_key(key), value) for key, value in flattened(values)]
    found = translate(source, KERAS, entries, KERAS_TABLE)
    found.values |= {"backend": "ipu", "precision": "fp16", "optimizer": "graphcore"} | {
        key: value for key, value in found.values.items() if key == "optimizer"
    }
    _batch(found)
    return found


def read_preset(source: str, values: Mapping[str, Any], name: str) -> Translation:
    """Translate one preset of the PyTorch programs.

    Args:
        source: the file's name.
        values: its content.
        name: of the preset; asked for as FILE:NAME.

    Raises:
        ConfigError: no such preset, or no name.
    """
    presets = [key for key, value in values.items() if isinstance(value, Mapping)]
    if name not in presets:
        given = f"no preset {name!r}" if name else "several presets"
        raise ConfigError(
            f"{source}: {given}, names: {', '.join(presets)}", f"give --config {source}:NAME"
        )
    entries = [(key, key, value) for key, value in values[name].items()]
    found = translate(f"{source}:{name}", TORCH, entries, TORCH_TABLE)
    found.values |= {"backend": "ipu", "precision": "fp16"}
    if found.values.get("model.hidden_size"):
        found.values.setdefault(
            "model.intermediate_size", 4 * int(found.values["model.hidden_size"])
        )
    _batch(found)
    return found


def _flat_key(key: str) -> str:
    """The flat spelling of a nested key."""
    for prefix in ("global_batch.", "ipu_config.", "optimizer_opts.params."):
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    for prefix in ("optimizer_opts.learning_rate.", "learning_rate.lr_schedule_params."):
        if key.startswith(prefix):
            return "learning_rate." + key.removeprefix(prefix)
    return key.removeprefix("optimizer_opts.") if key != "optimizer_opts.name" else key


def _batch(found: Translation) -> None:
    """The global batch is micro-batch x replicas x accumulation; steps follow from samples."""
    values = found.values
    # Their programs clip nothing, and PopTorch's LAMB cannot.
    values.setdefault("max_grad_norm", 0.0)
    accumulation = values.pop("accumulation", 1)
    if "micro_batch_size" in values:
        replicas = values.get("ipu.replicas", 1)
        values["global_batch_size"] = values["micro_batch_size"] * replicas * accumulation
    samples = values.pop("samples", None)
    if samples and "global_batch_size" in values:
        values["max_steps"] = max(1, samples // values["global_batch_size"])
    if values.pop("constant_rate", False):
        values["warmup_proportion"] = 0.0


def _model_name(value: Any) -> Mapping[str, Any]:
    hint = "give the sizes as model.hidden_size and so on"
    return named_sizes(str(value), hint, "bert-")


def _half(value: Any) -> Mapping[str, Any]:
    return {"ipu.half_partials": value in (True, "half", "float16")}


def _wandb(value: Any) -> Mapping[str, Any]:
    if not value:
        raise Ignore("metrics.jsonl always has the numbers")
    return {"log_to": ["wandb"]}


def _proportions(value: Any) -> Mapping[str, Any]:
    numbers = value if isinstance(value, list) else [value]
    return {"ipu.memory_proportion": [float(number) for number in numbers]}


def _packed(value: Any) -> Mapping[str, Any]:
    return {"layout": "packed"} if value else {"layout": "padded"}


_PROPORTIONS = Rule("`ipu.memory_proportion`", _proportions)
_HALF = Rule("`ipu.half_partials`", _half)
_WANDB = Rule("`log_to` wandb", _wandb)
_ACCUMULATION = Rule(
    "`global_batch_size` is micro-batch x replicas x this",
    lambda value: {"accumulation": int(value)},
)

_SHARED: dict[str, Rule] = {
    "micro_batch_size": to("micro_batch_size", convert=int),
    "replicated_tensor_sharding": to("ipu.replicated_tensor_sharding", convert=bool),
    "optimizer_state_offchip": to("ipu.optimizer_state_offchip", convert=bool),
    "embedding_serialization_factor": to("ipu.embedding_serialization", convert=int),
    "loss_scaling": to("loss_scale", convert=float),
    "compile_only": to("ipu.compile_only", convert=bool),
    "max_predictions_per_seq": to("records.max_predictions_per_seq", convert=int),
}

_KERAS: dict[str, Rule] = {
    "replicas": to("ipu.replicas", convert=int),
    "grad_acc_steps_per_replica": _ACCUMULATION,
    "total_num_train_samples": Rule(
        "`max_steps`, divided by the global batch", lambda value: {"samples": int(value)}
    ),
    "num_epochs": to("epochs", convert=float),
    "dataset_dir": Rule("`input`", lambda value: {"input": [str(value)]}),
    "max_seq_length": to("records.max_seq_length", convert=int),
    "output_dir": to("output", convert=str),
    "save_ckpt_path": to("output", convert=str),
    "pretrained_ckpt_path": to("init_checkpoint"),
    "seed": to("seed", convert=int),
    "global_batches_per_log": to("log_every", convert=int),
    "bert_model_name": Rule("sizes of `model` (base, large)", _model_name),
    "bert_config.position_embedding_type": only("absolute", because="positions are absolute"),
    **{
        f"bert_config.{key}": to(f"model.{key}")
        for key in (
            "hidden_size",
            "vocab_size",
            "num_attention_heads",
            "num_hidden_layers",
            "intermediate_size",
            "hidden_dropout_prob",
            "attention_probs_dropout_prob",
            "max_position_embeddings",
            "type_vocab_size",
            "initializer_range",
            "layer_norm_eps",
            "hidden_act",
            "pad_token_id",
        )
    },
    "optimizer_opts.name": one_of("optimizer", {"lamb": "graphcore", "adamw": "adamw"}),
    "weight_decay_rate": to("weight_decay", convert=float),
    "learning_rate.lr_schedule": one_of("schedule", _RATE),
    "learning_rate.schedule_name": one_of("schedule", _RATE),
    "learning_rate.max_learning_rate": to("learning_rate", convert=float),
    "learning_rate.warmup_frac": to("warmup_proportion", convert=float),
    "pipeline_stages": to("ipu.pipeline_stages", convert=lambda v: [" ".join(s) for s in v]),
    "device_mapping": to("ipu.device_mapping", convert=lambda v: [int(i) for i in v]),
    "pipeline_device_mapping": to("ipu.device_mapping", convert=lambda v: [int(i) for i in v]),
    "matmul_available_memory_proportion_per_pipeline_stage": _PROPORTIONS,
    "matmul_partials_type": _HALF,
    "enable_recomputation": to("ipu.recomputation", convert=bool),
    "generated_dataset": to("ipu.synthetic_data", convert=bool),
    "enable_wandb": _WANDB,
    "wandb_opts.log_to_wandb": _WANDB,
    **dict.fromkeys(
        (
            "min_remote_tensor_size",
            "replace_layers",
            "use_outlining",
            "fp_exceptions",
            "use_qkv_split",
            "ckpt_every_n_steps_per_execution",
        ),
        _COMPILER,
    ),
    **dict.fromkeys(
        ("use_cls_layer", "use_prediction_bias", "use_qkv_bias", "use_projection_bias"),
        only(True, because="BERT always has it"),
    ),
    **dict.fromkeys(
        ("wandb_opts.*", "wandb_tags", "name", "show_accuracy", "cache_dir"),
        ignored("names and logs are bertkit's own"),
    ),
    "glue_task": refused("bertkit fine-tunes on SQuAD"),
}

_TORCH: dict[str, Rule] = {
    "replication_factor": to("ipu.replicas", convert=int),
    "gradient_accumulation": _ACCUMULATION,
    "training_steps": to("max_steps", convert=int),
    "device_iterations": to("ipu.device_iterations", convert=int),
    "random_seed": to("seed", convert=int),
    "input_files": Rule("`input`", lambda value: {"input": [str(item) for item in value]}),
    "sequence_length": to("records.max_seq_length", convert=int),
    "mask_tokens": to("records.max_predictions_per_seq", convert=int),
    "packed_data": Rule("`layout` (packed or padded)", _packed),
    **{
        key: to(f"model.{key}")
        for key in (
            "vocab_size",
            "hidden_size",
            "num_hidden_layers",
            "num_attention_heads",
            "layer_norm_eps",
            "attention_probs_dropout_prob",
            "hidden_dropout_prob",
            "intermediate_size",
        )
    },
    "layers_per_ipu": to("ipu.layers_per_ipu", convert=lambda v: [int(i) for i in v]),
    "ipus_per_replica": to("ipu.ipus_per_replica", convert=int),
    "matmul_proportion": _PROPORTIONS,
    "enable_half_partials": _HALF,
    "enable_half_first_order_momentum": to("ipu.half_first_moment", convert=bool),
    "recompute_checkpoint_every_layer": to("ipu.recomputation", convert=bool),
    "auto_loss_scaling": to("ipu.automatic_loss_scaling", convert=bool),
    "synthetic_data": to("ipu.synthetic_data", convert=bool),
    "executable_cache_dir": to("ipu.executable_cache"),
    "optimizer": one_of(
        "optimizer",
        {"adamw": "adamw", "lamb": "max_weight_norm", "sgd": "sgd"},
    ),
    "weight_decay": to("weight_decay", convert=float),
    "learning_rate": to("learning_rate", convert=float),
    "lr_schedule": one_of("schedule", _RATE),
    "lr_warmup": to("warmup_proportion", convert=float),
    "checkpoint_output_dir": to("output", convert=str),
    "pretrained_checkpoint": to("init_checkpoint"),
    "wandb": _WANDB,
    "dataset": only("pretraining", "pretraining_packed", because="records are always read"),
    **dict.fromkeys(
        ("dataloader_workers", "async_dataloader"),
        ignored("batches are always prepared ahead of the step"),
    ),
    **dict.fromkeys(
        ("custom_ops", "packing_factor", "max_sequences_per_pack"),
        ignored("the records say it themselves"),
    ),
}

KERAS_TABLE = {**_SHARED, **_KERAS}
TORCH_TABLE = {**_SHARED, **_TORCH}
