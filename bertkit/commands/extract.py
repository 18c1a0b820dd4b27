"""`bertkit extract`: turns a raw corpus into documents, one sentence per line."""

from __future__ import annotations

from typing import Any

from bertkit.command_line import next_step
from bertkit.commands import options
from bertkit.configuration.option_groups import OUTPUT
from bertkit.corpus.config import ExtractConfig


@options.command()
@options.input_option("Raw corpus.")
@options.prefix_option("@list.txt")
@options.output_option("Folder for part-00000-of-0000N.txt and manifest.json.")
@options.config_options(ExtractConfig)
@options.pool_options
@options.write_options
@options.option(
    "--report-templates",
    metavar="FILE",
    is_flag=False,
    flag_value="-",
    help="Write a table of the templates within sentences that bertkit knows nothing of, the most "
    "frequent first: to FILE, or to stdout without one.",
    group=OUTPUT,
)
def command(
    inputs: tuple[str, ...],
    input_prefix: str,
    output: str,
    dry_run: bool,
    as_json: bool,
    report_templates: str | None,
    **given: Any,
) -> None:
    """Turn a raw corpus into documents, one sentence per line.

    Documents are separated by blank lines, as make-records reads them. A bad document
    is skipped, counted and named. After an interruption, run the same command again:
    it resumes.

    \b
    Example:
      bertkit extract --input data/raw --output data/docs
      bertkit extract --input 'extracted/*/wiki_*' --output data/wiki --workers 8
    """
    from bertkit.corpus.extraction import extract as work
    from bertkit.standard_output import write_line
    from bertkit.storage.files import write_text

    settings = options.resolved(ExtractConfig, given)
    if dry_run:
        plan = work.plan(
            inputs, output, settings.config, prefix=input_prefix, overwrite=given["overwrite"]
        )
        options.finish_dry_run(settings, plan, as_json)
        return
    # What is left of `given`: workers, executor, scheduler and overwrite.
    result = work.extract(inputs, output, settings.config, prefix=input_prefix, **given)
    if report_templates == "-":
        write_line(result.template_table().rstrip("\n"))
    elif report_templates is not None:
        write_text(report_templates, result.template_table())
    method = ["--method", "mlperf"] if settings.config.chain == "mlperf" else []
    parts = next_step.split_folder(output)
    following = next_step.command("split", *method, "--input", output, "--output", parts)
    options.finish(result.figures(), as_json, result.as_text(), following)
