"""`bertkit extract`: raw corpus in, one sentence per line out."""

from __future__ import annotations

import dataclasses
from typing import Any

import click

from bertkit.commands import options
from bertkit.corpus.config import ExtractConfig


@click.command()
@options.input_option("Raw corpus.")
@click.option(
    "--input-prefix", default="", metavar="DIR",
    help="Folder to which the names in @list.txt are relative.",
)  # fmt: skip
@options.output_option("Folder for part-00000-of-0000N.txt and manifest.json.")
@options.config_options(ExtractConfig)
@options.workers_option
@options.executor_options
@options.overwrite_option
@options.dry_run_option
@options.common_options
def command(
    inputs: tuple[str, ...],
    input_prefix: str,
    output: str,
    workers: int,
    executor: str,
    scheduler: str,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Turn a raw corpus into documents, one sentence per line.

    Documents are separated by blank lines, as make-records reads them. A bad document
    is left out, counted and named. Run the same command again after an interruption:
    it goes on where it stopped.

    \b
    Example:
      bertkit extract --input data/raw --output data/docs
      bertkit extract --input 'extracted/*/wiki_*' --output data/wiki --workers 8
    """
    from bertkit import log
    from bertkit.corpus import extract as work

    settings = options.resolved(ExtractConfig, given)
    if dry_run:
        plan = work.plan(inputs, output, settings.config, input_prefix)
        text = log.table(("setting", "value", "from"), settings.rows())
        text += "\n\n" + log.table(("plan", "value"), plan.items())
        options.finish({"dry_run": True, **plan}, as_json, text)
        return
    result = work.extract(
        inputs,
        output,
        settings.config,
        workers=workers,
        prefix=input_prefix,
        overwrite=overwrite,
        executor=executor,
        scheduler=scheduler,
    )
    state = "up to date" if result.up_to_date else f"{result.seconds:.1f} s"
    text = (
        f"{result.documents:,} documents, {result.sentences:,} sentences, {result.bytes:,} bytes "
        f"in {result.parts} parts under {output} ({state}); "
        f"{result.rejected} rejected, {result.empty} without text"
    ) + "".join(f", {count:,} {kind}" for kind, count in result.skipped.items())
    following = f"bertkit split --input {output} --output {output.rstrip('/')}-split"
    options.finish(dataclasses.asdict(result), as_json, text, following)
