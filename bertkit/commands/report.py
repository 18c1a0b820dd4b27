"""`bertkit report`: makes an HTML page of runs, or a picture of their curves."""

from __future__ import annotations

import click

from bertkit.command_line.values import Place
from bertkit.commands import options
from bertkit.configuration.option_groups import OUTPUT


@options.command()
@click.argument("runs", nargs=-1, required=True, metavar="RUN...", type=Place("RUN"))
@options.option(
    "--output",
    "-o",
    metavar="FILE",
    help="Page or picture to write: .html (curves, numbers, records, answers, settings that "
    "differ, hardware), .png, .svg or .pdf.  [default: report.html in the first run]",
    group=OUTPUT,
)
@options.option(
    "--over",
    type=click.Choice(["step", "tokens", "seconds"]),
    default="step",
    help="What a picture's curves are drawn over; a page has all three.  [default: step]",
    group=OUTPUT,
)
@options.common_options
def command(runs: tuple[str, ...], output: str | None, over: str, as_json: bool) -> None:
    """Make a page of one or several runs, or a picture of their curves.

    The page needs nothing beside it: open it in a browser. It has a panel for each thing that
    runs measure, one line per run, over steps, tokens or training time; the last numbers and
    scores; records that the runs learnt from; settings that differ; and the hardware. For a run
    that answered SQuAD questions it breaks the scores down by kind of question, with right and
    wrong answers; for runs of finetune it shows the wrong labels, tags, scores and summaries.
    Runs that are still training can be drawn, too. The folder that --seeds wrote stands for its
    runs; their scores are shown with mean and deviation.

    \b
    Example:
      bertkit report runs/tiny
      bertkit report runs/tiny runs/mini --output report.html
      bertkit report runs/tiny runs/mini --over tokens --output curves.png
      bertkit report runs/squad
      bertkit report runs/cola-seeds
    """
    from bertkit.report.whole import report_runs

    report = report_runs(runs, output or "", over)
    options.finish(report.as_dict(), as_json, report.shown)
