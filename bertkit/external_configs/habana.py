"""Translates the flags of Habana's `run_pretraining.py` in a job file or shell script.

Read are the words that follow the program's name, and the number of cards that the launcher
before it asks for.
"""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from typing import Any

from bertkit.errors import ConfigError
from bertkit.external_configs.google import SIZE_KEYS, named_sizes
from bertkit.external_configs.translation import (
    Ignore,
    Rule,
    Translation,
    ignored,
    one_of,
    to,
    translate,
)
from bertkit.model.config import BertConfig

TITLE = "Habana flags"
_PROGRAM = re.compile(r"\S*run_pretraining\.py(?=[\s\"'\]])")
_CARDS = re.compile(r"(?:mpirun|mpiexec)[^\n]*?\s-(?:np|n)\s+(\d+)|--nproc[_-]per[_-]node[= ](\d+)")


def recognises(text: str) -> bool:
    """Whether a file runs Habana's (or NVIDIA's) pretraining program."""
    return _PROGRAM.search(text) is not None


def read(source: str, text: str) -> Translation:
    """Translate the flags.

    Args:
        source: the file's name.
        text: its content: a Pod, an MPIJob, a shell script or one command line.

    Raises:
        ConfigError: the command line cannot be parsed.
    """
    joined = re.sub(r"\\\s*\n", " ", text)
    program = _PROGRAM.search(joined)
    assert program is not None
    entries = [
        (f"--{key}", key.replace("-", "_"), value)
        for key, value in _flags(source, joined[program.end() :])
    ]
    found = translate(source, TITLE, entries, TABLE)
    cards = [int(first or second) for first, second in _CARDS.findall(joined[: program.start()])]
    _finish(found, cards[-1] if cards else 1)
    return found


def _flags(source: str, text: str) -> list[tuple[str, Any]]:
    """(flag, value or True) in what follows the program's name, up to the end of the command."""
    # A job file's arguments end with its quote, bracket or next key.
    rest = re.split(r"\n\s*[\w-]+:|[;|&>]|\n\s*\n", text, maxsplit=1)[0]
    try:
        parts = shlex.split(rest.strip().strip("\"']"), comments=True)
    except ValueError as error:
        raise ConfigError(f"{source}: cannot read the flags: {error}") from error
    found: list[tuple[str, Any]] = []
    for part in parts:
        if part.startswith("-") and not re.fullmatch(r"-?\d.*", part):
            name, equals, value = part.lstrip("-").partition("=")
            found.append((name, value if equals else True))
        elif found and found[-1][1] is True:
            found[-1] = (found[-1][0], part.rstrip(","))
    return found


def _true(value: Any) -> bool:
    return str(value).lower() in ("true", "1", "yes")


def _model(value: Any) -> Mapping[str, Any]:
    return named_sizes(str(value), "give the sizes with --config bert_config.json")


def _shape(value: Any) -> Mapping[str, Any]:
    from pathlib import Path

    if not Path(str(value)).is_file():
        raise Ignore("no such file here; the sizes of --bert_model hold")
    shape = BertConfig.from_file(str(value))
    return {f"model.{key}": getattr(shape, key) for key in SIZE_KEYS} | {
        "model.vocab_size": shape.vocab_size
    }


def _packed(value: Any) -> Mapping[str, Any]:
    return {"layout": "packed" if _true(value) else "padded"}


def _lazy(value: Any) -> Mapping[str, Any]:
    return {"hpu.mode": "lazy" if _true(value) else "eager"}


def _half(value: Any) -> Mapping[str, Any]:
    return {"precision": "bf16"} if _true(value) else {"precision": "fp32"}


def _graphs(value: Any) -> Mapping[str, Any]:
    # Their parser takes any word, False too, as true.
    return {"hpu.graphs": True}


def _finish(found: Translation, cards: int) -> None:
    """Their batch is that of one card in a step, and accumulation divides it."""
    values = found.values
    card_batch, parts = values.pop("card_batch", None), values.pop("accumulation", 1)
    if card_batch is not None:
        if card_batch % parts:
            raise ConfigError(
                f"{found.source}: --train_batch_size {card_batch} is not a multiple of"
                f" --gradient_accumulation_steps {parts}"
            )
        values["global_batch_size"] = card_batch * cards
        values["micro_batch_size"] = card_batch // parts
    values |= {
        "backend": values.get("backend", "hpu"),
        "optimizer": "nvlamb",
        "schedule": "polynomial",
        "power": 0.5,
    }


