"""`bertkit clean`: reports and drops duplicates, repetition and overlap with evaluation text."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from bertkit.command_line import next_step
from bertkit.commands import options
from bertkit.configuration.option_groups import MACHINE, OUTPUT
from bertkit.corpus.cleaning.config import CleanConfig


@options.command()
@options.input_option("Documents, one sentence per line, as extract writes them.")
@options.prefix_option("@list.txt")
@options.option(
    "--output",
    "-o",
    default="",
    metavar="PATH",
    help="With --drop: folder for what is kept, part-00000-of-0000N.txt, and manifest.json.",
    group=OUTPUT,
    first=True,
)
@options.config_options(CleanConfig)
@options.count_option("--examples", 3, "Documents to name per criterion.", group=OUTPUT, first=True)
@options.option(
    "--listing",
    default="",
    metavar="FILE",
    help="File to write: a JSON line for each document that falls under a criterion.",
    group=OUTPUT,
    first=True,
)
@options.option(
    "--scratch",
    default="",
    metavar="DIR",
    help="Folder for signatures, about 850 bytes per document; kept, so that a report and the "
    "--drop that follows compute them once. By default in --output, or a temporary folder.",
    group=MACHINE,
)
@options.pool_options
@options.write_options
def command(
    inputs: tuple[str, ...],
    input_prefix: str,
    output: str,
    dry_run: bool,
    as_json: bool,
    **given: Any,
) -> None:
    """Report duplicates, repetition and overlap with test sets; drop them by request.

    Without --drop nothing is written. Of copies, and of documents that resemble each other,
    the first one stays that nothing else drops. After an interruption, run the same command
    again: it resumes.

    \b
    Example:
      bertkit clean --input data/docs --against dev-v1.1.json
      bertkit clean --input data/docs --against dev-v1.1.json --output data/clean \\
          --drop exact,near,repetition,overlap
    """
    from bertkit.corpus.cleaning import clean_corpus as work
    from bertkit.corpus.cleaning.text_report import report_text

    settings = options.resolved(CleanConfig, given)
    if dry_run:
        plan = work.plan(
            inputs, output, settings.config, prefix=input_prefix, overwrite=given["overwrite"]
        )
        options.finish_dry_run(settings, plan, as_json)
        return
    # What is left of `given`: examples, listing, scratch, workers, executor, scheduler, overwrite.
    result = work.clean_corpus(inputs, output, settings.config, prefix=input_prefix, **given)
    found = [name for name, facts in result.criteria.items() if facts.get("documents", 0)]
    following = next_step.after_clean(inputs, output, found, settings.config.against)
    options.finish(asdict(result), as_json, report_text(result), following)
