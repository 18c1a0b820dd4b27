"""Reads the flags that Habana's programs share, and what follows from several of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from bertkit.errors import ConfigError
from bertkit.external_configs.jobs import TrainingCommand
from bertkit.external_configs.translation import (
    Ignore,
    KeyResult,
    Refuse,
    Rule,
    Translation,
    ignored,
    to,
    translate,
)
from bertkit.external_configs.values import number, text, whole

_LAZY = "PT_HPU_LAZY_MODE"
# Settings of the tables below that stand for no setting of ours: they decide with others.
_OWN = ("card_batch", "accumulation", "lazy", "compile", "no_compiled_autograd",
        "compiled_autograd", "bf16", "fp16", "graphs", "habana", "no_cuda")  # fmt: skip


@dataclass(frozen=True)
class Facts:
    """What several flags say together.

    Attributes:
        cards: processes of the job.
        accumulation: forward passes per step and card.
        mode: `lazy`, `eager` or `compile`.
    """

    cards: int
    accumulation: int
    mode: str


def read_flags(
    source: str,
    title: str,
    command: TrainingCommand,
    table: Mapping[str, Rule],
    defaults: Mapping[str, Any],
) -> tuple[Translation, Facts]:
    """Translate the flags of a command, and those that it leaves out by the program's defaults.

    Args:
        source: the file's name.
        title: of the system.
        command: the words, and where they run.
        table: flag → rule.
        defaults: flag → value where it is left out.

    Raises:
        ConfigError: the number of cards is not known, or the batch cannot be divided.
    """
    cards = command.cards(source)
    given = _flags(source, command)
    entries = [(f"--{key}", key.replace("-", "_"), value) for key, value in given]
    # Of two flags that set the same, these decide, wherever they stand.
    entries.sort(key=lambda entry: entry[1] in ("config_file", "skip_checkpoint"))
    found = translate(source, title, entries, table)
    known = {name for _, name, _ in entries}
    known |= {_SAME[name] for name in known & _SAME.keys()}
    left = [
        (f"--{key}", key.replace("-", "_"), value)
        for key, value in defaults.items()
        if key.replace("-", "_") not in known
    ]
    found.add_defaults(command.program, left, table)
    found.keys += [KeyResult("(command)", command.program, "ignored", n) for n in command.notes]
    words = {**found.defaults, **found.values}
    mode = _mode(words, command.variables)
    _batch(found, words, cards)
    _machine(found, words, mode, command.program)
    for name in _OWN:
        found.values.pop(name, None)
        found.defaults.pop(name, None)
    return found, Facts(cards, int(words.get("accumulation", 1)), mode)


# Another spelling of a flag of which the program has a default.
_SAME = {"use_autocast": "autocast", "hmp": "autocast", "enable_habana": "use_habana"}


def _flags(source: str, command: TrainingCommand) -> Iterator[tuple[str, Any]]:
    """(flag, its value or True) of a command.

    Raises:
        ConfigError: a word that belongs to no flag.
    """
    name, value = "", None
    for word in (word.strip().rstrip(",") for word in command.arguments):
        if word.startswith("-") and not re.fullmatch(r"-[\d.].*", word):
            if name:
                yield name, value
            name, equals, text = word.lstrip("-").partition("=")
            value = text if equals else True
        elif name and value in (True, ""):
            value = word
        elif word:
            raise ConfigError(f"{source}: {word!r} of {command.program} belongs to no flag")
    if name:
        yield name, value


def true(value: Any) -> bool:
    """A flag's word as their programs read it: all but "true" is false."""
    return str(value).lower() == "true"


def alone(value: Any) -> bool:
    """True where a flag that takes no value is given.

    Raises:
        Refuse: it has one, at which their programs stop.
    """
    if not isinstance(value, bool):
        raise Refuse("takes no value there: give the flag alone, or leave it out")
    return value


def steps(value: Any) -> int:
    """A number of steps; their programs cut fractions off."""
    return int(number(value, "a number of steps"))


def _mode(words: Mapping[str, Any], variables: Mapping[str, str]) -> str:
    """From 1.12 on the variable decides, before that the flag; lazy is the default of both."""
    if words.get("compile"):
        return "compile"
    given = variables.get(_LAZY)
    if given is not None:
        return "lazy" if given == "1" else "eager"
    return "lazy" if words.get("lazy", True) else "eager"


