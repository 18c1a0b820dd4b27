"""`bertkit finetune`: fine-tunes an encoder on examples of several kinds, scores and predicts."""

from __future__ import annotations

import functools
from dataclasses import asdict
from typing import Any

from bertkit.command_line import next_step
from bertkit.commands import options
from bertkit.external_configs.detect import translate_file
from bertkit.external_configs.layers import file_layers
from bertkit.model.checkpoints.places import fetch_checkpoint, with_local_checkpoint
from bertkit.tasks.classify.config import takes_pairs
from bertkit.tasks.finetuning import choice
from bertkit.tasks.finetuning.config import FinetuneConfig, settings_of_run
from bertkit.tasks.registry import presets_of


@options.command()
@options.preset_option(presets_of("finetune"))
@options.config_options(choice.all_settings())
@options.write_options
def command(
    preset: str | None, overwrite: bool, dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Fine-tune an encoder on your own examples; score it, predict with it.

    The files given decide what is done. Run the same command again to resume. With
    --eval-every the model of the best evaluation is kept in best/ and gives the final scores
    and predictions. Without training, columns, lengths and labels are those of the run that
    trained the model. --seeds N trains and scores N times, and sums the scores up. Under
    torchrun, mpirun or poprun the processes share the work.

    \b
    Example:
      bertkit finetune --task classify --init-checkpoint runs/base --output runs/reviews \\
        --train-file train.csv --eval-file dev.csv --text-column review --label-column stars
      bertkit finetune --predict-file new.csv --output runs/reviews
    """
    fetch_checkpoint(given)
    translate = functools.partial(translate_file, command="finetune")
    file = file_layers(given.get("config_file"), translate)
    values: dict[str, Any] = {}
    for layer in file[0]:
        values |= layer.values
    kind = choice.chosen_config(given, preset, values)
    given = choice.own_options(given, kind)
    trains = given.get("do_train") or given.get("train_file") or values.get("train_file")
    place = given.get("init_checkpoint") or given.get("output")
    below = [] if trains or preset else settings_of_run(place, kind.of_the_run)
    resolved = options.resolved(kind, given, preset, below=below, file=file)
    resolved = with_local_checkpoint(resolved)
    from bertkit.backends import registry
    from bertkit.backends.sections import other_sections, warn_of_other_backends
    from bertkit.tasks.comparison import seeds
    from bertkit.tasks.finetuning.plan_text import plan_text
    from bertkit.tasks.finetuning.run import FinetuneResult, finetune, planned

    if dry_run:
        resolved = seeds.first_of_seeds(resolved)
        with registry.for_planning(resolved.config.backend) as adapter:
            warn_of_other_backends(resolved, adapter.caps.name)
            settled, plan = planned(resolved.config, adapter, overwrite)
        table = resolved.table(settled, other_sections(adapter.caps.name))
        options.finish({"dry_run": True, **plan}, as_json, f"{table}\n\n{plan_text(plan)}")
        return

    def run(config: FinetuneConfig) -> FinetuneResult:
        with registry.get(config.backend) as adapter:
            warn_of_other_backends(resolved, adapter.caps.name)
            return finetune(config, adapter, overwrite)

    if resolved.config.seeds:
        options.finish(*seeds.run_seeds(resolved, run).shown(as_json))
        return
    result = run(resolved.config)
    following = ""
    if result.checkpoint and not result.predictions:
        learnt = settings_of_run(result.output, ("glue", "pair_column"))
        pairs = any(takes_pairs(layer.values) for layer in learnt)
        following = next_step.after_finetuning(result.output, pairs)
    options.finish(asdict(result), as_json, result.text(), following)
