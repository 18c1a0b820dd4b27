"""`bertkit make-records`: turns sentence files into record files for pretraining."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import click

from bertkit.command_line import next_step
from bertkit.commands import options
from bertkit.configuration.option_groups import OUTPUT
from bertkit.records.config import RecordsConfig


@options.command()
@options.input_option("Text, one sentence per line, blank lines between documents.")
@options.prefix_option("@list.txt")
@options.output_option("Folder for the record files and manifest.json.")
@options.vocab_option
@options.config_options(RecordsConfig)
@options.option(
    "--limit", type=click.IntRange(min=1), metavar="N", help="Stop after N records.", group=OUTPUT
)
@options.pool_options
@options.write_options
def command(
    inputs: tuple[str, ...],
    input_prefix: str,
    output: str,
    vocab: str,
    limit: int | None,
    workers: int,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Write the masked, paired training instances of BERT as record files.

    The same text, settings and seed give the same records as the program that --style names:
    Google's, MLPerf's, Cerebras', NVIDIA's or a Hugging Face trainer's. After an
    interruption, run the same command again: finished files are kept.

    \b
    Example:
      bertkit make-records --input data/split/train --output data/records \\
        --vocab bertkit-uncased-8k --msl 128
      bertkit make-records --style cerebras --documents file --sentences en_core_web_sm \\
        --input @metadata/val_files.txt --input-prefix openwebtext --seed 0 --outputs 10 \\
        --output data/val-msl128 --vocab vocab.txt --msl 128
    """
    settings = options.resolved(RecordsConfig, given)
    if dry_run:
        from bertkit.records.cost import estimate_records

        plan = estimate_records(
            settings.config,
            inputs,
            output,
            vocab,
            workers,
            limit=limit,
            prefix=input_prefix,
            overwrite=given["overwrite"],
        )
        options.finish_dry_run(settings, asdict(plan), as_json, plan.rows())
        return
    from bertkit.records.make import make_records

    # What is left of `given`: executor, scheduler and overwrite.
    result = make_records(
        settings.config,
        inputs,
        output,
        vocab,
        workers=workers,
        limit=limit,
        prefix=input_prefix,
        **given,
    )
    following = next_step.command("inspect", result.output, "--vocab", vocab)
    options.finish(asdict(result), as_json, result.as_text(), following)
