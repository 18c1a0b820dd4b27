"""`bertkit compare`: puts the scores of fine-tuned encoders side by side."""

from __future__ import annotations

import click

from bertkit.command_line.values import Place
from bertkit.commands import options
from bertkit.configuration.option_groups import EVALUATION, OUTPUT


@options.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=Place("RUN"))
@options.option(
    "--metric",
    "metrics",
    multiple=True,
    metavar="NAME",
    help="Score to compare instead of the one that each task is judged by; repeatable.",
    group=EVALUATION,
    example="f1",
)
@options.option(
    "--format",
    "form",
    type=click.Choice(["text", "markdown", "latex", "json"]),
    default="text",
    help="Form of the table; json has every seed's score and run.  [default: text]",
    group=OUTPUT,
)
@options.common_options
def command(runs: tuple[str, ...], metrics: tuple[str, ...], form: str, as_json: bool) -> None:
    """Compare encoders by the scores of their fine-tuning runs, over seeds and tasks.

    RUN is the folder of a run of finetune or finetune-squad, or a folder that holds such runs, as
    --seeds makes it. Runs that differ in their seeds alone are summarised: mean, sample deviation,
    median, best and worst. What cannot be compared (other evaluation files, other metrics, other
    settings, unfinished runs) is kept apart or left out, and said.

    \b
    Example:
      bertkit compare runs/base-cola runs/tiny-cola
      bertkit compare runs --format latex
    """
    from bertkit.tasks.comparison import tables
    from bertkit.tasks.comparison.compare import compare

    found = compare(runs, metrics)
    write = {"markdown": tables.as_markdown, "latex": tables.as_latex}.get(form, tables.as_text)
    options.finish(found.as_dict(), as_json or form == "json", write(found))
