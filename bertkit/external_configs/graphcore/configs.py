"""Translates Graphcore's configuration files into bertkit's settings.

These are the JSON of the TensorFlow 2 programs, flat as in SDK 2.4 or nested as later, and the
named presets in the PyTorch programs' YAML.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bertkit.errors import ConfigError
from bertkit.external_configs.graphcore.keys import (
    KERAS_GLUE_TABLE,
    KERAS_SQUAD_TABLE,
    KERAS_TABLE,
    TORCH_SQUAD_TABLE,
    TORCH_TABLE,
)
from bertkit.external_configs.graphcore.programs import (
    KERAS_FLAT,
    KERAS_NESTED,
    KERAS_PRETRAINING,
    TORCH,
    TORCH_PRETRAINING,
    Program,
)
from bertkit.external_configs.graphcore.steps import (
    settle_batches,
    settle_packing,
    settle_samples,
    settle_sharding,
)
from bertkit.external_configs.translation import (
    FINETUNE,
    FINETUNE_SQUAD,
    IGNORED,
    PRETRAIN,
    REFUSED,
    Rule,
    Translation,
    flattened,
    ignored,
    translate,
)

_SIZES_OF_RECORDS = ("bert_config.max_seq_length", "bert_config.max_predictions_per_seq")
_LENGTH = ignored("the program of v2.4.0 always fine-tunes with 512 tokens")
KERAS, PYTORCH = "Graphcore TensorFlow 2 JSON", "Graphcore PyTorch preset"


def recognises_keras(values: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a configuration of the TensorFlow 2 programs."""
    return "optimizer_opts" in values


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
    nested = bool({"global_batch", "ipu_config"} & values.keys())
    entries = [(key, _flat_key(key, nested), value) for key, value in flattened(values)]
    given = {name: value for _, name, value in entries}
    command = _command(given)
    program = KERAS_NESTED if nested else KERAS_FLAT
    table = {FINETUNE_SQUAD: KERAS_SQUAD_TABLE, FINETUNE: KERAS_GLUE_TABLE}.get(
        command, KERAS_TABLE
    )
    if not nested and command != PRETRAIN:
        table = {**table, "max_seq_length": _LENGTH}
    found = _translated(source, KERAS, entries, table=table, program=program, command=command)
    if command == PRETRAIN:
        found.needed = {**program.required, **KERAS_PRETRAINING}
    if found.with_outcome(REFUSED):
        return found
    settle_sharding(found)
    settle_batches(found, "grad_acc_steps_per_replica")
    settle_samples(found, command == PRETRAIN)
    if found.values.get("optimizer") == "adamw":
        found.tell(
            "weight_decay_rate",
            "as it is meant there: they take this share off all weights in every step, whatever"
            f" the learning rate; here weight_decay = {found.values.get('weight_decay')} is"
            " multiplied by it",
            IGNORED,
        )
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
    command = FINETUNE_SQUAD if values[name].get("dataset") == "squad" else PRETRAIN
    found = _translated(
        f"{source}:{name}",
        PYTORCH,
        entries,
        table=TORCH_TABLE if command == PRETRAIN else TORCH_SQUAD_TABLE,
        program=TORCH,
        command=command,
    )
    if command == PRETRAIN:
        found.needed = {**TORCH.required, **TORCH_PRETRAINING}
        width = found.values.get("model.hidden_size")
        if width:
            found.values["model.intermediate_size"] = 4 * int(width)
    if found.with_outcome(REFUSED):
        return found
    settle_sharding(found)
    settle_packing(found)
    settle_batches(found, "gradient_accumulation")
    if found.values.get("schedule") == "constant":  # theirs has no rise
        found.values["warmup_proportion"] = 0.0
        found.tell("lr_warmup", "a constant rate does not rise there", IGNORED)
    return found


def _translated(
    source: str,
    title: str,
    entries: list[tuple[str, str, Any]],
    *,
    table: Mapping[str, Rule],
    program: Program,
    command: str,
) -> Translation:
    """The keys by their table, and what the program does where they are left out."""
    found = translate(source, title, entries, table)
    found.needed = program.required
    found.command = command
    given = {name: value for _, name, value in entries}
    defaults = program.defaults(given, command == PRETRAIN)
    if command == FINETUNE and "glue_task" not in given:
        defaults.append(("glue_task", "glue_task", "mrpc"))
    found.add_defaults(program.name, defaults, table)
    fixed = program.fixed_pretraining if command == PRETRAIN else program.fixed_finetuning
    found.add_fixed(program.name, {**program.fixed, **fixed})
    return found


def _flat_key(key: str, nested: bool) -> str:
    """The flat spelling of a nested key.

    Args:
        key: nested keys joined by dots.
        nested: of the later program, which reads the sizes of records outside of `bert_config`
            only.
    """
    for prefix in ("global_batch.", "ipu_config.", "optimizer_opts.params."):
        if key.startswith(prefix):
            return key.removeprefix(prefix)
    for prefix in ("optimizer_opts.learning_rate.", "learning_rate.lr_schedule_params."):
        if key.startswith(prefix):
            return "learning_rate." + key.removeprefix(prefix)
    if not nested and key in _SIZES_OF_RECORDS:
        return key.removeprefix("bert_config.")
    return key.removeprefix("optimizer_opts.") if key != "optimizer_opts.name" else key


def _command(given: Mapping[str, Any]) -> str:
    """What a file is for, by the head in its pipeline."""
    stages = given.get("pipeline_stages")
    heads = {
        str(block)
        for stage in (stages if isinstance(stages, list) else ())
        for block in (stage if isinstance(stage, list) else ())
    }
    if "glue_head" in heads or "glue_task" in given:
        return FINETUNE
    squad = "qa_head" in heads or ("heads" not in heads and "num_epochs" in given)
    return FINETUNE_SQUAD if squad else PRETRAIN
