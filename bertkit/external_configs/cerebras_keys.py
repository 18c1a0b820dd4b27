"""The table of Cerebras params: which setting of bertkit each key becomes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.external_configs.translation import (
    Ignore,
    Refuse,
    Rule,
    ignored,
    one_of,
    only,
    refused,
    to,
)

_AHEAD = ignored("batches are always prepared ahead of the step")
_TRAINING = ignored("evaluation uses the settings of training and all of --eval-input")
_CLUSTER = ignored("the system's address is set in its own software")
_SUMMARY = ignored("metrics.jsonl always has the numbers")


def _list(value: Any) -> list[str]:
    return [str(item) for item in value] if isinstance(value, (list, tuple)) else [str(value)]


def _processor(value: Any) -> Mapping[str, Any]:
    name = str(value)
    if "Bert" not in name:
        raise Refuse("not a processor of BERT records")
    if "Dynamic" in name:
        return {"mask": "dynamic"}
    return {"mask": "static"}


def _buckets(value: Any) -> Mapping[str, Any]:
    if value is None:
        raise Ignore("no buckets")
    if isinstance(value, int):
        raise Refuse("a number of buckets; give their boundaries as a list")
    return {"layout": "bucketed", "bucket_boundaries": [int(item) for item in value]}


def _vsl(value: Any) -> Mapping[str, Any]:
    return {"layout": "bucketed"} if value else {"layout": "padded"}


def _betas(value: Any) -> Mapping[str, Any]:
    first, second = value
    return {"beta1": float(first), "beta2": float(second)}


def _rates(value: Any) -> Mapping[str, Any]:
    """A constant, or a list of schedulers, one after the other."""
    if isinstance(value, (int, float)):
        return {"schedule": "constant", "learning_rate": float(value), "warmup_steps": 0}
    parts = value if isinstance(value, list) else [value]
    return {"stage": [_stage(part) for part in parts]}


def _stage(part: Mapping[str, Any]) -> str:
    kind = str(part.get("scheduler", "")).lower().removesuffix("lr")
    steps = part.get("steps", part.get("total_iters", part.get("decay_steps", ""))) or ""
    if kind == "constant":
        rate = part.get("val", part.get("learning_rate"))
        return f"constant:{steps}:{float(_given(rate, 'val'))}"
    if kind != "linear":
        raise Refuse(f"no scheduler {part.get('scheduler')!r}; there are Constant and Linear")
    first = _given(part.get("initial_learning_rate", part.get("learning_rate")), "initial rate")
    return f"linear:{steps}:{float(first)}:{float(_given(part.get('end_learning_rate'), 'end'))}"


def _given(value: Any, name: str) -> Any:
    if value is None:
        raise Refuse(f"a scheduler without its {name}")
    return value


def _loss_scale(value: Any) -> Mapping[str, Any]:
    return {"loss_scale": 0.0 if str(value).lower() == "dynamic" else float(value)}


def _mode(value: Any) -> Mapping[str, Any]:
    if value not in ("train", "train_and_eval"):
        raise Refuse("`bertkit pretrain` trains; use `bertkit eval` for the others")
    raise Ignore("that is what this command does")


def _adam(value: Any) -> Mapping[str, Any]:
    names = {"adamw": "adamw", "lamb": "no_debias_clamp10", "sgd": "sgd", "adam": "adamw"}
    found = dict(one_of("optimizer", names).apply(value))
    # Adam's decay is in the gradient; without decay the two are the same.
    return found | ({"weight_decay": 0.0} if str(value).lower() == "adam" else {})


_INPUT: dict[str, Rule] = {
    "data_processor": Rule("`mask` (static or dynamic, by its name)", _processor),
    "data_dir": to("input", convert=_list),
    "vocab_file": to("vocab", convert=str),
    "max_sequence_length": to("records.max_seq_length", convert=int),
    "max_predictions_per_seq": to("records.max_predictions_per_seq", convert=int),
    "batch_size": to("global_batch_size", convert=int),
    "do_lower": to("records.do_lower_case", convert=bool),
    "do_lower_case": to("records.do_lower_case", convert=bool),
    "masked_lm_prob": to("records.masked_lm_prob", convert=float),
    "whole_word_masking": to("records.whole_word_mask", convert=bool),
    "mask_whole_word": to("records.whole_word_mask", convert=bool),
    "buckets": Rule("`layout` bucketed and `bucket_boundaries`", _buckets),
    "shuffle": ignored("records are always seen in an order drawn from --seed"),
    "shuffle_seed": ignored("the order is drawn from --seed"),
    "shuffle_buffer": ignored("the whole order is drawn at once"),
    "scale_mlm_weights": only(
        True, because="the loss is always a mean over masked tokens, not over sequences"
    ),
    "dynamic_mlm_scale": Rule(
        "`mlm_normalisation` global_step", lambda value: {"mlm_normalisation": "global_step"}
    ),
    "drop_last": ignored("every step has a whole batch"),
    "repeat": ignored("the run ends by --max-steps or --epochs"),
    **dict.fromkeys(
        (
            "num_workers",
            "prefetch_factor",
            "persistent_workers",
            "prefetch_buf_size",
            "n_parallel_reads",
            "use_multiple_workers",
            "num_parallel_calls",
        ),
        _AHEAD,
    ),
}

_MODEL: dict[str, Rule] = {
    "name": only("bert", because="this is a BERT trainer"),
    "hidden_size": to("model.hidden_size", convert=int),
    "num_hidden_layers": to("model.num_hidden_layers", convert=int),
    "num_heads": to("model.num_attention_heads", convert=int),
    "filter_size": to("model.intermediate_size", convert=int),
    "encoder_nonlinearity": one_of(
        "model.hidden_act", {"gelu": "gelu", "gelu_new": "gelu_new", "relu": "relu"}
    ),
    "pooler_nonlinearity": only("tanh", None, because="the pooler has tanh"),
    "dropout_rate": to("model.hidden_dropout_prob", convert=float),
    "attention_dropout_rate": to("model.attention_probs_dropout_prob", convert=float),
    "max_position_embeddings": to("model.max_position_embeddings", convert=int),
    "layer_norm_epsilon": to("model.layer_norm_eps", convert=float),
    "vocab_size": to("model.vocab_size", convert=int),
    "num_segments": to("model.type_vocab_size", convert=int),
    "type_vocab_size": to("model.type_vocab_size", convert=int),
    "initializer_range": to("model.initializer_range", convert=float),
    "disable_nsp": Rule("`nsp`, inverted", lambda value: {"nsp": not value}),
    "use_vsl": Rule("`layout` (bucketed or padded)", _vsl),
    "mixed_precision": Rule("`precision`, with fp16_type", lambda v: {"mixed_precision": bool(v)}),
    "fp16_type": Rule("`precision` fp16 or bf16, and `cs.half`", lambda value: {"half": value}),
    "position_embedding_type": only(
        "learned", "absolute", because="positions are learned embeddings"
    ),
    "attention_type": only("scaled_dot_product", because="there is one kind of attention"),
    "mlm_loss_scaling": one_of(
        "mlm_normalisation",
        {"num_masked": "global_step", "precomputed_num_masked": "global_step"},
    ),
    "mlm_loss_weight": ignored("it stands for 1 / masked tokens, which are counted here"),
    **dict.fromkeys(
        (
            "use_position_embedding",
            "use_segment_embedding",
            "share_embedding_weights",
            "use_ffn_bias",
            "use_ffn_bias_in_attention",
            "use_projection_bias_in_attention",
        ),
        only(True, because="BERT always has it"),
    ),
    **dict.fromkeys(
        ("boundary_casting", "enable_gpu_optimizations", "precision_opt_level"),
        ignored("concerns their compiler only"),
    ),
    "tf_summary": _SUMMARY,
}

_OPTIMIZER: dict[str, Rule] = {
    "optimizer_type": Rule(
        "`optimizer` (adam: adamw without decay; lamb: no_debias_clamp10)", _adam
    ),
    "weight_decay_rate": to("weight_decay", convert=float),
    "weight_decay": to("weight_decay", convert=float),
    "epsilon": to("eps", convert=float),
    "eps": to("eps", convert=float),
    "beta1": to("beta1", convert=float),
    "beta2": to("beta2", convert=float),
    "betas": Rule("`beta1`, `beta2`", _betas),
    "correct_bias": only(True, because="AdamW corrects its bias here"),
    "amsgrad": only(False, because="there is no AMSGrad"),
    "max_gradient_norm": to("max_grad_norm", convert=lambda value: float(value or 0)),
    "max_gradient_value": only(None, because="gradients are clipped by their norm"),
    "learning_rate": Rule("`stage`, one per scheduler; a number: a constant rate", _rates),
    "loss_scaling_factor": Rule("`loss_scale` (dynamic: 0)", _loss_scale),
    "grad_accum_steps": Rule(
        "multiplies `global_batch_size`", lambda value: {"accumulation": int(value)}
    ),
    "log_summaries": _SUMMARY,
    "disable_lr_steps_reset": ignored("a run with --init-checkpoint starts at step 0"),
    "exclude_from_weight_decay": ignored("biases and LayerNorm never decay"),
    **dict.fromkeys(
        ("initial_loss_scale", "steps_per_increase", "min_loss_scale", "max_loss_scale"),
        ignored("the dynamic loss scale has PyTorch's own rule"),
    ),
}

_RUN: dict[str, Rule] = {
    "max_steps": to("max_steps", convert=int),
    "num_steps": to("steps_this_run", convert=int),
    "log_steps": to("log_every", convert=int),
    "save_summary_steps": to("log_every", convert=int),
    "checkpoint_steps": to("save_every", convert=int),
    "save_checkpoints_steps": to("save_every", convert=int),
    "keep_checkpoint_max": to("keep_last", convert=int),
    "max_checkpoints": to("keep_last", convert=int),
    "eval_frequency": to("eval_every", convert=int),
    "seed": to("seed", convert=int),
    "tf_random_seed": to("seed", convert=int),
    "model_dir": to("output", convert=str),
    "checkpoint_path": to("init_checkpoint"),
    "target_device": one_of("backend", {"csx": "cs", "cs": "cs", "cpu": "cpu", "gpu": "cuda"}),
    "num_csx": to("cs.systems", convert=int),
    "num_workers_per_csx": to("cs.workers_per_system", convert=int),
    "validate_only": to("cs.validate_only", convert=bool),
    "compile_only": to("cs.compile_only", convert=bool),
    "precision_opt_level": to("cs.precision_level", convert=int),
    "mode": Rule("only train and train_and_eval: see `bertkit eval`", _mode),
    "eval_steps": ignored("all of --eval-input is evaluated; see eval --limit"),
    "throttle_secs": ignored("evaluations come by steps"),
    "save_initial_checkpoint": ignored("the weights at step 0 follow from --seed"),
    "log_step_count_steps": _SUMMARY,
    "enable_distributed": ignored("several GPUs: start with torchrun"),
    "multireplica": refused("several replicas: give cs.systems"),
    **dict.fromkeys(
        ("cs_ip", "mgmt_address", "credentials_path", "mount_dirs", "python_paths", "job_labels"),
        _CLUSTER,
    ),
}

_CONFIG: dict[str, Rule] = {
    "use_cbfloat16": Rule(
        "`precision` bf16 and `cs.half`",
        lambda value: {"half": "cbfloat16", "mixed_precision": True} if value else {},
    ),
}

_EVAL: dict[str, Rule] = {"data_dir": to("eval_input", convert=_list)}

TABLE: dict[str, Rule] = {
    **{f"train_input.{key}": rule for key, rule in _INPUT.items()},
    **{f"eval_input.{key}": rule for key, rule in _EVAL.items()},
    "eval_input.*": _TRAINING,
    **{f"model.{key}": rule for key, rule in _MODEL.items()},
    **{f"optimizer.{key}": rule for key, rule in _OPTIMIZER.items()},
    **{f"runconfig.{key}": rule for key, rule in _RUN.items()},
    **{f"csconfig.{key}": rule for key, rule in _CONFIG.items()},
    "validate.*": _TRAINING,
    "callbacks.*": ignored("the loop logs, saves and evaluates by its own settings"),
}
