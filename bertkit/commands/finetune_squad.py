"""`bertkit finetune-squad`: fine-tunes an encoder on SQuAD, predicts answers, scores them."""

from __future__ import annotations

import functools
from dataclasses import asdict
from typing import Any

from bertkit.command_line import next_step
from bertkit.commands import options
from bertkit.external_configs.detect import translate_file
from bertkit.external_configs.translation import FINETUNE_SQUAD
from bertkit.model.checkpoints.places import fetch_checkpoint, with_local_checkpoint
from bertkit.tasks.registry import presets_of
from bertkit.tasks.squad.config import SquadConfig, settings_of_run

PRESETS = presets_of("finetune-squad")


@options.command()
@options.preset_option(PRESETS)
@options.config_options(SquadConfig)
@options.write_options
def command(
    preset: str | None, overwrite: bool, dry_run: bool, as_json: bool, **given: Any
) -> None:
    """Train, predict and score question answering on SQuAD files.

    The files given decide which of the three are done; --do-train, --do-predict and
    --do-eval (and --no-do-…) say so explicitly. Run the same command again to resume.
    --seeds N trains and scores N times, and sums the scores up.
    --config takes bertkit's YAML, and scripts and jobs with the flags of Habana's run_squad.py;
    --dry-run shows what every flag became.
    Without training, sequence lengths and other settings are taken from the run that trained
    the model. Under torchrun, mpirun or poprun the processes share the work.

    \b
    Example:
      bertkit finetune-squad --init-checkpoint runs/base/step-1000000 --vocab vocab.txt \\
        --train-file train-v1.1.json --predict-file dev-v1.1.json --output runs/squad
      bertkit finetune-squad --predict-file questions.json --output runs/squad
    """
    fetch_checkpoint(given)
    # A run that only answers takes its settings from the run that trained the model.
    trains = given.get("do_train") or given.get("train_file")
    below = [] if trains else settings_of_run(given.get("init_checkpoint") or given.get("output"))
    translate = functools.partial(translate_file, command=FINETUNE_SQUAD)
    resolved = options.resolved(SquadConfig, given, preset, translate, below)
    resolved = with_local_checkpoint(resolved)
    from bertkit.backends import registry
    from bertkit.backends.sections import other_sections, warn_of_other_backends
    from bertkit.tasks.comparison import seeds
    from bertkit.tasks.finetuning.plan_text import plan_text
    from bertkit.tasks.squad.finetune import SquadResult, finetune, rehearse
    from bertkit.tasks.squad.prepare import prepare

    if dry_run:
        resolved = seeds.first_of_seeds(resolved)
        with registry.for_planning(resolved.config.backend) as adapter:
            warn_of_other_backends(resolved, adapter.caps.name)
            ready = prepare(resolved.config, adapter, overwrite)
            rehearse(ready, adapter, overwrite)
            plan = ready.estimate()
        table = resolved.table(ready.config, other_sections(adapter.caps.name))
        options.finish({"dry_run": True, **plan}, as_json, f"{table}\n\n{plan_text(plan)}")
        return

    def run(config: SquadConfig) -> SquadResult:
        with registry.get(config.backend) as adapter:
            warn_of_other_backends(resolved, adapter.caps.name)
            return finetune(config, adapter, overwrite)

    if resolved.config.seeds:
        options.finish(*seeds.run_seeds(resolved, run).shown(as_json))
        return
    result = run(resolved.config)
    following = next_step.questions(result.output) if result.step else ""
    options.finish(asdict(result), as_json, result.text(), following)
