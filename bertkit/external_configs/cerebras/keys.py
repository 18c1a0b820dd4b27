"""The table of Cerebras params: what each key becomes; the rules of optimizer and run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.external_configs.cerebras.model_keys import (
    AHEAD,
    INPUT,
    MODEL,
    MULTIREPLICA,
    SUMMARY,
)
from bertkit.external_configs.cerebras.rates import schedulers
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
from bertkit.external_configs.values import flag, number, numbers, positive, text, texts, whole

_TRAINING = ignored("evaluation uses the settings of training and all of --eval-input")
_CLUSTER = ignored("the system's address is set in its own software")


def _betas(value: Any) -> Mapping[str, Any]:
    found = numbers(value)
    if len(found) != 2:
        raise Refuse("must be two numbers, beta1 and beta2")
    return {"beta1": found[0], "beta2": found[1]}


def _loss_scale(value: Any) -> Mapping[str, Any]:
    if value in ("dynamic", "tf_dynamic"):  # the latter is TensorFlow's own rule for the same
        return {"loss_scale": 0.0}
    if value is None or value == 0:
        return {"loss_scale": 1.0}
    try:
        return {"loss_scale": number(value)}
    except ValueError:
        raise Refuse("must be dynamic, tf_dynamic or a number") from None


def _mode(value: Any) -> Mapping[str, Any]:
    if value not in ("train", "train_and_eval"):
        raise Refuse("`bertkit pretrain` trains; use `bertkit eval` for the others")
    return {"_mode": value}


def _seed(value: Any) -> Mapping[str, Any]:
    if value is None:
        raise Ignore("another seed in every run there; here --seed decides")
    return {"seed": whole(value)}


def _or_zero(value: Any) -> int:
    """Of a number of steps or checkpoints, where nothing and 0 mean the same."""
    return 0 if value is None else whole(value)


def _steps(value: Any) -> Mapping[str, Any]:
    if value is None:
        raise Ignore("no end there; here --max-steps decides")
    return {"max_steps": positive(value)}


def _cbfloat16(value: Any) -> Mapping[str, Any]:
    if not flag(value):
        raise Ignore("16-bit numbers are those of model.mixed_precision")
    return {"_half": "cbfloat16", "_mixed_precision": True}


def _decay_excluded(value: Any) -> Mapping[str, Any]:
    if sorted({str(item).lower() for item in value or ()}) != ["bias", "layer_norm", "layernorm"]:
        raise Refuse("biases and LayerNorm never decay here, and all else does")
    raise Ignore(ALWAYS)


OPTIMIZER: dict[str, Rule] = {
    "optimizer_type": part(
        "_optimizer",
        "`optimizer` (adamw, without bias correction unless asked for; adam: adamw without decay;"
        " sgd; momentum; lamb: no_debias_clamp10)",
        lambda value: str(value).lower(),
    ),
    "use_bias_correction": part("_bias_correction", "adamw or adamw-no-bias-correction", flag),
    "correct_bias": part("_bias_correction", "adamw or adamw-no-bias-correction", flag),
    "momentum": part("_momentum", "`beta1`, of optimizer_type momentum or sgd", number),
    "use_nesterov": only(False, because="momentum is not Nesterov's"),
    "weight_decay_rate": to("weight_decay", convert=number),
    "weight_decay": to("weight_decay", convert=number),
    "epsilon": to("eps", convert=number),
    "eps": to("eps", convert=number),
    "beta1": to("beta1", convert=number),
    "beta2": to("beta2", convert=number),
    "betas": Rule("`beta1`, `beta2`", _betas),
    "amsgrad": only(False, because="there is no AMSGrad"),
    "max_gradient_norm": to(
        "max_grad_norm", convert=lambda value: 0.0 if value is None else number(value)
    ),
    "max_gradient_value": only(None, 0, because="gradients are clipped by their norm"),
    "learning_rate": part("_schedulers", "`stage`, one per scheduler", schedulers),
    "disable_lr_steps_reset": part(
        "_overlap", "`stage`: schedulers count from the start of the run", flag
    ),
    "loss_scaling_factor": Rule("`loss_scale` (dynamic: 0)", _loss_scale),
    "grad_accum_steps": part("_accumulation", "multiplies `global_batch_size`", whole),
    **dict.fromkeys(("log_summaries", "log_grads", "log_hists", "ws_summary"), SUMMARY),
    "exclude_from_weight_decay": Rule(
        "only what never decays here, biases and LayerNorm", _decay_excluded
    ),
    **dict.fromkeys(("beta_1", "beta_2"), ignored("their program reads beta1 and beta2")),
    **dict.fromkeys(
        ("rmsprop_decay", "rmsprop_momentum"), ignored("of an optimizer that is not used")
    ),
    **dict.fromkeys(
        (
            "initial_loss_scale",
            "steps_per_increase",
            "min_loss_scale",
            "max_loss_scale",
            "overflow_tolerance",
        ),
        ignored("the dynamic loss scale has PyTorch's own rule"),
    ),
}

RUN: dict[str, Rule] = {
    "max_steps": Rule("`max_steps`", _steps),
    "num_epochs": to("epochs", convert=number),
    "num_steps": to("steps_this_run", convert=whole),
    "steps": to("steps_this_run", convert=whole),
    "log_steps": to("log_every", convert=whole),
    "save_summary_steps": to("log_every", convert=whole),
    "checkpoint_steps": to("save_every", convert=_or_zero),
    "save_checkpoints_steps": to("save_every", convert=_or_zero),
    "keep_checkpoint_max": to("keep_last", convert=_or_zero),
    "max_checkpoints": to("keep_last", convert=_or_zero),
    "eval_frequency": to("eval_every", convert=whole),
    "seed": Rule("`seed`", _seed),
    "tf_random_seed": Rule("`seed`", _seed),
    "model_dir": to("output", convert=text),
    "checkpoint_path": to("init_checkpoint"),
    "target_device": one_of("backend", {"csx": "cs", "cs": "cs", "cpu": "cpu", "gpu": "cuda"}),
    "num_csx": to("cs.systems", convert=whole),
    "num_workers_per_csx": to("cs.workers_per_system", convert=whole),
    "validate_only": to("cs.validate_only", convert=flag),
    "compile_only": to("cs.compile_only", convert=flag),
    "precision_opt_level": to("cs.precision_level", convert=whole),
    "mode": Rule(
        "train: no `eval_input`; train_and_eval: `eval_every`; others: see `bertkit eval`", _mode
    ),
    "eval_steps": ignored("all of --eval-input is evaluated; see eval --limit"),
    "throttle_secs": ignored("evaluations come by steps"),
    "save_initial_checkpoint": ignored("the weights at step 0 follow from --seed"),
    "log_step_count_steps": SUMMARY,
    "enable_distributed": ignored("several GPUs: start with torchrun"),
    "multiple_workers": AHEAD,
    "multireplica": MULTIREPLICA,
    "num_replicas": MULTIREPLICA,
    "use_cs_grad_accum": ignored("see cs.micro_batch"),
    "is_pretrained_checkpoint": ignored("a run with --init-checkpoint starts at step 0"),
    "device": ignored("give --backend"),
    **dict.fromkeys(("mount_dirs", "python_paths"), _CLUSTER),
    **dict.fromkeys(
        (
            "show_debug_metrics",
            "save_losses",
            "check_loss_values",
            "enable_summaries",
            "disable_standard_logs",
            "predict_steps",
            "logging",
        ),
        SUMMARY,
    ),
    **dict.fromkeys(
        (
            "cs_ip",
            "mgmt_address",
            "mgmt_namespace",
            "credentials_path",
            "job_labels",
            "job_time_sec",
            "num_wgt_servers",
            "num_act_servers",
            "compile_dir",
            "debug_args_path",
            "appliance",
            "execution_strategy",
            "compile_crd_memory_gi",
            "execute_crd_memory_gi",
            "wrk_memory_gi",
        ),
        _CLUSTER,
    ),
    **dict.fromkeys(
        ("ir_mode", "autogen_policy", "enable_gpu_optimizations", "drop_data"),
        ignored("concerns their compiler only"),
    ),
}

CONFIG: dict[str, Rule] = {"use_cbfloat16": Rule("`precision` bf16 and `cs.half`", _cbfloat16)}

_EVAL: dict[str, Rule] = {"data_dir": to("eval_input", convert=texts)}

TABLE: dict[str, Rule] = {
    **{f"train_input.{key}": rule for key, rule in INPUT.items()},
    **{f"eval_input.{key}": rule for key, rule in _EVAL.items()},
    "eval_input.*": _TRAINING,
    "predict_input.*": _TRAINING,
    "initializer.name": one_of(
        "model.initializer", {"truncated_normal": "truncated_normal", "normal": "normal"}
    ),
    "initializer.mean": only(0, because="new weights have mean 0"),
    "initializer.stddev": to("model.initializer_range", convert=number),
    **{f"model.{key}": rule for key, rule in MODEL.items()},
    **{f"optimizer.{key}": rule for key, rule in OPTIMIZER.items()},
    **{f"runconfig.{key}": rule for key, rule in RUN.items()},
    **{f"csconfig.{key}": rule for key, rule in CONFIG.items()},
    "validate.*": _TRAINING,
    "validate_all.*": _TRAINING,
    "callbacks.*": ignored("the loop logs, saves and evaluates by its own settings"),
}
