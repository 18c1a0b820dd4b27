"""Translates the flags of Habana's `run_squad.py` into the settings of finetune-squad."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.external_configs.habana.flags import COMMON, alone, read_flags, steps
from bertkit.external_configs.jobs import TrainingCommand
from bertkit.external_configs.translation import (
    FINETUNE_SQUAD,
    Rule,
    Translation,
    ignored,
    refused,
    to,
)
from bertkit.external_configs.values import number, text, whole
from bertkit.train.config import UNCORRECTED

TITLE = "Habana flags of run_squad.py"
PROGRAM = "run_squad.py"


def translated(source: str, command: TrainingCommand) -> Translation:
    """Translate the flags of a command that runs it.

    Raises:
        ConfigError: its number of cards cannot be known, or its batch cannot be divided.
    """
    found, facts = read_flags(source, TITLE, command, TABLE, DEFAULTS)
    found.command = FINETUNE_SQUAD
    gpu = "hpu.mode" not in found.values
    found.add_fixed(PROGRAM, ALWAYS | {"weight_decay": 0.01 if gpu else 0.0})
    if facts.mode == "compile":  # here it is off without its flag
        found.defaults["hpu.compiled_autograd"] = False
    return found


def _train(value: Any) -> Mapping[str, Any]:
    return {"do_train": alone(value)}


# What no flag of the program changes. It saves once, at the end.
ALWAYS: dict[str, Any] = {
    "optimizer": UNCORRECTED,
    "schedule": "linear",
    "end_learning_rate": 0.0,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-6,
    "max_grad_norm": 1.0,
    "save_every": 0,
    "keep_last": 1,
    "hpu.flat_all_reduce": False,
}
# Flag → its value where a command leaves it out.
DEFAULTS: dict[str, Any] = {
    "max_seq_length": 384,
    "doc_stride": 128,
    "max_query_length": 64,
    "do_train": False,
    "do_predict": False,
    "do_eval": False,
    "train_batch_size": 32,
    "predict_batch_size": 8,
    "learning_rate": 5e-5,
    "num_train_epochs": 3.0,
    "max_steps": -1,
    "warmup_proportion": 0.1,
    "n_best_size": 20,
    "max_answer_length": 30,
    "seed": 42,
    "gradient_accumulation_steps": 1,
    "do_lower_case": False,
    "loss_scale": 0.0,
    "version_2_with_negative": False,
    "null_score_diff_threshold": 0.0,
    "log_freq": 50,
    "json-summary": "results/dllogger.json",
    "use_habana": False,
    "autocast": False,
}

_SHAPE = ignored("the shape comes from the configuration beside the checkpoint")

TABLE: dict[str, Rule] = COMMON | {
    "bert_model": _SHAPE,
    "config_file": _SHAPE,
    "train_file": to("train_file", convert=text),
    "predict_file": to("predict_file", convert=text),
    "do_train": Rule("`do_train`", _train),
    "do_predict": Rule("`do_predict`", lambda value: {"do_predict": alone(value)}),
    "do_eval": Rule("`do_eval`", lambda value: {"do_eval": alone(value)}),
    "max_seq_length": to("max_seq_length", convert=whole),
    "doc_stride": to("doc_stride", convert=whole),
    "max_query_length": to("max_query_length", convert=whole),
    "predict_batch_size": to("predict_batch_size", convert=lambda value: str(whole(value))),
    "num_train_epochs": to("epochs", convert=number),
    "max_steps": Rule("`max_steps`; below 0: by epochs", lambda v: {"max_steps": max(0, steps(v))}),
    "n_best_size": to("n_best_size", convert=whole),
    "max_answer_length": to("max_answer_length", convert=whole),
    "do_lower_case": Rule("`do_lower_case`", lambda value: {"do_lower_case": alone(value)}),
    "version_2_with_negative": Rule(
        "`version_2_with_negative`", lambda value: {"version_2_with_negative": alone(value)}
    ),
    "null_score_diff_threshold": to("null_score_diff_threshold", convert=number),
    "cache_dir": to("cache", convert=text),
    "skip_cache": ignored("windows are kept with --cache FOLDER only"),
    "eval_script": ignored("--do-eval scores as evaluate-v1.1.py and evaluate-v2.0.py do"),
    "verbose_logging": ignored("give -v"),
    "skip_checkpoint": ignored("the last step is always saved"),
    "use_fused_adam": ignored("the fused AdamW is the one that hpu has"),
    "throughput_warmup_steps": ignored("bertkit reports the speed of every log line by itself"),
    "per_param_grad_clipping": refused("bertkit clips the norm of all gradients together only"),
    "compiled_autograd": Rule(
        "`hpu.compiled_autograd`", lambda value: {"compiled_autograd": alone(value)}
    ),
}
