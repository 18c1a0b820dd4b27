"""`bertkit pretrain`: trains an encoder on records and writes checkpoints."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bertkit.command_line import next_step
from bertkit.commands import options
from bertkit.configuration.option_groups import OUTPUT
from bertkit.external_configs.detect import translate_file
from bertkit.model.checkpoints.places import fetch_checkpoint, with_local_checkpoint
from bertkit.tasks.pretraining.config import PretrainConfig
from bertkit.tasks.registry import presets_of

PRESETS = presets_of("pretrain")


@options.command()
@options.preset_option(PRESETS)
@options.config_options(PretrainConfig)
@options.overwrite_option
@options.dry_run_option
@options.option(
    "--mock/--no-mock",
    group=OUTPUT,
    default=None,
    help="With --dry-run: run one batch of the largest shape and report its memory and time;"
    " by default where that takes less than about 20 seconds.",
)
@options.common_options
def command(
    preset: str | None,
    overwrite: bool,
    dry_run: bool,
    mock: bool | None,
    as_json: bool,
    **given: Any,
) -> None:
    """Pretrain a BERT encoder with masked LM and next sentence prediction.

    The output folder holds config.yaml, metrics.jsonl and checkpoints step-*/ that
    transformers can load. Run the same command again to resume: on CPUs bit for bit, on
    GPUs only with --deterministic, because fast kernels there add in varying order.

    --config takes bertkit's YAML and other systems' files as they are: Cerebras params,
    Graphcore JSON and presets (FILE:NAME), bert_config.json, scripts and jobs with Habana's
    flags; --dry-run shows what every key became.

    With --text no record files are needed: instances are made on the fly.

    \b
    Example:
      bertkit pretrain --preset tiny --input data/train --eval-input data/eval.tfrecord \\
        --vocab vocab.txt --output runs/tiny
      bertkit pretrain --preset base-phase2 --input data/512 --output runs/phase2 \\
        --init-checkpoint runs/phase1/step-0900000
    """
    fetch_checkpoint(given)
    resolved = options.resolved(PretrainConfig, given, preset, translate_file)
    resolved = with_local_checkpoint(resolved)
    from bertkit.backends import registry
    from bertkit.backends.sections import other_sections, warn_of_other_backends
    from bertkit.tasks.pretraining.plan import planned
    from bertkit.tasks.pretraining.pretrain import require_target, trained

    if dry_run:
        with registry.for_planning(resolved.config.backend) as adapter:
            warn_of_other_backends(resolved, adapter.caps.name)
            plan = planned(
                resolved.config, adapter, resolved.origins, overwrite=overwrite, mock=mock
            )
        settled = plan.ready.config
        unused = [*other_sections(adapter.caps.name), *settled.unread()]
        text = f"{resolved.table(settled, unused)}\n\n{plan.text()}"
        options.finish({"dry_run": True, **plan.figures()}, as_json, text)
        return
    with registry.get(resolved.config.backend) as adapter:
        warn_of_other_backends(resolved, adapter.caps.name)
        result = trained(resolved.config, adapter, resolved.origins, overwrite)
    records = next_step.repeated("--input", resolved.config.eval_input)
    measure = next_step.command("eval", *records, "--checkpoint", result.output)
    options.finish(
        {**asdict(result), "records": result.plan.records},
        as_json,
        result.text(),
        measure if records else next_step.after_pretraining(result.output),
    )
    require_target(resolved.config, result)