_GONE = ignored("replaced by --autocast, here --precision bf16")
_PROFILE = ignored("--profile-steps is for cpu and cuda")

TABLE: dict[str, Rule] = {
    "input_dir": Rule("`input`", lambda value: {"input": [str(value)]}),
    "config_file": Rule("sizes of `model`, where the file is here", _shape),
    "bert_model": Rule("sizes of `model` (base, large)", _model),
    "output_dir": to("output", convert=str),
    "init_checkpoint": to("init_checkpoint"),
    "max_seq_length": to("records.max_seq_length", convert=int),
    "max_predictions_per_seq": to("records.max_predictions_per_seq", convert=int),
    "train_batch_size": Rule(
        "a card's share of a step: `global_batch_size` is this x cards",
        lambda value: {"card_batch": int(value)},
    ),
    "gradient_accumulation_steps": Rule(
        "`micro_batch_size` is --train_batch_size / this",
        lambda value: {"accumulation": int(value)},
    ),
    "learning_rate": to("learning_rate", convert=float),
    "num_train_epochs": to("epochs", convert=float),
    "max_steps": to("max_steps", convert=lambda value: int(float(value))),
    "warmup_proportion": to("warmup_proportion", convert=float),
    "steps_this_run": to("steps_this_run", convert=int),
    "seed": to("seed", convert=int),
    "log_freq": to("log_every", convert=lambda value: int(float(value))),
    "num_steps_per_checkpoint": to("save_every", convert=int),
    "json_summary": to("json_summary", convert=str),
    "loss_scale": to("loss_scale", convert=float),
    "init_loss_scale": ignored("the dynamic loss scale starts where PyTorch's does"),
    "autocast": Rule("`precision` bf16", _half),
    "use_autocast": Rule("`precision` bf16", _half),
    "fp16": Rule("`precision` fp16", lambda value: {"precision": "fp16"}),
    "amp": Rule("`precision` fp16", lambda value: {"precision": "fp16"}),
    "use_habana": Rule("`backend` hpu", lambda value: {"backend": "hpu"}),
    "no_cuda": ignored("give --backend"),
    "use_lazy_mode": Rule("`hpu.mode` (lazy or eager)", _lazy),
    "use_fused_lamb": ignored("the fused LAMB is the one that hpu has"),
    "enable_packed_data_mode": Rule("`layout` (packed or padded)", _packed),
    "use_hpu_graphs": Rule("`hpu.graphs`", _graphs),
    "use_zero_optimizer": to("shard_optimizer", convert=_true),
    "allreduce_post_accumulation": Rule(
        "`hpu.flat_all_reduce`", lambda value: {"hpu.flat_all_reduce": _true(value)}
    ),
    "allreduce_post_accumulation_fp16": ignored("changes no result on this machine"),
    "tensorboard_logdir": Rule("`log_to`", lambda value: {"log_to": ["tensorboard"]}),
    "checkpoint_activations": to("recompute", convert=_true),
    "profile": _PROFILE,
    "profile_steps": _PROFILE,
    "disable_progress_bar": ignored("bars are for terminals only"),
    "resume_from_checkpoint": ignored("the same command resumes by itself"),
    "resume_step": ignored("the last checkpoint is taken; --resume FOLDER names another"),
    "skip_checkpoint": Rule("`save_every` 0", lambda value: {"save_every": 0}),
    "phase2": ignored("phases are presets and --init-checkpoint"),
    "phase1_end_step": ignored("steps count from 0 in every run"),
    "do_train": ignored("that is what this command does"),
    "local_rank": ignored("the launcher sets it"),
    "use_env": ignored("the launcher sets it"),
    **dict.fromkeys(
        ("hmp", "hmp_bf16", "hmp_fp32", "hmp_opt_level", "hmp_verbose", "enable_habana"), _GONE
    ),
    "optimizer": one_of("optimizer", {"lamb": "nvlamb"}),
    "vocab_file": to("vocab", convert=str),
}
