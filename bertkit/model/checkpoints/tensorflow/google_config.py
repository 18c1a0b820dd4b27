"""Writes `bert_config.json` so that Google's TensorFlow programs take it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from bertkit import log
from bertkit.model.checkpoints.contents import CheckpointToWrite

_EPSILON = 1e-12  # of their layer norms, whatever the configuration says


def write_google_config(folder: Path, checkpoint: CheckpointToWrite) -> None:
    """Write `bert_config.json`, in which `gelu` is their tanh form; say what it cannot hold.

    Args:
        folder: exists.
        checkpoint: whose configuration it is.
    """
    config = checkpoint.config
    if config.hidden_act == "gelu":
        log.logger.info("Google's programs compute gelu by its tanh form, bertkit by erf")
    if config.hidden_act == "gelu_new":
        log.logger.warning(
            "hidden_act gelu_new is written as gelu, by which Google's programs mean the same; "
            "bertkit and transformers would read it as the erf form"
        )
        config = replace(config, hidden_act="gelu")
    if config.layer_norm_eps != _EPSILON:
        log.logger.warning(
            "layer_norm_eps is %g; Google's programs always take %g",
            config.layer_norm_eps,
            _EPSILON,
        )
    replace(checkpoint, config=config).write_config(folder / "bert_config.json")
