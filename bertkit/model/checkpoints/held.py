"""Says what of a model the written format can hold, and tells what stays behind."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from bertkit import log
from bertkit.errors import ConfigError
from bertkit.model.checkpoints import formats
from bertkit.model.checkpoints.completeness import architecture_of, matches
from bertkit.model.checkpoints.contents import CheckpointContents
from bertkit.model.checkpoints.model_class import ModelClass
from bertkit.model.config import USED_WITH
from bertkit.model.model_types import (
    CLASSIFICATION,
    QUESTION_ANSWERING,
    SENTENCES,
    TOKEN_CLASSIFICATION,
)
from bertkit.screen.tables import shown

_FINE_TUNED = (CLASSIFICATION, QUESTION_ANSWERING, SENTENCES, TOKEN_CLASSIFICATION)


def held(
    contents: CheckpointContents, kind: ModelClass, to: str, allow_unexpected: Sequence[str]
) -> tuple[CheckpointContents, ModelClass]:
    """What the written format can hold; anything else is named by the user or an error.

    Args:
        contents: of the checkpoint.
        kind: its class.
        to: name of the format.
        allow_unexpected: patterns of our names that may be left out.

    Raises:
        ConfigError: it has no place for tensors that are not among these.
    """
    unheld = formats.get(to).unheld(contents.weights, kind.name)
    refused = [name for name in unheld if not matches(name, allow_unexpected)]
    if refused:
        modules = sorted({name.rpartition(".")[0] for name in refused})
        flags = " ".join(f"--allow-unexpected '{module}.*'" for module in modules)
        raise ConfigError(
            f"--to {to} has no place for {', '.join(modules)}",
            f"{flags} leaves that out; other forms hold it, such as --to hf",
        )
    if not unheld:
        return contents, kind
    weights = {name: value for name, value in contents.weights.items() if name not in unheld}
    moments = {name: value for name, value in contents.moments.items() if name not in unheld}
    architecture, others = architecture_of(weights), dict(kind.other_keys)
    if architecture != kind.name and (settings := others.pop(USED_WITH, None)):
        text = "without its head the model is not used with these settings, which are left out: %s"
        log.logger.warning(text, shown(settings))
    kind = ModelClass(architecture, other_keys=others)
    return replace(contents, weights=weights, moments=moments), kind


def tell_what_stays_behind(place: Path, kind: ModelClass, settings: Mapping[str, Any]) -> None:
    """Warn of a fine-tuned model whose task's settings are with its run alone.

    Args:
        place: the checkpoint.
        kind: its class, with the keys of its config.json.
        settings: of the run that trained it; empty where that is not known.
    """
    if settings and kind.name in _FINE_TUNED and USED_WITH not in kind.other_keys:
        log.logger.warning(
            "%s was written by an earlier version, which keeps the settings of its texts, such as"
            " --max-seq-length, in the run's config.yaml alone: they do not come along; give those"
            " that are not the defaults again where the model is used",
            place,
        )
