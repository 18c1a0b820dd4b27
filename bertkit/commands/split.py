"""`bertkit split`: divides documents into training parts and held-out files."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bertkit.command_line import next_step
from bertkit.commands import options
from bertkit.corpus.config import SplitConfig


@options.command()
@options.input_option(
    "Documents, one sentence per line (--method lists also takes unpacked files instead, by "
    "--input-prefix).",
    required=False,
)
@options.prefix_option("--metadata")
@options.output_option("Folder for train/part-0000i-of-0000N.txt, valid.txt, test.txt.")
@options.config_options(SplitConfig)
@options.pool_options
@options.write_options
def command(
    inputs: tuple[str, ...],
    input_prefix: str,
    output: str,
    overwrite: bool,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Divide documents into train, valid and test parts.

    By default a hash of the document's text decides where it goes: the split stays the same
    when the corpus grows, and copies of a document never end up in different parts.

    \b
    Example:
      bertkit split --input data/docs --output data/split --valid 0.1 --parts 4
      bertkit split --method mlperf --input data/wiki --output results
      bertkit split --method lists --metadata train_512k.txt --metadata val_files.txt \\
          --input data/docs --output data/owt
    """
    from bertkit.corpus.splitting import split as work
    from bertkit.workers.engine import Engine

    settings = options.resolved(SplitConfig, given)
    if dry_run:
        plan = work.plan(inputs, output, settings.config, input_prefix, overwrite)
        options.finish_dry_run(settings, plan, as_json)
        return
    result = work.split(
        inputs,
        output,
        settings.config,
        overwrite=overwrite,
        prefix=input_prefix,
        engine=Engine(**given),
    )
    following = next_step.after_split(output, list(result.splits), settings.config.method)
    options.finish(asdict(result), as_json, result.as_text(), following)
