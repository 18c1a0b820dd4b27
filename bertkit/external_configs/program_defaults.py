"""Sets the defaults of other systems' pretraining programs beside bertkit's."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bertkit.configuration.settings import default_values
from bertkit.external_configs.cerebras import keys as cerebras_keys
from bertkit.external_configs.cerebras import programs as cerebras_programs
from bertkit.external_configs.graphcore import keys as graphcore_keys
from bertkit.external_configs.graphcore import programs as graphcore_programs
from bertkit.external_configs.habana import pretraining as habana
from bertkit.external_configs.translation import Rule, Translation
from bertkit.tasks.pretraining.config import PretrainConfig

# What a default may depend on: two files that say all of it, differently.
_FILES: tuple[dict[str, Any], ...] = (
    {"model.mixed_precision": True, "train_input.max_sequence_length": 128},
    {"model.mixed_precision": False, "train_input.max_sequence_length": 512},
)
# Defaults that make settings together with what a file gives.
_TOGETHER = {
    "_bias_correction": "bias correction of AdamW",
    "_overlap": "all schedulers count from the start of the run",
    "_sharding": "ipu.replicated_tensor_sharding",
    "_executions": "save_every, in log intervals",
    "_packed": "packed rows",
    "card_batch": "sequences of a card in a step",
    "accumulation": "forward passes of a card in a step",
}


def defaults_by_program() -> dict[str, dict[str, str]]:
    """Program → our setting, or what it is about → its default, as text."""
    found = {}
    for cerebras in cerebras_programs.PROGRAMS:
        parts = [_settings(cerebras.defaults(file, True), cerebras_keys.TABLE) for file in _FILES]
        found[cerebras.name] = _joined(parts)
    for graphcore in graphcore_programs.PROGRAMS:
        torch = graphcore is graphcore_programs.TORCH
        table = graphcore_keys.TORCH_TABLE if torch else graphcore_keys.KERAS_TABLE
        fixed = {**graphcore.fixed, **graphcore.fixed_pretraining}
        settings = _settings(graphcore.defaults({}, True), table) | fixed
        if not torch:
            samples = graphcore_programs.SAMPLES
            settings["max_steps"] = (
                f"{samples[128]:,} samples at length 128, {samples[384]:,} at 384 and 512"
            )
        found[graphcore.name] = _joined([settings])
    flags = [(f"--{key}", key, value) for key, value in habana.DEFAULTS.items()]
    settings = _settings(flags, habana.TABLE) | habana.ALWAYS
    found[f"Habana {habana.PROGRAM}"] = _joined([settings])
    return found


def rows() -> list[tuple[str, ...]]:
    """(setting, bertkit's default, that of every program) of what any of them has; with a head."""
    programs = defaults_by_program()
    ours = default_values(PretrainConfig)
    names = dict.fromkeys(name for settings in programs.values() for name in settings)
    order = [name for name in ours if name in names]
    order += [name for name in names if name not in ours]
    body = [
        (
            name,
            _text(ours.get(name, "")),
            *(settings.get(name, "") for settings in programs.values()),
        )
        for name in order
    ]
    return [("setting", "bertkit", *programs), *body]


def _settings(entries: Iterable[tuple[str, str, Any]], table: Mapping[str, Rule]) -> dict[str, Any]:
    found = Translation("", "")
    found.add_defaults("", entries, table)
    known = default_values(PretrainConfig).keys() | _TOGETHER.keys()
    return {_TOGETHER.get(k, k): v for k, v in found.defaults.items() if k in known}


def _joined(parts: list[dict[str, Any]]) -> dict[str, str]:
    """The values as text; where two files make two of them, both."""
    names = dict.fromkeys(name for part in parts for name in part)
    return {
        name: " / ".join(dict.fromkeys(_text(part[name]) for part in parts if name in part))
        for name in names
    }


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:g}" if isinstance(value, float) else str(value)
