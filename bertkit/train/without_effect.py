"""Settings that nothing reads beside the others that are given."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from bertkit import log
from bertkit.configuration.config import ASSIGNMENT, COMMAND_LINE
from bertkit.train.config import ComputeConfig


class _Rule(NamedTuple):
    """Settings, when nothing reads them, and why."""

    keys: tuple[str, ...]
    idle: Callable[[Any], bool]
    why: str


_RULES = (
    _Rule(
        (
            *("learning_rate", "end_learning_rate", "schedule", "power"),
            *("warmup_proportion", "warmup_steps", "start_warmup_step"),
        ),
        lambda config: bool(config.stage),
        "--stage gives the whole course of the learning rate",
    ),
    _Rule(
        ("end_learning_rate",),
        lambda config: config.schedule == "constant" and not config.stage,
        "--schedule constant stays at --learning-rate",
    ),
    _Rule(
        ("power",),
        lambda config: config.schedule != "polynomial" and not config.stage,
        "it is the power of --schedule polynomial",
    ),
    _Rule(
        ("bucket_boundaries",),
        lambda config: config.layout not in ("bucketed", "auto"),
        "they are of --layout bucketed",
    ),
    _Rule(
        ("sequences_per_pack",),
        lambda config: config.layout not in ("packed", "auto"),
        "it is of --layout packed",
    ),
    _Rule(
        ("mlm_group",),
        lambda config: config.mlm_normalisation != "micro_batch",
        "it is of --mlm-normalisation micro_batch",
    ),
    _Rule(
        ("log_project", "log_name", "log_tag"),
        lambda config: not config.log_to,
        "they are for the trackers of --log-to",
    ),
)


def warn_without_effect(config: Any, origins: Mapping[str, str]) -> None:
    """Say which settings of the command line do nothing beside the others.

    Those of presets and files are passed over: they are for many runs.

    Args:
        config: of any command.
        origins: key → where its value came from.
    """
    if not isinstance(config, ComputeConfig):
        return
    typed = {key for key, origin in origins.items() if origin in (COMMAND_LINE, ASSIGNMENT)}
    for rule in _RULES:
        given = [key for key in rule.keys if key in typed and hasattr(config, key)]
        if given and rule.idle(config):
            flags = ", ".join(f"--{key.replace('_', '-')}" for key in given)
            log.logger.warning("%s: no effect here, %s", flags, rule.why)
