"""`bertkit eval`: measures checkpoints on held-out records."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bertkit.command_line import next_step
from bertkit.commands import copy_plan, options
from bertkit.configuration.option_groups import EVALUATION, MODEL
from bertkit.hub.sources import name_of
from bertkit.model.checkpoints.places import is_here, local_checkpoints
from bertkit.tasks.pretraining.config import EvalConfig


@options.command()
@options.input_option("Evaluation records.")
@options.option(
    "--checkpoint",
    "-c",
    "checkpoints",
    multiple=True,
    required=True,
    metavar="RUN",
    help="Folder of a checkpoint or of a run (all its checkpoints), a glob, or a model's name on "
    "the hub; repeatable.",
    group=MODEL,
    first=True,
)
@options.option(
    "--baseline",
    multiple=True,
    metavar="PATH",
    help="Training records: also report the accuracy of guessing by word frequency; repeatable.",
    group=EVALUATION,
    first=True,
)
@options.config_options(EvalConfig)
@copy_plan.dry_run_option
@options.common_options
def command(
    inputs: tuple[str, ...],
    checkpoints: tuple[str, ...],
    baseline: tuple[str, ...],
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Measure the masked LM and next sentence accuracy of checkpoints.

    \b
    Example:
      bertkit eval --input data/eval.tfrecord --checkpoint runs/tiny --baseline data/train
      bertkit eval --input data/eval.tfrecord --checkpoint runs/tiny/step-0001000 \\
        --min-mlm-accuracy 0.72
    """
    config = options.resolved(EvalConfig, given).config
    if dry_run:
        if not config.wait and all(map(is_here, (*inputs, *checkpoints))):
            from bertkit.tasks.pretraining.evaluate import check_evaluation

            check_evaluation(config, inputs, checkpoints)
        copy_plan.finish((*inputs, *baseline), as_json)
        return
    checkpoints = tuple(local_checkpoints(checkpoints))
    from bertkit.backends import registry
    from bertkit.tasks.pretraining.evaluate import evaluate_checkpoints, require_target

    with registry.get(config.backend) as adapter:
        result = evaluate_checkpoints(
            config, inputs, checkpoints, adapter, baseline_inputs=baseline
        )
    if not result.checkpoints:  # compiled only
        options.finish(asdict(result), as_json)
        return
    best = name_of(result.checkpoints[-1].checkpoint)
    options.finish(
        asdict(result),
        as_json,
        result.text(),
        next_step.after_pretraining(best),
    )
    require_target(result, config.min_mlm_accuracy)