def _batch(found: Translation, words: Mapping[str, Any], cards: int) -> None:
    """Their batch is that of one card in a step, and accumulation divides it."""
    if not {"card_batch", "accumulation"} <= words.keys():
        return  # one of them is refused
    batch, parts = words["card_batch"], words["accumulation"]
    if parts < 1 or batch % parts:
        raise ConfigError(
            f"{found.source}: --train_batch_size {batch} is not a multiple of"
            f" --gradient_accumulation_steps {parts}"
        )
    given = {"card_batch", "accumulation"} & found.values.keys()
    place = found.values if given or cards > 1 else found.defaults
    place |= {"global_batch_size": batch * cards, "micro_batch_size": batch // parts}
    text = f"global_batch_size = {batch} x {cards} cards, micro_batch_size = {batch // parts}"
    found.keys.append(KeyResult("(cards)", cards, "mapped", text))


def _machine(found: Translation, words: Mapping[str, Any], mode: str, program: str) -> None:
    """Backend, precision and mode, each from several flags."""
    values, defaults = found.values, found.defaults
    hpu = bool(words.get("habana"))
    if hpu:
        values["backend"] = "hpu"
    elif words.get("no_cuda"):
        values["backend"] = "cpu"
    else:
        defaults["backend"] = "auto"
    if words.get("fp16") and not hpu:
        values["precision"] = "fp16"
    elif words.get("fp16"):
        text = "hpu computes in bf16 or fp32; leave it out"
        found.keys.append(KeyResult("--fp16", True, "refused", text))
    elif words.get("bf16"):
        values["precision"] = "bf16"
    else:
        defaults["precision"] = "fp32"
    if not hpu:
        return
    values["hpu.mode"] = mode
    found.keys.append(KeyResult("(mode)", mode, "mapped", f"hpu.mode = {mode}"))
    graphs = bool(words.get("graphs"))
    if graphs and mode != "lazy":
        text = f"{program} has HPU graphs in lazy mode only, this is {mode} mode"
        found.keys.append(KeyResult("--use_hpu_graphs", True, "ignored", text))
    (values if graphs else defaults)["hpu.graphs"] = graphs and mode == "lazy"
    if mode == "compile":
        wanted = words.get("compiled_autograd", not words.get("no_compiled_autograd"))
        place = (
            values if {"compiled_autograd", "no_compiled_autograd"} & values.keys() else defaults
        )
        place["hpu.compiled_autograd"] = wanted


def _compile(value: Any) -> Mapping[str, Any]:
    return {"compile": alone(value)}


def _profile(value: Any) -> Mapping[str, Any]:
    raise Ignore("--profile-steps is for cpu and cuda")


def _mixed(value: Any) -> Mapping[str, Any]:
    return {"bf16": alone(value)}


_LISTS = ignored("lists of the older mixed precision; --set hpu.bf16_ops=FILE takes autocast's")
_LAUNCHER = ignored("the launcher sets it")


def _summary(value: Any) -> Mapping[str, Any]:
    if str(value) == "results/dllogger.json":
        raise Ignore("no such log is written without --json-summary FILE")
    return {"json_summary": text(value)}


def _half(value: Any) -> Mapping[str, Any]:
    return {"fp16": alone(value)}


COMMON: dict[str, Rule] = {
    "output_dir": to("output", convert=text),
    "init_checkpoint": to("init_checkpoint", convert=text),
    "train_batch_size": Rule(
        "a card's share of a step: `global_batch_size` is this x cards",
        lambda value: {"card_batch": whole(value)},
    ),
    "gradient_accumulation_steps": Rule(
        "`micro_batch_size` is --train_batch_size / this",
        lambda value: {"accumulation": whole(value)},
    ),
    "learning_rate": to("learning_rate", convert=number),
    "warmup_proportion": to("warmup_proportion", convert=number),
    "seed": to("seed", convert=whole),
    "log_freq": to("log_every", convert=steps),
    "json_summary": Rule("`json_summary`", _summary),
    "vocab_file": to("vocab", convert=text),
    "loss_scale": to("loss_scale", convert=number),
    "autocast": Rule("`precision` bf16", _mixed),
    "use_autocast": Rule("`precision` bf16", _mixed),
    "hmp": Rule("`precision` bf16 (until 1.11)", _mixed),
    "hmp_bf16": _LISTS,
    "hmp_fp32": _LISTS,
    "hmp_opt_level": ignored("autocast has no levels"),
    "hmp_verbose": ignored("bertkit does not list the operators"),
    "fp16": Rule("`precision` fp16; refused on hpu", _half),
    "amp": Rule("`precision` fp16; refused on hpu", _half),
    "use_habana": Rule("`backend` hpu", lambda value: {"habana": alone(value)}),
    "enable_habana": Rule("`backend` hpu", lambda value: {"habana": alone(value)}),
    "no_cuda": Rule("`backend` cpu, without --use_habana", lambda value: {"no_cuda": alone(value)}),
    "use_lazy_mode": Rule(
        f"`hpu.mode` (lazy or eager); {_LAZY} of the file decides where it is set",
        lambda value: {"lazy": true(value)},
    ),
    "use_torch_compile": Rule("`hpu.mode` compile", _compile),
    # Their parser takes any word, False too, as true.
    "use_hpu_graphs": Rule("`hpu.graphs`, in lazy mode", lambda value: {"graphs": True}),
    "profile": Rule("ignored: --profile-steps is for cpu and cuda", _profile),
    "profile_steps": Rule("ignored: --profile-steps is for cpu and cuda", _profile),
    "tensorboard_logdir": ignored("folder of the profiler's traces"),
    "enable_tensorboard_logging": Rule(
        "`log_to` tensorboard", lambda value: {"log_to": ["tensorboard"]}
    ),
    "log_memory_usage": ignored("bertkit does not log a card's memory; `hl-smi` shows it"),
    "disable_progress_bar": ignored("bars are for terminals only"),
    "do_train": ignored("that is what this command does"),
    "local_rank": _LAUNCHER,
    "use_env": _LAUNCHER,
}
