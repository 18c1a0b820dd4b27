"""`bertkit report`: makes an HTML page of runs, or a picture of their curves."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path

import click

from bertkit.command_line.values import Place
from bertkit.commands import options
from bertkit.option_groups import OUTPUT


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
    wrong answers. Runs that are still training can be drawn, too.

    \b
    Example:
      bertkit report runs/tiny
      bertkit report runs/tiny runs/mini --output report.html
      bertkit report runs/tiny runs/mini --over tokens --output curves.png
      bertkit report runs/squad
    """
    from bertkit.report.curves import draw_report
    from bertkit.report.squad_review import review_section
    from bertkit.tasks.squad import review
    from bertkit.train.run_files import METRICS

    answered = [run for run in runs if Path(run, review.NAME).is_file()]
    reviews = {run: review.read_review(run) for run in answered}
    texts = [f"{run}\n\n{review.as_text(found)}" for run, found in reviews.items()]
    trained = [run for run in runs if run not in reviews or Path(run, METRICS).is_file()]
    sections = [review_section(run, found) for run, found in reviews.items()]
    page = output or str(Path(runs[0]) / "report.html")
    report = draw_report(trained, page, sections, over)
    texts.append(report.text())
    options.finish({**asdict(report), "answers": reviews}, as_json, "\n\n".join(texts))
