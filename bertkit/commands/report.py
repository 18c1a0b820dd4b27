"""`bertkit report`: draws the curves of runs as a picture or an HTML page."""

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
    help="Page or picture to write: .html (curves, numbers, settings that differ, hardware), .png, "
    ".svg or .pdf.  [default: report.png in the first run]",
    group=OUTPUT,
)
@options.common_options
def command(runs: tuple[str, ...], output: str | None, as_json: bool) -> None:
    """Draw the curves of one or several runs.

    Loss, accuracy, learning rate and throughput over the steps, one line per run; runs that
    are still training can be drawn, too. For a run that answered SQuAD questions, the report
    also breaks the scores down by kind of question, with examples, and draws answers.png
    in its folder.

    \b
    Example:
      bertkit report runs/tiny
      bertkit report runs/tiny runs/mini --output report.html
      bertkit report runs/squad
    """
    from bertkit.report.curves import draw_report
    from bertkit.report.squad_review import review_section
    from bertkit.tasks.squad import review
    from bertkit.train.run_files import METRICS

    answered = [run for run in runs if Path(run, review.NAME).is_file()]
    reviews = {run: review.read_review(run) for run in answered}
    texts = [f"{run}\n\n{review.as_text(found)}" for run, found in reviews.items()]
    texts += [review.draw_review(run) for run in answered]
    trained = [run for run in runs if run not in reviews or Path(run, METRICS).is_file()]
    sections = [review_section(run, found) for run, found in reviews.items()]
    if not trained and not output:
        options.finish({"runs": [], "answers": reviews}, as_json, "\n\n".join(texts))
        return
    report = draw_report(trained, output or str(Path(trained[0]) / "report.png"), sections)
    texts.append(report.text())
    options.finish({**asdict(report), "answers": reviews}, as_json, "\n\n".join(texts))
