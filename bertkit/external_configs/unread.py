"""Names the programs whose configuration files bertkit has no translation for."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bertkit.errors import ConfigError

_HINT = (
    "write its settings into a configuration of bertkit: a dry run lists them all, and the page "
    "coming-from.md of the documentation shows those of other programs"
)


@dataclass(frozen=True)
class UnreadProgram:
    """A program whose files are refused by name.

    Attributes:
        title: as people know it.
        recognises: whether a file's content is for it.
    """

    title: str
    recognises: Callable[[Mapping[str, Any]], bool]


def _popxl(values: Mapping[str, Any]) -> bool:
    """Presets with a model that counts `layers`, each in sections of its own."""
    return any(
        isinstance(preset, Mapping)
        and isinstance(preset.get("model"), Mapping)
        and preset["model"].keys() & {"layers", "embedding", "sequence_length"}
        and preset.keys() & {"training", "execution", "inference"}
        for preset in values.values()
    )


def _preprocessing(values: Mapping[str, Any]) -> bool:
    """Cerebras' preparation of data sets, release 2.3 and later."""
    return {"setup", "processing"} <= values.keys() and isinstance(values["setup"], Mapping)


def _benchmarks(values: Mapping[str, Any]) -> bool:
    return any(isinstance(entry, Mapping) and "cmd" in entry for entry in values.values())


PROGRAMS = (
    UnreadProgram(
        # https://github.com/graphcore/examples, v2.6.0, nlp/bert/tensorflow1
        "Graphcore's TensorFlow 1 programs",
        lambda values: {"pipeline_stages", "device_mapping", "hidden_size"} <= values.keys(),
    ),
    UnreadProgram(
        # v3.1.0, nlp/bert/popart
        "Graphcore's PopART programs",
        lambda values: {"num_layers", "popart_dtype"} <= values.keys(),
    ),
    UnreadProgram("Graphcore's PopXL programs", _popxl),
    UnreadProgram(
        # https://www.deepspeed.ai/docs/config-json
        "DeepSpeed",
        lambda values: bool(
            values.keys()
            & {"train_micro_batch_size_per_gpu", "zero_optimization", "steps_per_print"}
        ),
    ),
    UnreadProgram("Cerebras' preparation of data sets, not for training", _preprocessing),
    UnreadProgram("a runner of benchmarks (lines `cmd:`), not for training", _benchmarks),
)


def refuse_unread(source: str, values: Mapping[str, Any]) -> None:
    """Refuse a file of such a program.

    Args:
        source: its name.
        values: its content.

    Raises:
        ConfigError: it is one; says of which.
    """
    for program in PROGRAMS:
        if program.recognises(values):
            raise ConfigError(
                f"{source} is a configuration of {program.title}: bertkit does not translate it",
                _HINT,
            )
