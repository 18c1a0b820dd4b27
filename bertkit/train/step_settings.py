"""Derives what a backend needs for one optimizer step from the settings of a run."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from bertkit import log
from bertkit.backends.base import Adapter, OptimizerSpec, Problem, StepPlan, StepShape
from bertkit.errors import ConfigError
from bertkit.model.config import BertConfig
from bertkit.train.config import TrainingConfig, largest_divisor
from bertkit.train.nonfinite import SKIP
from bertkit.train.optimization.schedule import Schedule, make_schedule, staged
from bertkit.train.profiling import steps_to_profile


def micro_batch_size(
    global_batch_size: int,
    wanted: int,
    world: int,
    yields: bool = False,
    flag: str = "--micro-batch-size",
) -> int:
    """Sequences per forward pass, so that all processes have the same work in every step.

    Args:
        global_batch_size: sequences per optimizer step.
        wanted: the setting; 0 for all that a process has in a step.
        world: processes that train together.
        yields: take fewer than `wanted` where that many do not fit, as for a preset's number.
        flag: of the setting, for the message.

    Raises:
        ConfigError: the processes cannot share the global batch evenly.
    """
    size = wanted or max(1, global_batch_size // world)
    if yields and global_batch_size % world == 0:
        size = largest_divisor(global_batch_size // world, size)
    if global_batch_size % (size * world):
        raise ConfigError(
            f"--global-batch-size {global_batch_size} is not a multiple of"
            f" {flag} {size} x {world} processes"
        )
    return size


def chosen_precision(
    adapter: Adapter, wanted: str, hidden_size: int, begun: Mapping[str, Any] | None = None
) -> str:
    """The precision asked for; what is fastest on the machine where it is `auto`.

    A run that goes on keeps the one it began with, also on another machine.

    Args:
        adapter: of the machine.
        wanted: the setting.
        hidden_size: of the model.
        begun: settings of the checkpoint that the run goes on from; None: it begins.
    """
    if wanted != "auto":
        return wanted
    best = adapter.best_precision(hidden_size)
    before = (begun or {}).get("precision", best)
    if before == best or before not in adapter.caps.precisions:
        return best
    log.logger.info(
        "precision %s, with which this run began; a new one would take %s here", before, best
    )
    return str(before)


def make_step_plan(
    config: TrainingConfig, shape: StepShape, model: BertConfig | None, options: Any
) -> StepPlan:
    """The settings that decide what one step computes.

    Args:
        config: of the run, its layout resolved.
        shape: the sizes of a step.
        model: the encoder's sizes.
        options: the backend's own section of the settings.
    """
    return StepPlan(
        precision=config.precision,
        layout=config.layout,
        max_grad_norm=config.max_grad_norm,
        seed=config.seed,
        clip=config.clip,
        loss_scale=config.loss_scale,
        shape=shape,
        model=model,
        options=options,
        save_every=config.save_every,
        recompute=config.recompute,
        profile=bool(config.profile_steps),
        skip_nonfinite=config.on_nonfinite == SKIP,
    )


def optimizer_spec(config: TrainingConfig) -> OptimizerSpec:
    """The optimizer of the settings."""
    return OptimizerSpec(
        name=config.optimizer,
        beta1=config.beta1,
        beta2=config.beta2,
        eps=config.eps,
        weight_decay=config.weight_decay,
        shard=config.shard_optimizer,
    )


def learning_rates(config: TrainingConfig, steps: int) -> Schedule:
    """The learning rate as a function of the updates done, in a run of so many steps.

    Raises:
        ConfigError: a `stage` of another form.
    """
    if config.stage:
        return staged(config.stage, steps)
    return make_schedule(
        config.schedule,
        learning_rate=config.learning_rate,
        max_steps=steps,
        warmup_steps=config.warmup(steps),
        start_warmup_step=config.start_warmup_step,
        power=config.power,
        end_learning_rate=config.end_learning_rate,
    )


def check_steps(config: TrainingConfig, steps: int) -> None:
    """Check the settings whose meaning depends on the number of steps.

    Raises:
        ConfigError: a `stage` or `profile_steps` that does not fit the run.
    """
    learning_rates(config, steps)
    if config.profile_steps:
        steps_to_profile(config.profile_steps, steps)


def refuse(problems: Iterable[Problem | str]) -> None:
    """Raise what a backend cannot do, all of it at once.

    Raises:
        ConfigError: there is a problem.
    """
    texts = [item if isinstance(item, str) else item.text for item in problems]
    if texts:
        raise ConfigError("; ".join(dict.fromkeys(texts)))
