"""Translates the flags of Habana's `run_pretraining.py` in a job file or shell script.

Read are the words that follow the program's name, and the number of cards that the launcher
before it asks for. Flags and defaults are those of Model-References 1.11 and 1.23. The flags of
`run_squad.py` are in `squad.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.errors import ConfigError
from bertkit.external_configs import jobs
from bertkit.external_configs.google import SIZE_KEYS, named_sizes
from bertkit.external_configs.habana import squad as habana_squad
from bertkit.external_configs.habana.flags import COMMON, Facts, alone, read_flags, steps, true
from bertkit.external_configs.translation import (
    Ignore,
    Rule,
    Translation,
    ignored,
    one_of,
    to,
)
from bertkit.external_configs.values import text, whole
from bertkit.model.config import BertConfig

TITLE = "Habana flags"
PROGRAM = "run_pretraining.py"

recognises = jobs.recognises


def read(source: str, text: str, choice: str = "") -> Translation:
    """Translate the flags of the training command in a file.

    Args:
        source: the file's name.
        text: its content: a Pod, an MPIJob, a shell script or one command line.
        choice: the number of the command, where there are several.

    Raises:
        ConfigError: there is no such command, or it cannot be parsed.
    """
    first = jobs.all_of(source, text)[:1]
    if not choice and first:
        refuse_namesakes(source, first[0])  # rather than ask which of many is meant
    return translated(source, jobs.find(source, text, choice))


def translated(source: str, command: jobs.TrainingCommand) -> Translation:
    """Translate the flags of a training command.

    Raises:
        ConfigError: it is another program of the same name, its number of cards cannot be known,
            or its batch cannot be divided.
    """
    refuse_namesakes(source, command)
    if command.program == habana_squad.PROGRAM:
        return habana_squad.translated(source, command)
    found, facts = read_flags(source, TITLE, command, TABLE, DEFAULTS)
    found.add_fixed(PROGRAM, ALWAYS)
    _reductions(found, facts)
    return found


# Flags that only other programs called run_pretraining.py or run_squad.py have.
_NAMESAKES = {
    "config": (
        "Graphcore's",
        "the settings are in the preset that --config names: give that file,"
        " --config configs_pretraining.yml:NAME, and what the command adds as bertkit's flags",
    ),
    "bert_config_file": (
        "Google's or MLPerf's",
        "give --config bert_config.json and its other flags by the names in the page"
        " coming-from.md of the documentation",
    ),
}


def refuse_namesakes(source: str, command: jobs.TrainingCommand) -> None:
    """Refuse a command for another system's program of the same name.

    Raises:
        ConfigError: says whose it is, and what to give instead.
    """
    flags = {word[2:].partition("=")[0] for word in command.arguments if word.startswith("--")}
    for flag, (whose, hint) in _NAMESAKES.items():
        if flag in flags and flag.replace("-", "_") not in TABLE | habana_squad.TABLE:
            place = f"{source}:{command.line}" if command.line else source
            raise ConfigError(
                f"{place}: --{flag} is a flag of {whose} {command.program}, not of Habana's", hint
            )


def _reductions(found: Translation, facts: Facts) -> None:
    """How gradients are exchanged: their program overrides the flag in two cases."""
    if facts.cards == 1:
        return
    if facts.accumulation == 1:
        found.values["hpu.flat_all_reduce"] = False
    elif facts.mode == "lazy":
        found.values["hpu.flat_all_reduce"] = True


def _model(value: Any) -> Mapping[str, Any]:
    return named_sizes(str(value), "give the sizes with --config bert_config.json")


def _shape(value: Any) -> Mapping[str, Any]:
    from pathlib import Path

    path = Path(str(value))
    if path.is_file():
        shape = BertConfig.from_file(str(value))
        rows = -(-shape.vocab_size // 8) * 8  # their program rounds up
        sizes = {f"model.{key}": getattr(shape, key) for key in _SHAPE_KEYS}
        return sizes | {"model.vocab_size": rows}
    if path.name in _SHAPES:
        return {f"model.{key}": size for key, size in _SHAPES[path.name].items()}
    raise Ignore("no such file here; the sizes of --bert_model hold")


# What their program takes of such a file; its epsilon of LayerNorm is always 1e-12.
_SHAPE_KEYS = (
    *SIZE_KEYS,
    "hidden_act",
    "hidden_dropout_prob",
    "attention_probs_dropout_prob",
    "max_position_embeddings",
    "type_vocab_size",
    "initializer_range",
)
# Files that stand beside the program.
_SHAPES = {
    "bert_config_1.2B.json": {
        "hidden_size": 1536,
        "num_hidden_layers": 40,
        "num_attention_heads": 16,
        "intermediate_size": 6144,
    },
}

# What no flag of the program changes.
ALWAYS: dict[str, Any] = {
    "optimizer": "nvlamb",
    "schedule": "polynomial",
    "power": 0.5,
    "end_learning_rate": 0.0,
    "beta1": 0.9,
    "beta2": 0.999,
    "eps": 1e-6,
    "weight_decay": 0.01,
    "max_grad_norm": 1.0,
    "mlm_normalisation": "micro_batch",
    "nsp": True,
    "keep_last": 3,
}
# Flag → its value where a command leaves it out.
DEFAULTS: dict[str, Any] = {
    "bert_model": "bert-large-uncased",
    "max_seq_length": 512,
    "max_predictions_per_seq": 80,
    "train_batch_size": 32,
    "learning_rate": 5e-5,
    "max_steps": 1000,
    "warmup_proportion": 0.01,
    "seed": 42,
    "gradient_accumulation_steps": 1,
    "loss_scale": 0.0,
    "log_freq": 1,
    "num_steps_per_checkpoint": 100,
    "json-summary": "results/dllogger.json",
    "steps_this_run": -1,
    "autocast": False,
    "use_habana": False,
    "allreduce_post_accumulation": False,
    "enable_packed_data_mode": True,
    "use_zero_optimizer": False,
    "checkpoint_activations": False,
}

TABLE: dict[str, Rule] = COMMON | {
    "input_dir": to("input", convert=lambda value: [text(value)]),
    "config_file": Rule("`model`, where the file is here", _shape),
    "bert_model": Rule("sizes of `model` (base, large)", _model),
    "max_seq_length": to("records.max_seq_length", convert=whole),
    "max_predictions_per_seq": to("records.max_predictions_per_seq", convert=whole),
    "num_train_epochs": ignored("their program trains for --max_steps, whatever this is"),
    "max_steps": to("max_steps", convert=steps),
    "steps_this_run": Rule(
        "`steps_this_run`; below 0: no limit", lambda v: {"steps_this_run": max(0, whole(v))}
    ),
    "num_steps_per_checkpoint": to("save_every", convert=whole),
    "use_fused_lamb": ignored("the fused LAMB is the one that hpu has"),
    "enable_packed_data_mode": Rule(
        "`layout` (packed or padded)", lambda v: {"layout": "packed" if true(v) else "padded"}
    ),
    "use_zero_optimizer": to("shard_optimizer", convert=true),
    "allreduce_post_accumulation": Rule(
        "`hpu.flat_all_reduce`", lambda value: {"hpu.flat_all_reduce": alone(value)}
    ),
    "allreduce_post_accumulation_fp16": ignored("changes no result on this machine"),
    "checkpoint_activations": to("recompute", convert=alone),
    "resume_from_checkpoint": ignored(
        "the same command resumes by itself; where it starts phase 2, give --init-checkpoint the"
        " last checkpoint of phase 1, and an --output of its own"
    ),
    "resume_step": ignored("the last checkpoint is taken; --resume FOLDER names another"),
    "skip_checkpoint": Rule(
        "`save_every` 0", lambda value: {"save_every": 0} if alone(value) else {}
    ),
    "phase2": ignored("phases are presets and --init-checkpoint"),
    "phase1_end_step": ignored("steps count from 0 in every run"),
    "init_loss_scale": ignored("the dynamic loss scale starts where PyTorch's does"),
    "no_compiled_autograd": Rule(
        "`hpu.compiled_autograd`, which is on with --use_torch_compile",
        lambda value: {"no_compiled_autograd": alone(value)},
    ),
    "optimizer": one_of("optimizer", {"lamb": "nvlamb"}),
}
